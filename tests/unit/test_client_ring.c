// SPDX-License-Identifier: Apache-2.0
// Rings: the good path, what is lent when, and who keeps what open until when. (test_client_ring_lies.c has the daemons
// that must not be believed.)
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_stream.h"

static void mark(hsfeed_client *client)
{
	assert_int_equal(hsfeed_call(client, "mark", NULL, 0, NULL, NULL), 0);
}

static void expect_mark(struct fake *f)
{
	fake_expect(f, "mark");
	fake_reply_empty(f, f->seq);
}

static void close_all(struct fake *f, hsfeed_stream *stream, hsfeed_client *client)
{
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(f);
}

static void take(hsfeed_stream *stream, const struct hsfeed_batch **ret)
{
	struct hsfeed_error error = {0};
	int rc = hsfeed_stream_next(stream, 10000, ret, &error);
	if (rc != 1)
		print_message("next: %d %s\n", rc, error.message);
	assert_int_equal(rc, 1);
}

// ---- the ordinary life ----

static void one_epoch(struct fake *f)
{
	struct fake_ring r;
	uint64_t seen[16] = {0};
	ring_open(f, &r);
	ring_ready(&r, 1, &(struct ready){.n = 1});
	ring_ready(&r, 1, &(struct ready){.first = 1, .n = 3});
	ring_credits(f, &r, 4, seen);
	ring_ready(&r, 1, &(struct ready){.first = 4, .n = 2});
	ring_end(&r, 1);
	ring_credits(f, &r, 2, seen);
	fake_check(seen[0] == 5 && seen[1] == 6 && seen[2] == 3 && seen[3] == 4);
	fake_expect(f, "stream.seek");
	ring_ready(&r, 2, &(struct ready){.first = 6, .n = 1}); // may be there before the answer
	reply_sought(f, 2, 1);
	ring_end(&r, 2);
	ring_credits(f, &r, 1, seen);
	fake_expect(f, "stream.close");
	fake_reply_empty(f, f->seq);
	fake_check(!fake_read_on(f, r.channel)); // and the channel ends
	fake_check(!fake_read(f));
	fake_ring_free(&r);
}

static void batches_lie_in_the_ring_and_their_slots_are_given_back_on_the_channel(void **state)
{
	(void)state;
	struct fake f = {.rings = true};
	hsfeed_client *client;
	hsfeed_stream *stream = ring_stream(&f, one_epoch, &client);
	const struct hsfeed_batch *batch;
	void *memory;
	size_t bytes;
	assert_int_equal(hsfeed_stream_ring(stream, &memory, &bytes), 1);
	assert_int_equal(bytes, SLOTS * SLOT_BYTES);
	for (uint64_t i = 0; i < 6; i++) {
		take(stream, &batch);
		ring_assert_batch(batch, i);
		assert_ptr_equal(batch->arrays[0]->data, (uint8_t *)memory + i % SLOTS * SLOT_BYTES);
		assert_int_equal(batch->epoch, 0);
		hsfeed_batch_release(batch);
	}
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 0);
	assert_int_equal(hsfeed_stream_next(stream, 0, &batch, NULL), 0);
	struct hsfeed_seek_options seek = {.size = sizeof(seek), .epoch = 1};
	assert_int_equal(hsfeed_stream_seek(stream, &seek, NULL, NULL), 0);
	take(stream, &batch);
	ring_assert_batch(batch, 6);
	assert_int_equal(batch->epoch, 1);
	hsfeed_batch_release(batch);
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 0);
	close_all(&f, stream, client);
}

static void without_a_ring(struct fake *f)
{
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	struct hs_wbuf w = fake_begin_reply(f->seq);
	ring_put_open(&w, &(struct opening){.transport = "inline"});
	fake_end(f, &w);
	while (fake_read(f))
		continue;
}

