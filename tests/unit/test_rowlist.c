// SPDX-License-Identifier: Apache-2.0
// Lists of row numbers as folds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/rowlist.h"

#define NROWS 10
#define NONE  HS_FOLD_NONE

static struct hs_err err;
static uint16_t folds[NROWS];
static uint32_t nfolds;

static int read_bytes(const char *text, size_t len)
{
	// A copy of exactly the size: a sanitizer sees every read beyond it.
	char *copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	err = (struct hs_err){0};
	int rc = hs_row_list_read((struct hs_span){copy, len}, NROWS, folds, &nfolds, &err);
	free(copy);
	return rc;
}

static void assert_folds(const char *text, uint32_t n, const uint16_t *want)
{
	if (read_bytes(text, strlen(text)) < 0)
		fail_msg("%s: %s", text, err.message);
	assert_int_equal(nfolds, n);
	assert_memory_equal(folds, want, sizeof(folds));
}

static void assert_refused(const char *text, size_t len, const char *sentence)
{
	nfolds = 77;
	if (read_bytes(text, len) != HSFEED_EBADPLAN)
		fail_msg("not refused: %.60s", text);
	assert_string_equal(err.message, sentence);
	assert_int_equal(nfolds, 77);
}
#define REFUSED(text, sentence) assert_refused(text, sizeof(text) - 1, sentence)

static void numbers_make_one_fold_and_all_other_rows_train(void **state)
{
	(void)state;
	static const uint16_t want[NROWS] = {NONE, 0, NONE, NONE, NONE, NONE, NONE, 0, NONE, 0};
	assert_folds("1\n9\n7\n", 1, want);
	assert_folds("\xef\xbb\xbf  1\r\n\r\n\t9 \n\n007", 1, want);
}

static void a_line_of_json_for_each_fold_makes_as_many(void **state)
{
	(void)state;
	static const uint16_t want[NROWS] = {0, 1, 0, NONE, 1, NONE, NONE, NONE, NONE, 2};
	assert_folds("{\"fold\":0,\"val\":[0,2]}\n{\"fold\":1,\"val\":[1,4]}\n{\"fold\":2,\"val\":[9]}\n", 3, want);
	assert_folds("\n { \"fold\" : 2 , \"val\" : [ 9 ] } \r\n{\"fold\": 0, \"val\": [2, 0]}\n"
		     "{\"fold\": 1, \"val\": [4, 1]}",
		     3, want);
}

static void every_row_may_be_validated_in_some_fold(void **state)
{
	(void)state;
	static const uint16_t want[NROWS] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
	assert_folds("{\"fold\":0,\"val\":[0,1,2,3,4]}\n{\"fold\":1,\"val\":[5,6,7,8,9]}", 2, want);
	REFUSED("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n", "it lists every row, and none is left to train");
}

static void what_is_no_row_is_named_with_its_line(void **state)
{
	(void)state;
	REFUSED("1\n2\n10\n", "line 3: there is no row 10: the version has 10");
	REFUSED("4294967295", "line 1: there is no row 4294967295: the version has 10");
	REFUSED("18446744073709551616", "line 1: there is no row 18446744073...: the version has 10");
	REFUSED("99999999999999999999999999999999999999", "line 1: there is no row 9999999999...: the version has 10");
	REFUSED("1\n\n1\n", "line 3: row 1 is listed twice");
	REFUSED("{\"fold\":0,\"val\":[1,2]}\n{\"fold\":1,\"val\":[3,2]}", "line 2: row 2 is listed twice");
	REFUSED("-1", "line 1: a row's number is expected, and here is \"-\"");
	REFUSED("1.0", "line 1: the end of the line is expected, and here is \".\"");
	REFUSED("1 2", "line 1: the end of the line is expected, and here is \"2\"");
	REFUSED("row\n", "line 1: a row's number is expected, and here is \"r\"");
	REFUSED("1\n\0\n", "line 2: a row's number is expected, and here is byte 0x00");
	REFUSED("\xff\xfe", "line 1: a row's number is expected, and here is byte 0xff");
	REFUSED("1\n{\"fold\":0,\"val\":[2]}", "line 2: a row's number is expected, and here is \"{\"");
}

