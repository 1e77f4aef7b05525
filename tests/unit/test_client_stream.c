// SPDX-License-Identifier: Apache-2.0
// Streams: batches, credits, seeks, ends, and what a hostile daemon may try with them.
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_daemon.h"

#define SLOTS      4
#define BATCH_SIZE 4
#define MAX_LENGTH 16

static void put_array(struct hs_wbuf *w, const char *name, const char *dtype, unsigned dims, unsigned columns, int role)
{
	hs_w_map(w, 5);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, name);
	hs_w_cstr(w, "dtype");
	hs_w_cstr(w, dtype);
	hs_w_cstr(w, "dims");
	hs_w_uint(w, dims);
	hs_w_cstr(w, "columns");
	hs_w_uint(w, columns);
	hs_w_cstr(w, "role");
	if (role < 0)
		hs_w_nil(w);
	else
		hs_w_uint(w, (uint64_t)role);
}

// One role, three arrays: input_ids int64 [rows, length], labels float32 [rows, 2], index int64 [rows].
static void put_open(struct hs_wbuf *w, uint64_t stream)
{
	const char *const keys[] = {"stream", "generation", "epoch", "slots", "batch_size"};
	const uint64_t values[] = {stream, 1, 0, SLOTS, BATCH_SIZE};
	hs_w_map(w, 7);
	for (size_t i = 0; i < 5; i++) {
		hs_w_cstr(w, keys[i]);
		hs_w_uint(w, values[i]);
	}
	hs_w_cstr(w, "encodings");
	hs_w_array(w, 1);
	hs_w_map(w, 2);
	hs_w_cstr(w, "role");
	hs_w_cstr(w, "text");
	hs_w_cstr(w, "max_length");
	hs_w_uint(w, MAX_LENGTH);
	hs_w_cstr(w, "arrays");
	hs_w_array(w, 3);
	put_array(w, "input_ids", "int64", 2, MAX_LENGTH, 0);
	put_array(w, "labels", "float32", 2, 2, -1);
	put_array(w, "index", "int64", 1, 1, -1);
}

struct lie { // a batch, and what is wrong with it
	uint64_t stream, generation, slot, fill, batch, rows, length;
	int data_change; // bytes more or less than there should be
	bool no_lengths;
};

#define GOOD(n)                                                                                                        \
	((struct lie){.stream = 3,                                                                                     \
		      .generation = 1,                                                                                 \
		      .slot = (n) % SLOTS,                                                                             \
		      .fill = (n) / SLOTS + 1,                                                                         \
		      .batch = (n),                                                                                    \
		      .rows = 3,                                                                                       \
		      .length = 5})

// Every id is batch * 1000 + its place; labels are 0.5 and the batch; index is batch * 10 + row.
static size_t make_data(const struct lie *b, uint8_t *data)
{
	size_t ids = (size_t)(b->rows * b->length), labels_at = (ids * 8 + 63) / 64 * 64;
	size_t index_at = (labels_at + (size_t)b->rows * 8 + 63) / 64 * 64;
	for (size_t i = 0; i < ids; i++)
		memcpy(data + 8 * i, &(int64_t){(int64_t)(b->batch * 1000 + i)}, 8);
	for (size_t i = 0; i < b->rows; i++) {
		memcpy(data + labels_at + 8 * i, &(float){0.5F}, 4);
		memcpy(data + labels_at + 8 * i + 4, &(float){(float)b->batch}, 4);
		memcpy(data + index_at + 8 * i, &(int64_t){(int64_t)(b->batch * 10 + i)}, 8);
	}
	return index_at + (size_t)b->rows * 8;
}

static struct hs_wbuf make_batch(struct lie b)
{
	static uint8_t data[65536];
	memset(data, 0, sizeof(data));
	size_t bytes = make_data(&b, data) + (size_t)b.data_change;
	struct hs_wbuf w = fake_begin_notice("stream.batch");
	const char *const keys[] = {"stream", "generation", "slot", "fill", "batch", "at", "rows"};
	const uint64_t values[] = {b.stream, b.generation, b.slot, b.fill, b.batch, (b.batch + 1) * 3, b.rows};
	hs_w_map(&w, b.no_lengths ? 8 : 9);
	for (size_t i = 0; i < 7; i++) {
		hs_w_cstr(&w, keys[i]);
		hs_w_uint(&w, values[i]);
	}
	if (!b.no_lengths) {
		hs_w_cstr(&w, "lengths");
		hs_w_array(&w, 1);
		hs_w_uint(&w, b.length);
	}
	hs_w_cstr(&w, "data");
	hs_w_bin(&w, data, bytes);
	return w;
}

