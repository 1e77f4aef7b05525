// SPDX-License-Identifier: Apache-2.0
// Publishing: files from tmp/ to their places, then one catalog transaction.
//
//   1. Each new file is checked: checksums, structure, header as claimed.     a crash leaves files in tmp/: emptied at
//   the next start
//   2. Each is renamed (its table first), the folders are synced.             ... unknown files: to lost/ at the next
//   start
//   3. One synced transaction: files, the version under its name, the name.   visible, whole
//   4. The memory follows; files that a moved role left are swept.            ... doomed files: cleared at the next
//   start
//
// A failure in 1-3 puts everything back, except where the transaction may be on the disk all the same: then the files
// stay.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/disk.h"
#include "store/file_priv.h"
#include "store/store_priv.h"
#include "store/version.h"
#include "wire/wire.h"

struct part { // one file of the request
	const struct hs_publish_file *want;
	enum hs_file_kind kind;
	struct hs_cat_file *known; // in the catalog: shared, or (doomed) taken back
	struct hs_cat_file *fresh; // heap until it is in the memory
	const struct part *same;   // two roles with one encoding: the first one's part stands for both
	bool moved;
};

struct publish {
	struct hs_store *store;
	const struct hs_publish *what;
	struct part *parts; // [1 + nencodings + narrays]; the version first
	size_t nparts;
	struct hs_cat_version *old, *current; // under this name; NULL: not there
	struct hs_cat_version *node;          // replaces or becomes the entry
	struct hs_cat_file **doomed;          // encodings and arrays that moved names leave behind
	size_t ndoomed;
	struct hs_published published;
};

void hs_published_fini(struct hs_published *p)
{
	free(p->role_previous);
	*p = (struct hs_published){0};
}

// ---- 1. checks ----

static int bad_request(struct hs_err *reterr, const char *what, const char *text)
{
	hs_err_set(reterr, HSFEED_EBADREQUEST, "\"%.160s\" is not a %s", text ? text : "", what);
	hs_err_hint(reterr, "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most %d",
		    HS_NAME_MAX);
	return HSFEED_EBADREQUEST;
}

static int check_list(const struct hs_publish_file *files, size_t n, const char *what, struct hs_err *reterr)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = files[i].role;
		if (!name || !hs_name_valid(name, strlen(name)))
			return bad_request(reterr, what, name);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(name, files[k].role) == 0)
				return hs_err_set(reterr, HSFEED_EBADREQUEST, "%s \"%s\" is named twice", what, name);
		}
	}
	return 0;
}

static int check_names(const struct hs_publish *what, struct hs_err *reterr)
{
	if (!what->name || !hs_name_valid(what->name, strlen(what->name)))
		return bad_request(reterr, "dataset name", what->name);
	int rc = check_list(what->encodings, what->nencodings, "role", reterr);
	return rc < 0 ? rc : check_list(what->arrays, what->narrays, "array", reterr);
}

// What the header says must be what the ingest claims: NULL, or a fault.
static const char *judge_header(const struct hs_file *f, const struct hs_cat_file *fresh)
{
	struct hs_span h = hs_file_header(f);
	struct hs_rbuf map = {(const uint8_t *)h.ptr, (const uint8_t *)h.ptr + h.len};
	const char *name;
	size_t len;
	uint64_t owner;
	int64_t created;
	if (hs_file_get_kind(f) != fresh->kind || !hs_id_eq(hs_file_get_id(f), &fresh->id))
		return "it is not the file it was announced as";
	if (!hs_r_get_uint(map, "owner", &owner) || owner != fresh->owner)
		return "its header names another owner";
	if (!hs_r_get_str(map, "name", &name, &len) || !hs_name_valid(name, len) ||
	    !hs_r_get_int(map, "created_ms", &created))
		return "its header has no name or no time";
	const char *key = fresh->kind == HS_FILE_ENCODING ? "role" : "array";
	if (fresh->kind != HS_FILE_VERSION && (!hs_r_get_str(map, key, &name, &len) || !hs_name_valid(name, len)))
		return fresh->kind == HS_FILE_ENCODING ? "its header has no role"
						       : "its header does not name the array";
	return NULL;
}

