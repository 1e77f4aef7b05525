// SPDX-License-Identifier: Apache-2.0
// Writing a file. Nobody opens it before it is finished, so LMDB runs without syncs and locks:
//   put: LMDB reserves the value's pages, we fill them; the transaction is committed every 32 MiB and before the map
//   must grow. commit: last transaction, one sync, then the file is read again: structure, every value against its
//   checksum at the time of the put (a damaged buffer, a lying disk), and the checksum table is written beside it.
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "store/crctable.h"
#include "store/disk.h"
#include "store/file.h"
#include "store/file_priv.h"

#define COMMIT_BYTES (32u << 20) // bounds the memory that unwritten pages take
#define SPARE_PAGES  256u        // room for the tree's own pages in the estimate of what is used
#define MIN_MAP      (1u << 20)

struct put {
	uint8_t key[HS_FILE_KEY];
	uint32_t crc;
	size_t len;
};

struct hs_file_writer {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	char *path;
	size_t psize;
	uint64_t map_bytes, used_bytes, txn_bytes;
	struct put *puts;
	size_t nputs, puts_cap;
	bool failed;
};

static void free_writer(struct hs_file_writer *w)
{
	if (w->txn)
		mdb_txn_abort(w->txn);
	if (w->env)
		mdb_env_close(w->env);
	free(w->puts);
	free(w->path);
	free(w);
}

void hs_file_writer_abort(struct hs_file_writer *w)
{
	if (!w)
		return;
	char *path = w->path;
	w->path = NULL;
	free_writer(w);
	hs_disk_unlink_pair(path);
	free(path);
}

static int begin(struct hs_file_writer *w)
{
	int rc = mdb_txn_begin(w->env, NULL, 0, &w->txn);
	if (rc == 0)
		rc = mdb_dbi_open(w->txn, NULL, 0, &w->dbi);
	w->txn_bytes = 0;
	return rc;
}

static int commit_txn(struct hs_file_writer *w)
{
	MDB_txn *txn = w->txn;
	w->txn = NULL;
	return mdb_txn_commit(txn);
}

static int open_env(struct hs_file_writer *w)
{
	int rc = mdb_env_create(&w->env);
	if (rc == 0)
		rc = mdb_env_set_mapsize(w->env, w->map_bytes);
	if (rc == 0)
		rc = mdb_env_open(w->env, w->path, MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK | MDB_NOTLS, 0600);
	if (rc == 0)
		rc = begin(w);
	MDB_stat st;
	if (rc == 0 && (rc = mdb_env_stat(w->env, &st)) == 0)
		w->psize = st.ms_psize;
	return rc;
}

int hs_file_writer_create(const char *path, uint64_t map_bytes, struct hs_file_writer **ret, struct hs_err *reterr)
{
	struct hs_file_writer *w = hs_array(1, sizeof(*w));
	if (!w || !(w->path = strdup(path))) {
		free(w);
		return hs_err_nomem(reterr, "creating a file of the store");
	}
	// LMDB would open what is there; making it here says whose it is. It takes an empty file for a new one.
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		int rc = hs_disk_fail(reterr, -errno, path, "create it");
		free_writer(w);
		return rc;
	}
	close(fd);
	w->map_bytes = (map_bytes < MIN_MAP ? MIN_MAP : map_bytes) / MIN_MAP * MIN_MAP;
	int rc = open_env(w);
	if (rc != 0) {
		rc = hs_disk_fail_mdb(reterr, rc, path, "create it");
		hs_file_writer_abort(w);
		return rc;
	}
	*ret = w;
	return 0;
}

// There is never a reader, so the map may be replaced between transactions.
static int make_room(struct hs_file_writer *w, size_t value_bytes)
{
	uint64_t need = w->used_bytes + value_bytes + (SPARE_PAGES + w->nputs / 16) * w->psize;
	if (need <= w->map_bytes && w->txn_bytes < COMMIT_BYTES)
		return 0;
	int rc = commit_txn(w);
	if (rc == 0 && need > w->map_bytes) {
		uint64_t grown = (need + need / 2) / MIN_MAP * MIN_MAP + MIN_MAP;
		rc = mdb_env_set_mapsize(w->env, grown);
		if (rc == 0)
			w->map_bytes = grown;
	}
	w->used_bytes += 8 * w->psize; // the tree's pages that the next transaction copies
	return rc == 0 ? begin(w) : rc;
}

static int remember(struct hs_file_writer *w, const uint8_t key[HS_FILE_KEY], const struct hs_span *stored)
{
	if (hs_grow(&w->puts, &w->puts_cap, w->nputs + 1, sizeof(*w->puts)) < 0)
		return ENOMEM;
	struct put *put = &w->puts[w->nputs++];
	memcpy(put->key, key, HS_FILE_KEY);
	put->len = stored->len;
	put->crc = hs_crc32c(0, stored->ptr, stored->len);
	return 0;
}

// The header's own length stands before it: nothing else tells where its padding begins.
static void fill_value(uint8_t *dest, size_t stored, bool header, const void *data, size_t len)
{
	size_t at = 0;
	if (header) {
		uint32_t n = (uint32_t)len;
		uint8_t prefix[HS_FILE_HEADER_PREFIX] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
							 (uint8_t)(n >> 24)};
		memcpy(dest, prefix, sizeof(prefix));
		at = sizeof(prefix);
	}
	if (len)
		memcpy(dest + at, data, len);
	memset(dest + at + len, 0, stored - at - len);
}

