// SPDX-License-Identifier: Apache-2.0
// Reading and writing one kept result. Bytes on disk are hostile until checked, in this order: length, magic, checksum,
// numbers of format and engine, that it is the result its name says, and then every number in the arrays.
//
//   header (128 bytes) | u32 text_first[n] | u32 folded_first[n] | u32 group[n] | pairs[npairs] | u32 CRC-32C
//
// A failure removes what was written. A crash leaves a file in tmp/, which the next start removes, or a whole one.
#include "store/near.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "store/disk.h"
#include "store/near_files.h"
#include "store/store_priv.h"

#define MAGIC  "HSFEDNRD"
#define FORMAT 1u

struct header { // little-endian, as the machine is; no padding
	char magic[8];
	uint32_t format, engine;
	uint8_t version[32];
	uint32_t owner, reserved; // 0
	double similarity;
	uint64_t nrows, ngroups, npairs, exact_rows, folded_rows, unlisted, uncompared, spare; // spare: 0
};
_Static_assert(sizeof(struct header) == 128, "the header's bytes are a format");

_Static_assert(sizeof(struct hs_near_pair) == 16 && offsetof(struct hs_near_pair, b) == 4 &&
		       offsetof(struct hs_near_pair, similarity) == 8,
	       "pairs are kept as they lie in memory");

struct piece {
	void *data;
	size_t len;
};
#define PIECES 4

static void list_pieces(const struct hs_near *a, struct piece ret[PIECES])
{
	size_t rows = a->nrows * sizeof(uint32_t);
	ret[0] = (struct piece){a->text_first, rows};
	ret[1] = (struct piece){a->folded_first, rows};
	ret[2] = (struct piece){a->group, rows};
	ret[3] = (struct piece){a->pairs, a->npairs * sizeof(*a->pairs)};
}

// ---- what users of a result rely on ----

// Each row's first row is at or before it, and its own; `later` of them are not.
static bool firsts_are_sound(const uint32_t *first, size_t n, uint64_t later)
{
	uint64_t found = 0;
	for (size_t i = 0; i < n; i++) {
		if (first[i] > i || first[first[i]] != first[i])
			return false;
		found += first[i] != i;
	}
	return found == later;
}

// Rows of the same bytes have the same folded text, and those are of one group; groups count in the order they begin.
static bool groups_are_sound(const struct hs_near *a)
{
	uint32_t begun = 0;
	for (size_t i = 0; i < a->nrows; i++) {
		if (a->folded_first[i] != a->folded_first[a->text_first[i]] ||
		    a->group[i] != a->group[a->folded_first[i]] || a->group[i] > begun)
			return false;
		begun += a->group[i] == begun;
	}
	return begun == a->ngroups;
}

// Different folded texts, by their first rows, ascending, and of one group.
static bool pairs_are_sound(const struct hs_near *a, double least)
{
	struct hs_near_pair last = {0, 0, 0};
	for (size_t i = 0; i < a->npairs; i++) {
		struct hs_near_pair p = a->pairs[i];
		if (p.a >= p.b || p.b >= a->nrows || a->folded_first[p.a] != p.a || a->folded_first[p.b] != p.b ||
		    a->group[p.a] != a->group[p.b] || !(p.similarity >= least && p.similarity <= 1))
			return false;
		if (i > 0 && (p.a < last.a || (p.a == last.a && p.b <= last.b)))
			return false;
		last = p;
	}
	return true;
}

static bool is_sound(const struct hs_near *a, double least)
{
	return firsts_are_sound(a->text_first, a->nrows, a->exact_rows) &&
	       firsts_are_sound(a->folded_first, a->nrows, a->folded_rows) && groups_are_sound(a) &&
	       pairs_are_sound(a, least);
}

// ---- reading ----

enum verdict { SOUND, OTHER_RULES, DAMAGED, NO_MEMORY };

struct reading {
	const struct hs_near_key *key;
	int fd;
	uint64_t bytes;
	struct header header;
	struct hs_near near;
	const char *fault; // of DAMAGED
};

