// SPDX-License-Identifier: Apache-2.0
// Saved split plans: records of the catalog like the others. The options are the server's to understand; here they are
// one msgpack map, whose bytes tell plans apart. A plan of row numbers holds its folds too, and the id of the version
// whose rows they count.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sha256.h"
#include "store/pages.h"
#include "store/store_priv.h"
#include "wire/wire.h"

// ---- the memory ----

static int compare_plan(const struct hs_cat_plan *a, uint32_t owner, const char *name, const char *plan)
{
	if (a->owner != owner)
		return a->owner < owner ? -1 : 1;
	int rc = strcmp(a->name, name);
	return rc ? rc : strcmp(a->plan, plan);
}

// Of the first plan that is not before (owner, name, plan); "" is before every name.
static size_t plan_place(const struct hs_catalog *c, uint32_t owner, const char *name, const char *plan)
{
	size_t low = 0, high = c->nplans;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare_plan(c->plans[mid], owner, name, plan) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct hs_cat_plan *find_plan(const struct hs_catalog *c, uint32_t owner, const char *name, const char *plan)
{
	size_t i = plan_place(c, owner, name, plan);
	return i < c->nplans && compare_plan(c->plans[i], owner, name, plan) == 0 ? c->plans[i] : NULL;
}

void hs_catalog_plans(const struct hs_catalog *c, uint32_t owner, const char *name, size_t *ret_first, size_t *ret_n)
{
	size_t first = plan_place(c, owner, name, ""), end = first;
	while (end < c->nplans && c->plans[end]->owner == owner && strcmp(c->plans[end]->name, name) == 0)
		end++;
	*ret_first = first;
	*ret_n = end - first;
}

int hs_catalog_reserve_plan(struct hs_catalog *c)
{
	return hs_grow(&c->plans, &c->plans_cap, c->nplans + 1, sizeof(struct hs_cat_plan *));
}

void hs_catalog_insert_plan(struct hs_catalog *c, struct hs_cat_plan *p)
{
	size_t i = plan_place(c, p->owner, p->name, p->plan);
	if (i < c->nplans && compare_plan(c->plans[i], p->owner, p->name, p->plan) == 0) {
		hs_cat_plan_free(c->plans[i]);
		c->plans[i] = p;
		return;
	}
	memmove(c->plans + i + 1, c->plans + i, (c->nplans - i) * sizeof(struct hs_cat_plan *));
	c->plans[i] = p;
	c->nplans++;
}

void hs_catalog_drop_plans(struct hs_catalog *c, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		hs_cat_plan_free(c->plans[i]);
	c->nplans -= n;
	if (n)
		memmove(c->plans + first, c->plans + first + n, (c->nplans - first) * sizeof(struct hs_cat_plan *));
}

void hs_cat_plan_free(struct hs_cat_plan *p)
{
	if (!p)
		return;
	hs_buf_fini(&p->options);
	free(p->folds);
	free(p);
}

// ---- plans of row numbers ----

int hs_plan_rows_digest(const struct hs_id *version, const uint16_t *fold_of_row, size_t nrows, struct hs_id *ret)
{
	struct hs_sha256 *h;
	int rc = hs_sha256_create(&h);
	if (rc < 0)
		return rc;
	rc = hs_sha256_update(h, version->bytes, sizeof(version->bytes));
	if (rc == 0)
		rc = hs_sha256_update(h, fold_of_row, nrows * sizeof(*fold_of_row));
	if (rc == 0)
		rc = hs_sha256_finish(h, ret->bytes);
	hs_sha256_destroy(h);
	return rc;
}

const char *hs_cat_set_rows(struct hs_cat_plan *p, const struct hs_id *version, const void *folds, size_t bytes)
{
	if (bytes == 0 || bytes % sizeof(*p->folds))
		return "a plan's record cannot be understood";
	p->version = *version;
	p->nrows = bytes / sizeof(*p->folds);
	p->folds = malloc(bytes);
	if (!p->folds)
		return hs_pages_no_memory;
	memcpy(p->folds, folds, bytes); // little-endian, as this machine is
	return hs_plan_rows_digest(version, p->folds, p->nrows, &p->digest) < 0 ? hs_pages_no_memory : NULL;
}

static const struct hs_cat_plan *find_rows(const struct hs_catalog *c, uint32_t owner, const char *name,
					   const struct hs_id *digest)
{
	size_t first, n;
	hs_catalog_plans(c, owner, name, &first, &n);
	for (size_t i = first; i < first + n; i++) {
		if (c->plans[i]->folds && hs_id_eq(&c->plans[i]->digest, digest))
			return c->plans[i];
	}
	return NULL;
}

static int copy_rows(const struct hs_cat_plan *p, const struct hs_plan_rows_request *request, uint16_t *ret_fold_of_row,
		     struct hs_err *reterr)
{
	char hex[HS_ID_HEX];
	hs_id_hex(&p->version, hex);
	if (!hs_id_eq(&p->version, &request->version) || p->nrows != request->nrows) {
		hs_err_set(reterr, HSFEED_EBADPLAN,
			   "the plan \"%s\" numbers the rows of %s@%.12s, and of no other version", p->plan, p->name,
			   hex);
		return hs_err_hint(reterr, "use that version, or save a plan with this one's row numbers");
	}
	memcpy(ret_fold_of_row, p->folds, p->nrows * sizeof(*p->folds));
	return 0;
}

int hs_store_find_plan_rows(struct hs_store *store, const struct hs_plan_rows_request *request,
			    uint16_t *ret_fold_of_row, struct hs_err *reterr)
{
	char hex[HS_ID_HEX];
	hs_id_hex(&request->digest, hex);
	pthread_mutex_lock(&store->lock);
	const struct hs_cat_plan *p = find_rows(&store->catalog, request->owner, request->name, &request->digest);
	int rc = p ? copy_rows(p, request, ret_fold_of_row, reterr) : HSFEED_ENOTFOUND;
	pthread_mutex_unlock(&store->lock);
	if (p)
		return rc;
	hs_err_set(reterr, HSFEED_ENOTFOUND, "no saved plan of \"%s\" has the row numbers %.12s", request->name, hex);
	return hs_err_hint(reterr,
			   "they are gone with the plan that held them; save it again from the same row numbers");
}

// ---- looking up ----

void hs_plan_entry_fini(struct hs_plan_entry *entry)
{
	free(entry->options);
	*entry = (struct hs_plan_entry){0};
}

void hs_plan_entries_free(struct hs_plan_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hs_plan_entry_fini(&entries[i]);
	free(entries);
}

static int copy_plan(const struct hs_cat_plan *p, struct hs_plan_entry *ret)
{
	uint8_t *options = malloc(p->options.len);
	if (!options)
		return -ENOMEM;
	*ret = (struct hs_plan_entry){.created_ms = p->created_ms, .options = options, .options_len = p->options.len};
	memcpy(options, p->options.data, p->options.len);
	memcpy(ret->plan, p->plan, sizeof(ret->plan));
	return 0;
}

// Names those that there are: as many as fit in a sentence.
static int no_plan(const struct hs_catalog *c, const struct hs_cat_version *v, const char *plan, struct hs_err *reterr)
{
	char text[400] = "";
	size_t first, n, used = 0;
	hs_catalog_plans(c, v->owner, v->name, &first, &n);
	for (size_t i = first; i < first + n; i++) {
		size_t len = strlen(c->plans[i]->plan);
		if (used + len + 8 > sizeof(text)) {
			memcpy(text + used, ", ...", 6);
			break;
		}
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "", c->plans[i]->plan);
	}
	hs_err_set(reterr, HSFEED_ENOTFOUND, "dataset \"%s\" has no plan \"%.128s\"%s%s", v->name, plan,
		   n ? "; it has " : "", n ? text : ": none is saved");
	return hs_err_hint(reterr, "hsfeed folds %s --plan %.128s and a plan's options save one", v->name, plan);
}

