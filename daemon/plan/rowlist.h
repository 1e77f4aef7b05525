// SPDX-License-Identifier: Apache-2.0
// Folds that somebody else has dealt: a list of row numbers.
#ifndef HS_PLAN_ROWLIST_H
#define HS_PLAN_ROWLIST_H

#include "base/buf.h"
#include "plan/folds.h"

// hs_row_list_max_bytes bounds a list for so many rows, generously: refuse more before any memory is asked for.
uint64_t hs_row_list_max_bytes(size_t nrows);

// hs_row_list_read reads a list of validation rows, numbered from 0: either one number to a line, which makes one fold
// (all other rows train); or one line {"fold":0,"val":[1,2,3]} for each fold, as `hsfeed folds --indices` prints them,
// in any order. Blanks, empty lines, \r before a line's end and a UTF-8 mark at the start are skipped.
// ret_fold_of_row[nrows] gets the fold of each row, HS_FOLD_NONE where none validates it. O(bytes + nrows).
// 0; -ENOMEM; or HSFEED_EBADPLAN with the line (from 1) and what is wrong: something that is no such line, a row that
// is not there or listed twice, folds that do not count from 0 without gaps or have no rows, or no row left to train.
// What is in ret_fold_of_row is then undefined.
int hs_row_list_read(struct hs_span text, size_t nrows, uint16_t *ret_fold_of_row, uint32_t *ret_nfolds,
		     struct hs_err *reterr);

#endif
