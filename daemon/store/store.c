// SPDX-License-Identifier: Apache-2.0
// Starting and stopping the store, and looking things up in its memory.
#include "store/store.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "store/disk.h"
#include "store/near_files.h"
#include "store/store_priv.h"

#define MIN_PREFIX 4 // hex digits after NAME@

bool hs_name_valid(const char *name, size_t len)
{
	if (len == 0 || len > HS_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!letter && (i == 0 || (c != '.' && c != '_' && c != '-')))
			return false;
	}
	return true;
}

// ---- start ----

static int check_lmdb(struct hs_err *reterr)
{
	int major, minor;
	const char *text = mdb_version(&major, &minor, NULL);
	if (major == MDB_VERSION_MAJOR && minor == MDB_VERSION_MINOR)
		return 0;
	hs_err_set(reterr, HSFEED_EUNSUPPORTED,
		   "the LMDB library here is %s; hsfeedd was built with %s and reads its files only", text,
		   MDB_VERSION_STRING);
	hs_err_hint(reterr, "install liblmdb %d.%d, or build hsfeedd again", MDB_VERSION_MAJOR, MDB_VERSION_MINOR);
	return HSFEED_EUNSUPPORTED;
}

static int count_file(void *arg, const struct hs_state_found *found, struct hs_err *reterr)
{
	(void)reterr;
	*(unsigned *)arg += found->ours && !found->is_table;
	return 0;
}

static int refuse_without_catalog(struct hs_store *s, struct hs_err *reterr)
{
	unsigned n = 0;
	int rc = hs_state_each(&s->state, count_file, &n, reterr);
	if (rc < 0 || n == 0)
		return rc;
	hs_err_set(reterr, HSFEED_ENOCATALOG,
		   "%s: there are %u file(s) of versions, encodings and arrays, but no catalog", s->state.path, n);
	hs_err_hint(reterr, "hsfeedd --rebuild-catalog makes it anew from the files' headers");
	return HSFEED_ENOCATALOG;
}

static int sweep_file(void *arg, const struct hs_state_found *found, struct hs_err *reterr)
{
	struct hs_store *s = arg;
	if (!found->ours)
		return hs_state_lose(&s->state, found->path, "hsfeedd does not know it", reterr);
	struct hs_cat_file *f = hs_catalog_find_file(&s->catalog, found->owner, found->kind, &found->id);
	if (!f)
		return hs_state_lose(&s->state, found->path, "the catalog does not know it", reterr);
	if (f->doomed && unlink(found->path) < 0)
		return hs_disk_fail(reterr, -errno, found->path, "remove it");
	return 0;
}

static void report_missing(const struct hs_store *s)
{
	for (size_t i = 0; i < s->catalog.nfiles; i++) {
		const struct hs_cat_file *f = s->catalog.files[i];
		char *path = hs_state_file_path(&s->state, f->owner, f->kind, &f->id);
		struct stat st;
		if (path && !f->doomed && (stat(path, &st) < 0 || (uint64_t)st.st_size != f->bytes))
			hs_state_log(&s->state,
				     "%s: it is missing or cut off; ingest its source again, after hsfeed rm", path);
		free(path);
	}
}

static int forget_doomed(struct hs_store *s, struct hs_err *reterr)
{
	for (size_t i = 0; i < s->catalog.nfiles; i++)
		s->catalog.files[i]->unlinked = s->catalog.files[i]->doomed;
	int n = hs_store_sweep(s, reterr);
	if (n > 0)
		hs_state_log(&s->state, "%s: %d removed file(s) cleared away", s->state.path, n);
	return n < 0 ? n : 0;
}

static int set_aside_catalog(struct hs_store *s, const char *folder, struct hs_err *reterr)
{
	struct stat st;
	int rc = 0;
	char *path = hs_disk_path("%s/data.mdb", folder);
	if (!path)
		return hs_err_nomem(reterr, "rebuilding the catalog");
	if (lstat(path, &st) == 0)
		rc = hs_state_lose(&s->state, path, "the catalog is made anew", reterr);
	free(path);
	return rc;
}

