// SPDX-License-Identifier: Apache-2.0
// One key a row and label, (label, rank of the row's group); sorted, equal keys are one cell. A second, stable sort by
// (label, count) puts the fullest cells of a label first. Both sorts are linear.
#include "plan/cells.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "plan/mt19937.h"
#include "plan/number.h"
#include "plan/sort.h"

void hs_cells_fini(struct hs_cells *c)
{
	free(c->size);
	free(c->order);
	free(c->all);
	free(c->label_start);
	free(c->group_start);
	free(c->of_group);
	free(c->rank);
	*c = (struct hs_cells){0};
}

static int measure_groups(struct hs_cells *c, const struct hs_deal_rows *rows)
{
	c->ngroups = rows->ngroups;
	c->size = hs_array(c->ngroups, sizeof(*c->size));
	c->order = hs_array(c->ngroups, sizeof(*c->order));
	c->rank = hs_array(c->ngroups, sizeof(*c->rank));
	if (c->size == NULL || c->order == NULL || c->rank == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rows->n; i++)
		c->size[rows->groups[i]]++;
	return 0;
}

static int order_groups(struct hs_cells *c, const struct hs_plan_spec *spec)
{
	uint32_t *shuffled = hs_array(c->ngroups, sizeof(*shuffled));
	uint64_t *keys = hs_array(c->ngroups, sizeof(*keys));
	int rc = shuffled == NULL || keys == NULL ? -ENOMEM : 0;
	for (size_t i = 0; rc == 0 && i < c->ngroups; i++)
		shuffled[i] = (uint32_t)i;
	if (rc == 0 && spec->shuffle) {
		struct hs_mt19937 mt;
		hs_mt19937_init(&mt, spec->seed);
		hs_mt19937_shuffle_u32(&mt, shuffled, c->ngroups);
	}
	for (size_t i = 0; rc == 0 && i < c->ngroups; i++)
		keys[i] = UINT32_MAX - c->size[shuffled[i]];
	if (rc == 0)
		rc = hs_argsort_stable(keys, c->ngroups, c->order);
	for (size_t i = 0; rc == 0 && i < c->ngroups; i++) {
		c->order[i] = shuffled[c->order[i]];
		c->rank[c->order[i]] = (uint32_t)i;
	}
	free(shuffled);
	free(keys);
	return rc;
}

// ---- keys ----

struct keys {
	uint64_t *items;
	size_t n;
};

static uint64_t key_of(uint32_t label, uint32_t low)
{
	return (uint64_t)label << 32 | low;
}

static int class_keys(struct hs_cells *c, const struct hs_deal_rows *rows, struct keys *ret)
{
	struct hs_number_input in = {.words = rows->classes, .stride = 1, .nrows = rows->n};
	uint32_t *classes = hs_array(rows->n, sizeof(*classes));
	ret->items = hs_array(rows->n, sizeof(*ret->items));
	int rc = classes == NULL || ret->items == NULL ? -ENOMEM : hs_number_pairs(&in, classes, &c->nlabels);
	for (size_t i = 0; rc == 0 && i < rows->n; i++)
		ret->items[i] = key_of(classes[i], c->rank[rows->groups[i]]);
	ret->n = rows->n;
	free(classes);
	return rc;
}

static int count_positives(const struct hs_deal_rows *rows, size_t *ret, struct hs_err *reterr)
{
	size_t n = 0;
	for (size_t i = 0; i < rows->n * rows->nlabels; i++) {
		if (!isfinite(rows->values[i]))
			return hs_err_set(
				reterr, HSFEED_EBADPLAN, "Input contains %s.",
				isnan(rows->values[i]) ? "NaN" : "infinity or a value too large for dtype('float32')");
		n += rows->values[i] != 0;
	}
	if (n > UINT32_MAX)
		return hs_err_set(reterr, HSFEED_EBADPLAN, "%zu positive labels are more than the %u that hsfeed deals",
				  n, UINT32_MAX);
	*ret = n;
	return 0;
}

