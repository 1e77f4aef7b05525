// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <msgpack.h>

#include "wire/wire.h"

static const struct hs_wire_limits request_limits = {HS_WIRE_MAX_DEPTH, HS_WIRE_MAX_ITEMS};

// The bytes are copied to the end of their own block, so that a sanitizer sees a read past them.
static const char *check(const void *bytes, size_t len, const struct hs_wire_limits *limits, size_t *ret_offset)
{
	uint8_t *copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy + 1, bytes, len);
	*ret_offset = SIZE_MAX;
	const char *wrong = hs_wire_check(copy + 1, len, limits, ret_offset);
	assert_true(wrong == NULL ? *ret_offset == SIZE_MAX : *ret_offset <= len);
	free(copy);
	return wrong;
}

static void each_fault_is_named_with_its_byte(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		const char *wrong; // NULL: well-formed
		size_t offset;
	} cases[] = {
		{"\x93\x00\x01\xa2hi", 6, NULL, 0},
		{"\xc0", 1, NULL, 0},
		{"", 0, "cut off in the middle of a value", 0},
		{"\x92\x01", 2, "a count beyond the bytes that are there", 0},
		{"\x92\xcc\x01", 3, "cut off before its last value", 1},
		{"\x92\x01\xcd\x01", 4, "cut off in the middle of a value", 2},
		{"\x91\xa3hi", 4, "cut off in the middle of a value", 1},
		{"\xdd\xff\xff\xff\xff\x01", 6, "a count beyond the bytes that are there", 0},
		{"\xdf\xff\xff\xff\xff\xa0", 6, "a count beyond the bytes that are there", 0},
		{"\xdb\xff\xff\xff\xff\x01", 6, "cut off in the middle of a value", 0},
		{"\x91\xd4\x01\x02", 4, "an ext type", 1},
		{"\xc7\x01\x02\x03", 4, "an ext type", 0},
		{"\x91\xc1", 2, "the unused byte 0xc1", 1},
		{"\x01\x02", 2, "more bytes after the value", 1},
		{"\x82\xa1\x61\x01\x01\x02", 6, "a map key that is not a str", 4},
		{"\x82\xa1\x61\x01\xc4\x00\x02", 7, "a map key that is not a str", 4},
		{"\x82\xa1\x61\x01\xa1\x61\x02", 7, "a map key that occurs twice", 4},
		{"\x82\xa1\x61\x01\xd9\x01\x61\x02", 8, "a map key that occurs twice", 4}, // other form, same key
		{"\x81\xa1\x61\x81\xa1\x61\x81\xa1\x61\x02", 10, NULL, 0},                 // the same key, other maps
		{"\x82\xa1\x61\x81\xa1\x62\x01\xa1\x62\x02", 10, NULL, 0}, // a closed map's keys are forgotten
		{"\x82\xa1\x61\x81\xa1\x62\x01\xa1\x61\x02", 10, "a map key that occurs twice", 7},
		{"\x91\xa2\xc3\x28", 4, "a str that is not valid UTF-8", 2},
		{"\x81\xa1\xff\x01", 4, "a str that is not valid UTF-8", 2},
		{"\x91\xc4\x01\xff", 4, NULL, 0}, // bin holds any bytes
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t offset;
		const char *wrong = check(cases[i].bytes, cases[i].len, &request_limits, &offset);
		if (cases[i].wrong == NULL) {
			assert_null(wrong);
			continue;
		}
		assert_non_null(wrong);
		assert_string_equal(wrong, cases[i].wrong);
		assert_int_equal(offset, cases[i].offset);
	}
}