static void send_batch(struct fake *f, struct lie b)
{
	struct hs_wbuf w = make_batch(b);
	fake_end(f, &w);
}

static void send_end(struct fake *f, uint64_t generation)
{
	struct hs_wbuf w = fake_begin_notice("stream.end");
	hs_w_map(&w, 2);
	hs_w_cstr(&w, "stream");
	hs_w_uint(&w, 3);
	hs_w_cstr(&w, "generation");
	hs_w_uint(&w, generation);
	fake_end(f, &w);
}

static void open_stream(struct fake *f)
{
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	struct hs_wbuf w = fake_begin_reply(f->seq);
	put_open(&w, 3);
	fake_end(f, &w);
}

// Reads releases until n credits came; every (slot, fill) is marked.
static void read_credits(struct fake *f, unsigned n, bool seen[][SLOTS])
{
	while (n > 0) {
		struct hs_rbuf fills;
		struct hs_wire_value v, slot, fill;
		fake_expect(f, "stream.release");
		fake_check(hs_r_find(f->params, "fills", &fills) && hs_r_next(&fills, &v) && v.as.count > 0);
		for (uint32_t i = 0; i < v.as.count; i++, n--) {
			struct hs_wire_value pair;
			fake_check(n > 0);
			fake_check(hs_r_next(&fills, &pair) && hs_r_next(&fills, &slot) && hs_r_next(&fills, &fill));
			fake_check(slot.as.u < SLOTS && !seen[fill.as.u][slot.as.u]);
			seen[fill.as.u][slot.as.u] = true;
		}
	}
}

static hsfeed_stream *open_at(struct fake *f, void (*script)(struct fake *f), hsfeed_client **ret_client)
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

static void assert_batch(const struct hsfeed_batch *b, uint64_t n)
{
	assert_int_equal(b->batch, n);
	assert_int_equal(b->at, (n + 1) * 3);
	assert_int_equal(b->rows, 3);
	assert_int_equal(b->narrays, 3);
	assert_string_equal(b->arrays[0]->name, "input_ids");
	assert_string_equal(b->arrays[1]->name, "labels");
	assert_string_equal(b->arrays[2]->name, "index");
	assert_int_equal(b->arrays[0]->shape[0], 3);
	assert_int_equal(b->arrays[0]->shape[1], 5);
	assert_int_equal(b->arrays[1]->shape[1], 2);
	assert_int_equal(b->arrays[2]->ndim, 1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal((uintptr_t)b->arrays[i]->data % 64, 0);
	for (int64_t i = 0; i < 15; i++)
		assert_int_equal(((const int64_t *)b->arrays[0]->data)[i], (int64_t)n * 1000 + i);
	assert_true(((const float *)b->arrays[1]->data)[5] == (float)n);
	assert_int_equal(((const int64_t *)b->arrays[2]->data)[2], n * 10 + 2);
}

// ---- the ordinary life ----

static void one_epoch(struct fake *f)
{
	bool seen[8][SLOTS] = {{0}};
	open_stream(f);
	for (uint64_t i = 0; i < SLOTS; i++) // with the answer, likely in one read
		send_batch(f, GOOD(i));
	read_credits(f, SLOTS, seen);
	for (uint64_t i = SLOTS; i < 6; i++)
		send_batch(f, GOOD(i));
	send_end(f, 1);
	read_credits(f, 2, seen);
}

static void two_epochs(struct fake *f)
{
	one_epoch(f);
	fake_expect(f, "stream.seek");
	fake_check(fake_param(f, "epoch") == 1);
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 2);
	hs_w_cstr(&w, "generation");
	hs_w_uint(&w, 2);
	hs_w_cstr(&w, "epoch");
	hs_w_uint(&w, 1);
	fake_end(f, &w);
	struct lie b = GOOD(0);
	b.generation = 2;
	b.fill = 9;
	send_batch(f, b);
	send_end(f, 2);
	fake_expect(f, "stream.release");
	fake_expect(f, "stream.close");
	fake_reply_empty(f, f->seq);
	fake_read(f);
}

