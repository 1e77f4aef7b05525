// SPDX-License-Identifier: Apache-2.0
// Batches over the socket as a trainer takes them: one stream, every epoch drained, every byte of every array summed.
//   bench_inline SOCKET NAME [EPOCHS [MAX_LENGTH [PADDING]]]
// prints one JSON line: medians over epochs, so that one disturbed epoch does not count.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hsfeed.h"

#define MAX_EPOCHS 64
#define MAX_WAITS  1000000

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double quantile(double *values, size_t n, double q)
{
	qsort(values, n, sizeof(*values), ascending);
	return n ? values[(size_t)(q * (double)(n - 1))] : 0;
}

static uint64_t sum_batch(const struct hsfeed_batch *batch)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < batch->narrays; i++) {
		const uint32_t *words = batch->arrays[i]->data;
		for (size_t j = 0; j < batch->arrays[i]->bytes / 4; j++)
			sum += words[j];
	}
	return sum;
}

static int fail(const struct hsfeed_error *error)
{
	fprintf(stderr, "bench_inline: %s\n", error->message);
	return 1;
}

struct figures {
	double rate[MAX_EPOCHS], first[MAX_EPOCHS]; // batches/s; seconds from asking for the epoch to its first batch
	double *waits;                              // seconds per hsfeed_stream_next
	size_t nwaits;
	uint64_t sum, bytes;
};

static int drain(hsfeed_stream *stream, unsigned epoch, struct figures *f, struct hsfeed_error *error)
{
	struct hsfeed_seek_options seek = {.size = sizeof(seek), .epoch = epoch};
	double begin = now(), before = begin;
	int rc = hsfeed_stream_seek(stream, &seek, NULL, error);
	size_t batches = 0;
	const struct hsfeed_batch *batch;
	while (rc >= 0 && (rc = hsfeed_stream_next(stream, -1, &batch, error)) == 1) {
		double after = now();
		if (batches++ == 0)
			f->first[epoch] = after - begin;
		if (f->nwaits < MAX_WAITS)
			f->waits[f->nwaits++] = after - before;
		f->sum += sum_batch(batch);
		for (size_t i = 0; i < batch->narrays; i++)
			f->bytes += batch->arrays[i]->bytes;
		hsfeed_batch_release(batch);
		before = now();
	}
	f->rate[epoch] = (double)batches / (now() - begin);
	return rc;
}

static void print(const char *name, const char *max_length, const char *padding, unsigned epochs, struct figures *f)
{
	printf("{\"bench\":\"inline\",\"name\":\"%s\",\"max_length\":%s,\"padding\":\"%s\",\"epochs\":%u,\"batches_per_"
	       "s\":%.0f,"
	       "\"first_batch_ms\":%.3f,\"wait_p50_us\":%.1f,\"wait_p99_us\":%.1f,\"mb\":%.1f,\"sum\":%" PRIu64 "}\n",
	       name, max_length, padding, epochs, quantile(f->rate, epochs, 0.5), 1e3 * quantile(f->first, epochs, 0.5),
	       1e6 * quantile(f->waits, f->nwaits, 0.5), 1e6 * quantile(f->waits, f->nwaits, 0.99),
	       (double)f->bytes / 1e6, f->sum);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: bench_inline SOCKET NAME [EPOCHS [MAX_LENGTH [PADDING]]]\n");
		return 2;
	}
	unsigned epochs = argc > 3 ? (unsigned)atoi(argv[3]) : 5;
	const char *max_length = argc > 4 ? argv[4] : "128", *padding = argc > 5 ? argv[5] : "max_length";
	epochs = epochs < 1 ? 1 : epochs > MAX_EPOCHS ? MAX_EPOCHS : epochs;
	struct hsfeed_error error = {0};
	struct hsfeed_connect_options connect = {.size = sizeof(connect), .socket = argv[1]};
	struct hsfeed_stream_options options = {.size = sizeof(options),
						.name = argv[2],
						.has_fold = 1,
						.max_length = (uint32_t)atoi(max_length),
						.padding = padding};
	hsfeed_client *client;
	hsfeed_stream *stream;
	struct figures f = {.waits = calloc(MAX_WAITS, sizeof(double))};
	if (!f.waits || hsfeed_connect(&connect, &client, &error) < 0 ||
	    hsfeed_stream_open(client, &options, &stream, &error) < 0)
		return fail(&error);
	for (unsigned epoch = 0; epoch < epochs; epoch++)
		if (drain(stream, epoch, &f, &error) < 0)
			return fail(&error);
	print(argv[2], max_length, padding, epochs, &f);
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	free(f.waits);
	return 0;
}
