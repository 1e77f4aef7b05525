// SPDX-License-Identifier: Apache-2.0
// Rings of daemons that must not be believed, that come too late, or that go; and a stream opened again.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_stream.h"

#define SEAL_SEAL   0x0001
#define SEAL_SHRINK 0x0002
#define SEAL_GROW   0x0004

static int count_fds(void)
{
	int n = 0;
	for (int fd = 0; fd < 512; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void end_script(struct fake *f, struct fake_ring *r)
{
	while (fake_read(f)) {
		if (f->kind == HS_WIRE_REQUEST)
			fake_reply_empty(f, f->seq);
	}
	fake_ring_free(r);
}

static int open_one(hsfeed_client *client, hsfeed_stream **ret, struct hsfeed_error *reterr)
{
	struct hsfeed_stream_options options = {
		.size = sizeof(options), .name = "x", .split = "all", .transport = "ring"};
	return hsfeed_stream_open(client, &options, ret, reterr);
}

// ---- openings ----

struct bad { // a ring that must be refused
	int seals;
	size_t bytes;
	unsigned nfds;
	bool file; // no memfd
	struct opening opening;
};

static void opens_badly_and_then_well(struct fake *f)
{
	const struct bad *bad = f->arg;
	struct fake_ring r, good;
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	fake_ring_make(&r, bad->bytes, bad->seals);
	ring_ready(&r, 1, &(struct ready){.first = 5, .n = bad->bytes == SLOTS * SLOT_BYTES});
	FILE *file = tmpfile();
	fake_check(file && ftruncate(fileno(file), SLOTS * SLOT_BYTES) == 0);
	struct hs_wbuf w = fake_begin_reply(f->seq);
	ring_put_open(&w, &bad->opening);
	fake_end_on(f->fd, &w, (int[2]){bad->file ? fileno(file) : r.memory, r.given}, bad->nfds);
	fclose(file);
	fake_expect(f, "stream.close");
	fake_check(fake_param(f, "stream") == STREAM);
	fake_reply_empty(f, f->seq);
	fake_ring_free(&r);
	fake_expect(f, "stream.open");
	fake_ring_make(&good, SLOTS * SLOT_BYTES, SEALS);
	ring_answer(f, &good, &(struct opening){0});
	ring_ready(&good, 1, &(struct ready){.n = 1});
	end_script(f, &good);
}

static void assert_refused(struct bad bad)
{
	int before = count_fds();
	struct fake f = {.rings = true, .arg = &bad};
	fake_start(&f, opens_badly_and_then_well);
	hsfeed_client *client = fake_connect(&f, 10000);
	hsfeed_stream *stream = NULL;
	const struct hsfeed_batch *batch;
	struct hsfeed_error error = {0};
	assert_int_equal(open_one(client, &stream, &error), bad.nfds == 2 ? HSFEED_EBADFRAME : HSFEED_EUNSUPPORTED);
	assert_null(stream);
	assert_true(strlen(error.message) > 20);
	assert_int_equal(open_one(client, &stream, &error), 0); // with its own memory, not what was left
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, &error), 1);
	ring_assert_batch(batch, 0);
	hsfeed_batch_release(batch);
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(&f);
	assert_int_equal(count_fds(), before);
}

#define BAD(...) ((struct bad){.seals = SEALS, .bytes = SLOTS * SLOT_BYTES, .nfds = 2, __VA_ARGS__})

static void memory_that_could_shrink_or_is_too_small_is_refused(void **state)
{
	(void)state;
	assert_refused((struct bad){.seals = 0, .bytes = SLOTS * SLOT_BYTES, .nfds = 2});
	assert_refused((struct bad){.seals = SEAL_GROW | SEAL_SEAL, .bytes = SLOTS * SLOT_BYTES, .nfds = 2});
	assert_refused((struct bad){.seals = SEALS, .bytes = SLOTS * SLOT_BYTES - 1, .nfds = 2});
	assert_refused((struct bad){.seals = SEALS, .bytes = 1, .nfds = 2});
	assert_refused(BAD(.file = true));
	assert_refused(BAD(.opening = {.slots = SLOTS + 1}));
	assert_refused(BAD(.opening = {.slot_bytes = SLOT_BYTES + 64}));
}

static void a_ring_without_its_two_descriptors_is_refused(void **state)
{
	(void)state;
	assert_refused((struct bad){.seals = SEALS, .bytes = SLOTS * SLOT_BYTES, .nfds = 0});
	assert_refused((struct bad){.seals = SEALS, .bytes = SLOTS * SLOT_BYTES, .nfds = 1});
}

