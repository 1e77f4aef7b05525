// SPDX-License-Identifier: Apache-2.0
// Folds that keep the rows of a group together. Bit-identical to scikit-learn's GroupKFold and StratifiedGroupKFold.
#ifndef HS_PLAN_GROUPS_H
#define HS_PLAN_GROUPS_H

#include "plan/folds.h"

// Which scikit-learn is meant, where its rule has changed.
//   CURRENT  1.9. GroupKFold: of groups with equally many rows the one with the larger number first (a stable sort,
//            reversed). StratifiedGroupKFold: a shuffle moves groups with their class counts (since 1.8); more folds
//            than groups are refused.
//   OLDER    GroupKFold: groups with equally many rows in the order of numpy's introsort (numpy up to 1.24; later ones
//            differ between processors once there are more than 16 groups). StratifiedGroupKFold up to 1.7: a shuffle
//            moves the class counts but not the groups they belong to; more folds than groups leave folds empty.
enum hs_group_rule { HS_GROUP_RULE_CURRENT, HS_GROUP_RULE_OLDER };

// hs_group_kfold writes fold_of_row[n] (0..k-1) for groups[n]: any numbers, but their order counts as the order of the
// original group values does. Without shuffle the largest group goes to the lightest fold, and so on; with shuffle
// (scikit-learn since 1.6) groups are shuffled and cut into k pieces of equally many groups. O(n + groups log k).
// 0, -ENOMEM, or HSFEED_EBADPLAN with scikit-learn's sentence. Results untouched on failure.
int hs_group_kfold(const uint32_t *groups, size_t n, const struct hs_plan_spec *spec, enum hs_group_rule rule,
		   uint16_t *ret_fold_of_row, struct hs_err *reterr);

// Rows of a stratified group split. The order of class and group numbers counts, as that of the original values does.
struct hs_group_rows {
	const uint32_t *classes; // [n]
	const uint32_t *groups;  // [n]
	size_t n;
};

// hs_stratified_group_kfold writes fold_of_row[n]: each group, those with the most uneven class counts first, goes to
// the fold where it leaves classes spread most evenly. O(n + groups * k * (k * classes in the group + all classes)).
// *ret_warning (may be NULL) is filled with scikit-learn's warning sentence, or "" when there is none.
// 0, -ENOMEM, or HSFEED_EBADPLAN with scikit-learn's sentence, or ours for too much work. Results untouched on failure.
int hs_stratified_group_kfold(const struct hs_group_rows *rows, const struct hs_plan_spec *spec,
			      enum hs_group_rule rule, uint16_t *ret_fold_of_row, char ret_warning[256],
			      struct hs_err *reterr);

#endif
