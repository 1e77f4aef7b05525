// SPDX-License-Identifier: Apache-2.0
// What becomes of an ingest's or add's result: published on the store thread, described for the clients, announced.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "ingests.h"

// Between publish and answer. role_known: the role had this very encoding before.
struct published {
	struct hs_published store;
	struct hs_id version;
	size_t n;
	struct hs_publish_file files[HS_INGEST_MAX_TOKENIZERS];
	char roles[HS_INGEST_MAX_TOKENIZERS][HS_NAME_MAX + 1];
	char paths[HS_INGEST_MAX_TOKENIZERS + 1][512];
	bool new_version, added;
	char dataset[HS_NAME_MAX + 1];
};

int hs_child_not_understood(struct hs_child *child)
{
	return hs_err_set(&child->err, HSFEED_EINTERNAL,
			  "%s %s: its process sent a result that the daemon does not understand", child->kind->name,
			  child->name);
}

bool hs_child_read_path(const struct hs_child *child, struct hs_rbuf map, char *path, size_t cap, const char **ret)
{
	const char *text;
	size_t len;
	*ret = NULL;
	if (!hs_r_get_str(map, "path", &text, &len))
		return true;
	char start[512];
	int n = snprintf(start, sizeof(start), "%s/%s-", hs_store_tmp(child->server->store), child->prefix);
	if (len >= cap || n < 0 || len <= (size_t)n || (size_t)n >= sizeof(start) ||
	    memcmp(text, start, (size_t)n) != 0 || memchr(text + n, '/', len - (size_t)n) || memchr(text, 0, len))
		return false;
	memcpy(path, text, len);
	path[len] = '\0';
	*ret = path;
	return true;
}

bool hs_child_read_id(struct hs_rbuf map, struct hs_id *ret)
{
	const void *data;
	size_t len;
	if (!hs_r_get_bin(map, "id", &data, &len) || len != sizeof(ret->bytes))
		return false;
	memcpy(ret->bytes, data, len);
	return true;
}

static bool read_encoding(const struct hs_child *child, struct hs_rbuf map, struct published *p)
{
	struct hs_publish_file *f = &p->files[p->n];
	const char *role;
	size_t len;
	if (!hs_child_read_id(map, &f->id) ||
	    !hs_child_read_path(child, map, p->paths[p->n + 1], sizeof(p->paths[0]), &f->tmp_path) ||
	    !hs_r_get_str(map, "role", &role, &len) || !hs_name_valid(role, len))
		return false;
	memcpy(p->roles[p->n], role, len);
	f->role = p->roles[p->n++];
	return true;
}

static bool read_result(const struct hs_child *child, struct published *p, struct hs_publish *ret)
{
	struct hs_rbuf version, encodings;
	struct hs_wire_value head;
	*ret = (struct hs_publish){.owner = child->uid, .name = p->dataset, .encodings = p->files};
	if (!hs_r_find(child->result, "version", &version) || !hs_child_read_id(version, &ret->version.id) ||
	    !hs_child_read_path(child, version, p->paths[0], sizeof(p->paths[0]), &ret->version.tmp_path) ||
	    !hs_r_find(child->result, "encodings", &encodings) || !hs_r_next(&encodings, &head) ||
	    head.type != HS_WIRE_ARRAY || head.as.count > HS_INGEST_MAX_TOKENIZERS)
		return false;
	for (uint32_t i = 0; i < head.as.count; i++)
		if (!read_encoding(child, encodings, p) || !hs_r_skip(&encodings))
			return false;
	ret->nencodings = p->n;
	p->version = ret->version.id;
	return true;
}

static int find_published(struct hs_child *child, const struct published *p, struct hs_version_entry *ret,
			  struct hs_err *reterr)
{
	char spec[HS_NAME_MAX + 2 + HS_ID_HEX], hex[HS_ID_HEX];
	hs_id_hex(&p->version, hex);
	snprintf(spec, sizeof(spec), "%s@%s", p->dataset, hex);
	return hs_store_find(child->server->store, child->uid, child->uid, spec, ret, reterr);
}

static const struct hs_role_entry *find_role(const struct hs_version_entry *entry, const char *role)
{
	for (size_t i = 0; i < entry->nroles; i++)
		if (strcmp(entry->roles[i].role, role) == 0)
			return &entry->roles[i];
	return NULL;
}

// Is anything of this new? Asked before publishing, on the only thread that changes the catalog.
static void compare_with_stored(struct hs_child *child, struct published *p)
{
	struct hs_version_entry entry;
	struct hs_err absent;
	p->new_version = find_published(child, p, &entry, &absent) < 0;
	p->added = p->new_version;
	if (p->new_version)
		return;
	for (size_t i = 0; i < p->n; i++) {
		const struct hs_role_entry *role = find_role(&entry, p->roles[i]);
		p->added = p->added || !role || !hs_id_eq(&role->encoding, &p->files[i].id);
	}
	hs_version_entry_fini(&entry);
}

static int publish(struct hs_child *child)
{
	struct published *p = calloc(1, sizeof(*p));
	struct hs_publish what;
	if (!p)
		return hs_err_nomem(&child->err, "publishing");
	snprintf(p->dataset, sizeof(p->dataset), "%.*s", (int)strcspn(child->name, "@"), child->name);
	child->state = p;
	if (!read_result(child, p, &what))
		return hs_child_not_understood(child);
	compare_with_stored(child, p);
	int rc = hs_store_publish(child->server->store, &what, &p->store, &child->err);
	if (rc == 0 && p->new_version && child->server->options->search_duplicates)
		hs_feed_near_prepare(child->server->feed, child->uid, &p->version);
	return rc;
}

