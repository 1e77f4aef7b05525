// SPDX-License-Identifier: Apache-2.0
// Files become handles of the daemon's: as descriptors where they can pass, as bytes otherwise.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

#define CHUNK_BYTES 196608u // a request has room for 262,144 bytes

static int check_regular(int fd, const char *shown, struct stat *ret_stat, struct hsfeed_error *reterr)
{
	if (fstat(fd, ret_stat) < 0)
		return hs_error_set(reterr, -errno, "%s: %s", shown, hsfeed_strerror(-errno));
	if (S_ISREG(ret_stat->st_mode))
		return 0;
	bool folder = S_ISDIR(ret_stat->st_mode);
	hs_error_set(reterr, HSFEED_EBADFILE, "%s: %s", shown, folder ? "a folder, not a file" : "not a regular file");
	hs_error_hint(reterr, folder ? "name a file in it" : "save what comes from there as a file first");
	return HSFEED_EBADFILE;
}

static int open_file(const char *path, const char *shown, struct stat *ret_stat, struct hsfeed_error *reterr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); // a FIFO must not make us wait
	if (fd < 0)
		return hs_error_set(reterr, -errno, "%s: %s", shown, hsfeed_strerror(-errno));
	int rc = check_regular(fd, shown, ret_stat, reterr);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static int take_handle(hsfeed_value *answer, uint64_t *ret_handle, struct hsfeed_error *reterr)
{
	const hsfeed_value *handle = hsfeed_value_get(answer, "handle");
	int rc = 0;
	if (hsfeed_value_type(handle) == HSFEED_UINT)
		*ret_handle = hsfeed_value_uint(handle, 0);
	else
		rc = hs_error_set(reterr, HSFEED_EBADFRAME, "the daemon gave no handle for a file");
	hsfeed_value_free(answer);
	return rc;
}

static int attach(hsfeed_client *client, int fd, const char *shown, uint64_t *ret_handle, struct hsfeed_error *reterr)
{
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	hsfeed_params_str(params, "name", shown);
	hsfeed_value *answer = NULL;
	struct hs_call call = {.method = "file.attach", .params = params, .fd = fd, .late = HS_LATE_CLOSE_FILE};
	int rc = hs_call(client, &call, &answer, reterr);
	hsfeed_params_destroy(params);
	return rc < 0 ? rc : take_handle(answer, ret_handle, reterr);
}

static int begin(hsfeed_client *client, uint64_t bytes, const char *shown, uint64_t *ret_handle,
		 struct hsfeed_error *reterr)
{
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	hsfeed_params_str(params, "name", shown);
	hsfeed_params_uint(params, "bytes", bytes);
	hsfeed_value *answer = NULL;
	struct hs_call call = {.method = "file.begin", .params = params, .fd = -1, .late = HS_LATE_CLOSE_FILE};
	int rc = hs_call(client, &call, &answer, reterr);
	hsfeed_params_destroy(params);
	return rc < 0 ? rc : take_handle(answer, ret_handle, reterr);
}

static int send_chunk(hsfeed_client *client, uint64_t handle, const void *data, size_t bytes,
		      struct hsfeed_error *reterr)
{
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	hsfeed_params_uint(params, "handle", handle);
	hsfeed_params_bin(params, "data", data, bytes);
	int rc = hs_call(client, &(struct hs_call){.method = "file.chunk", .params = params, .fd = -1}, NULL, reterr);
	hsfeed_params_destroy(params);
	return rc;
}

int hs_file_send(hsfeed_client *client, const void *data, size_t bytes, const char *shown, uint64_t *ret_handle,
		 struct hsfeed_error *reterr)
{
	uint64_t handle = 0;
	int rc = begin(client, bytes, shown, &handle, reterr);
	if (rc < 0)
		return rc;
	for (size_t at = 0; rc == 0 && at < bytes; at += CHUNK_BYTES) {
		size_t n = bytes - at < CHUNK_BYTES ? bytes - at : CHUNK_BYTES;
		rc = send_chunk(client, handle, (const char *)data + at, n, reterr);
	}
	if (rc < 0)
		hs_file_close(client, handle);
	else
		*ret_handle = handle;
	return rc;
}

