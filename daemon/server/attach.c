// SPDX-License-Identifier: Apache-2.0
// attach: an array of numbers, one row per row of a version, read by a child process and published beside the version.
// detach: the way back.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "ingest/floats.h"
#include "ingests.h"
#include "store/attached.h"

#define MAX_BYTES (1ull << 36) // of an array as it is stored

struct attach_params {
	const char *name, *array, *file_name;
	uint64_t owner, source, offset;
	struct hs_uints shape;
	int dtype, nan;
	bool replace;
};
static const char *const dtypes[] = {"float32", "float64", "float16", NULL}; // enum hs_floats
static const char *const nan_rules[] = {"refuse", "allow", NULL};

#define AT(member) .offset = offsetof(struct attach_params, member)
#define WHAT                                                                                                           \
	{.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = HS_NAME_MAX + 70},              \
		{.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET},                    \
	{                                                                                                              \
		.key = "array", .type = HS_T_STR, AT(array), .required = true, .min = 1, .max = HS_NAME_MAX            \
	}
static const struct hs_field attach_fields[] = {
	WHAT,
	{.key = "source", .type = HS_T_UINT, AT(source), .required = true, .max = UINT32_MAX},
	{.key = "file_name", .type = HS_T_STR, AT(file_name), .max = 1024},
	{.key = "offset", .type = HS_T_UINT, AT(offset), .max = INT64_MAX / 2},
	{.key = "dtype", .type = HS_T_ENUM, AT(dtype), .required = true, .names = dtypes},
	{.key = "shape", .type = HS_T_UINTS, AT(shape), .required = true, .min = 1, .max = UINT32_MAX},
	{.key = "nan", .type = HS_T_ENUM, AT(nan), .names = nan_rules},
	{.key = "replace", .type = HS_T_BOOL, AT(replace)},
};
static const struct hs_field detach_fields[] = {WHAT};
#undef AT
const struct hs_schema hs_attach_schema = HS_SCHEMA(struct attach_params, attach_fields);
const struct hs_schema hs_detach_schema = HS_SCHEMA(struct attach_params, detach_fields);

// What becomes of it: outlives the request, of which several may wait for one child.
struct attaching {
	char array[HS_NAME_MAX + 1], dataset[HS_NAME_MAX + 1], path[512];
	uint64_t rows;
	uint32_t dims, columns;
	bool replace;
	struct hs_id version, id;
	enum { NEW, KNOWN, REPLACED } state;
	struct hs_published published;
	uint64_t nan_rows;
};

// ---- checks ----

static int check_name(const struct attach_params *p, struct hs_err *reterr)
{
	if (hs_attached_name_ok(p->array))
		return 0;
	hs_err_set(reterr, HSFEED_EBADREQUEST, "\"%.128s\" cannot be the name of an attached array", p->array);
	if (hs_name_valid(p->array, strlen(p->array)))
		return hs_err_hint(reterr, "every batch has, or may have, an array of that name: choose another");
	return hs_err_hint(reterr,
			   "1 to 128 letters, digits, dots, dashes and underscores, the first a letter or digit");
}

static int check_shape(const struct attach_params *p, struct hs_err *reterr)
{
	if (p->shape.n < 1 || p->shape.n > 2) {
		hs_err_set(reterr, HSFEED_EBADARRAY, "array %s: its shape has %zu dimensions", p->array, p->shape.n);
		return hs_err_hint(reterr, "[rows] or [rows, columns]: reshape it");
	}
	uint64_t columns = p->shape.n == 2 ? p->shape.items[1] : 1;
	if (columns > HS_ATTACHED_MAX_COLUMNS)
		return hs_err_set(reterr, HSFEED_EBADARRAY, "array %s: it has %llu columns; an array has at most %u",
				  p->array, (unsigned long long)columns, HS_ATTACHED_MAX_COLUMNS);
	if (p->shape.items[0] * columns * sizeof(float) > MAX_BYTES)
		return hs_err_set(reterr, HSFEED_ELIMIT,
				  "array %s: it would take %llu bytes; an array takes at most %llu", p->array,
				  (unsigned long long)(p->shape.items[0] * columns * sizeof(float)), MAX_BYTES);
	return 0;
}

static int check(const struct hs_request *req, struct hs_err *reterr)
{
	const struct attach_params *p = req->params;
	if (p->owner != HS_UNSET && p->owner != req->uid)
		return hs_err_set(reterr, HSFEED_EDENIED,
				  "%s: only its owner can attach to a dataset or detach from it", p->name);
	int rc = check_name(p, reterr);
	return rc < 0 ? rc : check_shape(p, reterr);
}