static void only_strict_utf8_passes(void **state)
{
	(void)state;
	static const char *const good[] = {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
					   "\xee\x80\x80",
					   "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "12345678\xe0\xa6\x85"};
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80",
					  "\xef\xbf",
					  "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x90\x80",
					  "\xe0\xa0\x28", "\xf0\x90\x28\x80", "12345678\xff"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]) + sizeof(bad) / sizeof(bad[0]); i++) {
		size_t ngood = sizeof(good) / sizeof(good[0]), offset;
		const char *text = i < ngood ? good[i] : bad[i - ngood];
		uint8_t bytes[32] = {(uint8_t)(0xa0 | strlen(text))};
		memcpy(bytes + 1, text, strlen(text));
		assert_int_equal(check(bytes, 1 + strlen(text), &request_limits, &offset) == NULL, i < ngood);
	}
}

static void depth_counts_containers_and_the_limit_itself_is_allowed(void **state)
{
	(void)state;
	uint8_t bytes[64];
	size_t offset;
	memset(bytes, 0x91, sizeof(bytes));
	for (uint32_t max = 0; max <= 40; max++) {
		struct hs_wire_limits limits = {max, 1000};
		uint32_t allowed = max < 32 ? max : 32;
		for (uint32_t depth = 0; depth <= 40; depth++) {
			bytes[depth] = 0xc0;
			const char *wrong = check(bytes, depth + 1, &limits, &offset);
			bytes[depth] = 0x91;
			assert_int_equal(wrong == NULL, depth <= allowed);
			if (wrong != NULL)
				assert_int_equal(offset, allowed);
		}
	}
}

static void items_are_counted_when_they_are_declared(void **state)
{
	(void)state;
	uint8_t bytes[200] = {0xdc, 0, 100}; // with its 100 values: 101
	size_t offset;
	struct hs_wire_limits limits = {8, 101};
	assert_null(check(bytes, 103, &limits, &offset));
	limits.max_items = 100;
	assert_string_equal(check(bytes, 103, &limits, &offset), "too many values");
	assert_int_equal(offset, 0);
}

// A map of n keys k0, k1, ...; when repeat, the last equals the first.
static void write_keys(struct hs_wbuf *w, unsigned n, bool repeat)
{
	hs_w_map(w, n);
	for (unsigned i = 0; i < n; i++) {
		char key[16];
		snprintf(key, sizeof(key), "k%u", repeat && i == n - 1 ? 0 : i);
		hs_w_cstr(w, key);
		hs_w_nil(w);
	}
}

static void keys_are_compared_up_to_their_limit_and_refused_beyond(void **state)
{
	(void)state;
	struct hs_wbuf w = {0};
	size_t offset;
	write_keys(&w, HS_WIRE_MAX_KEYS, false);
	assert_null(check(w.data, w.len, &request_limits, &offset));
	hs_w_reset(&w);
	write_keys(&w, HS_WIRE_MAX_KEYS, true);
	assert_string_equal(check(w.data, w.len, &request_limits, &offset), "a map key that occurs twice");
	hs_w_reset(&w);
	write_keys(&w, HS_WIRE_MAX_KEYS + 1, false);
	assert_string_equal(check(w.data, w.len, &request_limits, &offset), "too many map keys");
	hs_w_reset(&w);
	hs_w_array(&w, 3); // maps side by side share the room one after the other
	for (int i = 0; i < 3; i++)
		write_keys(&w, HS_WIRE_MAX_KEYS, false);
	assert_null(check(w.data, w.len, &request_limits, &offset));
	hs_w_fini(&w);
}

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % below);
}

static void write_random_str(struct hs_wbuf *w)
{
	static const char text[] = "abc \xe0\xa6\x85\xc3\xa9\xf0\x9f\x98\x80 and more text, so that str8 occurs too";
	hs_w_str(w, text, draw(4) == 0 ? sizeof(text) - 1 : draw(4)); // 0 to 3 letters, or all of it
}

