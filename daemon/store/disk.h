// SPDX-License-Identifier: Apache-2.0
// Small things about files that the whole store needs: whole reads and writes, syncing folders, LMDB's errors as ours.
#ifndef HS_STORE_DISK_H
#define HS_STORE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// All return 0 or -errno. hs_disk_read fails with -EIO where the file ends early.
int hs_disk_read(int fd, void *data, size_t len, uint64_t offset);
int hs_disk_write(int fd, const void *data, size_t len);
int hs_disk_sync_folder(const char *path);
void hs_disk_unlink_pair(const char *path); // PATH and PATH.crc; not being there is fine

// hs_disk_each calls fn for every entry of a folder but "." and ".."; stops at the first error.
typedef int hs_disk_entry(void *arg, const char *folder, const char *name, struct hs_err *reterr);
int hs_disk_each(const char *folder, hs_disk_entry *fn, void *arg, struct hs_err *reterr);

// hs_disk_path formats a path; NULL when out of memory.
char *hs_disk_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// hs_disk_fail sets "PATH: cannot DOING: why" for a -errno. EIO on a full file system is ENOSPC: LMDB reports short
// writes so.
int hs_disk_fail(struct hs_err *reterr, int code, const char *path, const char *doing);
// hs_disk_fail_mdb does so for a result of LMDB (an errno or MDB_*).
int hs_disk_fail_mdb(struct hs_err *reterr, int mdb_rc, const char *path, const char *doing);

// hs_disk_remote_name names a network or user-space file system by statfs's f_type; NULL for a local one.
const char *hs_disk_remote_name(long f_type);

#endif