// ---- before: which version ----

static int other_rows(const struct hs_child *child, const struct hs_version_entry *entry, struct hs_err *reterr)
{
	const struct attaching *a = child->state;
	char hex[HS_ID_HEX];
	hs_id_hex(&entry->version, hex);
	hs_err_set(reterr, HSFEED_EBADARRAY, "array %s has %llu rows; %s@%.12s has %llu", a->array,
		   (unsigned long long)a->rows, entry->name, hex, (unsigned long long)entry->rows);
	return hs_err_hint(reterr,
			   "one row for each row of the version: rows that ingest dropped have none (hsfeed rows "
			   "lists lines); name another version as NAME@ID");
}

static int prepare(struct hs_child *child)
{
	struct attaching *a = child->state;
	struct hs_version_entry entry;
	int rc = hs_store_find(child->server->store, child->uid, child->uid, child->name, &entry, &child->err);
	if (rc < 0)
		return rc;
	if (entry.rows != a->rows)
		rc = other_rows(child, &entry, &child->err);
	a->version = entry.version;
	memcpy(a->dataset, entry.name, sizeof(a->dataset));
	hs_version_entry_fini(&entry);
	hs_w_cstr(hs_child_param(child, "name"), a->dataset);
	hs_w_bin(hs_child_param(child, "version"), a->version.bytes, sizeof(a->version.bytes));
	return rc;
}

// ---- after: published, described ----

static int taken(struct hs_child *child, const struct attaching *a)
{
	hs_err_set(&child->err, HSFEED_EBADREQUEST, "%s has an array %s already, with other values", a->dataset,
		   a->array);
	return hs_err_hint(&child->err, "ask for it to be replaced, detach it first, or choose another name");
}

// What of this name is there; asked on the only thread that changes the catalog.
static int compare_with_stored(struct hs_child *child, struct attaching *a)
{
	char spec[HS_NAME_MAX + 2 + HS_ID_HEX], hex[HS_ID_HEX];
	struct hs_version_entry entry;
	hs_id_hex(&a->version, hex);
	snprintf(spec, sizeof(spec), "%s@%s", a->dataset, hex);
	int rc = hs_store_find(child->server->store, child->uid, child->uid, spec, &entry, &child->err);
	if (rc < 0)
		return rc;
	a->state = NEW;
	for (size_t i = 0; i < entry.narrays; i++) {
		if (strcmp(entry.arrays[i].array, a->array) == 0)
			a->state = hs_id_eq(&entry.arrays[i].id, &a->id) ? KNOWN : REPLACED;
	}
	hs_version_entry_fini(&entry);
	return a->state == REPLACED && !a->replace ? taken(child, a) : 0;
}

static int publish(struct hs_child *child)
{
	struct attaching *a = child->state;
	struct hs_publish_file array = {.role = a->array};
	const struct hs_publish what = {.owner = child->uid,
					.name = a->dataset,
					.version = {.id = a->version},
					.arrays = &array,
					.narrays = 1,
					.attach = true};
	if (!hs_child_read_id(child->result, &a->id) || !hs_r_get_uint(child->result, "nan_rows", &a->nan_rows) ||
	    !hs_child_read_path(child, child->result, a->path, sizeof(a->path), &array.tmp_path) || !array.tmp_path)
		return hs_child_not_understood(child);
	array.id = a->id;
	int rc = compare_with_stored(child, a);
	if (rc < 0)
		return rc;
	if (a->state == REPLACED)
		hs_feed_drop_unused(child->server->feed); // what only the caches hold open is deleted at once
	return hs_store_publish(child->server->store, &what, &a->published, &child->err);
}

static int answer(struct hs_child *child)
{
	static const char *const states[] = {[NEW] = "new", [KNOWN] = "known", [REPLACED] = "replaced"};
	const struct attaching *a = child->state;
	struct hs_wbuf *w = &child->reply;
	hs_w_map(w, 8);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, a->dataset);
	hs_write_id(w, "version", &a->version);
	hs_w_cstr(w, "array");
	hs_w_cstr(w, a->array);
	hs_write_id(w, "id", &a->id);
	hs_w_cstr(w, "state");
	hs_w_cstr(w, states[a->state]);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, a->rows);
	hs_w_cstr(w, "columns");
	hs_w_uint(w, a->columns);
	hs_w_cstr(w, "nan_rows");
	hs_w_uint(w, a->nan_rows);
	return 0;
}

