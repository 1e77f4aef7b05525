// SPDX-License-Identifier: Apache-2.0
// A ring of the fake daemon's: four slots of three arrays, input_ids int64 [rows, length], labels float32 [rows, 2],
// index int64 [rows], for one role.
#ifndef HS_TESTS_FAKE_STREAM_H
#define HS_TESTS_FAKE_STREAM_H

#include "fake_daemon.h"

#define STREAM     3
#define SLOTS      4
#define BATCH_SIZE 4
#define MAX_LENGTH 16
#define SLOT_BYTES 640
#define SEALS      (0x0001 | 0x0002 | 0x0004) // F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW

struct opening { // an answer to stream.open; 0: as it should be
	const char *transport, *dtype;
	uint64_t slots, slot_bytes, offset, bytes; // offset, bytes: of the labels
	bool without_offset;                       // the labels' is 0
};
void ring_put_open(struct hs_wbuf *w, const struct opening *o);

// ring_open greets, expects stream.open, and answers it with a ring.
void ring_open(struct fake *f, struct fake_ring *r);
void ring_answer(struct fake *f, struct fake_ring *r, const struct opening *o);

// Batch i lies in slot i % SLOTS and is fill i + 1; it has 3 rows of length 5. ring_ready writes and announces n of
// them; `rows` and the rest change what is said of the last one.
struct ready {
	uint64_t first, n;
	const uint64_t *said; // its numbers, nsaid of them, instead of the true ones
	unsigned nsaid;
};
void ring_ready(struct fake_ring *r, uint64_t generation, const struct ready *what);
void ring_end(struct fake_ring *r, uint64_t generation);
void ring_credits(struct fake *f, struct fake_ring *r, unsigned n, uint64_t seen[]); // seen[slot]: its last fill
void reply_sought(struct fake *f, uint64_t generation, uint64_t epoch);

// The same with a ring, if f->rings, or through the connection. either_batch sends the i-th, in slot i % SLOTS;
// either_finish reads to the connection's end, and the method `never` must not come.
struct either {
	struct fake *f;
	struct fake_ring ring;
	bool is_ring;
};
void either_open(struct fake *f, struct either *l);
void either_batch(struct either *l, uint64_t generation, uint64_t i);
void either_end(struct either *l, uint64_t generation, bool failed);
void either_expect_release(struct either *l);
void either_finish(struct either *l, const char *never);

// In the test.
hsfeed_stream *ring_stream(struct fake *f, void (*script)(struct fake *f), hsfeed_client **ret_client);
void ring_assert_batch(const struct hsfeed_batch *b, uint64_t n);

#endif
