// SPDX-License-Identifier: Apache-2.0
// Lists of rows: a stream keeps its own, to be opened again with it; the daemon gets one as a memfd, or as bytes where
// descriptors cannot pass.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SHOWN "a list of rows" // for sentences

int hs_list_copy(const int64_t *rows, size_t n, struct hs_list *ret, struct hsfeed_error *reterr)
{
	*ret = (struct hs_list){NULL, n};
	if (!rows)
		return n == 0 ? 0 : hs_error_set(reterr, HSFEED_EBADARG, "a list of %zu rows, but no rows", n);
	if (n > SIZE_MAX / sizeof(*rows) - 1)
		return hs_error_nomem(reterr);
	ret->rows = malloc((n + 1) * sizeof(*rows)); // an empty list is one, too
	if (!ret->rows)
		return hs_error_nomem(reterr);
	memcpy(ret->rows, rows, n * sizeof(*rows));
	return 0;
}

void hs_list_fini(struct hs_list *list)
{
	free(list->rows);
	*list = (struct hs_list){NULL, 0};
}

static bool write_all(int fd, const void *data, size_t bytes)
{
	size_t at = 0;
	while (at < bytes) {
		ssize_t n = write(fd, (const char *)data + at, bytes - at);
		if (n < 0 && errno != EINTR)
			return false;
		at += n > 0 ? (size_t)n : 0;
	}
	return true;
}

// -1: this system has none to give.
static int make_memfd(const struct hs_list *list)
{
	int fd = memfd_create("hsfeed-list", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) // before Linux 6.3
		fd = memfd_create("hsfeed-list", MFD_CLOEXEC);
	if (fd >= 0 && !write_all(fd, list->rows, list->n * sizeof(*list->rows))) {
		close(fd);
		return -1;
	}
	return fd;
}

int hs_list_send(hsfeed_client *client, const struct hs_list *list, uint64_t *ret_handle, struct hsfeed_error *reterr)
{
	int fd = client->fdpass ? make_memfd(list) : -1;
	if (fd < 0)
		return hs_file_send(client, list->rows, list->n * sizeof(*list->rows), SHOWN, ret_handle, reterr);
	int rc = hs_file_attach_fd(client, fd, SHOWN, ret_handle, reterr);
	close(fd);
	return rc;
}
