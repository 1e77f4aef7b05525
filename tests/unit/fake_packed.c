// SPDX-License-Identifier: Apache-2.0
#include "fake_packed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ROLE_BYTES 176 // 64 of counts, 4 rows of at most 14 codes
#define INDEX_AT   192
#define OUT_BYTES  1088
#define NCODES     9
#define CLS        101
#define SEP        102
#define PAD        7

static void put_uint(struct hs_wbuf *w, const char *key, uint64_t value)
{
	hs_w_cstr(w, key);
	hs_w_uint(w, value);
}

static void put_array(struct hs_wbuf *w, const char *name, uint64_t offset, bool role)
{
	hs_w_map(w, role ? 7 : 5);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, name);
	hs_w_cstr(w, "dtype");
	hs_w_cstr(w, "int64");
	put_uint(w, "dims", role ? 2 : 1);
	put_uint(w, "offset", offset);
	put_uint(w, "bytes", BATCH_SIZE * 8 * (role ? MAX_LENGTH : 1));
	if (role) {
		put_uint(w, "columns", MAX_LENGTH);
		put_uint(w, "role", 0);
	}
}

static void put_pair(struct hs_wbuf *w, uint64_t first, uint64_t second)
{
	hs_w_array(w, 2);
	hs_w_uint(w, first);
	hs_w_uint(w, second);
}

static void put_packed(struct hs_wbuf *w)
{
	hs_w_cstr(w, "packed");
	hs_w_map(w, 3);
	put_uint(w, "slot_bytes", PACKED_BYTES);
	hs_w_cstr(w, "roles");
	hs_w_array(w, 1);
	hs_w_map(w, 9);
	put_uint(w, "offset", 0);
	put_uint(w, "bytes", ROLE_BYTES);
	put_uint(w, "width", 16);
	hs_w_cstr(w, "table");
	put_pair(w, SLOTS * PACKED_BYTES, NCODES);
	hs_w_cstr(w, "prefix");
	hs_w_array(w, 1);
	put_pair(w, CLS, 0);
	hs_w_cstr(w, "suffix");
	hs_w_array(w, 1);
	put_pair(w, SEP, 0);
	hs_w_cstr(w, "pad");
	put_pair(w, PAD, 0);
	put_uint(w, "text_type", 0);
	hs_w_cstr(w, "pad_left");
	hs_w_bool(w, false);
	hs_w_cstr(w, "offsets");
	hs_w_array(w, 1);
	hs_w_uint(w, INDEX_AT);
}

static void put_open(struct hs_wbuf *w)
{
	hs_w_map(w, 10);
	put_uint(w, "stream", STREAM);
	put_uint(w, "generation", 1);
	put_uint(w, "epoch", 0);
	put_uint(w, "slots", SLOTS);
	put_uint(w, "batch_size", BATCH_SIZE);
	put_uint(w, "slot_bytes", OUT_BYTES);
	hs_w_cstr(w, "transport");
	hs_w_cstr(w, "ring");
	hs_w_cstr(w, "encodings");
	hs_w_array(w, 1);
	hs_w_map(w, 0);
	hs_w_cstr(w, "arrays");
	hs_w_array(w, 3);
	put_array(w, "input_ids", 0, true);
	put_array(w, "attention_mask", 512, true);
	put_array(w, "index", 1024, false);
	put_packed(w);
}

void packed_answer(struct fake *f, struct fake_ring *r, size_t bytes)
{
	fake_ring_make(r, bytes, SEALS);
	for (uint32_t code = 0; code < NCODES && bytes == PACKED_RING_BYTES; code++)
		memcpy(r->map + SLOTS * PACKED_BYTES + 4 * code, &(uint32_t){1000 * code}, 4);
	struct hs_wbuf w = fake_begin_reply(f->seq);
	put_open(&w);
	fake_end_on(f->fd, &w, (int[2]){r->memory, r->given}, 2);
	close(r->given);
	r->given = -1;
}

void packed_open(struct fake *f, struct fake_ring *r)
{
	struct hs_rbuf at;
	struct hs_wire_value packed;
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	fake_check(hs_r_find(f->params, "packed", &at) && hs_r_next(&at, &packed));
	fake_check(packed.type == HS_WIRE_BOOL && packed.as.b);
	packed_answer(f, r, PACKED_RING_BYTES);
}

// All tokens of row k of batch i are of code (i + k) % NCODES.
static void fill(struct fake_ring *r, uint64_t i)
{
	uint8_t *slot = r->map + i % SLOTS * PACKED_BYTES, *to = slot + 64;
	for (uint32_t k = 0; k < 3; k++) {
		memcpy(slot + 4 * k, &(uint32_t){k + 1}, 4);
		for (uint32_t t = 0; t <= k; t++, to += 2)
			memcpy(to, &(uint16_t){(uint16_t)((i + k) % NCODES)}, 2);
		memcpy(slot + INDEX_AT + 8 * k, &(int64_t){(int64_t)(i * 10 + k)}, 8);
	}
}

void packed_ready(struct fake_ring *r, uint64_t generation, uint64_t first, uint64_t n, uint32_t bad)
{
	struct hs_wbuf w = fake_begin_notice("stream.ready");
	hs_w_map(&w, 3);
	put_uint(&w, "stream", STREAM);
	put_uint(&w, "generation", generation);
	hs_w_cstr(&w, "batches");
	hs_w_array(&w, (uint32_t)n);
	for (uint64_t i = first; i < first + n; i++) {
		const uint64_t numbers[6] = {i % SLOTS, i + 1, i, (i + 1) * 3, 3, 5};
		fill(r, i);
		hs_w_array(&w, 6);
		for (unsigned k = 0; k < 6; k++)
			hs_w_uint(&w, numbers[k]);
	}
	if (bad)
		memcpy(r->map + (first + n - 1) % SLOTS * PACKED_BYTES + 4, &bad, 4);
	fake_end_on(r->channel, &w, NULL, 0);
}

void packed_assert_batch(const struct hsfeed_batch *b, uint64_t i)
{
	assert_int_equal(b->batch, i);
	assert_int_equal(b->at, (i + 1) * 3);
	assert_int_equal(b->rows, 3);
	assert_int_equal(b->narrays, 3);
	const int64_t *ids = b->arrays[0]->data, *mask = b->arrays[1]->data, *index = b->arrays[2]->data;
	assert_int_equal(b->arrays[0]->shape[1], 5);
	for (size_t k = 0; k < 3; k++) {
		for (size_t t = 0; t < 5; t++) {
			int64_t token = (int64_t)((i + k) % NCODES * 1000);
			assert_int_equal(ids[5 * k + t], t == 0 ? CLS : t <= k + 1 ? token : t == k + 2 ? SEP : PAD);
			assert_int_equal(mask[5 * k + t], t <= k + 2);
		}
		assert_int_equal(index[k], i * 10 + k);
	}
}
