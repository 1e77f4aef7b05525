// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

void fx_dir_make(struct fx_dir *dir)
{
	const char *base = getenv("TMPDIR");
	snprintf(dir->path, sizeof(dir->path), "%s/hsfeed-store-XXXXXX", base && strlen(base) < 32 ? base : "/tmp");
	must(mkdtemp(dir->path) != NULL, "mkdtemp");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void fx_dir_remove(struct fx_dir *dir)
{
	nftw(dir->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *fx_path(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	must(vasprintf(&text, fmt, ap) >= 0, "vasprintf");
	va_end(ap);
	return text;
}

uint32_t fx_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

struct hs_id fx_id(unsigned seed)
{
	struct hs_id id;
	uint32_t state = seed * 2654435761u + 1;
	for (size_t i = 0; i < sizeof(id.bytes); i++)
		id.bytes[i] = (uint8_t)fx_random(&state);
	return id;
}

size_t fx_text(unsigned seed, size_t row, char ret_text[256])
{
	static const char *const words[] = {"river", "নদী", "light", "আলো", "winter", "mango", "\xf0\x9f\x8c\xb1",
					    "school"};
	uint32_t state = seed * 31u + (uint32_t)row * 977u;
	size_t len = 0, n = fx_random(&state) % 9;
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(ret_text + len, 256 - len, "%s ", words[fx_random(&state) % 8]);
	return len;
}

size_t fx_ids(unsigned seed, size_t row, uint32_t ret_ids[64])
{
	uint32_t state = seed * 17u + (uint32_t)row * 131u;
	size_t n = fx_random(&state) % 40;
	for (size_t i = 0; i < n; i++)
		ret_ids[i] = fx_random(&state) % FX_VOCAB;
	return n;
}

float fx_value(unsigned seed, size_t row, size_t column)
{
	uint32_t state = seed * 13u + (uint32_t)row * 257u + (uint32_t)column * 7919u;
	return row == 1 && column == 0 ? NAN : (float)fx_random(&state) / 1024 - 4096;
}

// ---- headers ----

static void common(struct hs_wbuf *w, const struct fx_spec *spec, int kind)
{
	struct hs_id id = fx_id(spec->seed);
	hs_w_cstr(w, "format");
	hs_w_uint(w, HS_FORMAT);
	hs_w_cstr(w, "kind");
	hs_w_int(w, kind);
	hs_w_cstr(w, "id");
	hs_w_bin(w, id.bytes, sizeof(id.bytes));
	hs_w_cstr(w, "owner");
	hs_w_uint(w, spec->owner);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, spec->name);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, spec->nrows);
	hs_w_cstr(w, "created_ms");
	hs_w_int(w, spec->created_ms);
	hs_w_cstr(w, "groups");
	hs_w_uint(w, (spec->nrows + HS_GROUP_ROWS - 1) / HS_GROUP_ROWS);
}

void fx_version_header(struct hs_wbuf *w, const struct fx_spec *spec, const char *label_type, unsigned nlabels)
{
	hs_w_map(w, 12);
	common(w, spec, HS_FILE_VERSION);
	hs_w_cstr(w, "label_type");
	hs_w_cstr(w, label_type);
	hs_w_cstr(w, "nlabels");
	hs_w_uint(w, nlabels);
	hs_w_cstr(w, "labels");
	hs_w_array(w, 1);
	hs_w_map(w, 1);
	hs_w_cstr(w, "values");
	hs_w_array(w, 2);
	hs_w_cstr(w, "0");
	hs_w_cstr(w, "1");
	hs_w_cstr(w, "ncells");
	hs_w_uint(w, 1);
}

static void affix(struct hs_wbuf *w, const char *key, uint32_t id)
{
	hs_w_cstr(w, key);
	hs_w_array(w, 1);
	hs_w_array(w, 2);
	hs_w_uint(w, id);
	hs_w_uint(w, 0);
}

static void specials(struct hs_wbuf *w)
{
	static const char *const names[] = {"pad", "unk", "cls", "sep", "mask"};
	hs_w_cstr(w, "specials");
	hs_w_map(w, 5);
	for (int i = 0; i < 5; i++) {
		hs_w_cstr(w, names[i]);
		hs_w_int(w, i == 4 ? -1 : i);
	}
	affix(w, "prefix", 2);
	affix(w, "suffix", 3);
}

void fx_encoding_header(struct hs_wbuf *w, const struct fx_spec *spec, unsigned width, uint32_t table, uint64_t tokens,
			uint64_t max_tokens)
{
	static const char *const flags[] = {"truncate_left", "pad_left"};
	struct hs_id version = fx_id(spec->version_seed);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"width", width},
		{"table", table},
		{"tokens", tokens},
		{"max_tokens", max_tokens},
		{"vocab_size", spec->vocab ? spec->vocab : FX_VOCAB},
		{"text_type", 0},
		{"pad_type", 0},
	};
	hs_w_map(w, 22);
	common(w, spec, HS_FILE_ENCODING);
	hs_w_cstr(w, "version");
	hs_w_bin(w, version.bytes, sizeof(version.bytes));
	hs_w_cstr(w, "role");
	hs_w_cstr(w, spec->role);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
	specials(w);
	for (int i = 0; i < 2; i++) {
		hs_w_cstr(w, flags[i]);
		hs_w_bool(w, false);
	}
}

