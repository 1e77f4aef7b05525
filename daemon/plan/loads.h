// SPDX-License-Identifier: Apache-2.0
// Folds in a heap, the lightest at its root. Private to this layer.
#ifndef HS_PLAN_LOADS_H
#define HS_PLAN_LOADS_H

#include <stddef.h>
#include <stdint.h>

struct hs_load {
	uint64_t weight;
	uint32_t fold; // of equal weights the lower fold is the lighter
};

// hs_loads_settle moves heap[at], which has become heavier, to its place among the k. O(log k).
void hs_loads_settle(struct hs_load *heap, uint32_t k, size_t at);

// hs_loads_build makes a heap of k loads in any order. O(k).
void hs_loads_build(struct hs_load *heap, uint32_t k);

#endif
