// SPDX-License-Identifier: Apache-2.0
// hsfeed_stream_reopen: what it asks for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_stream.h"

static const char version[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static const char encoding[] = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

static const char logits[] = "0f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5a6978";

static void put_texts(struct hs_wbuf *w)
{
	const char *const texts[][2] = {{"name", "hate"},     {"version", version}, {"split", "train"},
					{"order", "shuffle"}, {"shard", "drop"},    {"padding", "longest"},
					{"dtype", "int32"},   {"transport", "ring"}};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		hs_w_cstr(w, texts[i][0]);
		hs_w_cstr(w, texts[i][1]);
	}
}

static void put_numbers(struct hs_wbuf *w)
{
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {{"stream", STREAM}, {"generation", 1},
		       {"owner", 1000},    {"fold", 2},
		       {"seed", 43},       {"epoch", 4},
		       {"at", 24},         {"rank", 1},
		       {"world", 2},       {"batch_size", 4},
		       {"slots", SLOTS},   {"rows", 100},
		       {"samples", 50},    {"slot_bytes", SLOT_BYTES}};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
}

static void put_plan(struct hs_wbuf *w)
{
	hs_w_map(w, 6);
	hs_w_cstr(w, "by");
	hs_w_array(w, 2);
	hs_w_cstr(w, "a");
	hs_w_cstr(w, "b");
	hs_w_cstr(w, "duplicates");
	hs_w_f64(w, 0.85);
	hs_w_cstr(w, "kind");
	hs_w_cstr(w, "plain");
	hs_w_cstr(w, "folds");
	hs_w_uint(w, 3);
	hs_w_cstr(w, "fold_seed");
	hs_w_uint(w, 0);
	hs_w_cstr(w, "shuffle");
	hs_w_bool(w, false);
}

// What is on, of masks and weights.
static void put_masks(struct hs_wbuf *w)
{
	hs_w_cstr(w, "mask_rows");
	hs_w_f64(w, 0.125);
	hs_w_cstr(w, "mask_seed");
	hs_w_uint(w, 0);
	hs_w_cstr(w, "mask_algorithm"); // is told, and never asked for
	hs_w_uint(w, 1);
	hs_w_cstr(w, "mask_roles");
	hs_w_array(w, 1);
	hs_w_cstr(w, "text");
	hs_w_cstr(w, "weight");
	hs_w_map(w, 2);
	hs_w_cstr(w, "threat");
	hs_w_f64(w, 5.5);
	hs_w_cstr(w, "insult");
	hs_w_f64(w, 2);
}

// One array that is 16 numbers to a row, and the type ids that were asked for.
static void answer_all(struct fake *f, struct fake_ring *r)
{
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 8 + 14 + 5 + 5);
	put_texts(&w);
	put_numbers(&w);
	put_masks(&w);
	hs_w_cstr(&w, "drop_last");
	hs_w_bool(&w, true);
	hs_w_cstr(&w, "plan");
	put_plan(&w);
	hs_w_cstr(&w, "attached");
	hs_w_map(&w, 1);
	hs_w_cstr(&w, "logits");
	hs_w_cstr(&w, logits);
	hs_w_cstr(&w, "encodings");
	hs_w_array(&w, 1);
	hs_w_map(&w, 3);
	hs_w_cstr(&w, "role");
	hs_w_cstr(&w, "text");
	hs_w_cstr(&w, "encoding");
	hs_w_cstr(&w, encoding);
	hs_w_cstr(&w, "max_length");
	hs_w_uint(&w, MAX_LENGTH);
	hs_w_cstr(&w, "arrays");
	hs_w_array(&w, 1);
	hs_w_map(&w, 6);
	hs_w_cstr(&w, "name");
	hs_w_cstr(&w, "token_type_ids");
	hs_w_cstr(&w, "dtype");
	hs_w_cstr(&w, "int64");
	hs_w_cstr(&w, "dims");
	hs_w_uint(&w, 2);
	hs_w_cstr(&w, "columns");
	hs_w_uint(&w, MAX_LENGTH);
	hs_w_cstr(&w, "role");
	hs_w_uint(&w, 0);
	hs_w_cstr(&w, "bytes");
	hs_w_uint(&w, 512);
	fake_end_on(f->fd, &w, (int[2]){r->memory, r->given}, 2);
}