static void a_stream_without_a_ring_has_no_shared_memory_and_the_connections_descriptor(void **state)
{
	(void)state;
	struct fake f = {.rings = true};
	hsfeed_client *client;
	hsfeed_stream *stream = ring_stream(&f, without_a_ring, &client);
	void *memory = &f;
	size_t bytes = 7;
	assert_int_equal(hsfeed_stream_ring(stream, &memory, &bytes), 0);
	assert_ptr_equal(memory, &f);
	assert_int_equal(bytes, 7);
	assert_int_equal(hsfeed_stream_fd(stream), hsfeed_fd(client));
	assert_int_equal(hsfeed_stream_ring(NULL, &memory, &bytes), 0);
	assert_int_equal(hsfeed_stream_fd(NULL), -1);
	close_all(&f, stream, client);
}

static void announces_when_told(struct fake *f)
{
	struct fake_ring r;
	ring_open(f, &r);
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t seen[SLOTS] = {0};
		expect_mark(f);
		ring_ready(&r, 1, &(struct ready){.first = i, .n = 1});
		ring_credits(f, &r, 1, seen);
	}
	while (fake_read(f))
		continue;
	fake_ring_free(&r);
}

static void the_streams_descriptor_becomes_readable_when_a_batch_comes(void **state)
{
	(void)state;
	struct fake f = {.rings = true};
	hsfeed_client *client;
	hsfeed_stream *stream = ring_stream(&f, announces_when_told, &client);
	const struct hsfeed_batch *batch;
	struct pollfd p = {.fd = hsfeed_stream_fd(stream), .events = POLLIN};
	assert_true(p.fd >= 0 && p.fd != hsfeed_fd(client));
	for (uint64_t i = 0; i < 8; i++) {
		assert_int_equal(hsfeed_stream_next(stream, 0, &batch, NULL), HSFEED_ETIMEOUT);
		assert_int_equal(poll(&p, 1, 0), 0);
		mark(client);
		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_int_equal(hsfeed_stream_next(stream, 0, &batch, NULL), 1);
		ring_assert_batch(batch, i);
		hsfeed_batch_release(batch);
	}
	hsfeed_close(client);
	assert_int_equal(hsfeed_stream_fd(stream), -1);
	hsfeed_stream_close(stream);
	fake_stop(&f);
}

// ---- signals ----

static void sends_nothing(struct fake *f)
{
	struct fake_ring r;
	ring_open(f, &r);
	while (fake_read(f))
		continue;
	fake_ring_free(&r);
}

static void a_signal_before_a_wait_ends_it_too(void **state)
{
	(void)state;
	struct fake f = {.rings = true};
	hsfeed_client *client;
	hsfeed_stream *stream = ring_stream(&f, sends_nothing, &client);
	const struct hsfeed_batch *none = NULL;
	int asked = 0;
	fake_interrupt(client, &asked);
	assert_int_equal(hsfeed_stream_next(stream, -1, &none, NULL), -EINTR); // nobody signals anything here
	assert_null(none);
	assert_int_equal(asked, 2);
	close_all(&f, stream, client);
}

// ---- generations ----

static atomic_int step;

static void await_step(int n)
{
	while (step < n)
		usleep(1000);
}

static void seeks(struct fake *f)
{
	struct fake_ring r;
	uint64_t seen[SLOTS] = {0};
	ring_open(f, &r);
	ring_ready(&r, 1, &(struct ready){.n = 2});
	fake_expect(f, "stream.seek");
	fake_reply_error(f, f->seq, "bad_plan", "at is beyond the end", "");
	fake_expect(f, "stream.seek");
	ring_ready(&r, 1, &(struct ready){.first = 2, .n = 1}); // still of the old generation
	ring_end(&r, 1);
	ring_ready(&r, 2, &(struct ready){.first = 3, .n = 1});
	reply_sought(f, 2, 5);
	ring_credits(f, &r, 2, seen); // unread
	fake_check(seen[1] == 2 && seen[2] == 3);
	ring_ready(&r, 9, &(struct ready){.first = 5, .n = 1}); // of a seek that nobody asked for
	ring_credits(f, &r, 1, seen);
	fake_check(seen[1] == 6);
	step = 1;
	while (fake_read(f))
		continue;
	fake_ring_free(&r);
}

