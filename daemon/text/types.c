// SPDX-License-Identifier: Apache-2.0
// Type inference of pandas 3.1's C parser (pandas/_libs/parsers.pyx, _convert_tokens): int64, then float64, then bool,
// then the words themselves; the first that takes every word that is not missing wins. An integer too large for int64
// ends the search: uint64 if every word fits; else, when a large word stands beside a negative or a missing one, the
// words as they are; else Python integers; else again the words as they are.
//
// Older pandas differ: 1.5 rounds floats of 16 and more digits less well, calls 1e400 a word, and has no Python
// integers.
#include "text/types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/na.h"
#include "text/number.h"

// One piece of a column: cell i is cells[i * stride].
struct piece {
	const struct hs_span *cells;
	size_t n, stride;
	enum hs_na na;
	bool any_missing;
	bool any_value;
};

// What a word is to one of the types: it fits; the type is out; or the search takes another road.
enum fit { FITS, OUT, OVERFLOWS };

static enum fit all_int64(struct piece *p)
{
	p->any_missing = p->any_value = false;
	for (size_t i = 0; i < p->n; i++) {
		struct hs_span cell = p->cells[i * p->stride];
		int64_t value;
		if (hs_na_is(p->na, cell)) {
			p->any_missing = true;
			continue;
		}
		p->any_value = true;
		enum hs_number rc = hs_number_int64(cell, &value);
		if (rc != HS_NUMBER_OK)
			return rc == HS_NUMBER_NOT ? OUT : OVERFLOWS;
	}
	return FITS;
}

static bool is_negative(struct hs_span cell)
{
	size_t i = 0;
	while (i < cell.len && (cell.ptr[i] == ' ' || (cell.ptr[i] >= '\t' && cell.ptr[i] <= '\r')))
		i++;
	return i < cell.len && cell.ptr[i] == '-';
}

// FITS sets *ret to UINT or, for words beside which a large one cannot stand, WORDS.
static enum fit all_uint64(const struct piece *p, enum hs_type *ret)
{
	bool large = false, negative = false, missing = false;
	for (size_t i = 0; i < p->n; i++) {
		struct hs_span cell = p->cells[i * p->stride];
		uint64_t value = 0;
		if (hs_na_is(p->na, cell)) {
			missing = true;
		} else if (is_negative(cell)) {
			negative = true;
		} else {
			enum hs_number rc = hs_number_uint64(cell, &value);
			if (rc != HS_NUMBER_OK)
				return rc == HS_NUMBER_NOT ? OUT : OVERFLOWS;
			large |= value > INT64_MAX;
		}
	}
	if (large && (negative || missing))
		*ret = HS_TYPE_WORDS;
	else if (negative)
		return OVERFLOWS;
	else
		*ret = HS_TYPE_UINT;
	return FITS;
}

static bool all_pylong(const struct piece *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct hs_span cell = p->cells[i * p->stride];
		if (!hs_na_is(p->na, cell) && !hs_number_is_pylong(cell))
			return false;
	}
	return true;
}

// 1, 0 or -ENOMEM.
static int all_double(const struct piece *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct hs_span cell = p->cells[i * p->stride];
		double value;
		int rc = hs_na_is(p->na, cell) ? 1 : hs_number_double(cell, &value);
		if (rc <= 0)
			return rc;
	}
	return 1;
}

static bool all_bool(const struct piece *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct hs_span cell = p->cells[i * p->stride];
		bool value;
		if (!hs_na_is(p->na, cell) && !hs_number_bool(cell, &value))
			return false;
	}
	return true;
}

static int infer_piece(struct piece *p, enum hs_type *ret, bool *ret_ints_as_floats)
{
	enum fit fit = all_int64(p);
	if (fit == FITS) {
		*ret = p->any_missing || !p->any_value ? HS_TYPE_FLOAT : HS_TYPE_INT;
		*ret_ints_as_floats = *ret == HS_TYPE_FLOAT;
		return 0;
	}
	if (fit == OVERFLOWS)
		fit = all_uint64(p, ret);
	if (fit == FITS)
		return 0;
	if (fit == OVERFLOWS) {
		*ret = all_pylong(p) ? HS_TYPE_PYLONG : HS_TYPE_WORDS;
		return 0;
	}
	int rc = all_double(p);
	if (rc >= 0)
		*ret = rc ? HS_TYPE_FLOAT : all_bool(p) ? HS_TYPE_BOOL : HS_TYPE_STR;
	return rc < 0 ? rc : 0;
}

