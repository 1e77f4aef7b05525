// SPDX-License-Identifier: Apache-2.0
// The n-th allocation fails, for n = 1, 2, ...: every call of the client library reports it, frees what it had, and
// leaves results untouched. Only this thread's allocations count; the fake daemon's never fail.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_packed.h"

static _Thread_local long countdown = -1; // < 0: none fails
static _Thread_local int failed;

static int fails(void)
{
	if (countdown < 0 || countdown-- > 0)
		return 0;
	failed++;
	return 1;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__real_aligned_alloc(size_t align, size_t bytes);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t bytes)
{
	return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
	return fails() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_realloc(void *p, size_t bytes)
{
	return fails() ? NULL : __real_realloc(p, bytes);
}

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
	return fails() ? NULL : __real_aligned_alloc(align, bytes);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

static void put_pair(struct hs_wbuf *w, const char *key, uint64_t value)
{
	hs_w_cstr(w, key);
	hs_w_uint(w, value);
}

static void answer_open(struct fake *f)
{
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 6);
	put_pair(&w, "stream", 1);
	put_pair(&w, "generation", 1);
	put_pair(&w, "slots", 2);
	put_pair(&w, "batch_size", 2);
	hs_w_cstr(&w, "encodings");
	hs_w_array(&w, 0);
	hs_w_cstr(&w, "arrays");
	hs_w_array(&w, 1);
	hs_w_map(&w, 3);
	hs_w_cstr(&w, "name");
	hs_w_cstr(&w, "index");
	hs_w_cstr(&w, "dtype");
	hs_w_cstr(&w, "int64");
	put_pair(&w, "dims", 1);
	fake_end(f, &w);
	w = fake_begin_notice("stream.batch");
	hs_w_map(&w, 9);
	put_pair(&w, "stream", 1);
	put_pair(&w, "generation", 1);
	put_pair(&w, "slot", 0);
	put_pair(&w, "fill", 1);
	put_pair(&w, "batch", 0);
	put_pair(&w, "at", 2);
	put_pair(&w, "rows", 2);
	hs_w_cstr(&w, "lengths");
	hs_w_array(&w, 0);
	hs_w_cstr(&w, "data");
	hs_w_bin(&w, "0123456789abcdef", 16);
	fake_end(f, &w);
}

static void answer_rows(struct fake *f)
{
	struct hs_wbuf w = fake_begin_reply(f->seq);
	const uint32_t line = 2, offsets[2] = {0, 3}, ids[3] = {7, 8, 9};
	const float label = 1;
	hs_w_map(&w, 8);
	put_pair(&w, "count", 1);
	put_pair(&w, "rows", 1);
	put_pair(&w, "label_columns", 1);
	hs_w_cstr(&w, "lines");
	hs_w_bin(&w, &line, 4);
	hs_w_cstr(&w, "labels");
	hs_w_bin(&w, &label, 4);
	hs_w_cstr(&w, "offsets");
	hs_w_bin(&w, offsets, 8);
	hs_w_cstr(&w, "ids");
	hs_w_bin(&w, ids, 12);
	hs_w_cstr(&w, "texts");
	hs_w_array(&w, 1);
	hs_w_cstr(&w, "text");
	fake_end(f, &w);
}

static void answer_fold_rows(struct fake *f)
{
	struct hs_wbuf w = fake_begin_reply(f->seq);
	const int64_t rows[2] = {4, 5};
	hs_w_map(&w, 3);
	put_pair(&w, "count", 2);
	put_pair(&w, "total", 2);
	hs_w_cstr(&w, "rows");
	hs_w_bin(&w, rows, 16);
	fake_end(f, &w);
}

static void answer_handle(struct fake *f)
{
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 1);
	put_pair(&w, "handle", 3);
	fake_end(f, &w);
}

static bool asks_for_ring(struct fake *f)
{
	const char *transport;
	size_t len;
	return hs_r_get_str(f->params, "transport", &transport, &len) && len == 4 && memcmp(transport, "ring", 4) == 0;
}

