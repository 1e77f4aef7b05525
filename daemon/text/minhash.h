// SPDX-License-Identifier: Apache-2.0
// Candidates for near duplicates: MinHash and banding.
//
// A hash function's least value over a set is the same for two sets with a chance that is their Jaccard similarity s.
// Of bands x rows such functions, each band's `rows` values make one key; two sets share at least one key with the
// chance 1 - (1 - s^rows)^bands.
#ifndef HS_TEXT_MINHASH_H
#define HS_TEXT_MINHASH_H

#include <stddef.h>
#include <stdint.h>

#define HS_MINHASH_LEAST_SIMILARITY 0.5
#define HS_MINHASH_RECALL           0.999 // of pairs right at the threshold; above it, more
#define HS_MINHASH_MAX_BANDS        32
#define HS_MINHASH_MAX_ROWS         16
#define HS_MINHASH_MAX_FUNCTIONS    (HS_MINHASH_MAX_BANDS * HS_MINHASH_MAX_ROWS)

struct hs_minhash {
	unsigned bands, rows;
	uint32_t factor[HS_MINHASH_MAX_FUNCTIONS]; // odd
	uint32_t offset[HS_MINHASH_MAX_FUNCTIONS];
};

// hs_minhash_init chooses for a threshold t from HS_MINHASH_LEAST_SIMILARITY to 1: the most rows with t^rows >= 0.22,
// at most 16, then the fewest bands with 1 - (1 - t^rows)^bands >= HS_MINHASH_RECALL, at most 28. 0.8: 23 bands of 6
// rows.
void hs_minhash_init(struct hs_minhash *m, double similarity);

// hs_minhash_keys gives the key of each band, [bands], for a set of n > 0 numbers. The same set has the same keys, in
// every run, on every processor; two sets without a common least value share a key with a chance of 2^-32.
void hs_minhash_keys(const struct hs_minhash *m, const uint64_t *set, size_t n, uint32_t *ret_keys);

#endif
