// SPDX-License-Identifier: Apache-2.0
// Heads of .npy files (numpy.lib.format, versions 1.0 to 3.0): which numbers follow, how many, from where.
#ifndef HS_CLI_NPY_H
#define HS_CLI_NPY_H

#include <stddef.h>
#include <stdint.h>

#define NPY_MAX_HEAD 65536u // numpy itself writes some 128 bytes, and reads 10,000 at most

struct npy {
	const char *dtype; // "float32", "float64" or "float16"
	unsigned dims;     // 1 or 2
	uint64_t shape[2];
	uint64_t offset; // of the first value in the file
	char wrong[200]; // after a failure: a sentence without its subject; and
	char hint[120];  // ... the way out, or ""
};

// npy_parse reads a head from a file's first bytes (at most 12 + NPY_MAX_HEAD are looked at; fewer only where the file
// is shorter). 0 or -1 with ret->wrong: not such a file, damaged, or of a kind that cannot be attached.
int npy_parse(const uint8_t *data, size_t len, struct npy *ret);

#endif
