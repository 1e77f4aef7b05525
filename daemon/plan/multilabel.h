// SPDX-License-Identifier: Apache-2.0
// Folds for several 0/1 labels at once. Bit-identical to iterative-stratification 0.1.9's MultilabelStratifiedKFold.
#ifndef HS_PLAN_MULTILABEL_H
#define HS_PLAN_MULTILABEL_H

#include "plan/folds.h"

// hs_multilabel_kfold writes fold_of_row[n] (0..k-1) for values[n][nlabels]; every value but 0 counts as 1. Without
// spec->shuffle rows are dealt in their own order but ties are still drawn from the seed, as the package does after
// numpy.random.seed(seed). Time O(n (nlabels + k)), memory 4 bytes per row and per positive value.
// 0; -ENOMEM; HSFEED_EBADPLAN with the libraries' sentence: no rows or columns, a value missing or infinite, k out of
// range, a single column; or with ours: too much work. Results untouched on failure.
int hs_multilabel_kfold(const float *values, size_t n, size_t nlabels, const struct hs_plan_spec *spec,
			uint16_t *ret_fold_of_row, struct hs_err *reterr);

#endif