static int check_new(const struct publish *p, struct part *part, struct hs_err *reterr)
{
	struct hs_file *f;
	part->fresh = hs_array(1, sizeof(*part->fresh));
	if (!part->fresh)
		return hs_err_nomem(reterr, "publishing");
	part->fresh->kind = part->kind;
	part->fresh->owner = p->what->owner;
	part->fresh->id = part->want->id;
	int rc = hs_file_open(part->want->tmp_path, 0, &f, reterr);
	if (rc < 0)
		return rc;
	const char *fault = judge_header(f, part->fresh);
	rc = fault ? hs_file_damaged(f, reterr, "%s", fault) : hs_contents_check(f, &part->fresh->version, reterr);
	part->fresh->bytes = hs_file_bytes(f);
	part->fresh->rows = hs_file_rows(f);
	part->fresh->crc_root = hs_file_crc_root(f);
	hs_file_close(f);
	return rc;
}

// A doomed file that is still there is taken back; `reviving` keeps its last user from unlinking it meanwhile.
static int find_known(struct publish *p, struct part *part, struct hs_err *reterr)
{
	pthread_mutex_lock(&p->store->lock);
	struct hs_cat_file *f = hs_catalog_find_file(&p->store->catalog, p->what->owner, part->kind, &part->want->id);
	if (f && !(f->doomed && f->unlinked)) {
		part->known = f;
		f->reviving = f->doomed;
	}
	pthread_mutex_unlock(&p->store->lock);
	for (struct part *o = p->parts; !part->known && !part->same && o < part; o++) {
		if (o->kind == part->kind && hs_id_eq(&o->want->id, &part->want->id))
			part->same = o;
	}
	if (part->known || part->same || part->want->tmp_path)
		return 0;
	hs_err_set(reterr, HSFEED_ENOTFOUND, "the stored %s was removed meanwhile", hs_file_kind_name(part->kind));
	hs_err_hint(reterr, "ingest again");
	return HSFEED_ENOTFOUND;
}

static const struct hs_cat_file *facts(const struct part *part)
{
	if (part->same)
		part = part->same;
	return part->known ? part->known : part->fresh;
}

static bool is_new(const struct part *part)
{
	return !part->known && !part->same;
}

static int check_parts(struct publish *p, struct hs_err *reterr)
{
	for (size_t i = 0; i < p->nparts; i++) {
		int rc = find_known(p, &p->parts[i], reterr);
		if (rc == 0 && is_new(&p->parts[i]))
			rc = check_new(p, &p->parts[i], reterr);
		if (rc < 0)
			return rc;
		const struct hs_cat_file *f = facts(&p->parts[i]), *version = facts(&p->parts[0]);
		if (i > 0 && (!hs_id_eq(&f->version, &version->id) || f->rows != version->rows))
			return hs_err_set(reterr, HSFEED_ECORRUPT, "%s \"%s\" is of another version",
					  hs_file_kind_name(p->parts[i].kind), p->parts[i].want->role);
	}
	return 0;
}

// ---- 2. files into place ----

static int rename_pair(const char *from, const char *to)
{
	char *from_crc = hs_disk_path("%s.crc", from), *to_crc = hs_disk_path("%s.crc", to);
	int rc = !from_crc || !to_crc ? -ENOMEM : rename(from_crc, to_crc) < 0 || rename(from, to) < 0 ? -errno : 0;
	if (rc < 0 && to_crc)
		unlink(to_crc);
	free(from_crc);
	free(to_crc);
	return rc;
}