// Lock held, or store thread. Plans belong to the name, whichever of its versions is meant.
static int match(const struct hs_store *store, const struct hs_plan_ref *ref, struct hs_cat_version **ret,
		 struct hs_err *reterr)
{
	const char *at = strchr(ref->name, '@');
	char name[HS_NAME_MAX + 1];
	if (ref->uid != ref->owner) { // nothing is shared yet
		snprintf(name, sizeof(name), "%.*s", at ? (int)(at - ref->name) : HS_NAME_MAX, ref->name);
		return hs_store_no_dataset(reterr, name);
	}
	return hs_store_match(store, ref->owner, ref->name, ret, reterr);
}

int hs_store_find_plan(struct hs_store *store, const struct hs_plan_ref *ref, struct hs_plan_entry *ret,
		       struct hs_err *reterr)
{
	struct hs_cat_version *v;
	pthread_mutex_lock(&store->lock);
	int rc = match(store, ref, &v, reterr);
	const struct hs_cat_plan *p = rc < 0 ? NULL : find_plan(&store->catalog, v->owner, v->name, ref->plan);
	if (p && copy_plan(p, ret) < 0)
		rc = hs_err_nomem(reterr, "looking up a plan");
	else if (rc == 0 && !p)
		rc = no_plan(&store->catalog, v, ref->plan, reterr);
	pthread_mutex_unlock(&store->lock);
	return rc;
}

