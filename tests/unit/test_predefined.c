// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan/predefined.h"

static void fold_numbers_are_integers_with_or_without_a_zero_fraction(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t number;
	} good[] = {{"0", 0}, {"12", 12}, {" 3\t", 3}, {"+4", 4}, {"-1", -1}, {"2.0", 2}, {"2.", 2}, {"007", 7}};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t number = 99;
		struct hs_span cell = {good[i].text, strlen(good[i].text)};
		assert_int_equal(hs_fold_number(cell, &number, NULL), 0);
		assert_int_equal(number, good[i].number);
	}
	static const char *const bad[] = {"", " ", "x", "1.5", "1e3", "--1", "1 2", ".0", "-", "0x1", "nan"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t number = 99;
		struct hs_span cell = {bad[i], strlen(bad[i])};
		assert_int_equal(hs_fold_number(cell, &number, NULL), HSFEED_EBADPLAN);
		assert_int_equal(number, 99);
	}
}

static void a_cell_that_is_no_fold_number_is_quoted_and_an_empty_one_is_missing(void **state)
{
	(void)state;
	int64_t number;
	struct hs_err err = {0};
	assert_int_equal(hs_fold_number((struct hs_span){"train", 5}, &number, &err), HSFEED_EBADPLAN);
	assert_string_equal(err.message, "\"train\" is not a fold number");
	assert_int_equal(hs_fold_number((struct hs_span){"", 0}, &number, &err), HSFEED_EBADPLAN);
	assert_string_equal(err.message, "a fold number is missing");
	assert_int_equal(hs_fold_number((struct hs_span){NULL, 0}, &number, NULL), HSFEED_EBADPLAN);
}

static void a_fold_number_of_a_hundred_digits_is_too_large_and_not_something_else(void **state)
{
	(void)state;
	char digits[100];
	memset(digits, '9', sizeof(digits));
	int64_t numbers[3] = {0, 1, 0};
	uint16_t folds[3];
	uint32_t nfolds;
	assert_int_equal(hs_fold_number((struct hs_span){digits, sizeof(digits)}, &numbers[2], NULL), 0);
	assert_int_equal(hs_predefined_folds(numbers, 3, folds, &nfolds, NULL), HSFEED_EBADPLAN);
}

static void predefined_folds_are_taken_as_they_are_and_minus_one_is_none(void **state)
{
	(void)state;
	static const int64_t numbers[6] = {1, 0, -1, 2, 1, -1};
	static const uint16_t expected[6] = {1, 0, HS_FOLD_NONE, 2, 1, HS_FOLD_NONE};
	uint16_t folds[6];
	uint32_t nfolds = 0, rows[6];
	assert_int_equal(hs_predefined_folds(numbers, 6, folds, &nfolds, NULL), 0);
	assert_int_equal(nfolds, 3);
	assert_memory_equal(folds, expected, sizeof(expected));
	assert_int_equal(hs_fold_rows(folds, 6, 1, false, rows), 4); // rows of no fold train
}

static void check_refused(const int64_t *numbers, size_t n, const char *sentence)
{
	uint16_t folds[4] = {7, 7, 7, 7};
	uint32_t nfolds = 77;
	struct hs_err err = {0};
	assert_int_equal(hs_predefined_folds(numbers, n, folds, &nfolds, &err), HSFEED_EBADPLAN);
	assert_string_equal(err.message, sentence);
	assert_true(nfolds == 77 && folds[0] == 7 && folds[3] == 7);
}

static void predefined_folds_with_gaps_strange_numbers_or_a_single_fold_are_refused(void **state)
{
	(void)state;
	check_refused((int64_t[]){1, 2, 3, 1}, 4, "no row has fold 0, but there are folds up to 3");
	check_refused((int64_t[]){0, 2, 0, 2}, 4, "no row has fold 1, but there are folds up to 2");
	check_refused((int64_t[]){0, 1, -2, 0}, 4,
		      "row 2 has fold -2: folds are 0 to 65533, and -1 for rows that always train");
	check_refused((int64_t[]){0, 65534, 1, 0}, 4,
		      "row 1 has fold 65534: folds are 0 to 65533, and -1 for rows that always train");
	check_refused((int64_t[]){0, 0, 0, -1}, 4, "the fold numbers make 1 fold, and a plan has at least 2");
	check_refused((int64_t[]){-1, -1}, 2, "the fold numbers make 0 folds, and a plan has at least 2");
	check_refused(NULL, 0, "the fold numbers make 0 folds, and a plan has at least 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fold_numbers_are_integers_with_or_without_a_zero_fraction),
		cmocka_unit_test(a_cell_that_is_no_fold_number_is_quoted_and_an_empty_one_is_missing),
		cmocka_unit_test(a_fold_number_of_a_hundred_digits_is_too_large_and_not_something_else),
		cmocka_unit_test(predefined_folds_are_taken_as_they_are_and_minus_one_is_none),
		cmocka_unit_test(predefined_folds_with_gaps_strange_numbers_or_a_single_fold_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