// Each ring has a batch of its own, so that another one's memory would show.
static void answer_ring(struct fake *f)
{
	struct fake_ring r;
	uint64_t *nrings = f->arg;
	if (f->packs) {
		packed_answer(f, &r, PACKED_RING_BYTES);
		packed_ready(&r, 1, (*nrings)++, 2, 0);
	} else {
		fake_ring_make(&r, SLOTS * SLOT_BYTES, SEALS);
		ring_ready(&r, 1, &(struct ready){.first = (*nrings)++, .n = 2});
		ring_answer(f, &r, &(struct opening){0});
	}
	fake_read_on(f, r.channel); // a release, or the end
	fake_ring_free(&r);
}

// Answers whatever comes, until the client has left.
static void serve(struct fake *f)
{
	if (!fake_read(f))
		return;
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 2);
	put_pair(&w, "protocol", 1);
	hs_w_cstr(&w, "features");
	hs_w_array(&w, f->packs ? 3 : 2);
	hs_w_cstr(&w, "fdpass");
	hs_w_cstr(&w, "ring");
	if (f->packs)
		hs_w_cstr(&w, "packed");
	fake_end(f, &w);
	while (fake_read(f)) {
		if (f->kind != HS_WIRE_REQUEST)
			continue;
		if (strcmp(f->method, "stream.open") == 0 && asks_for_ring(f))
			answer_ring(f);
		else if (strcmp(f->method, "stream.open") == 0)
			answer_open(f);
		else if (strcmp(f->method, "rows") == 0)
			answer_rows(f);
		else if (strcmp(f->method, "folds.rows") == 0)
			answer_fold_rows(f);
		else if (strcmp(f->method, "file.begin") == 0 || strcmp(f->method, "file.attach") == 0)
			answer_handle(f);
		else
			fake_reply_empty(f, f->seq);
	}
}

static int stream_one(hsfeed_client *client)
{
	const int64_t rows[3] = {5, 6, 7};
	struct hsfeed_stream_options o = {.size = sizeof(o),
					  .name = "x",
					  .split = "all",
					  .transport = "inline",
					  .order = "explicit",
					  .rows = rows,
					  .nrows = 3};
	const struct hsfeed_seek_options seek = {.size = sizeof(seek), .rows = rows, .nrows = 2};
	hsfeed_stream *stream = NULL;
	const struct hsfeed_batch *batch = NULL;
	int rc = hsfeed_stream_open(client, &o, &stream, NULL);
	assert_true(rc < 0 ? stream == NULL : stream != NULL);
	if (rc == 0)
		rc = hsfeed_stream_next(stream, 10000, &batch, NULL);
	assert_true(rc == 1 ? batch != NULL : batch == NULL);
	hsfeed_batch_release(batch);
	if (rc == 1)
		rc = hsfeed_stream_seek(stream, &seek, NULL, NULL);
	hsfeed_stream_close(stream);
	return rc < 0 ? rc : 0;
}

static int stream_ring(hsfeed_client *client, bool packed, uint64_t first)
{
	struct hsfeed_stream_options o = {.size = sizeof(o), .name = "x", .split = "all"};
	hsfeed_stream *stream = NULL;
	const struct hsfeed_batch *batch = NULL;
	int rc = hsfeed_stream_open(client, &o, &stream, NULL);
	assert_true(rc < 0 ? stream == NULL : stream != NULL);
	if (rc == 0)
		rc = hsfeed_stream_next(stream, 10000, &batch, NULL);
	assert_true(rc == 1 ? batch != NULL : batch == NULL);
	if (batch)
		(packed ? packed_assert_batch : ring_assert_batch)(batch, first);
	hsfeed_batch_release(batch);
	hsfeed_stream_close(stream);
	return rc < 0 ? rc : 0;
}

