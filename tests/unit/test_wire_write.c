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

static void same(struct hs_wbuf *ours, msgpack_sbuffer *theirs)
{
	assert_false(ours->failed);
	assert_int_equal(ours->len, theirs->size);
	assert_memory_equal(ours->data, theirs->data, theirs->size);
	hs_w_reset(ours);
	msgpack_sbuffer_clear(theirs);
}

// Calls fn with an empty writer and msgpack-c's packer side by side.
static void side_by_side(void (*fn)(struct hs_wbuf *w, msgpack_packer *pk, msgpack_sbuffer *sb))
{
	struct hs_wbuf w = {0};
	msgpack_sbuffer sb;
	msgpack_packer pk;
	msgpack_sbuffer_init(&sb);
	msgpack_packer_init(&pk, &sb, msgpack_sbuffer_write);
	fn(&w, &pk, &sb);
	hs_w_fini(&w);
	msgpack_sbuffer_destroy(&sb);
}

static void integers(struct hs_wbuf *w, msgpack_packer *pk, msgpack_sbuffer *sb)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int off = -2; off <= 2; off++) {
			uint64_t u = ((uint64_t)1 << bit) + (uint64_t)(int64_t)off;
			int64_t i;
			memcpy(&i, &u, sizeof(i));
			hs_w_uint(w, u);
			msgpack_pack_uint64(pk, u);
			same(w, sb);
			hs_w_int(w, i);
			msgpack_pack_int64(pk, i);
			same(w, sb);
			i = i == INT64_MIN ? i : -i;
			hs_w_int(w, i);
			msgpack_pack_int64(pk, i);
			same(w, sb);
		}
	}
}

static void write_packs_every_integer_width_as_msgpack_c_does(void **state)
{
	(void)state;
	side_by_side(integers);
}

static void strings(struct hs_wbuf *w, msgpack_packer *pk, msgpack_sbuffer *sb)
{
	static const size_t lengths[] = {0, 1, 31, 32, 33, 127, 128, 255, 256, 257, 65535, 65536, 70000};
	char *text = malloc(70000);
	assert_non_null(text);
	memset(text, 'x', 70000);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t n = lengths[i];
		hs_w_str(w, text, n);
		msgpack_pack_str(pk, n);
		msgpack_pack_str_body(pk, text, n);
		same(w, sb);
		hs_w_bin(w, text, n);
		msgpack_pack_bin(pk, n);
		msgpack_pack_bin_body(pk, text, n);
		same(w, sb);
		hs_w_bin_header(w, n);
		msgpack_pack_bin(pk, n);
		same(w, sb);
	}
	free(text);
}

static void write_packs_str_and_bin_of_every_length_class_as_msgpack_c_does(void **state)
{
	(void)state;
	side_by_side(strings);
}

static void containers(struct hs_wbuf *w, msgpack_packer *pk, msgpack_sbuffer *sb)
{
	static const uint32_t counts[] = {0, 1, 15, 16, 17, 255, 256, 65535, 65536, UINT32_MAX};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		hs_w_array(w, counts[i]);
		msgpack_pack_array(pk, counts[i]);
		same(w, sb);
		hs_w_map(w, counts[i]);
		msgpack_pack_map(pk, counts[i]);
		same(w, sb);
	}
}

static void write_packs_container_heads_as_msgpack_c_does(void **state)
{
	(void)state;
	side_by_side(containers);
}

static void scalars(struct hs_wbuf *w, msgpack_packer *pk, msgpack_sbuffer *sb)
{
	static const double doubles[] = {0.0, -0.0, 1.0, 0.1, -1e300, 5e-324, 1.0 / 0.0, -1.0 / 0.0};
	for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
		hs_w_f64(w, doubles[i]);
		msgpack_pack_double(pk, doubles[i]);
		same(w, sb);
	}
	hs_w_nil(w);
	hs_w_cstr(w, NULL);
	hs_w_bool(w, true);
	hs_w_bool(w, false);
	hs_w_cstr(w, "rows");
	msgpack_pack_nil(pk);
	msgpack_pack_nil(pk);
	msgpack_pack_true(pk);
	msgpack_pack_false(pk);
	msgpack_pack_str(pk, 4);
	msgpack_pack_str_body(pk, "rows", 4);
	same(w, sb);
}

