// SPDX-License-Identifier: Apache-2.0
#include "plan/check.h"

#include <stdio.h>

#include "plan/folds.h"

#define MAX_STEPS 1e12 // about a quarter of an hour; a million rows, five folds and a hundred classes take 1e9
#define MAX_CELLS 1e8  // of folds times classes, up to 12 bytes each

int hs_check_folds(size_t n, uint32_t nfolds, struct hs_err *reterr)
{
	if (nfolds <= 1)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "k-fold cross-validation requires at least one train/test split by setting "
				  "n_splits=2 or more, got n_splits=%u.", nfolds);
	if (nfolds > n)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "Cannot have number of splits n_splits=%u greater than the number of samples: "
				  "n_samples=%zu.", nfolds, n);
	if (nfolds > HS_PLAN_MAX_FOLDS)
		return hs_err_set(reterr, HSFEED_EBADPLAN, "%u folds are more than the %u that hsfeed makes", nfolds,
				  HS_PLAN_MAX_FOLDS);
	if (n > UINT32_MAX)
		return hs_err_set(reterr, HSFEED_EBADPLAN, "%zu rows are more than the %u that hsfeed splits", n,
				  UINT32_MAX);
	return 0;
}

int hs_check_class_sizes(uint32_t smallest, uint32_t largest, uint32_t nfolds, char ret_warning[256],
			 struct hs_err *reterr)
{
	if (nfolds > largest)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "n_splits=%u cannot be greater than the number of members in each class.", nfolds);
	if (ret_warning == NULL)
		return 0;
	ret_warning[0] = '\0';
	if (nfolds > smallest)
		snprintf(ret_warning, 256,
			 "The least populated class in y has only %u members, which is less than n_splits=%u.",
			 smallest, nfolds);
	return 0;
}

int hs_check_work(double steps, double cells, const char *kind, struct hs_err *reterr)
{
	if (steps <= MAX_STEPS && cells <= MAX_CELLS)
		return 0;
	if (cells > MAX_CELLS)
		hs_err_set(reterr, HSFEED_EBADPLAN, "kind %s with so many folds and classes needs a table of %.0e "
			   "cells, which is more than the %.0e that hsfeed makes", kind, cells, MAX_CELLS);
	else
		hs_err_set(reterr, HSFEED_EBADPLAN, "kind %s with so many folds and classes takes %.0e steps, which is "
			   "more than the %.0e that hsfeed spends on a plan", kind, steps, MAX_STEPS);
	hs_err_hint(reterr, "ask for fewer folds, or stratify by fewer labels");
	return HSFEED_EBADPLAN;
}
