// SPDX-License-Identifier: Apache-2.0
#include "ingest/make.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/parallel.h"
#include "ingest/header.h"

#define AT_ONCE 3 // files under way

// One of the files to be made.
struct item {
	struct hs_made *made;
	const struct hs_tokenizer *tokenizer; // NULL: the version's file
};

struct making {
	struct hs_make *make;
	struct item items[1 + HS_INGEST_MAX_TOKENIZERS];
	size_t nitems;
	struct hs_err errs[1 + HS_INGEST_MAX_TOKENIZERS]; // each task writes its own
	uint64_t rows_to_encode;
	_Atomic uint64_t rows_encoded, files_written;
};

// ---- one file ----

int hs_make_name(struct hs_channel *channel, const struct hs_job *job, const char *what, struct hs_made *made,
		 struct hs_err *reterr)
{
	int n = snprintf(made->path, sizeof(made->path), "%s/%s-%s.mdb", job->tmp, job->prefix, what);
	if (n < 0 || (size_t)n + sizeof("-lock") > sizeof(made->path))
		return hs_err_set(reterr, -ENAMETOOLONG, "%s: the name of a file in it would be too long", job->tmp);
	return hs_channel_own(channel, made->path) < 0 ? hs_err_nomem(reterr, "beginning a file") : 0;
}

static int put_header(struct hs_file_writer *w, struct hs_wbuf *header, int rc, struct hs_err *reterr)
{
	if (rc < 0)
		return hs_err_nomem(reterr, "writing a header");
	return hs_file_put(w, (struct hs_file_key){HS_COL_HEADER, 0, 0}, header->data, header->len, reterr);
}

// Commits, or throws away what a failure left; the writer is gone either way.
static int finish(struct hs_file_writer *w, int rc, struct hs_made *made, struct hs_err *reterr)
{
	if (rc < 0) {
		hs_file_writer_abort(w);
		return rc;
	}
	return hs_file_writer_commit(w, &made->bytes, reterr);
}

// ---- the version's ----

static const void *labels_of(const struct hs_source *s, size_t *ret_row_bytes)
{
	*ret_row_bytes = s->nlabels * (s->label_classes ? sizeof(*s->classes) : sizeof(*s->floats));
	return s->label_classes ? (const void *)s->classes : (const void *)s->floats;
}

static int put_version(struct hs_file_writer *w, const struct hs_source *s, struct hs_err *reterr)
{
	size_t row_bytes;
	const void *labels = labels_of(s, &row_bytes);
	int rc = row_bytes > 0 ? hs_version_put_labels(w, labels, s->nrows, row_bytes, reterr) : 0;
	if (rc == 0)
		rc = hs_version_put_rows(w, s->texts, s->lines, s->nrows, reterr);
	for (size_t i = 0; i < s->nothers && rc == 0; i++)
		rc = hs_version_put_cells(w, (uint16_t)i, s->others[i].cells, s->lines, s->nrows, reterr);
	return rc;
}

static int find_duplicates(struct hs_make *make, struct hs_duplicates *ret, struct hs_err *reterr)
{
	const struct hs_source *s = &make->load->source;
	struct hs_duplicates_in in = {
		.nrows = s->nrows, .texts = s->texts, .lines = s->lines, .threads = make->work->job->threads};
	int64_t since = hs_timing_now();
	in.labels = labels_of(s, &in.row_bytes);
	int rc = hs_duplicates_find(&in, ret, reterr);
	hs_timing_add(&make->work->timing, HS_PHASE_DUPLICATES, since);
	return rc;
}

static int write_version(struct hs_make *make, const struct hs_duplicates *duplicates, struct hs_err *reterr)
{
	const struct hs_load *load = make->load;
	uint64_t estimate = load->file.len + load->file.len / 4 + load->source.nrows * 64 + (1u << 20);
	struct hs_wbuf header = {.len = 0};
	struct hs_file_writer *w;
	int rc = hs_file_writer_create(make->version_file.path, estimate, &w, reterr);
	if (rc < 0)
		return rc;
	rc = put_header(w, &header, hs_header_version(make->work, load, duplicates, &header), reterr);
	if (rc == 0)
		rc = put_version(w, &load->source, reterr);
	hs_w_fini(&header);
	return finish(w, rc, &make->version_file, reterr);
}

static int make_version(struct hs_make *make, struct hs_err *reterr)
{
	struct hs_duplicates duplicates;
	if (make->load->source.nothers > UINT16_MAX)
		return hs_err_set(reterr, HSFEED_ELIMIT, "%s has more than %u columns", make->work->job->file_name,
				  UINT16_MAX);
	int rc = hs_make_name(make->work->channel, make->work->job, "version", &make->version_file, reterr);
	if (rc == 0)
		rc = find_duplicates(make, &duplicates, reterr);
	if (rc < 0)
		return rc;
	int64_t since = hs_timing_now();
	rc = write_version(make, &duplicates, reterr);
	hs_timing_add(&make->work->timing, HS_PHASE_WRITE_VERSION, since);
	return rc;
}