static void write_packs_nil_bool_float_and_c_strings_as_msgpack_c_does(void **state)
{
	(void)state;
	side_by_side(scalars);
}

static void a_frame_of_unknown_sizes_is_filled_in_afterwards(void **state)
{
	(void)state;
	struct hs_wbuf w = {0};
	static const uint8_t expected[] = {
		0xff, 15, 0, 0, 0,         // what was there before, then the length: 14 + 1 to follow
		0xdd, 0, 0, 0, 2,          // an array of two
		0xdf, 0, 0, 0, 1, 0xa1, 'k', 7, // a map of one
		0xc0,
	};
	hs_w_int(&w, -1);
	size_t frame = hs_w_frame_begin(&w);
	size_t array = hs_w_array_begin(&w);
	size_t map = hs_w_map_begin(&w);
	hs_w_cstr(&w, "k");
	hs_w_raw(&w, "\x07", 1);
	hs_w_map_end(&w, map, 1);
	hs_w_nil(&w);
	hs_w_array_end(&w, array, 2);
	hs_w_frame_end(&w, frame, 1);
	assert_false(w.failed);
	assert_int_equal(w.len, sizeof(expected));
	assert_memory_equal(w.data, expected, sizeof(expected));
	hs_w_fini(&w);
	assert_null(w.data);
	assert_int_equal(w.cap, 0);
}

static void a_length_over_32_bits_fails_and_the_failure_sticks(void **state)
{
	(void)state;
	struct hs_wbuf w = {0};
	hs_w_nil(&w);
	hs_w_bin_header(&w, (size_t)UINT32_MAX + 1);
	assert_true(w.failed);
	hs_w_nil(&w);
	hs_w_cstr(&w, "after");
	assert_int_equal(w.len, 1);
	size_t mark = hs_w_map_begin(&w);
	hs_w_map_end(&w, mark, 3);
	hs_w_frame_end(&w, hs_w_frame_begin(&w), 0);
	assert_true(w.failed);
	hs_w_reset(&w);
	assert_false(w.failed);
	size_t frame = hs_w_frame_begin(&w);
	hs_w_frame_end(&w, frame, (size_t)UINT32_MAX + 1);
	assert_true(w.failed);
	hs_w_fini(&w);
}

static void a_writer_grows_to_millions_of_values_without_losing_one(void **state)
{
	(void)state;
	struct hs_wbuf w = {0};
	for (uint32_t i = 0; i < 1000000; i++)
		hs_w_uint(&w, i);
	assert_false(w.failed);
	struct hs_rbuf r = {w.data, w.data + w.len};
	struct hs_wire_value v;
	for (uint32_t i = 0; i < 1000000; i++) {
		assert_true(hs_r_next(&r, &v));
		assert_true(v.type == HS_WIRE_UINT && v.as.u == i);
	}
	assert_false(hs_r_next(&r, &v));
	hs_w_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_packs_every_integer_width_as_msgpack_c_does),
		cmocka_unit_test(write_packs_str_and_bin_of_every_length_class_as_msgpack_c_does),
		cmocka_unit_test(write_packs_container_heads_as_msgpack_c_does),
		cmocka_unit_test(write_packs_nil_bool_float_and_c_strings_as_msgpack_c_does),
		cmocka_unit_test(a_frame_of_unknown_sizes_is_filled_in_afterwards),
		cmocka_unit_test(a_length_over_32_bits_fails_and_the_failure_sticks),
		cmocka_unit_test(a_writer_grows_to_millions_of_values_without_losing_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