static int read_rows(hsfeed_client *client)
{
	struct hsfeed_rows_options o = {.size = sizeof(o), .text = 1};
	struct hsfeed_rows *rows = NULL;
	int64_t *numbers = NULL;
	size_t n = 0;
	int rc = hsfeed_rows_get(client, "x", &o, &rows, NULL);
	assert_true(rc < 0 ? rows == NULL : rows->ids[2] == 9 && strcmp(rows->texts[0], "text") == 0);
	hsfeed_rows_free(rows);
	if (rc == 0)
		rc = hsfeed_fold_rows(client, "x", NULL, &numbers, &n, NULL);
	assert_true(rc < 0 ? numbers == NULL : numbers[1] == 5);
	hsfeed_free(numbers);
	return rc;
}

static int ingest(hsfeed_client *client)
{
	struct hsfeed_ingest_options o = {.size = sizeof(o), .name = "x", .data = "a,b\n1,2\n", .data_bytes = 8};
	hsfeed_value *answer = NULL;
	int rc = hsfeed_ingest(client, &o, &answer, NULL);
	assert_true(rc < 0 ? answer == NULL : answer != NULL);
	hsfeed_value_free(answer);
	return rc;
}

static int everything(const char *path)
{
	struct hsfeed_connect_options o = {.size = sizeof(o), .socket = path, .timeout_ms = 10000};
	hsfeed_client *client = NULL;
	int rc = hsfeed_connect(&o, &client, NULL);
	assert_true(rc < 0 ? client == NULL : client != NULL);
	if (rc == 0)
		rc = ingest(client);
	if (rc == 0)
		rc = read_rows(client);
	if (rc == 0)
		rc = stream_one(client);
	hsfeed_close(client);
	return rc;
}

static void whichever_allocation_fails_the_call_says_so_and_nothing_leaks(void **state)
{
	(void)state;
	long n = 0;
	for (int more = 1; more; n++) {
		struct fake f = {0};
		fake_start(&f, serve);
		failed = 0;
		countdown = n;
		int rc = everything(f.path);
		countdown = -1;
		more = failed;
		assert_true(rc == 0 || rc == -ENOMEM);
		assert_true(rc == 0 || failed);
		fake_stop(&f);
	}
	assert_true(n > 40); // it allocates that often at least, or nothing was failed
}

// After a failure the same connection opens another ring, if it lives: that one must be right.
static void whichever_allocation_of_a_ring_fails(bool packed)
{
	long n = 0;
	unsigned survived = 0;
	for (int more = 1; more; n++) {
		uint64_t nrings = 0;
		struct fake f = {.arg = &nrings, .packs = packed};
		fake_start(&f, serve);
		hsfeed_client *client = fake_connect(&f, 10000);
		failed = 0;
		countdown = n;
		int rc = stream_ring(client, packed, 0);
		countdown = -1;
		more = failed;
		assert_true(rc == 0 || (rc == -ENOMEM && failed));
		if (rc < 0 && hsfeed_fd(client) >= 0) {
			survived++;
			int again = hsfeed_call(client, "echo", NULL, 0, NULL, NULL); // nrings is told by now
			assert_int_equal(again == 0 ? stream_ring(client, packed, nrings) : again, 0);
		}
		hsfeed_close(client);
		fake_stop(&f);
	}
	assert_true(n > 12 && survived > 4);
}

static void whichever_allocation_of_a_ring_fails_the_next_ring_is_its_own(void **state)
{
	(void)state;
	whichever_allocation_of_a_ring_fails(false);
}

static void so_it_is_with_packed_slots(void **state)
{
	(void)state;
	whichever_allocation_of_a_ring_fails(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whichever_allocation_fails_the_call_says_so_and_nothing_leaks),
		cmocka_unit_test(whichever_allocation_of_a_ring_fails_the_next_ring_is_its_own),
		cmocka_unit_test(so_it_is_with_packed_slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
