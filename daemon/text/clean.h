// SPDX-License-Identifier: Apache-2.0
// What source.h does not show of cleaning: hs_clean_parse and hs_clean_apply are there.
#ifndef HS_TEXT_CLEAN_H
#define HS_TEXT_CLEAN_H

#include "text/source.h"

#define HS_CLEAN_MAX_STEPS 256

// hs_clean_space gives the bytes of the white space character at p (p < end), as Python's str.isspace() has it:
// Unicode's White_Space and U+001C..U+001F. 0 when it is another character.
size_t hs_clean_space(const char *p, const char *end);

// hs_clean_text cleans valid UTF-8. The result is a piece of `text` when nothing inside had to change, else it lies in
// `room`, which must hold text.len bytes and must not overlap `text`.
struct hs_span hs_clean_text(const struct hs_clean_step *steps, size_t nsteps, struct hs_span text, char *room);

#endif
