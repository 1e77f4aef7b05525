// SPDX-License-Identifier: Apache-2.0
// Opening a file: checksums by pread (a bad sector is an error, not a signal), our own walk over LMDB's pages (LMDB
// follows damaged numbers out of the map), then LMDB's map of exactly the file and one read transaction for its life.
// All values are found once and kept in a table sorted by key: a look-up touches no B-tree, and any number of threads
// may do it.
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "store/crctable.h"
#include "store/disk.h"
#include "store/file_priv.h"
#include "store/pages.h"
#include "wire/wire.h"

// A header holds reports and label maps: generous, but a bound.
static const struct hs_wire_limits header_limits = {.max_depth = 16, .max_items = 1u << 20};

struct value {
	const uint8_t *key; // HS_FILE_KEY bytes in the map
	struct hs_span stored;
};

struct hs_file {
	char *path;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	uint64_t bytes, rows;
	uint32_t crc_root;
	struct value *values;
	size_t nvalues;
	struct hs_span header;
	enum hs_file_kind kind;
	struct hs_id id;
	void *holder;
};

void hs_id_hex(const struct hs_id *id, char ret_text[HS_ID_HEX])
{
	hs_hex(id->bytes, sizeof(id->bytes), ret_text);
}

const char *hs_file_kind_name(enum hs_file_kind kind)
{
	static const char *const names[] = {
		[HS_FILE_VERSION] = "version", [HS_FILE_ENCODING] = "encoding", [HS_FILE_ARRAY] = "array"};
	return names[kind];
}

bool hs_id_eq(const struct hs_id *a, const struct hs_id *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void hs_file_key_bytes(uint8_t ret_key[HS_FILE_KEY], struct hs_file_key key)
{
	uint16_t n = key.number;
	uint32_t g = key.group;
	uint8_t bytes[HS_FILE_KEY] = {(uint8_t)key.column, (uint8_t)(n >> 8), (uint8_t)n, (uint8_t)(g >> 24),
				      (uint8_t)(g >> 16),  (uint8_t)(g >> 8), (uint8_t)g};
	memcpy(ret_key, bytes, sizeof(bytes));
}

void hs_file_rest(const struct hs_file *f)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = UINTPTR_MAX, end = 0; // LMDB tells no address
	for (size_t i = 0; i < f->nvalues; i++) {
		uintptr_t at = (uintptr_t)f->values[i].stored.ptr;
		begin = at < begin ? at : begin;
		end = at + f->values[i].stored.len > end ? at + f->values[i].stored.len : end;
	}
	begin -= begin % page;
	if (begin < end)
		madvise((void *)begin, end - begin, MADV_DONTNEED);
}

const char *hs_file_path(const struct hs_file *f)
{
	return f->path;
}
uint64_t hs_file_bytes(const struct hs_file *f)
{
	return f->bytes;
}
enum hs_file_kind hs_file_get_kind(const struct hs_file *f)
{
	return f->kind;
}
const struct hs_id *hs_file_get_id(const struct hs_file *f)
{
	return &f->id;
}
struct hs_span hs_file_header(const struct hs_file *f)
{
	return f->header;
}
size_t hs_file_nvalues(const struct hs_file *f)
{
	return f->nvalues;
}
const uint8_t *hs_file_stored_key(const struct hs_file *f, size_t i)
{
	return f->values[i].key;
}
struct hs_span hs_file_stored(const struct hs_file *f, size_t i)
{
	return f->values[i].stored;
}
uint32_t hs_file_crc_root(const struct hs_file *f)
{
	return f->crc_root;
}
uint64_t hs_file_rows(const struct hs_file *f)
{
	return f->rows;
}
void hs_file_set_holder(struct hs_file *f, void *holder)
{
	f->holder = holder;
}
void *hs_file_get_holder(const struct hs_file *f)
{
	return f->holder;
}

