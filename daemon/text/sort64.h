// SPDX-License-Identifier: Apache-2.0
#ifndef HS_TEXT_SORT64_H
#define HS_TEXT_SORT64_H

#include <stddef.h>
#include <stdint.h>

// hs_sort64 sorts numbers in ascending order; `spare` has room for n more. n log n for every input, nothing allocated,
// and several times quicker than qsort(), which calls a function for each comparison.
void hs_sort64(uint64_t *items, size_t n, uint64_t *spare);

#endif
