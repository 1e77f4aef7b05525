// SPDX-License-Identifier: Apache-2.0
// Files in use: opened once, shared, closed with the last user; a doomed one is unlinked then.
//
//   closed --acquire--> opening (one thread, lock not held) --> open, users 1..n --last release--> closed, or unlinked
//   when doomed
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/disk.h"
#include "store/file_priv.h"
#include "store/near_files.h"
#include "store/store_priv.h"

void hs_store_unlink_doomed(struct hs_store *store, struct hs_cat_file *f)
{
	if (!f->doomed || f->unlinked || f->users > 0 || f->opening || f->reviving)
		return;
	char *path = hs_state_file_path(&store->state, f->owner, f->kind, &f->id);
	if (path && (unlink(path) == 0 || errno == ENOENT)) {
		hs_disk_unlink_pair(path); // the table
		f->unlinked = true;        // else a later sweep, or the next start, tries again
		if (f->kind == HS_FILE_VERSION)
			hs_near_unlink(&store->state, f->owner, &f->id);
	}
	free(path);
}

static int not_published(enum hs_file_kind kind, const struct hs_id *id, struct hs_err *reterr)
{
	char hex[HS_ID_HEX];
	hs_id_hex(id, hex);
	hs_err_set(reterr, HSFEED_ENOTFOUND, "there is no %s %.12s", hs_file_kind_name(kind), hex);
	hs_err_hint(reterr, "it was removed, or never ingested under this user");
	return HSFEED_ENOTFOUND;
}

static int open_it(struct hs_store *store, const struct hs_cat_file *want, struct hs_file **ret, struct hs_err *reterr)
{
	struct hs_file *file;
	char *path = hs_state_file_path(&store->state, want->owner, want->kind, &want->id);
	if (!path)
		return hs_err_nomem(reterr, "opening a file of the store");
	int rc = hs_file_open(path, want->crc_root, &file, reterr);
	free(path);
	if (rc < 0)
		return rc;
	if (hs_file_get_kind(file) != want->kind || !hs_id_eq(hs_file_get_id(file), &want->id) ||
	    hs_file_bytes(file) != want->bytes || hs_file_rows(file) != want->rows) {
		rc = hs_file_damaged(file, reterr, "it is not the file that the catalog knows");
		hs_file_close(file);
		return rc;
	}
	*ret = file;
	return 0;
}

// Lock held on entry and exit; let go while the file is opened. The entry stays: a sweep leaves those that are opening.
static int open_unlocked(struct hs_store *store, struct hs_cat_file *f, struct hs_err *reterr)
{
	struct hs_cat_file want = *f;
	struct hs_file *file = NULL;
	f->opening = true;
	pthread_mutex_unlock(&store->lock);
	int rc = open_it(store, &want, &file, reterr);
	pthread_mutex_lock(&store->lock);
	f->opening = false;
	if (rc == 0) {
		hs_file_set_holder(file, f);
		f->open = file;
	} else {
		hs_store_unlink_doomed(store, f);
	}
	pthread_cond_broadcast(&store->opened);
	return rc;
}

int hs_store_acquire(struct hs_store *store, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id,
		     struct hs_file **ret, struct hs_err *reterr)
{
	int rc = 0;
	pthread_mutex_lock(&store->lock);
	struct hs_cat_file *f = hs_catalog_find_file(&store->catalog, owner, kind, id);
	while (f && f->opening) {
		pthread_cond_wait(&store->opened, &store->lock);
		f = hs_catalog_find_file(&store->catalog, owner, kind, id); // it may be gone by now
	}
	if (!f || f->doomed)
		rc = not_published(kind, id, reterr);
	else if (!f->open)
		rc = open_unlocked(store, f, reterr);
	if (rc == 0) {
		f->users++;
		*ret = f->open;
	}
	pthread_mutex_unlock(&store->lock);
	return rc;
}

void hs_store_release(struct hs_store *store, struct hs_file *file)
{
	if (!file)
		return;
	struct hs_file *last = NULL;
	pthread_mutex_lock(&store->lock);
	struct hs_cat_file *f = hs_file_get_holder(file);
	if (--f->users == 0) {
		last = f->open;
		f->open = NULL;
		hs_store_unlink_doomed(store, f);
	}
	pthread_mutex_unlock(&store->lock);
	hs_file_close(last);
}

unsigned hs_store_users(struct hs_store *store, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id)
{
	pthread_mutex_lock(&store->lock);
	const struct hs_cat_file *f = hs_catalog_find_file(&store->catalog, owner, kind, id);
	unsigned users = f ? f->users : 0;
	pthread_mutex_unlock(&store->lock);
	return users;
}
