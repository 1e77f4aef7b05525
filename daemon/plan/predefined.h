// SPDX-License-Identifier: Apache-2.0
// Folds that somebody else has dealt: a column of fold numbers.
#ifndef HS_PLAN_PREDEFINED_H
#define HS_PLAN_PREDEFINED_H

#include "base/buf.h"
#include "plan/folds.h"

// hs_fold_number reads one cell: an integer ("3", "-1", "+2", "3.0" as pandas writes it; blanks around it are skipped).
// 0, or HSFEED_EBADPLAN naming what stands there (ret untouched).
int hs_fold_number(struct hs_span cell, int64_t *ret, struct hs_err *reterr);

// hs_predefined_folds checks numbers[n] and writes fold_of_row[n] (number, or HS_FOLD_NONE for -1, as scikit-learn's
// PredefinedSplit has it) and *ret_nfolds. Folds count from 0 and each must have a row, so that fold f is the column's
// f. 0, or HSFEED_EBADPLAN: no rows, a number below -1 or too large (naming the row, from 0), fewer than two folds, a
// fold without rows. O(n). Results untouched on failure.
int hs_predefined_folds(const int64_t *numbers, size_t n, uint16_t *ret_fold_of_row, uint32_t *ret_nfolds,
			struct hs_err *reterr);

#endif
