// SPDX-License-Identifier: Apache-2.0
// Fold tables and epoch orders, each computed once and shared: fold_of_row by (version, plan), the rows in order by
// (version, plan, fold, split, order, seed + epoch).
#include <stdlib.h>
#include <string.h>

#include "feed/internal.h"

struct cached_plan {
	struct hs_plan plan; // first: hs_plan pointers are cached_plan pointers
	struct hs_cache_entry *entry;
	uint16_t fold_of_row[];
};

struct plan_make {
	const struct hs_feed_source *source;
	struct hs_plan_spec spec;
};

void hs_feed_plan_resolve(const struct hs_feed_source *source, const struct hs_plan_request *request,
			  struct hs_plan_spec *ret)
{
	*ret = request->spec;
	if (request->kind_given)
		return;
	size_t nlabels = hs_feed_source_version(source)->nlabels;
	ret->kind = nlabels == 0 ? HS_SPLIT_PLAIN : nlabels == 1 ? HS_SPLIT_STRATIFIED : HS_SPLIT_MULTICLASS;
}

void hs_feed_key_version(struct cache_key *key, const struct hs_feed_source *source)
{
	hs_feed_key_add(key, &source->entry.owner, sizeof(source->entry.owner));
	hs_feed_key_add(key, source->entry.version.bytes, sizeof(source->entry.version.bytes));
}

void hs_feed_key_plan(struct cache_key *key, const struct hs_plan_spec *spec)
{
	uint32_t fields[4] = {(uint32_t)spec->kind, spec->nfolds, spec->shuffle, spec->shuffle ? spec->seed : 0};
	hs_feed_key_add(key, fields, sizeof(fields));
}

// ---- classes ----

// Lays a version's float labels end to end: [nrows, nlabels].
static float *copy_floats(const struct hs_version *v)
{
	float *values = hs_array(v->nrows * v->nlabels, sizeof(*values));
	if (!values)
		return NULL;
	for (size_t g = 0, row = 0; g < v->ngroups; g++) {
		size_t n = v->nrows - row < HS_GROUP_ROWS ? v->nrows - row : HS_GROUP_ROWS;
		memcpy(values + row * v->nlabels, v->labels[g], n * v->nlabels * sizeof(*values));
		row += n;
	}
	return values;
}

static int check_classes(const float *values, size_t n, struct hs_err *reterr)
{
	for (size_t i = 0; i < n; i++)
		if (values[i] != __builtin_truncf(values[i]))
			return hs_err_set(
				reterr, HSFEED_EBADPLAN,
				"Supported target types are: ('binary', 'multiclass'). Got 'continuous' instead.");
	return 0;
}

static int float_classes(const struct hs_version *v, uint32_t *ret_classes, struct hs_err *reterr)
{
	float *values = copy_floats(v);
	if (!values)
		return hs_err_nomem(reterr, "reading labels");
	size_t nclasses;
	int rc = check_classes(values, v->nrows * v->nlabels, reterr);
	if (rc == 0 && hs_label_combinations(values, v->nrows, v->nlabels, ret_classes, &nclasses) < 0)
		rc = hs_err_nomem(reterr, "numbering label combinations");
	free(values);
	return rc;
}

static int read_classes(const struct hs_version *v, const struct hs_plan_spec *spec, uint32_t *ret_classes,
			struct hs_err *reterr)
{
	if (v->label_type == HS_LABELS_NONE) {
		hs_err_set(reterr, HSFEED_EBADPLAN, "a %s plan needs labels, and this dataset was ingested without",
			   hs_split_kind_name(spec->kind));
		return hs_err_hint(reterr, "use --kind plain, or ingest with --labels COLUMN");
	}
	if (v->nlabels > 1 && spec->kind == HS_SPLIT_STRATIFIED) {
		hs_err_set(reterr, HSFEED_EBADPLAN,
			   "Supported target types are: ('binary', 'multiclass'). Got 'multilabel-indicator' instead.");
		return hs_err_hint(
			reterr,
			"the dataset has %zu label columns: --kind multiclass makes every label combination a class",
			v->nlabels);
	}
	if (v->label_type == HS_LABELS_FLOAT)
		return float_classes(v, ret_classes, reterr);
	for (size_t row = 0; row < v->nrows; row++)
		ret_classes[row] = ((const uint32_t *)v->labels[row / HS_GROUP_ROWS])[row % HS_GROUP_ROWS];
	return 0;
}

