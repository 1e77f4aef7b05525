// SPDX-License-Identifier: Apache-2.0
// folds: the table of a split plan; folds.rows: the rows of one fold's split, in pages.
#include <errno.h>
#include <stdlib.h>

#include "asked.h"
#include "base/buf.h"
#include "datasets.h"
#include "describe.h"
#include "feed/statistics.h"
#include "plan/weights.h"

#define PAGE_ROWS (1u << 20)

struct folds_params {
	const char *name, *role;
	uint64_t owner;
	struct hs_plan_params plan;
	uint64_t max_length, fold, start, count;
	int split;
};
static const char *const splits[] = {"train", "val", NULL};

#define AT(member) .offset = offsetof(struct folds_params, member)
#define PLAN_FIELDS                                                                                                    \
	{.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = HS_NAME_MAX + 70},              \
		{.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET},                    \
	{                                                                                                              \
		.key = "plan", .type = HS_T_MAP, AT(plan), .sub = &hs_plan_schema                                      \
	}
static const struct hs_field folds_fields[] = {
	PLAN_FIELDS,
	{.key = "role", .type = HS_T_STR, AT(role), .min = 1, .max = HS_NAME_MAX},
	{.key = "max_length", .type = HS_T_UINT, AT(max_length), .min = 1, .max = HS_FEED_MAX_LENGTH, .def = 128},
};
static const struct hs_field folds_rows_fields[] = {
	PLAN_FIELDS,
	{.key = "fold", .type = HS_T_UINT, AT(fold), .required = true, .max = UINT32_MAX},
	{.key = "split", .type = HS_T_ENUM, AT(split), .required = true, .names = splits},
	{.key = "start", .type = HS_T_UINT, AT(start), .required = true, .max = INT64_MAX},
	{.key = "count", .type = HS_T_UINT, AT(count), .required = true, .max = INT64_MAX},
};
#undef AT
const struct hs_schema hs_folds_schema = HS_SCHEMA(struct folds_params, folds_fields);
const struct hs_schema hs_folds_rows_schema = HS_SCHEMA(struct folds_params, folds_rows_fields);

// ---- folds ----

struct table {
	struct hs_request *req;
	struct hs_asked asked;
	struct hs_label_layout layout;
	uint32_t nfolds, max_length;
	bool lean;                    // rows and counts only: the rest would not fit in a reply
	uint64_t *counts, *rows;      // see hs_feed_label_table
	struct hs_token_sums *tokens; // [nfolds + 1]; NULL: no encoding, or lean
	double *drift;                // [nfolds]; NULL: lean
	uint64_t *train;              // [layout.total]: counts of the training rows of the fold at hand
	float *weights;               // [layout.total], of the same
};

// One split of a fold: the validation rows as they were counted, or the rest of all.
struct part {
	const uint64_t *counts;
	uint64_t rows;
	struct hs_token_sums sums; // zero without an encoding
};

static struct part val_part(const struct table *t, uint32_t fold)
{
	return (struct part){.counts = t->counts + fold * t->layout.total,
			     .rows = t->rows[fold],
			     .sums = t->tokens ? t->tokens[fold] : (struct hs_token_sums){0}};
}

static struct part train_part(const struct table *t, uint32_t fold)
{
	struct part all = val_part(t, t->nfolds), val = val_part(t, fold);
	for (size_t i = 0; i < t->layout.total; i++)
		t->train[i] = all.counts[i] - val.counts[i];
	return (struct part){.counts = t->train,
			     .rows = all.rows - val.rows,
			     .sums = {.rows = all.sums.rows - val.sums.rows,
				      .tokens = all.sums.tokens - val.sums.tokens,
				      .truncated_rows = all.sums.truncated_rows - val.sums.truncated_rows,
				      .lost_tokens = all.sums.lost_tokens - val.sums.lost_tokens}};
}

