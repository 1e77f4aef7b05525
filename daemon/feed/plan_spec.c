// SPDX-License-Identifier: Apache-2.0
// What a plan is: a request with everything chosen that it left open, and what does not go together refused.
#include <stdio.h>
#include <string.h>

#include "feed/internal.h"
#include "feed/labels.h"

#define USUAL_FOLDS 5
#define USUAL_SEED  42

// What each kind takes beside folds, fold_seed and shuffle.
enum {
	TAKES_BY = 1,
	TAKES_GROUPS = 2,
	NEEDS_GROUPS = 4,
	TAKES_RULE = 8,
	TAKES_COLUMN = 16,
	TAKES_SIZES = 32,
	TAKES_ROWS = 64
};
static const unsigned takes[] = {
	[HS_SPLIT_PLAIN] = 0,
	[HS_SPLIT_STRATIFIED] = TAKES_BY | TAKES_GROUPS,
	[HS_SPLIT_MULTICLASS] = TAKES_BY | TAKES_GROUPS,
	[HS_SPLIT_MULTILABEL] = TAKES_BY | TAKES_GROUPS,
	[HS_SPLIT_GROUP] = NEEDS_GROUPS | TAKES_GROUPS | TAKES_RULE,
	[HS_SPLIT_STRATIFIED_GROUP] = TAKES_BY | NEEDS_GROUPS | TAKES_GROUPS | TAKES_RULE,
	[HS_SPLIT_HOLDOUT] = TAKES_SIZES,
	[HS_SPLIT_STRATIFIED_HOLDOUT] = TAKES_BY | TAKES_SIZES,
	[HS_SPLIT_PREDEFINED] = TAKES_COLUMN,
	[HS_SPLIT_ROWS] = TAKES_ROWS,
};

static bool has_groups(const struct hs_plan_request *r)
{
	return r->group || r->similarity > 0;
}

static bool has_sizes(const struct hs_plan_request *r)
{
	return r->test.unit != HS_SIZE_NONE || r->train.unit != HS_SIZE_NONE;
}

static enum hs_split_kind choose_kind(const struct hs_plan_request *r, size_t nlabels)
{
	if (r->rows_given)
		return HS_SPLIT_ROWS;
	if (r->column)
		return HS_SPLIT_PREDEFINED;
	if (has_sizes(r))
		return r->nby ? HS_SPLIT_STRATIFIED_HOLDOUT : HS_SPLIT_HOLDOUT;
	if (nlabels == 0)
		return has_groups(r) ? HS_SPLIT_GROUP : HS_SPLIT_PLAIN;
	if (r->group)
		return HS_SPLIT_STRATIFIED_GROUP;
	return nlabels == 1 ? HS_SPLIT_STRATIFIED : HS_SPLIT_MULTICLASS;
}

static int refuse(const struct hs_plan_request *r, const char *what, struct hs_err *reterr)
{
	return hs_err_set(reterr, HSFEED_EBADREQUEST, "a plan of kind %s takes no %s", hs_split_kind_name(r->spec.kind),
			  what);
}

static int check_groups(const struct hs_plan_request *r, struct hs_err *reterr)
{
	unsigned may = takes[r->spec.kind];
	if (has_groups(r) && !(may & TAKES_GROUPS)) {
		refuse(r, "groups", reterr);
		return hs_err_hint(reterr,
				   "kinds with groups: group, stratified-group, stratified, multiclass, multilabel");
	}
	if (r->group && r->similarity > 0)
		return hs_err_set(reterr, HSFEED_EBADREQUEST,
				  "a plan keeps the values of a column together or duplicates, not both");
	if (!has_groups(r) && may & NEEDS_GROUPS) {
		hs_err_set(reterr, HSFEED_EBADREQUEST, "a plan of kind %s needs groups",
			   hs_split_kind_name(r->spec.kind));
		return hs_err_hint(reterr, "--group COLUMN, or --group duplicates");
	}
	if (has_groups(r) && r->similarity != 0 && !(r->similarity >= 0.5 && r->similarity <= 1))
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "a similarity is from 0.5 to 1, not %g", r->similarity);
	return r->rule_given && !(may & TAKES_RULE) ? refuse(r, "rule", reterr) : 0;
}

static int check_others(const struct hs_plan_request *r, struct hs_err *reterr)
{
	unsigned may = takes[r->spec.kind];
	if (r->nby && !(may & TAKES_BY))
		return refuse(r, "label columns to go by", reterr);
	if (r->column && !(may & TAKES_COLUMN))
		return refuse(r, "column of fold numbers", reterr);
	if (!r->column && may & TAKES_COLUMN) {
		hs_err_set(reterr, HSFEED_EBADREQUEST, "a predefined plan needs the column of the fold numbers");
		return hs_err_hint(reterr, "--fold-column COLUMN");
	}
	if (has_sizes(r) && !(may & TAKES_SIZES)) {
		refuse(r, "test or train size", reterr);
		return hs_err_hint(reterr, "--kind holdout or stratified-holdout");
	}
	if (may & TAKES_SIZES && r->spec.nfolds != 1)
		return refuse(r, "number of folds: it has one", reterr);
	if (r->rows_given && !(may & TAKES_ROWS))
		return refuse(r, "row numbers", reterr);
	if (r->rows_given || !(may & TAKES_ROWS))
		return 0;
	hs_err_set(reterr, HSFEED_EBADREQUEST, "a plan of row numbers must be saved with them before it is used");
	return hs_err_hint(reterr, "hsfeed folds NAME --plan PLAN --rows-file FILE");
}

// ---- label columns ----

