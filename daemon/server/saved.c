// SPDX-License-Identifier: Apache-2.0
// plan.save, plan.list, plan.rm.
//
// A plan is saved as resolved, and only if it can be made of the version that is named: that is tried on a request
// thread, since it may take long; then the store thread keeps it. Row numbers come as an upload: the bytes lie in a
// file of ours, which no hostile file system can make hang.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asked.h"
#include "describe.h"
#include "file.h"
#include "plan/rowlist.h"
#include "plans.h"
#include "store/disk.h"

struct save_params {
	const char *name, *plan;
	uint64_t owner, rows;
	struct hs_plan_params options;
	bool replace;
};

#define AT(member) .offset = offsetof(struct save_params, member)
#define NAME                                                                                                           \
	{                                                                                                              \
		.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = HS_NAME_MAX + 70         \
	}
#define OWNER                                                                                                          \
	{                                                                                                              \
		.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET                       \
	}
#define PLAN                                                                                                           \
	{                                                                                                              \
		.key = "plan", .type = HS_T_STR, AT(plan), .required = true, .min = 1, .max = HS_NAME_MAX              \
	}
static const struct hs_field save_fields[] = {
	NAME,
	OWNER,
	PLAN,
	{.key = "options", .type = HS_T_MAP, AT(options), .sub = &hs_plan_schema},
	{.key = "rows", .type = HS_T_UINT, AT(rows), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "replace", .type = HS_T_BOOL, AT(replace)},
};
static const struct hs_field list_fields[] = {NAME, OWNER};
static const struct hs_field rm_fields[] = {NAME, OWNER, PLAN};
#undef AT
const struct hs_schema hs_plan_save_schema = HS_SCHEMA(struct save_params, save_fields);
const struct hs_schema hs_plan_list_schema = HS_SCHEMA(struct save_params, list_fields);
const struct hs_schema hs_plan_rm_schema = HS_SCHEMA(struct save_params, rm_fields);

static struct hs_plan_ref ref_of(const struct hs_request *req)
{
	const struct save_params *p = req->params;
	return (struct hs_plan_ref){.uid = req->uid,
				    .owner = p->owner == HS_UNSET ? req->uid : (uint32_t)p->owner,
				    .name = p->name,
				    .plan = p->plan};
}

// ---- plan.save ----

struct saving {
	struct hs_input *input; // the row numbers; NULL: none
	bool made;              // what follows
	char name[HS_NAME_MAX + 1];
	struct hs_wbuf options;
	uint16_t *fold_of_row; // [nrows]: a plan of row numbers
	size_t nrows;          // 0: it is none
	struct hs_id version;
};

static int take_rows(struct hs_request *req, struct hs_input **ret)
{
	const struct save_params *p = req->params;
	struct hs_input *input;
	unsigned others =
		hs_plan_params_given(req, "options") - (p->options.kind && strcmp(p->options.kind, "rows") == 0);
	int rc = hs_handle_take(req->conn, p->rows, &input, &req->err);
	if (rc < 0)
		return rc;
	if (others > 0)
		rc = hs_err_set(&req->err, HSFEED_EBADREQUEST,
				"plan.save: a plan of row numbers takes no other options");
	else if (!input->upload) {
		hs_err_set(&req->err, HSFEED_EBADFILE, "%s: row numbers come as bytes, not as a descriptor",
			   input->name);
		rc = hs_err_hint(&req->err, "send them with file.begin and file.chunk");
	}
	if (rc < 0)
		hs_input_unref(input);
	else
		*ret = input;
	return rc;
}

int hs_req_plan_save_begin(struct hs_request *req)
{
	const struct save_params *p = req->params;
	if (p->options.name) {
		hs_err_set(&req->err, HSFEED_EBADREQUEST, "plan.save: the options of a plan name no other plan");
		return hs_err_hint(&req->err, "plan.list tells that one's options");
	}
	struct saving *s = calloc(1, sizeof(*s));
	if (!s)
		return hs_err_nomem(&req->err, "saving a plan");
	int rc = p->rows == HS_UNSET ? 0 : take_rows(req, &s->input);
	if (rc < 0)
		free(s);
	else
		req->state = s;
	return rc;
}

static int read_bytes(const struct hs_input *input, uint8_t *data, struct hs_err *reterr)
{
	int rc = hs_disk_read(input->fd, data, (size_t)input->stamp.bytes, 0);
	return rc < 0 ? hs_err_set(reterr, rc, "%s: cannot read the uploaded bytes", input->name) : 0;
}

