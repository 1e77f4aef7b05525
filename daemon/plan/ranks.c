// SPDX-License-Identifier: Apache-2.0
// Rows are numbered by first appearance, then one row of each kind is sorted: by the last label, then stably by the one
// before, and so on to the first.
#include "plan/ranks.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "plan/folds.h"
#include "plan/sort.h"

// Integers that sort as the floats do.
static uint64_t sortable(float value)
{
	uint32_t word;
	if (isnan(value))
		return UINT32_MAX;
	value += 0.0f; // -0 becomes 0
	memcpy(&word, &value, sizeof(word));
	return word >> 31 ? ~word : word | 0x80000000u;
}

struct ranking {
	uint32_t *class_of_row; // by first appearance
	uint32_t *first;        // per class: a row of it
	uint32_t *order;        // classes, sorted by the labels looked at so far
	uint32_t *by_key, *next;
	uint64_t *keys;
	size_t nclasses;
};

static void ranking_fini(struct ranking *r)
{
	free(r->class_of_row);
	free(r->first);
	free(r->order);
	free(r->by_key);
	free(r->next);
	free(r->keys);
}

static int ranking_init(struct ranking *r, const float *values, size_t n, size_t nlabels)
{
	r->class_of_row = hs_array(n, sizeof(*r->class_of_row));
	if (r->class_of_row == NULL || hs_label_combinations(values, n, nlabels, r->class_of_row, &r->nclasses) < 0)
		return -ENOMEM;
	r->first = hs_array(r->nclasses, sizeof(*r->first));
	r->order = hs_array(r->nclasses, sizeof(*r->order));
	r->by_key = hs_array(r->nclasses, sizeof(*r->by_key));
	r->next = hs_array(r->nclasses, sizeof(*r->next));
	r->keys = hs_array(r->nclasses, sizeof(*r->keys));
	if (r->first == NULL || r->order == NULL || r->by_key == NULL || r->next == NULL || r->keys == NULL)
		return -ENOMEM;
	for (size_t i = n; i-- > 0;)
		r->first[r->class_of_row[i]] = (uint32_t)i;
	for (size_t c = 0; c < r->nclasses; c++)
		r->order[c] = (uint32_t)c;
	return 0;
}

static int sort_by(struct ranking *r, const float *values, size_t nlabels, size_t label)
{
	for (size_t i = 0; i < r->nclasses; i++)
		r->keys[i] = sortable(values[r->first[r->order[i]] * nlabels + label]);
	if (hs_argsort_stable(r->keys, r->nclasses, r->by_key) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < r->nclasses; i++)
		r->next[i] = r->order[r->by_key[i]];
	memcpy(r->order, r->next, r->nclasses * sizeof(*r->order));
	return 0;
}

int hs_label_ranks(const float *values, size_t n, size_t nlabels, uint32_t *ret_classes, size_t *ret_nclasses)
{
	struct ranking r = {0};
	int rc = ranking_init(&r, values, n, nlabels);
	for (size_t label = nlabels; rc == 0 && label-- > 0;)
		rc = sort_by(&r, values, nlabels, label);
	for (size_t i = 0; rc == 0 && i < r.nclasses; i++)
		r.next[r.order[i]] = (uint32_t)i;
	for (size_t i = 0; rc == 0 && i < n; i++)
		ret_classes[i] = r.next[r.class_of_row[i]];
	if (rc == 0)
		*ret_nclasses = r.nclasses;
	ranking_fini(&r);
	return rc;
}