static void an_epoch_ends_with_0_again_and_again_and_a_seek_begins_the_next(void **state)
{
	(void)state;
	struct fake f = {0};
	hsfeed_client *client;
	hsfeed_stream *stream = open_at(&f, two_epochs, &client);
	const struct hsfeed_batch *batch;
	for (uint64_t i = 0; i < 6; i++) {
		assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 1);
		assert_batch(batch, i);
		assert_int_equal(batch->epoch, 0);
		hsfeed_batch_release(batch);
	}
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 0);
	assert_int_equal(hsfeed_stream_next(stream, 0, &batch, NULL), 0);
	struct hsfeed_seek_options seek = {.size = sizeof(seek), .epoch = 1};
	assert_int_equal(hsfeed_stream_seek(stream, &seek, NULL, NULL), 0);
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 1);
	assert_batch(batch, 0);
	assert_int_equal(batch->epoch, 1);
	hsfeed_batch_release(batch);
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 0);
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(&f);
}

static void four_batches(struct fake *f)
{
	bool seen[8][SLOTS] = {{0}};
	open_stream(f);
	for (uint64_t i = 0; i < SLOTS; i++)
		send_batch(f, GOOD(i));
	read_credits(f, 2, seen);
	fake_check(seen[1][3] && seen[1][1] && !seen[1][0] && !seen[1][2]);
	while (fake_read(f)) {
	}
}

static void several_batches_are_held_at_once_and_given_back_in_any_order(void **state)
{
	(void)state;
	struct fake f = {0};
	hsfeed_client *client;
	hsfeed_stream *stream = open_at(&f, four_batches, &client);
	const struct hsfeed_batch *batch[SLOTS], *none = NULL;
	struct hsfeed_error error;
	for (uint64_t i = 0; i < SLOTS; i++)
		assert_int_equal(hsfeed_stream_next(stream, 10000, &batch[i], NULL), 1);
	assert_int_equal(hsfeed_stream_next(stream, 20, &none, &error), HSFEED_ETIMEOUT);
	assert_non_null(strstr(error.hint, "held"));
	assert_null(none);
	for (uint64_t i = 0; i < SLOTS; i++)
		assert_batch(batch[i], i);
	hsfeed_batch_release(batch[3]);
	hsfeed_batch_release(batch[1]);
	hsfeed_batch_release(NULL);
	hsfeed_stream_close(stream); // what is held outlives the stream ...
	assert_batch(batch[0], 0);
	hsfeed_close(client); // ... and the connection
	assert_batch(batch[2], 2);
	hsfeed_batch_release(batch[0]);
	hsfeed_batch_release(batch[2]);
	fake_stop(&f);
}

static void a_stream_whose_client_was_closed_says_so(void **state)
{
	(void)state;
	struct fake f = {0};
	hsfeed_client *client;
	hsfeed_stream *stream = open_at(&f, open_stream, &client);
	const struct hsfeed_batch *batch;
	hsfeed_close(client);
	assert_int_equal(hsfeed_stream_next(stream, 0, &batch, NULL), HSFEED_ELOST);
	hsfeed_stream_close(stream);
	fake_stop(&f);
}

static void seeks_with_batches_on_their_way(struct fake *f)
{
	bool seen[8][SLOTS] = {{0}};
	open_stream(f);
	send_batch(f, GOOD(0));
	send_batch(f, GOOD(1));
	fake_expect(f, "stream.seek");
	fake_reply_error(f, f->seq, "bad_plan", "at is beyond the end", "");
	fake_expect(f, "stream.seek");
	send_batch(f, GOOD(2)); // still of the old generation
	send_end(f, 1);
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 2);
	hs_w_cstr(&w, "generation");
	hs_w_uint(&w, 2);
	hs_w_cstr(&w, "epoch");
	hs_w_uint(&w, 5);
	fake_end(f, &w);
	struct lie b = GOOD(3);
	b.generation = 2;
	send_batch(f, b);
	read_credits(f, 2, seen); // slots 1 and 2 come back unseen; 0 is held
	fake_check(seen[1][1] && seen[1][2]);
	while (fake_read(f)) {
	}
}

static void a_seek_that_fails_changes_nothing_and_one_that_works_gives_old_batches_back(void **state)
{
	(void)state;
	struct fake f = {0};
	hsfeed_client *client;
	hsfeed_stream *stream = open_at(&f, seeks_with_batches_on_their_way, &client);
	const struct hsfeed_batch *first, *batch;
	struct hsfeed_seek_options seek = {.size = sizeof(seek), .epoch = 5, .at = 1000000};
	assert_int_equal(hsfeed_stream_seek(stream, &seek, NULL, NULL), HSFEED_EBADPLAN);
	assert_int_equal(hsfeed_stream_next(stream, 10000, &first, NULL), 1);
	assert_batch(first, 0);
	seek.at = 0;
	assert_int_equal(hsfeed_stream_seek(stream, &seek, NULL, NULL), 0);
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 1);
	assert_batch(batch, 3);
	assert_int_equal(batch->epoch, 5);
	assert_batch(first, 0);
	hsfeed_stream_close(stream);
	hsfeed_batch_release(first);
	hsfeed_batch_release(batch);
	hsfeed_close(client);
	fake_stop(&f);
}

