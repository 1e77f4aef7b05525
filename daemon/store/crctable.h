// SPDX-License-Identifier: Apache-2.0
// The checksum table beside each file (PATH.crc): CRC-32C of every MiB. FORMAT.md has its bytes.
#ifndef HS_STORE_CRCTABLE_H
#define HS_STORE_CRCTABLE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define HS_CRC_CHUNK (1u << 20)

typedef void hs_crc_progress(void *arg, uint64_t done_bytes);

// hs_crc_write reads fd's file (whose name is path) and writes PATH.crc, synced. *ret_root: checksum of the table
// itself.
int hs_crc_write(int fd, const char *path, uint64_t len, uint32_t *ret_root, struct hs_err *reterr);

// hs_crc_check reads PATH.crc and compares every MiB of the file with it. HSFEED_ECORRUPT names the file and the MiB.
struct hs_crc_job {
	int fd;                    // of the file
	const char *path;          // its name
	uint32_t root;             // of the table, as the catalog has it; 0: not known
	hs_crc_progress *progress; // may be NULL
	void *arg;
};
struct hs_crc_result {
	uint64_t len;  // of the file
	uint32_t root; // of its table
};
int hs_crc_check(const struct hs_crc_job *job, struct hs_crc_result *ret, struct hs_err *reterr);

#endif