void fx_array_header(struct hs_wbuf *w, const struct fx_spec *spec, const struct fx_array_shape *shape)
{
	struct hs_id version = fx_id(spec->version_seed);
	hs_w_map(w, 14);
	common(w, spec, HS_FILE_ARRAY);
	hs_w_cstr(w, "version");
	hs_w_bin(w, version.bytes, sizeof(version.bytes));
	hs_w_cstr(w, "array");
	hs_w_cstr(w, spec->role);
	hs_w_cstr(w, "dims");
	hs_w_uint(w, shape->dims);
	hs_w_cstr(w, "columns");
	hs_w_uint(w, shape->columns);
	hs_w_cstr(w, "nan_rows");
	hs_w_uint(w, shape->nan_rows);
	hs_w_cstr(w, "dtype");
	hs_w_cstr(w, shape->dtype);
}

static int put_header(struct hs_file_writer *w, struct hs_wbuf *header, struct hs_err *reterr)
{
	int rc = header->failed
			 ? hs_err_nomem(reterr, "the header")
			 : hs_file_put(w, (struct hs_file_key){HS_COL_HEADER, 0, 0}, header->data, header->len, reterr);
	hs_w_fini(header);
	return rc;
}

static int finish(struct hs_file_writer *w, int rc, struct hs_err *reterr)
{
	uint64_t bytes;
	if (rc == 0)
		return hs_file_writer_commit(w, &bytes, reterr);
	hs_file_writer_abort(w);
	return rc;
}

// ---- whole files ----

struct rows {
	char *text;
	struct hs_span *spans;
	uint32_t *lines, *classes;
};

static bool make_rows(struct rows *r, const struct fx_spec *spec)
{
	*r = (struct rows){malloc(256 * spec->nrows + 1), calloc(spec->nrows + 1, sizeof(struct hs_span)),
			   calloc(spec->nrows + 1, 4), calloc(spec->nrows + 1, 4)};
	if (!r->text || !r->spans || !r->lines || !r->classes)
		return false;
	for (size_t i = 0; i < spec->nrows; i++) {
		char *text = r->text + 256 * i;
		r->spans[i] = (struct hs_span){text, fx_text(spec->seed, i, text)};
		r->lines[i] = (uint32_t)(i + 2);
		r->classes[i] = (uint32_t)(i % 2);
	}
	return true;
}

static void free_rows(struct rows *r)
{
	free(r->text);
	free(r->spans);
	free(r->lines);
	free(r->classes);
}

