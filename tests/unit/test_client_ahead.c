// SPDX-License-Identifier: Apache-2.0
// hsfeed_stream_seek_ahead: whatever comes before its answer, and whoever takes the answer.
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_stream.h"

static void expect_mark(struct fake *f)
{
	fake_expect(f, "mark");
	fake_reply_empty(f, f->seq);
}

static void expect_seek(struct fake *f, uint64_t epoch)
{
	fake_expect(f, "stream.seek");
	fake_check(fake_param(f, "stream") == STREAM && fake_param(f, "epoch") == epoch);
}

static void mark(hsfeed_client *client)
{
	assert_int_equal(hsfeed_call(client, "mark", NULL, 0, NULL, NULL), 0);
}

struct end { // the test's own
	struct fake f;
	hsfeed_client *client;
	hsfeed_stream *stream;
};

static void start(struct end *e, bool ring, void (*script)(struct fake *f))
{
	*e = (struct end){.f = {.rings = ring}};
	e->stream = ring_stream(&e->f, script, &e->client);
}

static void stop(struct end *e)
{
	hsfeed_stream_close(e->stream);
	hsfeed_close(e->client);
	fake_stop(&e->f);
}

static int ahead(struct end *e, uint64_t epoch)
{
	struct hsfeed_seek_options o = {.size = sizeof(o), .epoch = epoch};
	return hsfeed_stream_seek_ahead(e->stream, &o, NULL);
}

static int seek(struct end *e, uint64_t epoch)
{
	struct hsfeed_seek_options o = {.size = sizeof(o), .epoch = epoch};
	return hsfeed_stream_seek(e->stream, &o, NULL, NULL);
}

// The next batch is the i-th, of this epoch.
static void assert_next(struct end *e, uint64_t epoch, uint64_t i)
{
	const struct hsfeed_batch *batch;
	struct hsfeed_error error = {0};
	int rc = hsfeed_stream_next(e->stream, 10000, &batch, &error);
	if (rc != 1)
		print_message("next: %d %s\n", rc, error.message);
	assert_int_equal(rc, 1);
	ring_assert_batch(batch, i);
	assert_int_equal(batch->epoch, epoch);
	hsfeed_batch_release(batch);
}

static int next(struct end *e, int timeout_ms)
{
	const struct hsfeed_batch *none;
	return hsfeed_stream_next(e->stream, timeout_ms, &none, NULL);
}

// ---- an epoch after the other ----

static void answers_late(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	either_batch(&l, 1, 0);
	either_end(&l, 1, false);
	either_expect_release(&l);
	expect_seek(f, 1);
	uint64_t sought = f->seq;
	if (l.is_ring) { // before the answer, which is on the other socket
		either_batch(&l, 2, 1);
		either_batch(&l, 2, 2);
		either_end(&l, 2, false);
	}
	expect_mark(f); // nobody waits for the answer
	f->seq = sought;
	reply_sought(f, 2, 1);
	if (!l.is_ring) {
		either_batch(&l, 2, 1);
		either_batch(&l, 2, 2);
		either_end(&l, 2, false);
	}
	either_finish(&l, "stream.seek");
}

static void the_next_batch_is_the_first_of_the_epoch_that_was_sought_ahead(void **state)
{
	(void)state;
	for (int ring = 0; ring < 2; ring++) {
		struct end e;
		start(&e, ring, answers_late);
		assert_next(&e, 0, 0);
		assert_int_equal(next(&e, 10000), 0);
		assert_int_equal(ahead(&e, 1), 0);
		assert_int_equal(next(&e, 20), HSFEED_ETIMEOUT); // not answered; nothing of it is lost
		mark(e.client);
		assert_next(&e, 1, 1);
		assert_next(&e, 1, 2);
		assert_int_equal(next(&e, 10000), 0);
		stop(&e);
	}
}

