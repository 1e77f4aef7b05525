// SPDX-License-Identifier: Apache-2.0
// Exact and near duplicates among texts, and the groups that they form.
//
// Two texts are compared as hs_fold_text folds them (NFC, case, white space). Texts of five characters or more are near
// duplicates when the Jaccard similarity of their sets of character 5-grams reaches the threshold; shorter ones are
// duplicates only when their folded texts are equal (empty ones are equal to each other).
//
// What is guaranteed:
// - Every pair listed was verified, its similarity is exact (but see struct hs_grams for characters above U+0FFF).
// - A pair at the threshold is found with a chance of 99.9 %, a more similar one with a higher (minhash.h).
// - Groups are the connected components of the pairs found; rows with equal folded texts are always in one group.
// - Time and memory grow with n, whatever the texts. Texts whose keys collide in a bucket of more than 128 (near copies
//   by the hundred, or texts made for it) are compared with 127 others each of the bucket, 32 in the largest: enough to
//   join nearly all that is alike, but not to list every pair. So at most n x bands x 127 comparisons are made. What
//   was given up is told: `unlisted` and `uncompared`, both 0 for usual data.
// - The same texts and options give the same result in every run and for every number of threads.
// Memory: 4 x bands (23 at 0.8) + about 80 bytes a row, the folded texts that differ from the given ones, the pairs,
// and for gram sets up to 128 MiB a thread where texts are as long as allowed (usually below 1 MiB).
#ifndef HS_TEXT_NEAR_H
#define HS_TEXT_NEAR_H

#include "base/buf.h"
#include "base/err.h"

#define HS_NEAR_SIMILARITY 0.8 // the usual threshold
#define HS_NEAR_ENGINE     1   // of results that are kept: grows when folding, grams, keys or rules give other ones

struct hs_near_options {
	double similarity; // 0.5 to 1
	size_t max_pairs;  // pairs to keep; 0: groups only
	unsigned threads;  // 0: one
	const bool *stop;  // NULL, or set by another thread (atomically) to end the search soon
};

struct hs_near_pair {
	uint32_t a, b; // rows, a < b
	double similarity;
};

struct hs_near {
	size_t nrows;
	uint32_t *text_first;   // [nrows] the first row with the same bytes: an exact duplicate of it, or itself
	uint32_t *folded_first; // [nrows] the first row with the same folded text
	uint32_t *group;        // [nrows] numbered from 0 in the order of their first rows; most have one member
	size_t ngroups;
	// Pairs of different folded texts, by a and b. Each stands for all pairs of rows with these folded texts: a and
	// b are first rows (folded_first[a] == a), so that 10,000 copies of a text are not 50 million pairs.
	struct hs_near_pair *pairs;
	size_t npairs;
	size_t exact_rows;  // rows with an earlier row of the same bytes
	size_t folded_rows; // rows with an earlier row of the same folded text; exact_rows are among them
	// Upper bounds; a pair may be counted once for each band.
	uint64_t unlisted;   // pairs of texts in one group that may be near duplicates and are not listed
	uint64_t uncompared; // pairs in crowded buckets that were not compared and ended in different groups: groups
			     // that should be one may be apart
};

// hs_near_find: n texts, valid UTF-8 of at most HS_TEXT_MAX_BYTES each. 0, -ENOMEM, -ECANCELED (stopped),
// HSFEED_EBADREQUEST (similarity), HSFEED_EUNSUPPORTED (2^32 rows or more); *ret is untouched on failure.
int hs_near_find(const struct hs_span *texts, size_t n, const struct hs_near_options *options, struct hs_near *ret,
		 struct hs_err *reterr);
void hs_near_fini(struct hs_near *near); // frees and zeroes; safe on a zeroed one

#endif
