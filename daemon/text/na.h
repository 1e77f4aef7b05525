// SPDX-License-Identifier: Apache-2.0
// Words that stand for a missing value.
#ifndef HS_TEXT_NA_H
#define HS_TEXT_NA_H

#include "text/source.h"

#define HS_NA_LONGEST 8 // bytes of the longest word

// hs_na_is_word: is this cell, of at most HS_NA_LONGEST bytes and not empty, missing by its word?
bool hs_na_is_word(enum hs_na na, struct hs_span cell);

// hs_na_is: is this cell missing? The empty cell always is; words are exact: case counts, blanks count.
static inline bool hs_na_is(enum hs_na na, struct hs_span cell)
{
	return cell.len == 0 || (cell.len <= HS_NA_LONGEST && na != HS_NA_EMPTY && hs_na_is_word(na, cell));
}

#endif
