// SPDX-License-Identifier: Apache-2.0
// The gather: rows of an encoding, widened, wrapped in their special tokens, truncated and padded, straight into a
// slot.
//
//   stored   u16 codes, or u32 ids, of one row, without special tokens   | t0 t1 t2 ... |
//   slot     input_ids       | prefix | tokens (first or last budget of them) | suffix | pad pad ... |
//            attention_mask  |   1        1 1 1 1 1 1 ...                         1    |  0   0  ... |
//   with padding on the left the pads come first.
//
// Everything was checked when the file was opened (offsets ascend, codes are in the table, ids below the vocabulary's
// size), so the inner loops have no checks.
//
// Why it is fast: most of what is written is the same in every batch, ones, zeros and pads. It is copied from patterns
// that are made once per stream and stay in the innermost cache, by memcpy, which the C library fits to the processor:
// a mask of `used` ones is one copy from
//     1 1 1 1 ... 1 0 0 0 ... 0      (W ones, W zeros, W the widest row; zeros first where padding is on the left)
//             ^ W - used
// Only a row's own tokens are loops here, as long as the row has tokens; the rows to come are fetched ahead, as a
// shuffled epoch jumps through the file.
#include <string.h>

#include "feed/internal.h"

#define MASK_ROWS 256u // that are looked at together: their places lie on the stack

#define DEFINE_WIDEN(name, dst_type, src_type, value)                                                                  \
	static void name(dst_type *restrict dst, const src_type *restrict src, const uint32_t *restrict table,         \
			 size_t n)                                                                                     \
	{                                                                                                              \
		(void)table;                                                                                           \
		for (size_t i = 0; i < n; i++)                                                                         \
			dst[i] = (dst_type)(value);                                                                    \
	}

DEFINE_WIDEN(widen_u16_i64, int64_t, uint16_t, src[i])
DEFINE_WIDEN(widen_u16_i32, int32_t, uint16_t, src[i])
DEFINE_WIDEN(widen_u32_i64, int64_t, uint32_t, src[i])
DEFINE_WIDEN(widen_u32_i32, int32_t, uint32_t, src[i])
DEFINE_WIDEN(lookup_u16_i64, int64_t, uint16_t, table[src[i]])
DEFINE_WIDEN(lookup_u16_i32, int32_t, uint16_t, table[src[i]])

// One row's tokens in the store, after truncation.
struct piece {
	const void *tokens;
	size_t n, first; // first: how many were cut off before them
};

// Where a row's tokens and its pads go, in items of its array.
struct hs_row_shape {
	size_t role, length, used, at, pad_at;
};

// One output array of one role: where it is, how wide, and in which integer type.
struct sink {
	uint8_t *base;
	bool narrow; // int32
};

static void sink_fill(const struct sink *s, size_t at, int64_t value, size_t n)
{
	if (s->narrow) {
		int32_t *dst = (int32_t *)(void *)s->base + at;
		for (size_t i = 0; i < n; i++)
			dst[i] = (int32_t)value;
	} else {
		int64_t *dst = (int64_t *)(void *)s->base + at;
		for (size_t i = 0; i < n; i++)
			dst[i] = value;
	}
}

static void sink_tokens(const struct sink *s, size_t at, const struct hs_encoding *e, struct piece piece)
{
	int32_t *dst32 = (int32_t *)(void *)s->base + (s->narrow ? at : 0);
	int64_t *dst64 = (int64_t *)(void *)s->base + (s->narrow ? 0 : at);
	if (e->width == 32 && s->narrow)
		widen_u32_i32(dst32, piece.tokens, NULL, piece.n);
	else if (e->width == 32)
		widen_u32_i64(dst64, piece.tokens, NULL, piece.n);
	else if (e->table && s->narrow)
		lookup_u16_i32(dst32, piece.tokens, e->table, piece.n);
	else if (e->table)
		lookup_u16_i64(dst64, piece.tokens, e->table, piece.n);
	else if (s->narrow)
		widen_u16_i32(dst32, piece.tokens, NULL, piece.n);
	else
		widen_u16_i64(dst64, piece.tokens, NULL, piece.n);
}