// Reads a file of `bytes` bytes whole: one that shrinks or grows meanwhile is refused.
static int read_all(int fd, char *data, size_t bytes, const char *shown, struct hsfeed_error *reterr)
{
	size_t at = 0;
	while (at < bytes) {
		ssize_t n = pread(fd, data + at, bytes - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return hs_error_set(reterr, -errno, "%s: cannot be read: %s", shown, hsfeed_strerror(-errno));
		if (n == 0)
			return hs_error_set(reterr, HSFEED_EBADFILE, "%s: it became shorter while it was read", shown);
		at += (size_t)n;
	}
	return 0;
}

static int send_file(hsfeed_client *client, int fd, size_t bytes, const char *shown, uint64_t *ret_handle,
		     struct hsfeed_error *reterr)
{
	char *data = malloc(bytes + 1);
	if (!data)
		return hs_error_nomem(reterr);
	int rc = read_all(fd, data, bytes, shown, reterr);
	if (rc == 0)
		rc = hs_file_send(client, data, bytes, shown, ret_handle, reterr);
	free(data);
	return rc;
}

int hs_file_attach_fd(hsfeed_client *client, int fd, const char *shown, uint64_t *ret_handle,
		      struct hsfeed_error *reterr)
{
	struct stat st;
	int rc = check_regular(fd, shown, &st, reterr);
	if (rc < 0)
		return rc;
	return client->fdpass ? attach(client, fd, shown, ret_handle, reterr)
			      : send_file(client, fd, (size_t)st.st_size, shown, ret_handle, reterr);
}

int hs_file_attach(hsfeed_client *client, const char *path, const char *shown, uint64_t *ret_handle,
		   struct hsfeed_error *reterr)
{
	struct stat st;
	int fd = open_file(path, shown, &st, reterr);
	if (fd < 0)
		return fd;
	int rc = hs_file_attach_fd(client, fd, shown, ret_handle, reterr);
	close(fd);
	return rc;
}

static int write_all(int fd, const char *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(fd, data, bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

int hs_file_share(hsfeed_client *client, const void *data, size_t bytes, const char *shown, uint64_t *ret_handle,
		  struct hsfeed_error *reterr)
{
	int fd = client->fdpass ? memfd_create("hsfeed", MFD_CLOEXEC) : -1;
	if (fd < 0)
		return hs_file_send(client, data, bytes, shown, ret_handle, reterr);
	int rc = write_all(fd, data, bytes);
	if (rc < 0)
		hs_error_set(reterr, rc, "%s: no copy can be made for the daemon: %s", shown, hsfeed_strerror(rc));
	else
		rc = attach(client, fd, shown, ret_handle, reterr);
	close(fd);
	return rc;
}

int hs_file_upload(hsfeed_client *client, const char *path, size_t max_bytes, uint64_t *ret_handle,
		   struct hsfeed_error *reterr)
{
	struct stat st;
	int rc, fd = open_file(path, path, &st, reterr);
	if (fd < 0)
		return fd;
	if ((uint64_t)st.st_size > max_bytes)
		rc = hs_error_set(reterr, HSFEED_EBADFILE, "%s: it has %llu bytes, and at most %zu are taken", path,
				  (unsigned long long)st.st_size, max_bytes);
	else
		rc = send_file(client, fd, (size_t)st.st_size, path, ret_handle, reterr);
	close(fd);
	return rc;
}

void hs_file_close(hsfeed_client *client, uint64_t handle)
{
	if (!client->broken.code && hs_send_request(client, "file.close", "handle", handle) == 0)
		hs_conn_flush(client);
}
