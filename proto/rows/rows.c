// SPDX-License-Identifier: Apache-2.0
// Why it is fast: most of what is written is the same in every batch, ones, zeros and pads. It is copied from patterns
// that are made once per stream and stay in the innermost cache, by memcpy, which the C library fits to the processor:
// a mask of `used` ones is one copy from
//     1 1 1 1 ... 1 0 0 0 ... 0      (W ones, W zeros, W the widest row; zeros first where padding is on the left)
//             ^ W - used
// Only a row's own tokens are loops here, as long as the row has tokens.
#include "rows/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Beyond this the patterns would no longer stay in the innermost caches, and a loop is as fast.
#define MAX_WIDEST 1024u

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

// One output array, in its integer type.
struct sink {
	uint8_t *base;
	bool narrow; // int32
};

static void fill(const struct sink *s, size_t at, int64_t value, size_t n)
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

int hs_rows_init(struct hs_rows *rows, size_t widest)
{
	size_t item = rows->int32 ? 4 : 8;
	rows->widest = widest;
	if (widest > MAX_WIDEST)
		return 0;
	rows->mask = calloc(3 * widest, item);
	if (!rows->mask)
		return -ENOMEM;
	rows->bytes = 3 * widest * item;
	rows->pads = rows->mask + 2 * widest * item;
	fill(&(struct sink){rows->mask, rows->int32}, rows->pad_left ? widest : 0, 1, widest);
	fill(&(struct sink){rows->pads, rows->int32}, 0, rows->pad.id, widest);
	return 0;
}

void hs_rows_fini(struct hs_rows *rows)
{
	free(rows->mask);
	rows->mask = rows->pads = NULL;
}

static void put_tokens(const struct hs_rows *rows, const struct hs_row *row, const struct sink *s, size_t at)
{
	int32_t *dst32 = (int32_t *)(void *)s->base + (s->narrow ? at : 0);
	int64_t *dst64 = (int64_t *)(void *)s->base + (s->narrow ? 0 : at);
	if (rows->width == 32 && s->narrow)
		widen_u32_i32(dst32, row->codes, NULL, row->n);
	else if (rows->width == 32)
		widen_u32_i64(dst64, row->codes, NULL, row->n);
	else if (rows->table && s->narrow)
		lookup_u16_i32(dst32, row->codes, rows->table, row->n);
	else if (rows->table)
		lookup_u16_i64(dst64, row->codes, rows->table, row->n);
	else if (s->narrow)
		widen_u16_i32(dst32, row->codes, NULL, row->n);
	else
		widen_u16_i64(dst64, row->codes, NULL, row->n);
}

// Where a row's tokens and its pads go, in items of its array.
struct shape {
	size_t row_at, at, pad_at, used;
};

static void put_ids(const struct hs_rows *rows, const struct hs_row *row, const struct shape *shape,
		    const struct sink *s)
{
	size_t at = shape->at, npads = row->length - shape->used;
	for (size_t i = 0; i < rows->nprefix; i++)
		fill(s, at++, rows->prefix[i].id, 1);
	put_tokens(rows, row, s, at);
	at += row->n;
	for (size_t i = 0; i < rows->nsuffix; i++)
		fill(s, at++, rows->suffix[i].id, 1);
	if (rows->mask)
		memcpy(s->base + shape->pad_at * (s->narrow ? 4 : 8), rows->pads, npads * (s->narrow ? 4 : 8));
	else
		fill(s, shape->pad_at, rows->pad.id, npads);
}

static void put_mask(const struct hs_rows *rows, const struct hs_row *row, const struct shape *shape,
		     const struct sink *s)
{
	size_t item = s->narrow ? 4 : 8;
	if (rows->mask) {
		size_t first = rows->pad_left ? row->length - shape->used : shape->used;
		memcpy(s->base + shape->row_at * item, rows->mask + (rows->widest - first) * item, row->length * item);
		return;
	}
	fill(s, shape->at, 1, shape->used);
	fill(s, shape->pad_at, 0, row->length - shape->used);
}

static void put_types(const struct hs_rows *rows, const struct hs_row *row, const struct shape *shape,
		      const struct sink *s)
{
	size_t at = shape->at;
	for (size_t i = 0; i < rows->nprefix; i++)
		fill(s, at++, rows->prefix[i].type, 1);
	fill(s, at, rows->text_type, row->n);
	at += row->n;
	for (size_t i = 0; i < rows->nsuffix; i++)
		fill(s, at++, rows->suffix[i].type, 1);
	fill(s, shape->pad_at, rows->pad.type, row->length - shape->used);
}

void hs_rows_put(const struct hs_rows *rows, const struct hs_row *row, void *ids, void *mask, void *types)
{
	size_t used = rows->nprefix + row->n + rows->nsuffix, row_at = row->row * row->length;
	const struct shape shape = {.row_at = row_at,
				    .used = used,
				    .at = row_at + (rows->pad_left ? row->length - used : 0),
				    .pad_at = rows->pad_left ? row_at : row_at + used};
	put_ids(rows, row, &shape, &(struct sink){ids, rows->int32});
	put_mask(rows, row, &shape, &(struct sink){mask, rows->int32});
	if (types)
		put_types(rows, row, &shape, &(struct sink){types, rows->int32});
}
