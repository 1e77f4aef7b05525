// SPDX-License-Identifier: Apache-2.0
#include "ingest/advice.h"

#include <errno.h>
#include <string.h>

#include "base/parallel.h"

#define PART_ROWS 128

struct trial {
	struct hs_encode nfc; // as the rows were encoded, but normalised
	const struct hs_encoded *encoded;
	struct hs_scratch_pool *pool;
	size_t nsampled;
	_Atomic uint64_t raw_tokens, raw_unknown; // of the same rows, as they were encoded
	_Atomic uint64_t tokens, unknown;
};

static double share(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

static int try_row(struct trial *t, size_t row, struct hs_scratch *s)
{
	const struct hs_encoded *e = t->encoded;
	int64_t unk = t->nfc.info->unk_id;
	s->ids.n = 0;
	int rc = hs_encode_row(&t->nfc, row, s, &s->ids);
	if (rc < 0)
		return rc;
	size_t raw = (size_t)(e->row_ends[row + 1] - e->row_ends[row]);
	t->raw_tokens += raw;
	t->raw_unknown += hs_encode_count(e->ids + e->row_ends[row], raw, unk);
	t->tokens += s->ids.n;
	t->unknown += hs_encode_count(s->ids.ids, s->ids.n, unk);
	return 0;
}

static int try_part(void *arg, size_t part)
{
	struct trial *t = arg;
	size_t end = (part + 1) * PART_ROWS < t->nsampled ? (part + 1) * PART_ROWS : t->nsampled;
	struct hs_scratch *s = hs_scratch_take(t->pool);
	int rc = s ? 0 : -ENOMEM;
	for (size_t i = part * PART_ROWS; i < end && rc == 0; i++)
		rc = try_row(t, (size_t)((uint64_t)i * t->encoded->nrows / t->nsampled), s);
	if (s)
		hs_scratch_give(t->pool, s);
	return rc;
}

int hs_advice_find(const struct hs_encode *in, const struct hs_encoded *encoded, struct hs_advice *ret,
		   struct hs_err *reterr)
{
	struct trial t = {.nfc = *in, .encoded = encoded};
	memset(ret, 0, sizeof(*ret));
	if (in->normalize != HS_NORM_NONE || share(encoded->unknown, encoded->tokens) <= HS_ADVICE_SHARE)
		return 0;
	t.nfc.normalize = HS_NORM_NFC;
	t.nsampled = encoded->nrows < HS_ADVICE_ROWS ? encoded->nrows : HS_ADVICE_ROWS;
	t.pool = hs_scratch_pool_create();
	int rc = t.pool ? hs_parallel(in->threads, (t.nsampled + PART_ROWS - 1) / PART_ROWS, try_part, &t) : -ENOMEM;
	hs_scratch_pool_destroy(t.pool);
	if (rc < 0)
		return rc == -ENOMEM ? hs_err_nomem(reterr, "trying a normalisation")
				     : hs_err_set(reterr, rc, "a stored text cannot be read");
	double with = share(t.unknown, t.tokens);
	if (with > HS_ADVICE_REDUCTION * share(t.raw_unknown, t.raw_tokens))
		return 0;
	ret->given = true;
	ret->unknown_share = share(encoded->unknown, encoded->tokens);
	ret->with = with;
	ret->sampled_rows = (uint32_t)t.nsampled;
	return 0;
}