static void write_part(const struct table *t, const char *key, const struct part *part)
{
	struct hs_wbuf *w = &t->req->result;
	size_t at = 0;
	hs_w_cstr(w, key);
	hs_w_map(w, 2 + (t->tokens ? 3 : 0));
	hs_w_cstr(w, "rows");
	hs_w_uint(w, part->rows);
	hs_w_cstr(w, "counts");
	hs_w_array(w, (uint32_t)t->layout.ncolumns);
	for (size_t c = 0; c < t->layout.ncolumns; c++) {
		hs_w_array(w, (uint32_t)t->layout.nvalues[c]);
		for (size_t i = 0; i < t->layout.nvalues[c]; i++)
			hs_w_uint(w, part->counts[at++]);
	}
	if (!t->tokens)
		return;
	hs_w_cstr(w, "tokens");
	hs_w_uint(w, part->sums.tokens);
	hs_w_cstr(w, "truncated_rows");
	hs_w_uint(w, part->sums.truncated_rows);
	hs_w_cstr(w, "padding_share");
	hs_w_f64(w, hs_padding_share(&part->sums, t->max_length));
}

static void write_deviation(const struct table *t, const struct part *val)
{
	struct hs_wbuf *w = &t->req->result;
	struct part all = val_part(t, t->nfolds);
	struct hs_label_counts of_val = {val->counts, val->rows}, of_all = {all.counts, all.rows};
	struct hs_label_column label;
	struct hs_deviation d;
	hs_w_cstr(w, "deviation");
	if (!hs_label_deviation(&t->layout, &of_val, &of_all, &d) ||
	    !hs_feed_label_column(t->asked.source, d.column, &label)) {
		hs_w_nil(w);
		return;
	}
	for (size_t i = 0; i < d.value; i++)
		hs_r_skip(&label.values);
	hs_w_map(w, 4);
	hs_w_cstr(w, "label");
	hs_w_str(w, label.name, label.name_len);
	hs_w_cstr(w, "value");
	hs_write_label_value(w, &label.values);
	hs_w_cstr(w, "val");
	hs_w_f64(w, d.part);
	hs_w_cstr(w, "all");
	hs_w_f64(w, d.all);
}

// Per label column the weights that the method `weights` gives by default; none for a column without a list of values.
static void write_weights(const struct table *t, const struct part *train)
{
	static const struct hs_weight_spec ratio = {.scheme = HS_WEIGHT_RATIO};
	struct hs_wbuf *w = &t->req->result;
	bool classes = hs_feed_source_version(t->asked.source)->label_type == HS_LABELS_CLASS;
	const uint64_t *counts = train->counts;
	if (classes)
		hs_balanced_weights(counts, t->layout.total, t->weights);
	hs_w_cstr(w, "weights");
	hs_w_array(w, (uint32_t)t->layout.ncolumns);
	for (size_t c = 0; c < t->layout.ncolumns; counts += t->layout.nvalues[c++]) {
		size_t n = t->layout.nvalues[c];
		hs_w_array(w, classes ? (uint32_t)n : n == 2);
		if (!classes && n == 2)
			hs_w_f64(w, (double)hs_weight_of(&ratio, counts[1], counts[0]));
		for (size_t i = 0; classes && i < n; i++)
			hs_w_f64(w, (double)t->weights[i]);
	}
}

static void write_fold(const struct table *t, uint32_t fold)
{
	struct hs_wbuf *w = &t->req->result;
	struct part val = val_part(t, fold), train = train_part(t, fold);
	hs_w_map(w, t->lean ? 3 : 6);
	hs_w_cstr(w, "fold");
	hs_w_uint(w, fold);
	write_part(t, "train", &train);
	write_part(t, "val", &val);
	if (t->lean)
		return;
	write_deviation(t, &val);
	hs_w_cstr(w, "drift");
	hs_w_f64(w, t->drift[fold]);
	write_weights(t, &train);
}

static void write_warnings(const struct table *t)
{
	struct hs_wbuf *w = &t->req->result;
	const char *warning = t->asked.plan->warning;
	hs_w_cstr(w, "warnings");
	hs_w_array(w, (warning[0] != '\0') + t->lean);
	if (warning[0])
		hs_w_cstr(w, warning);
	if (t->lean)
		hs_w_cstr(w,
			  "so many folds and label values leave no room in the answer for more than rows and counts");
}

