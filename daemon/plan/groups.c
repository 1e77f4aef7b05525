// SPDX-License-Identifier: Apache-2.0
// GroupKFold without shuffle: groups from the largest to the smallest, each to the fold with the fewest rows so far
// (the lowest of several). Folds lie in a heap by (rows, number), so the lightest is its root. Source: scikit-learn 1.9
// model_selection/_split.py.
#include "plan/groups.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "plan/check.h"
#include "plan/loads.h"
#include "plan/mt19937.h"
#include "plan/sort.h"

struct grouping {
	uint32_t *group_of_row; // by rank
	uint32_t *nrows;        // per group
	uint32_t *order;        // groups, in the order they are dealt
	uint16_t *fold_of_group;
	size_t ngroups;
};

static void grouping_fini(struct grouping *g)
{
	free(g->group_of_row);
	free(g->nrows);
	free(g->order);
	free(g->fold_of_group);
}

static int grouping_init(struct grouping *g, const uint32_t *groups, size_t n)
{
	g->group_of_row = hs_array(n, sizeof(*g->group_of_row));
	if (g->group_of_row == NULL || hs_rank_u32(groups, n, g->group_of_row, &g->ngroups) < 0)
		return -ENOMEM;
	g->nrows = hs_array(g->ngroups, sizeof(*g->nrows));
	g->order = hs_array(g->ngroups, sizeof(*g->order));
	g->fold_of_group = hs_array(g->ngroups, sizeof(*g->fold_of_group));
	if (g->nrows == NULL || g->order == NULL || g->fold_of_group == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		g->nrows[g->group_of_row[i]]++;
	return 0;
}

static int order_by_size(struct grouping *g, enum hs_group_rule rule)
{
	if (rule == HS_GROUP_RULE_OLDER) {
		hs_argsort_numpy1(g->nrows, g->ngroups, g->order);
		return 0;
	}
	uint64_t *keys = hs_array(g->ngroups, sizeof(*keys));
	if (keys == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < g->ngroups; i++)
		keys[i] = g->nrows[i];
	int rc = hs_argsort_stable(keys, g->ngroups, g->order);
	free(keys);
	return rc;
}

static int deal_by_size(struct grouping *g, uint32_t k, enum hs_group_rule rule)
{
	struct hs_load *heap = hs_array(k, sizeof(*heap));
	int rc = heap == NULL ? -ENOMEM : order_by_size(g, rule);
	for (uint32_t fold = 0; rc == 0 && fold < k; fold++)
		heap[fold].fold = fold;
	for (size_t i = g->ngroups; rc == 0 && i-- > 0;) {
		g->fold_of_group[g->order[i]] = (uint16_t)heap[0].fold;
		heap[0].weight += g->nrows[g->order[i]];
		hs_loads_settle(heap, k, 0);
	}
	free(heap);
	return rc;
}

static void deal_shuffled(struct grouping *g, uint32_t k, uint32_t seed)
{
	struct hs_mt19937 mt;
	size_t at = 0;
	hs_mt19937_init(&mt, seed);
	for (size_t i = 0; i < g->ngroups; i++)
		g->order[i] = (uint32_t)i;
	hs_mt19937_shuffle_u32(&mt, g->order, g->ngroups);
	for (uint32_t fold = 0; fold < k; fold++)
		for (size_t left = g->ngroups / k + (fold < g->ngroups % k); left > 0; left--)
			g->fold_of_group[g->order[at++]] = (uint16_t)fold;
}

int hs_group_kfold(const uint32_t *groups, size_t n, const struct hs_plan_spec *spec, enum hs_group_rule rule,
		   uint16_t *ret_fold_of_row, struct hs_err *reterr)
{
	struct grouping g = {0};
	int rc = hs_check_folds(n, spec->nfolds, reterr);
	if (rc < 0)
		return rc;
	rc = grouping_init(&g, groups, n);
	if (rc == 0 && spec->nfolds > g.ngroups) {
		rc = hs_err_set(reterr, HSFEED_EBADPLAN, "Cannot have number of splits n_splits=%u greater than the "
				"number of groups: %zu.", spec->nfolds, g.ngroups);
		goto out;
	}
	if (rc == 0 && spec->shuffle)
		deal_shuffled(&g, spec->nfolds, spec->seed);
	else if (rc == 0)
		rc = deal_by_size(&g, spec->nfolds, rule);
	if (rc < 0) {
		rc = hs_err_nomem(reterr, "splitting groups into folds");
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		ret_fold_of_row[i] = g.fold_of_group[g.group_of_row[i]];
out:
	grouping_fini(&g);
	return rc;
}