// Numeric pieces become one numeric type: float64 unless all are the same. Others keep theirs, in a column of objects.
static void join_pieces(struct hs_types *t)
{
	bool same = true;
	t->numeric = true;
	for (size_t i = 0; i < t->npieces; i++) {
		t->numeric &= t->pieces[i] <= HS_TYPE_FLOAT;
		same &= t->pieces[i] == t->pieces[0];
	}
	for (size_t i = 0; i < t->npieces && t->numeric && !same; i++) {
		t->ints_as_floats[i] |= t->pieces[i] == HS_TYPE_INT;
		t->pieces[i] = HS_TYPE_FLOAT;
	}
}

// pandas/_libs/parsers.pyx, TextReader.buffer_lines.
size_t hs_types_piece_rows(size_t width)
{
	size_t cells = ((size_t)1 << 20) / width, rows = 1;
	while (rows * 2 < cells)
		rows *= 2;
	return rows;
}

int hs_types_infer(const struct hs_csv *csv, size_t column, enum hs_na na, struct hs_types *ret)
{
	struct hs_types t = {.na = na, .piece_rows = hs_types_piece_rows(csv->width)};
	t.npieces = csv->nrows / t.piece_rows + (csv->nrows % t.piece_rows != 0);
	t.pieces = hs_array(t.npieces, sizeof(*t.pieces));
	t.ints_as_floats = hs_array(t.npieces, sizeof(*t.ints_as_floats));
	int rc = t.pieces && t.ints_as_floats ? 0 : -ENOMEM;
	for (size_t i = 0; i < t.npieces && rc == 0; i++) {
		size_t first = i * t.piece_rows, left = csv->nrows - first;
		struct piece p = {.cells = csv->cells + first * csv->width + column,
				  .stride = csv->width,
				  .na = na,
				  .n = left < t.piece_rows ? left : t.piece_rows};
		rc = infer_piece(&p, &t.pieces[i], &t.ints_as_floats[i]);
	}
	if (rc < 0) {
		hs_types_fini(&t);
		return rc;
	}
	join_pieces(&t);
	*ret = t;
	return 0;
}

void hs_types_fini(struct hs_types *t)
{
	free(t->pieces);
	free(t->ints_as_floats);
	*t = (struct hs_types){0};
}

bool hs_types_missing(const struct hs_types *t, size_t row, struct hs_span cell)
{
	return hs_na_is(t->na, cell) && t->pieces[row / t->piece_rows] != HS_TYPE_WORDS;
}

// Nothing to rewrite: digits without a leading zero, a plus sign or blanks.
static bool is_plain_integer(struct hs_span cell)
{
	size_t i = cell.ptr[0] == '-';
	if (cell.len - i == 1 && i == 0)
		return true;
	if (i == cell.len || cell.ptr[i] == '0')
		return false;
	for (; i < cell.len; i++)
		if (cell.ptr[i] < '0' || cell.ptr[i] > '9')
			return false;
	return true;
}

static int integer_text(struct hs_span cell, struct hs_arena *arena, struct hs_span *ret)
{
	if (is_plain_integer(cell)) {
		*ret = cell;
		return 0;
	}
	char *room = hs_arena_room(arena, cell.len + 1);
	if (!room)
		return -ENOMEM;
	*ret = (struct hs_span){room, hs_number_pylong(cell, room)};
	hs_arena_take(arena, ret->len);
	return 0;
}

static int float_text(struct hs_span cell, bool is_int, struct hs_arena *arena, struct hs_span *ret)
{
	char text[HS_NUMBER_REPR];
	double value = 0;
	int64_t integer = 0;
	if (is_int && hs_number_int64(cell, &integer) == HS_NUMBER_OK)
		value = (double)integer; // "-0" is the integer 0
	else if (hs_number_double(cell, &value) < 0)
		return -ENOMEM;
	struct hs_span repr = {text, hs_number_repr(value, text)};
	return hs_arena_copy(arena, repr, ret);
}

int hs_types_text(const struct hs_types *t, size_t row, struct hs_span cell, struct hs_arena *arena,
		  struct hs_span *ret)
{
	size_t piece = row / t->piece_rows;
	bool yes = false;
	switch (t->pieces[piece]) {
	case HS_TYPE_INT:
	case HS_TYPE_UINT:
	case HS_TYPE_PYLONG:
		return integer_text(cell, arena, ret);
	case HS_TYPE_FLOAT:
		return float_text(cell, t->ints_as_floats[piece], arena, ret);
	case HS_TYPE_BOOL:
		hs_number_bool(cell, &yes);
		*ret = yes ? (struct hs_span){"True", 4} : (struct hs_span){"False", 5};
		return 0;
	case HS_TYPE_STR:
	case HS_TYPE_WORDS:
		break;
	}
	*ret = cell;
	return 0;
}
