// SPDX-License-Identifier: Apache-2.0
// Lists of rows: how they come to the daemon, that a stream keeps its own, and what is refused before anything is sent.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_stream.h"

static const int64_t first[3] = {7, 0, 7}, second[2] = {1, 2};

static void give_handle(struct fake *f, uint64_t handle)
{
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 1);
	hs_w_cstr(&w, "handle");
	hs_w_uint(&w, handle);
	fake_end(f, &w);
}

static void expect_attached(struct fake *f, const int64_t *rows, size_t n, uint64_t handle)
{
	int64_t came[8];
	fake_expect(f, "file.attach");
	fake_check(f->passed_fd >= 0);
	fake_check(pread(f->passed_fd, came, sizeof(came), 0) == (ssize_t)(n * 8) && memcmp(came, rows, n * 8) == 0);
	close(f->passed_fd);
	f->passed_fd = -1;
	give_handle(f, handle);
}

static void expect_sent(struct fake *f, const int64_t *rows, size_t n, uint64_t handle)
{
	const void *data;
	size_t len;
	fake_expect(f, "file.begin");
	fake_check(fake_param(f, "bytes") == n * 8);
	give_handle(f, handle);
	fake_expect(f, "file.chunk");
	fake_check(fake_param(f, "handle") == handle);
	fake_check(hs_r_get_bin(f->params, "data", &data, &len) && len == n * 8 && memcmp(data, rows, len) == 0);
	fake_reply_empty(f, f->seq);
}

static void expect_open(struct fake *f, uint64_t handle)
{
	const char *order;
	size_t len;
	fake_expect(f, "stream.open");
	fake_check(fake_param(f, "rows") == handle);
	fake_check(hs_r_get_str(f->params, "order", &order, &len) && len == 8 && memcmp(order, "explicit", 8) == 0);
}

// What a reopen goes by.
static void answer_open(struct fake *f)
{
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 8);
	const char *const texts[][2] = {{"name", "hate"}, {"version", "0011"}, {"order", "explicit"}};
	for (size_t i = 0; i < 3; i++) {
		hs_w_cstr(&w, texts[i][0]);
		hs_w_cstr(&w, texts[i][1]);
	}
	hs_w_cstr(&w, "stream");
	hs_w_uint(&w, STREAM);
	hs_w_cstr(&w, "slots");
	hs_w_uint(&w, SLOTS);
	hs_w_cstr(&w, "generation");
	hs_w_uint(&w, 1);
	hs_w_cstr(&w, "batch_size");
	hs_w_uint(&w, 4);
	hs_w_cstr(&w, "arrays");
	hs_w_array(&w, 0);
	fake_end(f, &w);
}

static struct hsfeed_stream_options options_of(const char *transport)
{
	return (struct hsfeed_stream_options){.size = sizeof(struct hsfeed_stream_options),
					      .name = "hate",
					      .split = "all",
					      .order = "explicit",
					      .rows = first,
					      .nrows = 3,
					      .transport = transport};
}

// ---- a stream keeps its list ----

static void opens_seeks_and_opens_again(struct fake *f)
{
	fake_hello(f, true);
	expect_attached(f, first, 3, 11);
	expect_open(f, 11);
	answer_open(f);
	expect_attached(f, first, 3, 12);
	expect_open(f, 12);
	answer_open(f);
	expect_attached(f, second, 2, 13);
	fake_expect(f, "stream.seek");
	fake_check(fake_param(f, "rows") == 13 && fake_param(f, "epoch") == 5);
	reply_sought(f, 2, 5);
	expect_attached(f, first, 3, 14);
	fake_expect(f, "stream.seek");
	fake_reply_error(f, f->seq, "bad_request", "a row is not in the split", "");
	fake_expect(f, "file.close"); // a daemon that took it says that there is none
	fake_check(fake_param(f, "handle") == 14);
	fake_reply_error(f, f->seq, "not_found", "there is no handle 14", "");
	fake_expect(f, "stream.seek");
	uint64_t none;
	fake_check(!hs_r_get_uint(f->params, "rows", &none));
	reply_sought(f, 3, 6);
	expect_attached(f, second, 2, 15);
	expect_open(f, 15);
	answer_open(f);
	while (fake_read(f))
		continue;
}

static void a_stream_keeps_its_list_until_a_seek_that_brings_another_is_answered(void **state)
{
	(void)state;
	struct fake f = {.rings = false};
	fake_start(&f, opens_seeks_and_opens_again);
	hsfeed_client *client = fake_connect(&f, 10000);
	int64_t rows[3] = {7, 0, 7};
	struct hsfeed_stream_options o = options_of(NULL);
	o.rows = rows;
	hsfeed_stream *s[3];
	assert_int_equal(hsfeed_stream_open(client, &o, &s[0], NULL), 0);
	rows[0] = 99; // the stream's are a copy
	assert_int_equal(hsfeed_stream_reopen(client, s[0], &s[1], NULL), 0);
	struct hsfeed_seek_options seek = {.size = sizeof(seek), .epoch = 5, .rows = second, .nrows = 2};
	assert_int_equal(hsfeed_stream_seek(s[1], &seek, NULL, NULL), 0);
	seek.rows = first;
	seek.nrows = 3;
	assert_int_equal(hsfeed_stream_seek(s[1], &seek, NULL, NULL), HSFEED_EBADREQUEST);
	seek = (struct hsfeed_seek_options){.size = sizeof(seek), .epoch = 6};
	assert_int_equal(hsfeed_stream_seek(s[1], &seek, NULL, NULL), 0);
	assert_int_equal(hsfeed_stream_reopen(client, s[1], &s[2], NULL), 0);
	for (int i = 0; i < 3; i++)
		hsfeed_stream_close(s[i]);
	hsfeed_close(client);
	fake_stop(&f);
}

