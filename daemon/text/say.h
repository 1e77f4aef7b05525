// SPDX-License-Identifier: Apache-2.0
// What the sentences about a source share: quoted pieces of it, and counted rows.
#ifndef HS_TEXT_SAY_H
#define HS_TEXT_SAY_H

#include "text/source.h"

#define HS_QUOTED_BYTES 128

// A piece of a source, quoted for a sentence: "..." cut after 60 bytes at a character, control characters as \xNN.
struct hs_quoted {
	char text[HS_QUOTED_BYTES];
};
struct hs_quoted hs_quote(struct hs_span s);

// hs_row_count_add counts a row, and keeps its line while there is room.
void hs_row_count_add(struct hs_row_count *count, uint32_t line);

// hs_delimiter_name: "comma", "tab", "semicolon", or the character itself, as --delimiter takes it.
struct hs_quoted hs_delimiter_name(int delimiter);

#endif
