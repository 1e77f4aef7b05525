// SPDX-License-Identifier: Apache-2.0
// Making the catalog anew from the files' headers. A header knows the owner, the first name and the first role of its
// file; what came later (other names for the same bytes, moved roles, removals, shares, plans) is in the catalog alone,
// and said to be lost.
//
//   read every file -> entries by age: the youngest version of a name is the current one, the youngest encoding has the
//   role, the youngest array its name
//   -> one transaction. Files that find no place stay unknown, and start-up moves them to lost/.
#include <stdlib.h>
#include <string.h>

#include "store/file_priv.h"
#include "store/store_priv.h"
#include "store/version.h"
#include "wire/wire.h"

struct found {                                             // a sound file
	struct hs_cat_file *file;                          // heap until it is in the memory
	char name[HS_NAME_MAX + 1], link[HS_NAME_MAX + 1]; // link: an encoding's role, an array's name
	int64_t created_ms;
};

struct rebuild {
	struct hs_store *store;
	struct found *items;
	size_t n, cap;
	uint64_t left_out;
};

static bool get_name(struct hs_rbuf map, const char *key, char ret[HS_NAME_MAX + 1])
{
	const char *text;
	size_t len;
	if (!hs_r_get_str(map, key, &text, &len) || !hs_name_valid(text, len))
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return true;
}

static bool read_found(const struct hs_file *f, struct found *item)
{
	struct hs_span h = hs_file_header(f);
	struct hs_rbuf map = {(const uint8_t *)h.ptr, (const uint8_t *)h.ptr + h.len};
	uint64_t owner;
	if (!hs_r_get_uint(map, "owner", &owner) || owner != item->file->owner || !get_name(map, "name", item->name) ||
	    !hs_r_get_int(map, "created_ms", &item->created_ms))
		return false;
	return item->file->kind == HS_FILE_VERSION ||
	       get_name(map, item->file->kind == HS_FILE_ENCODING ? "role" : "array", item->link);
}

// 0, or an error: damage of this one file (ECORRUPT), or a reason to stop.
static int read_file(const char *path, struct found *item, struct hs_err *reterr)
{
	struct hs_file *f;
	int rc = hs_file_open(path, 0, &f, reterr);
	if (rc < 0)
		return rc;
	struct hs_cat_file *file = item->file;
	if (hs_file_get_kind(f) != file->kind || !hs_id_eq(hs_file_get_id(f), &file->id) || !read_found(f, item))
		rc = hs_file_damaged(f, reterr, "its header does not fit its place");
	if (rc == 0)
		rc = hs_contents_check(f, &file->version, reterr);
	file->bytes = hs_file_bytes(f);
	file->rows = hs_file_rows(f);
	file->crc_root = hs_file_crc_root(f);
	hs_file_close(f);
	return rc;
}

static int visit(void *arg, const struct hs_state_found *at, struct hs_err *reterr)
{
	struct rebuild *r = arg;
	if (!at->ours || at->is_table)
		return 0;
	if (hs_grow(&r->items, &r->cap, r->n + 1, sizeof(*r->items)) < 0)
		return hs_err_nomem(reterr, "rebuilding the catalog");
	struct found *item = &r->items[r->n];
	*item = (struct found){.file = hs_array(1, sizeof(*item->file))};
	if (!item->file)
		return hs_err_nomem(reterr, "rebuilding the catalog");
	item->file->kind = at->kind;
	item->file->owner = at->owner;
	item->file->id = at->id;
	struct hs_err err;
	int rc = read_file(at->path, item, &err);
	if (rc == 0) {
		r->n++;
		return 0;
	}
	free(item->file);
	if (rc != HSFEED_ECORRUPT) {
		if (reterr)
			*reterr = err;
		return rc;
	}
	hs_state_log(&r->store->state, "left out: %s", err.message);
	r->left_out++;
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	if (x->file->kind != y->file->kind)
		return x->file->kind < y->file->kind ? -1 : 1; // versions first
	if (x->created_ms != y->created_ms)
		return x->created_ms < y->created_ms ? -1 : 1;
	return memcmp(x->file->id.bytes, y->file->id.bytes, sizeof(x->file->id.bytes));
}

static int add_version(struct rebuild *r, struct found *item)
{
	struct hs_catalog *c = &r->store->catalog;
	struct hs_cat_version *v = hs_array(1, sizeof(*v));
	if (!v || hs_catalog_reserve(c, 1, 1) < 0) {
		free(v);
		return -1;
	}
	struct hs_cat_version *current = hs_catalog_current(c, item->file->owner, item->name);
	if (current)
		current->current = false;
	v->owner = item->file->owner;
	memcpy(v->name, item->name, sizeof(v->name));
	v->id = item->file->id;
	v->created_ms = item->created_ms;
	v->seq = c->seq + 1;
	v->current = true;
	hs_catalog_insert_version(c, v);
	hs_catalog_insert_file(c, item->file);
	item->file = NULL;
	return 0;
}