int hs_file_damaged(const struct hs_file *f, struct hs_err *reterr, const char *fmt, ...)
{
	char what[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	hs_err_set(reterr, HSFEED_ECORRUPT, "%s: %s", f->path, what);
	hs_err_hint(
		reterr,
		"ingest the source again, after hsfeed rm of this version; the other files are not touched by this");
	return HSFEED_ECORRUPT;
}

void hs_file_close(struct hs_file *f)
{
	if (!f)
		return;
	if (f->txn)
		mdb_txn_abort(f->txn);
	if (f->env)
		mdb_env_close(f->env);
	free(f->values);
	free(f->path);
	free(f);
}

// ---- structure ----

static const char *check_item(void *arg, const struct hs_pages_item *item)
{
	size_t *count = arg;
	if (item->key_len != HS_FILE_KEY)
		return "a key has the wrong length";
	if (!item->big)
		return "a value is not aligned";
	(*count)++;
	return NULL;
}

static int check_structure(struct hs_file *f, int fd, struct hs_err *reterr)
{
	void *map = mmap(NULL, f->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return hs_disk_fail(reterr, -errno, f->path, "map it");
	struct hs_pages pages;
	const char *fault = hs_pages_open(&pages, map, f->bytes, HS_PAGES_NOSUBDIR);
	if (!fault && (pages.metas[pages.newest].last_page + 1) * pages.psize != f->bytes)
		fault = "its length is not what its pages say";
	if (!fault)
		fault = hs_pages_walk(&pages, pages.newest, check_item, &f->nvalues);
	munmap(map, f->bytes);
	if (fault == hs_pages_no_memory)
		return hs_err_nomem(reterr, "checking a file");
	return fault ? hs_file_damaged(f, reterr, "%s", fault) : 0;
}

// ---- LMDB's map ----

static int open_map(struct hs_file *f)
{
	int rc = mdb_env_create(&f->env);
	// Without this LMDB maps as much as the writer once did.
	if (rc == 0)
		rc = mdb_env_set_mapsize(f->env, f->bytes);
	if (rc == 0)
		rc = mdb_env_open(f->env, f->path, MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR | MDB_NOTLS, 0);
	if (rc == 0)
		rc = mdb_txn_begin(f->env, NULL, MDB_RDONLY, &f->txn);
	if (rc == 0)
		rc = mdb_dbi_open(f->txn, NULL, 0, &f->dbi);
	return rc;
}

static int same_file(struct hs_file *f, int fd)
{
	mdb_filehandle_t mapped;
	struct stat a, b;
	if (mdb_env_get_fd(f->env, &mapped) != 0 || fstat(mapped, &a) < 0 || fstat(fd, &b) < 0)
		return EIO;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size ? 0 : MDB_INVALID;
}

static int find_values(struct hs_file *f)
{
	size_t expected = f->nvalues, n = 0;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(f->txn, f->dbi, &cursor);
	if (rc != 0)
		return rc;
	f->values = hs_array(expected, sizeof(*f->values));
	if (!f->values)
		rc = ENOMEM;
	while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		if (n == expected || key.mv_size != HS_FILE_KEY)
			rc = MDB_CORRUPTED;
		else
			f->values[n++] = (struct value){key.mv_data, {value.mv_data, value.mv_size}};
	}
	mdb_cursor_close(cursor);
	if (rc == MDB_NOTFOUND)
		rc = n == expected ? 0 : MDB_CORRUPTED;
	return rc;
}

// ---- the header ----

static int compare_key(const void *key, const void *value)
{
	return memcmp(key, ((const struct value *)value)->key, HS_FILE_KEY);
}

static const struct value *find(const struct hs_file *f, enum hs_column column, uint16_t number, uint32_t group)
{
	uint8_t key[HS_FILE_KEY];
	hs_file_key_bytes(key, (struct hs_file_key){column, number, group});
	return bsearch(key, f->values, f->nvalues, sizeof(*f->values), compare_key);
}

int hs_file_get(const struct hs_file *f, enum hs_column column, uint16_t number, uint32_t group, struct hs_span *ret)
{
	const struct value *value = find(f, column, number, group);
	if (!value)
		return HSFEED_ENOTFOUND;
	*ret = column == HS_COL_HEADER ? f->header : value->stored;
	return 0;
}

static bool strip_header(struct hs_span stored, struct hs_span *ret)
{
	uint8_t n[HS_FILE_HEADER_PREFIX];
	memcpy(n, stored.ptr, sizeof(n));
	size_t len = (size_t)n[0] | (size_t)n[1] << 8 | (size_t)n[2] << 16 | (size_t)n[3] << 24;
	if (len > stored.len - sizeof(n))
		return false;
	*ret = (struct hs_span){stored.ptr + sizeof(n), len};
	return true;
}

static int read_header(struct hs_file *f, struct hs_err *reterr)
{
	const struct value *value = find(f, HS_COL_HEADER, 0, 0);
	size_t offset;
	if (!value || value->stored.len < HS_FILE_HEADER_PREFIX || !strip_header(value->stored, &f->header))
		return hs_file_damaged(f, reterr, "it has no header");
	const char *fault = hs_wire_check(f->header.ptr, f->header.len, &header_limits, &offset);
	if (fault)
		return hs_file_damaged(f, reterr, "its header is not well-formed: %s", fault);
	struct hs_rbuf map = {(const uint8_t *)f->header.ptr, (const uint8_t *)f->header.ptr + f->header.len};
	uint64_t format, kind;
	const void *id;
	size_t id_len;
	if (!hs_r_get_uint(map, "format", &format))
		return hs_file_damaged(f, reterr, "its header has no format");
	if (format != HS_FORMAT) {
		hs_err_set(reterr, HSFEED_EFOREIGN, "%s: it is of format %llu; this hsfeedd reads format %d", f->path,
			   (unsigned long long)format, HS_FORMAT);
		hs_err_hint(reterr, "use the hsfeedd that wrote it, or a newer one");
		return HSFEED_EFOREIGN;
	}
	if (!hs_r_get_uint(map, "kind", &kind) || kind < HS_FILE_VERSION || kind > HS_FILE_LAST_KIND)
		return hs_file_damaged(f, reterr, "its header names no known kind");
	if (!hs_r_get_bin(map, "id", &id, &id_len) || id_len != sizeof(f->id.bytes) ||
	    !hs_r_get_uint(map, "rows", &f->rows))
		return hs_file_damaged(f, reterr, "its header has no id or no rows");
	f->kind = (enum hs_file_kind)kind;
	memcpy(f->id.bytes, id, sizeof(f->id.bytes));
	return 0;
}

// ---- opening ----

static int open_regular(const char *path, int *ret_fd, struct hs_err *reterr)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc = fd < 0 || fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (rc == 0) {
		*ret_fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	return hs_disk_fail(reterr, rc, path, "open it");
}

static int open_checked(struct hs_file *f, int fd, uint32_t crc_root, struct hs_err *reterr)
{
	struct hs_crc_job job = {.fd = fd, .path = f->path, .root = crc_root};
	struct hs_crc_result checked;
	int rc = hs_crc_check(&job, &checked, reterr);
	if (rc < 0)
		return rc;
	f->bytes = checked.len;
	f->crc_root = checked.root;
	rc = check_structure(f, fd, reterr);
	if (rc < 0)
		return rc;
	int mdb_rc = open_map(f);
	if (mdb_rc == 0)
		mdb_rc = same_file(f, fd);
	if (mdb_rc == 0)
		mdb_rc = find_values(f);
	if (mdb_rc != 0)
		return hs_disk_fail_mdb(reterr, mdb_rc, f->path, "open it");
	return read_header(f, reterr);
}

int hs_file_open(const char *path, uint32_t crc_root, struct hs_file **ret, struct hs_err *reterr)
{
	int fd = -1;
	struct hs_file *f = hs_array(1, sizeof(*f));
	if (!f || !(f->path = strdup(path))) {
		free(f);
		return hs_err_nomem(reterr, "opening a file of the store");
	}
	int rc = open_regular(path, &fd, reterr);
	if (rc == 0) {
		rc = open_checked(f, fd, crc_root, reterr);
		close(fd);
	}
	if (rc < 0) {
		hs_file_close(f);
		return rc;
	}
	*ret = f;
	return 0;
}

int hs_file_check(const char *path, uint32_t crc_root, void (*progress)(void *arg, uint64_t done), void *arg,
		  struct hs_err *reterr)
{
	struct hs_crc_job job = {.fd = -1, .path = path, .root = crc_root, .progress = progress, .arg = arg};
	struct hs_crc_result checked;
	int rc = open_regular(path, &job.fd, reterr);
	if (rc < 0)
		return rc;
	rc = hs_crc_check(&job, &checked, reterr);
	close(job.fd);
	return rc;
}
