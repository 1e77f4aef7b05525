// SPDX-License-Identifier: Apache-2.0
// Rows are dealt into 256 buckets by hash and each is sorted by (hash, text, row), which puts equal texts side by side,
// the first row first. Sorting decides, not hashing: texts made to collide cost n log n comparisons, not n^2.
#include "text/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"

#define BUCKETS   256
#define HASH_ROWS 8192 // per task

struct item {
	uint64_t hash;
	uint32_t row;
};

struct search {
	const struct hs_span *texts;
	size_t n;
	struct item *items;  // in row order
	struct item *sorted; // in bucket order
	size_t starts[BUCKETS + 1];
	uint32_t *first;
};

static int hash_rows(void *arg, size_t task)
{
	struct search *s = arg;
	size_t end = s->n - task * HASH_ROWS < HASH_ROWS ? s->n : (task + 1) * HASH_ROWS;
	for (size_t i = task * HASH_ROWS; i < end; i++)
		s->items[i] = (struct item){hs_span_hash(s->texts[i]), (uint32_t)i};
	return 0;
}

static void deal(struct search *s)
{
	size_t next[BUCKETS] = {0}, sum = 0;
	for (size_t i = 0; i < s->n; i++)
		next[s->items[i].hash >> 56]++;
	for (size_t b = 0; b < BUCKETS; b++) {
		s->starts[b] = sum;
		sum += next[b];
		next[b] = s->starts[b];
	}
	s->starts[BUCKETS] = sum;
	for (size_t i = 0; i < s->n; i++)
		s->sorted[next[s->items[i].hash >> 56]++] = s->items[i];
}

static int compare_texts(const struct item *a, const struct item *b, const struct hs_span *texts)
{
	struct hs_span x = texts[a->row], y = texts[b->row];
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (x.len != y.len)
		return x.len < y.len ? -1 : 1;
	return x.len == 0 ? 0 : memcmp(x.ptr, y.ptr, x.len);
}

static int compare_items(const void *pa, const void *pb, void *texts)
{
	const struct item *a = pa, *b = pb;
	int order = compare_texts(a, b, texts);
	if (order != 0)
		return order;
	return (a->row > b->row) - (a->row < b->row);
}

static int search_bucket(void *arg, size_t b)
{
	struct search *s = arg;
	struct item *items = s->sorted + s->starts[b];
	size_t n = s->starts[b + 1] - s->starts[b];
	qsort_r(items, n, sizeof(*items), compare_items, (void *)s->texts);
	for (size_t i = 0, start = 0; i < n; i++) {
		if (compare_texts(&items[start], &items[i], s->texts) != 0)
			start = i;
		s->first[items[i].row] = items[start].row;
	}
	return 0;
}

int hs_kinds_find(const struct hs_span *texts, size_t n, unsigned threads, uint32_t *ret_first)
{
	struct search s = {.texts = texts, .n = n, .first = ret_first};
	s.items = hs_array(n, sizeof(*s.items));
	s.sorted = hs_array(n, sizeof(*s.sorted));
	int rc = s.items && s.sorted ? 0 : -ENOMEM;
	if (rc == 0) {
		hs_parallel(threads, (n + HASH_ROWS - 1) / HASH_ROWS, hash_rows, &s);
		deal(&s);
		hs_parallel(threads, BUCKETS, search_bucket, &s);
	}
	free(s.items);
	free(s.sorted);
	return rc;
}
