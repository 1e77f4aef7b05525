// SPDX-License-Identifier: Apache-2.0
// What `stream` does with each batch: print it, digest it, or only count it.
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void print_item(const struct hsfeed_array *a, size_t i)
{
	if (a->dtype == HSFEED_INT64)
		json_int(stdout, ((const int64_t *)a->data)[i]);
	else if (a->dtype == HSFEED_INT32)
		json_int(stdout, ((const int32_t *)a->data)[i]);
	else
		json_f32(stdout, ((const float *)a->data)[i]);
}

static void print_items(const struct hsfeed_array *a, size_t first, size_t n)
{
	putc_unlocked('[', stdout);
	for (size_t i = 0; i < n; i++) {
		if (i)
			putc_unlocked(',', stdout);
		print_item(a, first + i);
	}
	putc_unlocked(']', stdout);
}

static void print_array(const struct hsfeed_array *a)
{
	fputs(",\"", stdout);
	fputs(a->name, stdout);
	fputs("\":", stdout);
	if (a->ndim == 1) {
		print_items(a, 0, a->shape[0]);
		return;
	}
	putc_unlocked('[', stdout);
	for (size_t row = 0; row < a->shape[0]; row++) {
		if (row)
			putc_unlocked(',', stdout);
		print_items(a, row * a->shape[1], a->shape[1]);
	}
	putc_unlocked(']', stdout);
}

// index comes first, so that a reader knows at once which rows these are.
static void print_batch(const struct hsfeed_batch *batch)
{
	fputs("{\"batch\":", stdout);
	json_uint(stdout, batch->batch);
	for (int index = 1; index >= 0; index--) {
		for (size_t i = 0; i < batch->narrays; i++) {
			if ((strcmp(batch->arrays[i]->name, "index") == 0) == (index == 1))
				print_array(batch->arrays[i]);
		}
	}
	fputs("}\n", stdout);
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct hsfeed_array *const *)a)->name, (*(const struct hsfeed_array *const *)b)->name);
}

static void digest_batch(struct digest *digest, const struct hsfeed_batch *batch)
{
	const struct hsfeed_array *sorted[64];
	size_t n = batch->narrays < 64 ? batch->narrays : 64; // the library allows fewer
	memcpy(sorted, batch->arrays, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), by_name);
	for (size_t i = 0; i < n; i++)
		digest_add(digest, sorted[i]->data, sorted[i]->bytes);
}

void sink_take(struct sink *sink, const struct hsfeed_batch *batch)
{
	sink->batches++;
	sink->rows += batch->rows;
	for (size_t i = 0; i < batch->narrays; i++)
		sink->bytes += batch->arrays[i]->bytes;
	if (sink->format == SINK_JSONL)
		print_batch(batch);
	else if (sink->format == SINK_DIGEST)
		digest_batch(sink->digest, batch);
}
