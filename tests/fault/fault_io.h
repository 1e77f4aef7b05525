// SPDX-License-Identifier: Apache-2.0
// Lets the n-th call of a kind fail, in this program and in LMDB.
#ifndef FAULT_IO_H
#define FAULT_IO_H

#include <stdbool.h>

enum fault_kind {
	FAULT_NONE,
	FAULT_MALLOC, // malloc, calloc, realloc of our own code
	FAULT_WRITE,  // write, pwrite, writev, pwritev fail
	FAULT_SHORT,  // ... write half of what was asked, once
	FAULT_SYNC,   // fsync, fdatasync, msync
	FAULT_RENAME,
	FAULT_READ,     // pread
	FAULT_TRUNCATE, // ftruncate
	FAULT_OPEN,
	FAULT_MAP, // mmap
	FAULT_KINDS
};

// fault_arm lets the nth call (from 1) of a kind from now on fail with an errno; sticky: and all later ones.
void fault_arm(enum fault_kind kind, unsigned nth, int error, bool sticky);
// fault_disarm ends it, and tells whether any call failed.
bool fault_disarm(void);

// fault_f_type makes statfs report a file system; 0: the real one.
void fault_f_type(long f_type);

#endif
