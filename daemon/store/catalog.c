// SPDX-License-Identifier: Apache-2.0
// Loading and committing the catalog.
//
// Each record has a checksum, but a damaged tree can also hide records or bring old ones back. So every transaction
// writes a main record with its number and the sum over all other records, and loading compares both. A damaged number
// in a meta page could still make LMDB fall back by one whole transaction: so the number of the last one is also noted
// beside (catalog/last) once it is durable. The note itself is not synced; after a power cut it may be older than the
// catalog, never younger.
#include "store/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "store/disk.h"
#include "store/pages.h"

#define MIN_MAP      (16u << 20)
#define COMMIT_TRIES 8 // each doubles the map

// ---- the memory ----

static int compare_file(const struct hs_cat_file *a, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id)
{
	if (a->owner != owner)
		return a->owner < owner ? -1 : 1;
	if (a->kind != kind)
		return a->kind < kind ? -1 : 1;
	return memcmp(a->id.bytes, id->bytes, sizeof(id->bytes));
}

static size_t file_place(const struct hs_catalog *c, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id)
{
	size_t low = 0, high = c->nfiles;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare_file(c->files[mid], owner, kind, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct hs_cat_file *hs_catalog_find_file(const struct hs_catalog *c, uint32_t owner, enum hs_file_kind kind,
					 const struct hs_id *id)
{
	size_t i = file_place(c, owner, kind, id);
	return i < c->nfiles && compare_file(c->files[i], owner, kind, id) == 0 ? c->files[i] : NULL;
}

static int compare_version(const struct hs_cat_version *a, uint32_t owner, const char *name, uint64_t seq)
{
	if (a->owner != owner)
		return a->owner < owner ? -1 : 1;
	int rc = strcmp(a->name, name);
	return rc ? rc : a->seq < seq ? -1 : a->seq > seq;
}

static size_t version_place(const struct hs_catalog *c, uint32_t owner, const char *name, uint64_t seq)
{
	size_t low = 0, high = c->nversions;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare_version(c->versions[mid], owner, name, seq) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool same_name(const struct hs_cat_version *v, uint32_t owner, const char *name)
{
	return v->owner == owner && strcmp(v->name, name) == 0;
}

struct hs_cat_version *hs_catalog_find_version(const struct hs_catalog *c, uint32_t owner, const char *name,
					       const struct hs_id *id)
{
	for (size_t i = version_place(c, owner, name, 0); i < c->nversions && same_name(c->versions[i], owner, name);
	     i++) {
		if (hs_id_eq(&c->versions[i]->id, id))
			return c->versions[i];
	}
	return NULL;
}

struct hs_cat_version *hs_catalog_current(const struct hs_catalog *c, uint32_t owner, const char *name)
{
	for (size_t i = version_place(c, owner, name, 0); i < c->nversions && same_name(c->versions[i], owner, name);
	     i++) {
		if (c->versions[i]->current)
			return c->versions[i];
	}
	return NULL;
}

int hs_catalog_reserve(struct hs_catalog *c, size_t nfiles, size_t nversions)
{
	int rc = hs_grow(&c->files, &c->files_cap, c->nfiles + nfiles, sizeof(struct hs_cat_file *));
	return rc < 0 ? rc
		      : hs_grow(&c->versions, &c->versions_cap, c->nversions + nversions,
				sizeof(struct hs_cat_version *));
}

void hs_catalog_insert_file(struct hs_catalog *c, struct hs_cat_file *f)
{
	size_t i = file_place(c, f->owner, f->kind, &f->id);
	memmove(c->files + i + 1, c->files + i, (c->nfiles - i) * sizeof(struct hs_cat_file *));
	c->files[i] = f;
	c->nfiles++;
}

void hs_catalog_insert_version(struct hs_catalog *c, struct hs_cat_version *v)
{
	size_t i = version_place(c, v->owner, v->name, v->seq);
	memmove(c->versions + i + 1, c->versions + i, (c->nversions - i) * sizeof(struct hs_cat_version *));
	c->versions[i] = v;
	c->nversions++;
	if (v->seq > c->seq)
		c->seq = v->seq;
}

void hs_catalog_drop_file(struct hs_catalog *c, struct hs_cat_file *f)
{
	size_t i = file_place(c, f->owner, f->kind, &f->id);
	c->nfiles--;
	memmove(c->files + i, c->files + i + 1, (c->nfiles - i) * sizeof(struct hs_cat_file *));
	free(f);
}

void hs_catalog_drop_version(struct hs_catalog *c, struct hs_cat_version *v)
{
	size_t i = 0;
	while (c->versions[i] != v)
		i++;
	c->nversions--;
	memmove(c->versions + i, c->versions + i + 1, (c->nversions - i) * sizeof(struct hs_cat_version *));
	hs_cat_version_free(v);
}

void hs_cat_version_free(struct hs_cat_version *v)
{
	for (int kind = 0; v && kind <= HS_FILE_LAST_KIND; kind++)
		free(v->links[kind].items);
	free(v);
}

const struct hs_cat_link *hs_cat_find_link(const struct hs_cat_links *links, const char *name)
{
	for (size_t i = 0; i < links->n; i++) {
		if (strcmp(links->items[i].name, name) == 0)
			return &links->items[i];
	}
	return NULL;
}

bool hs_cat_needs(const struct hs_cat_version *v, const struct hs_cat_file *f)
{
	if (v->owner != f->owner)
		return false;
	if (f->kind == HS_FILE_VERSION)
		return hs_id_eq(&v->id, &f->id);
	const struct hs_cat_links *links = &v->links[f->kind];
	for (size_t i = 0; i < links->n; i++) {
		if (hs_id_eq(&links->items[i].id, &f->id))
			return true;
	}
	return false;
}

void hs_catalog_fini(struct hs_catalog *c)
{
	if (c->env)
		mdb_env_close(c->env);
	for (size_t i = 0; i < c->nfiles; i++)
		free(c->files[i]);
	for (size_t i = 0; i < c->nversions; i++)
		hs_cat_version_free(c->versions[i]);
	hs_catalog_drop_plans(c, 0, c->nplans);
	free(c->files);
	free(c->versions);
	free(c->plans);
	free(c->path);
	*c = (struct hs_catalog){0};
}

// ---- the note of the last transaction ----

#define NOTE_BYTES 12u // u64 transaction, u32 CRC-32C of it

static char *note_path(const struct hs_catalog *c)
{
	return hs_disk_path("%.*slast", (int)(strlen(c->path) - strlen("data.mdb")), c->path);
}

static void write_note(const struct hs_catalog *c)
{
	uint8_t note[NOTE_BYTES];
	uint64_t txn = c->txn;
	for (int i = 0; i < 8; i++)
		note[i] = (uint8_t)(txn >> (8 * i));
	uint32_t crc = hs_crc32c(0, note, 8);
	for (int i = 0; i < 4; i++)
		note[8 + i] = (uint8_t)(crc >> (8 * i));
	char *path = note_path(c);
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (fd >= 0) { // a note that cannot be written protects less; the transaction stands
		ssize_t n = pwrite(fd, note, sizeof(note), 0);
		(void)n;
		close(fd);
	}
	free(path);
}

// 0 where there is none, or a damaged one.
static uint64_t read_note(const struct hs_catalog *c)
{
	uint8_t note[NOTE_BYTES];
	uint64_t txn = 0;
	uint32_t crc = 0;
	char *path = note_path(c);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	int rc = fd < 0 ? -1 : hs_disk_read(fd, note, sizeof(note), 0);
	if (fd >= 0)
		close(fd);
	free(path);
	for (int i = 0; rc == 0 && i < 8; i++)
		txn |= (uint64_t)note[i] << (8 * i);
	for (int i = 0; rc == 0 && i < 4; i++)
		crc |= (uint32_t)note[8 + i] << (8 * i);
	return rc == 0 && hs_crc32c(0, note, 8) == crc ? txn : 0;
}

void hs_catalog_forget_note(const struct hs_catalog *c)
{
	char *path = note_path(c);
	if (path)
		unlink(path);
	free(path);
}

// ---- loading ----

static const char *visit_record(void *arg, const struct hs_pages_item *item)
{
	struct hs_span key = {(const char *)item->key, item->key_len},
		       value = {(const char *)item->value, item->value_len};
	return hs_cat_read_record(arg, key, value);
}

static void fini_loading(struct hs_cat_loading *l)
{
	free(l->names);
	l->names = NULL;
}

static bool has_file(const struct hs_catalog *c, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id)
{
	const struct hs_cat_file *f = hs_catalog_find_file(c, owner, kind, id);
	return f && !f->doomed;
}

static const char *resolve_links(const struct hs_catalog *c, const struct hs_cat_version *v, enum hs_file_kind kind)
{
	for (size_t k = 0; k < v->links[kind].n; k++) {
		if (!has_file(c, v->owner, kind, &v->links[kind].items[k].id))
			return kind == HS_FILE_ARRAY ? "an array has no file" : "a role has no file";
	}
	return NULL;
}

// Records must agree with each other: names with versions, versions, roles and arrays with files, plans with names.
static const char *resolve(const struct hs_cat_loading *l)
{
	const struct hs_catalog *c = l->catalog;
	for (size_t i = 0; i < l->nnames; i++) {
		struct hs_cat_version *v =
			hs_catalog_find_version(c, l->names[i].owner, l->names[i].name, &l->names[i].current);
		if (!v)
			return "a name points at a version that is not there";
		v->current = true;
	}
	for (size_t i = 0; i < c->nversions; i++) {
		const struct hs_cat_version *v = c->versions[i];
		if (!hs_catalog_current(c, v->owner, v->name) || !has_file(c, v->owner, HS_FILE_VERSION, &v->id))
			return "a version has no name or no file";
		const char *fault = resolve_links(c, v, HS_FILE_ENCODING);
		if (!fault)
			fault = resolve_links(c, v, HS_FILE_ARRAY);
		if (fault)
			return fault;
	}
	for (size_t i = 0; i < c->nplans; i++) {
		if (!hs_catalog_current(c, c->plans[i]->owner, c->plans[i]->name))
			return "a plan has no dataset";
	}
	return NULL;
}

static const char *read_tree(struct hs_catalog *c, const void *map, size_t len)
{
	struct hs_pages pages;
	struct hs_cat_loading l = {.catalog = c};
	const char *fault = hs_pages_open(&pages, map, len, 0);
	if (!fault)
		fault = hs_pages_walk(&pages, pages.newest, visit_record, &l);
	if (!fault && !l.have_main && (pages.metas[0].txn || pages.metas[1].txn))
		fault = "its main record is missing";
	if (!fault &&
	    (l.stated_txn != pages.metas[pages.newest].txn || l.stated_sum != l.sum || l.stated_records != l.nrecords))
		fault = "its main record does not fit its other records";
	if (!fault)
		fault = resolve(&l);
	c->txn = l.stated_txn;
	c->sum = l.sum;
	c->nrecords = l.nrecords;
	fini_loading(&l);
	return fault;
}

static const char rebuild_hint[] =
	"hsfeedd --rebuild-catalog makes it anew from the files' headers; the damaged one goes to lost/";

static int load_file(struct hs_catalog *c, int fd, size_t len, struct hs_err *reterr)
{
	// A private copy, not a map: the file may sit on a bad sector, and LMDB will write to it later.
	uint8_t *data = malloc(len);
	if (!data)
		return hs_err_nomem(reterr, "reading the catalog");
	int rc = hs_disk_read(fd, data, len, 0);
	const char *fault = rc < 0 ? NULL : read_tree(c, data, len);
	if (!fault && rc == 0 && c->txn < read_note(c))
		fault = "it lacks transactions that were made";
	free(data);
	if (rc < 0)
		return hs_disk_fail(reterr, rc, c->path, "read it");
	if (!fault)
		return 0;
	if (fault == hs_pages_no_memory)
		return hs_err_nomem(reterr, "reading the catalog");
	bool newer = fault == hs_cat_newer_format;
	int code = newer ? HSFEED_EFOREIGN : HSFEED_ECORRUPT;
	hs_err_set(reterr, code, "%s: %s", c->path, fault);
	hs_err_hint(reterr, "%s", newer ? "use the hsfeedd that wrote it, or a newer one" : rebuild_hint);
	return code;
}

static int cut_off(const struct hs_catalog *c, struct hs_err *reterr)
{
	hs_err_set(reterr, HSFEED_ECORRUPT, "%s: it is cut off", c->path);
	hs_err_hint(reterr, "%s", rebuild_hint);
	return HSFEED_ECORRUPT;
}

int hs_catalog_load(struct hs_catalog *c, const char *folder, struct hs_err *reterr)
{
	struct stat st;
	c->path = hs_disk_path("%s/data.mdb", folder);
	if (!c->path)
		return hs_err_nomem(reterr, "reading the catalog");
	int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 1;
	int rc = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
	if (rc < 0)
		hs_disk_fail(reterr, rc, c->path, "read it");
	else if (st.st_size < 2 * sysconf(_SC_PAGESIZE)) // not even both meta pages: there was no first transaction
		rc = read_note(c) > 0 ? cut_off(c, reterr) : 1;
	else
		rc = load_file(c, fd, (size_t)st.st_size, reterr);
	if (fd >= 0)
		close(fd);
	return rc == 0 && c->txn == 0 ? 1 : rc;
}

int hs_catalog_start(struct hs_catalog *c, struct hs_err *reterr)
{
	struct stat st;
	MDB_txn *txn = NULL;
	char *slash = strrchr(c->path, '/');
	c->map_bytes = MIN_MAP;
	while (stat(c->path, &st) == 0 && c->map_bytes / 4 < (size_t)st.st_size)
		c->map_bytes *= 2;
	int rc = mdb_env_create(&c->env);
	if (rc == 0)
		rc = mdb_env_set_mapsize(c->env, c->map_bytes);
	*slash = '\0';
	// No lock file: the state folder's own lock keeps others out, and nobody reads by LMDB while we write.
	if (rc == 0)
		rc = mdb_env_open(c->env, c->path, MDB_NOTLS | MDB_NOLOCK, 0600);
	*slash = '/';
	if (rc == 0)
		rc = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn);
	if (rc == 0)
		rc = mdb_dbi_open(txn, NULL, 0, &c->dbi);
	if (txn)
		mdb_txn_abort(txn);
	return rc == 0 ? 0 : hs_disk_fail_mdb(reterr, rc, c->path, "open it");
}

// ---- committing ----

struct commit {
	struct hs_catalog *catalog;
	MDB_txn *txn;
	uint64_t number, sum, nrecords;
	bool committing; // mdb_txn_commit was called
};

static struct hs_span span_of(const MDB_val *v)
{
	return (struct hs_span){v->mv_data, v->mv_size};
}

static int apply_op(struct commit *m, const struct hs_cat_op *op)
{
	MDB_val key = {op->key.len, op->key.data}, value = {op->value.len, op->value.data}, old;
	int rc = mdb_get(m->txn, m->catalog->dbi, &key, &old);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (rc == 0) {
		m->sum -= hs_cat_record_hash(span_of(&key), span_of(&old));
		m->nrecords--;
	}
	if (op->value.len == 0)
		return rc == MDB_NOTFOUND ? 0 : mdb_del(m->txn, m->catalog->dbi, &key, NULL);
	m->sum += hs_cat_record_hash(span_of(&key), span_of(&value));
	m->nrecords++;
	return mdb_put(m->txn, m->catalog->dbi, &key, &value, 0);
}

static int write_main(struct commit *m)
{
	struct hs_cat_op op = {0};
	int rc = ENOMEM;
	if (hs_cat_write_main(&op, m->catalog, m->number, m->sum, m->nrecords) == 0) {
		MDB_val key = {op.key.len, op.key.data}, value = {op.value.len, op.value.data};
		rc = mdb_put(m->txn, m->catalog->dbi, &key, &value, 0);
	}
	hs_cat_op_fini(&op);
	return rc;
}

static int try_commit(struct commit *m, const struct hs_cat_ops *ops)
{
	struct hs_catalog *c = m->catalog;
	*m = (struct commit){.catalog = c, .sum = c->sum, .nrecords = c->nrecords};
	int rc = mdb_txn_begin(c->env, NULL, 0, &m->txn);
	if (rc != 0)
		return rc;
	m->number = mdb_txn_id(m->txn);
	for (size_t i = 0; rc == 0 && i < ops->n; i++)
		rc = apply_op(m, &ops->items[i]);
	if (rc == 0)
		rc = write_main(m);
	if (rc != 0) {
		mdb_txn_abort(m->txn);
		return rc;
	}
	m->committing = true;
	return mdb_txn_commit(m->txn);
}

static int grow_map(struct hs_catalog *c)
{
	int rc = mdb_env_set_mapsize(c->env, c->map_bytes * 2);
	if (rc == 0)
		c->map_bytes *= 2;
	return rc;
}

// A failed write of the meta page makes LMDB refuse all that follows.
static bool takes_changes(const struct hs_catalog *c)
{
	MDB_txn *txn;
	if (mdb_txn_begin(c->env, NULL, 0, &txn) != 0)
		return false;
	mdb_txn_abort(txn);
	return true;
}

// After a failed commit: did the meta page get the new number? And may the next transaction trust what the kernel
// holds?
static int judge_failure(struct commit *m, int mdb_rc, bool *ret_landed, struct hs_err *reterr)
{
	struct hs_catalog *c = m->catalog;
	MDB_envinfo info = {0};
	int code = hs_disk_fail_mdb(reterr, mdb_rc, c->path, "write it");
	if (!m->committing && mdb_rc != MDB_PANIC)
		return code;
	bool landed = m->committing && (mdb_env_info(c->env, &info) != 0 || info.me_last_txnid >= m->number);
	if (ret_landed)
		*ret_landed = landed;
	c->broken = landed || (code != -ENOSPC && code != -EDQUOT && code != -ENOMEM) || !takes_changes(c);
	if (c->broken)
		hs_err_hint(reterr, "the catalog takes no more changes until hsfeedd is started again; what is open is "
				    "still served");
	return code;
}

int hs_catalog_commit(struct hs_catalog *c, const struct hs_cat_ops *ops, bool *ret_landed, struct hs_err *reterr)
{
	struct commit m = {.catalog = c};
	if (ret_landed)
		*ret_landed = false;
	if (c->broken) {
		hs_err_set(reterr, -EIO, "%s: an earlier write to it failed", c->path);
		hs_err_hint(reterr, "start hsfeedd again");
		return -EIO;
	}
	if (ops->failed)
		return hs_err_nomem(reterr, "changing the catalog");
	if (c->created_ms == 0)
		c->created_ms = hs_now_ms();
	int rc = try_commit(&m, ops);
	for (int i = 0; rc == MDB_MAP_FULL && !m.committing && i < COMMIT_TRIES; i++) {
		rc = grow_map(c);
		if (rc == 0)
			rc = try_commit(&m, ops);
	}
	if (rc != 0)
		return judge_failure(&m, rc, ret_landed, reterr);
	c->txn = m.number;
	c->sum = m.sum;
	c->nrecords = m.nrecords;
	write_note(c);
	return 0;
}