static void expect_masks(struct hs_rbuf params)
{
	struct hs_rbuf r;
	struct hs_wire_value v;
	double real;
	fake_check(hs_r_get_f64(params, "mask_rows", &real) && real == 0.125);
	fake_check(hs_r_find(params, "mask_roles", &r) && hs_r_next(&r, &v) && v.as.count == 1);
	fake_check(hs_r_next(&r, &v) && v.as.str.len == 4 && memcmp(v.as.str.ptr, "text", 4) == 0);
	struct hs_rbuf weights;
	fake_check(hs_r_find(params, "weight", &weights));
	fake_check(hs_r_get_f64(weights, "threat", &real) && real == 5.5);
	fake_check(hs_r_get_f64(weights, "insult", &real) && real == 2);
}

static bool map_has(struct hs_rbuf map, uint32_t count, const char *key, const char *value)
{
	struct hs_rbuf r = map;
	struct hs_wire_value v;
	const char *text;
	size_t len;
	return hs_r_next(&r, &v) && v.type == HS_WIRE_MAP && v.as.count == count &&
	       hs_r_get_str(map, key, &text, &len) && len == strlen(value) && memcmp(text, value, len) == 0;
}

static void expect_plan(struct hs_rbuf params)
{
	struct hs_rbuf plan;
	uint64_t folds, seed;
	bool shuffle;
	double similarity;
	struct hs_rbuf by;
	struct hs_wire_value v;
	fake_check(hs_r_find(params, "plan", &plan) && map_has(plan, 6, "kind", "plain"));
	fake_check(hs_r_get_f64(plan, "duplicates", &similarity) && similarity == 0.85);
	fake_check(hs_r_find(plan, "by", &by) && hs_r_next(&by, &v) && v.type == HS_WIRE_ARRAY && v.as.count == 2);
	fake_check(hs_r_next(&by, &v) && v.as.str.len == 1 && *v.as.str.ptr == 'a');
	fake_check(hs_r_next(&by, &v) && v.as.str.len == 1 && *v.as.str.ptr == 'b');
	fake_check(hs_r_get_uint(plan, "folds", &folds) && folds == 3);
	fake_check(hs_r_get_uint(plan, "fold_seed", &seed) && seed == 0);
	fake_check(hs_r_get_bool(plan, "shuffle", &shuffle) && !shuffle);
}

// The request must be this map and nothing else; at: where it goes on.
static void expect_again(struct fake *f, uint64_t epoch, uint64_t at)
{
	char name[80];
	snprintf(name, sizeof(name), "hate@%s", version);
	const char *const texts[][2] = {{"name", name},       {"split", "train"},     {"order", "shuffle"},
					{"shard", "drop"},    {"padding", "longest"}, {"dtype", "int32"},
					{"transport", "ring"}};
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {{"owner", 1000}, {"rank", 1},      {"world", 2}, {"batch_size", 4}, {"slots", SLOTS},
		       {"fold", 2},     {"epoch", epoch}, {"seed", 43}, {"at", at},        {"mask_seed", 0}};
	struct hs_rbuf r = f->params;
	struct hs_wire_value v;
	uint64_t length;
	bool flag = false;
	fake_check(hs_r_next(&r, &v) && v.type == HS_WIRE_MAP && v.as.count == 7 + 10 + 3 + 7);
	for (size_t i = 0; i < 7; i++) {
		const char *text;
		size_t len;
		fake_check(hs_r_get_str(f->params, texts[i][0], &text, &len));
		fake_check(len == strlen(texts[i][1]) && memcmp(text, texts[i][1], len) == 0);
	}
	for (size_t i = 0; i < 10; i++)
		fake_check(fake_param(f, numbers[i].key) == numbers[i].value);
	fake_check(hs_r_get_bool(f->params, "drop_last", &flag) && flag);
	fake_check(hs_r_get_bool(f->params, "token_type_ids", &flag) && flag);
	expect_plan(f->params);
	expect_masks(f->params);
	fake_check(hs_r_find(f->params, "roles", &r) && hs_r_next(&r, &v) && v.as.count == 1);
	fake_check(hs_r_next(&r, &v) && v.as.str.len == 4 && memcmp(v.as.str.ptr, "text", 4) == 0);
	fake_check(hs_r_find(f->params, "encodings", &r) && map_has(r, 1, "text", encoding));
	fake_check(hs_r_find(f->params, "attached", &r) && map_has(r, 1, "logits", logits));
	fake_check(hs_r_find(f->params, "max_length", &r) && hs_r_get_uint(r, "text", &length) && length == MAX_LENGTH);
}