static int value_keys(struct hs_cells *c, const struct hs_deal_rows *rows, struct keys *ret, struct hs_err *reterr)
{
	size_t npositive = 0, at = 0;
	int rc = count_positives(rows, &npositive, reterr);
	if (rc < 0)
		return rc;
	c->nlabels = rows->nlabels;
	ret->items = hs_array(npositive, sizeof(*ret->items));
	if (ret->items == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rows->n; i++)
		for (size_t label = 0; label < rows->nlabels; label++)
			if (rows->values[i * rows->nlabels + label] != 0)
				ret->items[at++] = key_of((uint32_t)label, c->rank[rows->groups[i]]);
	ret->n = npositive;
	return 0;
}

// ---- cells ----

static void add_up(struct hs_cells *c, const struct keys *keys, const uint32_t *sorted)
{
	for (size_t i = 0; i < keys->n; i++) {
		uint64_t key = keys->items[sorted[i]];
		if (i == 0 || key != keys->items[sorted[i - 1]])
			c->all[c->ncells++] = (struct hs_cell){(uint32_t)(key >> 32), c->order[(uint32_t)key], 0};
		c->all[c->ncells - 1].count++;
	}
}

static int count_cells(struct hs_cells *c, const struct keys *keys)
{
	uint32_t *sorted = hs_array(keys->n, sizeof(*sorted));
	c->all = hs_array(keys->n, sizeof(*c->all));
	int rc = sorted == NULL || c->all == NULL ? -ENOMEM : hs_argsort_stable(keys->items, keys->n, sorted);
	if (rc == 0)
		add_up(c, keys, sorted);
	free(sorted);
	return rc;
}

static int put_fullest_first(struct hs_cells *c)
{
	struct hs_cell *sorted = hs_array(c->ncells, sizeof(*sorted));
	uint64_t *keys = hs_array(c->ncells, sizeof(*keys));
	uint32_t *places = hs_array(c->ncells, sizeof(*places));
	int rc = sorted == NULL || keys == NULL || places == NULL ? -ENOMEM : 0;
	for (size_t i = 0; rc == 0 && i < c->ncells; i++)
		keys[i] = key_of(c->all[i].label, UINT32_MAX - c->all[i].count);
	if (rc == 0)
		rc = hs_argsort_stable(keys, c->ncells, places);
	for (size_t i = 0; rc == 0 && i < c->ncells; i++)
		sorted[i] = c->all[places[i]];
	if (rc == 0)
		memcpy(c->all, sorted, c->ncells * sizeof(*sorted));
	free(sorted);
	free(keys);
	free(places);
	return rc;
}

static int list_cells(struct hs_cells *c)
{
	c->label_start = hs_array(c->nlabels + 1, sizeof(*c->label_start));
	c->group_start = hs_array(c->ngroups + 2, sizeof(*c->group_start));
	c->of_group = hs_array(c->ncells, sizeof(*c->of_group));
	if (c->label_start == NULL || c->group_start == NULL || c->of_group == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < c->ncells; i++) {
		c->label_start[c->all[i].label + 1]++;
		c->group_start[c->all[i].group + 2]++; // one place on, so that filling moves it to where it belongs
	}
	for (size_t label = 0; label < c->nlabels; label++)
		c->label_start[label + 1] += c->label_start[label];
	for (size_t group = 0; group < c->ngroups; group++)
		c->group_start[group + 2] += c->group_start[group + 1];
	for (size_t i = 0; i < c->ncells; i++)
		c->of_group[c->group_start[c->all[i].group + 1]++] = (uint32_t)i;
	return 0;
}

int hs_cells_init(struct hs_cells *c, const struct hs_deal_rows *rows, const struct hs_plan_spec *spec,
		  struct hs_err *reterr)
{
	struct keys keys = {0};
	*c = (struct hs_cells){0};
	int rc = measure_groups(c, rows);
	if (rc == 0)
		rc = order_groups(c, spec);
	if (rc == 0)
		rc = rows->classes != NULL ? class_keys(c, rows, &keys) : value_keys(c, rows, &keys, reterr);
	if (rc == 0)
		rc = count_cells(c, &keys);
	free(keys.items);
	if (rc == 0)
		rc = put_fullest_first(c);
	if (rc == 0)
		rc = list_cells(c);
	return rc;
}