static int move_part(struct publish *p, struct part *part, struct hs_err *reterr)
{
	char *folder = NULL;
	int rc = hs_state_owner_folder(&p->store->state, p->what->owner, hs_state_kind_folder(part->kind), &folder,
				       reterr);
	if (rc < 0)
		return rc;
	char *path = hs_state_file_path(&p->store->state, p->what->owner, part->kind, &part->want->id);
	rc = path ? rename_pair(part->want->tmp_path, path) : -ENOMEM;
	part->moved = rc == 0;
	if (rc == 0)
		rc = hs_disk_sync_folder(folder);
	if (rc < 0)
		rc = hs_disk_fail(reterr, rc, part->want->tmp_path, "move it into place");
	free(folder);
	free(path);
	return rc;
}

static int move_parts(struct publish *p, struct hs_err *reterr)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < p->nparts; i++) {
		if (is_new(&p->parts[i]))
			rc = move_part(p, &p->parts[i], reterr);
	}
	return rc;
}

// ---- 3. the entry and the transaction ----

static void set_link(struct hs_cat_links *links, const struct hs_publish_file *want, struct hs_id *ret_previous)
{
	for (size_t k = 0; k < links->n; k++) {
		struct hs_cat_link *link = &links->items[k];
		if (strcmp(link->name, want->role) != 0)
			continue;
		if (!hs_id_eq(&link->id, &want->id)) {
			*ret_previous = link->id;
			link->id = want->id;
		}
		return;
	}
	struct hs_cat_link *added = &links->items[links->n++];
	memcpy(added->name, want->role, strlen(want->role) + 1);
	added->id = want->id;
}

// The links of the version as it is, with room for so many more.
static int copy_links(struct publish *p, enum hs_file_kind kind, size_t more)
{
	struct hs_cat_links *links = &p->node->links[kind];
	const struct hs_cat_links none = {0}, *old = p->old ? &p->old->links[kind] : &none;
	links->items = hs_array(old->n + more, sizeof(*links->items));
	if (!links->items)
		return -ENOMEM;
	links->n = old->n;
	if (old->n)
		memcpy(links->items, old->items, old->n * sizeof(*links->items));
	return 0;
}

// The record of a version must stay one that the next start reads.
static int check_links(const struct hs_cat_version *v, struct hs_err *reterr)
{
	for (int kind = 0; kind <= HS_FILE_LAST_KIND; kind++)
		if (v->links[kind].n > HS_MAX_LINKS)
			return hs_err_set(reterr, HSFEED_ELIMIT, "this version of \"%s\" has %u %ss, as many as it may",
					  v->name, HS_MAX_LINKS, hs_file_kind_name((enum hs_file_kind)kind));
	return 0;
}

static int make_node(struct publish *p, struct hs_err *reterr)
{
	const struct hs_publish *what = p->what;
	p->node = hs_array(1, sizeof(*p->node));
	p->published.role_previous = hs_array(what->nencodings + what->narrays, sizeof(struct hs_id));
	p->doomed = hs_array(what->nencodings + what->narrays, sizeof(struct hs_cat_file *));
	if (!p->node || !p->published.role_previous || !p->doomed ||
	    copy_links(p, HS_FILE_ENCODING, what->nencodings) < 0 || copy_links(p, HS_FILE_ARRAY, what->narrays) < 0)
		return hs_err_nomem(reterr, "publishing");
	struct hs_cat_version *v = p->node;
	v->owner = what->owner;
	memcpy(v->name, what->name, strlen(what->name) + 1);
	v->id = what->version.id;
	v->created_ms = p->old ? p->old->created_ms : hs_now_ms();
	v->seq = p->old ? p->old->seq : p->store->catalog.seq + 1;
	for (size_t i = 0; i < what->nencodings; i++)
		set_link(&v->links[HS_FILE_ENCODING], &what->encodings[i], &p->published.role_previous[i]);
	for (size_t i = 0; i < what->narrays; i++)
		set_link(&v->links[HS_FILE_ARRAY], &what->arrays[i], &p->published.role_previous[what->nencodings + i]);
	return check_links(v, reterr);
}