// Brings the offsets of a row that comes soon, and the tokens of one that comes sooner, nearer.
static void fetch_ahead(const struct gather *g, const struct hs_encoding *e, size_t i)
{
	if (i + 8 < g->n)
		__builtin_prefetch(e->offsets[g->rows[i + 8] / HS_GROUP_ROWS] + g->rows[i + 8] % HS_GROUP_ROWS);
	if (i + 4 < g->n) {
		uint32_t row = g->rows[i + 4];
		size_t begin = e->offsets[row / HS_GROUP_ROWS][row % HS_GROUP_ROWS] * (size_t)(e->width / 8);
		const uint8_t *tokens = (const uint8_t *)e->tokens[row / HS_GROUP_ROWS] + begin;
		__builtin_prefetch(tokens);
		__builtin_prefetch(tokens + 64);
	}
}

static struct piece take_piece(const struct hs_encoding *e, uint32_t row, size_t budget)
{
	const uint32_t *offsets = e->offsets[row / HS_GROUP_ROWS] + row % HS_GROUP_ROWS;
	size_t begin = offsets[0], n = offsets[1] - begin, first = 0;
	if (n > budget) {
		first = e->truncate_left ? n - budget : 0;
		n = budget;
	}
	begin += first;
	return (struct piece){(const uint8_t *)e->tokens[row / HS_GROUP_ROWS] + begin * (e->width / 8), n, first};
}

// The width of this batch for one role: the widest row, specials and truncation counted, or max_length.
uint32_t hs_feed_batch_length(const struct gather *g, size_t role)
{
	const struct hs_stream_spec *spec = g->spec;
	if (spec->padding == HS_PAD_MAX_LENGTH)
		return spec->max_length[role];
	const struct hs_encoding *e = hs_feed_source_encoding(g->source, role);
	size_t budget = spec->max_length[role] - e->nprefix - e->nsuffix, longest = 0;
	for (size_t i = 0; i < g->n; i++) {
		size_t n = hs_feed_row_tokens(e, g->rows[i]);
		longest = n > longest ? n : longest;
	}
	uint32_t length = (uint32_t)(longest < budget ? longest : budget) + e->nprefix + e->nsuffix;
	return hs_feed_round_up(length, spec->padding == HS_PAD_MULTIPLE ? spec->multiple : 0);
}

static void put_ids(const struct sink *s, size_t at, const struct hs_encoding *e, struct piece piece)
{
	for (uint32_t i = 0; i < e->nprefix; i++)
		sink_fill(s, at + i, e->prefix[i], 1);
	sink_tokens(s, at + e->nprefix, e, piece);
	at += e->nprefix + piece.n;
	for (uint32_t i = 0; i < e->nsuffix; i++)
		sink_fill(s, at + i, e->suffix[i], 1);
}

static void put_types(const struct sink *s, size_t at, const struct hs_encoding *e, struct piece piece)
{
	for (uint32_t i = 0; i < e->nprefix; i++)
		sink_fill(s, at + i, e->prefix_type[i], 1);
	sink_fill(s, at + e->nprefix, e->text_type, piece.n);
	at += e->nprefix + piece.n;
	for (uint32_t i = 0; i < e->nsuffix; i++)
		sink_fill(s, at + i, e->suffix_type[i], 1);
}

static void put_mask(const struct gather *g, const struct sink *s, size_t row_at, const struct hs_row_shape *shape)
{
	const struct hs_patterns *patterns = &g->patterns[shape->role];
	size_t item = s->narrow ? 4 : 8;
	if (patterns->mask) {
		size_t first = patterns->left ? shape->length - shape->used : shape->used;
		memcpy(s->base + row_at * item, patterns->mask + (patterns->width - first) * item,
		       shape->length * item);
		return;
	}
	sink_fill(s, shape->at, 1, shape->used);
	sink_fill(s, shape->pad_at, 0, shape->length - shape->used);
}

static void put_pads(const struct gather *g, const struct sink *s, int64_t pad, const struct hs_row_shape *shape)
{
	const struct hs_patterns *patterns = &g->patterns[shape->role];
	size_t item = s->narrow ? 4 : 8;
	if (patterns->mask)
		memcpy(s->base + shape->pad_at * item, patterns->pads, (shape->length - shape->used) * item);
	else
		sink_fill(s, shape->pad_at, pad, shape->length - shape->used);
}