static void fails(struct fake *f)
{
	open_stream(f);
	send_batch(f, GOOD(0));
	struct hs_wbuf w = fake_begin_notice("stream.failed");
	hs_w_map(&w, 3);
	hs_w_cstr(&w, "stream");
	hs_w_uint(&w, 3);
	hs_w_cstr(&w, "generation");
	hs_w_uint(&w, 1);
	hs_w_cstr(&w, "error");
	hs_w_map(&w, 2);
	hs_w_cstr(&w, "code");
	hs_w_cstr(&w, "corrupt");
	hs_w_cstr(&w, "message");
	hs_w_cstr(&w, "a checksum differs");
	fake_end(f, &w);
	while (fake_read(f)) {
	}
}

static void a_stream_that_fails_gives_what_came_before_and_then_its_reason(void **state)
{
	(void)state;
	struct fake f = {0};
	hsfeed_client *client;
	hsfeed_stream *stream = open_at(&f, fails, &client);
	const struct hsfeed_batch *batch;
	struct hsfeed_error error;
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 1);
	hsfeed_batch_release(batch);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, &error), HSFEED_ECORRUPT);
		assert_string_equal(error.message, "a checksum differs");
	}
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(&f);
}

static void the_descriptor_becomes_readable_when_a_batch_comes(void **state)
{
	(void)state;
	struct fake f = {0};
	hsfeed_client *client;
	hsfeed_stream *stream = open_at(&f, one_epoch, &client);
	const struct hsfeed_batch *batch;
	for (uint64_t i = 0; i < 6;) {
		int rc = hsfeed_stream_next(stream, 0, &batch, NULL);
		if (rc == HSFEED_ETIMEOUT) {
			struct pollfd p = {.fd = hsfeed_fd(client), .events = POLLIN};
			assert_int_equal(poll(&p, 1, 10000), 1); // credits were sent: nothing is waited for in vain
			continue;
		}
		assert_int_equal(rc, 1);
		assert_batch(batch, i++);
		hsfeed_batch_release(batch);
	}
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(&f);
}

// ---- both sides full ----

#define BIG 200000

static void writes_before_it_reads(struct fake *f)
{
	open_stream(f);
	for (int i = 0; i < 100; i++) { // megabytes that the client must take while it sends its own
		struct hs_wbuf w = fake_begin_notice("news");
		hs_w_map(&w, 1);
		hs_w_cstr(&w, "data");
		static const char big[BIG];
		hs_w_bin(&w, big, sizeof(big));
		fake_end(f, &w);
	}
	fake_expect(f, "echo");
	fake_reply_empty(f, f->seq);
	while (fake_read(f)) {
	}
}

static void two_sides_that_both_write_do_not_wait_for_each_other(void **state)
{
	(void)state;
	struct fake f = {0};
	hsfeed_client *client;
	hsfeed_stream *stream = open_at(&f, writes_before_it_reads, &client);
	char *big = calloc(1, BIG);
	hsfeed_params *p = hsfeed_params_create();
	hsfeed_params_bin(p, "data", big, BIG);
	assert_int_equal(hsfeed_call(client, "echo", p, 0, NULL, NULL), 0);
	hsfeed_params_destroy(p);
	free(big);
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(&f);
}

// ---- lies ----

static void sends_a_lie(struct fake *f)
{
	open_stream(f);
	send_batch(f, GOOD(0));
	send_batch(f, *(struct lie *)f->arg);
	while (fake_read(f)) {
	}
}

static void assert_lie_found(struct lie lie)
{
	struct fake f = {.arg = &lie};
	hsfeed_client *client;
	hsfeed_stream *stream = open_at(&f, sends_a_lie, &client);
	const struct hsfeed_batch *held = NULL, *batch;
	struct hsfeed_error error = {0};
	int rc = hsfeed_stream_next(stream, 10000, &held, &error); // both may have come in one read
	if (rc == 1)
		rc = hsfeed_stream_next(stream, 10000, &batch, &error);
	assert_int_equal(rc, HSFEED_EBADFRAME);
	hsfeed_batch_release(held);
	assert_non_null(strstr(error.message, "batch"));
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(&f);
}

