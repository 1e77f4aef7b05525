// SPDX-License-Identifier: Apache-2.0
// A descriptor's bytes in memory, read once by pread, and their digest.
#ifndef HS_INGEST_SLURP_H
#define HS_INGEST_SLURP_H

#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sha256.h"
#include "ingest/channel.h"

struct hs_slurp {
	char *data; // heap
	size_t len;
	uint8_t sha256[HS_SHA256_BYTES]; // by hs_slurp_digest
};

// hs_slurp_read reads a whole regular file; progress (may be NULL) hears of it as stage "read". name is for sentences.
// 0, -ENOMEM, -errno, or HSFEED_EBADFILE: its size, mtime or ctime changed meanwhile.
int hs_slurp_read(int fd, const char *name, struct hs_channel *progress, struct hs_slurp *ret, struct hs_err *reterr);
int hs_slurp_digest(struct hs_slurp *s, struct hs_err *reterr); // over the very bytes in `data`

// hs_slurp_at reads up to len bytes at `offset`: *ret_len is smaller at the end of the file only. 0 or -errno.
int hs_slurp_at(int fd, char *data, size_t len, size_t offset, size_t *ret_len);
// hs_slurp_check, after everything was read: HSFEED_EBADFILE when the file grew or changed since `before`.
int hs_slurp_check(int fd, const char *name, const struct stat *before, struct hs_err *reterr);
// hs_slurp_changed sets and returns HSFEED_EBADFILE: `name` changed while it was read.
int hs_slurp_changed(const char *name, struct hs_err *reterr);
void hs_slurp_fini(struct hs_slurp *s);

#endif
