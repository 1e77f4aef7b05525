// SPDX-License-Identifier: Apache-2.0
#include "ingest/encode.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"

#define PART_ROWS 512 // per task: small enough that cores finish together

const uint32_t hs_encode_limits[HS_NLIMITS] = {128, 256, 512};

void hs_encoded_fini(struct hs_encoded *e)
{
	free(e->ids);
	free(e->row_ends);
	memset(e, 0, sizeof(*e));
}

// ---- scratch ----

struct hs_scratch_pool {
	pthread_mutex_t lock; // guards `free`
	struct hs_scratch *free;
};

struct hs_scratch_pool *hs_scratch_pool_create(void)
{
	struct hs_scratch_pool *pool = calloc(1, sizeof(*pool));
	if (pool)
		pthread_mutex_init(&pool->lock, NULL);
	return pool;
}

static void scratch_destroy(struct hs_scratch *s)
{
	hs_tok_scratch_destroy(s->tok);
	hs_buf_fini(&s->text);
	hs_buf_fini(&s->norm);
	hs_ids_fini(&s->ids);
	free(s);
}

void hs_scratch_pool_destroy(struct hs_scratch_pool *pool)
{
	if (!pool)
		return;
	while (pool->free) {
		struct hs_scratch *s = pool->free;
		pool->free = s->next;
		scratch_destroy(s);
	}
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

struct hs_scratch *hs_scratch_take(struct hs_scratch_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct hs_scratch *s = pool->free;
	if (s)
		pool->free = s->next;
	pthread_mutex_unlock(&pool->lock);
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (s && hs_tok_scratch_create(&s->tok) < 0) {
		free(s);
		s = NULL;
	}
	return s;
}

void hs_scratch_give(struct hs_scratch_pool *pool, struct hs_scratch *s)
{
	pthread_mutex_lock(&pool->lock);
	s->next = pool->free;
	pool->free = s;
	pthread_mutex_unlock(&pool->lock);
}

// ---- rows ----

// A run of rows, encoded by one task: row_ends hold ends within the part until parts are joined.
struct part {
	struct hs_ids ids;
	uint64_t base; // where its ids begin in the whole
	uint64_t unknown, over[HS_NLIMITS];
	uint64_t longest;
};

struct encoder {
	const struct hs_encode *in;
	struct hs_scratch_pool *pool;
	struct part *parts;
	size_t nparts;
	struct hs_encoded *out;
};

int hs_encode_row(const struct hs_encode *in, size_t row, struct hs_scratch *s, struct hs_ids *out)
{
	struct hs_span text;
	int rc = 0;
	if (in->rows->texts)
		text = in->rows->texts[row];
	else
		rc = hs_version_text(in->rows->version, row, &s->text, &text);
	if (rc == 0 && in->normalize != HS_NORM_NONE)
		rc = hs_norm_apply(in->normalize, text, &s->norm, &text);
	return rc < 0 ? rc : hs_tok_encode(in->tok, s->tok, text, out);
}

uint64_t hs_encode_count(const uint32_t *ids, size_t n, int64_t id)
{
	uint64_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += ids[i] == id;
	return count;
}

static size_t part_begin(size_t part)
{
	return part * PART_ROWS;
}

static size_t part_end(const struct encoder *e, size_t part)
{
	size_t end = (part + 1) * PART_ROWS;
	return end < e->in->rows->n ? end : e->in->rows->n;
}

static void count_row(const struct hs_tok_info *info, struct part *part, uint64_t len)
{
	uint64_t whole = len + info->nprefix + info->nsuffix;
	for (size_t k = 0; k < HS_NLIMITS; k++)
		part->over[k] += whole > hs_encode_limits[k];
	if (len > part->longest)
		part->longest = len;
}

static int encode_rows(struct encoder *e, size_t i, struct hs_scratch *s)
{
	struct part *part = &e->parts[i];
	for (size_t row = part_begin(i); row < part_end(e, i); row++) {
		size_t before = part->ids.n;
		int rc = hs_encode_row(e->in, row, s, &part->ids);
		if (rc < 0)
			return rc;
		e->out->row_ends[row + 1] = part->ids.n;
		count_row(e->in->info, part, part->ids.n - before);
	}
	part->unknown = hs_encode_count(part->ids.ids, part->ids.n, e->in->info->unk_id);
	return 0;
}

static int encode_part(void *arg, size_t i)
{
	struct encoder *e = arg;
	struct hs_scratch *s = hs_scratch_take(e->pool);
	if (!s)
		return -ENOMEM;
	int rc = encode_rows(e, i, s);
	hs_scratch_give(e->pool, s);
	if (rc == 0 && e->in->progress)
		e->in->progress(e->in->arg, part_end(e, i) - part_begin(i));
	return rc;
}

static int join_part(void *arg, size_t i)
{
	struct encoder *e = arg;
	struct part *part = &e->parts[i];
	if (part->ids.n > 0)
		memcpy(e->out->ids + part->base, part->ids.ids, part->ids.n * sizeof(*part->ids.ids));
	for (size_t row = part_begin(i); row < part_end(e, i); row++)
		e->out->row_ends[row + 1] += part->base;
	hs_ids_fini(&part->ids);
	return 0;
}

static int join(struct encoder *e)
{
	struct hs_encoded *out = e->out;
	for (size_t i = 0; i < e->nparts; i++) {
		struct part *part = &e->parts[i];
		part->base = out->tokens;
		out->tokens += part->ids.n;
		out->unknown += part->unknown;
		for (size_t k = 0; k < HS_NLIMITS; k++)
			out->over[k] += part->over[k];
		if (part->longest > out->max_tokens)
			out->max_tokens = (uint32_t)part->longest; // a text has at most 2^20 bytes
	}
	out->ids = malloc(out->tokens * sizeof(*out->ids) + 1);
	if (!out->ids)
		return -ENOMEM;
	return hs_parallel(e->in->threads, e->nparts, join_part, e);
}

int hs_encode_rows(const struct hs_encode *in, struct hs_encoded *ret, struct hs_err *reterr)
{
	struct hs_encoded out = {.nrows = in->rows->n};
	struct encoder e = {.in = in, .out = &out, .nparts = (in->rows->n + PART_ROWS - 1) / PART_ROWS};
	int rc = -ENOMEM;
	e.pool = hs_scratch_pool_create();
	e.parts = hs_array(e.nparts, sizeof(*e.parts));
	out.row_ends = hs_array(out.nrows + 1, sizeof(*out.row_ends));
	if (e.pool && e.parts && out.row_ends)
		rc = hs_parallel(in->threads, e.nparts, encode_part, &e);
	if (rc == 0)
		rc = join(&e);
	for (size_t i = 0; i < e.nparts && e.parts; i++)
		hs_ids_fini(&e.parts[i].ids);
	free(e.parts);
	hs_scratch_pool_destroy(e.pool);
	if (rc < 0) {
		hs_encoded_fini(&out);
		return rc == -ENOMEM ? hs_err_nomem(reterr, "tokenizing")
				     : hs_err_set(reterr, rc, "a stored text cannot be read");
	}
	*ret = out;
	return 0;
}
