// SPDX-License-Identifier: Apache-2.0
// An array for a version: read group by group, converted, checked, digested and written, in the memory of one group.
//
//   file    | offset | row 0 | row 1 | ... | row n - 1 |     float16, float32 or float64, and nothing behind
//   store   HS_GROUP_ROWS rows of float32 a value
//
// Its id is known only when all was read: the daemon sees whether it has that array already.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sha256.h"
#include "ingest/make.h"
#include "ingest/slurp.h"
#include "ingest/tasks.h"
#include "store/attached.h"

#define CHUNK (1u << 20) // bytes read at a time

struct attaching {
	struct hs_work *work;
	const struct hs_job_array *a;
	struct hs_file_writer *w;
	struct hs_sha256 *digest;
	void *raw;    // [CHUNK] as read
	float *group; // values of one group
	struct hs_made made;
	struct hs_id id;
	uint64_t done, total;        // bytes
	uint64_t nan_rows, next_row; // next_row: the first that has no NaN yet
};

static const char *file_name(const struct attaching *t)
{
	return t->work->job->file_name;
}

static uint64_t row_bytes(const struct hs_job_array *a)
{
	return a->columns * hs_floats_bytes(a->dtype);
}

// ---- values ----

static int refuse(const struct attaching *t, uint64_t item, const char *what, struct hs_err *reterr)
{
	unsigned long long row = item / t->a->columns, column = item % t->a->columns;
	if (t->a->dims == 1)
		return hs_err_set(reterr, HSFEED_EBADARRAY, "%s: row %llu is %s", file_name(t), row, what);
	return hs_err_set(reterr, HSFEED_EBADARRAY, "%s: row %llu, column %llu is %s", file_name(t), row, column, what);
}

// One number that is not finite as float32; `i` counts in the chunk, `item` in the array.
static int judge(struct attaching *t, const float *values, size_t i, uint64_t item, struct hs_err *reterr)
{
	uint64_t row = item / t->a->columns;
	if (values[i] == values[i]) {
		if (hs_floats_is_finite(t->a->dtype, t->raw, i)) {
			refuse(t, item, "larger than a float32 can be", reterr);
			return hs_err_hint(reterr, "scale the values; what is stored is float32");
		}
		refuse(t, item, "infinite", reterr);
		return hs_err_hint(reterr, "infinite values are never stored: a loss over them is NaN");
	}
	if (!t->a->nan) {
		refuse(t, item, "NaN", reterr);
		return hs_err_hint(reterr, "say that NaN is meant: --nan allow");
	}
	if (row >= t->next_row) {
		t->nan_rows++;
		t->next_row = row + 1;
	}
	return 0;
}

static int take(struct attaching *t, float *values, size_t n, uint64_t first, struct hs_err *reterr)
{
	if (hs_floats_read(t->a->dtype, t->raw, n, values))
		return 0;
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (!(values[i] - values[i] == 0)) // infinite or NaN
			rc = judge(t, values, i, first + i, reterr);
	}
	return rc;
}

static int read_chunk(struct attaching *t, uint64_t first, size_t n, float *values, struct hs_err *reterr)
{
	size_t bytes = n * hs_floats_bytes(t->a->dtype), got = 0;
	uint64_t at = t->a->offset + first * hs_floats_bytes(t->a->dtype);
	int rc = hs_slurp_at(t->work->job->source, t->raw, bytes, at, &got);
	if (rc < 0)
		return hs_err_set(reterr, rc, "%s: reading at byte %llu: %s", file_name(t), (unsigned long long)at,
				  strerror(-rc));
	if (got < bytes)
		return hs_slurp_changed(file_name(t), reterr);
	t->done += bytes;
	hs_channel_progress(t->work->channel, HS_STAGE_READ, t->done, t->total);
	return take(t, values, n, first, reterr);
}

static int write_group(struct attaching *t, uint32_t group, struct hs_err *reterr)
{
	uint64_t first = (uint64_t)group * HS_GROUP_ROWS, left = t->a->rows - first;
	size_t n = (size_t)(left < HS_GROUP_ROWS ? left : HS_GROUP_ROWS) * t->a->columns;
	size_t most = CHUNK / hs_floats_bytes(t->a->dtype);
	int rc = 0;
	for (size_t at = 0; at < n && rc == 0; at += most)
		rc = read_chunk(t, first * t->a->columns + at, n - at < most ? n - at : most, t->group + at, reterr);
	if (rc == 0 && hs_sha256_update(t->digest, t->group, n * sizeof(float)) < 0)
		rc = hs_err_nomem(reterr, "computing a digest");
	return rc < 0 ? rc
		      : hs_file_put(t->w, (struct hs_file_key){HS_COL_VALUES, 0, group}, t->group, n * sizeof(float),
				    reterr);
}

// ---- the file ----

