// SPDX-License-Identifier: Apache-2.0
// Removal. One transaction forgets the versions and marks the files that nothing needs any more as doomed; then what
// nobody uses is unlinked, and a second transaction forgets those files. A crash between the two leaves doomed files
// for the next start.
#include <stdlib.h>
#include <string.h>

#include "store/disk.h"
#include "store/store_priv.h"

void hs_removed_fini(struct hs_removed *r)
{
	free(r->versions);
	*r = (struct hs_removed){0};
}

bool hs_store_needs(const struct hs_store *store, const struct hs_cat_file *f, const struct hs_cat_version *except)
{
	for (size_t i = 0; i < store->catalog.nversions; i++) {
		if (store->catalog.versions[i] != except && hs_cat_needs(store->catalog.versions[i], f))
			return true;
	}
	return false;
}

// ---- sweep ----

int hs_store_sweep(struct hs_store *store, struct hs_err *reterr)
{
	struct hs_catalog *c = &store->catalog;
	struct hs_cat_ops ops = {0};
	int n = 0;
	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < c->nfiles; i++) {
		hs_store_unlink_doomed(store, c->files[i]);
		c->files[i]->forgotten = c->files[i]->unlinked;
		if (c->files[i]->forgotten) {
			hs_cat_delete_file(&ops, c->files[i]);
			n++;
		}
	}
	pthread_mutex_unlock(&store->lock);
	int rc = n > 0 ? hs_catalog_commit(c, &ops, NULL, reterr) : 0;
	hs_cat_ops_fini(&ops);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&store->lock);
	for (size_t i = c->nfiles, left = (size_t)n; left > 0 && i-- > 0;) {
		if (c->files[i]->forgotten) {
			hs_catalog_drop_file(c, c->files[i]);
			left--;
		}
	}
	pthread_mutex_unlock(&store->lock);
	return n;
}

// ---- remove ----

struct removal {
	struct hs_store *store;
	struct hs_cat_version **going; // [n]
	size_t n;
	struct hs_cat_file **doomed;
	size_t ndoomed;
	struct hs_cat_version *next; // what the name will point at; NULL: the name goes too
	uint64_t bytes;
};

static bool is_going(const struct removal *r, const struct hs_cat_version *v)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->going[i] == v)
			return true;
	}
	return false;
}

static bool needed_by_others(const struct removal *r, const struct hs_cat_file *f)
{
	const struct hs_catalog *c = &r->store->catalog;
	for (size_t i = 0; i < c->nversions; i++) {
		if (hs_cat_needs(c->versions[i], f) && !is_going(r, c->versions[i]))
			return true;
	}
	return false;
}

static bool needed_by_going(const struct removal *r, const struct hs_cat_file *f)
{
	for (size_t i = 0; i < r->n; i++) {
		if (hs_cat_needs(r->going[i], f))
			return true;
	}
	return false;
}

static int choose_versions(struct removal *r, uint32_t owner, const char *spec, struct hs_err *reterr)
{
	const struct hs_catalog *c = &r->store->catalog;
	struct hs_cat_version *v;
	int rc = hs_store_match(r->store, owner, spec, &v, reterr);
	if (rc < 0)
		return rc;
	bool whole = !strchr(spec, '@');
	r->going = hs_array(c->nversions, sizeof(struct hs_cat_version *));
	r->doomed = hs_array(c->nfiles, sizeof(struct hs_cat_file *));
	if (!r->going || !r->doomed)
		return hs_err_nomem(reterr, "removing a dataset");
	for (size_t i = 0; i < c->nversions; i++) {
		struct hs_cat_version *o = c->versions[i];
		if (o->owner != owner || strcmp(o->name, v->name) != 0)
			continue;
		if (whole || o == v)
			r->going[r->n++] = o;
		else if (!r->next || v->current || o->current) // the youngest left, or the one that is current already
			r->next = r->next && r->next->current ? r->next : o;
	}
	return 0;
}

static void choose_files(struct removal *r)
{
	const struct hs_catalog *c = &r->store->catalog;
	for (size_t i = 0; i < c->nfiles; i++) {
		struct hs_cat_file *f = c->files[i];
		if (f->doomed || !needed_by_going(r, f) || needed_by_others(r, f))
			continue;
		r->doomed[r->ndoomed++] = f;
		r->bytes += f->bytes;
	}
}

// Plans are the name's: they go with it.
static void delete_plans(const struct hs_catalog *c, const struct hs_cat_version *of, struct hs_cat_ops *ops)
{
	size_t first, n;
	hs_catalog_plans(c, of->owner, of->name, &first, &n);
	for (size_t i = first; i < first + n; i++)
		hs_cat_delete_plan(ops, c->plans[i]);
}

static size_t drop_plans(struct hs_catalog *c, const struct hs_cat_version *of)
{
	size_t first, n;
	hs_catalog_plans(c, of->owner, of->name, &first, &n);
	hs_catalog_drop_plans(c, first, n);
	return n;
}

static void list_ops(const struct removal *r, struct hs_cat_ops *ops)
{
	const struct hs_cat_version *first = r->going[0];
	for (size_t i = 0; i < r->n; i++)
		hs_cat_delete_version(ops, r->going[i]);
	if (!r->next) {
		hs_cat_delete_name(ops, first->owner, first->name);
		delete_plans(&r->store->catalog, first, ops);
	} else if (!r->next->current)
		hs_cat_put_name(ops, first->owner, first->name, &r->next->id);
	for (size_t i = 0; i < r->ndoomed; i++) {
		struct hs_cat_file doomed = *r->doomed[i];
		doomed.doomed = true;
		hs_cat_put_file(ops, &doomed);
	}
}

