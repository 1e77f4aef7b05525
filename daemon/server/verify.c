// SPDX-License-Identifier: Apache-2.0
// verify: which files the child checks, and what it found beside their names.
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "ingests.h"

struct verify_params {
	const char *name;
};
static const struct hs_field verify_fields[] = {
	{.key = "name", .type = HS_T_STR, .offset = offsetof(struct verify_params, name), .min = 1, .max = HS_NAME_MAX},
};
const struct hs_schema hs_verify_schema = HS_SCHEMA(struct verify_params, verify_fields);

struct verifying {
	struct hs_verify_item *items;
	size_t n;
};

static int prepare(struct hs_child *child)
{
	struct verifying *v = calloc(1, sizeof(*v));
	if (!v)
		return hs_err_nomem(&child->err, "verifying");
	child->state = v;
	const char *name = child->name[0] ? child->name : NULL;
	int rc = hs_store_verify_list(child->server->store, child->uid, name, &v->items, &v->n, &child->err);
	if (rc < 0)
		return rc;
	hs_w_array(hs_child_param(child, "items"), (uint32_t)v->n);
	for (size_t i = 0; i < v->n; i++) {
		hs_w_map(&child->job, 4);
		hs_w_cstr(&child->job, "path");
		hs_w_cstr(&child->job, v->items[i].path);
		hs_w_cstr(&child->job, "kind");
		hs_w_uint(&child->job, v->items[i].kind);
		hs_w_cstr(&child->job, "crc_root");
		hs_w_uint(&child->job, v->items[i].crc_root);
		hs_w_cstr(&child->job, "id");
		hs_w_bin(&child->job, v->items[i].id.bytes, sizeof(v->items[i].id.bytes));
	}
	return 0;
}

// Writes one file's line; returns whether it is sound.
static bool write_file(struct hs_wbuf *w, const struct hs_verify_item *item, struct hs_rbuf finding)
{
	struct hs_rbuf look = finding;
	struct hs_wire_value v;
	const char *problem = "no finding";
	size_t len = strlen(problem);
	bool ok = hs_r_next(&look, &v) && v.type == HS_WIRE_NIL;
	if (!ok)
		hs_r_get_str(finding, "message", &problem, &len);
	hs_w_map(w, 6 + (item->role || item->array) + !ok);
	hs_w_cstr(w, "file");
	hs_w_cstr(w, item->path);
	hs_w_cstr(w, "kind");
	hs_w_cstr(w, hs_file_kind_name(item->kind));
	hs_w_cstr(w, "dataset");
	hs_w_cstr(w, item->name);
	hs_write_id(w, "version", &item->version);
	if (item->role) {
		hs_w_cstr(w, "role");
		hs_w_cstr(w, item->role);
	}
	if (item->array) {
		hs_w_cstr(w, "array");
		hs_w_cstr(w, item->array);
	}
	hs_w_cstr(w, "bytes");
	hs_w_uint(w, item->bytes);
	hs_w_cstr(w, "ok");
	hs_w_bool(w, ok);
	if (!ok) {
		hs_w_cstr(w, "problem");
		hs_w_str(w, problem, len);
	}
	return ok;
}

static int answer(struct hs_child *child)
{
	const struct verifying *v = child->state;
	struct hs_rbuf results;
	struct hs_wire_value head;
	bool ok = true;
	if (!hs_r_find(child->result, "results", &results) || !hs_r_next(&results, &head) ||
	    head.type != HS_WIRE_ARRAY || head.as.count != v->n)
		return hs_err_set(&child->err, HSFEED_EINTERNAL,
				  "verify: its process sent a result that the daemon does not "
				  "understand");
	hs_w_map(&child->reply, 2);
	hs_w_cstr(&child->reply, "files");
	hs_w_array(&child->reply, (uint32_t)v->n);
	for (size_t i = 0; i < v->n; i++) {
		ok = write_file(&child->reply, &v->items[i], results) && ok;
		hs_r_skip(&results);
	}
	hs_w_cstr(&child->reply, "ok");
	hs_w_bool(&child->reply, ok);
	return 0;
}

static void fini(struct hs_child *child)
{
	struct verifying *v = child->state;
	if (v)
		hs_verify_items_free(v->items, v->n);
	free(v);
}

static const struct hs_child_kind kind = {.name = "verify", .prepare = prepare, .answer = answer, .fini = fini};

int hs_req_verify_begin(struct hs_request *req)
{
	const struct verify_params *p = req->params;
	struct hs_child *child = hs_child_create(req, &kind, p->name ? p->name : "");
	return child ? hs_child_submit(child, req) : req->err.code;
}