// A first, empty transaction makes the catalog; its folder is synced so that a power cut cannot lose it whole.
static int begin_catalog(struct hs_store *s, const char *folder, bool rebuild, struct hs_err *reterr)
{
	struct hs_cat_ops none = {0};
	hs_catalog_forget_note(&s->catalog);
	unlink(s->catalog.path); // LMDB would not open what a first start left half made; there is nothing in it
	int rc = hs_catalog_start(&s->catalog, reterr);
	if (rc == 0)
		rc = rebuild ? hs_store_rebuild(s, reterr) : hs_catalog_commit(&s->catalog, &none, NULL, reterr);
	int synced = rc < 0 ? 0 : hs_disk_sync_folder(folder);
	return synced < 0 ? hs_disk_fail(reterr, synced, folder, "sync it") : rc;
}

static int open_catalog(struct hs_store *s, bool rebuild, struct hs_err *reterr)
{
	char *folder = hs_disk_path("%s/catalog", s->state.path);
	if (!folder)
		return hs_err_nomem(reterr, "opening the catalog");
	int rc = rebuild ? set_aside_catalog(s, folder, reterr) : 0;
	if (rc == 0)
		rc = hs_catalog_load(&s->catalog, folder, reterr);
	if (rc == 0)
		rc = hs_catalog_start(&s->catalog, reterr);
	else if (rc > 0) {
		rc = rebuild ? 0 : refuse_without_catalog(s, reterr);
		if (rc == 0)
			rc = begin_catalog(s, folder, rebuild, reterr);
	}
	free(folder);
	return rc;
}

static int tidy(struct hs_store *s, struct hs_err *reterr)
{
	int rc = hs_state_empty_tmp(&s->state, reterr);
	if (rc == 0)
		rc = hs_state_each(&s->state, sweep_file, s, reterr);
	if (rc == 0)
		rc = forget_doomed(s, reterr);
	if (rc == 0) {
		hs_near_tidy(s);
		report_missing(s);
	}
	return rc;
}

