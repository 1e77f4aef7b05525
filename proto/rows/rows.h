// SPDX-License-Identifier: Apache-2.0
// Rows of arrays, made of the tokens that are stored: widened to ids, wrapped in their special tokens and padded.
//
//   codes            u16 codes, or u32 ids, of one row, without special tokens   | t0 t1 t2 ... |
//   input_ids        | prefix | tokens | suffix | pad pad ... |
//   attention_mask   |   1        1 1 1 1 1     |  0   0  ... |        with padding on the left the pads come first
//   token_type_ids   | prefix |  text  | suffix | pad pad ... |
//
// The daemon makes them of what lies in its files, libhsfeed of a packed slot (proto/RING.md): the same bytes, since it
// is the same code.
#ifndef HS_ROWS_ROWS_H
#define HS_ROWS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HS_ROWS_MAX_SPECIALS 16u
#define HS_ROWS_CODES        65536u // 16-bit codes that can be

// A special token of the template: its id and its token type.
struct hs_special {
	int64_t id, type;
};

// How rows of one encoding become rows of one stream's arrays.
struct hs_rows {
	unsigned width; // bits of a code: 16 or 32
	const uint32_t
		*table; // [HS_ROWS_CODES, or as many as codes reach] of 16-bit codes: their ids; NULL: they are ids
	size_t nprefix, nsuffix;
	struct hs_special prefix[HS_ROWS_MAX_SPECIALS], suffix[HS_ROWS_MAX_SPECIALS];
	struct hs_special pad;
	int64_t text_type;
	bool pad_left;
	bool int32; // of the arrays; else int64
	// Made by hs_rows_init: what is copied instead of being made anew in every row.
	size_t widest;
	size_t bytes;  // of what follows
	uint8_t *mask; // [2 * widest]; NULL: rows are too wide to be worth it
	uint8_t *pads; // [widest], in the same memory
};

// hs_rows_init takes what is filled in above, for rows of at most `widest` items. 0 or -ENOMEM.
int hs_rows_init(struct hs_rows *rows, size_t widest);
void hs_rows_fini(struct hs_rows *rows); // safe on a zeroed one; the table is the caller's

// A row to be written. Arrays are in C order, [rows, length]; length <= widest.
struct hs_row {
	size_t row, length;
	const void *codes; // [n] of rows->width bits, aligned; n + nprefix + nsuffix <= length
	size_t n;
};
// hs_rows_put writes every item of one row. types: NULL, or the token types' array.
void hs_rows_put(const struct hs_rows *rows, const struct hs_row *row, void *ids, void *mask, void *types);

#endif
