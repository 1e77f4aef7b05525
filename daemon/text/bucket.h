// SPDX-License-Identifier: Apache-2.0
// Verifies the candidates of one bucket: texts that share one band's key (near.c).
#ifndef HS_TEXT_BUCKET_H
#define HS_TEXT_BUCKET_H

#include "text/near.h"
#include "text/shingle.h"

#define HS_BUCKET_SMALL     128               // up to so many texts all pairs are compared
#define HS_BUCKET_CROWD     ((size_t)1 << 20) // in a larger one, each text with as many before it as make
#define HS_BUCKET_LEAST     32                // so many comparisons in all, but with at least so many
#define HS_BUCKET_MOST      127               // and at most so many
#define HS_BUCKET_SET_GRAMS ((size_t)4 << 20) // grams kept at once by a thread: 32 MiB

// The texts to compare: each folded text once, in row order.
struct hs_candidates {
	const struct hs_span *texts; // [n] folded
	const uint32_t *ngrams;      // [n] size of the set
	unsigned bands;
	const uint32_t *keys;  // [n * bands]
	uint32_t *compared;    // [n] bit `band` is set by the bucket: all its pairs were compared there
	const uint32_t *roots; // [n] the first member of the component known so far
	double similarity;
};

// What one thread needs, and what it found in the buckets it was given. Zeroed is valid.
struct hs_bucket {
	const struct hs_candidates *in;
	unsigned band;
	const uint64_t *items; // [n] the bucket: candidate numbers in the low halves, ascending
	size_t n;
	struct hs_near_pair *pairs; // heap; rows are candidate numbers
	size_t npairs, cap;
	uint64_t unlisted, uncompared;         // as in struct hs_near
	struct hs_grams sets[HS_BUCKET_SMALL]; // HS_BUCKET_MOST + 1 in a crowd
	struct hs_grams made;
};

// hs_bucket_search compares the texts of the bucket in b->items and appends what it finds. The order of calls and other
// buckets of the same band do not matter. 0 or -ENOMEM.
int hs_bucket_search(struct hs_bucket *b);
void hs_bucket_fini(struct hs_bucket *b); // frees and zeroes

#endif
