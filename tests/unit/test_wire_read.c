// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/wire.h"


static struct hs_wire_value one(const char *bytes, size_t len)
{
	struct hs_rbuf r = {(const uint8_t *)bytes, (const uint8_t *)bytes + len};
	struct hs_wire_value v;
	assert_true(hs_r_next(&r, &v));
	assert_ptr_equal(r.p, r.end);
	return v;
}

static void every_integer_form_reads_as_its_value(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		int64_t value;
	} cases[] = {
		{"\x00", 1, 0}, {"\x7f", 1, 127}, {"\xff", 1, -1}, {"\xe0", 1, -32},
		{"\xcc\x05", 2, 5}, {"\xcd\x01\x02", 3, 258}, {"\xce\xff\xff\xff\xff", 5, 4294967295},
		{"\xcf\x00\x00\x00\x01\x00\x00\x00\x00", 9, 4294967296},
		{"\xd0\x80", 2, -128}, {"\xd0\x05", 2, 5}, {"\xd1\x80\x00", 3, -32768}, {"\xd1\x00\x05", 3, 5},
		{"\xd2\x80\x00\x00\x00", 5, INT32_MIN}, {"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, INT64_MIN},
		{"\xd3\x00\x00\x00\x00\x00\x00\x00\x07", 9, 7},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hs_wire_value v = one(cases[i].bytes, cases[i].len);
		assert_int_equal(v.type, cases[i].value < 0 ? HS_WIRE_INT : HS_WIRE_UINT);
		assert_true(cases[i].value < 0 ? v.as.i == cases[i].value : v.as.u == (uint64_t)cases[i].value);
	}
	assert_true(one("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9).as.u == UINT64_MAX);
}

static void the_other_forms_read_as_their_values(void **state)
{
	(void)state;
	assert_int_equal(one("\xc0", 1).type, HS_WIRE_NIL);
	assert_true(one("\xc3", 1).as.b);
	assert_false(one("\xc2", 1).as.b);
	assert_true(one("\xca\x3f\x80\x00\x00", 5).as.f == 1.0);
	assert_true(one("\xcb\xbf\xf8\x00\x00\x00\x00\x00\x00", 9).as.f == -1.5);
	struct hs_wire_value v = one("\xd9\x02hi", 4);
	assert_true(v.type == HS_WIRE_STR && v.as.str.len == 2 && memcmp(v.as.str.ptr, "hi", 2) == 0);
	v = one("\xc5\x00\x01\xff", 4);
	assert_true(v.type == HS_WIRE_BIN && v.as.str.len == 1 && (uint8_t)v.as.str.ptr[0] == 0xff);
	v = one("\xdf\x00\x01\x00\x00", 5);
	assert_true(v.type == HS_WIRE_MAP && v.as.count == 65536);
	v = one("\xdc\x00\x03", 3);
	assert_true(v.type == HS_WIRE_ARRAY && v.as.count == 3);
}

static void every_cut_of_every_head_is_refused_and_moves_nothing(void **state)
{
	(void)state;
	for (unsigned head = 0; head < 256; head++) {
		uint8_t *bytes = malloc(9); // exactly as long as needed, so that a sanitizer sees one byte too many
		assert_non_null(bytes);
		memset(bytes, 0xff, 9);
		bytes[0] = (uint8_t)head;
		for (size_t len = 0; len < 9; len++) {
			uint8_t *cut = malloc(len + 1);
			assert_non_null(cut);
			memcpy(cut + 1, bytes, len);
			struct hs_rbuf r = {cut + 1, cut + 1 + len};
			struct hs_wire_value v = {.type = HS_WIRE_NIL};
			if (!hs_r_next(&r, &v)) {
				assert_int_equal(v.type, HS_WIRE_BAD);
				assert_ptr_equal(r.p, cut + 1);
			} else {
				assert_true(r.p > cut + 1 && r.p <= r.end);
			}
			free(cut);
		}
		free(bytes);
	}
}

static void skip_passes_whole_values_of_any_depth(void **state)
{
	(void)state;
	size_t depth = 1000000;
	uint8_t *bytes = malloc(depth + 2);
	assert_non_null(bytes);
	memset(bytes, 0x91, depth);
	bytes[depth] = 0x05;
	bytes[depth + 1] = 0x06;
	struct hs_rbuf r = {bytes, bytes + depth + 2};
	assert_true(hs_r_skip(&r));
	assert_ptr_equal(r.p, bytes + depth + 1);
	r = (struct hs_rbuf){bytes, bytes + depth}; // the innermost value is missing
	assert_false(hs_r_skip(&r));
	assert_ptr_equal(r.p, bytes);
	free(bytes);
	static const uint8_t lie[] = {0xdf, 0xff, 0xff, 0xff, 0xff, 0xa0}; // four billion pairs in no bytes
	r = (struct hs_rbuf){lie, lie + sizeof(lie)};
	assert_false(hs_r_skip(&r));
}

// {"a": {"n": 1}, "n": -5, "u": 2^64-1, "f": 0.5, "b": true, "s": "text", "d": <bin>, "z": nil}
static void write_sample(struct hs_wbuf *w)
{
	hs_w_map(w, 8);
	hs_w_cstr(w, "a");
	hs_w_map(w, 1);
	hs_w_cstr(w, "n");
	hs_w_int(w, 1);
	hs_w_cstr(w, "n");
	hs_w_int(w, -5);
	hs_w_cstr(w, "u");
	hs_w_uint(w, UINT64_MAX);
	hs_w_cstr(w, "f");
	hs_w_f64(w, 0.5);
	hs_w_cstr(w, "b");
	hs_w_bool(w, true);
	hs_w_cstr(w, "s");
	hs_w_cstr(w, "text");
	hs_w_cstr(w, "d");
	hs_w_bin(w, "\0\1", 2);
	hs_w_cstr(w, "z");
	hs_w_nil(w);
	assert_false(w->failed);
}

static void get_finds_keys_of_its_own_map_by_type(void **state)
{
	(void)state;
	struct hs_wbuf w = {0};
	write_sample(&w);
	struct hs_rbuf r = {w.data, w.data + w.len}, inner;
	uint64_t u = 0;
	int64_t i = 0;
	double f = 0;
	bool b = false;
	const char *s = NULL;
	const void *d = NULL;
	size_t len = 0;
	assert_true(hs_r_get_int(r, "n", &i) && i == -5); // not the n inside a
	assert_true(hs_r_find(r, "a", &inner) && hs_r_get_uint(inner, "n", &u) && u == 1);
	assert_true(hs_r_get_uint(r, "u", &u) && u == UINT64_MAX);
	assert_true(hs_r_get_f64(r, "f", &f) && f == 0.5);
	assert_true(hs_r_get_f64(r, "n", &f) && f == -5.0);
	assert_true(hs_r_get_bool(r, "b", &b) && b);
	assert_true(hs_r_get_str(r, "s", &s, &len) && len == 4 && memcmp(s, "text", 4) == 0);
	assert_true(hs_r_get_bin(r, "d", &d, &len) && len == 2 && memcmp(d, "\0\1", 2) == 0);
	assert_true(hs_r_find(r, "z", &inner));
	hs_w_fini(&w);
}

static void get_refuses_other_types_and_missing_keys_and_touches_nothing(void **state)
{
	(void)state;
	struct hs_wbuf w = {0};
	write_sample(&w);
	struct hs_rbuf r = {w.data, w.data + w.len}, inner = {NULL, NULL};
	uint64_t u = 77;
	int64_t i = 77;
	double f = 77;
	bool b = false;
	const char *s = NULL;
	const void *d = NULL;
	size_t len = 77;
	assert_false(hs_r_get_uint(r, "n", &u) || hs_r_get_uint(r, "f", &u) || hs_r_get_uint(r, "none", &u));
	assert_false(hs_r_get_int(r, "u", &i) || hs_r_get_int(r, "f", &i) || hs_r_get_int(r, "z", &i));
	assert_false(hs_r_get_f64(r, "s", &f) || hs_r_get_f64(r, "z", &f));
	assert_false(hs_r_get_bool(r, "n", &b));
	assert_false(hs_r_get_str(r, "d", &s, &len) || hs_r_get_bin(r, "s", &d, &len));
	assert_false(hs_r_find(r, "", &inner) || hs_r_find(r, "nn", &inner));
	assert_true(u == 77 && i == 77 && f == 77 && !b && s == NULL && d == NULL && len == 77 && inner.p == NULL);
	static const uint8_t array[] = {0x93, 0xa1, 'n', 0x01, 0x02}; // no map
	r = (struct hs_rbuf){array, array + sizeof(array)};
	assert_false(hs_r_get_uint(r, "n", &u));
	hs_w_fini(&w);
}

static void find_stays_inside_its_bytes_on_every_cut_and_every_flip(void **state)
{
	(void)state;
	struct hs_wbuf w = {0};
	write_sample(&w);
	for (size_t len = 0; len < w.len; len++) {
		for (unsigned flip = 0; flip < 256; flip++) {
			uint8_t *bytes = malloc(len + 1);
			struct hs_rbuf value;
			assert_non_null(bytes);
			memcpy(bytes + 1, w.data, len);
			if (len > 0)
				bytes[1 + flip % len] ^= (uint8_t)flip;
			struct hs_rbuf r = {bytes + 1, bytes + 1 + len};
			if (hs_r_find(r, "z", &value))
				assert_true(value.p > r.p && value.p < r.end && value.end == r.end);
			free(bytes);
		}
	}
	hs_w_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_integer_form_reads_as_its_value),
		cmocka_unit_test(the_other_forms_read_as_their_values),
		cmocka_unit_test(every_cut_of_every_head_is_refused_and_moves_nothing),
		cmocka_unit_test(skip_passes_whole_values_of_any_depth),
		cmocka_unit_test(get_finds_keys_of_its_own_map_by_type),
		cmocka_unit_test(get_refuses_other_types_and_missing_keys_and_touches_nothing),
		cmocka_unit_test(find_stays_inside_its_bytes_on_every_cut_and_every_flip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