static void a_seek_gives_back_unread_what_is_of_another_generation_and_keeps_what_is_held(void **state)
{
	(void)state;
	struct fake f = {.rings = true};
	hsfeed_client *client;
	step = 0;
	hsfeed_stream *stream = ring_stream(&f, seeks, &client);
	const struct hsfeed_batch *first, *batch;
	struct hsfeed_seek_options seek = {.size = sizeof(seek), .epoch = 5, .at = 1000000};
	assert_int_equal(hsfeed_stream_seek(stream, &seek, NULL, NULL), HSFEED_EBADPLAN);
	take(stream, &first);
	ring_assert_batch(first, 0);
	seek.at = 0;
	assert_int_equal(hsfeed_stream_seek(stream, &seek, NULL, NULL), 0);
	take(stream, &batch);
	ring_assert_batch(batch, 3);
	assert_int_equal(batch->epoch, 5);
	ring_assert_batch(first, 0);
	const struct hsfeed_batch *none = NULL;
	while (step < 1)
		assert_int_equal(hsfeed_stream_next(stream, 10, &none, NULL), HSFEED_ETIMEOUT);
	assert_null(none);
	hsfeed_batch_release(first);
	hsfeed_batch_release(batch);
	close_all(&f, stream, client);
}

// ---- what is held outlives everything ----

static void stream_close_comes_last(struct fake *f)
{
	struct fake_ring r;
	ring_open(f, &r);
	ring_ready(&r, 1, &(struct ready){.n = 3});
	expect_mark(f);
	expect_mark(f);
	fake_expect(f, "stream.close");
	fake_check(fake_param(f, "stream") == STREAM);
	memset(r.map, 0, r.bytes); // the pages are taken back now
	fake_reply_empty(f, f->seq);
	expect_mark(f);
	while (fake_read(f))
		continue;
	fake_ring_free(&r);
}

static void a_closed_stream_is_closed_at_the_daemon_when_its_last_batch_is_released(void **state)
{
	(void)state;
	struct fake f = {.rings = true};
	hsfeed_client *client;
	hsfeed_stream *stream = ring_stream(&f, stream_close_comes_last, &client);
	const struct hsfeed_batch *a, *b;
	take(stream, &a);
	take(stream, &b);
	hsfeed_stream_close(stream);
	mark(client);
	ring_assert_batch(a, 0);
	hsfeed_batch_release(a);
	mark(client);
	ring_assert_batch(b, 1);
	hsfeed_batch_release(b);
	mark(client);
	hsfeed_close(client);
	fake_stop(&f);
}

static void the_connection_stays(struct fake *f)
{
	struct fake_ring r;
	ring_open(f, &r);
	ring_ready(&r, 1, &(struct ready){.n = 2});
	await_step(1); // the client was closed
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	fake_check(poll(&p, 1, 100) == 0);
	step = 2;
	while (fake_read(f))
		fake_check(false);
	memset(r.map, 0, r.bytes);
	step = 3;
	fake_ring_free(&r);
}

static void the_connection_stays_open_until_the_last_batch_is_released(void **state)
{
	(void)state;
	for (int stream_first = 0; stream_first < 2; stream_first++) {
		struct fake f = {.rings = true};
		hsfeed_client *client;
		step = 0;
		hsfeed_stream *stream = ring_stream(&f, the_connection_stays, &client);
		const struct hsfeed_batch *a, *b;
		take(stream, &a);
		take(stream, &b);
		if (stream_first)
			hsfeed_stream_close(stream);
		hsfeed_close(client);
		step = 1;
		await_step(2);
		ring_assert_batch(b, 1);
		hsfeed_batch_release(b);
		ring_assert_batch(a, 0);
		hsfeed_batch_release(a);
		await_step(3); // end of file: the connection went with it
		if (!stream_first) {
			assert_int_equal(hsfeed_stream_next(stream, 0, &a, NULL), HSFEED_ELOST);
			hsfeed_stream_close(stream);
		}
		fake_stop(&f);
	}
}

static void dies(struct fake *f)
{
	struct fake_ring r;
	ring_open(f, &r);
	ring_ready(&r, 1, &(struct ready){.n = 2});
	fake_expect(f, "mark");
	fake_ring_free(&r);
}

