// SPDX-License-Identifier: Apache-2.0
// A text as the set of its character 5-grams.
#ifndef HS_TEXT_SHINGLE_H
#define HS_TEXT_SHINGLE_H

#include "base/buf.h"

#define HS_SHINGLE_CHARS 5

// A set of 5-grams, each a number: five code points below U+1000 are packed into 60 bits, so that different grams are
// different numbers; grams with other characters (CJK, emoji) are 63-bit hashes under the highest bit, and two of them
// are taken for one with a chance of 2^-63.
struct hs_grams {
	uint64_t *items; // [n] ascending, each once; heap
	size_t n, cap;   // of `cap`, which counts room for sorting too
};

// hs_grams_make gives the set of a text (valid UTF-8); empty when it has fewer than five characters. 0 or -ENOMEM.
int hs_grams_make(struct hs_grams *g, struct hs_span text);
void hs_grams_fini(struct hs_grams *g); // frees and zeroes

// hs_grams_need: how many grams two sets must share for a Jaccard similarity of `similarity`; a lower bound, at most
// one below. More than the smaller set has: impossible.
size_t hs_grams_need(size_t na, size_t nb, double similarity);

// hs_grams_common counts what two sets share, and gives up (0) as soon as `need` cannot be reached.
size_t hs_grams_common(const struct hs_grams *a, const struct hs_grams *b, size_t need);

#endif
