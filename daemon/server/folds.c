// SPDX-License-Identifier: Apache-2.0
// folds: the table of a split plan; folds.rows: the rows of one fold's split, in pages.
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "datasets.h"
#include "describe.h"
#include "plans.h"

#define PAGE_ROWS (1u << 20)

struct folds_params {
	const char *name;
	uint64_t owner;
	struct hs_plan_params plan;
	uint64_t fold, start, count;
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
static const struct hs_field folds_fields[] = {PLAN_FIELDS};
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

static int open_plan(struct hs_request *req, struct hs_feed_source **ret_source, const struct hs_plan **ret_plan)
{
	const struct folds_params *p = req->params;
	struct hs_feed *feed = req->server->feed;
	struct hs_source_request request = {.uid = req->uid,
					    .spec = p->name,
					    .no_encodings = true,
					    .owner = p->owner == HS_UNSET ? req->uid : (uint32_t)p->owner};
	struct hs_plan_request plan;
	int rc = hs_feed_source_open(feed, &request, ret_source, &req->err);
	if (rc < 0)
		return rc;
	rc = hs_plan_params_read(req, &p->plan, *ret_source, &plan);
	if (rc == 0)
		rc = hs_feed_plan_get(feed, *ret_source, &plan, ret_plan, &req->err);
	if (rc < 0)
		hs_feed_source_close(*ret_source);
	return rc;
}

static void close_plan(struct hs_request *req, struct hs_feed_source *source, const struct hs_plan *plan)
{
	hs_feed_plan_put(req->server->feed, plan);
	hs_feed_source_close(source);
}

// ---- folds ----

struct table {
	struct hs_request *req;
	const struct hs_feed_source *source;
	const struct hs_plan *plan;
	struct hs_label_layout layout;
	uint64_t *counts, *rows; // see hs_feed_label_table
};

static void write_part(const struct table *t, const char *key, uint32_t fold, bool val)
{
	struct hs_wbuf *w = &t->req->result;
	size_t all = t->plan->spec.nfolds, total = t->layout.total, at = 0;
	const uint64_t *in_fold = t->counts + fold * total, *in_all = t->counts + all * total;
	hs_w_cstr(w, key);
	hs_w_map(w, 2);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, val ? t->rows[fold] : t->rows[all] - t->rows[fold]);
	hs_w_cstr(w, "counts");
	hs_w_array(w, (uint32_t)t->layout.ncolumns);
	for (size_t c = 0; c < t->layout.ncolumns; c++) {
		hs_w_array(w, (uint32_t)t->layout.nvalues[c]);
		for (size_t i = 0; i < t->layout.nvalues[c]; i++, at++)
			hs_w_uint(w, val ? in_fold[at] : in_all[at] - in_fold[at]);
	}
}

static void write_folds(const struct table *t)
{
	struct hs_wbuf *w = &t->req->result;
	hs_w_cstr(w, "folds");
	hs_w_array(w, t->plan->spec.nfolds);
	for (uint32_t fold = 0; fold < t->plan->spec.nfolds; fold++) {
		hs_w_map(w, 3);
		hs_w_cstr(w, "fold");
		hs_w_uint(w, fold);
		write_part(t, "train", fold, false);
		write_part(t, "val", fold, true);
	}
}

static void write_table(const struct table *t)
{
	struct hs_wbuf *w = &t->req->result;
	const struct hs_version_entry *entry = hs_feed_source_entry(t->source);
	bool warning = t->plan->warning[0] != '\0';
	hs_w_map(w, 8);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, entry->name);
	hs_w_cstr(w, "owner");
	hs_w_uint(w, entry->owner);
	hs_write_id(w, "version", &entry->version);
	hs_w_cstr(w, "plan");
	hs_plan_write(w, t->plan);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, t->plan->nrows);
	hs_write_header_value(w, hs_file_header(hs_feed_source_version(t->source)->file), "labels");
	hs_w_cstr(w, "warnings");
	hs_w_array(w, warning);
	if (warning)
		hs_w_cstr(w, t->plan->warning);
	write_folds(t);
}

// A reply has so many values and no more; what could not be sent is not counted either.
static int check_size(const struct table *t, struct hs_err *reterr)
{
	uint64_t numbers = t->layout.ncolumns + t->layout.total;
	if (t->plan->spec.nfolds * (15 + 2 * numbers) + 4 * numbers + 256 <= HS_WIRE_MAX_REPLY_ITEMS)
		return 0;
	hs_err_set(reterr, HSFEED_ELIMIT, "folds: the table of %u folds with %zu label values each is too large",
		   t->plan->spec.nfolds, t->layout.total);
	return hs_err_hint(reterr, "take fewer folds; folds.rows gives the rows of one fold");
}

static int make_table(struct table *t, struct hs_err *reterr)
{
	size_t n = (size_t)t->plan->spec.nfolds + 1;
	hs_feed_label_layout(t->source, &t->layout);
	int rc = check_size(t, reterr);
	if (rc < 0)
		return rc;
	t->counts = hs_array(n * t->layout.total, sizeof(*t->counts));
	t->rows = hs_array(n, sizeof(*t->rows));
	if (!t->counts || !t->rows)
		return hs_err_nomem(reterr, "counting labels");
	hs_feed_label_table(t->source, t->plan, t->counts, t->rows);
	write_table(t);
	return 0;
}

int hs_req_folds_run(struct hs_request *req)
{
	struct hs_feed_source *source;
	struct table t = {.req = req};
	int rc = open_plan(req, &source, &t.plan);
	if (rc < 0)
		return rc;
	t.source = source;
	rc = make_table(&t, &req->err);
	free(t.counts);
	free(t.rows);
	close_plan(req, source, t.plan);
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
	struct hs_feed_source *source;
	const struct hs_plan *plan;
	struct hs_buf rows = {0};
	uint64_t total;
	int rc = open_plan(req, &source, &plan);
	if (rc < 0)
		return rc;
	if (p->fold >= plan->spec.nfolds)
		rc = hs_err_set(&req->err, HSFEED_EBADREQUEST,
				"folds.rows: there is no fold %llu; the plan has %u, counted from 0",
				(unsigned long long)p->fold, plan->spec.nfolds);
	else if (collect(plan, p, &rows, &total) < 0)
		rc = hs_err_nomem(&req->err, "listing rows");
	else
		write_rows(&req->result, p->start, total, &rows);
	hs_buf_fini(&rows);
	close_plan(req, source, plan);
	return rc;
}