static void choose_doomed(struct publish *p)
{
	static const struct hs_id none;
	for (size_t i = 1; i < p->nparts; i++) {
		const struct hs_id *id = &p->published.role_previous[i - 1]; // as the parts but the version
		if (hs_id_eq(id, &none))
			continue;
		struct hs_cat_file *f = hs_catalog_find_file(&p->store->catalog, p->what->owner, p->parts[i].kind, id);
		bool again = false;
		for (size_t k = 0; k < p->ndoomed; k++)
			again |= p->doomed[k] == f;
		if (f && !again && !hs_cat_needs(p->node, f) && !hs_store_needs(p->store, f, p->old))
			p->doomed[p->ndoomed++] = f;
	}
}

static bool same_links(const struct hs_cat_version *a, const struct hs_cat_version *b)
{
	bool same = true;
	for (int kind = HS_FILE_ENCODING; kind <= HS_FILE_LAST_KIND; kind++) {
		const struct hs_cat_links *x = &a->links[kind], *y = &b->links[kind];
		same = same && x->n == y->n && (x->n == 0 || memcmp(x->items, y->items, x->n * sizeof(*x->items)) == 0);
	}
	return same;
}

static bool moves_name(const struct publish *p)
{
	return !p->old || (p->old != p->current && !p->what->attach);
}

static void list_ops(struct publish *p, struct hs_cat_ops *ops)
{
	for (size_t i = 0; i < p->nparts; i++) {
		struct hs_cat_file alive = *facts(&p->parts[i]);
		if (p->parts[i].same || (p->parts[i].known && !alive.doomed))
			continue;
		alive.doomed = false;
		hs_cat_put_file(ops, &alive);
	}
	for (size_t i = 0; i < p->ndoomed; i++) {
		struct hs_cat_file doomed = *p->doomed[i];
		doomed.doomed = true;
		hs_cat_put_file(ops, &doomed);
	}
	if (!p->old || !same_links(p->old, p->node))
		hs_cat_put_version(ops, p->node);
	if (moves_name(p))
		hs_cat_put_name(ops, p->what->owner, p->what->name, &p->node->id);
}

static int commit(struct publish *p, bool *ret_landed, struct hs_err *reterr)
{
	struct hs_cat_ops ops = {0};
	pthread_mutex_lock(&p->store->lock); // the arrays may move
	int rc = hs_catalog_reserve(&p->store->catalog, p->nparts, 1);
	pthread_mutex_unlock(&p->store->lock);
	if (rc < 0)
		return hs_err_nomem(reterr, "publishing");
	pthread_mutex_lock(&p->store->lock); // others count users in the entries that are copied
	list_ops(p, &ops);
	pthread_mutex_unlock(&p->store->lock);
	if (ops.n > 0 || ops.failed)
		rc = hs_catalog_commit(&p->store->catalog, &ops, ret_landed, reterr);
	hs_cat_ops_fini(&ops);
	return rc;
}

// ---- 4. the memory ----

static void apply_part(struct publish *p, struct part *part)
{
	struct hs_catalog *c = &p->store->catalog;
	if (part->known) {
		part->known->doomed = part->known->reviving = false;
		return;
	}
	if (part->same)
		return;
	// A doomed, unlinked file of the same id may still have its entry.
	struct hs_cat_file *gone = hs_catalog_find_file(c, part->fresh->owner, part->kind, &part->fresh->id);
	if (gone)
		hs_catalog_drop_file(c, gone);
	hs_catalog_insert_file(c, part->fresh);
	part->fresh = NULL;
}

static void apply(struct publish *p)
{
	pthread_mutex_lock(&p->store->lock);
	for (size_t i = 0; i < p->nparts; i++)
		apply_part(p, &p->parts[i]);
	for (size_t i = 0; i < p->ndoomed; i++) {
		p->doomed[i]->doomed = true;
		p->published.pending += p->doomed[i]->users > 0 || p->doomed[i]->opening;
	}
	p->published.new_version = !p->old;
	p->published.moved = p->current && moves_name(p);
	if (p->published.moved)
		p->published.previous = p->current->id;
	p->node->current = moves_name(p) || p->old == p->current;
	if (p->current && p->node->current)
		p->current->current = false;
	if (p->old)
		hs_catalog_drop_version(&p->store->catalog, p->old);
	hs_catalog_insert_version(&p->store->catalog, p->node);
	p->node = NULL;
	pthread_mutex_unlock(&p->store->lock);
}

