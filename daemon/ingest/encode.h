// SPDX-License-Identifier: Apache-2.0
// All rows of a version under one tokenizer, on all cores.
#ifndef HS_INGEST_ENCODE_H
#define HS_INGEST_ENCODE_H

#include "store/version.h"
#include "text/norm.h"
#include "tok/tok.h"

#define HS_NLIMITS 3
extern const uint32_t hs_encode_limits[HS_NLIMITS]; // 128, 256, 512

// Where texts come from: a source just parsed, or a stored version.
struct hs_rows {
	size_t n;
	const uint32_t *lines;            // [n]
	const struct hs_span *texts;      // [n], or NULL:
	const struct hs_version *version; // then from here
};

struct hs_encoded {
	size_t nrows;
	uint32_t *ids;      // heap; no special tokens of the template
	uint64_t *row_ends; // heap, [nrows + 1]: row i is ids[row_ends[i] .. row_ends[i + 1])
	uint64_t tokens, unknown;
	uint32_t max_tokens;       // of the longest row
	uint64_t over[HS_NLIMITS]; // rows longer than each limit, the template's tokens counted
};
void hs_encoded_fini(struct hs_encoded *e);

struct hs_encode {
	const struct hs_tok *tok;
	const struct hs_tok_info *info;
	enum hs_norm normalize;
	const struct hs_rows *rows;
	unsigned threads;
	void (*progress)(void *arg, size_t rows); // from any thread: so many more rows are done; may be NULL
	void *arg;
};

// 0, -ENOMEM, or what reading a stored text says.
int hs_encode_rows(const struct hs_encode *in, struct hs_encoded *ret, struct hs_err *reterr);

// ---- scratch memory, one set per thread at work; used by the advice too ----

struct hs_scratch {
	struct hs_tok_scratch *tok;
	struct hs_buf text, norm;
	struct hs_ids ids;
	struct hs_scratch *next;
};
struct hs_scratch_pool; // thread-safe
struct hs_scratch_pool *hs_scratch_pool_create(void);
void hs_scratch_pool_destroy(struct hs_scratch_pool *pool);
struct hs_scratch *hs_scratch_take(struct hs_scratch_pool *pool); // NULL when out of memory
void hs_scratch_give(struct hs_scratch_pool *pool, struct hs_scratch *s);

// hs_encode_row appends one row's ids.
int hs_encode_row(const struct hs_encode *in, size_t row, struct hs_scratch *s, struct hs_ids *out);
uint64_t hs_encode_count(const uint32_t *ids, size_t n, int64_t id); // how often `id` occurs; id -1: never

#endif
