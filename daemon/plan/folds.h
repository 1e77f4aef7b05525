// SPDX-License-Identifier: Apache-2.0
// Split plans: which fold each row is validated in. Here are the kinds there are, and KFold and StratifiedKFold,
// bit-identical to scikit-learn's (0.22 and later).
#ifndef HS_PLAN_FOLDS_H
#define HS_PLAN_FOLDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum hs_split_kind {
	HS_SPLIT_PLAIN,            // KFold
	HS_SPLIT_STRATIFIED,       // StratifiedKFold of one label column
	HS_SPLIT_MULTICLASS,       // StratifiedKFold of label combinations
	HS_SPLIT_MULTILABEL,       // MultilabelStratifiedKFold: multilabel.h
	HS_SPLIT_GROUP,            // GroupKFold: groups.h
	HS_SPLIT_STRATIFIED_GROUP, // StratifiedGroupKFold: groups.h
	HS_SPLIT_HOLDOUT,          // train_test_split: holdout.h
	HS_SPLIT_STRATIFIED_HOLDOUT,
	HS_SPLIT_PREDEFINED, // a column of fold numbers: predefined.h
	HS_SPLIT_ROWS,       // a list of row numbers
};

#define HS_PLAN_MAX_FOLDS 65534
// What stands in the place of a fold number for a row that is validated in no fold:
#define HS_FOLD_NONE   65535 // it trains in every fold
#define HS_FOLD_UNUSED 65534 // it is in neither split

struct hs_plan_spec {
	enum hs_split_kind kind;
	uint32_t nfolds;
	bool shuffle;
	uint32_t seed; // ignored without shuffle
};

// hs_split_kind_parse: "plain", "stratified" (alias "binary"), "multiclass", ... 0 or HSFEED_EBADREQUEST naming the
// kinds there are.
int hs_split_kind_parse(const char *name, enum hs_split_kind *ret, struct hs_err *reterr);
const char *hs_split_kind_name(enum hs_split_kind kind);

// hs_kfold writes fold_of_row[n] (0..k-1). 0, -ENOMEM, or HSFEED_EBADPLAN with scikit-learn's sentence.
int hs_kfold(size_t n, const struct hs_plan_spec *spec, uint16_t *ret_fold_of_row, struct hs_err *reterr);

// hs_stratified_kfold does the same for classes[n] (any numbering; only equality and first appearance matter).
// *ret_warning (may be NULL) is filled with scikit-learn's warning sentence, or "" when there is none.
int hs_stratified_kfold(const uint32_t *classes, size_t n, const struct hs_plan_spec *spec, uint16_t *ret_fold_of_row,
			char ret_warning[256], struct hs_err *reterr);

// hs_label_combinations numbers the distinct rows of a label matrix values[n][nlabels] by first appearance (floats
// compared by value; -0 equals 0). classes[n] out, *ret_nclasses out. 0 or -ENOMEM.
int hs_label_combinations(const float *values, size_t n, size_t nlabels, uint32_t *ret_classes, size_t *ret_nclasses);

// hs_fold_rows lists, ascending, the rows of one split: val = rows of fold f, train = all others but the unused.
// rows must hold n entries; returns how many were written.
size_t hs_fold_rows(const uint16_t *fold_of_row, size_t n, uint32_t fold, bool val, uint32_t *ret_rows);

#endif