static void announce(struct hs_child *child)
{
	const struct attaching *a = child->state;
	child->server->npending += a->published.pending; // from now on the end of a stream may leave a file behind
}

static void fini(struct hs_child *child)
{
	struct attaching *a = child->state;
	if (a)
		hs_published_fini(&a->published);
	free(a);
}

static const struct hs_child_kind kind = {
	.name = "attach", .prepare = prepare, .publish = publish, .answer = answer, .announce = announce, .fini = fini};

// ---- the job ----

static struct attaching *create_state(const struct attach_params *p)
{
	struct attaching *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	snprintf(a->array, sizeof(a->array), "%s", p->array);
	a->rows = p->shape.items[0];
	a->dims = (uint32_t)p->shape.n;
	a->columns = p->shape.n == 2 ? (uint32_t)p->shape.items[1] : 1;
	a->replace = p->replace;
	return a;
}

// Jobs with equal keys are one: the name of the dataset and the file are in it already.
static void put_key(struct hs_child *child, const struct attach_params *p)
{
	const struct attaching *a = child->state;
	hs_w_cstr(&child->key, p->array);
	const uint64_t numbers[] = {a->rows,         a->dims, a->columns, p->offset, p->replace, (uint64_t)p->dtype,
				    (uint64_t)p->nan};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		hs_w_uint(&child->key, numbers[i]);
}

static void put_job(struct hs_child *child, const struct attach_params *p, const struct hs_input *input)
{
	const struct attaching *a = child->state;
	hs_w_cstr(hs_child_param(child, "file_name"), p->file_name ? p->file_name : input->name);
	hs_w_cstr(hs_child_param(child, "tmp"), hs_store_tmp(child->server->store));
	hs_w_cstr(hs_child_param(child, "prefix"), child->prefix);
	hs_w_uint(hs_child_param(child, "owner"), child->uid);
	hs_w_cstr(hs_child_param(child, "array"), p->array);
	hs_w_cstr(hs_child_param(child, "dtype"), dtypes[p->dtype]);
	hs_w_uint(hs_child_param(child, "rows"), a->rows);
	hs_w_uint(hs_child_param(child, "dims"), a->dims);
	hs_w_uint(hs_child_param(child, "columns"), a->columns);
	hs_w_uint(hs_child_param(child, "offset"), p->offset);
	hs_w_bool(hs_child_param(child, "nan"), p->nan == 1);
}

static int begin(struct hs_request *req, struct hs_input *input)
{
	const struct attach_params *p = req->params;
	struct hs_child *child = hs_child_create(req, &kind, p->name);
	if (!child) {
		hs_input_unref(input);
		return req->err.code;
	}
	child->state = create_state(p);
	hs_w_uint(hs_child_param(child, "source"), hs_child_input(child, input));
	if (!child->state) {
		hs_child_discard(child);
		return hs_err_nomem(&req->err, "attaching an array");
	}
	put_job(child, p, input);
	put_key(child, p);
	return hs_child_submit(child, req);
}

int hs_req_attach_begin(struct hs_request *req)
{
	const struct attach_params *p = req->params;
	struct hs_input *input;
	int rc = hs_handle_take(req->conn, p->source, &input, &req->err); // it is gone whatever comes of it
	if (rc < 0)
		return rc;
	rc = check(req, &req->err);
	if (rc == 0)
		return begin(req, input);
	hs_input_unref(input);
	return rc;
}

// ---- detach ----

int hs_req_detach_run(struct hs_request *req)
{
	const struct attach_params *p = req->params;
	struct hs_removed removed;
	if (p->owner != HS_UNSET && p->owner != req->uid)
		return hs_err_set(&req->err, HSFEED_EDENIED, "%s: only its owner can detach from a dataset", p->name);
	hs_feed_drop_unused(req->server->feed); // what only the caches hold open is deleted at once
	int rc = hs_store_detach(req->server->store, req->uid, p->name, p->array, &removed, &req->err);
	if (rc < 0)
		return rc;
	hs_w_map(&req->result, 3);
	hs_w_cstr(&req->result, "detached");
	hs_w_bool(&req->result, rc == 1);
	hs_w_cstr(&req->result, "pending");
	hs_w_uint(&req->result, removed.pending);
	hs_w_cstr(&req->result, "bytes");
	hs_w_uint(&req->result, removed.bytes);
	req->npending = removed.pending;
	hs_removed_fini(&removed);
	return 0;
}