static int parse_rows(struct saving *s, uint32_t *ret_nfolds, struct hs_err *reterr)
{
	const struct hs_input *input = s->input;
	if (input->stamp.bytes > hs_row_list_max_bytes(s->nrows)) {
		hs_err_set(reterr, HSFEED_EBADPLAN, "%s: it has %llu bytes; the numbers of %zu rows take at most %llu",
			   input->name, (unsigned long long)input->stamp.bytes, s->nrows,
			   (unsigned long long)hs_row_list_max_bytes(s->nrows));
		return hs_err_hint(reterr, "one row number to a line, or {\"fold\":0,\"val\":[...]} for each fold");
	}
	uint8_t *data = malloc((size_t)input->stamp.bytes + 1);
	s->fold_of_row = hs_array(s->nrows, sizeof(*s->fold_of_row));
	int rc = data && s->fold_of_row ? read_bytes(input, data, reterr) : hs_err_nomem(reterr, "reading row numbers");
	if (rc == 0) {
		const struct hs_span text = {(const char *)data, (size_t)input->stamp.bytes};
		rc = hs_row_list_read(text, s->nrows, s->fold_of_row, ret_nfolds, reterr);
		if (rc == HSFEED_EBADPLAN)
			hs_err_context(reterr, "%s", input->name);
	}
	free(data);
	return rc;
}

static int make_of_rows(struct saving *s, const struct hs_feed_source *source, struct hs_err *reterr)
{
	uint32_t nfolds = 0;
	struct hs_id digest;
	s->nrows = hs_feed_source_version(source)->nrows;
	int rc = parse_rows(s, &nfolds, reterr);
	if (rc < 0)
		return rc;
	if (hs_plan_rows_digest(&s->version, s->fold_of_row, s->nrows, &digest) < 0)
		return hs_err_nomem(reterr, "saving a plan");
	hs_plan_rows_write(&s->options, nfolds, &digest);
	return 0;
}

// Of options: the plan is made, and so may fail. One of row numbers that another plan holds is held by this one too.
static int make_of_options(struct hs_request *req, struct saving *s, struct hs_feed_source *source)
{
	const struct save_params *p = req->params;
	struct hs_feed *feed = req->server->feed;
	struct hs_plan_request request;
	const struct hs_plan *plan;
	int rc = hs_plan_params_read_own(&p->options, &request, &req->err);
	if (rc == 0)
		rc = hs_feed_plan_get(feed, source, &request, &plan, &req->err);
	if (rc < 0)
		return rc;
	hs_plan_write(&s->options, plan);
	if (plan->spec.kind == HS_SPLIT_ROWS) {
		s->nrows = plan->nrows;
		s->fold_of_row = hs_array(plan->nrows, sizeof(*s->fold_of_row));
		if (s->fold_of_row)
			memcpy(s->fold_of_row, plan->fold_of_row, plan->nrows * sizeof(*s->fold_of_row));
		else
			rc = hs_err_nomem(&req->err, "saving a plan");
	}
	hs_feed_plan_put(feed, plan);
	return rc;
}

static int make(struct hs_request *req, struct saving *s)
{
	const struct save_params *p = req->params;
	struct hs_source_request request = hs_asked_source(req, p->name, p->owner);
	struct hs_feed_source *source;
	request.no_encodings = true;
	int rc = hs_feed_source_open(req->server->feed, &request, &source, &req->err);
	if (rc < 0)
		return rc;
	const struct hs_version_entry *entry = hs_feed_source_entry(source);
	memcpy(s->name, entry->name, sizeof(s->name));
	s->version = entry->version;
	rc = s->input ? make_of_rows(s, source, &req->err) : make_of_options(req, s, source);
	hs_feed_source_close(source);
	if (rc == 0 && s->options.failed)
		rc = hs_err_nomem(&req->err, "saving a plan");
	s->made = rc == 0;
	return rc < 0 ? rc : HS_TO_WRITER;
}

// ---- what differs ----

static void put_word(struct hs_buf *text, struct hs_rbuf *r)
{
	struct hs_wire_value v;
	if (!hs_r_next(r, &v))
		return;
	switch (v.type) {
	case HS_WIRE_BOOL:
		hs_buf_printf(text, "%s", v.as.b ? "true" : "false");
		break;
	case HS_WIRE_UINT:
		hs_buf_printf(text, "%llu", (unsigned long long)v.as.u);
		break;
	case HS_WIRE_F64:
		hs_buf_printf(text, "%.12g", v.as.f);
		break;
	case HS_WIRE_STR:
		hs_buf_printf(text, "%.*s", v.as.str.len < 60 ? (int)v.as.str.len : 60, v.as.str.ptr);
		break;
	case HS_WIRE_ARRAY:
		for (uint32_t i = 0; i < v.as.count; i++) {
			struct hs_wire_value item;
			if (hs_r_next(r, &item) && item.type == HS_WIRE_STR && i < 8)
				hs_buf_printf(text, "%s%.*s", i ? "+" : "",
					      item.as.str.len < 60 ? (int)item.as.str.len : 60, item.as.str.ptr);
		}
		break;
	default:
		break;
	}
}

static void put_value(struct hs_buf *text, struct hs_rbuf map, const char *key)
{
	struct hs_rbuf value;
	if (hs_r_find(map, key, &value))
		put_word(text, &value);
	else
		hs_buf_printf(text, "none");
}