// ---- plans ----

static int stratify(const struct hs_version *v, struct cached_plan *cached, struct hs_err *reterr)
{
	uint32_t *classes = hs_array(v->nrows, sizeof(*classes));
	if (!classes)
		return hs_err_nomem(reterr, "reading labels");
	struct hs_plan *plan = &cached->plan;
	int rc = read_classes(v, &plan->spec, classes, reterr);
	if (rc == 0)
		rc = hs_stratified_kfold(classes, v->nrows, &plan->spec, cached->fold_of_row, plan->warning, reterr);
	free(classes);
	return rc;
}

static int plan_make(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr)
{
	struct plan_make *request = arg;
	const struct hs_version *v = hs_feed_source_version(request->source);
	size_t bytes = sizeof(struct cached_plan) + v->nrows * sizeof(uint16_t);
	struct cached_plan *cached = calloc(1, bytes);
	if (!cached)
		return hs_err_nomem(reterr, "making a split plan");
	cached->plan.spec = request->spec;
	cached->plan.nrows = v->nrows;
	cached->plan.fold_of_row = cached->fold_of_row;
	int rc;
	if (request->spec.kind == HS_SPLIT_PLAIN)
		rc = hs_kfold(v->nrows, &request->spec, cached->fold_of_row, reterr);
	else
		rc = stratify(v, cached, reterr);
	if (rc < 0) {
		free(cached);
		return rc;
	}
	*ret_value = cached;
	*ret_bytes = bytes;
	return 0;
}

const struct hs_cache_kind hs_feed_plan_cache = {plan_make, free, 64u << 20};

int hs_feed_plan_get(struct hs_feed *feed, struct hs_feed_source *source, const struct hs_plan_request *request,
		     const struct hs_plan **ret, struct hs_err *reterr)
{
	struct plan_make make = {.source = source};
	hs_feed_plan_resolve(source, request, &make.spec);
	struct cache_key key = {0};
	hs_feed_key_version(&key, source);
	hs_feed_key_plan(&key, &make.spec);
	struct hs_cache_entry *entry;
	int rc = hs_cache_get(feed->plans, key.bytes, key.len, &make, &entry, reterr);
	if (rc < 0)
		return rc;
	struct cached_plan *cached = hs_cache_value(entry);
	__atomic_store_n(&cached->entry, entry, __ATOMIC_RELAXED); // every user stores the same pointer
	*ret = &cached->plan;
	return 0;
}

void hs_feed_plan_put(struct hs_feed *feed, const struct hs_plan *plan)
{
	if (!plan)
		return;
	const struct cached_plan *cached = (const struct cached_plan *)(const void *)plan;
	hs_cache_put(feed->plans, __atomic_load_n(&cached->entry, __ATOMIC_RELAXED));
}

// ---- orders ----

static int shuffle_rows(const struct order_request *request, struct order *order, struct hs_err *reterr)
{
	uint32_t *rows = hs_array(order->n, sizeof(*rows));
	if (!rows)
		return hs_err_nomem(reterr, "shuffling an epoch");
	memcpy(rows, order->rows, order->n * sizeof(*rows));
	int rc = hs_randperm(order->n, request->seed, order->rows, reterr);
	for (size_t i = 0; rc == 0 && i < order->n; i++)
		order->rows[i] = rows[order->rows[i]];
	free(rows);
	return rc;
}

static int order_make(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr)
{
	struct order_request *request = arg;
	struct order *order = calloc(1, sizeof(*order) + (request->nrows + 1) * sizeof(order->rows[0]));
	if (!order)
		return hs_err_nomem(reterr, "ordering an epoch");
	if (request->plan) {
		order->n = hs_fold_rows(request->plan->fold_of_row, request->nrows, request->fold, request->val,
					order->rows);
	} else {
		order->n = request->nrows;
		for (size_t i = 0; i < order->n; i++)
			order->rows[i] = (uint32_t)i;
	}
	int rc = request->shuffle ? shuffle_rows(request, order, reterr) : 0;
	if (rc < 0) {
		free(order);
		return rc;
	}
	*ret_value = order;
	*ret_bytes = sizeof(*order) + order->n * sizeof(order->rows[0]);
	return 0;
}

const struct hs_cache_kind hs_feed_order_cache = {order_make, free, 128u << 20};
