// SPDX-License-Identifier: Apache-2.0
#include "datasets.h"

#include <string.h>

#include "describe.h"

struct named_params {
	const char *name;
	uint64_t owner;
};
#define NAME                                                                                                           \
	{                                                                                                              \
		.key = "name", .type = HS_T_STR, .offset = offsetof(struct named_params, name), .required = true,      \
		.min = 1, .max = HS_NAME_MAX + 70                                                                      \
	}
static const struct hs_field named_fields[] = {
	NAME,
	{.key = "owner",
	 .type = HS_T_UINT,
	 .offset = offsetof(struct named_params, owner),
	 .max = UINT32_MAX,
	 .def = HS_UNSET},
};
static const struct hs_field rm_fields[] = {NAME};
const struct hs_schema hs_named_schema = HS_SCHEMA(struct named_params, named_fields);
const struct hs_schema hs_rm_schema = HS_SCHEMA(struct named_params, rm_fields);
const struct hs_schema hs_datasets_schema = {sizeof(struct named_params), 0, NULL};

static uint32_t owner_of(const struct hs_request *req)
{
	const struct named_params *p = req->params;
	return p->owner == HS_UNSET ? req->uid : (uint32_t)p->owner;
}

static void write_role_names(struct hs_wbuf *w, const struct hs_version_entry *e)
{
	hs_w_cstr(w, "roles");
	hs_w_array(w, (uint32_t)e->nroles);
	for (size_t i = 0; i < e->nroles; i++)
		hs_w_cstr(w, e->roles[i].role);
}

// A version's file, its encodings' and its arrays'.
static uint64_t bytes_of(const struct hs_version_entry *e)
{
	uint64_t bytes = e->bytes;
	for (size_t i = 0; i < e->nroles; i++)
		bytes += e->roles[i].bytes;
	for (size_t i = 0; i < e->narrays; i++)
		bytes += e->arrays[i].bytes;
	return bytes;
}

// ---- datasets ----

static bool same_dataset(const struct hs_version_entry *a, const struct hs_version_entry *b)
{
	return a->owner == b->owner && strcmp(a->name, b->name) == 0;
}

// All versions of one dataset are neighbours in the list; n of them begin at e.
static void write_dataset(struct hs_store *store, const struct hs_version_entry *e, size_t n, struct hs_wbuf *w)
{
	const struct hs_version_entry *current = &e[n - 1];
	uint64_t bytes = 0;
	for (size_t i = 0; i < n; i++) {
		bytes += bytes_of(&e[i]);
		if (e[i].current)
			current = &e[i];
	}
	hs_w_map(w, 9);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, current->name);
	hs_w_cstr(w, "owner");
	hs_w_uint(w, current->owner);
	hs_write_id(w, "version", &current->version);
	hs_w_cstr(w, "versions");
	hs_w_uint(w, n);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, current->rows);
	hs_w_cstr(w, "labels");
	hs_describe_label_names(store, current, w);
	write_role_names(w, current);
	hs_w_cstr(w, "bytes");
	hs_w_uint(w, bytes);
	hs_w_cstr(w, "created_ms");
	hs_w_int(w, current->created_ms);
}

int hs_req_datasets_run(struct hs_request *req)
{
	struct hs_store *store = req->server->store;
	struct hs_version_entry *entries;
	size_t n, count = 0, run;
	int rc = hs_store_list(store, req->uid, NULL, &entries, &n, &req->err);
	if (rc < 0)
		return rc;
	hs_w_map(&req->result, 1);
	hs_w_cstr(&req->result, "datasets");
	size_t mark = hs_w_array_begin(&req->result);
	for (size_t i = 0; i < n; i += run, count++) {
		for (run = 1; i + run < n && same_dataset(&entries[i], &entries[i + run]);)
			run++;
		write_dataset(store, &entries[i], run, &req->result);
	}
	hs_w_array_end(&req->result, mark, (uint32_t)count);
	hs_version_entries_free(entries, n);
	return 0;
}

// ---- versions, show ----

// Not the store's users: the caches of feed count there as one, idle or shared by many streams.
static void write_open(const struct hs_server *server, const struct hs_version_entry *e, struct hs_wbuf *w)
{
	hs_w_cstr(w, "open");
	hs_w_uint(w, hs_feed_users(server->feed, e->owner, &e->version));
}

static void write_file_name(struct hs_store *store, const struct hs_version_entry *e, struct hs_wbuf *w)
{
	struct hs_file *file;
	struct hs_err err;
	if (hs_store_acquire(store, e->owner, HS_FILE_VERSION, &e->version, &file, &err) < 0) {
		hs_w_cstr(w, "file_name");
		hs_w_nil(w);
		return;
	}
	hs_write_header_value(w, hs_file_header(file), "file_name");
	hs_store_release(store, file);
}

