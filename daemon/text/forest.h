// SPDX-License-Identifier: Apache-2.0
// Connected components: each member points to an earlier one of its component, the first to itself.
#ifndef HS_TEXT_FOREST_H
#define HS_TEXT_FOREST_H

#include <stddef.h>
#include <stdint.h>

static inline void hs_forest_init(uint32_t *forest, size_t n)
{
	for (size_t i = 0; i < n; i++)
		forest[i] = (uint32_t)i;
}

// hs_forest_root gives the first member of i's component, and shortens the way to it.
static inline uint32_t hs_forest_root(uint32_t *forest, uint32_t i)
{
	while (forest[i] != i)
		i = forest[i] = forest[forest[i]];
	return i;
}

static inline void hs_forest_join(uint32_t *forest, uint32_t a, uint32_t b)
{
	a = hs_forest_root(forest, a);
	b = hs_forest_root(forest, b);
	forest[a > b ? a : b] = a < b ? a : b;
}

// hs_forest_flatten makes every member point to the first.
static inline void hs_forest_flatten(uint32_t *forest, size_t n)
{
	for (size_t i = 0; i < n; i++)
		forest[i] = forest[forest[i]];
}

#endif
