// SPDX-License-Identifier: Apache-2.0
// Leaks of a split plan: validation rows whose text, or nearly so, is among the training rows of their fold.
#ifndef HS_FEED_LEAKS_H
#define HS_FEED_LEAKS_H

#include "feed/feed.h"

enum hs_leak_how { HS_LEAK_EXACT, HS_LEAK_SAME, HS_LEAK_NEAR };

// A leaking validation row and the training row most like it: with the same bytes, else the same when folded
// (text/fold.h), else the most similar one; of equals the lowest.
struct hs_leak {
	uint32_t fold, row, of_row;
	enum hs_leak_how how;
	double similarity; // 1 unless near
	bool conflict;     // their labels differ, as stored
};

struct hs_leak_counts {
	uint64_t val_rows, exact, same, near, conflicting; // leaking: exact + same + near
};

// Of the whole version, whatever the plan.
struct hs_duplicate_sums {
	uint64_t exact_rows, same_rows; // with an earlier row of the same bytes; else, of the same folded text
	uint64_t near_pairs;            // of different folded texts
	uint64_t groups;                // of two rows and more
	uint64_t rows_in_groups, largest;
	uint64_t conflicting_groups;   // with rows whose labels differ
	uint64_t unlisted, uncompared; // see struct hs_near
};

struct hs_leaks {
	size_t nfolds, n;
	struct hs_leak_counts *folds; // [nfolds]
	struct hs_leak *items;        // [n] by row
	struct hs_duplicate_sums duplicates;
};

// hs_leaks_find: one pass over rows and one over pairs for each question, 33 bytes a row beside what is returned. What
// near does not list cannot be found. 0 or -ENOMEM; *ret is untouched on failure.
int hs_leaks_find(const struct hs_feed_source *source, const struct hs_plan *plan, const struct hs_near *near,
		  struct hs_leaks *ret, struct hs_err *reterr);
void hs_leaks_fini(struct hs_leaks *leaks); // frees and zeroes; safe on a zeroed one

#endif