static void a_seek_to_the_very_same_place_asks_nothing_again(void **state)
{
	(void)state;
	for (int ring = 0; ring < 2; ring++) {
		struct end e;
		start(&e, ring, answers_late);
		assert_next(&e, 0, 0);
		assert_int_equal(next(&e, 10000), 0);
		assert_int_equal(ahead(&e, 1), 0);
		assert_int_equal(ahead(&e, 1), 0);
		mark(e.client);
		struct hsfeed_seek_options o = {.size = sizeof(o), .epoch = 1};
		hsfeed_value *answer;
		assert_int_equal(hsfeed_stream_seek(e.stream, &o, &answer, NULL), 0);
		assert_int_equal(hsfeed_value_uint(hsfeed_value_get(answer, "generation"), 0), 2);
		assert_int_equal(hsfeed_value_uint(hsfeed_value_get(answer, "epoch"), 0), 1);
		hsfeed_value_free(answer);
		assert_next(&e, 1, 1);
		assert_next(&e, 1, 2);
		assert_int_equal(next(&e, 10000), 0);
		stop(&e);
	}
}

static void seeks_thrice(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	either_end(&l, 1, false);
	expect_seek(f, 1);
	reply_sought(f, 2, 1);
	either_batch(&l, 2, 0);
	either_batch(&l, 2, 1);
	either_expect_release(&l);
	expect_seek(f, 1); // from there a batch was taken
	either_end(&l, 3, false);
	reply_sought(f, 3, 1);
	expect_seek(f, 1); // the one before was used
	reply_sought(f, 4, 1);
	either_batch(&l, 4, 2);
	either_finish(&l, "stream.seek");
}

static void a_place_that_was_left_or_used_is_sought_again(void **state)
{
	(void)state;
	struct end e;
	start(&e, true, seeks_thrice);
	assert_int_equal(ahead(&e, 1), 0);
	assert_next(&e, 1, 0);
	assert_int_equal(ahead(&e, 1), 0);
	assert_int_equal(seek(&e, 1), 0);
	assert_int_equal(next(&e, 10000), 0);
	assert_int_equal(seek(&e, 1), 0);
	assert_next(&e, 1, 2);
	stop(&e);
}

static void seeks_elsewhere(struct fake *f)
{
	struct either l;
	uint64_t seen[SLOTS] = {0};
	either_open(f, &l);
	either_end(&l, 1, false);
	expect_seek(f, 1);
	either_batch(&l, 2, 0);
	reply_sought(f, 2, 1);
	expect_seek(f, 7);
	fake_check(fake_param(f, "seed") == 5);
	either_batch(&l, 3, 1);
	reply_sought(f, 3, 7);
	ring_credits(f, &l.ring, 2, seen); // the one of epoch 1 unread
	fake_check(seen[0] == 1 && seen[1] == 2);
	expect_seek(f, 8);
	reply_sought(f, 4, 8);
	expect_seek(f, 9); // as the one before was ahead too
	reply_sought(f, 5, 9);
	either_batch(&l, 5, 2);
	either_finish(&l, "stream.seek");
}

static void another_place_is_sought_as_usual(void **state)
{
	(void)state;
	struct end e;
	start(&e, true, seeks_elsewhere);
	assert_int_equal(next(&e, 10000), 0);
	assert_int_equal(ahead(&e, 1), 0);
	struct hsfeed_seek_options o = {.size = sizeof(o), .epoch = 7, .has_seed = 1, .seed = 5};
	assert_int_equal(hsfeed_stream_seek(e.stream, &o, NULL, NULL), 0);
	assert_next(&e, 7, 1);
	assert_int_equal(ahead(&e, 8), 0);
	assert_int_equal(ahead(&e, 9), 0);
	assert_next(&e, 9, 2);
	stop(&e);
}

