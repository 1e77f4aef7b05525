// SPDX-License-Identifier: Apache-2.0
// Stable: a radix sort, lowest byte first, that skips bytes in which no two keys differ.
// numpy1: quicksort on an index array with a median of three, insertion sort for 16 items and fewer, heap sort where
// the recursion gets too deep. Which of two equal keys comes first follows from every comparison it makes, so all of
// them are made as in numpy/core/src/npysort (quicksort.cpp, heapsort.cpp, numpy 1.24). numpy since 1.25 sorts with
// AVX-512 and since 2.0 with AVX2 where the processor has it, with other orders of equal keys; scikit-learn 1.9 asks
// for the stable order instead.
#include "plan/sort.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define BYTES 8
#define SMALL 15

struct radix {
	uint64_t *keys, *other_keys;
	uint32_t *order, *other_order;
	size_t n;
};

static void radix_pass(struct radix *r, unsigned shift)
{
	size_t starts[257] = {0};
	for (size_t i = 0; i < r->n; i++)
		starts[(r->keys[i] >> shift & 255) + 1]++;
	for (unsigned b = 0; b < 256; b++)
		starts[b + 1] += starts[b];
	for (size_t i = 0; i < r->n; i++) {
		size_t to = starts[r->keys[i] >> shift & 255]++;
		r->other_keys[to] = r->keys[i];
		r->other_order[to] = r->order[i];
	}
	struct radix before = *r;
	r->keys = before.other_keys;
	r->other_keys = before.keys;
	r->order = before.other_order;
	r->other_order = before.order;
}

int hs_argsort_stable(const uint64_t *keys, size_t n, uint32_t *ret_order)
{
	uint64_t *key_space = hs_array(n, 2 * sizeof(*key_space)), differ = 0;
	uint32_t *order_space = hs_array(n, 2 * sizeof(*order_space));
	int rc = key_space == NULL || order_space == NULL ? -ENOMEM : 0;
	if (rc < 0)
		goto out;
	struct radix r = {key_space, key_space + n, order_space, order_space + n, n};
	for (size_t i = 0; i < n; i++) {
		r.keys[i] = keys[i];
		r.order[i] = (uint32_t)i;
		differ |= keys[i] ^ keys[0];
	}
	for (unsigned shift = 0; shift < BYTES * 8; shift += 8)
		if (differ >> shift & 255)
			radix_pass(&r, shift);
	memcpy(ret_order, r.order, n * sizeof(*ret_order));
out:
	free(key_space);
	free(order_space);
	return rc;
}

static void swap(uint32_t *p, size_t i, size_t j)
{
	uint32_t item = p[i];
	p[i] = p[j];
	p[j] = item;
}

// Items p[0..n), as numpy's aheapsort with its one-based heap.
static void sift_down(const uint32_t *v, uint32_t *p, size_t at, size_t n)
{
	uint32_t item = p[at - 1];
	size_t child = at * 2;
	while (child <= n) {
		if (child < n && v[p[child - 1]] < v[p[child]])
			child++;
		if (v[item] >= v[p[child - 1]])
			break;
		p[at - 1] = p[child - 1];
		at = child;
		child += child;
	}
	p[at - 1] = item;
}

static void heap_sort(const uint32_t *v, uint32_t *p, size_t n)
{
	for (size_t at = n / 2; at > 0; at--)
		sift_down(v, p, at, n);
	for (size_t left = n; left > 1; left--) {
		swap(p, 0, left - 1);
		sift_down(v, p, 1, left - 1);
	}
}

static void insertion_sort(const uint32_t *v, uint32_t *p, size_t lo, size_t hi)
{
	for (size_t i = lo + 1; i <= hi; i++) {
		uint32_t item = p[i];
		size_t j = i;
		for (; j > lo && v[item] < v[p[j - 1]]; j--)
			p[j] = p[j - 1];
		p[j] = item;
	}
}

// Splits p[lo..hi] around the median of three; returns where the pivot came to lie.
static size_t partition(const uint32_t *v, uint32_t *p, size_t lo, size_t hi)
{
	size_t mid = lo + (hi - lo) / 2, i = lo, j = hi - 1;
	if (v[p[mid]] < v[p[lo]])
		swap(p, mid, lo);
	if (v[p[hi]] < v[p[mid]])
		swap(p, hi, mid);
	if (v[p[mid]] < v[p[lo]])
		swap(p, mid, lo);
	uint32_t pivot = v[p[mid]];
	swap(p, mid, hi - 1);
	for (;;) {
		do
			i++;
		while (v[p[i]] < pivot);
		do
			j--;
		while (pivot < v[p[j]]);
		if (i >= j)
			break;
		swap(p, i, j);
	}
	swap(p, i, hi - 1);
	return i;
}

struct part {
	size_t lo, hi;
	int depth;
};

void hs_argsort_numpy1(const uint32_t *keys, size_t n, uint32_t *ret_order)
{
	struct part stack[64], now = {0, n - 1, n > 0 ? 2 * (63 - __builtin_clzll(n)) : 0};
	size_t held = 0;
	for (size_t i = 0; i < n; i++)
		ret_order[i] = (uint32_t)i;
	for (bool more = n > 1; more; more = held > 0, now = more ? stack[--held] : now) {
		if (now.depth < 0) { // looked at only here, not while going on with the smaller side
			heap_sort(keys, ret_order + now.lo, now.hi - now.lo + 1);
			continue;
		}
		while (now.hi - now.lo > SMALL) {
			size_t i = partition(keys, ret_order, now.lo, now.hi);
			struct part left = {now.lo, i - 1, --now.depth}, right = {i + 1, now.hi, now.depth};
			bool left_first = i - now.lo < now.hi - i;
			stack[held++] = left_first ? right : left;
			now = left_first ? left : right;
		}
		insertion_sort(keys, ret_order, now.lo, now.hi);
	}
}

int hs_rank_u32(const uint32_t *values, size_t n, uint32_t *ret_ranks, size_t *ret_nranks)
{
	uint64_t *keys = hs_array(n, sizeof(*keys));
	uint32_t *order = hs_array(n, sizeof(*order)), rank = 0;
	int rc = keys == NULL || order == NULL ? -ENOMEM : 0;
	for (size_t i = 0; rc == 0 && i < n; i++)
		keys[i] = values[i];
	if (rc == 0)
		rc = hs_argsort_stable(keys, n, order);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rank += i > 0 && keys[order[i]] != keys[order[i - 1]];
		ret_ranks[order[i]] = rank;
	}
	if (rc == 0)
		*ret_nranks = n == 0 ? 0 : (size_t)rank + 1;
	free(keys);
	free(order);
	return rc;
}
