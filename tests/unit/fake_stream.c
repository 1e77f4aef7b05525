// SPDX-License-Identifier: Apache-2.0
#include "fake_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct array {
	const char *name, *dtype;
	unsigned dims, columns;
	int role;
	uint64_t offset, bytes;
};

static void put_uint(struct hs_wbuf *w, const char *key, uint64_t value)
{
	hs_w_cstr(w, key);
	hs_w_uint(w, value);
}

static void put_array(struct hs_wbuf *w, const struct array *a)
{
	hs_w_map(w, 7);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, a->name);
	hs_w_cstr(w, "dtype");
	hs_w_cstr(w, a->dtype);
	put_uint(w, "dims", a->dims);
	put_uint(w, "columns", a->columns);
	put_uint(w, "offset", a->offset);
	put_uint(w, "bytes", a->bytes);
	hs_w_cstr(w, "role");
	if (a->role < 0)
		hs_w_nil(w);
	else
		hs_w_uint(w, (uint64_t)a->role);
}

void ring_put_open(struct hs_wbuf *w, const struct opening *o)
{
	const struct array ids = {"input_ids", "int64", 2, MAX_LENGTH, 0, 0, 512};
	const struct array labels = {.name = "labels",
				     .dtype = o->dtype ? o->dtype : "float32",
				     .dims = 2,
				     .columns = 2,
				     .role = -1,
				     .offset = o->without_offset ? 0
					       : o->offset       ? o->offset
								 : 512,
				     .bytes = o->bytes ? o->bytes : 32};
	const struct array index = {"index", "int64", 1, 1, -1, 576, 32};
	hs_w_map(w, 9);
	put_uint(w, "stream", STREAM);
	put_uint(w, "generation", 1);
	put_uint(w, "epoch", 0);
	put_uint(w, "slots", o->slots ? o->slots : SLOTS);
	put_uint(w, "batch_size", BATCH_SIZE);
	put_uint(w, "slot_bytes", o->slot_bytes ? o->slot_bytes : SLOT_BYTES);
	hs_w_cstr(w, "transport");
	hs_w_cstr(w, o->transport ? o->transport : "ring");
	hs_w_cstr(w, "encodings");
	hs_w_array(w, 1);
	hs_w_map(w, 2);
	hs_w_cstr(w, "role");
	hs_w_cstr(w, "text");
	put_uint(w, "max_length", MAX_LENGTH);
	hs_w_cstr(w, "arrays");
	hs_w_array(w, 3);
	put_array(w, &ids);
	put_array(w, &labels);
	put_array(w, &index);
}

void ring_answer(struct fake *f, struct fake_ring *r, const struct opening *o)
{
	struct hs_wbuf w = fake_begin_reply(f->seq);
	ring_put_open(&w, o);
	fake_end_on(f->fd, &w, (int[2]){r->memory, r->given}, 2);
	close(r->given);
	r->given = -1;
}

void ring_open(struct fake *f, struct fake_ring *r)
{
	const char *transport;
	size_t len;
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	fake_check(hs_r_get_str(f->params, "transport", &transport, &len));
	fake_check(len == 4 && memcmp(transport, "ring", 4) == 0);
	fake_ring_make(r, SLOTS * SLOT_BYTES, SEALS);
	ring_answer(f, r, &(struct opening){0});
}

// Every id is batch * 1000 + its place; labels are 0.5 and the batch; index is batch * 10 + row.
static void fill(struct fake_ring *r, uint64_t batch)
{
	uint8_t *slot = r->map + batch % SLOTS * SLOT_BYTES;
	for (int64_t i = 0; i < 15; i++)
		memcpy(slot + 8 * i, &(int64_t){(int64_t)batch * 1000 + i}, 8);
	for (int64_t i = 0; i < 3; i++) {
		memcpy(slot + 512 + 8 * i, &(float){0.5F}, 4);
		memcpy(slot + 512 + 8 * i + 4, &(float){(float)batch}, 4);
		memcpy(slot + 576 + 8 * i, &(int64_t){(int64_t)batch * 10 + i}, 8);
	}
}

void ring_ready(struct fake_ring *r, uint64_t generation, const struct ready *what)
{
	struct hs_wbuf w = fake_begin_notice("stream.ready");
	hs_w_map(&w, 3);
	put_uint(&w, "stream", STREAM);
	put_uint(&w, "generation", generation);
	hs_w_cstr(&w, "batches");
	hs_w_array(&w, (uint32_t)what->n);
	for (uint64_t i = what->first; i < what->first + what->n; i++) {
		const uint64_t numbers[6] = {i % SLOTS, i + 1, i, (i + 1) * 3, 3, 5};
		bool lie = what->said && i == what->first + what->n - 1;
		fill(r, i);
		hs_w_array(&w, lie ? what->nsaid : 6);
		for (unsigned k = 0; k < (lie ? what->nsaid : 6); k++)
			hs_w_uint(&w, lie ? what->said[k] : numbers[k]);
	}
	fake_end_on(r->channel, &w, NULL, 0);
}

void ring_end(struct fake_ring *r, uint64_t generation)
{
	struct hs_wbuf w = fake_begin_notice("stream.end");
	hs_w_map(&w, 2);
	put_uint(&w, "stream", STREAM);
	put_uint(&w, "generation", generation);
	fake_end_on(r->channel, &w, NULL, 0);
}