// An encoding's or array's header may name a name that its version does not have (the version was known under another
// one): the version's own entry is meant all the same, there is only one per file here.
static struct hs_cat_version *version_of(const struct hs_catalog *c, const struct hs_cat_file *part)
{
	for (size_t i = 0; i < c->nversions; i++) {
		struct hs_cat_version *v = c->versions[i];
		if (v->owner == part->owner && hs_id_eq(&v->id, &part->version))
			return v;
	}
	return NULL;
}

static void leave_out(struct rebuild *r, const struct found *item, const char *why)
{
	char hex[HS_ID_HEX];
	hs_id_hex(&item->file->id, hex);
	hs_state_log(&r->store->state, "left out: %s %.12s (%s %s of %s, user %u): %s",
		     hs_file_kind_name(item->file->kind), hex, item->file->kind == HS_FILE_ENCODING ? "role" : "called",
		     item->link, item->name, item->file->owner, why);
	r->left_out++;
}

// Called from the youngest encoding or array to the oldest, so that the youngest of a name stays.
static int add_link(struct rebuild *r, struct found *item)
{
	struct hs_catalog *c = &r->store->catalog;
	struct hs_cat_version *v = version_of(c, item->file);
	if (!v) {
		leave_out(r, item, "its version is not there");
		return 0;
	}
	struct hs_cat_links *links = &v->links[item->file->kind];
	if (hs_cat_find_link(links, item->link)) {
		leave_out(r, item, "a younger one has that name");
		return 0;
	}
	struct hs_cat_link *items = realloc(links->items, (links->n + 1) * sizeof(*items));
	if (!items)
		return -1;
	links->items = items;
	if (hs_catalog_reserve(c, 1, 0) < 0)
		return -1;
	memmove(items + 1, items, links->n * sizeof(*items)); // the first ingested stands first
	memset(&items[0], 0, sizeof(items[0]));
	memcpy(items[0].name, item->link, strlen(item->link) + 1);
	items[0].id = item->file->id;
	links->n++;
	hs_catalog_insert_file(c, item->file);
	item->file = NULL;
	return 0;
}

static int fill_memory(struct rebuild *r)
{
	int rc = 0;
	if (r->n)
		qsort(r->items, r->n, sizeof(*r->items), by_age);
	for (size_t i = 0; rc == 0 && i < r->n; i++) {
		if (r->items[i].file->kind == HS_FILE_VERSION)
			rc = add_version(r, &r->items[i]);
	}
	for (size_t i = r->n; rc == 0 && i-- > 0;) {
		if (r->items[i].file && r->items[i].file->kind != HS_FILE_VERSION)
			rc = add_link(r, &r->items[i]);
	}
	return rc;
}

static int commit_all(struct hs_store *s, struct hs_err *reterr)
{
	const struct hs_catalog *c = &s->catalog;
	struct hs_cat_ops ops = {0};
	for (size_t i = 0; i < c->nfiles; i++)
		hs_cat_put_file(&ops, c->files[i]);
	for (size_t i = 0; i < c->nversions; i++) {
		hs_cat_put_version(&ops, c->versions[i]);
		if (c->versions[i]->current)
			hs_cat_put_name(&ops, c->versions[i]->owner, c->versions[i]->name, &c->versions[i]->id);
	}
	int rc = hs_catalog_commit(&s->catalog, &ops, NULL, reterr);
	hs_cat_ops_fini(&ops);
	return rc;
}

int hs_store_rebuild(struct hs_store *store, struct hs_err *reterr)
{
	struct rebuild r = {.store = store};
	int rc = hs_state_each(&store->state, visit, &r, reterr);
	if (rc == 0 && fill_memory(&r) < 0)
		rc = hs_err_nomem(reterr, "rebuilding the catalog");
	if (rc == 0)
		rc = commit_all(store, reterr);
	if (rc == 0)
		hs_state_log(&store->state,
			     "the catalog is made anew: %zu version(s), %zu file(s), all private to their owners; %llu "
			     "left out. "
			     "Later names of the same bytes, moved roles, shares and plans could not be known.",
			     store->catalog.nversions, store->catalog.nfiles, (unsigned long long)r.left_out);
	for (size_t i = 0; i < r.n; i++)
		free(r.items[i].file);
	free(r.items);
	return rc;
}