static void what_is_no_fold_is_named_with_its_line(void **state)
{
	(void)state;
	REFUSED("{", "line 1: \"fold\": is expected, and here is the end of the file");
	REFUSED("{}\n", "line 1: \"fold\": is expected, and here is \"}\"");
	REFUSED("{\"fold\":}", "line 1: a fold's number is expected, and here is \"}\"");
	REFUSED("{\"fold\":0}", "line 1: ,\"val\":[ is expected, and here is \"}\"");
	REFUSED("{\"fold\":0,\"val\":[1", "line 1: \",\" or \"]\" is expected, and here is the end of the file");
	REFUSED("{\"fold\":0,\"val\":[1,\n2]}", "line 1: a row's number is expected, and here is the end of the line");
	REFUSED("{\"fold\":0,\"val\":[1]", "line 1: } is expected, and here is the end of the file");
	REFUSED("{\"fold\":0,\"val\":[1]}}", "line 1: the end of the line is expected, and here is \"}\"");
	REFUSED("{\"fold\":0,\"val\":[]}", "line 1: fold 0 has no rows");
	REFUSED("{\"fold\":65534,\"val\":[1]}", "line 1: folds count from 0 to 65533");
	REFUSED("{\"fold\":99999999999999999999,\"val\":[1]}", "line 1: folds count from 0 to 65533");
	REFUSED("{\"fold\":0,\"val\":[1]}\n{\"fold\":0,\"val\":[2]}", "line 2: fold 0 is there twice");
	REFUSED("{\"fold\":1,\"val\":[1]}", "fold 0 is missing, and there are folds up to 1");
	REFUSED("{\"fold\":0,\"val\":[1]}\n{\"fold\":65533,\"val\":[2]}",
		"fold 1 is missing, and there are folds up to 65533");
	REFUSED("{\"fold\":0,\"val\":[1]}\n5", "line 2: { is expected, and here is \"5\"");
	REFUSED("[1,2]", "line 1: a row's number is expected, and here is \"[\"");
}

static void a_list_without_rows_is_refused(void **state)
{
	(void)state;
	REFUSED("", "it lists no rows");
	REFUSED("\xef\xbb\xbf", "it lists no rows");
	REFUSED("\n \n\r\n", "it lists no rows");
	assert_non_null(strstr(err.hint, "one row number to a line"));
}

static void as_many_folds_as_can_be_are_read(void **state)
{
	(void)state;
	const size_t n = HS_PLAN_MAX_FOLDS;
	struct hs_buf text = {0};
	uint16_t *many = malloc(n * sizeof(*many));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(hs_buf_printf(&text, "{\"fold\": %zu, \"val\": [%zu]}\n", n - 1 - i, i), 0);
	assert_true(text.len < hs_row_list_max_bytes(n));
	const struct hs_span span = {(const char *)text.data, text.len};
	assert_int_equal(hs_row_list_read(span, n, many, &nfolds, &err), 0);
	assert_int_equal(nfolds, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(many[i], n - 1 - i);
	free(many);
	hs_buf_fini(&text);
}

static void the_bound_of_a_list_grows_with_the_rows(void **state)
{
	(void)state;
	assert_true(hs_row_list_max_bytes(0) > 1000000);
	assert_true(hs_row_list_max_bytes(1000000) > 12000000);
	assert_true(hs_row_list_max_bytes(UINT32_MAX) > hs_row_list_max_bytes(UINT32_MAX - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_make_one_fold_and_all_other_rows_train),
		cmocka_unit_test(a_line_of_json_for_each_fold_makes_as_many),
		cmocka_unit_test(every_row_may_be_validated_in_some_fold),
		cmocka_unit_test(what_is_no_row_is_named_with_its_line),
		cmocka_unit_test(what_is_no_fold_is_named_with_its_line),
		cmocka_unit_test(a_list_without_rows_is_refused),
		cmocka_unit_test(as_many_folds_as_can_be_are_read),
		cmocka_unit_test(the_bound_of_a_list_grows_with_the_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