// ---- how it comes ----

static void takes_bytes(struct fake *f)
{
	fake_hello(f, false);
	expect_sent(f, first, 3, 21);
	expect_open(f, 21);
	answer_open(f);
	while (fake_read(f))
		continue;
}

static void where_descriptors_cannot_pass_a_list_comes_as_bytes(void **state)
{
	(void)state;
	struct fake f = {.rings = false};
	fake_start(&f, takes_bytes);
	hsfeed_client *client = fake_connect(&f, 10000);
	struct hsfeed_stream_options o = options_of(NULL);
	hsfeed_stream *s;
	assert_int_equal(hsfeed_stream_open(client, &o, &s, NULL), 0);
	hsfeed_stream_close(s);
	hsfeed_close(client);
	fake_stop(&f);
}

static void has_no_ring_to_give(struct fake *f)
{
	fake_hello(f, true);
	expect_attached(f, first, 3, 31);
	expect_open(f, 31);
	fake_reply_error(f, f->seq, "limit", "no more rings", "");
	fake_expect(f, "file.close");
	fake_reply_error(f, f->seq, "not_found", "there is no handle 31", "");
	expect_attached(f, first, 3, 32);
	expect_open(f, 32);
	answer_open(f);
	while (fake_read(f))
		continue;
}

static void where_there_is_no_ring_to_be_had_the_list_is_sent_again(void **state)
{
	(void)state;
	struct fake f = {.rings = true};
	fake_start(&f, has_no_ring_to_give);
	hsfeed_client *client = fake_connect(&f, 10000);
	struct hsfeed_stream_options o = options_of(NULL);
	hsfeed_stream *s;
	assert_int_equal(hsfeed_stream_open(client, &o, &s, NULL), 0);
	hsfeed_stream_close(s);
	hsfeed_close(client);
	fake_stop(&f);
}

// ---- what is refused ----

static void takes_an_empty_list(struct fake *f)
{
	fake_hello(f, true);
	expect_attached(f, first, 0, 41);
	expect_open(f, 41);
	answer_open(f);
	while (fake_read(f))
		fake_check(strcmp(f->method, "stream.close") == 0);
}

static void an_empty_list_is_one_and_a_missing_one_is_refused(void **state)
{
	(void)state;
	struct fake f = {.rings = false};
	struct hsfeed_error error;
	fake_start(&f, takes_an_empty_list);
	hsfeed_client *client = fake_connect(&f, 10000);
	struct hsfeed_stream_options o = options_of("inline");
	hsfeed_stream *s = NULL;
	o.rows = NULL;
	assert_int_equal(hsfeed_stream_open(client, &o, &s, &error), HSFEED_EBADARG);
	assert_string_equal(error.message, "a list of 3 rows, but no rows");
	o.rows = first;
	o.nrows = SIZE_MAX;
	assert_true(hsfeed_stream_open(client, &o, &s, &error) < 0);
	assert_null(s);
	o.nrows = 0;
	assert_int_equal(hsfeed_stream_open(client, &o, &s, NULL), 0);
	struct hsfeed_seek_options seek = {.size = sizeof(seek), .rows = first, .nrows = 3};
	assert_int_equal(hsfeed_stream_seek_ahead(s, &seek, &error), HSFEED_EBADARG);
	assert_string_equal(error.message, "a list of rows is given to hsfeed_stream_seek");
	seek.rows = NULL;
	assert_int_equal(hsfeed_stream_seek(s, &seek, NULL, &error), HSFEED_EBADARG);
	hsfeed_stream_close(s);
	hsfeed_close(client);
	fake_stop(&f);
}

static void takes_nothing(struct fake *f)
{
	fake_hello(f, true);
	while (fake_read(f))
		fake_check(false);
}

static void what_is_counted_and_not_there_is_refused_before_anything_is_sent(void **state)
{
	(void)state;
	struct fake f = {.rings = false};
	struct hsfeed_error error;
	hsfeed_stream *s = NULL;
	fake_start(&f, takes_nothing);
	hsfeed_client *client = fake_connect(&f, 10000);
	struct hsfeed_stream_options wrong = {.size = sizeof(wrong), .name = "x", .split = "all", .nmask_roles = 2};
	assert_int_equal(hsfeed_stream_open(client, &wrong, &s, &error), HSFEED_EBADARG);
	assert_string_equal(error.message, "mask_roles is NULL, but nmask_roles is 2");
	const struct hsfeed_plan plan = {.size = sizeof(plan), .nby = 3};
	wrong = (struct hsfeed_stream_options){.size = sizeof(wrong), .name = "x", .split = "all", .plan = &plan};
	assert_int_equal(hsfeed_stream_open(client, &wrong, &s, &error), HSFEED_EBADARG);
	assert_string_equal(error.message, "a plan's `by` is NULL, but nby is 3");
	assert_null(s);
	hsfeed_close(client);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_keeps_its_list_until_a_seek_that_brings_another_is_answered),
		cmocka_unit_test(where_descriptors_cannot_pass_a_list_comes_as_bytes),
		cmocka_unit_test(where_there_is_no_ring_to_be_had_the_list_is_sent_again),
		cmocka_unit_test(what_is_counted_and_not_there_is_refused_before_anything_is_sent),
		cmocka_unit_test(an_empty_list_is_one_and_a_missing_one_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