static void an_opening_that_cannot_be_is_refused_and_leaves_no_descriptor_for_the_next(void **state)
{
	(void)state;
	assert_refused(BAD(.opening = {.dtype = "float64"}));
	assert_refused(BAD(.opening = {.slots = 65}));
	assert_refused(BAD(.opening = {.slot_bytes = 1ULL << 40}));
	assert_refused(BAD(.opening = {.slot_bytes = 630}));
	assert_refused(BAD(.opening = {.offset = 520}));
	assert_refused(BAD(.opening = {.offset = 640}));
	assert_refused(BAD(.opening = {.offset = 1ULL << 63}));
	assert_refused(BAD(.opening = {.bytes = 31}));
	assert_refused(BAD(.opening = {.bytes = 129}));
	assert_refused(BAD(.opening = {.bytes = UINT64_MAX}));
}

// ---- batches ----

static void announces(struct fake *f)
{
	struct fake_ring r;
	ring_open(f, &r);
	ring_ready(&r, 1, &(struct ready){.n = 1});
	ring_ready(&r, 1, f->arg);
	end_script(f, &r);
}

static void assert_lie_found(struct fake *f, void (*script)(struct fake *f))
{
	hsfeed_client *client;
	f->rings = true;
	hsfeed_stream *stream = ring_stream(f, script, &client);
	const struct hsfeed_batch *held = NULL, *batch = NULL;
	struct hsfeed_error error = {0};
	int rc = hsfeed_stream_next(stream, 10000, &held, &error); // both may have come in one read
	if (rc == 1)
		rc = hsfeed_stream_next(stream, 10000, &batch, &error);
	assert_int_equal(rc, HSFEED_EBADFRAME);
	assert_null(batch);
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, &error), HSFEED_EBADFRAME);
	if (held)
		ring_assert_batch(held, 0);
	hsfeed_batch_release(held);
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(f);
}

static void a_batch_that_does_not_fit_its_ring_ends_the_connection(void **state)
{
	(void)state;
	const uint64_t lies[][7] = {
		{SLOTS, 2, 1, 6, 3, 5},      {UINT64_MAX, 2, 1, 6, 3, 5}, {0, 2, 1, 6, 3, 5}, // in use
		{1ULL << 32, 2, 1, 6, 3, 5}, {1, 2, 1, 6, 0, 5},          {1, 2, 1, 6, BATCH_SIZE + 1, 5},
		{1, 2, 1, 6, UINT64_MAX, 5}, {1, 2, 1, 6, 1ULL << 61, 5}, {1, 2, 1, 6, 3, MAX_LENGTH + 1},
		{1, 2, 1, 6, 3, UINT64_MAX}, {1, 2, 1, 6, 3, 1ULL << 61},
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct ready ready = {.first = 1, .n = 1, .said = lies[i], .nsaid = 6};
		assert_lie_found(&(struct fake){.arg = &ready}, announces);
	}
	static const uint64_t good[7] = {1, 2, 1, 6, 3, 5, 5};
	for (unsigned n = 0; n <= 7; n++) {
		struct ready ready = {.first = 1, .n = 1, .said = good, .nsaid = n};
		if (n != 6)
			assert_lie_found(&(struct fake){.arg = &ready}, announces);
	}
}

static void says_raw(struct fake *f)
{
	const struct iovec *raw = f->arg;
	struct fake_ring r;
	ring_open(f, &r);
	ring_ready(&r, 1, &(struct ready){.n = 1});
	fake_check(send(r.channel, raw->iov_base, raw->iov_len, MSG_NOSIGNAL) == (ssize_t)raw->iov_len);
	end_script(f, &r);
}

#define RAW(bytes)                                                                                                     \
	{                                                                                                              \
		(char[]){bytes}, sizeof(bytes) - 1                                                                     \
	}
#define READY "\x93\x02\xacstream.ready"

static void what_is_no_announcement_ends_the_connection(void **state)
{
	(void)state;
	struct iovec raws[] = {
		RAW("\0\0\0\0"),
		RAW("\xff\xff\xff\xff"),
		RAW("\xfd\x3f\0\0"), // more than a frame on a channel can have
		RAW("\x01\0\0\0\xc1"),
		RAW("\x01\0\0\0\x90"),
		RAW("\x10\0\0\0" READY "\x80"),
		RAW("\x10\0\0\0" READY "\x90"),
		RAW("\x23\0\0\0" READY "\x82\xaageneration\x01\xa7"
		    "batches"),
		RAW("\x25\0\0\0" READY "\x82\xaageneration\x01\xa7"
		    "batches\x91\x01"),
		RAW("\x26\0\0\0" READY "\x82\xaageneration\x01\xa7"
		    "batches\x91\x91\xc0"),
		RAW("\x25\0\0\0" READY "\x82\xaageneration\xff\xa7"
		    "batches\x91\x90"),
	};
	for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++)
		assert_lie_found(&(struct fake){.arg = &raws[i]}, says_raw);
}

