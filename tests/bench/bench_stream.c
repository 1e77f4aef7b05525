// SPDX-License-Identifier: Apache-2.0
// Batches as a trainer takes them: one stream, every epoch drained, every byte of every array summed.
//   bench_stream SOCKET NAME [EPOCHS [MAX_LENGTH [PADDING [TRANSPORT [SLOTS [BATCH_SIZE]]]]]]
// TRANSPORT is ring or inline. Prints one JSON line: medians over epochs, so that one disturbed epoch does not count.
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

// Eight sums side by side: of a loop of one, it is its place in the program that decides how fast it is (twice as long
// across two lines of the instruction cache: some 2.6 us for 64 KiB, as much as all that the library does for a batch).
#define DEFINE_SUM(name, type, sum_type)                                                                               \
	static sum_type name(const type *values, size_t n)                                                             \
	{                                                                                                              \
		sum_type sums[8] = {0};                                                                                \
		for (size_t i = 0; i < n / 8 * 8; i += 8)                                                              \
			for (size_t j = 0; j < 8; j++)                                                                 \
				sums[j] += values[i + j];                                                              \
		for (size_t i = n / 8 * 8; i < n; i++)                                                                 \
			sums[0] += values[i];                                                                          \
		return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];                  \
	}

DEFINE_SUM(sum_u64, uint64_t, uint64_t)
DEFINE_SUM(sum_u32, uint32_t, uint64_t)
DEFINE_SUM(sum_f32, float, float)

// Every array, in its own type.
static uint64_t sum_array(const struct hsfeed_array *array)
{
	size_t n = array->bytes / hsfeed_dtype_bytes(array->dtype);
	if (array->dtype == HSFEED_INT64)
		return sum_u64(array->data, n);
	return array->dtype == HSFEED_INT32 ? sum_u32(array->data, n) : (uint64_t)sum_f32(array->data, n);
}

static uint64_t sum_batch(const struct hsfeed_batch *batch)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < batch->narrays; i++)
		sum += sum_array(batch->arrays[i]);
	return sum;
}

static int fail(const struct hsfeed_error *error)
{
	fprintf(stderr, "bench_stream: %s\n", error->message);
	return 1;
}

struct figures {
	double rate[MAX_EPOCHS], first[MAX_EPOCHS]; // batches/s; seconds from asking for the epoch to its first batch
	double *waits;                              // seconds per hsfeed_stream_next
	size_t nwaits;
	uint64_t sum, bytes;
	double seconds;
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
	f->seconds += now() - begin;
	f->rate[epoch] = (double)batches / (now() - begin);
	return rc;
}

// The share of the time that was spent in waits of over 10 us: asleep, or about to be.
static double stalled(const struct figures *f, double seconds)
{
	double sum = 0;
	for (size_t i = 0; i < f->nwaits; i++)
		sum += f->waits[i] > 1e-5 ? f->waits[i] : 0;
	return sum / seconds;
}

static void print(const hsfeed_value *info, unsigned epochs, struct figures *f)
{
	printf("{\"bench\":\"stream\",\"transport\":\"%s\",\"slots\":%" PRIu64 ",\"slot_bytes\":%" PRIu64
	       ",\"epochs\":%u,"
	       "\"batches_per_s\":%.0f,\"best_batches_per_s\":%.0f,"
	       "\"first_batch_ms\":%.3f,\"first_batch_max_ms\":%.3f,\"stalled\":%.2f,\"wait_p50_us\":%.1f,\"wait_p99_"
	       "us\":%.1f,\"mb\":%.1f,\"sum\":"
	       "%" PRIu64 "}\n",
	       hsfeed_value_str(hsfeed_value_get(info, "transport"), NULL, "?"),
	       hsfeed_value_uint(hsfeed_value_get(info, "slots"), 0),
	       hsfeed_value_uint(hsfeed_value_get(info, "slot_bytes"), 0), epochs, quantile(f->rate, epochs, 0.5),
	       quantile(f->rate, epochs, 1), 1e3 * quantile(f->first, epochs, 0.5), 1e3 * quantile(f->first, epochs, 1),
	       stalled(f, f->seconds), 1e6 * quantile(f->waits, f->nwaits, 0.5),
	       1e6 * quantile(f->waits, f->nwaits, 0.99), (double)f->bytes / 1e6, f->sum);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: bench_stream SOCKET NAME "
				"[EPOCHS [MAX_LENGTH [PADDING [TRANSPORT [SLOTS [BATCH_SIZE]]]]]]\n");
		return 2;
	}
	unsigned epochs = argc > 3 ? (unsigned)atoi(argv[3]) : 5;
	epochs = epochs < 1 ? 1 : epochs > MAX_EPOCHS ? MAX_EPOCHS : epochs;
	struct hsfeed_error error = {0};
	struct hsfeed_connect_options connect = {.size = sizeof(connect), .socket = argv[1]};
	struct hsfeed_stream_options options = {.size = sizeof(options),
						.name = argv[2],
						.has_fold = 1,
						.max_length = argc > 4 ? (uint32_t)atoi(argv[4]) : 128,
						.padding = argc > 5 ? argv[5] : "max_length",
						.transport = argc > 6 ? argv[6] : NULL,
						.slots = argc > 7 ? (uint32_t)atoi(argv[7]) : 0,
						.batch_size = argc > 8 ? (uint32_t)atoi(argv[8]) : 32};
	hsfeed_client *client;
	hsfeed_stream *stream;
	struct figures f = {.waits = calloc(MAX_WAITS, sizeof(double))};
	if (!f.waits || hsfeed_connect(&connect, &client, &error) < 0 ||
	    hsfeed_stream_open(client, &options, &stream, &error) < 0)
		return fail(&error);
	for (unsigned epoch = 0; epoch < epochs; epoch++)
		if (drain(stream, epoch, &f, &error) < 0)
			return fail(&error);
	print(hsfeed_stream_info(stream), epochs, &f);
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	free(f.waits);
	return 0;
}