static void opens_three_times(struct fake *f)
{
	struct fake_ring r[3];
	for (int i = 0; i < 3; i++)
		fake_ring_make(&r[i], SLOTS * SLOT_BYTES, SEALS);
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	answer_all(f, &r[0]);
	fake_expect(f, "stream.open");
	expect_again(f, 4, 24); // nothing was taken: where the first one began
	answer_all(f, &r[1]);
	ring_ready(&r[1], 1, &(struct ready){.first = 9, .n = 2});
	fake_expect(f, "stream.open");
	expect_again(f, 4, 30); // after the batch that was taken, not after the one that waits
	answer_all(f, &r[2]);
	fake_expect(f, "stream.seek");
	reply_sought(f, 2, 7);
	fake_expect(f, "stream.open");
	expect_again(f, 7, 0);
	fake_reply_error(f, f->seq, "not_found", "the version was removed", "");
	fake_expect(f, "stream.seek"); // not answered
	fake_expect(f, "stream.open");
	expect_again(f, 8, 16);
	fake_reply_error(f, f->seq, "not_found", "the version was removed", "");
	while (fake_read(f))
		continue;
	for (int i = 0; i < 3; i++)
		fake_ring_free(&r[i]);
}

static void a_stream_opened_again_has_exactly_the_options_of_the_first_and_goes_on_behind_its_last_batch(void **state)
{
	(void)state;
	struct fake f = {.rings = true};
	hsfeed_client *client;
	const struct hsfeed_batch *batch;
	hsfeed_stream *s[3], *none = NULL;
	struct hsfeed_seek_options seek = {.size = sizeof(seek), .epoch = 7};
	s[0] = ring_stream(&f, opens_three_times, &client);
	assert_int_equal(hsfeed_stream_reopen(client, s[0], &s[1], NULL), 0);
	assert_int_equal(hsfeed_stream_next(s[1], 10000, &batch, NULL), 1);
	assert_int_equal(batch->at, 30);
	assert_int_equal(hsfeed_stream_reopen(client, s[1], &s[2], NULL), 0);
	hsfeed_batch_release(batch);
	assert_int_equal(hsfeed_stream_seek(s[2], &seek, NULL, NULL), 0);
	assert_int_equal(hsfeed_stream_reopen(client, s[2], &none, NULL), HSFEED_ENOTFOUND);
	seek = (struct hsfeed_seek_options){.size = sizeof(seek), .epoch = 8, .at = 16};
	assert_int_equal(hsfeed_stream_seek_ahead(s[2], &seek, NULL), 0);
	assert_int_equal(hsfeed_stream_reopen(client, s[2], &none, NULL), HSFEED_ENOTFOUND);
	assert_int_equal(hsfeed_stream_reopen(client, NULL, &none, NULL), HSFEED_EBADARG);
	assert_null(none);
	for (int i = 0; i < 3; i++)
		hsfeed_stream_close(s[i]);
	hsfeed_close(client);
	fake_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_stream_opened_again_has_exactly_the_options_of_the_first_and_goes_on_behind_its_last_batch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