// ---- an encoding's ----

static void on_rows(void *arg, size_t rows)
{
	struct making *m = arg;
	uint64_t done = atomic_fetch_add(&m->rows_encoded, rows) + rows;
	hs_channel_progress(m->make->work->channel, HS_STAGE_TOKENIZE, done, m->rows_to_encode);
}

static int write_encoding(struct hs_make *make, const struct item *item, const struct hs_encoded *encoded,
			  const struct hs_advice *advice, struct hs_err *reterr)
{
	uint64_t estimate = encoded->tokens * 4 + encoded->nrows * 4 + (1u << 20);
	struct hs_header_encoding_in in = {.work = make->work,
					   .tokenizer = item->tokenizer,
					   .version = make->version,
					   .encoded = encoded,
					   .advice = advice};
	struct hs_wbuf header = {.len = 0};
	struct hs_file_writer *w;
	int rc = hs_file_writer_create(item->made->path, estimate, &w, reterr);
	if (rc < 0)
		return rc;
	struct hs_id_rows rows = {encoded->ids, encoded->row_ends, encoded->nrows, make->rows->lines};
	struct hs_id_coding coding = {0};
	rc = hs_encoding_put_ids(w, &rows, &coding, reterr);
	in.width = coding.width;
	in.table_len = coding.table_len;
	if (rc == 0)
		rc = put_header(w, &header, hs_header_encoding(&in, &header), reterr);
	hs_w_fini(&header);
	return finish(w, rc, item->made, reterr);
}

// Tokenizes into *ret (the caller's to free on success) and looks whether a normalisation should be advised.
static int encode(struct making *m, const struct hs_tokenizer *t, struct hs_encoded *ret, struct hs_advice *ret_advice,
		  struct hs_err *reterr)
{
	struct hs_work *work = m->make->work;
	struct hs_encode in = {.tok = t->tok,
			       .info = t->info,
			       .normalize = t->job->normalize,
			       .rows = m->make->rows,
			       .threads = work->job->threads,
			       .progress = on_rows,
			       .arg = m};
	int64_t since = hs_timing_now();
	int rc = hs_encode_rows(&in, ret, reterr);
	hs_timing_add(&work->timing, HS_PHASE_TOKENIZE, since);
	if (rc < 0)
		return rc;
	since = hs_timing_now();
	rc = hs_advice_find(&in, ret, ret_advice, reterr);
	hs_timing_add(&work->timing, HS_PHASE_ADVICE, since);
	if (rc < 0)
		hs_encoded_fini(ret);
	return rc;
}

static int make_encoding(struct making *m, const struct item *item, struct hs_err *reterr)
{
	struct hs_work *work = m->make->work;
	struct hs_encoded encoded;
	struct hs_advice advice;
	char what[32];
	snprintf(what, sizeof(what), "encoding%zu", (size_t)(item->tokenizer - work->tokenizers));
	int rc = hs_make_name(work->channel, work->job, what, item->made, reterr);
	if (rc == 0)
		rc = encode(m, item->tokenizer, &encoded, &advice, reterr);
	if (rc < 0)
		return rc;
	int64_t since = hs_timing_now();
	rc = write_encoding(m->make, item, &encoded, &advice, reterr);
	hs_timing_add(&work->timing, HS_PHASE_WRITE_ENCODING, since);
	hs_encoded_fini(&encoded);
	return rc;
}

// ---- all ----

static int make_item(void *arg, size_t i)
{
	struct making *m = arg;
	const struct item *item = &m->items[i];
	int rc = item->tokenizer ? make_encoding(m, item, &m->errs[i]) : make_version(m->make, &m->errs[i]);
	if (rc == 0)
		hs_channel_progress(m->make->work->channel, HS_STAGE_WRITE, atomic_fetch_add(&m->files_written, 1) + 1,
				    m->nitems);
	return rc;
}

static void list_items(struct making *m)
{
	struct hs_make *make = m->make;
	if (make->load && !make->version_file.known)
		m->items[m->nitems++] = (struct item){.made = &make->version_file};
	for (size_t i = 0; i < make->work->job->ntokenizers; i++) {
		if (make->encodings[i].known)
			continue;
		m->items[m->nitems++] =
			(struct item){.made = &make->encodings[i], .tokenizer = &make->work->tokenizers[i]};
		m->rows_to_encode += make->rows->n;
	}
}

int hs_make_files(struct hs_make *make, struct hs_err *reterr)
{
	struct making *m = calloc(1, sizeof(*m));
	if (!m)
		return hs_err_nomem(reterr, "making files");
	m->make = make;
	list_items(m);
	int rc = hs_parallel(AT_ONCE, m->nitems, make_item, m);
	for (size_t i = 0; i < m->nitems && rc < 0; i++) {
		if (m->errs[i].code == 0)
			continue;
		*reterr = m->errs[i];
		rc = reterr->code;
		break;
	}
	free(m);
	return rc;
}
