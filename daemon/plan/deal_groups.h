// SPDX-License-Identifier: Apache-2.0
// Stratified folds that keep the rows of a group together and say how even they are: for groups that are found, not
// given, such as duplicates. An algorithm of our own (deal_groups.c), where no library has one to be equal to.
#ifndef HS_PLAN_DEAL_GROUPS_H
#define HS_PLAN_DEAL_GROUPS_H

#include "plan/folds.h"

struct hs_deal_rows {
	size_t n;
	const uint32_t *groups;  // [n] below ngroups
	size_t ngroups;          // a number that no row has does no harm
	const uint32_t *classes; // [n] any numbers: one class a row; or NULL:
	const float *values;     // [n][nlabels] 0/1 labels; every value but 0 counts as 1
	size_t nlabels;
};

// What groups are kept together, and how even folds became.
struct hs_deal_figures {
	uint64_t groups;    // that have rows
	uint64_t largest;   // rows of the largest
	uint64_t together;  // rows in groups of two and more
	uint64_t size_gap;  // rows of the largest fold less those of the smallest
	bool labelled;      // the next is known: always of hs_deal_groups
	uint64_t label_gap; // the same of the rows of a class, or of a label; the largest of all
	bool bounded;       // hs_deal_groups, classes only: the gaps are never larger than
	uint64_t size_bound, label_bound;
};
// hs_deal_count_groups and hs_deal_count_folds set the figures that follow from the rows of each group, and of each
// fold.
void hs_deal_count_groups(const uint32_t *sizes, size_t ngroups, struct hs_deal_figures *ret);
void hs_deal_count_folds(const uint64_t *sizes, uint32_t nfolds, struct hs_deal_figures *ret);

// hs_deal_groups writes fold_of_row[n] (0..k-1), no fold empty. Classes whose groups are all of one row are dealt as
// evenly as hs_stratified_kfold deals them. Without spec->shuffle, groups of equal size are dealt in the order of their
// numbers. Time O(n + labels * k + groups * log k), memory about 70 bytes a row or, with values, a positive value.
// *ret_warning (may be NULL) is hs_stratified_kfold's sentence, "" without classes.
// 0, -ENOMEM, or HSFEED_EBADPLAN with scikit-learn's sentence: k out of range, more folds than groups, no class with k
// rows; a value missing or infinite; or ours: too much work. Results untouched on failure.
int hs_deal_groups(const struct hs_deal_rows *rows, const struct hs_plan_spec *spec, uint16_t *ret_fold_of_row,
		   struct hs_deal_figures *ret, char ret_warning[256], struct hs_err *reterr);

#endif