static bool same_value(struct hs_rbuf a, struct hs_rbuf b, const char *key)
{
	struct hs_rbuf x, y;
	bool in_a = hs_r_find(a, key, &x), in_b = hs_r_find(b, key, &y);
	if (!in_a || !in_b)
		return in_a == in_b;
	struct hs_rbuf x_end = x, y_end = y;
	hs_r_skip(&x_end);
	hs_r_skip(&y_end);
	size_t len = (size_t)(x_end.p - x.p);
	return len == (size_t)(y_end.p - y.p) && memcmp(x.p, y.p, len) == 0;
}

// "folds 5 there and 10 here, group none there and author here".
static void put_differences(struct hs_buf *text, struct hs_rbuf old, struct hs_rbuf given)
{
	for (size_t i = 0; i < hs_plan_schema.nfields; i++) {
		const char *key = hs_plan_schema.fields[i].key;
		if (same_value(old, given, key))
			continue;
		hs_buf_printf(text, "%s%s ", text->len ? ", " : "", key);
		put_value(text, old, key);
		hs_buf_printf(text, " there and ");
		put_value(text, given, key);
		hs_buf_printf(text, " here");
	}
}

static int refuse_other(struct hs_request *req, const struct saving *s, const struct hs_plan_ref *ref)
{
	struct hs_plan_entry old;
	struct hs_buf text = {0};
	int rc = hs_store_find_plan(req->server->store, ref, &old, &req->err);
	if (rc < 0)
		return rc;
	const struct hs_rbuf there = {old.options, old.options + old.options_len},
			     given = {s->options.data, s->options.data + s->options.len};
	put_differences(&text, there, given);
	hs_err_set(&req->err, HSFEED_EBADREQUEST, "dataset \"%s\" has another plan \"%s\": %.*s", s->name, ref->plan,
		   (int)text.len, text.data ? (const char *)text.data : "");
	hs_buf_fini(&text);
	hs_plan_entry_fini(&old);
	return hs_err_hint(&req->err, "take another name, or say that it is to be replaced (--replace)");
}

// ---- plan.save, on the store thread ----

static int keep(struct hs_request *req, const struct saving *s)
{
	static const char *const states[] = {"new", "known", "replaced", ""};
	const struct save_params *p = req->params;
	const struct hs_plan_save what = {.ref = ref_of(req),
					  .options = s->options.data,
					  .options_len = s->options.len,
					  .fold_of_row = s->fold_of_row,
					  .nrows = s->nrows,
					  .version = s->version,
					  .replace = p->replace};
	struct hs_wbuf *w = &req->result;
	enum hs_plan_saved saved;
	int rc = hs_store_save_plan(req->server->store, &what, &saved, &req->err);
	if (rc < 0)
		return rc;
	if (saved == HS_PLAN_DIFFERS)
		return refuse_other(req, s, &what.ref);
	hs_w_map(w, 4);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, s->name);
	hs_w_cstr(w, "plan");
	hs_w_cstr(w, p->plan);
	hs_w_cstr(w, "options");
	hs_w_raw(w, s->options.data, s->options.len);
	hs_w_cstr(w, "state");
	hs_w_cstr(w, states[saved]);
	return 0;
}

int hs_req_plan_save_run(struct hs_request *req)
{
	struct saving *s = req->state;
	return s->made ? keep(req, s) : make(req, s);
}

int hs_req_plan_save_settle(struct hs_request *req)
{
	struct saving *s = req->state;
	hs_input_unref(s->input);
	hs_w_fini(&s->options);
	free(s->fold_of_row);
	free(s);
	return req->rc;
}

// ---- plan.list, plan.rm ----

int hs_req_plan_list_run(struct hs_request *req)
{
	const struct hs_plan_ref ref = ref_of(req);
	struct hs_wbuf *w = &req->result;
	struct hs_plan_entry *entries;
	size_t n;
	int rc = hs_store_list_plans(req->server->store, &ref, &entries, &n, &req->err);
	if (rc < 0)
		return rc;
	hs_w_map(w, 1);
	hs_w_cstr(w, "plans");
	hs_w_array(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		hs_w_map(w, 3);
		hs_w_cstr(w, "plan");
		hs_w_cstr(w, entries[i].plan);
		hs_w_cstr(w, "options");
		hs_w_raw(w, entries[i].options, entries[i].options_len);
		hs_w_cstr(w, "created_ms");
		hs_w_int(w, entries[i].created_ms);
	}
	hs_plan_entries_free(entries, n);
	return 0;
}

int hs_req_plan_rm_run(struct hs_request *req)
{
	const struct hs_plan_ref ref = ref_of(req);
	int rc = hs_store_remove_plan(req->server->store, &ref, &req->err);
	if (rc < 0)
		return rc;
	hs_w_map(&req->result, 1);
	hs_w_cstr(&req->result, "removed");
	hs_w_bool(&req->result, rc > 0);
	return 0;
}