static void copies_into_a_ring(struct fake *f)
{
	struct fake_ring r;
	ring_open(f, &r);
	struct hs_wbuf w = fake_begin_notice("stream.batch");
	const char *const keys[] = {"stream", "generation", "slot", "fill", "batch", "at", "rows"};
	const uint64_t values[] = {STREAM, 1, 0, 1, 0, 3, 3};
	hs_w_map(&w, 9);
	for (size_t i = 0; i < 7; i++) {
		hs_w_cstr(&w, keys[i]);
		hs_w_uint(&w, values[i]);
	}
	hs_w_cstr(&w, "lengths");
	hs_w_array(&w, 1);
	hs_w_uint(&w, 5);
	hs_w_cstr(&w, "data");
	hs_w_bin(&w, (char[216]){0}, 216);
	fake_end(f, &w);
	end_script(f, &r);
}

static void a_batch_in_the_socket_for_a_stream_with_a_ring_ends_the_connection(void **state)
{
	(void)state;
	assert_lie_found(&(struct fake){0}, copies_into_a_ring);
}

// ---- ends ----

enum { BYE_BEFORE = 1, CHANNEL_ONLY = 2, CONNECTION_ONLY = 4 };

static void goes(struct fake *f)
{
	int how = *(const int *)f->arg;
	struct fake_ring r;
	ring_open(f, &r);
	ring_ready(&r, 1, &(struct ready){.n = 1});
	fake_expect_on(f, r.channel, "stream.release");
	if (how & BYE_BEFORE) {
		struct hs_wbuf w = fake_begin_notice("bye");
		hs_w_map(&w, 2);
		hs_w_cstr(&w, "code");
		hs_w_cstr(&w, "shutting_down");
		hs_w_cstr(&w, "message");
		hs_w_cstr(&w, "the daemon is shutting down");
		fake_end(f, &w);
	}
	if (!(how & CONNECTION_ONLY))
		shutdown(r.channel, SHUT_RDWR);
	if (!(how & CHANNEL_ONLY))
		shutdown(f->fd, SHUT_RDWR);
	while (fake_read(f))
		continue;
	fake_ring_free(&r);
}

static void the_daemons_end_is_noticed_on_either_socket_and_its_reason_is_told(void **state)
{
	(void)state;
	for (int how = 0; how < 6; how++) {
		struct fake f = {.rings = true, .arg = &how};
		hsfeed_client *client;
		hsfeed_stream *stream = ring_stream(&f, goes, &client);
		const struct hsfeed_batch *batch, *none = NULL;
		struct hsfeed_error error = {0};
		assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 1);
		hsfeed_batch_release(batch);
		for (int i = 0; i < 2; i++)
			assert_int_equal(hsfeed_stream_next(stream, 10000, &none, &error), HSFEED_ELOST);
		assert_true(!(how & BYE_BEFORE) == !strstr(error.message, "the daemon is shutting down"));
		assert_null(none);
		assert_int_equal(hsfeed_call(client, "ping", NULL, 0, NULL, NULL), HSFEED_ELOST);
		hsfeed_stream_close(stream);
		hsfeed_close(client);
		fake_stop(&f);
	}
}

static void answers_too_late(struct fake *f)
{
	struct fake_ring r, second;
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	uint64_t seq = f->seq;
	fake_expect(f, "stream.open"); // the first was given up
	uint64_t second_seq = f->seq;
	fake_ring_make(&r, SLOTS * SLOT_BYTES, SEALS);
	fake_ring_make(&second, SLOTS * SLOT_BYTES, SEALS);
	ring_ready(&r, 1, &(struct ready){.first = 7, .n = 1});
	f->seq = seq;
	ring_answer(f, &r, &(struct opening){0});
	f->seq = second_seq;
	ring_answer(f, &second, &(struct opening){0});
	fake_expect(f, "stream.close");
	fake_check(fake_param(f, "stream") == STREAM);
	fake_check(!fake_read_on(f, r.channel)); // its channel was closed
	fake_ring_free(&r);
	ring_ready(&second, 1, &(struct ready){.n = 1});
	end_script(f, &second);
}