int hs_feed_label_find(const struct hs_feed_source *source, const char *name, uint16_t *ret, struct hs_err *reterr)
{
	struct hs_rbuf labels;
	uint32_t n = hs_feed_labels(source, &labels);
	char known[256] = "";
	size_t used = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct hs_label_column label;
		hs_feed_label_next(&labels, &label);
		if (hs_span_is((struct hs_span){label.name, label.name_len}, name)) {
			*ret = (uint16_t)i;
			return 0;
		}
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%.*s", used ? ", " : "",
						 (int)label.name_len, label.name);
	}
	hs_err_set(reterr, HSFEED_ENOTFOUND, "\"%.128s\" is not a label column of %s", name,
		   hs_feed_source_entry(source)->name);
	return hs_err_hint(reterr, "label columns: %s", known[0] ? known : "none");
}

static int find_columns(struct plan_make *make, struct hs_err *reterr)
{
	const struct hs_plan_request *r = &make->request;
	size_t nlabels = hs_feed_source_version(make->source)->nlabels;
	make->ncolumns = r->nby ? r->nby : nlabels;
	if (make->ncolumns > HS_FEED_MAX_LABELS)
		return hs_err_set(reterr, HSFEED_ELIMIT, "a plan goes by at most %d label columns", HS_FEED_MAX_LABELS);
	for (size_t i = 0; i < make->ncolumns; i++) {
		make->columns[i] = (uint16_t)i;
		int rc = r->nby ? hs_feed_label_find(make->source, r->by[i], &make->columns[i], reterr) : 0;
		if (rc < 0)
			return rc;
		for (size_t k = 0; k < i; k++)
			if (make->columns[k] == make->columns[i])
				return hs_err_set(reterr, HSFEED_EBADREQUEST, "the label column %.128s is given twice",
						  r->by[i]);
	}
	return 0;
}

int hs_feed_plan_resolve(struct hs_feed *feed, const struct hs_feed_source *source,
			 const struct hs_plan_request *request, struct plan_make *ret, struct hs_err *reterr)
{
	*ret = (struct plan_make){.feed = feed, .source = source, .request = *request};
	struct hs_plan_request *r = &ret->request;
	int rc = find_columns(ret, reterr);
	if (rc < 0)
		return rc;
	if (!r->kind_given)
		r->spec.kind = choose_kind(r, ret->ncolumns);
	r->kind_given = true;
	if (r->spec.nfolds == 0 && r->spec.kind != HS_SPLIT_PREDEFINED && r->spec.kind != HS_SPLIT_ROWS)
		r->spec.nfolds = takes[r->spec.kind] & TAKES_SIZES ? 1 : USUAL_FOLDS;
	rc = check_groups(r, reterr);
	return rc < 0 ? rc : check_others(r, reterr);
}

// ---- PLAN ----

static void write_size(struct hs_wbuf *w, const char *key, const struct hs_size *size, uint32_t *npairs)
{
	if (size->unit == HS_SIZE_NONE)
		return;
	hs_w_cstr(w, key);
	if (size->unit == HS_SIZE_ROWS)
		hs_w_int(w, size->nrows);
	else
		hs_w_f64(w, size->fraction);
	(*npairs)++;
}

static void write_group(struct hs_wbuf *w, const struct hs_plan_request *r, uint32_t *npairs)
{
	if (r->group) {
		hs_w_cstr(w, "group");
		hs_w_cstr(w, r->group);
		(*npairs)++;
	}
	if (r->similarity > 0) {
		hs_w_cstr(w, "duplicates");
		hs_w_f64(w, r->similarity);
		(*npairs)++;
	}
	if (takes[r->spec.kind] & TAKES_RULE) {
		hs_w_cstr(w, "rule");
		hs_w_cstr(w, r->rule == HS_GROUP_RULE_OLDER ? "older" : "current");
		(*npairs)++;
	}
}

void hs_feed_plan_write(struct hs_wbuf *w, const struct hs_plan_request *r)
{
	size_t mark = hs_w_map_begin(w);
	uint32_t npairs = 4;
	hs_w_cstr(w, "kind");
	hs_w_cstr(w, hs_split_kind_name(r->spec.kind));
	hs_w_cstr(w, "folds");
	hs_w_uint(w, r->spec.nfolds);
	hs_w_cstr(w, "fold_seed");
	hs_w_uint(w, r->spec.seed);
	hs_w_cstr(w, "shuffle");
	hs_w_bool(w, r->spec.shuffle);
	if (r->nby) {
		hs_w_cstr(w, "by");
		hs_w_array(w, (uint32_t)r->nby);
		for (size_t i = 0; i < r->nby; i++)
			hs_w_cstr(w, r->by[i]);
		npairs++;
	}
	write_group(w, r, &npairs);
	if (r->column) {
		hs_w_cstr(w, "column");
		hs_w_cstr(w, r->column);
		npairs++;
	}
	write_size(w, "test_size", &r->test, &npairs);
	write_size(w, "train_size", &r->train, &npairs);
	if (r->rows_given) {
		char hex[HS_ID_HEX];
		hs_id_hex(&r->rows, hex);
		hs_w_cstr(w, "rows");
		hs_w_cstr(w, hex);
		npairs++;
	}
	hs_w_map_end(w, mark, npairs);
}

void hs_plan_rows_write(struct hs_wbuf *w, uint32_t nfolds, const struct hs_id *rows)
{
	const struct hs_plan_request request = {
		.spec = {.kind = HS_SPLIT_ROWS, .nfolds = nfolds, .shuffle = true, .seed = USUAL_SEED},
		.rows_given = true,
		.rows = *rows};
	hs_feed_plan_write(w, &request);
}
