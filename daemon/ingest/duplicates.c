// SPDX-License-Identifier: Apache-2.0
// Rows are dealt into 256 buckets by their text's hash; each bucket is sorted by (hash, length, text, row), which puts
// equal texts side by side in row order. Sorting, not hashing, decides: texts made to collide cost n log n comparisons,
// not n^2.
#include "ingest/duplicates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"

#define BUCKETS   256
#define HASH_ROWS 8192 // per task

struct item {
	uint64_t hash;
	uint32_t row;
	uint32_t len; // a text is at most 1 MiB
};

struct finder {
	const struct hs_duplicates_in *in;
	struct item *items;  // in row order
	struct item *sorted; // in bucket order
	size_t ends[BUCKETS + 1];
	struct hs_duplicates *found; // [BUCKETS]
};

static int hash_rows(void *arg, size_t task)
{
	struct finder *f = arg;
	size_t end = (task + 1) * HASH_ROWS < f->in->nrows ? (task + 1) * HASH_ROWS : f->in->nrows;
	for (size_t i = task * HASH_ROWS; i < end; i++) {
		struct hs_span text = f->in->texts[i];
		f->items[i] = (struct item){.hash = hs_span_hash(text), .row = (uint32_t)i, .len = (uint32_t)text.len};
	}
	return 0;
}

static unsigned bucket_of(const struct item *item)
{
	return (unsigned)(item->hash >> 56);
}

static void deal(struct finder *f)
{
	size_t next[BUCKETS] = {0}, sum = 0;
	for (size_t i = 0; i < f->in->nrows; i++)
		next[bucket_of(&f->items[i])]++;
	for (size_t b = 0; b < BUCKETS; b++) {
		f->ends[b] = sum;
		sum += next[b];
		next[b] = f->ends[b];
	}
	f->ends[BUCKETS] = sum;
	for (size_t i = 0; i < f->in->nrows; i++)
		f->sorted[next[bucket_of(&f->items[i])]++] = f->items[i];
}

static int compare_texts(const struct item *a, const struct item *b, const struct hs_span *texts)
{
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->len == 0 ? 0 : memcmp(texts[a->row].ptr, texts[b->row].ptr, a->len);
}

static int compare_items(const void *pa, const void *pb, void *texts)
{
	const struct item *a = pa, *b = pb;
	int order = compare_texts(a, b, texts);
	if (order != 0)
		return order;
	return a->row < b->row ? -1 : a->row > b->row;
}

// Keeps the pairs with the smallest first lines, in order.
static void keep_pair(struct hs_duplicates *d, uint32_t first, uint32_t other)
{
	if (d->nlines == HS_REPORT_LINES && first >= d->lines[d->nlines - 1][0])
		return;
	size_t i = d->nlines < HS_REPORT_LINES ? d->nlines++ : d->nlines - 1;
	for (; i > 0 && d->lines[i - 1][0] > first; i--)
		memcpy(d->lines[i], d->lines[i - 1], sizeof(d->lines[i]));
	d->lines[i][0] = first;
	d->lines[i][1] = other;
}

static const char *labels_of(const struct hs_duplicates_in *in, uint32_t row)
{
	return (const char *)in->labels + row * in->row_bytes;
}

static void count_group(const struct hs_duplicates_in *in, const struct item *group, size_t n, struct hs_duplicates *d)
{
	d->rows += n - 1;
	d->groups++;
	for (size_t i = 1; i < n && in->row_bytes > 0; i++) {
		if (memcmp(labels_of(in, group[0].row), labels_of(in, group[i].row), in->row_bytes) == 0)
			continue;
		d->conflicting_groups++;
		d->conflicting_rows += n;
		keep_pair(d, in->lines[group[0].row], in->lines[group[i].row]);
		return;
	}
}

static int search_bucket(void *arg, size_t b)
{
	struct finder *f = arg;
	struct item *items = f->sorted + f->ends[b];
	size_t n = f->ends[b + 1] - f->ends[b];
	qsort_r(items, n, sizeof(*items), compare_items, (void *)f->in->texts);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && compare_texts(&items[i], &items[j], f->in->texts) == 0;)
			j++;
		if (j - i > 1)
			count_group(f->in, items + i, j - i, &f->found[b]);
	}
	return 0;
}

static void add_up(const struct finder *f, struct hs_duplicates *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t b = 0; b < BUCKETS; b++) {
		const struct hs_duplicates *d = &f->found[b];
		ret->rows += d->rows;
		ret->groups += d->groups;
		ret->conflicting_groups += d->conflicting_groups;
		ret->conflicting_rows += d->conflicting_rows;
		for (uint32_t i = 0; i < d->nlines; i++)
			keep_pair(ret, d->lines[i][0], d->lines[i][1]);
	}
}

int hs_duplicates_find(const struct hs_duplicates_in *in, struct hs_duplicates *ret, struct hs_err *reterr)
{
	struct finder f = {.in = in};
	int rc = -ENOMEM;
	if (in->nrows > UINT32_MAX)
		return hs_err_set(reterr, HSFEED_EUNSUPPORTED, "not supported yet: more than 4,294,967,295 rows");
	f.items = hs_array(in->nrows, sizeof(*f.items));
	f.sorted = hs_array(in->nrows, sizeof(*f.sorted));
	f.found = hs_array(BUCKETS, sizeof(*f.found));
	if (f.items && f.sorted && f.found) {
		hs_parallel(in->threads, (in->nrows + HASH_ROWS - 1) / HASH_ROWS, hash_rows, &f);
		deal(&f);
		hs_parallel(in->threads, BUCKETS, search_bucket, &f);
		add_up(&f, ret);
		rc = 0;
	}
	free(f.items);
	free(f.sorted);
	free(f.found);
	return rc < 0 ? hs_err_nomem(reterr, "looking for duplicates") : 0;
}