static void a_ring_that_comes_after_its_opening_was_given_up_is_closed(void **state)
{
	(void)state;
	int before = count_fds();
	struct fake f = {.rings = true};
	fake_start(&f, answers_too_late);
	hsfeed_client *client = fake_connect(&f, 200);
	hsfeed_stream *stream = NULL;
	const struct hsfeed_batch *batch;
	assert_int_equal(open_one(client, &stream, NULL), HSFEED_ETIMEOUT);
	assert_null(stream);
	fake_set_timeout(client, 10000);
	assert_int_equal(open_one(client, &stream, NULL), 0);
	assert_int_equal(hsfeed_stream_next(stream, 10000, &batch, NULL), 1);
	ring_assert_batch(batch, 0);
	hsfeed_batch_release(batch);
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	fake_stop(&f);
	assert_int_equal(count_fds(), before);
}

// ---- damage ----

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void damage(uint8_t *bytes, size_t len, uint32_t *seed)
{
	for (int i = 0; i < 2; i++)
		bytes[next_random(seed) % len] = (uint8_t)next_random(seed);
}

// What would be said on the channel, with a few bytes changed.
static void say_damaged(struct fake_ring *r, uint32_t *seed)
{
	struct fake_ring copy = *r;
	uint8_t bytes[1024];
	int ends[2];
	fake_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	copy.channel = ends[0];
	ring_ready(&copy, 1, &(struct ready){.n = 1});
	ring_ready(&copy, 1, &(struct ready){.first = 1, .n = 2});
	ssize_t n = recv(ends[1], bytes, sizeof(bytes), 0);
	fake_check(n > 0);
	damage(bytes, (size_t)n, seed);
	fake_check(send(r->channel, bytes, (size_t)n, MSG_NOSIGNAL) == n);
	close(ends[0]);
	close(ends[1]);
}

static void sends_damage(struct fake *f)
{
	uint32_t seed = (uint32_t)(uintptr_t)f->arg;
	struct fake_ring r;
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	fake_ring_make(&r, SLOTS * SLOT_BYTES, SEALS);
	struct hs_wbuf w = fake_begin_reply(f->seq);
	ring_put_open(&w, &(struct opening){0});
	if (seed % 2) {
		damage(w.data + 8, w.len - 8, &seed);
		ring_ready(&r, 1, &(struct ready){.n = 3});
	} else {
		say_damaged(&r, &seed);
	}
	fake_end_on(f->fd, &w, (int[2]){r.memory, r.given}, 2);
	ring_end(&r, 1);
	fake_ring_free(&r); // and the connection goes with it
}

static unsigned read_all(hsfeed_stream *stream)
{
	const struct hsfeed_batch *batch;
	unsigned n = 0;
	unsigned char sum = 0; // every byte that the arrays claim can be read
	for (; hsfeed_stream_next(stream, 300, &batch, NULL) == 1; n++) {
		for (size_t i = 0; i < batch->narrays; i++)
			for (size_t j = 0; j < batch->arrays[i]->bytes; j++)
				sum ^= ((const volatile unsigned char *)batch->arrays[i]->data)[j];
		hsfeed_batch_release(batch);
	}
	return n + (sum & 0);
}

static void damaged_openings_and_announcements_never_crash_the_client(void **state)
{
	(void)state;
	int before = count_fds();
	unsigned opened = 0, delivered = 0;
	for (uintptr_t seed = 1; seed <= 1000; seed++) {
		struct fake f = {.rings = true, .arg = (void *)seed};
		fake_start(&f, sends_damage);
		hsfeed_client *client = fake_connect(&f, 300);
		hsfeed_stream *stream = NULL;
		if (open_one(client, &stream, NULL) == 0) {
			opened++;
			delivered += read_all(stream);
			hsfeed_stream_close(stream);
		}
		hsfeed_close(client);
		fake_stop(&f);
	}
	assert_true(opened > 400 && delivered > 50); // or the test damages too much to reach anything
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_that_could_shrink_or_is_too_small_is_refused),
		cmocka_unit_test(a_ring_without_its_two_descriptors_is_refused),
		cmocka_unit_test(an_opening_that_cannot_be_is_refused_and_leaves_no_descriptor_for_the_next),
		cmocka_unit_test(a_batch_that_does_not_fit_its_ring_ends_the_connection),
		cmocka_unit_test(what_is_no_announcement_ends_the_connection),
		cmocka_unit_test(a_batch_in_the_socket_for_a_stream_with_a_ring_ends_the_connection),
		cmocka_unit_test(the_daemons_end_is_noticed_on_either_socket_and_its_reason_is_told),
		cmocka_unit_test(a_ring_that_comes_after_its_opening_was_given_up_is_closed),
		cmocka_unit_test(damaged_openings_and_announcements_never_crash_the_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