static void fill_header(const struct attaching *t, struct hs_wbuf *w)
{
	const struct hs_job *job = t->work->job;
	const struct hs_job_array *a = t->a;
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {{"format", HS_FORMAT},
		       {"kind", HS_FILE_ARRAY},
		       {"owner", job->owner},
		       {"rows", a->rows},
		       {"groups", (a->rows + HS_GROUP_ROWS - 1) / HS_GROUP_ROWS},
		       {"created_ms", (uint64_t)hs_now_ms()},
		       {"dims", a->dims},
		       {"columns", a->columns},
		       {"nan_rows", t->nan_rows}};
	const char *const words[][2] = {
		{"name", job->name}, {"array", a->array}, {"dtype", "float32"}, {"from", hs_floats_name(a->dtype)}};
	const size_t nnumbers = sizeof(numbers) / sizeof(numbers[0]), nwords = sizeof(words) / sizeof(words[0]);
	hs_w_map(w, (uint32_t)(nnumbers + nwords + 2));
	for (size_t i = 0; i < nnumbers; i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
	for (size_t i = 0; i < nwords; i++) {
		hs_w_cstr(w, words[i][0]);
		hs_w_cstr(w, words[i][1]);
	}
	hs_w_cstr(w, "id");
	hs_w_bin(w, t->id.bytes, sizeof(t->id.bytes));
	hs_w_cstr(w, "version");
	hs_w_bin(w, a->version.bytes, sizeof(a->version.bytes));
}

static int write_header(struct attaching *t, struct hs_err *reterr)
{
	struct hs_wbuf w = {.len = 0};
	if (hs_sha256_finish(t->digest, t->id.bytes) < 0)
		return hs_err_nomem(reterr, "computing a digest");
	fill_header(t, &w);
	int rc = w.failed ? hs_err_nomem(reterr, "writing a header")
			  : hs_file_put(t->w, (struct hs_file_key){HS_COL_HEADER, 0, 0}, w.data, w.len, reterr);
	hs_w_fini(&w);
	return rc;
}

static int write_groups(struct attaching *t, struct hs_err *reterr)
{
	struct stat before;
	int rc = 0;
	if (fstat(t->work->job->source, &before) < 0)
		return hs_err_set(reterr, -errno, "%s: %s", file_name(t), strerror(errno));
	if ((uint64_t)before.st_size < t->a->offset || (uint64_t)before.st_size - t->a->offset != t->total)
		return hs_err_set(reterr, HSFEED_EBADARRAY,
				  "%s: it holds %lld bytes of values; %llu row(s) of %u %s number(s) are %llu",
				  file_name(t), (long long)before.st_size - (long long)t->a->offset,
				  (unsigned long long)t->a->rows, t->a->columns, hs_floats_name(t->a->dtype),
				  (unsigned long long)t->total);
	for (uint32_t group = 0; (uint64_t)group * HS_GROUP_ROWS < t->a->rows && rc == 0; group++)
		rc = write_group(t, group, reterr);
	return rc < 0 ? rc : hs_slurp_check(t->work->job->source, file_name(t), &before, reterr);
}

static int write_file(struct attaching *t, struct hs_err *reterr)
{
	int rc = write_groups(t, reterr);
	if (rc == 0)
		rc = write_header(t, reterr);
	if (rc < 0) {
		hs_file_writer_abort(t->w);
		return rc;
	}
	hs_channel_progress(t->work->channel, HS_STAGE_WRITE, 0, 1);
	return hs_file_writer_commit(t->w, &t->made.bytes, reterr);
}

static int begin(struct attaching *t, struct hs_err *reterr)
{
	const struct hs_job_array *a = t->a;
	struct hs_attached_shape shape = {a->version, a->array, a->rows, a->dims, a->columns};
	uint64_t rows = a->rows < HS_GROUP_ROWS ? a->rows : HS_GROUP_ROWS;
	uint64_t estimate = a->rows * a->columns * sizeof(float) + (4u << 20);
	t->raw = malloc(CHUNK);
	t->group = hs_array((size_t)rows * a->columns, sizeof(float));
	if (!t->raw || !t->group || hs_attached_id_begin(&shape, &t->digest) < 0)
		return hs_err_nomem(reterr, "attaching an array");
	int rc = hs_make_name(t->work->channel, t->work->job, "array", &t->made, reterr);
	return rc < 0 ? rc : hs_file_writer_create(t->made.path, estimate, &t->w, reterr);
}

static void put_result(const struct attaching *t, struct hs_wbuf *w)
{
	hs_w_map(w, 4);
	hs_w_cstr(w, "id");
	hs_w_bin(w, t->id.bytes, sizeof(t->id.bytes));
	hs_w_cstr(w, "path");
	hs_w_cstr(w, t->made.path);
	hs_w_cstr(w, "bytes");
	hs_w_uint(w, t->made.bytes);
	hs_w_cstr(w, "nan_rows");
	hs_w_uint(w, t->nan_rows);
}

int hs_task_attach(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr)
{
	struct attaching t = {.work = work, .a = &work->job->array};
	t.total = t.a->rows * row_bytes(t.a);
	int rc = begin(&t, reterr);
	if (rc == 0)
		rc = write_file(&t, reterr);
	if (rc == 0)
		put_result(&t, w);
	hs_sha256_destroy(t.digest);
	free(t.raw);
	free(t.group);
	return rc;
}