static void in_the_middle(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	either_batch(&l, 1, 0);
	either_batch(&l, 1, 1);
	expect_seek(f, 1);
	either_batch(&l, 1, 2); // still of the old generation
	reply_sought(f, 2, 1);
	either_expect_release(&l); // 1 and 2
	either_batch(&l, 2, 3);
	either_finish(&l, "stream.seek");
}

static void waiting_batches_are_dropped_and_held_ones_stay(void **state)
{
	(void)state;
	for (int ring = 0; ring < 2; ring++) {
		struct end e;
		const struct hsfeed_batch *held;
		start(&e, ring, in_the_middle);
		assert_int_equal(hsfeed_stream_next(e.stream, 10000, &held, NULL), 1);
		assert_int_equal(ahead(&e, 1), 0);
		assert_next(&e, 1, 3);
		ring_assert_batch(held, 0);
		hsfeed_stream_close(e.stream);
		hsfeed_batch_release(held);
		hsfeed_close(e.client);
		fake_stop(&e.f);
	}
}

static void an_empty_epoch(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	either_end(&l, 1, false);
	expect_seek(f, 1);
	either_end(&l, 2, false);
	reply_sought(f, 2, 1);
	either_finish(&l, "stream.seek");
}

static void an_epoch_may_be_over_before_the_answer(void **state)
{
	(void)state;
	for (int ring = 0; ring < 2; ring++) {
		struct end e;
		start(&e, ring, an_empty_epoch);
		assert_int_equal(next(&e, 10000), 0);
		assert_int_equal(ahead(&e, 1), 0);
		assert_int_equal(next(&e, 10000), 0);
		assert_int_equal(seek(&e, 1), 0); // it stands there still
		assert_int_equal(next(&e, 10000), 0);
		stop(&e);
	}
}

// ---- what goes wrong ----

static void refuses(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	either_batch(&l, 1, 0);
	for (int i = 0; i < 2; i++) { // the second one waits for its answer
		expect_seek(f, 1);
		fake_reply_error(f, f->seq, "bad_plan", "at is beyond the end", "");
	}
	either_expect_release(&l);
	expect_seek(f, 2);
	fake_reply_error(f, f->seq, "bad_plan", "at is beyond the end", "");
	expect_seek(f, 3);
	reply_sought(f, 2, 3);
	either_batch(&l, 2, 1);
	either_finish(&l, "stream.seek");
}

static void a_refusal_is_told_by_next_until_a_seek_forgets_it(void **state)
{
	(void)state;
	for (int ring = 0; ring < 2; ring++) {
		struct end e;
		struct hsfeed_error error;
		const struct hsfeed_batch *none;
		start(&e, ring, refuses);
		assert_int_equal(ahead(&e, 1), 0);
		for (int i = 0; i < 2; i++)
			assert_int_equal(hsfeed_stream_next(e.stream, 10000, &none, &error), HSFEED_EBADPLAN);
		assert_string_equal(error.message, "at is beyond the end");
		assert_int_equal(seek(&e, 1), HSFEED_EBADPLAN);
		assert_next(&e, 0, 0); // as if nothing had been asked
		assert_int_equal(ahead(&e, 2), 0);
		assert_int_equal(seek(&e, 3), 0);
		assert_next(&e, 3, 1);
		stop(&e);
	}
}

static void fails(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	either_end(&l, 1, false);
	expect_seek(f, 1);
	either_end(&l, 2, true);
	reply_sought(f, 2, 1);
	expect_seek(f, 1);
	reply_sought(f, 3, 1);
	either_batch(&l, 3, 0);
	either_finish(&l, "stream.seek");
}

static void an_epoch_that_failed_is_asked_for_again(void **state)
{
	(void)state;
	struct end e;
	start(&e, true, fails);
	assert_int_equal(ahead(&e, 1), 0);
	assert_int_equal(next(&e, 10000), HSFEED_ECORRUPT);
	assert_int_equal(seek(&e, 1), 0);
	assert_next(&e, 1, 0);
	stop(&e);
}