void ring_credits(struct fake *f, struct fake_ring *r, unsigned n, uint64_t seen[])
{
	while (n > 0) {
		struct hs_rbuf fills;
		struct hs_wire_value v, slot, number;
		fake_expect_on(f, r->channel, "stream.release");
		fake_check(fake_param(f, "stream") == STREAM);
		fake_check(hs_r_find(f->params, "fills", &fills) && hs_r_next(&fills, &v) && v.as.count > 0);
		for (uint32_t i = 0; i < v.as.count; i++, n--) {
			struct hs_wire_value pair;
			fake_check(n > 0);
			fake_check(hs_r_next(&fills, &pair) && hs_r_next(&fills, &slot) && hs_r_next(&fills, &number));
			fake_check(slot.as.u < SLOTS && number.as.u > seen[slot.as.u]);
			seen[slot.as.u] = number.as.u;
		}
	}
}

void reply_sought(struct fake *f, uint64_t generation, uint64_t epoch)
{
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 3);
	put_uint(&w, "generation", generation);
	put_uint(&w, "epoch", epoch);
	put_uint(&w, "at", 0);
	fake_end(f, &w);
}

// ---- either transport ----

void either_open(struct fake *f, struct either *l)
{
	*l = (struct either){.f = f, .is_ring = f->rings};
	if (l->is_ring) {
		ring_open(f, &l->ring);
		return;
	}
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	struct hs_wbuf w = fake_begin_reply(f->seq);
	ring_put_open(&w, &(struct opening){.transport = "inline"});
	fake_end(f, &w);
}

void either_finish(struct either *l, const char *never)
{
	while (fake_read(l->f))
		fake_check(strcmp(l->f->method, never) != 0);
	if (l->is_ring)
		fake_ring_free(&l->ring);
}

// The bytes of batch i as ring_assert_batch wants them.
static void put_data(struct hs_wbuf *w, uint64_t i)
{
	uint8_t data[216] = {0};
	for (int64_t k = 0; k < 15; k++)
		memcpy(data + 8 * k, &(int64_t){(int64_t)i * 1000 + k}, 8);
	for (int64_t k = 0; k < 3; k++) {
		memcpy(data + 128 + 8 * k + 4, &(float){(float)i}, 4);
		memcpy(data + 192 + 8 * k, &(int64_t){(int64_t)i * 10 + k}, 8);
	}
	hs_w_cstr(w, "data");
	hs_w_bin(w, data, sizeof(data));
}

void either_batch(struct either *l, uint64_t generation, uint64_t i)
{
	if (l->is_ring) {
		ring_ready(&l->ring, generation, &(struct ready){.first = i, .n = 1});
		return;
	}
	struct hs_wbuf w = fake_begin_notice("stream.batch");
	hs_w_map(&w, 9);
	put_uint(&w, "stream", STREAM);
	put_uint(&w, "generation", generation);
	put_uint(&w, "slot", i % SLOTS);
	put_uint(&w, "fill", i + 1);
	put_uint(&w, "batch", i);
	put_uint(&w, "at", (i + 1) * 3);
	put_uint(&w, "rows", 3);
	hs_w_cstr(&w, "lengths");
	hs_w_array(&w, 1);
	hs_w_uint(&w, 5);
	put_data(&w, i);
	fake_end(l->f, &w);
}

static void put_failure(struct hs_wbuf *w)
{
	hs_w_cstr(w, "error");
	hs_w_map(w, 2);
	hs_w_cstr(w, "code");
	hs_w_cstr(w, "corrupt");
	hs_w_cstr(w, "message");
	hs_w_cstr(w, "a checksum differs");
}

void either_end(struct either *l, uint64_t generation, bool failed)
{
	struct hs_wbuf w = fake_begin_notice(failed ? "stream.failed" : "stream.end");
	hs_w_map(&w, failed ? 3 : 2);
	put_uint(&w, "stream", STREAM);
	put_uint(&w, "generation", generation);
	if (failed)
		put_failure(&w);
	fake_end_on(l->is_ring ? l->ring.channel : l->f->fd, &w, NULL, 0);
}

void either_expect_release(struct either *l)
{
	if (l->is_ring)
		fake_expect_on(l->f, l->ring.channel, "stream.release");
	else
		fake_expect(l->f, "stream.release");
}

hsfeed_stream *ring_stream(struct fake *f, void (*script)(struct fake *f), hsfeed_client **ret_client)
{
	fake_start(f, script);
	*ret_client = fake_connect(f, 10000);
	struct hsfeed_stream_options options = {.size = sizeof(options), .name = "x", .split = "all"};
	struct hsfeed_error error = {0};
	hsfeed_stream *stream = NULL;
	if (hsfeed_stream_open(*ret_client, &options, &stream, &error) < 0)
		print_message("%s\n", error.message);
	assert_non_null(stream);
	return stream;
}

void ring_assert_batch(const struct hsfeed_batch *b, uint64_t n)
{
	assert_int_equal(b->batch, n);
	assert_int_equal(b->at, (n + 1) * 3);
	assert_int_equal(b->rows, 3);
	assert_int_equal(b->narrays, 3);
	assert_string_equal(b->arrays[1]->name, "labels");
	assert_int_equal(b->arrays[0]->shape[0], 3);
	assert_int_equal(b->arrays[0]->shape[1], 5);
	assert_int_equal(b->arrays[0]->bytes, 120);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal((uintptr_t)b->arrays[i]->data % 64, 0);
	for (int64_t i = 0; i < 15; i++)
		assert_int_equal(((const int64_t *)b->arrays[0]->data)[i], (int64_t)n * 1000 + i);
	assert_true(((const float *)b->arrays[1]->data)[5] == (float)n);
	assert_int_equal(((const int64_t *)b->arrays[2]->data)[2], n * 10 + 2);
}