static void write_random(struct hs_wbuf *w, unsigned depth)
{
	uint32_t kind = draw(depth == 0 ? 7 : 9), n = draw(5);
	switch (kind) {
	case 0: hs_w_nil(w); break;
	case 1: hs_w_bool(w, draw(2)); break;
	case 2: hs_w_int(w, -(int64_t)(random_state >> draw(64) >> 1)); break;
	case 3: hs_w_uint(w, random_state >> draw(64)); break;
	case 4: hs_w_f64(w, draw(1000) / 8.0); break;
	case 5: write_random_str(w); break;
	case 6: hs_w_bin(w, "\xff\xfe\xfd\xfc\xc1", n); break;
	case 7:
		hs_w_array(w, n);
		for (uint32_t i = 0; i < n; i++)
			write_random(w, depth - 1);
		break;
	default:
		hs_w_map(w, n);
		for (uint32_t i = 0; i < n; i++) {
			hs_w_str(w, &"abcde"[i], 1);
			write_random(w, depth - 1);
		}
	}
}

// What the checker accepts, msgpack-c takes whole and the reader walks whole.
static void assert_taken_whole(const struct hs_wbuf *w)
{
	size_t off = 0;
	msgpack_unpacked whole;
	msgpack_unpacked_init(&whole);
	assert_int_equal(msgpack_unpack_next(&whole, (const char *)w->data, w->len, &off), MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(off, w->len);
	msgpack_unpacked_destroy(&whole);
	struct hs_rbuf r = {w->data, w->data + w->len};
	assert_true(hs_r_skip(&r));
	assert_ptr_equal(r.p, r.end);
}

static void whatever_is_written_is_accepted_and_msgpack_c_takes_it(void **state)
{
	(void)state;
	struct hs_wbuf w = {0};
	size_t offset;
	for (random_state = 1; random_state < 20000;) {
		uint64_t seed = random_state;
		hs_w_reset(&w);
		write_random(&w, 7);
		assert_false(w.failed);
		assert_null(check(w.data, w.len, &request_limits, &offset));
		assert_taken_whole(&w);
		random_state = seed + 1;
	}
	hs_w_fini(&w);
}

// Reserved bytes, heads and counts make likelier mutations than uniform bytes do.
static void mutate(struct hs_wbuf *w)
{
	static const uint8_t liked[] = {0xc1, 0xc7, 0xd4, 0xdb, 0xdd, 0xdf, 0x81,
					0x91, 0xa1, 0xff, 0x00, 0xc4, 0x80, 0x90};
	for (uint32_t n = 1 + draw(3); n > 0; n--) {
		uint32_t at = draw((uint32_t)w->len);
		uint32_t how = draw(4);
		if (how == 0)
			w->data[at] = liked[draw(sizeof(liked))];
		else if (how == 1)
			w->data[at] ^= (uint8_t)(1u << draw(8));
		else if (how == 2)
			w->data[at] = (uint8_t)draw(256);
		else if (at > 0)
			w->len = at;
	}
}

static void whatever_mutation_the_checker_accepts_msgpack_c_accepts(void **state)
{
	(void)state;
	static const struct hs_wire_limits deep = {32, 4096};
	struct hs_wbuf w = {0};
	unsigned accepted = 0, refused = 0;
	for (uint64_t seed = 1; seed <= 60000; seed++) {
		size_t offset;
		random_state = seed * 0x9E3779B97F4A7C15u;
		hs_w_reset(&w);
		write_random(&w, 1 + seed % 12);
		mutate(&w);
		if (check(w.data, w.len, &deep, &offset) == NULL) {
			assert_taken_whole(&w);
			accepted++;
		} else {
			refused++;
		}
	}
	hs_w_fini(&w);
	assert_true(accepted > 5000 && refused > 5000); // both happen often, or the test shows nothing
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_is_named_with_its_byte),
		cmocka_unit_test(only_strict_utf8_passes),
		cmocka_unit_test(depth_counts_containers_and_the_limit_itself_is_allowed),
		cmocka_unit_test(items_are_counted_when_they_are_declared),
		cmocka_unit_test(keys_are_compared_up_to_their_limit_and_refused_beyond),
		cmocka_unit_test(whatever_is_written_is_accepted_and_msgpack_c_takes_it),
		cmocka_unit_test(whatever_mutation_the_checker_accepts_msgpack_c_accepts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
