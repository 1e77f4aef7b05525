// SPDX-License-Identifier: Apache-2.0
// How many rows a hold-out trains and tests. Private to this layer.
#ifndef HS_PLAN_SIZES_H
#define HS_PLAN_SIZES_H

#include "plan/holdout.h"

// hs_holdout_sizes: scikit-learn's _validate_shuffle_split, as train_test_split calls it. 0 or HSFEED_EBADPLAN with its
// sentence.
int hs_holdout_sizes(size_t n, const struct hs_holdout_spec *spec, size_t *ret_ntrain, size_t *ret_ntest,
		     struct hs_err *reterr);

#endif
