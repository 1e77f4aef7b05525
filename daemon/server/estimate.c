// SPDX-License-Identifier: Apache-2.0
// estimate: what the epochs of a plan's folds will hold, batch by batch counted as streams would give them.
#include "asked.h"
#include "datasets.h"
#include "feed/statistics.h"
#include "options.h"

#define MAX_ROWS (1u << 28) // of all folds together: seconds of a request thread

struct estimate_params {
	const char *name;
	uint64_t owner, fold;
	struct hs_plan_params plan;
	struct hs_batch_params batch;
};
#define AT(member) .offset = offsetof(struct estimate_params, member)
static const struct hs_field fields[] = {
	{.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = HS_NAME_MAX + 70},
	{.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "plan", .type = HS_T_MAP, AT(plan), .sub = &hs_plan_schema},
	{.key = "fold", .type = HS_T_UINT, AT(fold), .max = UINT32_MAX, .def = HS_UNSET},
	HS_BATCH_FIELDS(struct estimate_params, batch),
};
#undef AT
const struct hs_schema hs_estimate_schema = HS_SCHEMA(struct estimate_params, fields);

static void write_role(struct hs_wbuf *w, const char *role, uint32_t max_length, const struct hs_estimate_role *sums)
{
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"max_length", max_length},
		{"real_tokens", sums->real_tokens},
		{"padded_tokens", sums->padded_tokens},
		{"truncated_rows", sums->truncated_rows},
		{"lost_tokens", sums->lost_tokens},
	};
	uint64_t pads = sums->padded_tokens - sums->real_tokens;
	hs_w_map(w, 7);
	hs_w_cstr(w, "role");
	hs_w_cstr(w, role);
	for (size_t i = 0; i < 5; i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
	hs_w_cstr(w, "padding_share");
	hs_w_f64(w, sums->padded_tokens ? (double)pads / (double)sums->padded_tokens : 0);
}

static void write_part(struct hs_wbuf *w, const struct hs_feed_source *source, const struct hs_stream_spec *spec,
		       const struct hs_estimate *sums)
{
	size_t nroles = hs_feed_source_nroles(source);
	hs_w_map(w, 6);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, sums->rows);
	hs_w_cstr(w, "batches");
	hs_w_uint(w, sums->batches);
	hs_w_cstr(w, "samples");
	hs_w_uint(w, sums->samples);
	hs_w_cstr(w, "order");
	hs_w_cstr(w, hs_order_name(spec->order));
	hs_w_cstr(w, "shard");
	hs_w_cstr(w, hs_shard_name(spec->shard));
	hs_w_cstr(w, "roles");
	hs_w_array(w, (uint32_t)nroles);
	for (size_t i = 0; i < nroles; i++)
		write_role(w, hs_feed_source_role(source, i), spec->max_length[i], &sums->roles[i]);
}

static int estimate_part(struct hs_request *req, const struct hs_asked *asked, enum hs_split split, uint32_t fold)
{
	static const char *const keys[] = {[HS_TRAIN] = "train", [HS_VAL] = "val", [HS_ALL] = "all"};
	const struct estimate_params *p = req->params;
	struct hs_stream_spec spec;
	struct hs_estimate sums;
	if (__atomic_load_n(&req->gone, __ATOMIC_RELAXED))
		return HSFEED_ELOST; // nobody reads it any more
	int rc = hs_batch_params_spec(&p->batch, "estimate", asked->source, split, &spec, &req->err);
	spec.fold = fold;
	if (rc == 0)
		rc = hs_feed_estimate(asked->source, split == HS_ALL ? NULL : asked->plan, &spec, &sums, &req->err);
	if (rc < 0)
		return rc;
	hs_w_cstr(&req->result, keys[split]);
	write_part(&req->result, asked->source, &spec, &sums);
	return 0;
}

static int estimate_fold(struct hs_request *req, const struct hs_asked *asked, uint32_t fold)
{
	hs_w_map(&req->result, 3);
	hs_w_cstr(&req->result, "fold");
	hs_w_uint(&req->result, fold);
	int rc = estimate_part(req, asked, HS_TRAIN, fold);
	return rc < 0 ? rc : estimate_part(req, asked, HS_VAL, fold);
}

// A thread has so much time, and a reply so many values.
static int check_size(const struct hs_asked *asked, uint64_t nfolds, uint64_t world, struct hs_err *reterr)
{
	uint64_t items = 4 + 2 * (14 + 15 * hs_feed_source_nroles(asked->source));
	uint64_t rows = (nfolds + 1) * (asked->plan->nrows + world);
	if (nfolds * items + 256 <= HS_WIRE_MAX_REPLY_ITEMS && (nfolds == 1 || rows <= MAX_ROWS))
		return 0;
	hs_err_set(reterr, HSFEED_ELIMIT, "estimate: %llu folds of %zu rows are too much work for one request",
		   (unsigned long long)nfolds, asked->plan->nrows);
	return hs_err_hint(reterr, "ask for one fold at a time");
}

static void write_options(struct hs_wbuf *w, const struct hs_batch_params *p)
{
	const struct hs_stream_spec spec = {.padding =
						    p->padding.e < 0 ? HS_PAD_MULTIPLE : (enum hs_padding)p->padding.e,
					    .multiple = (uint32_t)p->padding.u};
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {{"batch_size", p->batch_size}, {"seed", p->seed}, {"epoch", p->epoch}, {"world", p->world}};
	for (size_t i = 0; i < 4; i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
	hs_w_cstr(w, "drop_last");
	hs_w_bool(w, p->drop_last);
	hs_write_padding(w, &spec);
}

static int answer(struct hs_request *req, const struct hs_asked *asked)
{
	const struct estimate_params *p = req->params;
	struct hs_wbuf *w = &req->result;
	bool one = p->fold != HS_UNSET;
	uint32_t nfolds = one ? 1 : asked->plan->spec.nfolds, first = one ? (uint32_t)p->fold : 0;
	int rc = check_size(asked, nfolds, p->batch.world, &req->err);
	if (rc < 0)
		return rc;
	const char *warning = asked->plan->warning;
	hs_w_map(w, HS_ASKED_PAIRS + 6 + 3);
	hs_asked_write(w, asked);
	write_options(w, &p->batch);
	hs_w_cstr(w, "warnings");
	hs_w_array(w, warning[0] != '\0');
	if (warning[0])
		hs_w_cstr(w, warning);
	hs_w_cstr(w, "folds");
	hs_w_array(w, nfolds);
	for (uint32_t i = 0; rc == 0 && i < nfolds; i++)
		rc = estimate_fold(req, asked, first + i);
	return rc < 0 ? rc : estimate_part(req, asked, HS_ALL, 0);
}

int hs_req_estimate_run(struct hs_request *req)
{
	const struct estimate_params *p = req->params;
	struct hs_source_request source = hs_asked_source(req, p->name, p->owner);
	struct hs_asked asked;
	int rc = hs_batch_params_roles(&p->batch, "estimate", &source, &req->err);
	if (rc == 0)
		rc = hs_asked_open(req, &source, &p->plan, &asked);
	if (rc < 0)
		return rc;
	rc = answer(req, &asked);
	hs_asked_close(req, &asked);
	return rc;
}
