// SPDX-License-Identifier: Apache-2.0
// Forgetting an attached array: one transaction writes the version without it and dooms its file, as in remove.c.
#include <stdlib.h>
#include <string.h>

#include "store/store_priv.h"

struct detaching {
	struct hs_store *store;
	struct hs_cat_version *v;
	const struct hs_cat_link *link;
	struct hs_cat_links left;   // heap; what the version keeps
	struct hs_cat_file *doomed; // NULL: another name needs the file
};

static int find_file(struct detaching *d, struct hs_err *reterr)
{
	const struct hs_cat_links *old = &d->v->links[HS_FILE_ARRAY];
	d->left.items = hs_array(old->n, sizeof(*d->left.items));
	if (!d->left.items)
		return hs_err_nomem(reterr, "detaching an array");
	bool again = false; // two names for the same bytes: their ids differ, but a catalog may say so
	for (size_t i = 0; i < old->n; i++) {
		if (&old->items[i] == d->link)
			continue;
		again = again || hs_id_eq(&old->items[i].id, &d->link->id);
		d->left.items[d->left.n++] = old->items[i];
	}
	struct hs_cat_file *f = hs_catalog_find_file(&d->store->catalog, d->v->owner, HS_FILE_ARRAY, &d->link->id);
	d->doomed = f && !again && !hs_store_needs(d->store, f, d->v) ? f : NULL;
	return 0;
}

static int commit(struct detaching *d, struct hs_err *reterr)
{
	struct hs_cat_ops ops = {0};
	struct hs_cat_version v = *d->v;
	v.links[HS_FILE_ARRAY] = d->left;
	hs_cat_put_version(&ops, &v);
	if (d->doomed) {
		pthread_mutex_lock(&d->store->lock); // others count users in the entry that is copied
		struct hs_cat_file doomed = *d->doomed;
		pthread_mutex_unlock(&d->store->lock);
		doomed.doomed = true;
		hs_cat_put_file(&ops, &doomed);
	}
	int rc = hs_catalog_commit(&d->store->catalog, &ops, NULL, reterr);
	hs_cat_ops_fini(&ops);
	return rc;
}

static void apply(struct detaching *d, struct hs_removed *ret)
{
	struct hs_cat_links *links = &d->v->links[HS_FILE_ARRAY];
	*ret = (struct hs_removed){0};
	pthread_mutex_lock(&d->store->lock);
	struct hs_cat_link *old = links->items;
	*links = d->left;
	d->left.items = old; // for the caller to free
	if (d->doomed) {
		d->doomed->doomed = true;
		ret->pending = d->doomed->users > 0 || d->doomed->opening;
		ret->bytes = d->doomed->bytes;
	}
	pthread_mutex_unlock(&d->store->lock);
}

int hs_store_detach(struct hs_store *store, uint32_t owner, const char *spec, const char *array, struct hs_removed *ret,
		    struct hs_err *reterr)
{
	struct detaching d = {.store = store};
	int rc = hs_store_match(store, owner, spec, &d.v, reterr);
	if (rc < 0)
		return rc;
	*ret = (struct hs_removed){0};
	d.link = hs_cat_find_link(&d.v->links[HS_FILE_ARRAY], array);
	if (!d.link)
		return 0;
	rc = find_file(&d, reterr);
	if (rc == 0)
		rc = commit(&d, reterr);
	if (rc == 0)
		apply(&d, ret);
	free(d.left.items);
	if (rc < 0)
		return rc;
	struct hs_err ignored; // what was detached stands; what was not cleared away now is cleared later
	hs_store_sweep(store, &ignored);
	return 1;
}