static void write_encoding(const struct table *t)
{
	struct hs_wbuf *w = &t->req->result;
	hs_w_cstr(w, "role");
	hs_w_cstr(w, hs_feed_source_role(t->asked.source, 0));
	hs_w_cstr(w, "max_length");
	hs_w_uint(w, t->max_length);
}

static void write_bound(struct hs_wbuf *w, const char *key, bool known, uint64_t value)
{
	hs_w_cstr(w, key);
	if (known)
		hs_w_uint(w, value);
	else
		hs_w_nil(w);
}

static void write_groups(struct hs_wbuf *w, const struct hs_deal_figures *groups)
{
	hs_w_cstr(w, "groups");
	hs_w_map(w, 7);
	write_bound(w, "count", true, groups->groups);
	write_bound(w, "largest", true, groups->largest);
	write_bound(w, "rows_in_groups", true, groups->together);
	write_bound(w, "size_gap", true, groups->size_gap);
	write_bound(w, "size_bound", groups->bounded, groups->size_bound);
	write_bound(w, "label_gap", groups->labelled, groups->label_gap);
	write_bound(w, "label_bound", groups->bounded && groups->labelled, groups->label_bound);
}

static void write_table(const struct table *t)
{
	struct hs_wbuf *w = &t->req->result;
	hs_w_map(w, HS_ASKED_PAIRS + 5 + (t->tokens ? 2 : 0) + t->asked.plan->grouped);
	hs_asked_write(w, &t->asked);
	if (t->tokens)
		write_encoding(t);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, t->asked.plan->nrows);
	hs_w_cstr(w, "used_rows");
	hs_w_uint(w, t->rows[t->nfolds]);
	if (t->asked.plan->grouped)
		write_groups(w, &t->asked.plan->groups);
	hs_write_header_value(w, hs_file_header(hs_feed_source_version(t->asked.source)->file), "labels");
	write_warnings(t);
	hs_w_cstr(w, "folds");
	hs_w_array(w, t->nfolds);
	for (uint32_t fold = 0; fold < t->nfolds; fold++)
		write_fold(t, fold);
}

// A reply has so many values and no more; what could not be sent is not counted either.
static int check_size(struct table *t, struct hs_err *reterr)
{
	uint64_t numbers = t->layout.ncolumns + t->layout.total, lean = 15 + 2 * numbers, full = 46 + 3 * numbers;
	uint64_t left = HS_WIRE_MAX_REPLY_ITEMS - 256;
	left -= 4 * numbers < left ? 4 * numbers : left;
	t->lean = t->nfolds * full > left;
	if (t->nfolds * lean <= left)
		return 0;
	hs_err_set(reterr, HSFEED_ELIMIT, "folds: the table of %u folds with %zu label values each is too large",
		   t->nfolds, t->layout.total);
	return hs_err_hint(reterr, "take fewer folds; folds.rows gives the rows of one fold");
}

static int count_table(struct table *t, struct hs_err *reterr)
{
	const struct hs_feed_source *source = t->asked.source;
	size_t n = (size_t)t->nfolds + 1;
	bool tokens = !t->lean && hs_feed_source_nroles(source) > 0;
	t->counts = hs_array(n * t->layout.total, sizeof(*t->counts));
	t->rows = hs_array(n, sizeof(*t->rows));
	t->train = hs_array(t->layout.total, sizeof(*t->train));
	t->weights = hs_array(t->layout.total, sizeof(*t->weights));
	t->tokens = tokens ? hs_array(n, sizeof(*t->tokens)) : NULL;
	t->drift = t->lean ? NULL : hs_array(n, sizeof(*t->drift));
	if (!t->counts || !t->rows || !t->train || !t->weights || (tokens && !t->tokens) || (!t->lean && !t->drift))
		return hs_err_nomem(reterr, "counting labels");
	hs_feed_label_table(source, t->asked.plan, t->counts, t->rows);
	if (tokens)
		hs_feed_token_table(hs_feed_source_encoding(source, 0), t->asked.plan, t->max_length, t->tokens);
	return t->lean ? 0 : hs_feed_drift(source, t->asked.plan, t->drift, reterr);
}

