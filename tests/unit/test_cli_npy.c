// SPDX-License-Identifier: Apache-2.0
// Heads of .npy files: what numpy writes is understood, everything else is refused with a sentence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "npy.h"

// A file's first bytes: a head of this version around a literal, and a few values.
static size_t make(uint8_t *data, unsigned major, const char *literal)
{
	size_t len = strlen(literal), start = major == 1 ? 10 : 12;
	memcpy(data, "\x93NUMPY", 6);
	data[6] = (uint8_t)major;
	data[7] = 0;
	for (size_t i = 8; i < start; i++)
		data[i] = (uint8_t)(len >> (8 * (i - 8)));
	memcpy(data + start, literal, len);
	memset(data + start + len, 7, 16);
	return start + len + 16;
}

// Parsed from a block of exactly its size, so that a sanitizer sees a step beyond.
static int parse(const uint8_t *data, size_t len, struct npy *ret)
{
	uint8_t *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	int rc = npy_parse(copy, len, ret);
	free(copy);
	return rc;
}

static int parse_literal(const char *literal, struct npy *ret)
{
	uint8_t data[1024];
	return parse(data, make(data, 1, literal), ret);
}

static void heads_of_all_versions_are_understood(void **state)
{
	(void)state;
	static const char literal[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3), }          \n";
	for (unsigned major = 1; major <= 3; major++) {
		uint8_t data[1024];
		struct npy npy;
		assert_int_equal(parse(data, make(data, major, literal), &npy), 0);
		assert_string_equal(npy.dtype, "float32");
		assert_int_equal(npy.dims, 2);
		assert_int_equal(npy.shape[0], 5);
		assert_int_equal(npy.shape[1], 3);
		assert_int_equal(npy.offset, (major == 1 ? 10 : 12) + sizeof(literal) - 1);
	}
}

static void what_numpy_may_write_is_taken(void **state)
{
	(void)state;
	static const struct {
		const char *literal, *dtype;
		unsigned dims;
		uint64_t rows, columns;
	} cases[] = {
		{"{'descr': '<f8', 'fortran_order': False, 'shape': (7,), }\n", "float64", 1, 7, 1},
		{"{'shape': (7,1), 'fortran_order':False, 'descr':'<f2'}", "float16", 2, 7, 1},
		{"{\"descr\": \"<f4\", \"fortran_order\": True, \"shape\": (7,)}", "float32", 1, 7, 1},
		{"  { 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 7 , 2 , ) , }  ", "float32", 2, 7, 2},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615,), }", "float32", 1,
		 UINT64_MAX, 1},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct npy npy;
		if (parse_literal(cases[i].literal, &npy) < 0)
			fail_msg("%s: %s", cases[i].literal, npy.wrong);
		assert_string_equal(npy.dtype, cases[i].dtype);
		assert_int_equal(npy.dims, cases[i].dims);
		assert_int_equal(npy.shape[0], cases[i].rows);
		assert_int_equal(npy.shape[1], cases[i].columns);
	}
}

static void other_literals_are_refused(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"", "not what numpy writes"},
		{"{}", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': False}", "not what numpy writes"},
		{"{'descr': '<f4', 'shape': (1,)}", "not what numpy writes"},
		{"{'fortran_order': False, 'shape': (1,)}", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", "not what numpy writes"},
		{"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", "not what numpy writes"},
		{"{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1)}", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': [1]}", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}", "not what numpy writes"},
		{"{'descr': '<f\\x34', 'fortran_order': False, 'shape': (1,)}", "not what numpy writes"},
		{"{'descr': '<f4", "not what numpy writes"},
		{"{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", "of dtype <i8"},
		{"{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "of dtype >f4"},
		{"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "of dtype |O"},
		{"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "of dtype records"},
		{"{'descr': [('a', '<f4'", "not what numpy writes"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "0 dimensions"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3)}", "3 dimensions"},
		{"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", "Fortran order"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2)}", "no values"},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0)}", "no values"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct npy npy;
		if (parse_literal(cases[i][0], &npy) == 0 || !strstr(npy.wrong, cases[i][1]))
			fail_msg("%s: \"%s\"", cases[i][0], npy.wrong);
	}
	char deep[1024] = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
	for (int i = 0; i < 40; i++)
		strcat(deep, "1,");
	strcat(deep, ")}");
	struct npy npy;
	assert_int_equal(parse_literal(deep, &npy), -1);
}

static void other_files_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		const char *part;
	} cases[] = {{"", 0, "an empty file"},
		     {"PK\3\4....", 8, "archive"},
		     {"\x80\4\x95.....", 8, "pickle"},
		     {"a,b\n1,2\n", 8, "not a .npy file"},
		     {"\x93NUMPY", 6, "not a .npy file"},
		     {"\x93NUMPY\1\0", 8, "cut off"},
		     {"\x93NUMPY\1\0\4\0ab", 12, "cut off"},
		     {"\x93NUMPY\2\0\4\0", 10, "cut off"},
		     {"\x93NUMPY\2\0\0\0\0\1", 12, "too long"},
		     {"\x93NUMPY\2\0\377\377\377\377", 12, "too long"},
		     {"\x93NUMPY\4\0\4\0\0\0abcd", 16, "version"},
		     {"\x93NUMPY\1\1\4\0abcd", 14, "version"},
		     {"\x93NUMPY\0\0\4\0abcd", 14, "version"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct npy npy;
		if (parse((const uint8_t *)cases[i].bytes, cases[i].len, &npy) == 0 ||
		    !strstr(npy.wrong, cases[i].part))
			fail_msg("case %zu: \"%s\"", i, npy.wrong);
	}
}

static void no_cut_and_no_flipped_bit_reads_beyond(void **state)
{
	(void)state;
	uint8_t data[1024];
	struct npy npy;
	size_t len = make(data, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3), }\n");
	for (size_t cut = 0; cut < len - 16; cut++)
		assert_int_equal(parse(data, cut, &npy), -1);
	for (size_t at = 0; at < len; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			data[at] ^= (uint8_t)(1u << bit);
			if (parse(data, len, &npy) == 0)
				assert_true(npy.dtype && npy.offset <= len && npy.dims >= 1 && npy.dims <= 2);
			data[at] ^= (uint8_t)(1u << bit);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_of_all_versions_are_understood),
		cmocka_unit_test(what_numpy_may_write_is_taken),
		cmocka_unit_test(other_literals_are_refused),
		cmocka_unit_test(other_files_are_named),
		cmocka_unit_test(no_cut_and_no_flipped_bit_reads_beyond),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
