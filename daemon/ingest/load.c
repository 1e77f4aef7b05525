// SPDX-License-Identifier: Apache-2.0
// Happy path on two cores (44,000 rows, one tokenizer):
//
//   thread 1   read -> parse --------------> ids
//   thread 2   read and compile tokenizer -^
//   thread 3        -> SHA-256 ------------^
//
// Parsing before the daemon is asked whether the version is known costs a repeated ingest some milliseconds, hidden
// behind the digest, and lets identities hold what was resolved (delimiter, text column, label type) in place of what
// was asked.
#include "ingest/load.h"

#include <stdlib.h>

#include "base/parallel.h"

// Tasks write their own error, so that the one that counts can be chosen afterwards.
struct loading {
	struct hs_work *work;
	struct hs_load *load; // NULL: tokenizers only
	struct hs_err digest_err;
	struct hs_err errs[1 + HS_INGEST_MAX_TOKENIZERS]; // source, tokenizers
};

static int parse(struct loading *l)
{
	struct hs_work *w = l->work;
	struct hs_slurp *file = &l->load->file;
	int64_t since = hs_timing_now();
	hs_channel_progress(w->channel, HS_STAGE_PARSE, 0, file->len);
	int rc = hs_source_read((struct hs_span){.ptr = file->data, .len = file->len}, &w->job->options,
				&l->load->source, &l->errs[0]);
	hs_timing_add(&w->timing, HS_PHASE_PARSE, since);
	if (rc == 0)
		hs_channel_progress(w->channel, HS_STAGE_PARSE, file->len, file->len);
	return rc;
}

static int digest(struct loading *l)
{
	int64_t since = hs_timing_now();
	int rc = hs_slurp_digest(&l->load->file, &l->digest_err);
	hs_timing_add(&l->work->timing, HS_PHASE_DIGEST, since);
	return rc;
}

static int parse_or_digest(void *arg, size_t i)
{
	return i == 0 ? parse(arg) : digest(arg);
}

static int load_source(struct loading *l)
{
	struct hs_work *w = l->work;
	int64_t since = hs_timing_now();
	int rc = hs_slurp_read(w->job->source, w->job->file_name, w->channel, &l->load->file, &l->errs[0]);
	hs_timing_add(&w->timing, HS_PHASE_READ, since);
	if (rc < 0)
		return rc;
	rc = hs_parallel(2, 2, parse_or_digest, l);
	if (rc < 0 && l->errs[0].code == 0)
		l->errs[0] = l->digest_err;
	return rc;
}

static int load_one(void *arg, size_t i)
{
	struct loading *l = arg;
	if (i == 0)
		return l->load ? load_source(l) : 0;
	int64_t since = hs_timing_now();
	int rc = hs_tokenizer_load(&l->work->job->tokenizers[i - 1], &l->work->tokenizers[i - 1], &l->errs[i]);
	hs_timing_add(&l->work->timing, HS_PHASE_TOKENIZERS, since);
	return rc;
}

// The source is task 0, and one thread more than cores: it waits for the disk while tokenizers compile.
static int load_parts(struct hs_work *work, struct hs_load *load, struct hs_err *reterr)
{
	struct loading l = {.work = work, .load = load};
	size_t ntasks = 1 + work->job->ntokenizers;
	int64_t since = hs_timing_now();
	int rc = hs_parallel(work->job->threads + 1, ntasks, load_one, &l);
	hs_timing_add(&work->timing, HS_PHASE_LOAD, since);
	for (size_t i = 0; rc < 0 && i < ntasks; i++) {
		if (l.errs[i].code == 0)
			continue;
		*reterr = l.errs[i];
		return reterr->code;
	}
	return rc;
}

static int identify_tokenizers(struct hs_work *work, const struct hs_id *version, struct hs_err *reterr)
{
	int rc = 0;
	for (size_t i = 0; i < work->job->ntokenizers && rc == 0; i++)
		rc = hs_tokenizer_identify(&work->tokenizers[i], version, reterr);
	return rc;
}

int hs_load_tokenizers(struct hs_work *work, const struct hs_id *version, struct hs_err *reterr)
{
	int rc = load_parts(work, NULL, reterr);
	return rc < 0 ? rc : identify_tokenizers(work, version, reterr);
}

static int identify_source(struct hs_work *work, struct hs_err *reterr)
{
	struct hs_load *load = work->load;
	int rc = hs_identity_of_source(&work->job->options, &load->source, load->file.sha256, &load->identity);
	if (rc == 0)
		rc = hs_identity_digest(&load->identity, &load->id);
	return rc < 0 ? hs_err_nomem(reterr, "computing the version's identity") : 0;
}

int hs_load_all(struct hs_work *work, struct hs_err *reterr)
{
	work->load = calloc(1, sizeof(*work->load));
	if (!work->load)
		return hs_err_nomem(reterr, "beginning");
	int rc = load_parts(work, work->load, reterr);
	if (rc == 0)
		rc = identify_source(work, reterr);
	return rc < 0 ? rc : identify_tokenizers(work, &work->load->id, reterr);
}

void hs_load_destroy(struct hs_load *load)
{
	if (!load)
		return;
	hs_source_fini(&load->source);
	hs_slurp_fini(&load->file);
	hs_identity_fini(&load->identity);
	free(load);
}
