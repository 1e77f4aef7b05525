// SPDX-License-Identifier: Apache-2.0
// leaks: duplicates between the splits of a plan's folds, in pages.
#include <math.h>

#include "asked.h"
#include "datasets.h"
#include "feed/leaks.h"

#define PAGE_PAIRS 10000u
#define PAIR_ITEMS 17 // values on the wire

struct leaks_params {
	const char *name;
	uint64_t owner;
	struct hs_plan_params plan;
	double similarity;
	uint64_t start, count;
};
#define AT(member) .offset = offsetof(struct leaks_params, member)
static const struct hs_field leaks_fields[] = {
	{.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = HS_NAME_MAX + 70},
	{.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "plan", .type = HS_T_MAP, AT(plan), .sub = &hs_plan_schema},
	{.key = "similarity", .type = HS_T_F64, AT(similarity)},
	{.key = "start", .type = HS_T_UINT, AT(start), .max = INT64_MAX},
	{.key = "count", .type = HS_T_UINT, AT(count), .max = PAGE_PAIRS, .def = 1000},
};
#undef AT
const struct hs_schema hs_leaks_schema = HS_SCHEMA(struct leaks_params, leaks_fields);

struct answer {
	struct hs_request *req;
	struct hs_asked asked;
	const struct hs_near *near;
	struct hs_leaks leaks;
	double similarity;
};

static void put_uint(struct hs_wbuf *w, const char *key, uint64_t n)
{
	hs_w_cstr(w, key);
	hs_w_uint(w, n);
}

static void write_fold(struct hs_wbuf *w, uint32_t fold, const struct hs_leak_counts *n)
{
	hs_w_map(w, 7);
	put_uint(w, "fold", fold);
	put_uint(w, "val_rows", n->val_rows);
	put_uint(w, "leaking", n->exact + n->same + n->near);
	put_uint(w, "exact", n->exact);
	put_uint(w, "same", n->same);
	put_uint(w, "near", n->near);
	put_uint(w, "conflicting", n->conflicting);
}

static void write_folds(struct hs_wbuf *w, const struct hs_leaks *leaks)
{
	hs_w_cstr(w, "folds");
	hs_w_array(w, (uint32_t)leaks->nfolds);
	for (uint32_t fold = 0; fold < leaks->nfolds; fold++)
		write_fold(w, fold, &leaks->folds[fold]);
}

static void write_duplicates(struct hs_wbuf *w, const struct hs_duplicate_sums *d)
{
	hs_w_cstr(w, "duplicates");
	hs_w_map(w, 9);
	put_uint(w, "exact_rows", d->exact_rows);
	put_uint(w, "same_rows", d->same_rows);
	put_uint(w, "near_pairs", d->near_pairs);
	put_uint(w, "groups", d->groups);
	put_uint(w, "rows_in_groups", d->rows_in_groups);
	put_uint(w, "largest", d->largest);
	put_uint(w, "conflicting_groups", d->conflicting_groups);
	put_uint(w, "unlisted", d->unlisted);
	put_uint(w, "uncompared", d->uncompared);
}

static void write_pair(struct hs_wbuf *w, const struct hs_version *v, const struct hs_leak *leak)
{
	static const char *const hows[] = {"exact", "same", "near"};
	hs_w_map(w, 8);
	put_uint(w, "fold", leak->fold);
	put_uint(w, "row", leak->row);
	put_uint(w, "line", hs_version_line(v, leak->row));
	put_uint(w, "of_row", leak->of_row);
	put_uint(w, "of_line", hs_version_line(v, leak->of_row));
	hs_w_cstr(w, "how");
	hs_w_cstr(w, hows[leak->how]);
	hs_w_cstr(w, "similarity");
	hs_w_f64(w, leak->similarity);
	hs_w_cstr(w, "conflict");
	hs_w_bool(w, leak->conflict);
}

static void write_page(struct hs_wbuf *w, const struct answer *a, uint64_t start, uint64_t n)
{
	const struct hs_version *v = hs_feed_source_version(a->asked.source);
	hs_w_cstr(w, "pairs");
	hs_w_array(w, (uint32_t)n);
	for (uint64_t i = 0; i < n; i++)
		write_pair(w, v, &a->leaks.items[start + i]);
}

static void write_answer(const struct answer *a, const struct leaks_params *p)
{
	struct hs_wbuf *w = &a->req->result;
	uint64_t total = a->leaks.n, start = p->start < total ? p->start : total;
	uint64_t n = p->count < total - start ? p->count : total - start;
	bool more = start + n < total;
	hs_w_map(w, HS_ASKED_PAIRS + 6 + more);
	hs_asked_write(w, &a->asked);
	hs_w_cstr(w, "similarity");
	hs_w_f64(w, a->similarity);
	put_uint(w, "rows", a->asked.plan->nrows);
	write_folds(w, &a->leaks);
	write_duplicates(w, &a->leaks.duplicates);
	put_uint(w, "total", total);
	if (more)
		put_uint(w, "next", start + n);
	write_page(w, a, start, n);
}

// A reply has so many values and no more.
static int check_size(const struct answer *a, struct hs_err *reterr)
{
	if (15 * (uint64_t)a->asked.plan->spec.nfolds + PAIR_ITEMS * PAGE_PAIRS + 5000 <= HS_WIRE_MAX_REPLY_ITEMS)
		return 0;
	hs_err_set(reterr, HSFEED_ELIMIT, "leaks: the table of %zu folds is too large",
		   (size_t)a->asked.plan->spec.nfolds);
	return hs_err_hint(reterr, "take fewer folds");
}

static int answer(struct answer *a, const struct leaks_params *p)
{
	struct hs_err *reterr = &a->req->err;
	int rc = check_size(a, reterr);
	if (rc == 0)
		rc = hs_feed_near_get(a->req->server->feed, a->asked.source, a->similarity, &a->near, reterr);
	if (rc == 0)
		rc = hs_leaks_find(a->asked.source, a->asked.plan, a->near, &a->leaks, reterr);
	if (rc == 0)
		write_answer(a, p);
	hs_leaks_fini(&a->leaks);
	hs_feed_near_put(a->req->server->feed, a->near);
	return rc;
}

int hs_req_leaks_run(struct hs_request *req)
{
	const struct leaks_params *p = req->params;
	struct hs_source_request source = hs_asked_source(req, p->name, p->owner);
	struct answer a = {.req = req, .similarity = isnan(p->similarity) ? HS_NEAR_SIMILARITY : p->similarity};
	source.no_encodings = true;
	int rc = hs_asked_open(req, &source, &p->plan, &a.asked);
	if (rc < 0)
		return rc;
	rc = answer(&a, p);
	hs_asked_close(req, &a.asked);
	return rc;
}