int hs_store_open(const struct hs_store_options *options, struct hs_store **ret, struct hs_err *reterr)
{
	int rc = check_lmdb(reterr);
	if (rc < 0)
		return rc;
	struct hs_store *s = hs_array(1, sizeof(*s));
	if (!s)
		return hs_err_nomem(reterr, "opening the store");
	s->state.lock_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->opened, NULL);
	rc = hs_state_open(options, &s->state, reterr);
	if (rc == 0)
		rc = open_catalog(s, options->rebuild_catalog, reterr);
	if (rc == 0)
		rc = tidy(s, reterr);
	if (rc < 0) {
		hs_store_close(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void hs_store_close(struct hs_store *store)
{
	if (!store)
		return;
	hs_catalog_fini(&store->catalog);
	hs_state_close(&store->state);
	pthread_cond_destroy(&store->opened);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

const char *hs_store_state(const struct hs_store *store)
{
	return store->state.path;
}
const char *hs_store_tmp(const struct hs_store *store)
{
	return store->state.tmp;
}

// ---- looking up ----

void hs_version_entry_fini(struct hs_version_entry *entry)
{
	free(entry->roles);
	free(entry->arrays);
	*entry = (struct hs_version_entry){0};
}

void hs_version_entries_free(struct hs_version_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hs_version_entry_fini(&entries[i]);
	free(entries);
}

static uint64_t bytes_of(const struct hs_store *s, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id)
{
	return hs_catalog_find_file(&s->catalog, owner, kind, id)->bytes;
}

static void copy_links(const struct hs_store *s, const struct hs_cat_version *v, struct hs_role_entry *roles,
		       struct hs_array_entry *arrays)
{
	const struct hs_cat_link *role = v->links[HS_FILE_ENCODING].items, *array = v->links[HS_FILE_ARRAY].items;
	for (size_t i = 0; i < v->links[HS_FILE_ENCODING].n; i++, role++) {
		memcpy(roles[i].role, role->name, sizeof(role->name));
		roles[i].encoding = role->id;
		roles[i].bytes = bytes_of(s, v->owner, HS_FILE_ENCODING, &role->id);
	}
	for (size_t i = 0; i < v->links[HS_FILE_ARRAY].n; i++, array++) {
		memcpy(arrays[i].array, array->name, sizeof(array->name));
		arrays[i].id = array->id;
		arrays[i].bytes = bytes_of(s, v->owner, HS_FILE_ARRAY, &array->id);
	}
}

static int copy_entry(const struct hs_store *s, const struct hs_cat_version *v, struct hs_version_entry *ret)
{
	const struct hs_cat_file *file = hs_catalog_find_file(&s->catalog, v->owner, HS_FILE_VERSION, &v->id);
	struct hs_role_entry *roles = hs_array(v->links[HS_FILE_ENCODING].n, sizeof(*roles));
	struct hs_array_entry *arrays = hs_array(v->links[HS_FILE_ARRAY].n, sizeof(*arrays));
	if (!roles || !arrays) {
		free(roles);
		free(arrays);
		return -ENOMEM;
	}
	*ret = (struct hs_version_entry){.owner = v->owner,
					 .version = v->id,
					 .current = v->current,
					 .created_ms = v->created_ms,
					 .bytes = file->bytes,
					 .rows = file->rows,
					 .nroles = v->links[HS_FILE_ENCODING].n,
					 .roles = roles,
					 .narrays = v->links[HS_FILE_ARRAY].n,
					 .arrays = arrays};
	memcpy(ret->name, v->name, sizeof(ret->name));
	copy_links(s, v, roles, arrays);
	return 0;
}

int hs_store_no_dataset(struct hs_err *reterr, const char *spec)
{
	hs_err_set(reterr, HSFEED_ENOTFOUND, "there is no dataset \"%s\"", spec);
	hs_err_hint(reterr, "hsfeed datasets lists what there is");
	return HSFEED_ENOTFOUND;
}

struct prefix {
	char digits[HS_ID_HEX]; // lower case
	size_t len;             // 0: the current version
};

static int parse_spec(const char *spec, char ret_name[HS_NAME_MAX + 1], struct prefix *ret, struct hs_err *reterr)
{
	const char *at = strchr(spec, '@');
	size_t len = at ? (size_t)(at - spec) : strlen(spec);
	*ret = (struct prefix){.len = at ? strlen(at + 1) : 0};
	bool ok = hs_name_valid(spec, len) && (!at || (ret->len >= MIN_PREFIX && ret->len < HS_ID_HEX));
	for (size_t i = 0; ok && i < ret->len; i++) {
		char c = at[1 + i];
		ret->digits[i] = c >= 'A' && c <= 'F' ? (char)(c + 32) : c;
		ok = (c >= '0' && c <= '9') || (ret->digits[i] >= 'a' && ret->digits[i] <= 'f');
	}
	if (!ok) {
		hs_err_set(reterr, HSFEED_EBADREQUEST, "\"%.160s\" does not name a dataset", spec);
		hs_err_hint(reterr, "write NAME, or NAME@ and at least %d of the version's first hex digits",
			    MIN_PREFIX);
		return HSFEED_EBADREQUEST;
	}
	memcpy(ret_name, spec, len);
	ret_name[len] = '\0';
	return 0;
}

static bool has_prefix(const struct hs_id *id, const struct prefix *prefix)
{
	char hex[HS_ID_HEX];
	hs_id_hex(id, hex);
	return memcmp(hex, prefix->digits, prefix->len) == 0;
}

int hs_store_match(const struct hs_store *store, uint32_t owner, const char *spec, struct hs_cat_version **ret,
		   struct hs_err *reterr)
{
	char name[HS_NAME_MAX + 1];
	struct prefix prefix;
	struct hs_cat_version *found = NULL;
	unsigned matches = 0;
	int rc = parse_spec(spec, name, &prefix, reterr);
	if (rc < 0)
		return rc;
	struct hs_cat_version *current = hs_catalog_current(&store->catalog, owner, name);
	if (!current)
		return hs_store_no_dataset(reterr, name);
	for (size_t i = 0; prefix.len > 0 && i < store->catalog.nversions; i++) {
		struct hs_cat_version *v = store->catalog.versions[i];
		if (v->owner == owner && strcmp(v->name, name) == 0 && has_prefix(&v->id, &prefix)) {
			found = v;
			matches++;
		}
	}
	if (prefix.len > 0 && matches != 1) {
		if (matches == 0)
			hs_err_set(reterr, HSFEED_ENOTFOUND, "dataset \"%s\" has no version that begins with %s", name,
				   prefix.digits);
		else
			hs_err_set(reterr, HSFEED_ENOTFOUND, "%u versions of dataset \"%s\" begin with %s", matches,
				   name, prefix.digits);
		hs_err_hint(reterr, "hsfeed versions %s lists them", name);
		return HSFEED_ENOTFOUND;
	}
	*ret = found ? found : current;
	return 0;
}

int hs_store_find(struct hs_store *store, uint32_t uid, uint32_t owner, const char *spec, struct hs_version_entry *ret,
		  struct hs_err *reterr)
{
	struct hs_cat_version *v;
	char name[HS_NAME_MAX + 1];
	struct prefix prefix;
	int rc = parse_spec(spec, name, &prefix, reterr);
	if (rc < 0)
		return rc;
	if (uid != owner) // nothing is shared yet
		return hs_store_no_dataset(reterr, name);
	pthread_mutex_lock(&store->lock);
	rc = hs_store_match(store, owner, spec, &v, reterr);
	if (rc == 0 && copy_entry(store, v, ret) < 0)
		rc = hs_err_nomem(reterr, "looking up a dataset");
	pthread_mutex_unlock(&store->lock);
	return rc;
}

static bool may_see(const struct hs_cat_version *v, uint32_t uid, const char *name)
{
	return v->owner == uid && (!name || strcmp(v->name, name) == 0);
}

int hs_store_list(struct hs_store *store, uint32_t uid, const char *name, struct hs_version_entry **ret, size_t *ret_n,
		  struct hs_err *reterr)
{
	pthread_mutex_lock(&store->lock);
	const struct hs_catalog *c = &store->catalog;
	struct hs_version_entry *entries = hs_array(c->nversions, sizeof(*entries));
	size_t n = 0;
	int rc = entries ? 0 : -ENOMEM;
	for (size_t i = 0; rc == 0 && i < c->nversions; i++) {
		if (may_see(c->versions[i], uid, name) && (rc = copy_entry(store, c->versions[i], &entries[n])) == 0)
			n++;
	}
	pthread_mutex_unlock(&store->lock);
	if (rc < 0) {
		hs_version_entries_free(entries, n);
		return hs_err_nomem(reterr, "listing datasets");
	}
	*ret = entries;
	*ret_n = n;
	return 0;
}

bool hs_store_has(struct hs_store *store, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id)
{
	pthread_mutex_lock(&store->lock);
	const struct hs_cat_file *f = hs_catalog_find_file(&store->catalog, owner, kind, id);
	bool has = f && !f->doomed;
	pthread_mutex_unlock(&store->lock);
	return has;
}

void hs_store_sums(struct hs_store *store, uint32_t uid, struct hs_store_sums *ret)
{
	struct hs_store_sums sums = {0};
	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < store->catalog.nversions; i++) {
		const struct hs_cat_version *v = store->catalog.versions[i];
		if (uid == (uint32_t)-1 || v->owner == uid) {
			sums.datasets += v->current;
			sums.versions++;
		}
	}
	for (size_t i = 0; i < store->catalog.nfiles; i++) {
		const struct hs_cat_file *f = store->catalog.files[i];
		if (!f->doomed && (uid == (uint32_t)-1 || f->owner == uid)) {
			sums.encodings += f->kind == HS_FILE_ENCODING;
			sums.bytes += f->bytes;
		}
	}
	pthread_mutex_unlock(&store->lock);
	*ret = sums;
}
