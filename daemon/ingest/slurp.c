// SPDX-License-Identifier: Apache-2.0
#include "ingest/slurp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (4u << 20) // between two progress notices

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

int hs_slurp_changed(const char *name, struct hs_err *reterr)
{
	hs_err_set(reterr, HSFEED_EBADFILE, "%s changed while it was read", name);
	return hs_err_hint(reterr, "try again when nothing writes to it, or from a copy");
}

int hs_slurp_at(int fd, char *data, size_t len, size_t offset, size_t *ret_len)
{
	size_t done = 0;
	while (done < len) {
		ssize_t n = pread(fd, data + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*ret_len = done;
	return 0;
}

static int read_chunks(int fd, const char *name, struct hs_channel *progress, struct hs_slurp *s, struct hs_err *reterr)
{
	for (size_t done = 0; done < s->len;) {
		size_t want = s->len - done < CHUNK ? s->len - done : CHUNK, got = 0;
		int rc = hs_slurp_at(fd, s->data + done, want, done, &got);
		if (rc < 0)
			return hs_err_set(reterr, rc, "%s: reading at byte %zu: %s", name, done, strerror(-rc));
		if (got < want)
			return hs_slurp_changed(name, reterr);
		done += got;
		if (progress)
			hs_channel_progress(progress, HS_STAGE_READ, done, s->len);
	}
	return 0;
}

// A file that grew has a byte where its end was; one that was written over has other times.
int hs_slurp_check(int fd, const char *name, const struct stat *before, struct hs_err *reterr)
{
	struct stat after;
	char byte;
	size_t more = 0;
	int rc = hs_slurp_at(fd, &byte, 1, (size_t)before->st_size, &more);
	if (rc < 0 || fstat(fd, &after) < 0)
		return hs_err_set(reterr, rc < 0 ? rc : -errno, "%s: it cannot be read any more", name);
	if (more > 0 || after.st_size != before->st_size || !same_time(after.st_mtim, before->st_mtim) ||
	    !same_time(after.st_ctim, before->st_ctim))
		return hs_slurp_changed(name, reterr);
	return 0;
}

int hs_slurp_read(int fd, const char *name, struct hs_channel *progress, struct hs_slurp *ret, struct hs_err *reterr)
{
	struct stat before;
	if (fstat(fd, &before) < 0)
		return hs_err_set(reterr, -errno, "%s: %s", name, strerror(errno));
	struct hs_slurp s = {.len = (size_t)before.st_size};
	s.data = malloc(s.len + 1);
	if (!s.data)
		return hs_err_set(reterr, -ENOMEM, "out of memory while reading %s (%zu bytes)", name, s.len);
	int rc = read_chunks(fd, name, progress, &s, reterr);
	if (rc == 0)
		rc = hs_slurp_check(fd, name, &before, reterr);
	if (rc < 0)
		free(s.data);
	else
		*ret = s;
	return rc;
}

int hs_slurp_digest(struct hs_slurp *s, struct hs_err *reterr)
{
	if (hs_sha256(s->data, s->len, s->sha256) < 0)
		return hs_err_nomem(reterr, "computing a digest");
	return 0;
}

void hs_slurp_fini(struct hs_slurp *s)
{
	free(s->data);
	memset(s, 0, sizeof(*s));
}