static enum verdict damaged(struct reading *r, const char *fault)
{
	r->fault = fault;
	return DAMAGED;
}

// Lengths only, before anything is allocated by them.
static enum verdict read_header(struct reading *r)
{
	const struct header *h = &r->header;
	struct stat st;
	if (fstat(r->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return damaged(r, "it is not a file");
	r->bytes = (uint64_t)st.st_size;
	if (hs_disk_read(r->fd, &r->header, sizeof(r->header), 0) < 0)
		return damaged(r, "it cannot be read, or is cut off");
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0)
		return damaged(r, "it does not begin as such files do");
	if (h->format != FORMAT || h->engine != r->key->engine)
		return OTHER_RULES;
	if (h->nrows != r->key->nrows || h->npairs > HS_NEAR_MAX_PAIRS ||
	    r->bytes != sizeof(*h) + h->nrows * 3 * sizeof(uint32_t) + h->npairs * sizeof(struct hs_near_pair) + 4)
		return damaged(r, "its length is not what its header says");
	return SOUND;
}

static bool allocate(struct hs_near *a)
{
	a->text_first = hs_array(a->nrows, sizeof(uint32_t));
	a->folded_first = hs_array(a->nrows, sizeof(uint32_t));
	a->group = hs_array(a->nrows, sizeof(uint32_t));
	a->pairs = hs_array(a->npairs, sizeof(struct hs_near_pair));
	return a->text_first && a->folded_first && a->group && a->pairs;
}

static enum verdict read_arrays(struct reading *r)
{
	const struct header *h = &r->header;
	struct piece pieces[PIECES];
	uint64_t at = sizeof(*h);
	uint32_t crc = hs_crc32c(0, h, sizeof(*h)), stated;
	r->near = (struct hs_near){.nrows = h->nrows,
				   .ngroups = h->ngroups,
				   .npairs = h->npairs,
				   .exact_rows = h->exact_rows,
				   .folded_rows = h->folded_rows,
				   .unlisted = h->unlisted,
				   .uncompared = h->uncompared};
	if (!allocate(&r->near))
		return NO_MEMORY;
	list_pieces(&r->near, pieces);
	for (size_t i = 0; i < PIECES; i++) {
		if (hs_disk_read(r->fd, pieces[i].data, pieces[i].len, at) < 0)
			return damaged(r, "it cannot be read");
		crc = hs_crc32c(crc, pieces[i].data, pieces[i].len);
		at += pieces[i].len;
	}
	if (hs_disk_read(r->fd, &stated, sizeof(stated), at) < 0 || stated != crc)
		return damaged(r, "its checksum is wrong");
	return SOUND;
}

static enum verdict judge(struct reading *r)
{
	const struct header *h = &r->header;
	if (h->owner != r->key->owner || h->similarity != r->key->similarity || h->reserved != 0 || h->spare != 0 ||
	    memcmp(h->version, r->key->version.bytes, sizeof(h->version)) != 0)
		return damaged(r, "it is not the result that its name says");
	if (!is_sound(&r->near, r->key->similarity))
		return damaged(r, "its numbers do not go together");
	return SOUND;
}

static enum verdict read_all(struct reading *r)
{
	enum verdict verdict = read_header(r);
	if (verdict == SOUND)
		verdict = read_arrays(r);
	return verdict == SOUND ? judge(r) : verdict;
}

int hs_store_near_load(struct hs_store *store, const struct hs_near_key *key, struct hs_near *ret)
{
	char *path = hs_near_path(&store->state, key->owner, &key->version, key->similarity);
	if (!path)
		return -ENOMEM;
	struct reading r = {.key = key, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
	enum verdict verdict = r.fd < 0 ? OTHER_RULES : read_all(&r);
	if (r.fd >= 0)
		close(r.fd);
	if (verdict == DAMAGED) {
		unlink(path);
		hs_state_log(&store->state, "%s: %s; it is removed, and made again when it is needed", path, r.fault);
	}
	free(path);
	if (verdict == SOUND)
		*ret = r.near;
	else
		hs_near_fini(&r.near);
	return verdict == SOUND ? 1 : verdict == NO_MEMORY ? -ENOMEM : 0;
}

// ---- writing ----

static int write_file(int fd, const struct hs_near_key *key, const struct hs_near *near)
{
	struct piece pieces[PIECES];
	struct header h = {.magic = MAGIC,
			   .format = FORMAT,
			   .engine = key->engine,
			   .owner = key->owner,
			   .similarity = key->similarity,
			   .nrows = near->nrows,
			   .ngroups = near->ngroups,
			   .npairs = near->npairs,
			   .exact_rows = near->exact_rows,
			   .folded_rows = near->folded_rows,
			   .unlisted = near->unlisted,
			   .uncompared = near->uncompared};
	memcpy(h.version, key->version.bytes, sizeof(h.version));
	list_pieces(near, pieces);
	uint32_t crc = hs_crc32c(0, &h, sizeof(h));
	int rc = hs_disk_write(fd, &h, sizeof(h));
	for (size_t i = 0; i < PIECES && rc == 0; i++) {
		crc = hs_crc32c(crc, pieces[i].data, pieces[i].len);
		rc = hs_disk_write(fd, pieces[i].data, pieces[i].len);
	}
	if (rc == 0)
		rc = hs_disk_write(fd, &crc, sizeof(crc));
	return rc < 0 ? rc : fsync(fd) < 0 ? -errno : 0;
}

static int write_tmp(const char *path, const struct hs_near_key *key, const struct hs_near *near)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int rc = write_file(fd, key, near);
	close(fd);
	return rc;
}

struct place {
	char *tmp, *folder, *path; // heap
};

static void place_fini(struct place *p)
{
	free(p->tmp);
	free(p->folder);
	free(p->path);
}

static int place_init(struct place *p, struct hs_store *store, const struct hs_near_key *key, struct hs_err *reterr)
{
	p->path = hs_near_path(&store->state, key->owner, &key->version, key->similarity);
	p->tmp = p->path ? hs_disk_path("%s/near-%s", store->state.tmp, strrchr(p->path, '/') + 1) : NULL;
	if (!p->tmp)
		return hs_err_nomem(reterr, "keeping near duplicates");
	return hs_near_owner_folder(&store->state, key->owner, &p->folder, reterr);
}

// Under the lock, so that it cannot come after the removal of its version: that unlinks under the lock, too.
static int move(struct hs_store *store, const struct hs_near_key *key, const struct place *p)
{
	pthread_mutex_lock(&store->lock);
	const struct hs_cat_file *f = hs_catalog_find_file(&store->catalog, key->owner, HS_FILE_VERSION, &key->version);
	int rc = !f || f->doomed ? -ENOENT : rename(p->tmp, p->path) < 0 ? -errno : 0;
	pthread_mutex_unlock(&store->lock);
	return rc;
}

static int save(struct hs_store *store, const struct hs_near_key *key, const struct hs_near *near,
		struct hs_err *reterr)
{
	struct place p = {0};
	int rc = place_init(&p, store, key, reterr);
	if (rc == 0) {
		rc = write_tmp(p.tmp, key, near);
		if (rc == 0)
			rc = move(store, key, &p);
		if (rc < 0)
			unlink(p.tmp);
		else if ((rc = hs_disk_sync_folder(p.folder)) < 0)
			unlink(p.path);
		if (rc < 0)
			hs_disk_fail(reterr, rc, p.path, "keep it");
	}
	if (rc == 0)
		hs_near_keep_few(p.folder, strrchr(p.path, '/') + 1);
	place_fini(&p);
	return rc;
}

bool hs_store_near_save(struct hs_store *store, const struct hs_near_key *key, const struct hs_near *near)
{
	struct hs_err err = {0};
	if (!hs_store_has(store, key->owner, HS_FILE_VERSION, &key->version))
		return false;
	int rc = save(store, key, near, &err);
	if (rc < 0 && hs_store_has(store, key->owner, HS_FILE_VERSION, &key->version))
		hs_state_log(&store->state, "%s; near duplicates lie in memory only, and are searched again later",
			     err.message);
	return rc == 0;
}