static void write_version(const struct hs_server *server, const struct hs_version_entry *e, struct hs_wbuf *w)
{
	hs_w_map(w, 8);
	hs_write_id(w, "version", &e->version);
	hs_w_cstr(w, "current");
	hs_w_bool(w, e->current);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, e->rows);
	hs_w_cstr(w, "created_ms");
	hs_w_int(w, e->created_ms);
	hs_w_cstr(w, "bytes");
	hs_w_uint(w, bytes_of(e));
	write_open(server, e, w);
	write_file_name(server->store, e, w);
	write_role_names(w, e);
}

int hs_req_versions_run(struct hs_request *req)
{
	struct hs_store *store = req->server->store;
	struct hs_version_entry found, *entries;
	const struct named_params *p = req->params;
	size_t n, count = 0;
	int rc = hs_store_find(store, req->uid, owner_of(req), p->name, &found, &req->err);
	if (rc < 0)
		return rc;
	rc = hs_store_list(store, req->uid, found.name, &entries, &n, &req->err);
	if (rc < 0) {
		hs_version_entry_fini(&found);
		return rc;
	}
	hs_w_map(&req->result, 2);
	hs_w_cstr(&req->result, "name");
	hs_w_cstr(&req->result, found.name);
	hs_w_cstr(&req->result, "versions");
	size_t mark = hs_w_array_begin(&req->result);
	for (size_t i = 0; i < n; i++)
		if (entries[i].owner == found.owner) {
			write_version(req->server, &entries[i], &req->result);
			count++;
		}
	hs_w_array_end(&req->result, mark, (uint32_t)count);
	hs_version_entries_free(entries, n);
	hs_version_entry_fini(&found);
	return 0;
}

static int write_shown(struct hs_request *req, const struct hs_version_entry *e)
{
	struct hs_store *store = req->server->store;
	struct hs_wbuf *w = &req->result;
	hs_w_map(w, 7);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, e->name);
	hs_w_cstr(w, "owner");
	hs_w_uint(w, e->owner);
	hs_w_cstr(w, "current");
	hs_w_bool(w, e->current);
	write_open(req->server, e, w);
	hs_w_cstr(w, "version_info");
	int rc = hs_describe_version(store, e, w, &req->err);
	hs_w_cstr(w, "roles");
	hs_w_array(w, (uint32_t)e->nroles);
	for (size_t i = 0; i < e->nroles && rc == 0; i++)
		rc = hs_describe_role(store, e, i, NULL, w, &req->err);
	hs_w_cstr(w, "arrays");
	hs_w_array(w, (uint32_t)e->narrays);
	for (size_t i = 0; i < e->narrays && rc == 0; i++)
		rc = hs_describe_array(store, e->owner, &e->arrays[i], w, &req->err);
	return rc;
}

int hs_req_show_run(struct hs_request *req)
{
	const struct named_params *p = req->params;
	struct hs_version_entry entry;
	int rc = hs_store_find(req->server->store, req->uid, owner_of(req), p->name, &entry, &req->err);
	if (rc < 0)
		return rc;
	rc = write_shown(req, &entry);
	hs_version_entry_fini(&entry);
	return rc;
}

// ---- rm ----

int hs_req_rm_run(struct hs_request *req)
{
	const struct named_params *p = req->params;
	struct hs_removed removed;
	struct hs_feed *feed = req->server->feed;
	hs_feed_near_yield(feed, req->uid, p->name); // what only they and the caches hold open is deleted at once
	hs_feed_drop_unused(feed);
	int rc = hs_store_remove(req->server->store, req->uid, p->name, &removed, &req->err);
	hs_feed_near_resume(feed);
	if (rc < 0)
		return rc;
	hs_w_map(&req->result, 4);
	hs_w_cstr(&req->result, "plans");
	hs_w_uint(&req->result, removed.nplans);
	hs_w_cstr(&req->result, "removed");
	hs_w_array(&req->result, (uint32_t)removed.nversions);
	for (size_t i = 0; i < removed.nversions; i++) {
		char hex[HS_ID_HEX];
		hs_id_hex(&removed.versions[i], hex);
		hs_w_cstr(&req->result, hex);
	}
	hs_w_cstr(&req->result, "pending");
	hs_w_uint(&req->result, removed.pending);
	hs_w_cstr(&req->result, "bytes");
	hs_w_uint(&req->result, removed.bytes);
	req->npending = removed.pending;
	hs_removed_fini(&removed);
	return 0;
}

// From now on the end of a stream may leave a file behind that nobody needs.
int hs_req_rm_settle(struct hs_request *req)
{
	req->server->npending += req->npending;
	return req->rc;
}