static void batches_that_are_held_stay_readable_when_the_daemon_dies(void **state)
{
	(void)state;
	for (int order = 0; order < 3; order++) {
		struct fake f = {.rings = true};
		hsfeed_client *client;
		hsfeed_stream *stream = ring_stream(&f, dies, &client);
		const struct hsfeed_batch *a, *b, *none;
		take(stream, &a);
		take(stream, &b);
		assert_int_equal(hsfeed_call(client, "mark", NULL, 0, NULL, NULL), HSFEED_ELOST);
		assert_int_equal(hsfeed_stream_next(stream, 1000, &none, NULL), HSFEED_ELOST);
		ring_assert_batch(a, 0);
		if (order == 1)
			hsfeed_batch_release(a);
		hsfeed_stream_close(stream);
		ring_assert_batch(b, 1);
		if (order == 2)
			hsfeed_batch_release(a);
		hsfeed_close(client);
		ring_assert_batch(b, 1);
		if (order == 0)
			hsfeed_batch_release(a);
		hsfeed_batch_release(b);
		fake_stop(&f);
	}
}

// ---- fork ----

static void hears_nothing_of_a_child(struct fake *f)
{
	struct fake_ring r;
	uint64_t seen[SLOTS] = {0};
	ring_open(f, &r);
	ring_ready(&r, 1, &(struct ready){.n = 2});
	fake_expect(f, "mark"); // the child has ended
	struct pollfd p = {.fd = r.channel, .events = POLLIN};
	fake_check(poll(&p, 1, 0) == 0);
	fake_reply_empty(f, f->seq);
	ring_credits(f, &r, 2, seen);
	fake_expect(f, "stream.close");
	while (fake_read(f))
		continue;
	fake_ring_free(&r);
}

static int child(hsfeed_client *client, hsfeed_stream *stream, const struct hsfeed_batch *const held[2])
{
	const struct hsfeed_batch *none;
	struct hsfeed_seek_options seek = {.size = sizeof(seek)};
	if (hsfeed_stream_next(stream, 0, &none, NULL) != HSFEED_EFORKED ||
	    hsfeed_stream_seek(stream, &seek, NULL, NULL) != HSFEED_EFORKED)
		return 1;
	if (((const int64_t *)held[1]->arrays[0]->data)[1] != 1001)
		return 2;
	hsfeed_batch_release(held[0]);
	hsfeed_stream_close(stream);
	hsfeed_batch_release(held[1]);
	hsfeed_close(client);
	return 0;
}

static void a_child_may_read_what_is_held_and_letting_go_of_it_is_harmless(void **state)
{
	(void)state;
	struct fake f = {.rings = true};
	hsfeed_client *client;
	hsfeed_stream *stream = ring_stream(&f, hears_nothing_of_a_child, &client);
	const struct hsfeed_batch *held[2];
	int status;
	take(stream, &held[0]);
	take(stream, &held[1]);
	pid_t pid = fork();
	if (pid == 0)
		_exit(child(client, stream, held));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	mark(client);
	ring_assert_batch(held[0], 0);
	ring_assert_batch(held[1], 1);
	hsfeed_batch_release(held[0]);
	hsfeed_batch_release(held[1]);
	close_all(&f, stream, client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_lie_in_the_ring_and_their_slots_are_given_back_on_the_channel),
		cmocka_unit_test(a_stream_without_a_ring_has_no_shared_memory_and_the_connections_descriptor),
		cmocka_unit_test(the_streams_descriptor_becomes_readable_when_a_batch_comes),
		cmocka_unit_test(a_signal_before_a_wait_ends_it_too),
		cmocka_unit_test(a_seek_gives_back_unread_what_is_of_another_generation_and_keeps_what_is_held),
		cmocka_unit_test(a_closed_stream_is_closed_at_the_daemon_when_its_last_batch_is_released),
		cmocka_unit_test(the_connection_stays_open_until_the_last_batch_is_released),
		cmocka_unit_test(batches_that_are_held_stay_readable_when_the_daemon_dies),
		cmocka_unit_test(a_child_may_read_what_is_held_and_letting_go_of_it_is_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
