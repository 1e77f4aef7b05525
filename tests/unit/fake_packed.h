// SPDX-License-Identifier: Apache-2.0
// A packed ring of the fake daemon's: SLOTS slots of one role of 16-bit codes with a table, and the index; written out
// they are input_ids and attention_mask int64 [rows, length], and index int64 [rows].
#ifndef HS_TESTS_FAKE_PACKED_H
#define HS_TESTS_FAKE_PACKED_H

#include "fake_stream.h"

#define PACKED_BYTES      256u
#define PACKED_RING_BYTES (SLOTS * PACKED_BYTES + 64)

// packed_open greets, expects stream.open with packed, and answers it. packed_answer answers only; memory of `bytes`.
void packed_open(struct fake *f, struct fake_ring *r);
void packed_answer(struct fake *f, struct fake_ring *r, size_t bytes);

// Batch i lies in slot i % SLOTS and is fill i + 1; it has 3 rows of length 5, of 1 to 3 tokens. packed_ready writes
// and announces n of them; bad > 0: instead of its true number of tokens the last one's second row has that.
void packed_ready(struct fake_ring *r, uint64_t generation, uint64_t first, uint64_t n, uint32_t bad);

// In the test.
void packed_assert_batch(const struct hsfeed_batch *b, uint64_t i);

#endif