static void gather_role(const struct gather *g, size_t role, const struct hs_array *arrays, void *slot, uint32_t length)
{
	const struct hs_encoding *e = hs_feed_source_encoding(g->source, role);
	const struct sink ids = {(uint8_t *)slot + arrays[0].offset, g->spec->int32};
	const struct sink mask = {(uint8_t *)slot + arrays[1].offset, g->spec->int32};
	size_t specials = e->nprefix + e->nsuffix, budget = g->spec->max_length[role] - specials;
	for (size_t i = 0; i < g->n; i++) {
		fetch_ahead(g, e, i);
		struct piece piece = take_piece(e, g->rows[i], budget);
		size_t used = piece.n + specials, row_at = i * length;
		const struct hs_row_shape shape = {.role = role,
						   .length = length,
						   .used = used,
						   .at = row_at + (e->pad_left ? length - used : 0),
						   .pad_at = e->pad_left ? row_at : row_at + used};
		put_ids(&ids, shape.at, e, piece);
		put_pads(g, &ids, hs_feed_pad_id(e), &shape);
		put_mask(g, &mask, row_at, &shape);
		if (g->spec->token_type_ids) {
			const struct sink types = {(uint8_t *)slot + arrays[2].offset, g->spec->int32};
			put_types(&types, shape.at, e, piece);
			sink_fill(&types, shape.pad_at, e->pad_type, length - used);
		}
	}
}

// Masks tokens of the rows from `begin` to `end` of a batch, just written.
static void mask_rows(const struct gather *g, size_t role, const struct sink *ids, uint32_t length, size_t begin,
		      size_t end)
{
	const struct hs_encoding *e = hs_feed_source_encoding(g->source, role);
	size_t specials = e->nprefix + e->nsuffix, budget = g->spec->max_length[role] - specials;
	uint64_t state = hs_feed_mask_epoch(g->mask, g->spec->epoch);
	uint32_t places[MASK_ROWS];
	size_t n = hs_feed_mask_choose(g->mask, state, g->rows + begin, end - begin, places);
	for (size_t i = 0; i < n; i++) {
		uint32_t row = g->rows[begin + places[i]];
		struct piece piece = take_piece(e, row, budget);
		size_t at = (begin + places[i]) * length + (e->pad_left ? length - piece.n - specials : 0);
		const struct hs_tokens tokens = {ids->base + (at + e->nprefix) * (ids->narrow ? 4 : 8), ids->narrow,
						 piece.first, piece.n};
		hs_feed_mask_row(g->mask, state, row, &tokens);
	}
}

static void mask_role(const struct gather *g, size_t role, const struct hs_array *array, void *slot, uint32_t length)
{
	const struct sink ids = {(uint8_t *)slot + array->offset, g->spec->int32};
	for (size_t i = 0; i < g->n; i += MASK_ROWS)
		mask_rows(g, role, &ids, length, i, g->n - i < MASK_ROWS ? g->n : i + MASK_ROWS);
}

static void gather_labels(const struct gather *g, const struct hs_array *array, void *slot)
{
	const struct hs_version *v = hs_feed_source_version(g->source);
	void *dst = (uint8_t *)slot + array->offset;
	for (size_t i = 0; i < g->n; i++) {
		const void *group = v->labels[g->rows[i] / HS_GROUP_ROWS];
		size_t at = g->rows[i] % HS_GROUP_ROWS;
		if (v->label_type == HS_LABELS_CLASS)
			((int64_t *)dst)[i] = ((const uint32_t *)group)[at];
		else
			memcpy((float *)dst + i * v->nlabels, (const float *)group + at * v->nlabels,
			       v->nlabels * sizeof(float));
	}
}

static void gather_weights(const struct gather *g, const struct hs_array *array, void *slot)
{
	float *weights = (float *)(void *)((uint8_t *)slot + array->offset);
	for (size_t i = 0; i < g->n; i++)
		weights[i] = hs_feed_weight(g->weights, hs_feed_source_version(g->source), g->rows[i]);
}

void hs_feed_gather(const struct gather *g, void *slot, struct hs_fill *fill)
{
	const struct hs_array *array = g->layout->arrays;
	fill->rows = (uint32_t)g->n;
	for (size_t role = 0; role < hs_feed_source_nroles(g->source); role++) {
		fill->lengths[role] = hs_feed_batch_length(g, role);
		gather_role(g, role, array, slot, fill->lengths[role]);
		if (g->mask && g->mask->roles[role])
			mask_role(g, role, array, slot, fill->lengths[role]);
		array += g->spec->token_type_ids ? 3 : 2;
	}
	if (hs_feed_source_version(g->source)->label_type != HS_LABELS_NONE)
		gather_labels(g, array++, slot);
	if (g->spec->nweights > 0)
		gather_weights(g, array++, slot);
	for (size_t i = 0; i < hs_feed_source_narrays(g->source); i++)
		hs_feed_gather_attached(g, i, array++, slot);
	int64_t *index = (int64_t *)(void *)((uint8_t *)slot + array->offset);
	for (size_t i = 0; i < g->n; i++)
		index[i] = g->rows[i];
}