int hs_store_list_plans(struct hs_store *store, const struct hs_plan_ref *ref, struct hs_plan_entry **ret,
			size_t *ret_n, struct hs_err *reterr)
{
	struct hs_cat_version *v;
	struct hs_plan_entry *entries = NULL;
	size_t first, n = 0, copied = 0;
	pthread_mutex_lock(&store->lock);
	int rc = match(store, ref, &v, reterr);
	if (rc == 0) {
		hs_catalog_plans(&store->catalog, v->owner, v->name, &first, &n);
		entries = hs_array(n, sizeof(*entries));
	}
	while (entries && copied < n && copy_plan(store->catalog.plans[first + copied], &entries[copied]) == 0)
		copied++;
	pthread_mutex_unlock(&store->lock);
	if (rc < 0)
		return rc;
	if (!entries || copied < n) {
		hs_plan_entries_free(entries, copied);
		return hs_err_nomem(reterr, "listing plans");
	}
	*ret = entries;
	*ret_n = n;
	return 0;
}

// ---- changing ----

static int check_save(const struct hs_plan_save *what, struct hs_err *reterr)
{
	static const struct hs_wire_limits limits = {.max_depth = 4, .max_items = 8192};
	struct hs_rbuf r = {what->options, (const uint8_t *)what->options + what->options_len};
	struct hs_wire_value head;
	size_t offset;
	if (!hs_name_valid(what->ref.plan, strlen(what->ref.plan))) {
		hs_err_set(reterr, HSFEED_EBADREQUEST, "\"%.160s\" is not a plan's name", what->ref.plan);
		return hs_err_hint(reterr,
				   "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most %d",
				   HS_NAME_MAX);
	}
	if (what->options_len <= HS_MAX_PLAN_OPTIONS && !hs_wire_check(r.p, what->options_len, &limits, &offset) &&
	    hs_r_next(&r, &head) && head.type == HS_WIRE_MAP)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADREQUEST, "the plan \"%s\" has more options than are kept", what->ref.plan);
}

// One dataset's plans, but for the one that is replaced.
static int check_number(const struct hs_catalog *c, const struct hs_cat_version *v, const struct hs_cat_plan *old,
			size_t options_len, struct hs_err *reterr)
{
	size_t first, n, bytes = options_len;
	hs_catalog_plans(c, v->owner, v->name, &first, &n);
	for (size_t i = first; i < first + n; i++)
		bytes += c->plans[i] == old ? 0 : c->plans[i]->options.len;
	if (n - (old != NULL) < HS_MAX_PLANS && bytes <= HS_MAX_PLAN_OPTIONS)
		return 0;
	hs_err_set(reterr, HSFEED_ELIMIT, "dataset \"%s\" has %zu plans; it may have %u, with %u KiB of options",
		   v->name, n, HS_MAX_PLANS, HS_MAX_PLAN_OPTIONS >> 10);
	return hs_err_hint(reterr, "remove some: hsfeed plans %s --rm PLAN", v->name);
}

