// SPDX-License-Identifier: Apache-2.0
// Streams of packed slots from the fake daemon: slots go back when a batch is taken, batches wait while as many are
// held as can be, and what a seek, the end and a lie do then.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_packed.h"

static int count_fds(void)
{
	int n = 0;
	for (int fd = 0; fd < 512; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void take(hsfeed_stream *stream, uint64_t i, const struct hsfeed_batch **ret)
{
	struct hsfeed_error error = {0};
	int rc = hsfeed_stream_next(stream, 10000, ret, &error);
	if (rc != 1)
		print_message("next: %d %s\n", rc, error.message);
	assert_int_equal(rc, 1);
	packed_assert_batch(*ret, i);
}

static void serve_rest(struct fake *f, struct fake_ring *r)
{
	while (fake_read(f))
		if (f->kind == HS_WIRE_REQUEST)
			fake_reply_empty(f, f->seq);
	fake_ring_free(r);
}

// Takes SLOTS batches, and reads what was announced beyond them.
static void hold_all(hsfeed_stream *stream, const struct hsfeed_batch *held[SLOTS])
{
	const struct hsfeed_batch *none = NULL;
	for (uint64_t i = 0; i < SLOTS; i++)
		take(stream, i, &held[i]);
	for (int i = 0; i < 3;
	     i++) { // there is nothing to read any more, and it must still not say that the epoch ended
		struct hsfeed_error error = {0};
		assert_int_equal(hsfeed_stream_next(stream, i ? 0 : 300, &none, &error), HSFEED_ETIMEOUT);
		assert_non_null(strstr(error.hint, "all 4 slots are held"));
		assert_null(none);
	}
}

static void close_all(struct fake *f, hsfeed_stream *stream, hsfeed_client *client)
{
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(f);
}

// ---- all held ----

// A slot goes back before its batch is released.
static void goes_on_while_all_are_held(struct fake *f, struct fake_ring *r, uint64_t seen[SLOTS])
{
	packed_open(f, r);
	packed_ready(r, 1, 0, 4, 0);
	ring_credits(f, r, 4, seen);
	packed_ready(r, 1, 4, 3, 0);
	ring_end(r, 1);
}

static void seven_batches(struct fake *f)
{
	struct fake_ring r;
	uint64_t seen[SLOTS] = {0};
	goes_on_while_all_are_held(f, &r, seen);
	ring_credits(f, &r, 3, seen);
	fake_check(seen[0] == 5 && seen[1] == 6 && seen[2] == 7 && seen[3] == 4);
	serve_rest(f, &r);
}

static void batches_wait_while_all_are_held_and_come_in_order_before_the_end_is_told(void **state)
{
	(void)state;
	struct fake f = {.rings = true, .packs = true};
	hsfeed_client *client;
	hsfeed_stream *stream = ring_stream(&f, seven_batches, &client);
	const struct hsfeed_batch *held[SLOTS], *next, *none = NULL;
	void *memory;
	size_t bytes;
	hold_all(stream, held);
	assert_int_equal(hsfeed_stream_ring(stream, &memory, &bytes), 1);
	for (uint64_t i = 0; i < SLOTS; i++) {
		packed_assert_batch(held[i], i);
		assert_in_range((uintptr_t)held[i]->arrays[0]->data, (uintptr_t)memory, (uintptr_t)memory + bytes - 1);
	}
	for (uint64_t i = 4; i < 7; i++) {
		hsfeed_batch_release(held[(i + 2) % SLOTS]);
		take(stream, i, &next);
		held[(i + 2) % SLOTS] = next;
		if (i < 6)
			assert_int_equal(hsfeed_stream_next(stream, 0, &none, NULL), HSFEED_ETIMEOUT);
	}
	assert_int_equal(hsfeed_stream_next(stream, 10000, &none, NULL), 0); // although all are held
	assert_null(none);
	packed_assert_batch(held[1], 1);
	for (size_t i = 0; i < SLOTS; i++)
		hsfeed_batch_release(held[i]);
	close_all(&f, stream, client);
}

// ---- a seek ----

static void is_sought(struct fake *f)
{
	struct fake_ring r;
	uint64_t seen[SLOTS] = {0};
	goes_on_while_all_are_held(f, &r, seen);
	fake_expect(f, "stream.seek");
	reply_sought(f, 2, 1);
	ring_credits(f, &r, 3, seen); // those that waited, unread
	packed_ready(&r, 2, 8, 2, 0);
	ring_end(&r, 2);
	ring_credits(f, &r, 2, seen);
	serve_rest(f, &r);
}

static void a_seek_gives_back_what_waits_and_leaves_what_is_held(bool ahead)
{
	struct fake f = {.rings = true, .packs = true};
	hsfeed_client *client;
	hsfeed_stream *stream = ring_stream(&f, is_sought, &client);
	const struct hsfeed_batch *held[SLOTS], *none = NULL, *next;
	const struct hsfeed_seek_options seek = {.size = sizeof(seek), .epoch = 1};
	hold_all(stream, held);
	assert_int_equal(ahead ? hsfeed_stream_seek_ahead(stream, &seek, NULL)
			       : hsfeed_stream_seek(stream, &seek, NULL, NULL),
			 0);
	assert_int_equal(hsfeed_stream_next(stream, 300, &none, NULL), HSFEED_ETIMEOUT);
	for (uint64_t i = 0; i < SLOTS; i++)
		packed_assert_batch(held[i], i);
	hsfeed_batch_release(held[0]);
	take(stream, 8, &held[0]);
	assert_int_equal(held[0]->epoch, 1);
	hsfeed_batch_release(held[2]);
	take(stream, 9, &next);
	packed_assert_batch(held[1], 1);
	assert_int_equal(hsfeed_stream_next(stream, 10000, &none, NULL), 0);
	hsfeed_batch_release(held[0]);
	hsfeed_batch_release(held[1]);
	hsfeed_batch_release(held[3]);
	hsfeed_batch_release(next);
	close_all(&f, stream, client);
}

static void a_seek_while_batches_are_held_and_others_wait_begins_anew(void **state)
{
	(void)state;
	a_seek_gives_back_what_waits_and_leaves_what_is_held(false);
}

static void so_does_one_ahead(void **state)
{
	(void)state;
	a_seek_gives_back_what_waits_and_leaves_what_is_held(true);
}

// ---- closing ----

static void is_closed(struct fake *f)
{
	struct fake_ring r;
	uint64_t seen[SLOTS] = {0};
	goes_on_while_all_are_held(f, &r, seen);
	serve_rest(f, &r);
}

static void batches_stay_readable_when_stream_and_client_are_closed(void **state)
{
	(void)state;
	int before = count_fds();
	for (int order = 0; order < 4; order++) {
		struct fake f = {.rings = true, .packs = true};
		hsfeed_client *client;
		hsfeed_stream *stream = ring_stream(&f, is_closed, &client);
		const struct hsfeed_batch *held[SLOTS];
		hold_all(stream, held);
		if (order & 1)
			hsfeed_stream_close(stream);
		hsfeed_close(client);
		if (!(order & 1))
			hsfeed_stream_close(stream);
		for (uint64_t i = 0; i < SLOTS; i++) {
			uint64_t k = order & 2 ? SLOTS - 1 - i : i;
			packed_assert_batch(held[k], k);
			hsfeed_batch_release(held[k]);
		}
		fake_stop(&f);
		assert_int_equal(count_fds(), before);
	}
}

// ---- lies ----

static void counts_wrong(struct fake *f)
{
	struct fake_ring r;
	uint64_t seen[SLOTS] = {0};
	packed_open(f, &r);
	packed_ready(&r, 1, 0, 1, 0);
	ring_credits(f, &r, 1, seen);
	packed_ready(&r, 1, 1, 1, *(const uint32_t *)f->arg);
	serve_rest(f, &r);
}

static void a_row_that_does_not_fit_ends_the_connection(void **state)
{
	(void)state;
	uint32_t counts[] = {4, 56, UINT32_MAX, 1u << 31};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct fake f = {.rings = true, .packs = true, .arg = &counts[i]};
		hsfeed_client *client;
		hsfeed_stream *stream = ring_stream(&f, counts_wrong, &client);
		const struct hsfeed_batch *held, *none = NULL;
		struct hsfeed_error error = {0};
		take(stream, 0, &held);
		for (int k = 0; k < 2; k++)
			assert_int_equal(hsfeed_stream_next(stream, 10000, &none, &error), HSFEED_EBADFRAME);
		assert_non_null(strstr(error.message, "its rows do not fit the stream"));
		assert_null(none);
		assert_int_equal(hsfeed_call(client, "ping", NULL, 0, NULL, NULL), HSFEED_EBADFRAME);
		packed_assert_batch(held, 0);
		hsfeed_batch_release(held);
		close_all(&f, stream, client);
	}
}

static void gives_too_little_memory(struct fake *f)
{
	struct fake_ring r, good;
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	packed_answer(f, &r, *(const size_t *)f->arg);
	fake_expect(f, "stream.close");
	fake_reply_empty(f, f->seq);
	fake_ring_free(&r);
	fake_expect(f, "stream.open");
	packed_answer(f, &good, PACKED_RING_BYTES);
	packed_ready(&good, 1, 0, 1, 0);
	serve_rest(f, &good);
}

static void a_ring_without_room_for_its_slots_and_tables_is_refused(void **state)
{
	(void)state;
	int before = count_fds();
	size_t sizes[] = {1, SLOTS * PACKED_BYTES, SLOTS * PACKED_BYTES + 35}; // the table has 36
	for (size_t i = 0; i < 3; i++) {
		struct fake f = {.rings = true, .packs = true, .arg = &sizes[i]};
		struct hsfeed_stream_options options = {
			.size = sizeof(options), .name = "x", .split = "all", .transport = "ring"};
		hsfeed_stream *stream = NULL;
		const struct hsfeed_batch *batch;
		fake_start(&f, gives_too_little_memory);
		hsfeed_client *client = fake_connect(&f, 10000);
		assert_int_equal(hsfeed_stream_open(client, &options, &stream, NULL), HSFEED_EBADFRAME);
		assert_null(stream);
		assert_int_equal(hsfeed_stream_open(client, &options, &stream, NULL), 0);
		take(stream, 0, &batch);
		hsfeed_batch_release(batch);
		close_all(&f, stream, client);
		assert_int_equal(count_fds(), before);
	}
}

// ---- who asks ----

static void must_not_be_asked(struct fake *f)
{
	struct fake_ring r;
	struct hs_rbuf at;
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	fake_check(!hs_r_find(f->params, "packed", &at));
	fake_ring_make(&r, SLOTS * SLOT_BYTES, SEALS);
	ring_answer(f, &r, &(struct opening){0});
	ring_ready(&r, 1, &(struct ready){.n = 1});
	serve_rest(f, &r);
}

static void packed_slots_are_asked_for_where_the_daemon_has_them_and_nobody_says_no(void **state)
{
	(void)state;
	for (int no = 0; no < 2; no++) {
		struct fake f = {.rings = true, .packs = no};
		const struct hsfeed_batch *batch;
		hsfeed_client *client;
		if (no)
			setenv("HSFEED_NO_PACKED", "1", 1);
		hsfeed_stream *stream = ring_stream(&f, must_not_be_asked, &client);
		unsetenv("HSFEED_NO_PACKED");
		assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 1);
		ring_assert_batch(batch, 0);
		hsfeed_batch_release(batch);
		close_all(&f, stream, client);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_wait_while_all_are_held_and_come_in_order_before_the_end_is_told),
		cmocka_unit_test(a_seek_while_batches_are_held_and_others_wait_begins_anew),
		cmocka_unit_test(so_does_one_ahead),
		cmocka_unit_test(batches_stay_readable_when_stream_and_client_are_closed),
		cmocka_unit_test(a_row_that_does_not_fit_ends_the_connection),
		cmocka_unit_test(a_ring_without_room_for_its_slots_and_tables_is_refused),
		cmocka_unit_test(packed_slots_are_asked_for_where_the_daemon_has_them_and_nobody_says_no),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
