// SPDX-License-Identifier: Apache-2.0
// Ingest and add: what they make, and how they tell it.
#include "ingest/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/known.h"
#include "ingest/load.h"
#include "ingest/make.h"

static void put_made(struct hs_wbuf *w, const struct hs_id *id, const struct hs_made *made)
{
	hs_w_cstr(w, "id");
	hs_w_bin(w, id->bytes, sizeof(id->bytes));
	hs_w_cstr(w, "known");
	hs_w_bool(w, made->known);
	if (made->known)
		return;
	hs_w_cstr(w, "path");
	hs_w_cstr(w, made->path);
	hs_w_cstr(w, "bytes");
	hs_w_uint(w, made->bytes);
}

static void put_result(const struct hs_make *make, struct hs_wbuf *w)
{
	const struct hs_work *work = make->work;
	hs_w_map(w, 3);
	hs_w_cstr(w, "version");
	hs_w_map(w, make->version_file.known ? 3 : 5);
	put_made(w, make->version, &make->version_file);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, make->rows->n);
	hs_w_cstr(w, "encodings");
	hs_w_array(w, (uint32_t)work->job->ntokenizers);
	for (size_t i = 0; i < work->job->ntokenizers; i++) {
		hs_w_map(w, make->encodings[i].known ? 3 : 5);
		hs_w_cstr(w, "role");
		hs_w_cstr(w, work->job->tokenizers[i].role);
		put_made(w, &work->tokenizers[i].id, &make->encodings[i]);
	}
	hs_w_cstr(w, "timings_ms");
	hs_timing_put(&work->timing, w);
}

// Asks what is known and makes the rest.
static int make_all(struct hs_make *make, struct hs_wbuf *w, struct hs_err *reterr)
{
	int64_t since = hs_timing_now();
	int rc = hs_known_ask(make, reterr);
	if (rc == 0)
		rc = hs_make_files(make, reterr);
	hs_timing_add(&make->work->timing, HS_PHASE_TOTAL, since);
	if (rc == 0)
		put_result(make, w);
	return rc;
}

int hs_task_ingest(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr)
{
	int64_t since = hs_timing_now();
	int rc = hs_load_all(work, reterr);
	if (rc < 0)
		return rc;
	hs_timing_add(&work->timing, HS_PHASE_TOTAL, since);
	const struct hs_source *s = &work->load->source;
	struct hs_rows rows = {.n = s->nrows, .lines = s->lines, .texts = s->texts};
	struct hs_make *make = calloc(1, sizeof(*make));
	if (!make)
		return hs_err_nomem(reterr, "beginning");
	make->work = work;
	make->load = work->load;
	make->rows = &rows;
	make->version = &work->load->id;
	rc = make_all(make, w, reterr);
	free(make);
	return rc;
}

// ---- add ----

// The lines of all groups in one array.
static uint32_t *join_lines(const struct hs_version *v)
{
	uint32_t *lines = hs_array(v->nrows, sizeof(*lines));
	for (size_t g = 0; lines && g < v->ngroups; g++) {
		size_t begin = g * HS_GROUP_ROWS;
		size_t n = v->nrows - begin < HS_GROUP_ROWS ? v->nrows - begin : HS_GROUP_ROWS;
		memcpy(lines + begin, v->lines[g], n * sizeof(*lines));
	}
	return lines;
}

static int add_to(struct hs_work *work, const struct hs_version *version, struct hs_wbuf *w, struct hs_err *reterr)
{
	const struct hs_id *id = hs_file_get_id(version->file);
	uint32_t *lines = join_lines(version);
	struct hs_make *make = calloc(1, sizeof(*make));
	struct hs_rows rows = {.n = version->nrows, .lines = lines, .version = version};
	int rc = lines && make ? hs_load_tokenizers(work, id, reterr) : hs_err_nomem(reterr, "beginning");
	if (rc == 0) {
		make->work = work;
		make->rows = &rows;
		make->version = id;
		rc = make_all(make, w, reterr);
	}
	free(make);
	free(lines);
	return rc;
}

int hs_task_add(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr)
{
	struct hs_file *file;
	struct hs_version *version;
	int64_t since = hs_timing_now();
	int rc = hs_file_open(work->job->version_path, work->job->version_crc, &file, reterr);
	if (rc < 0)
		return rc;
	rc = hs_version_open(file, &version, reterr);
	hs_timing_add(&work->timing, HS_PHASE_LOAD, since);
	if (rc == 0) {
		rc = add_to(work, version, w, reterr);
		hs_version_close(version);
	}
	hs_file_close(file);
	return rc;
}
