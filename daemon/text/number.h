// SPDX-License-Identifier: Apache-2.0
// Words as numbers, by pandas' rules, and numbers as Python writes them.
#ifndef HS_TEXT_NUMBER_H
#define HS_TEXT_NUMBER_H

#include "base/buf.h"

enum hs_number { HS_NUMBER_OK, HS_NUMBER_NOT, HS_NUMBER_OVERFLOW };

// hs_number_int64: blanks, sign, digits, blanks. OVERFLOW only without blanks behind, as pandas has it.
enum hs_number hs_number_int64(struct hs_span word, int64_t *ret);

// hs_number_uint64: the same without '-'.
enum hs_number hs_number_uint64(struct hs_span word, uint64_t *ret);

// hs_number_double: blanks, sign, digits with a point, exponent, blanks, correctly rounded (pandas 3; older pandas may
// differ in the last bit); or "inf" and "infinity" with a sign, in any letter case, without blanks. 1 (a number), 0 or
// -ENOMEM.
int hs_number_double(struct hs_span word, double *ret);

// hs_number_bool: "true" and "false" in any letter case.
bool hs_number_bool(struct hs_span word, bool *ret);

// hs_number_is_pylong: does Python's int() take the word? Blanks, sign, digits with single '_' between them, blanks; at
// most 4300 digits.
bool hs_number_is_pylong(struct hs_span word);

// hs_number_pylong writes such a word as Python writes the integer, into room for word.len + 1 bytes; returns the
// length.
size_t hs_number_pylong(struct hs_span word, char *ret_text);

#define HS_NUMBER_REPR 32
// hs_number_repr writes the shortest digits that read back as x, as Python's repr(float) does. Returns the length.
size_t hs_number_repr(double x, char ret_text[HS_NUMBER_REPR]);

#endif
