// SPDX-License-Identifier: Apache-2.0
// Words that stand for a missing value.
#ifndef HS_TEXT_NA_H
#define HS_TEXT_NA_H

#include "text/source.h"

// Bytes of the shortest and the longest word. Lengths alone decide for most cells, without a look at their memory.
#define HS_NA_SHORTEST 2
#define HS_NA_LONGEST  8

// hs_na_is_word: is this cell, of HS_NA_SHORTEST to HS_NA_LONGEST bytes, missing by its word?
bool hs_na_is_word(enum hs_na na, struct hs_span cell);

// hs_na_is: is this cell missing? The empty cell always is; words are exact: case counts, blanks count.
static inline bool hs_na_is(enum hs_na na, struct hs_span cell)
{
	bool may_be_word = cell.len >= HS_NA_SHORTEST && cell.len <= HS_NA_LONGEST && na != HS_NA_EMPTY;
	return cell.len == 0 || (may_be_word && hs_na_is_word(na, cell));
}

#endif
