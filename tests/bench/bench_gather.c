// SPDX-License-Identifier: Apache-2.0
// The gather alone, on one core: an epoch of the training rows of fold 0, each batch into the same slot, which so stays
// in a cache; then into slots that do not.
//   bench_gather STATE NAME [EPOCHS [MAX_LENGTH [PADDING [MASK_ROWS]]]]
// STATE is the state folder of a daemon that is not running. Prints one JSON line: microseconds per batch of 32 rows,
// medians over epochs, in processor time of the thread.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "feed/feed.h"

#define MAX_EPOCHS 256
#define COLD_BYTES (256u << 20)

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

// Microseconds per batch, the median over epochs.
static double measure(struct hs_stream *stream, uint8_t *memory, size_t nslots, unsigned epochs)
{
	double times[MAX_EPOCHS];
	size_t slot_bytes = hs_stream_get_layout(stream)->slot_bytes;
	for (unsigned e = 0; e < epochs; e++) {
		struct hs_fill fill;
		size_t n = 0;
		if (hs_stream_seek(stream, &(struct hs_stream_place){.epoch = e, .seed = 42}, NULL) < 0)
			exit(1);
		double begin = now();
		while (hs_stream_fill(stream, memory + n % nslots * slot_bytes, &fill) == 1)
			n++;
		times[e] = 1e6 * (now() - begin) / (double)(n ? n : 1);
	}
	qsort(times, epochs, sizeof(*times), ascending);
	return times[epochs / 2];
}

static int open_stream(struct hs_feed *feed, char **argv, int argc, struct hs_stream **ret, struct hs_err *err)
{
	struct hs_source_request request = {.uid = getuid(), .owner = getuid(), .spec = argv[2]};
	struct hs_stream_spec spec = {.plan = {.spec = {.nfolds = 5, .seed = 42, .shuffle = true}},
				      .world = 1,
				      .seed = 42,
				      .batch_size = 32,
				      .padding = argc > 5 && strcmp(argv[5], "longest") == 0 ? HS_PAD_LONGEST
											     : HS_PAD_MAX_LENGTH};
	if (argc > 6)
		spec.mask = (struct hs_mask_spec){
			.kind = HS_MASK_ROWS, .share = atof(argv[6]), .seed = 42, .roles = {true}};
	spec.max_length[0] = argc > 4 ? (uint32_t)atoi(argv[4]) : 128;
	struct hs_feed_source *source;
	int rc = hs_feed_source_open(feed, &request, &source, err);
	return rc < 0 ? rc : hs_stream_create(feed, source, &spec, ret, err);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: bench_gather STATE NAME [EPOCHS [MAX_LENGTH [PADDING [MASK_ROWS]]]]\n");
		return 2;
	}
	unsigned epochs = argc > 3 ? (unsigned)atoi(argv[3]) : 21;
	epochs = epochs < 1 ? 1 : epochs > MAX_EPOCHS ? MAX_EPOCHS : epochs;
	struct hs_err err = {0};
	struct hs_store_options options = {.state = argv[1]};
	struct hs_store *store;
	struct hs_feed *feed;
	struct hs_stream *stream;
	uint8_t *memory = aligned_alloc(4096, COLD_BYTES);
	if (!memory || hs_store_open(&options, &store, &err) < 0 || hs_feed_create(store, &feed) < 0 ||
	    open_stream(feed, argv, argc, &stream, &err) < 0) {
		fprintf(stderr, "bench_gather: %s\n", err.message);
		return 1;
	}
	memset(memory, 1, COLD_BYTES);
	size_t slot_bytes = hs_stream_get_layout(stream)->slot_bytes, cold = COLD_BYTES / slot_bytes;
	double warm_us = measure(stream, memory, 1, epochs), ring_us = measure(stream, memory, 16, epochs);
	printf("{\"bench\":\"gather\",\"slot_bytes\":%zu,\"us_per_batch\":%.2f,\"us_16_slots\":%.2f,\"us_cold\":%.2f}"
	       "\n",
	       slot_bytes, warm_us, ring_us, measure(stream, memory, cold, epochs));
	hs_stream_destroy(stream);
	hs_feed_destroy(feed);
	hs_store_close(store);
	free(memory);
	return 0;
}
