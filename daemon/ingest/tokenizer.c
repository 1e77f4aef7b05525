// SPDX-License-Identifier: Apache-2.0
#include "ingest/tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ingest/slurp.h"

static int read_files(const struct hs_job_tokenizer *job, struct hs_slurp files[HS_TOKENIZER_FILES],
		      struct hs_tokenizer *t, struct hs_err *reterr)
{
	for (size_t i = 0; i < HS_TOKENIZER_FILES; i++) {
		if (job->fds[i] < 0)
			continue;
		int rc = hs_slurp_read(job->fds[i], hs_job_files[i], NULL, &files[i], reterr);
		if (rc == 0)
			rc = hs_slurp_digest(&files[i], reterr);
		if (rc < 0) {
			hs_err_context(reterr, "%s", job->name);
			return rc;
		}
		t->has[i] = true;
		memcpy(t->sums[i], files[i].sha256, HS_SHA256_BYTES);
	}
	return 0;
}

static struct hs_span span_of(const struct hs_slurp *file)
{
	return (struct hs_span){.ptr = file->data, .len = file->len};
}

static int compile(const struct hs_job_tokenizer *job, const struct hs_slurp f[HS_TOKENIZER_FILES],
		   struct hs_tokenizer *t, struct hs_err *reterr)
{
	// In hs_job_files' order.
	struct hs_tok_files files = {.name = job->name,
				     .tokenizer_json = span_of(&f[0]),
				     .vocab_txt = span_of(&f[1]),
				     .tokenizer_config_json = span_of(&f[2]),
				     .special_tokens_map_json = span_of(&f[3]),
				     .config_json = span_of(&f[4]),
				     .merges_txt = span_of(&f[5]),
				     .vocab_json = span_of(&f[6])};
	int rc = hs_tok_create(&files, &t->tok, reterr);
	if (rc == 0)
		t->info = hs_tok_get_info(t->tok);
	return rc;
}

int hs_tokenizer_load(const struct hs_job_tokenizer *job, struct hs_tokenizer *ret, struct hs_err *reterr)
{
	struct hs_slurp files[HS_TOKENIZER_FILES] = {{.len = 0}};
	struct hs_tokenizer t = {.job = job};
	int rc = read_files(job, files, &t, reterr);
	if (rc == 0)
		rc = compile(job, files, &t, reterr);
	for (size_t i = 0; i < HS_TOKENIZER_FILES; i++)
		hs_slurp_fini(&files[i]);
	if (rc == 0)
		*ret = t;
	return rc;
}

static int build(const struct hs_tokenizer *t, const struct hs_id *version, struct hs_identity *id)
{
	char engine[16];
	const char *normalize = hs_norm_name(t->job->normalize);
	snprintf(engine, sizeof(engine), "%d", HS_TOK_ENGINE);
	int rc = hs_identity_add_sum(id, "version", version->bytes);
	for (size_t i = 0; i < HS_TOKENIZER_FILES && rc == 0; i++) {
		if (t->has[i])
			rc = hs_identity_add_sum(id, hs_job_files[i], t->sums[i]);
	}
	if (rc == 0)
		rc = hs_identity_add(id, "settings", t->info->settings, strlen(t->info->settings));
	if (rc == 0)
		rc = hs_identity_add(id, "normalize", normalize, strlen(normalize));
	if (rc == 0)
		rc = hs_identity_add(id, "tok_engine", engine, strlen(engine));
	return rc;
}

int hs_tokenizer_identify(struct hs_tokenizer *t, const struct hs_id *version, struct hs_err *reterr)
{
	struct hs_identity id = {.n = 0};
	struct hs_id digest;
	int rc = build(t, version, &id);
	if (rc == 0)
		rc = hs_identity_digest(&id, &digest);
	if (rc < 0) {
		hs_identity_fini(&id);
		return hs_err_nomem(reterr, "computing an encoding's identity");
	}
	t->identity = id;
	t->id = digest;
	return 0;
}

void hs_tokenizer_fini(struct hs_tokenizer *t)
{
	hs_tok_destroy(t->tok);
	hs_identity_fini(&t->identity);
	memset(t, 0, sizeof(*t));
}
