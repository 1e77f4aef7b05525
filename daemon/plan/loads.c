// SPDX-License-Identifier: Apache-2.0
#include "plan/loads.h"

#include <stdbool.h>

static bool lighter(struct hs_load a, struct hs_load b)
{
	return a.weight < b.weight || (a.weight == b.weight && a.fold < b.fold);
}

void hs_loads_settle(struct hs_load *heap, uint32_t k, size_t at)
{
	struct hs_load item = heap[at];
	size_t child = 2 * at + 1;
	while (child < k) {
		if (child + 1 < k && lighter(heap[child + 1], heap[child]))
			child++;
		if (!lighter(heap[child], item))
			break;
		heap[at] = heap[child];
		at = child;
		child = 2 * at + 1;
	}
	heap[at] = item;
}

void hs_loads_build(struct hs_load *heap, uint32_t k)
{
	for (size_t at = k / 2; at-- > 0;)
		hs_loads_settle(heap, k, at);
}