static int put_value(struct hs_file_writer *w, const uint8_t key[HS_FILE_KEY], bool header, const void *data,
		     size_t len)
{
	size_t wanted = len + (header ? HS_FILE_HEADER_PREFIX : 0);
	// LMDB keeps values under half a page beside their keys, at odd addresses.
	size_t stored = wanted < w->psize / 2 ? w->psize / 2 : wanted;
	int rc = make_room(w, (stored + 16 + w->psize - 1) / w->psize * w->psize);
	if (rc != 0)
		return rc;
	uint8_t key_copy[HS_FILE_KEY];
	memcpy(key_copy, key, HS_FILE_KEY);
	MDB_val k = {HS_FILE_KEY, key_copy}, v = {stored, NULL};
	rc = mdb_put(w->txn, w->dbi, &k, &v, MDB_RESERVE | MDB_NOOVERWRITE);
	if (rc != 0)
		return rc;
	fill_value(v.mv_data, stored, header, data, len);
	struct hs_span whole = {v.mv_data, stored};
	w->used_bytes += (stored + 16 + w->psize - 1) / w->psize * w->psize;
	w->txn_bytes += stored;
	return remember(w, key, &whole);
}

int hs_file_put(struct hs_file_writer *w, struct hs_file_key key, const void *data, size_t len, struct hs_err *reterr)
{
	if (w->failed)
		return hs_err_set(reterr, HSFEED_EINTERNAL, "%s: an earlier write to it failed", w->path);
	if (len > HS_VALUE_MAX)
		return hs_err_set(reterr, HSFEED_ETOOLONG,
				  "column %d, group %u is %zu bytes long; the store holds values up to 1 GiB",
				  (int)key.column, key.group, len);
	uint8_t bytes[HS_FILE_KEY];
	hs_file_key_bytes(bytes, key);
	int rc = put_value(w, bytes, key.column == HS_COL_HEADER, data, len);
	if (rc == 0)
		return 0;
	w->failed = true;
	if (rc == MDB_KEYEXIST)
		return hs_err_set(reterr, HSFEED_EINTERNAL, "%s: column %d, number %u, group %u is written twice",
				  w->path, (int)key.column, key.number, key.group);
	return hs_disk_fail_mdb(reterr, rc, w->path, "write it");
}

// ---- commit ----

static int compare_puts(const void *a, const void *b)
{
	return memcmp(((const struct put *)a)->key, ((const struct put *)b)->key, HS_FILE_KEY);
}

static int close_synced(struct hs_file_writer *w)
{
	int rc = w->failed ? EIO : commit_txn(w);
	if (rc == 0)
		rc = mdb_env_sync(w->env, 1);
	if (w->txn)
		mdb_txn_abort(w->txn);
	w->txn = NULL;
	mdb_env_close(w->env);
	w->env = NULL;
	return rc;
}

static int compare_with_puts(struct hs_file_writer *w, const struct hs_file *f, struct hs_err *reterr)
{
	if (w->nputs)
		qsort(w->puts, w->nputs, sizeof(*w->puts), compare_puts);
	bool same = hs_file_nvalues(f) == w->nputs;
	for (size_t i = 0; same && i < w->nputs; i++) {
		struct hs_span stored = hs_file_stored(f, i);
		same = memcmp(hs_file_stored_key(f, i), w->puts[i].key, HS_FILE_KEY) == 0 &&
		       stored.len == w->puts[i].len && hs_crc32c(0, stored.ptr, stored.len) == w->puts[i].crc;
	}
	if (same)
		return 0;
	hs_err_set(reterr, HSFEED_ECORRUPT, "%s: what was read back is not what was written", w->path);
	hs_err_hint(reterr, "the disk or the memory may be failing: see the kernel's log (dmesg)");
	return HSFEED_ECORRUPT;
}

static int write_crc(struct hs_file_writer *w, uint64_t *ret_bytes, struct hs_err *reterr)
{
	int fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		int rc = hs_disk_fail(reterr, -errno, w->path, "read it back");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	uint32_t root;
	int rc = hs_crc_write(fd, w->path, (uint64_t)st.st_size, &root, reterr);
	close(fd);
	if (rc == 0)
		*ret_bytes = (uint64_t)st.st_size;
	return rc;
}

int hs_file_writer_commit(struct hs_file_writer *w, uint64_t *ret_bytes, struct hs_err *reterr)
{
	uint64_t bytes = 0;
	struct hs_file *f = NULL;
	int mdb_rc = close_synced(w), rc = 0;
	if (mdb_rc != 0)
		rc = hs_disk_fail_mdb(reterr, mdb_rc, w->path, "write it");
	if (rc == 0)
		rc = write_crc(w, &bytes, reterr);
	if (rc == 0)
		rc = hs_file_open(w->path, 0, &f, reterr);
	if (rc == 0)
		rc = compare_with_puts(w, f, reterr);
	hs_file_close(f);
	if (rc < 0) {
		hs_file_writer_abort(w);
		return rc;
	}
	*ret_bytes = bytes;
	free_writer(w);
	return 0;
}