// ---- all of it ----

static void undo(struct publish *p, bool landed)
{
	for (size_t i = 0; i < p->nparts; i++) {
		struct part *part = &p->parts[i];
		if (!part->moved || landed)
			continue;
		char *path = hs_state_file_path(&p->store->state, p->what->owner, part->kind, &part->want->id);
		if (path)
			hs_disk_unlink_pair(path);
		free(path);
	}
	pthread_mutex_lock(&p->store->lock);
	for (size_t i = 0; i < p->nparts; i++) {
		struct part *part = &p->parts[i];
		if (part->known && part->known->reviving) {
			part->known->reviving = false;
			part->known->doomed = !landed;
			hs_store_unlink_doomed(p->store, part->known);
		}
	}
	pthread_mutex_unlock(&p->store->lock);
}

// Files in tmp/ are this request's to end: those that failed, and those whose bytes were published already.
static void clear_tmp(const struct publish *p)
{
	for (size_t i = 0; i < p->nparts; i++) {
		if (p->parts[i].want->tmp_path && !p->parts[i].moved)
			hs_disk_unlink_pair(p->parts[i].want->tmp_path);
	}
}

static void fini(struct publish *p)
{
	clear_tmp(p);
	for (size_t i = 0; i < p->nparts; i++)
		free(p->parts[i].fresh);
	hs_cat_version_free(p->node);
	hs_published_fini(&p->published);
	free(p->doomed);
	free(p->parts);
}

static int list_parts(struct publish *p, struct hs_err *reterr)
{
	const struct hs_publish *what = p->what;
	struct part *parts = hs_array(1 + what->nencodings + what->narrays, sizeof(*parts));
	if (!parts)
		return hs_err_nomem(reterr, "publishing");
	p->parts = parts;
	parts[p->nparts++] = (struct part){.want = &what->version, .kind = HS_FILE_VERSION};
	for (size_t i = 0; i < what->nencodings; i++)
		parts[p->nparts++] = (struct part){.want = &what->encodings[i], .kind = HS_FILE_ENCODING};
	for (size_t i = 0; i < what->narrays; i++)
		parts[p->nparts++] = (struct part){.want = &what->arrays[i], .kind = HS_FILE_ARRAY};
	return 0;
}

static int publish_parts(struct publish *p, bool *ret_landed, struct hs_err *reterr)
{
	int rc = check_names(p->what, reterr);
	if (rc == 0)
		rc = check_parts(p, reterr);
	if (rc < 0)
		return rc;
	p->old = hs_catalog_find_version(&p->store->catalog, p->what->owner, p->what->name, &p->what->version.id);
	p->current = hs_catalog_current(&p->store->catalog, p->what->owner, p->what->name);
	if (!p->old && p->what->attach)
		return hs_err_set(reterr, HSFEED_ENOTFOUND, "the version of dataset \"%s\" was removed meanwhile",
				  p->what->name);
	rc = make_node(p, reterr);
	if (rc == 0)
		rc = move_parts(p, reterr);
	if (rc == 0) {
		choose_doomed(p);
		rc = commit(p, ret_landed, reterr);
	}
	return rc;
}

int hs_store_publish(struct hs_store *store, const struct hs_publish *what, struct hs_published *ret,
		     struct hs_err *reterr)
{
	struct publish p = {.store = store, .what = what};
	bool landed = false;
	int rc = list_parts(&p, reterr);
	if (rc < 0)
		return rc;
	rc = publish_parts(&p, &landed, reterr);
	if (rc < 0) {
		undo(&p, landed);
		fini(&p);
		return rc;
	}
	apply(&p);
	*ret = p.published;
	p.published = (struct hs_published){0};
	if (p.ndoomed > 0) {
		struct hs_err ignored; // what was published stands; what was not cleared away now is cleared later
		hs_store_sweep(store, &ignored);
	}
	fini(&p);
	return 0;
}