static void never_answers(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	either_batch(&l, 1, 0);
	expect_seek(f, 1);
	either_batch(&l, 2, 1);
	either_finish(&l, "stream.seek");
}

static void a_daemon_that_never_answers_is_waited_for_as_long_as_was_said(void **state)
{
	(void)state;
	for (int ring = 0; ring < 2; ring++) {
		struct end e = {.f = {.rings = ring}};
		struct hsfeed_stream_options options = {.size = sizeof(options), .name = "x", .split = "all"};
		struct hsfeed_error error;
		fake_start(&e.f, never_answers);
		e.client = fake_connect(&e.f, 10000);
		assert_int_equal(hsfeed_stream_open(e.client, &options, &e.stream, NULL), 0);
		fake_set_timeout(e.client, 200);
		assert_int_equal(ahead(&e, 1), 0);
		assert_int_equal(next(&e, 0), HSFEED_ETIMEOUT);
		assert_int_equal(next(&e, 30), HSFEED_ETIMEOUT); // and none of the epoch that was left
		assert_int_equal(ahead(&e, 2), HSFEED_ETIMEOUT);
		assert_int_equal(ahead(&e, 1), 0); // that holds
		struct hsfeed_seek_options o = {.size = sizeof(o), .epoch = 1};
		assert_int_equal(hsfeed_stream_seek(e.stream, &o, NULL, &error), HSFEED_ETIMEOUT);
		assert_string_equal(error.message, "the daemon did not answer stream.seek within 200 ms");
		assert_int_equal(next(&e, 0), HSFEED_ETIMEOUT); // sticky
		assert_int_equal(ahead(&e, 1), HSFEED_ETIMEOUT);
		stop(&e);
	}
}

static void dies(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	expect_seek(f, 1);
	if (f->rings)
		fake_ring_free(&l.ring);
}

static void lies(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	expect_seek(f, 1);
	struct hs_wbuf w = {0};
	size_t start_of_frame = hs_w_frame_begin(&w);
	hs_w_array(&w, 4);
	hs_w_uint(&w, HS_WIRE_REPLY);
	hs_w_uint(&w, f->seq);
	hs_w_uint(&w, 7); // an error that is none
	hs_w_nil(&w);
	hs_w_frame_end(&w, start_of_frame, 0);
	fake_send(f, w.data, w.len);
	hs_w_fini(&w);
	either_finish(&l, "stream.seek");
}

static void a_daemon_that_dies_or_lies_is_found_by_whoever_comes_next(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		struct end e;
		int wanted = i & 2 ? HSFEED_EBADFRAME : HSFEED_ELOST;
		start(&e, i & 1, i & 2 ? lies : dies);
		assert_int_equal(ahead(&e, 1), 0);
		assert_int_equal(i & 4 ? seek(&e, 1) : next(&e, 10000), wanted);
		assert_int_equal(ahead(&e, 1), wanted);
		stop(&e);
	}
}

// ---- whose answer it is ----

static void answers_the_dead(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	expect_seek(f, 4);
	uint64_t sought = f->seq;
	fake_expect(f, "stream.close");
	uint64_t closed = f->seq;
	fake_expect(f, "stream.open");
	uint64_t opened = f->seq;
	struct hs_wbuf w = fake_begin_reply(opened);
	ring_put_open(&w, &(struct opening){.transport = "inline"}); // the same number
	fake_end(f, &w);
	f->seq = sought;
	reply_sought(f, 2, 4);
	fake_reply_empty(f, closed);
	either_batch(&l, 1, 0);
	either_expect_release(&l);
	either_finish(&l, "stream.seek");
}

static void an_answer_for_a_stream_that_was_closed_moves_no_other(void **state)
{
	(void)state;
	struct end e;
	struct hsfeed_stream_options options = {.size = sizeof(options), .name = "x", .split = "all"};
	start(&e, false, answers_the_dead);
	assert_int_equal(ahead(&e, 4), 0);
	hsfeed_stream_close(e.stream);
	assert_int_equal(hsfeed_stream_open(e.client, &options, &e.stream, NULL), 0);
	assert_next(&e, 0, 0);
	stop(&e);
}

