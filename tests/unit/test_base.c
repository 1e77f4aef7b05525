// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/parallel.h"
#include "base/sha256.h"
#include "base/utf8.h"

static void crc32c_gives_the_check_value_of_its_specification(void **state)
{
	(void)state;
	uint8_t zeros[32] = {0};
	assert_int_equal(hs_crc32c(0, "123456789", 9), 0xE3069283u);
	assert_int_equal(hs_crc32c(0, zeros, sizeof(zeros)), 0x8A9136AAu); // RFC 3720 B.4
	assert_int_equal(hs_crc32c(hs_crc32c(0, "12345", 5), "6789", 4), 0xE3069283u);
}

static void sha256_in_pieces_equals_the_known_digest(void **state)
{
	(void)state;
	uint8_t digest[HS_SHA256_BYTES];
	char hex[HS_SHA256_HEX];
	struct hs_sha256 *h = NULL;
	assert_int_equal(hs_sha256_create(&h), 0);
	assert_int_equal(hs_sha256_update(h, "a", 1), 0);
	assert_int_equal(hs_sha256_update(h, "bc", 2), 0);
	assert_int_equal(hs_sha256_finish(h, digest), 0);
	hs_sha256_destroy(h);
	hs_hex(digest, sizeof(digest), hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	uint8_t back[HS_SHA256_BYTES];
	assert_int_equal(hs_unhex(hex, sizeof(back), back), 0);
	assert_memory_equal(back, digest, sizeof(back));
	assert_true(hs_unhex("0g", 1, back) < 0);
}

static void utf8_check_finds_the_first_bad_byte(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t len, bad;
	} cases[] = {
		{"", 0, 0},
		{"abc", 3, 3},
		{"12345678\xff", 9, 8},
		{"\xe0\xa6\x95x", 4, 4},
		{"a\xe0\xa6", 3, 1},
		{"\xed\xa0\x80", 3, 0},
		{"\xc0\x80", 2, 0},
		{"\xf4\x90\x80\x80", 4, 0},
		{"\xf0\x9f\x98\x80", 4, 4},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(hs_utf8_check(cases[i].text, cases[i].len), cases[i].bad);
}

static void utf8_encode_and_decode_agree_on_every_scalar_value(void **state)
{
	(void)state;
	for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
		if (cp >= 0xD800 && cp < 0xE000)
			continue;
		uint8_t bytes[4];
		uint32_t back = 0;
		unsigned len = hs_utf8_encode(cp, bytes);
		assert_int_equal(hs_utf8_decode(bytes, bytes + len, &back), len);
		assert_int_equal(back, cp);
	}
}

static void an_error_keeps_whole_characters_when_it_is_cut(void **state)
{
	(void)state;
	struct hs_err err = {0};
	char text[2048];
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe0\xa6\x95", 4);
	assert_int_equal(hs_err_set(&err, HSFEED_EBADCSV, "x%s", text), HSFEED_EBADCSV);
	assert_int_equal(hs_utf8_check(err.message, strlen(err.message)), strlen(err.message));
	hs_err_set(&err, HSFEED_EBADCSV, "there is no \"%.4s\": %s", text, "\xff y");
	assert_string_equal(err.message, "there is no \"\xe0\xa6\x95\":  y");
	hs_err_hint(&err, "%.5s|%.7s", text, text);
	assert_string_equal(err.hint, "\xe0\xa6\x95|\xe0\xa6\x95\xe0\xa6\x95");
	hs_err_set(&err, HSFEED_EBADCSV, "line 3: bad");
	hs_err_hint(&err, "use --delimiter");
	hs_err_context(&err, "ingest %s", "a.csv");
	assert_string_equal(err.message, "ingest a.csv: line 3: bad");
	assert_string_equal(err.hint, "use --delimiter");
	assert_string_equal(hs_err_name(HSFEED_EBADCSV), "bad_csv");
}

static void a_failure_stays_one_for_callers_that_want_no_sentence(void **state)
{
	(void)state;
	assert_int_equal(hs_err_set(NULL, HSFEED_EBADCSV, "x"), HSFEED_EBADCSV);
	assert_true(hs_err_hint(NULL, "y") < 0);
	assert_true(hs_err_context(NULL, "z") < 0);
}

static int count_task(void *arg, size_t i)
{
	__atomic_add_fetch(&((uint32_t *)arg)[i], 1, __ATOMIC_RELAXED);
	return i == 70 ? -7 : i == 90 ? -9 : 0;
}

static void parallel_runs_each_task_once_and_reports_the_lowest_failure(void **state)
{
	(void)state;
	uint32_t seen[100] = {0};
	assert_int_equal(hs_parallel(4, 60, count_task, seen), 0);
	for (size_t i = 0; i < 60; i++)
		assert_int_equal(seen[i], 1);
	int rc = hs_parallel(4, 100, count_task, seen);
	assert_true(rc == -7 || rc == -9);
	assert_int_equal(hs_parallel(1, 100, count_task, seen), -7);
}

static void grow_refuses_a_size_that_overflows(void **state)
{
	(void)state;
	uint64_t *items = NULL;
	size_t cap = 0;
	assert_true(hs_grow(&items, &cap, SIZE_MAX / 4, sizeof(*items)) < 0);
	assert_null(items);
	assert_int_equal(hs_grow(&items, &cap, 100, sizeof(*items)), 0);
	assert_true(cap >= 100);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_gives_the_check_value_of_its_specification),
		cmocka_unit_test(sha256_in_pieces_equals_the_known_digest),
		cmocka_unit_test(utf8_check_finds_the_first_bad_byte),
		cmocka_unit_test(utf8_encode_and_decode_agree_on_every_scalar_value),
		cmocka_unit_test(an_error_keeps_whole_characters_when_it_is_cut),
		cmocka_unit_test(a_failure_stays_one_for_callers_that_want_no_sentence),
		cmocka_unit_test(parallel_runs_each_task_once_and_reports_the_lowest_failure),
		cmocka_unit_test(grow_refuses_a_size_that_overflows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
