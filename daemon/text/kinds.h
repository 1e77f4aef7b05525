// SPDX-License-Identifier: Apache-2.0
// Which rows have equal texts.
#ifndef HS_TEXT_KINDS_H
#define HS_TEXT_KINDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

// hs_kinds_find sets ret_first[row] to the first row with the same bytes. n is below 2^32. n log n comparisons whatever
// the texts, 32 bytes of memory a row meanwhile; the same answer for every number of threads. 0 or -ENOMEM.
int hs_kinds_find(const struct hs_span *texts, size_t n, unsigned threads, uint32_t *ret_first);

#endif