// The folds of all of a user's plans lie in memory.
static int check_room(const struct hs_catalog *c, const struct hs_cat_version *v, const struct hs_plan_save *what,
		      struct hs_err *reterr)
{
	uint64_t bytes = what->nrows * sizeof(*what->fold_of_row);
	const struct hs_cat_plan *old = find_plan(c, v->owner, v->name, what->ref.plan);
	int rc = check_number(c, v, old, what->options_len, reterr);
	if (rc < 0 || bytes == 0)
		return rc;
	for (size_t i = 0; i < c->nplans; i++)
		bytes += c->plans[i]->owner == v->owner && c->plans[i] != old ? c->plans[i]->nrows * sizeof(uint16_t)
									      : 0;
	if (bytes <= HS_MAX_PLAN_BYTES)
		return 0;
	hs_err_set(reterr, HSFEED_ELIMIT,
		   "plans of row numbers may take %u MiB per user, and with this one they would take more",
		   HS_MAX_PLAN_BYTES >> 20);
	return hs_err_hint(reterr, "remove some: hsfeed plans NAME --rm PLAN");
}

static int make_plan(const struct hs_cat_version *v, const struct hs_plan_save *what, struct hs_cat_plan **ret)
{
	struct hs_cat_plan *p = hs_array(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->owner = v->owner;
	memcpy(p->name, v->name, sizeof(p->name));
	memcpy(p->plan, what->ref.plan, strlen(what->ref.plan) + 1);
	p->created_ms = hs_now_ms();
	if (hs_buf_append(&p->options, what->options, what->options_len) < 0 ||
	    (what->nrows && hs_cat_set_rows(p, &what->version, what->fold_of_row, what->nrows * 2))) {
		hs_cat_plan_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

// Takes p.
static int commit_plan(struct hs_store *store, struct hs_cat_plan *p, struct hs_err *reterr)
{
	struct hs_cat_ops ops = {0};
	pthread_mutex_lock(&store->lock); // the array may move
	int rc = hs_catalog_reserve_plan(&store->catalog);
	pthread_mutex_unlock(&store->lock);
	hs_cat_put_plan(&ops, p);
	rc = rc < 0 ? hs_err_nomem(reterr, "saving a plan") : hs_catalog_commit(&store->catalog, &ops, NULL, reterr);
	hs_cat_ops_fini(&ops);
	if (rc < 0) {
		hs_cat_plan_free(p);
		return rc;
	}
	pthread_mutex_lock(&store->lock);
	hs_catalog_insert_plan(&store->catalog, p);
	pthread_mutex_unlock(&store->lock);
	return 0;
}

static enum hs_plan_saved judge(const struct hs_cat_plan *old, const struct hs_plan_save *what)
{
	if (!old)
		return HS_PLAN_NEW;
	bool same = old->options.len == what->options_len &&
		    memcmp(old->options.data, what->options, what->options_len) == 0;
	return same ? HS_PLAN_KNOWN : what->replace ? HS_PLAN_REPLACED : HS_PLAN_DIFFERS;
}

int hs_store_save_plan(struct hs_store *store, const struct hs_plan_save *what, enum hs_plan_saved *ret,
		       struct hs_err *reterr)
{
	struct hs_cat_version *v;
	struct hs_cat_plan *p = NULL;
	int rc = check_save(what, reterr);
	if (rc == 0)
		rc = match(store, &what->ref, &v, reterr);
	if (rc < 0)
		return rc;
	enum hs_plan_saved saved = judge(find_plan(&store->catalog, v->owner, v->name, what->ref.plan), what);
	if (saved == HS_PLAN_NEW || saved == HS_PLAN_REPLACED) {
		rc = check_room(&store->catalog, v, what, reterr);
		if (rc == 0 && make_plan(v, what, &p) < 0)
			rc = hs_err_nomem(reterr, "saving a plan");
		if (rc == 0)
			rc = commit_plan(store, p, reterr);
	}
	if (rc == 0)
		*ret = saved;
	return rc;
}

int hs_store_remove_plan(struct hs_store *store, const struct hs_plan_ref *ref, struct hs_err *reterr)
{
	struct hs_cat_version *v;
	struct hs_cat_ops ops = {0};
	int rc = match(store, ref, &v, reterr);
	if (rc < 0)
		return rc;
	const struct hs_cat_plan *p = find_plan(&store->catalog, v->owner, v->name, ref->plan);
	if (!p)
		return 0;
	hs_cat_delete_plan(&ops, p);
	rc = hs_catalog_commit(&store->catalog, &ops, NULL, reterr);
	hs_cat_ops_fini(&ops);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&store->lock);
	hs_catalog_drop_plans(&store->catalog, plan_place(&store->catalog, p->owner, p->name, p->plan), 1);
	pthread_mutex_unlock(&store->lock);
	return 1;
}
