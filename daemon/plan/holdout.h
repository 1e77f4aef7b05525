// SPDX-License-Identifier: Apache-2.0
// One split into training and test rows. Bit-identical to scikit-learn's train_test_split.
#ifndef HS_PLAN_HOLDOUT_H
#define HS_PLAN_HOLDOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum hs_size_unit { HS_SIZE_NONE, HS_SIZE_FRACTION, HS_SIZE_ROWS };

struct hs_size {
	enum hs_size_unit unit; // NONE: the rest; when both are, a quarter is tested
	double fraction;        // FRACTION: of all rows
	int64_t nrows;          // ROWS
};

struct hs_holdout_spec {
	struct hs_size test, train;
	bool shuffle; // without: the first rows train, the next are tested
	uint32_t seed;
};

// Rows in scikit-learn's order, which is not ascending when shuffled. One heap array, owned: test lies behind train.
struct hs_holdout {
	uint32_t *train, *test;
	size_t ntrain, ntest;
};

// hs_holdout_split fills *ret for n rows. classes[n] (NULL: not stratified) keeps each class's share in both parts; any
// numbers, but their order counts as the order of the original values does. O(n).
// 0, -ENOMEM, or HSFEED_EBADPLAN with scikit-learn's sentence (classes with too few members are named by their numbers,
// the first few). Results untouched on failure.
int hs_holdout_split(const uint32_t *classes, size_t n, const struct hs_holdout_spec *spec, struct hs_holdout *ret,
		     struct hs_err *reterr);
void hs_holdout_fini(struct hs_holdout *h);

#endif