int fx_write_version(const char *path, const struct fx_spec *spec, struct hs_err *reterr)
{
	struct rows r;
	struct hs_file_writer *w;
	int rc = make_rows(&r, spec) ? hs_file_writer_create(path, 1 << 20, &w, reterr) : hs_err_nomem(reterr, "rows");
	if (rc == 0) {
		struct hs_wbuf header = {0};
		fx_version_header(&header, spec, "class", 1);
		rc = put_header(w, &header, reterr);
		if (rc == 0)
			rc = hs_version_put_rows(w, r.spans, r.lines, spec->nrows, reterr);
		if (rc == 0)
			rc = hs_version_put_labels(w, r.classes, spec->nrows, 4, reterr);
		if (rc == 0)
			rc = hs_version_put_cells(w, 0, r.spans, r.lines, spec->nrows, reterr);
		rc = finish(w, rc, reterr);
	}
	free_rows(&r);
	return rc;
}

static int write_ids(struct hs_file_writer *w, const struct fx_spec *spec, const uint32_t *ids, const uint64_t *ends,
		     const uint32_t *lines, struct hs_err *reterr)
{
	struct hs_wbuf header = {0};
	struct hs_id_rows rows = {ids, ends, spec->nrows, lines};
	struct hs_id_coding coding;
	uint64_t most = 0;
	for (size_t i = 0; i < spec->nrows; i++)
		most = ends[i + 1] - ends[i] > most ? ends[i + 1] - ends[i] : most;
	int rc = hs_encoding_put_ids(w, &rows, &coding, reterr);
	if (rc < 0)
		return rc;
	fx_encoding_header(&header, spec, coding.width, coding.table_len, ends[spec->nrows], most);
	return put_header(w, &header, reterr);
}

int fx_write_encoding(const char *path, const struct fx_spec *spec, struct hs_err *reterr)
{
	uint32_t *ids = calloc(spec->nrows + 1, 64 * 4), *lines = calloc(spec->nrows + 1, 4);
	uint64_t *ends = calloc(spec->nrows + 1, 8);
	struct hs_file_writer *w;
	int rc = ids && lines && ends ? 0 : hs_err_nomem(reterr, "ids");
	for (size_t i = 0; rc == 0 && i < spec->nrows; i++)
		ends[i + 1] = ends[i] + fx_ids(spec->seed, i, ids + ends[i]);
	if (rc == 0)
		rc = hs_file_writer_create(path, 1 << 20, &w, reterr);
	if (rc == 0)
		rc = finish(w, write_ids(w, spec, ids, ends, lines, reterr), reterr);
	free(ids);
	free(lines);
	free(ends);
	return rc;
}

static int put_values(struct hs_file_writer *w, const struct fx_spec *spec, float *group, struct hs_err *reterr)
{
	int rc = 0;
	for (uint32_t g = 0; rc == 0 && g * HS_GROUP_ROWS < spec->nrows; g++) {
		size_t first = g * HS_GROUP_ROWS, n = spec->nrows - first;
		n = n < HS_GROUP_ROWS ? n : HS_GROUP_ROWS;
		for (size_t i = 0; i < n * FX_COLUMNS; i++)
			group[i] = fx_value(spec->seed, first + i / FX_COLUMNS, i % FX_COLUMNS);
		rc = hs_file_put(w, (struct hs_file_key){HS_COL_VALUES, 0, g}, group, n * FX_COLUMNS * 4, reterr);
	}
	return rc;
}

int fx_write_array(const char *path, const struct fx_spec *spec, struct hs_err *reterr)
{
	const struct fx_array_shape shape = {2, FX_COLUMNS, spec->nrows > 1, "float32"};
	float *group = malloc(HS_GROUP_ROWS * FX_COLUMNS * sizeof(*group));
	struct hs_file_writer *w;
	struct hs_wbuf header = {0};
	int rc = group ? hs_file_writer_create(path, 1 << 20, &w, reterr) : hs_err_nomem(reterr, "values");
	if (rc == 0) {
		rc = put_values(w, spec, group, reterr);
		fx_array_header(&header, spec, &shape);
		rc = rc < 0 ? rc : put_header(w, &header, reterr);
		rc = finish(w, rc, reterr);
		hs_w_fini(&header);
	}
	free(group);
	return rc;
}

// ---- stores ----

static void log_line(void *arg, const char *line)
{
	struct fx_store *s = arg;
	size_t len = strlen(s->log);
	snprintf(s->log + len, sizeof(s->log) - len, "%s\n", line);
}

