// SPDX-License-Identifier: Apache-2.0
// A tokenizer of the job: its files read, digested and compiled.
#ifndef HS_INGEST_TOKENIZER_H
#define HS_INGEST_TOKENIZER_H

#include "ingest/identity.h"
#include "ingest/job.h"
#include "tok/tok.h"

struct hs_tokenizer {
	const struct hs_job_tokenizer *job;
	bool has[HS_TOKENIZER_FILES];
	uint8_t sums[HS_TOKENIZER_FILES][HS_SHA256_BYTES];
	struct hs_tok *tok;
	const struct hs_tok_info *info;
	struct hs_identity identity; // of the encoding, by hs_tokenizer_identify
	struct hs_id id;
};

// 0, -ENOMEM, -errno, HSFEED_EBADFILE, EBADTOKENIZER, EUNSUPPORTED.
int hs_tokenizer_load(const struct hs_job_tokenizer *job, struct hs_tokenizer *ret, struct hs_err *reterr);
// hs_tokenizer_identify computes the encoding's identity and id for a version. 0 or -ENOMEM.
int hs_tokenizer_identify(struct hs_tokenizer *t, const struct hs_id *version, struct hs_err *reterr);
void hs_tokenizer_fini(struct hs_tokenizer *t);

#endif
