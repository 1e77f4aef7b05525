// SPDX-License-Identifier: Apache-2.0
// The gather: rows of an encoding, truncated, straight into a slot: written out (rows/rows.h), or packed, that is, as
// they are stored, for a client that writes them out itself (proto/RING.md).
//
// Everything was checked when the file was opened (offsets ascend, codes are in the table, ids below the vocabulary's
// size), so the inner loops have no checks. The rows to come are fetched ahead, as a shuffled epoch jumps through the
// file.
#include <string.h>

#include "feed/internal.h"

#define MASK_ROWS 256u // that are looked at together: their places lie on the stack

static void copy_specials(struct hs_special *to, const uint32_t *ids, const uint32_t *types, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (struct hs_special){ids[i], types[i]};
}

struct hs_rows hs_feed_rows_of(const struct hs_encoding *e, bool int32)
{
	struct hs_rows rows = {.width = e->width,
			       .table = e->table,
			       .nprefix = e->nprefix,
			       .nsuffix = e->nsuffix,
			       .pad = {e->pad_id < 0 ? 0 : e->pad_id, e->pad_type}, // 0 where the tokenizer has none
			       .text_type = e->text_type,
			       .pad_left = e->pad_left,
			       .int32 = int32};
	copy_specials(rows.prefix, e->prefix, e->prefix_type, e->nprefix);
	copy_specials(rows.suffix, e->suffix, e->suffix_type, e->nsuffix);
	return rows;
}

// One row's tokens in the store, after truncation.
struct piece {
	const void *tokens;
	size_t n, first; // first: how many were cut off before them
};

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

static void gather_role(const struct gather *g, size_t role, const struct hs_array *arrays, void *slot, uint32_t length)
{
	const struct hs_encoding *e = hs_feed_source_encoding(g->source, role);
	uint8_t *base = slot;
	void *types = g->spec->token_type_ids ? base + arrays[2].offset : NULL;
	size_t budget = g->spec->max_length[role] - e->nprefix - e->nsuffix;
	for (size_t i = 0; i < g->n; i++) {
		fetch_ahead(g, e, i);
		struct piece piece = take_piece(e, g->rows[i], budget);
		const struct hs_row row = {i, length, piece.tokens, piece.n};
		hs_rows_put(&g->put[role], &row, base + arrays[0].offset, base + arrays[1].offset, types);
	}
}

// ---- masks ----

// Where the tokens of a batch's rows lie, in items of `ids`.
struct places {
	void *ids;
	bool narrow;     // int32
	uint32_t length; // of a written row
	bool packed;     // the rows' tokens lie one row behind the other
};

static size_t tokens_of(const struct hs_encoding *e, const uint32_t *rows, size_t n, size_t budget)
{
	size_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += take_piece(e, rows[i], budget).n;
	return sum;
}

// Masks tokens of the rows from `begin` to `end` of a batch, just written; the first of them begin at `*at` of packed
// ones. Where they lie is not read back from the slot: the client may write there too.
static void mask_rows(const struct gather *g, size_t role, const struct places *p, size_t begin, size_t end, size_t *at)
{
	const struct hs_encoding *e = hs_feed_source_encoding(g->source, role);
	size_t specials = e->nprefix + e->nsuffix, budget = g->spec->max_length[role] - specials, next = begin;
	uint64_t state = hs_feed_mask_epoch(g->mask, g->spec->epoch);
	uint32_t chosen[MASK_ROWS];
	size_t n = hs_feed_mask_choose(g->mask, state, g->rows + begin, end - begin, chosen);
	for (size_t i = 0; i < n; i++) {
		size_t row = begin + chosen[i], first;
		struct piece piece = take_piece(e, g->rows[row], budget);
		if (p->packed) {
			first = *at += tokens_of(e, g->rows + next, row - next, budget);
			next = row;
		} else {
			first = row * p->length + e->nprefix + (e->pad_left ? p->length - piece.n - specials : 0);
		}
		const struct hs_tokens tokens = {(uint8_t *)p->ids + first * (p->narrow ? 4 : 8), p->narrow,
						 piece.first, piece.n};
		hs_feed_mask_row(g->mask, state, g->rows[row], &tokens);
	}
	if (p->packed)
		*at += tokens_of(e, g->rows + next, end - next, budget);
}

static void mask_role(const struct gather *g, size_t role, const struct places *places)
{
	size_t at = 0;
	for (size_t i = 0; i < g->n; i += MASK_ROWS)
		mask_rows(g, role, places, i, g->n - i < MASK_ROWS ? g->n : i + MASK_ROWS, &at);
}

static bool masked(const struct gather *g, size_t role)
{
	return g->mask && g->mask->kind != HS_MASK_NONE && g->mask->roles[role];
}

// ---- packed ----

// A row that is to be masked goes as ids: the mask token need not have a code.
static void pack_ids(const struct hs_encoding *e, const struct piece *piece, uint32_t *to)
{
	const uint16_t *codes = piece->tokens;
	if (e->width == 32) {
		memcpy(to, piece->tokens, piece->n * sizeof(*to));
		return;
	}
	for (size_t i = 0; i < piece->n; i++)
		to[i] = e->table ? e->table[codes[i]] : codes[i];
}

// u32 counts of all rows, then their codes, one row behind the other.
static void pack_role(const struct gather *g, size_t role, const struct hs_array *array, void *slot)
{
	const struct hs_encoding *e = hs_feed_source_encoding(g->source, role);
	size_t budget = g->spec->max_length[role] - e->nprefix - e->nsuffix;
	uint32_t *ns = (uint32_t *)(void *)((uint8_t *)slot + array->offset);
	uint8_t *codes = (uint8_t *)ns + HS_FEED_PACKED_COUNTS(g->spec->batch_size), *to = codes;
	bool ids = masked(g, role);
	size_t item = ids ? 4 : e->width / 8;
	for (size_t i = 0; i < g->n; i++) {
		fetch_ahead(g, e, i);
		struct piece piece = take_piece(e, g->rows[i], budget);
		ns[i] = (uint32_t)piece.n;
		if (ids)
			pack_ids(e, &piece, (uint32_t *)(void *)to);
		else
			memcpy(to, piece.tokens, piece.n * item);
		to += piece.n * item;
	}
	if (ids)
		mask_role(g, role, &(struct places){codes, true, 0, true});
}

// ---- what is no role's ----

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

static void gather_rest(const struct gather *g, const struct hs_array *array, void *slot)
{
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

void hs_feed_gather(const struct gather *g, void *slot, struct hs_fill *fill)
{
	const struct hs_array *array = g->layout->arrays;
	fill->rows = (uint32_t)g->n;
	for (size_t role = 0; role < hs_feed_source_nroles(g->source); role++) {
		fill->lengths[role] = hs_feed_batch_length(g, role);
		gather_role(g, role, array, slot, fill->lengths[role]);
		if (masked(g, role))
			mask_role(g, role,
				  &(struct places){(uint8_t *)slot + array->offset, g->spec->int32, fill->lengths[role],
						   false});
		array += g->spec->token_type_ids ? 3 : 2;
	}
	gather_rest(g, array, slot);
}

void hs_feed_pack(const struct gather *g, void *slot, struct hs_fill *fill)
{
	const struct hs_array *array = g->layout->arrays;
	fill->rows = (uint32_t)g->n;
	for (size_t role = 0; role < hs_feed_source_nroles(g->source); role++) {
		fill->lengths[role] = hs_feed_batch_length(g, role);
		pack_role(g, role, array++, slot);
	}
	gather_rest(g, array, slot);
}