int fx_store_open(struct fx_store *s, bool rebuild, struct hs_err *reterr)
{
	struct hs_store_options options = {
		.state = s->state, .rebuild_catalog = rebuild, .log = log_line, .log_arg = s};
	s->store = NULL;
	s->log[0] = '\0';
	return hs_store_open(&options, &s->store, reterr);
}

static int prepare(struct hs_store *store, const struct fx_spec *file, enum hs_file_kind kind,
		   struct hs_publish_file *ret, struct hs_err *reterr)
{
	*ret = (struct hs_publish_file){.id = fx_id(file->seed), .role = file->role};
	if (hs_store_has(store, file->owner, kind, &ret->id))
		return 0;
	char *path = NULL;
	if (asprintf(&path, "%s/%u-%d", hs_store_tmp(store), file->seed, kind) < 0)
		return hs_err_nomem(reterr, "a path");
	ret->tmp_path = path;
	if (access(path, F_OK) == 0) // two roles with one encoding
		return 0;
	if (kind == HS_FILE_ARRAY)
		return fx_write_array(path, file, reterr);
	return kind == HS_FILE_VERSION ? fx_write_version(path, file, reterr) : fx_write_encoding(path, file, reterr);
}

// An ingest that fails before it publishes removes what it wrote.
static void drop_tmp(struct hs_publish_file *file, int rc)
{
	char crc[256];
	if (file->tmp_path && rc < 0) {
		snprintf(crc, sizeof(crc), "%s.crc", file->tmp_path);
		unlink(file->tmp_path);
		unlink(crc);
	}
	free((char *)file->tmp_path);
}

int fx_publish(struct hs_store *store, const struct fx_publish *p, struct hs_published *ret, struct hs_err *reterr)
{
	struct hs_publish_file encodings[4] = {0};
	struct hs_publish what = {.owner = p->owner, .name = p->name, .encodings = encodings};
	struct fx_spec file = {.seed = p->version_seed,
			       .version_seed = p->version_seed,
			       .owner = p->owner,
			       .name = p->name,
			       .nrows = p->nrows ? p->nrows : 10,
			       .created_ms = 1000 + p->version_seed};
	int rc = prepare(store, &file, HS_FILE_VERSION, &what.version, reterr);
	for (; rc == 0 && what.nencodings < 4 && p->roles[what.nencodings].role; what.nencodings++) {
		file.seed = p->roles[what.nencodings].seed;
		file.role = p->roles[what.nencodings].role;
		file.created_ms = 1000 + file.seed;
		rc = prepare(store, &file, HS_FILE_ENCODING, &encodings[what.nencodings], reterr);
	}
	if (rc == 0)
		rc = hs_store_publish(store, &what, ret, reterr);
	drop_tmp(&what.version, rc);
	for (size_t i = 0; i < 4; i++)
		drop_tmp(&encodings[i], rc);
	return rc;
}

int fx_attach(struct hs_store *store, const struct fx_attach *a, struct hs_published *ret, struct hs_err *reterr)
{
	struct fx_spec file = {.seed = a->seed,
			       .version_seed = a->version_seed,
			       .owner = a->owner,
			       .name = a->name,
			       .role = a->array,
			       .nrows = a->nrows ? a->nrows : 10,
			       .created_ms = 1000 + a->seed};
	struct hs_publish_file array;
	struct hs_publish what = {.owner = a->owner,
				  .name = a->name,
				  .version = {.id = fx_id(a->version_seed)},
				  .arrays = &array,
				  .narrays = 1,
				  .attach = true};
	int rc = prepare(store, &file, HS_FILE_ARRAY, &array, reterr);
	if (rc == 0)
		rc = hs_store_publish(store, &what, ret, reterr);
	drop_tmp(&array, rc);
	return rc;
}

uint8_t *fx_read(const char *path, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	must(fd >= 0 && fstat(fd, &st) == 0, path);
	uint8_t *data = malloc((size_t)st.st_size + 1);
	must(data && read(fd, data, (size_t)st.st_size) == st.st_size, path);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return data;
}

void fx_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, data, len) == (ssize_t)len, path);
	close(fd);
}
