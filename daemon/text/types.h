// SPDX-License-Identifier: Apache-2.0
// The type that pandas.read_csv infers for a column, and from it astype(str): why 007 becomes "7" in a column of
// integers and stays "007" in a column of words.
#ifndef HS_TEXT_TYPES_H
#define HS_TEXT_TYPES_H

#include "text/csv.h"

enum hs_type {
	HS_TYPE_INT,    // int64
	HS_TYPE_UINT,   // uint64
	HS_TYPE_FLOAT,  // float64; also integers with missing values among them, and a column without any value
	HS_TYPE_BOOL,   // True and False, missing values among them or not
	HS_TYPE_PYLONG, // Python integers of any size
	HS_TYPE_STR,    // the words as they are
	HS_TYPE_WORDS, // the same, and the missing-value words are words too: pandas' way out of some integer overflows
};

// pandas infers piece by piece (low_memory) and joins the pieces; each piece of a large file may keep a type of its
// own.
struct hs_types {
	size_t piece_rows, npieces;
	enum hs_type *pieces; // [npieces]
	bool *ints_as_floats; // [npieces] HS_TYPE_FLOAT whose words are integers
	enum hs_na na;
	bool numeric; // every piece is INT, UINT or FLOAT: one numeric type after joining
};

// hs_types_infer looks at one column of a table. 0 or -ENOMEM.
int hs_types_infer(const struct hs_csv *csv, size_t column, enum hs_na na, struct hs_types *ret);
void hs_types_fini(struct hs_types *t); // safe on a zeroed one

// hs_types_missing: is the cell in this row a missing value?
bool hs_types_missing(const struct hs_types *t, size_t row, struct hs_span cell);

// hs_types_text gives str() of a cell's value; the cell must not be missing. *ret is the cell itself or in `arena`.
// 0 or -ENOMEM.
int hs_types_text(const struct hs_types *t, size_t row, struct hs_span cell, struct hs_arena *arena,
		  struct hs_span *ret);

// hs_types_piece_rows: how many rows pandas types at once in a table of so many columns.
size_t hs_types_piece_rows(size_t width);

#endif