static int commit_removal(struct removal *r, struct hs_err *reterr)
{
	struct hs_cat_ops ops = {0};
	pthread_mutex_lock(&r->store->lock); // others count users in the entries that are copied
	list_ops(r, &ops);
	pthread_mutex_unlock(&r->store->lock);
	int rc = hs_catalog_commit(&r->store->catalog, &ops, NULL, reterr);
	hs_cat_ops_fini(&ops);
	return rc;
}

static void apply_removal(struct removal *r, struct hs_removed *ret)
{
	pthread_mutex_lock(&r->store->lock);
	for (size_t i = 0; i < r->ndoomed; i++) {
		r->doomed[i]->doomed = true;
		ret->pending += r->doomed[i]->users > 0 || r->doomed[i]->opening;
	}
	if (r->next)
		r->next->current = true;
	else
		ret->nplans = drop_plans(&r->store->catalog, r->going[0]);
	for (size_t i = 0; i < r->n; i++)
		hs_catalog_drop_version(&r->store->catalog, r->going[i]);
	pthread_mutex_unlock(&r->store->lock);
	ret->bytes = r->bytes;
}

static int remove_versions(struct removal *r, struct hs_removed *ret, struct hs_err *reterr)
{
	struct hs_removed removed = {.versions = hs_array(r->n, sizeof(struct hs_id)), .nversions = r->n};
	if (!removed.versions)
		return hs_err_nomem(reterr, "removing a dataset");
	for (size_t i = 0; i < r->n; i++)
		removed.versions[i] = r->going[i]->id;
	choose_files(r);
	int rc = commit_removal(r, reterr);
	if (rc < 0) {
		hs_removed_fini(&removed);
		return rc;
	}
	apply_removal(r, &removed);
	*ret = removed;
	struct hs_err ignored; // the removal stands; what was not cleared away now is cleared later
	hs_store_sweep(r->store, &ignored);
	return 0;
}

int hs_store_remove(struct hs_store *store, uint32_t owner, const char *spec, struct hs_removed *ret,
		    struct hs_err *reterr)
{
	struct removal r = {.store = store};
	int rc = choose_versions(&r, owner, spec, reterr);
	if (rc == 0)
		rc = remove_versions(&r, ret, reterr);
	free(r.going);
	free(r.doomed);
	return rc;
}

// ---- what verify checks ----

void hs_verify_items_free(struct hs_verify_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(items[i].path);
		free(items[i].name);
		free(items[i].role);
		free(items[i].array);
	}
	free(items);
}

struct verify_list {
	struct hs_store *store;
	struct hs_verify_item *items;
	size_t n, cap;
};

// link: NULL for the version's own file.
static int add_item(struct verify_list *l, const struct hs_cat_version *v, enum hs_file_kind kind,
		    const struct hs_cat_link *link)
{
	const struct hs_id *id = link ? &link->id : &v->id;
	struct hs_cat_file *f = hs_catalog_find_file(&l->store->catalog, v->owner, kind, id);
	if (f->listed)
		return 0;
	if (hs_grow(&l->items, &l->cap, l->n + 1, sizeof(*l->items)) < 0)
		return -1;
	struct hs_verify_item *item = &l->items[l->n++];
	*item = (struct hs_verify_item){
		.kind = kind, .id = *id, .version = v->id, .bytes = f->bytes, .crc_root = f->crc_root};
	item->path = hs_state_file_path(&l->store->state, v->owner, kind, id);
	item->name = strdup(v->name);
	char *text = link ? strdup(link->name) : NULL;
	*(kind == HS_FILE_ARRAY ? &item->array : &item->role) = text;
	f->listed = true;
	return item->path && item->name && (!link || text) ? 0 : -1;
}

static int add_version(struct verify_list *l, const struct hs_cat_version *v)
{
	int rc = add_item(l, v, HS_FILE_VERSION, NULL);
	for (int kind = HS_FILE_ENCODING; kind <= HS_FILE_LAST_KIND; kind++) {
		const struct hs_cat_links *links = &v->links[kind];
		for (size_t i = 0; rc == 0 && i < links->n; i++)
			rc = add_item(l, v, (enum hs_file_kind)kind, &links->items[i]);
	}
	return rc;
}

int hs_store_verify_list(struct hs_store *store, uint32_t uid, const char *name, struct hs_verify_item **ret,
			 size_t *ret_n, struct hs_err *reterr)
{
	struct verify_list l = {.store = store};
	int rc = 0;
	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < store->catalog.nfiles; i++)
		store->catalog.files[i]->listed = false;
	for (size_t i = 0; rc == 0 && i < store->catalog.nversions; i++) {
		const struct hs_cat_version *v = store->catalog.versions[i];
		if (v->owner == uid && (!name || strcmp(v->name, name) == 0))
			rc = add_version(&l, v);
	}
	pthread_mutex_unlock(&store->lock);
	if (rc < 0) {
		hs_verify_items_free(l.items, l.n);
		return hs_err_nomem(reterr, "listing files");
	}
	if (name && l.n == 0)
		return hs_store_no_dataset(reterr, name);
	*ret = l.items;
	*ret_n = l.n;
	return 0;
}