static void answers_when_told(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	expect_seek(f, 1);
	uint64_t sought = f->seq;
	either_batch(&l, 2, 0);
	expect_mark(f);
	f->seq = sought;
	reply_sought(f, 2, 1);
	either_expect_release(&l);
	expect_mark(f);
	either_batch(&l, 2, 1);
	either_finish(&l, "stream.seek");
}

static void who_polls_is_woken_by_the_answer_and_by_the_batches(void **state)
{
	(void)state;
	struct end e;
	start(&e, true, answers_when_told);
	int channel = hsfeed_stream_fd(e.stream), rc;
	assert_int_equal(ahead(&e, 1), 0);
	assert_int_equal(hsfeed_stream_fd(e.stream), hsfeed_fd(e.client));
	mark(e.client);
	for (uint64_t i = 0; i < 2; i++) {
		const struct hsfeed_batch *batch;
		while ((rc = hsfeed_stream_next(e.stream, 0, &batch, NULL)) == HSFEED_ETIMEOUT) {
			struct pollfd p = {.fd = hsfeed_stream_fd(e.stream), .events = POLLIN};
			assert_int_equal(poll(&p, 1, 10000), 1);
		}
		assert_int_equal(rc, 1);
		ring_assert_batch(batch, i);
		hsfeed_batch_release(batch);
		assert_int_equal(hsfeed_stream_fd(e.stream), channel);
		if (i == 0)
			mark(e.client);
	}
	stop(&e);
}

static void hears_one_seek(struct fake *f)
{
	struct either l;
	either_open(f, &l);
	expect_seek(f, 1); // one, the parent's
	either_finish(&l, "stream.seek");
}

static void not_in_a_fork_not_without_a_stream_and_not_when_it_is_closed(void **state)
{
	(void)state;
	struct end e;
	int status;
	start(&e, true, hears_one_seek);
	struct hsfeed_seek_options o = {.epoch = 1};
	assert_int_equal(hsfeed_stream_seek_ahead(NULL, NULL, NULL), HSFEED_EBADARG);
	assert_int_equal(hsfeed_stream_seek_ahead(e.stream, &o, NULL), HSFEED_EBADARG); // no size
	pid_t pid = fork();
	if (pid == 0)
		_exit(ahead(&e, 1) == HSFEED_EFORKED ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(ahead(&e, 1), 0);
	hsfeed_close(e.client);
	assert_int_equal(ahead(&e, 1), HSFEED_ELOST);
	hsfeed_stream_close(e.stream);
	fake_stop(&e.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_batch_is_the_first_of_the_epoch_that_was_sought_ahead),
		cmocka_unit_test(a_seek_to_the_very_same_place_asks_nothing_again),
		cmocka_unit_test(a_place_that_was_left_or_used_is_sought_again),
		cmocka_unit_test(another_place_is_sought_as_usual),
		cmocka_unit_test(waiting_batches_are_dropped_and_held_ones_stay),
		cmocka_unit_test(an_epoch_may_be_over_before_the_answer),
		cmocka_unit_test(a_refusal_is_told_by_next_until_a_seek_forgets_it),
		cmocka_unit_test(an_epoch_that_failed_is_asked_for_again),
		cmocka_unit_test(a_daemon_that_never_answers_is_waited_for_as_long_as_was_said),
		cmocka_unit_test(a_daemon_that_dies_or_lies_is_found_by_whoever_comes_next),
		cmocka_unit_test(an_answer_for_a_stream_that_was_closed_moves_no_other),
		cmocka_unit_test(who_polls_is_woken_by_the_answer_and_by_the_batches),
		cmocka_unit_test(not_in_a_fork_not_without_a_stream_and_not_when_it_is_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
