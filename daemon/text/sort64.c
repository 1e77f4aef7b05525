// SPDX-License-Identifier: Apache-2.0
// Merge sort from the bottom: runs of RUN numbers by insertion, then runs merged in pairs, to and fro.
#include "text/sort64.h"

#include <string.h>

#define RUN 12

static void sort_run(uint64_t *items, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		uint64_t item = items[i];
		size_t j = i;
		for (; j > 0 && items[j - 1] > item; j--)
			items[j] = items[j - 1];
		items[j] = item;
	}
}

static void merge(const uint64_t *a, size_t na, const uint64_t *b, size_t nb, uint64_t *out)
{
	const uint64_t *a_end = a + na, *b_end = b + nb;
	while (a < a_end && b < b_end) {
		uint64_t x = *a, y = *b;
		*out++ = x <= y ? x : y;
		a += x <= y;
		b += y < x;
	}
	if (a < a_end)
		memcpy(out, a, (size_t)(a_end - a) * sizeof(*a));
	else if (b < b_end)
		memcpy(out, b, (size_t)(b_end - b) * sizeof(*b));
}

void hs_sort64(uint64_t *items, size_t n, uint64_t *spare)
{
	uint64_t *from = items, *to = spare;
	for (size_t i = 0; i < n; i += RUN)
		sort_run(items + i, n - i < RUN ? n - i : RUN);
	for (size_t run = RUN; run < n; run *= 2) {
		for (size_t i = 0; i < n; i += 2 * run) {
			size_t na = n - i < run ? n - i : run;
			size_t nb = n - i - na < run ? n - i - na : run;
			merge(from + i, na, from + i + na, nb, to + i);
		}
		uint64_t *swap = from;
		from = to;
		to = swap;
	}
	if (from != items && n > 0)
		memcpy(items, from, n * sizeof(*items));
}