static void a_batch_that_does_not_fit_its_stream_ends_the_connection(void **state)
{
	(void)state;
	struct lie lies[10];
	for (size_t i = 0; i < 10; i++)
		lies[i] = GOOD(1);
	lies[0].slot = SLOTS;
	lies[1].slot = 0; // in use
	lies[2].rows = BATCH_SIZE + 1;
	lies[3].rows = 0;
	lies[4].length = MAX_LENGTH + 1;
	lies[5].data_change = 1;
	lies[6].data_change = -1;
	lies[7].no_lengths = true;
	lies[8].slot = UINT64_MAX;
	lies[9].generation = UINT64_MAX;
	for (size_t i = 0; i < 10; i++)
		assert_lie_found(lies[i]);
}

static void batches_of_an_unknown_stream_are_ignored(void **state)
{
	(void)state;
	struct lie lie = GOOD(1);
	lie.stream = 99;
	struct fake f = {.arg = &lie};
	hsfeed_client *client;
	hsfeed_stream *stream = open_at(&f, sends_a_lie, &client);
	const struct hsfeed_batch *batch;
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 1);
	hsfeed_batch_release(batch);
	assert_int_equal(hsfeed_stream_next(stream, 50, &batch, NULL), HSFEED_ETIMEOUT);
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(&f);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

// Sends the opening's answer or a batch with a few bytes changed.
static void sends_damage(struct fake *f)
{
	uint32_t seed = (uint32_t)(uintptr_t)f->arg;
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	struct hs_wbuf open = fake_begin_reply(f->seq);
	put_open(&open, 3);
	hs_w_frame_end(&open, 0, 0);
	struct hs_wbuf batch = make_batch(GOOD(0));
	hs_w_frame_end(&batch, 0, 0);
	struct hs_wbuf *damaged = seed % 2 ? &open : &batch;
	for (int i = 0; i < 3; i++)
		damaged->data[4 + next_random(&seed) % (damaged->len < 240 ? damaged->len - 4 : 236)] =
			(uint8_t)next_random(&seed);
	fake_send(f, open.data, open.len);
	fake_send(f, batch.data, batch.len);
	send_end(f, 1);
	hs_w_fini(&open);
	hs_w_fini(&batch);
}

static void damaged_messages_never_crash_the_client(void **state)
{
	(void)state;
	unsigned opened = 0, delivered = 0;
	for (uintptr_t seed = 1; seed <= 1500; seed++) {
		struct fake f = {.arg = (void *)seed};
		fake_start(&f, sends_damage);
		hsfeed_client *client = fake_connect(&f, 300);
		struct hsfeed_stream_options options = {.size = sizeof(options), .name = "x", .split = "all"};
		hsfeed_stream *stream;
		const struct hsfeed_batch *batch;
		if (hsfeed_stream_open(client, &options, &stream, NULL) == 0) {
			opened++;
			while (hsfeed_stream_next(stream, 300, &batch, NULL) == 1) {
				unsigned char sum = 0; // every byte that the arrays claim can be read
				for (size_t i = 0; i < batch->narrays; i++) {
					for (size_t j = 0; j < batch->arrays[i]->bytes; j++)
						sum ^= ((const unsigned char *)batch->arrays[i]->data)[j];
				}
				delivered += sum || !sum;
				hsfeed_batch_release(batch);
			}
			hsfeed_stream_close(stream);
		}
		hsfeed_close(client);
		fake_stop(&f);
	}
	assert_true(opened > 500 && delivered > 100); // or the test damages too much to reach anything
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_epoch_ends_with_0_again_and_again_and_a_seek_begins_the_next),
		cmocka_unit_test(several_batches_are_held_at_once_and_given_back_in_any_order),
		cmocka_unit_test(a_stream_whose_client_was_closed_says_so),
		cmocka_unit_test(a_seek_that_fails_changes_nothing_and_one_that_works_gives_old_batches_back),
		cmocka_unit_test(a_stream_that_fails_gives_what_came_before_and_then_its_reason),
		cmocka_unit_test(the_descriptor_becomes_readable_when_a_batch_comes),
		cmocka_unit_test(two_sides_that_both_write_do_not_wait_for_each_other),
		cmocka_unit_test(a_batch_that_does_not_fit_its_stream_ends_the_connection),
		cmocka_unit_test(batches_of_an_unknown_stream_are_ignored),
		cmocka_unit_test(damaged_messages_never_crash_the_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