static int make_table(struct table *t, struct hs_err *reterr)
{
	const struct hs_feed_source *source = t->asked.source;
	t->nfolds = t->asked.plan->spec.nfolds;
	hs_feed_label_layout(source, &t->layout);
	int rc = check_size(t, reterr);
	if (rc == 0 && hs_feed_source_nroles(source) > 0)
		rc = hs_check_max_length(hs_feed_source_encoding(source, 0), hs_feed_source_role(source, 0),
					 t->max_length, reterr);
	if (rc == 0)
		rc = count_table(t, reterr);
	if (rc == 0)
		write_table(t);
	return rc;
}

int hs_req_folds_run(struct hs_request *req)
{
	const struct folds_params *p = req->params;
	struct hs_source_request source = hs_asked_source(req, p->name, p->owner);
	struct table t = {.req = req, .max_length = (uint32_t)p->max_length};
	source.nroles = p->role != NULL;
	source.roles[0] = p->role;
	int rc = hs_asked_open(req, &source, &p->plan, &t.asked);
	if (rc < 0)
		return rc;
	rc = make_table(&t, &req->err);
	free(t.counts);
	free(t.rows);
	free(t.tokens);
	free(t.drift);
	free(t.train);
	free(t.weights);
	hs_asked_close(req, &t.asked);
	return rc;
}

// ---- folds.rows ----

// Collects the page's rows among the split's, and counts all of them.
static int collect(const struct hs_plan *plan, const struct folds_params *p, struct hs_buf *ret_rows,
		   uint64_t *ret_total)
{
	uint32_t *rows = hs_array(plan->nrows, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	uint64_t total = hs_plan_rows(plan, (uint32_t)p->fold, p->split == 1, rows);
	uint64_t left = p->start < total ? total - p->start : 0, n = p->count < PAGE_ROWS ? p->count : PAGE_ROWS;
	n = n < left ? n : left;
	int rc = hs_buf_reserve(ret_rows, n * sizeof(int64_t));
	for (uint64_t i = 0; rc == 0 && i < n; i++) {
		int64_t number = rows[p->start + i];
		rc = hs_buf_append(ret_rows, &number, sizeof(number));
	}
	*ret_total = total;
	free(rows);
	return rc;
}

static void write_rows(struct hs_wbuf *w, uint64_t start, uint64_t total, const struct hs_buf *rows)
{
	uint64_t count = rows->len / sizeof(int64_t);
	bool more = start < total && start + count < total;
	hs_w_map(w, 4 + more);
	hs_w_cstr(w, "start");
	hs_w_uint(w, start);
	hs_w_cstr(w, "count");
	hs_w_uint(w, count);
	hs_w_cstr(w, "total");
	hs_w_uint(w, total);
	if (more) {
		hs_w_cstr(w, "next");
		hs_w_uint(w, start + count);
	}
	hs_w_cstr(w, "rows");
	hs_w_bin(w, rows->data, rows->len);
}

int hs_req_folds_rows_run(struct hs_request *req)
{
	const struct folds_params *p = req->params;
	struct hs_source_request source = hs_asked_source(req, p->name, p->owner);
	struct hs_asked asked;
	struct hs_buf rows = {0};
	uint64_t total;
	source.no_encodings = true;
	int rc = hs_asked_open(req, &source, &p->plan, &asked);
	if (rc < 0)
		return rc;
	if (p->fold >= asked.plan->spec.nfolds)
		rc = hs_err_set(&req->err, HSFEED_EBADREQUEST,
				"folds.rows: there is no fold %llu; the plan has %u, counted from 0",
				(unsigned long long)p->fold, asked.plan->spec.nfolds);
	else if (collect(asked.plan, p, &rows, &total) < 0)
		rc = hs_err_nomem(&req->err, "listing rows");
	else
		write_rows(&req->result, p->start, total, &rows);
	hs_buf_fini(&rows);
	hs_asked_close(req, &asked);
	return rc;
}
