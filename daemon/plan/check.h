// SPDX-License-Identifier: Apache-2.0
// scikit-learn's checks that all splits share, and a limit on work. Private to this layer.
#ifndef HS_PLAN_CHECK_H
#define HS_PLAN_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// hs_check_folds: 2 <= k <= n, and what a fold number and a row number hold. 0 or HSFEED_EBADPLAN with scikit-learn's
// sentence (ours for the last two).
int hs_check_folds(size_t n, uint32_t nfolds, struct hs_err *reterr);

// hs_check_class_sizes refuses when no class has nfolds members, and writes scikit-learn's warning ("" when there is
// none) when the smallest has fewer. ret_warning may be NULL; it is untouched on failure. 0 or HSFEED_EBADPLAN.
int hs_check_class_sizes(uint32_t smallest, uint32_t largest, uint32_t nfolds, char ret_warning[256],
			 struct hs_err *reterr);

// hs_check_work refuses plans that would keep a processor busy for many minutes or take a gigabyte: steps estimates
// additions, cells is folds times classes. 0 or HSFEED_EBADPLAN.
int hs_check_work(double steps, double cells, const char *kind, struct hs_err *reterr);

#endif