static const struct hs_id *previous_of(const struct published *p, size_t i)
{
	static const struct hs_id none;
	if (!p->store.role_previous || hs_id_eq(&p->store.role_previous[i], &none))
		return NULL;
	return &p->store.role_previous[i];
}

static int write_roles(struct hs_child *child, const struct published *p, const struct hs_version_entry *entry)
{
	struct hs_wbuf *w = &child->reply;
	int rc = 0;
	hs_w_cstr(w, "roles");
	hs_w_array(w, (uint32_t)p->n);
	for (size_t i = 0; i < p->n && rc == 0; i++) {
		const struct hs_role_entry *role = find_role(entry, p->roles[i]);
		if (!role)
			return hs_err_set(&child->err, HSFEED_ENOTFOUND, "%s: the role %s was removed meanwhile",
					  child->name, p->roles[i]);
		rc = hs_describe_role(child->server->store, entry, (size_t)(role - entry->roles), previous_of(p, i), w,
				      &child->err);
	}
	return rc;
}

static int write_reply(struct hs_child *child, const struct published *p, const struct hs_version_entry *entry)
{
	struct hs_wbuf *w = &child->reply;
	hs_w_map(w, 5 + p->store.moved);
	hs_w_cstr(w, "dataset");
	hs_w_cstr(w, p->dataset);
	hs_write_id(w, "version", &p->version);
	hs_w_cstr(w, "state");
	hs_w_cstr(w, p->new_version ? "new" : p->added ? "added" : "known");
	if (p->store.moved)
		hs_write_id(w, "previous", &p->store.previous);
	int rc = write_roles(child, p, entry);
	hs_w_cstr(w, "version_info");
	return rc < 0 ? rc : hs_describe_version(child->server->store, entry, w, &child->err);
}

static int answer(struct hs_child *child)
{
	const struct published *p = child->state;
	struct hs_version_entry entry;
	int rc = find_published(child, p, &entry, &child->err);
	if (rc < 0)
		return rc;
	rc = write_reply(child, p, &entry);
	hs_version_entry_fini(&entry);
	return rc;
}

static void send_moved(struct hs_conn *conn, const struct published *p)
{
	struct hs_wbuf w = {0};
	size_t mark = hs_notice_begin(&w, "dataset.moved", 3);
	hs_w_cstr(&w, "name");
	hs_w_cstr(&w, p->dataset);
	hs_write_id(&w, "version", &p->version);
	hs_write_id(&w, "previous", &p->store.previous);
	hs_w_frame_end(&w, mark, 0);
	hs_conn_send(conn, &w);
}

static void announce(struct hs_child *child)
{
	const struct published *p = child->state;
	child->server->npending += p->store.pending; // from now on the end of a stream may leave a file behind
	if (!p->store.moved)
		return;
	for (struct hs_conn *conn = child->server->conns; conn; conn = conn->next)
		if (conn->uid == child->uid && conn->greeted && !conn->doomed)
			send_moved(conn, p);
}

static void fini(struct hs_child *child)
{
	struct published *p = child->state;
	if (p)
		hs_published_fini(&p->store);
	free(p);
}

// ---- add: which file to read the texts from ----

const struct hs_verify_item *hs_find_item(const struct hs_verify_item *items, size_t n, enum hs_file_kind kind,
					  const struct hs_id *id)
{
	for (size_t i = 0; i < n; i++)
		if (items[i].kind == kind && hs_id_eq(&items[i].id, id))
			return &items[i];
	return NULL;
}

static int put_version(struct hs_child *child, const struct hs_version_entry *entry)
{
	struct hs_verify_item *items;
	size_t n;
	int rc = hs_store_verify_list(child->server->store, child->uid, entry->name, &items, &n, &child->err);
	if (rc < 0)
		return rc;
	const struct hs_verify_item *item = hs_find_item(items, n, HS_FILE_VERSION, &entry->version);
	if (item) {
		hs_w_cstr(hs_child_param(child, "name"), entry->name);
		hs_w_cstr(hs_child_param(child, "version_path"), item->path);
		hs_w_uint(hs_child_param(child, "version_crc"), item->crc_root);
	} else {
		rc = hs_err_set(&child->err, HSFEED_ENOTFOUND, "%s was removed meanwhile", child->name);
	}
	hs_verify_items_free(items, n);
	return rc;
}

static int prepare_add(struct hs_child *child)
{
	struct hs_version_entry entry;
	int rc = hs_store_find(child->server->store, child->uid, child->uid, child->name, &entry, &child->err);
	if (rc < 0)
		return rc;
	if (entry.current) {
		rc = put_version(child, &entry);
	} else { // publishing would move the name back to it
		rc = hs_err_set(&child->err, HSFEED_EUNSUPPORTED, "add %s: only the current version can be added to",
				child->name);
		hs_err_hint(&child->err, "ingest that version's source again, then its name points at it");
	}
	hs_version_entry_fini(&entry);
	return rc;
}

const struct hs_child_kind hs_ingest_kind = {
	.name = "ingest", .publish = publish, .answer = answer, .announce = announce, .fini = fini};
const struct hs_child_kind hs_add_kind = {.name = "add",
					  .prepare = prepare_add,
					  .publish = publish,
					  .answer = answer,
					  .announce = announce,
					  .fini = fini};
