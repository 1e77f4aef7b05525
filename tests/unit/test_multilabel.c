// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"
#include "plan/multilabel.h"

static void check_case(const json_t *c)
{
	size_t nvalues, nfolds, n = (size_t)golden_int(c, "n"), nlabels = (size_t)golden_int(c, "nlabels");
	uint32_t *numbers = golden_numbers(json_object_get(c, "values"), &nvalues);
	uint32_t *expected = golden_numbers(json_object_get(c, "folds"), &nfolds);
	float *values = calloc(nvalues + 1, sizeof(*values));
	uint16_t *folds = calloc(n + 1, sizeof(*folds));
	assert_true(values != NULL && folds != NULL);
	for (size_t i = 0; i < nvalues; i++)
		values[i] = (float)numbers[i];
	struct hs_plan_spec spec = {.nfolds = (uint32_t)golden_int(c, "k"), .shuffle = true,
				    .seed = (uint32_t)golden_int(c, "seed")};
	const char *error = json_string_value(json_object_get(c, "error"));
	struct hs_err err = {0};
	int rc = hs_multilabel_kfold(values, n, nlabels, &spec, folds, &err);
	assert_string_equal(err.message, error == NULL ? "" : error);
	assert_int_equal(rc, error == NULL ? 0 : HSFEED_EBADPLAN);
	assert_int_equal(nfolds, error == NULL ? n : 0);
	for (size_t i = 0; i < nfolds; i++)
		assert_int_equal(folds[i], expected[i]);
	free(numbers);
	free(expected);
	free(values);
	free(folds);
}

static void multilabel_folds_and_errors_equal_iterative_stratifications(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("splits_multilabel.json", &root), *c;
	size_t at;
	json_array_foreach(cases, at, c)
		check_case(c);
	json_decref(root);
}

static void every_value_but_zero_is_a_positive(void **state)
{
	(void)state;
	float ones[40][2], others[40][2];
	uint16_t a[40], b[40];
	struct hs_plan_spec spec = {.nfolds = 4, .shuffle = true, .seed = 3};
	for (int i = 0; i < 80; i++) {
		ones[i / 2][i % 2] = i % 3 == 0;
		others[i / 2][i % 2] = i % 3 == 0 ? -0.25f * (float)(i + 1) : -0.0f;
	}
	assert_int_equal(hs_multilabel_kfold(ones[0], 40, 2, &spec, a, NULL), 0);
	assert_int_equal(hs_multilabel_kfold(others[0], 40, 2, &spec, b, NULL), 0);
	assert_memory_equal(a, b, sizeof(a));
}

static void a_missing_value_is_refused_and_folds_are_left_alone(void **state)
{
	(void)state;
	float values[4][2] = {{0, 1}, {1, 0}, {0, NAN}, {1, 1}};
	uint16_t folds[4] = {9, 9, 9, 9};
	struct hs_plan_spec spec = {.nfolds = 2, .shuffle = true};
	struct hs_err err = {0};
	assert_int_equal(hs_multilabel_kfold(values[0], 4, 2, &spec, folds, &err), HSFEED_EBADPLAN);
	assert_string_equal(err.message, "Input contains NaN.");
	for (int i = 0; i < 4; i++)
		assert_int_equal(folds[i], 9);
}

static void many_labels_take_no_walk_over_all_rows_for_each_of_them(void **state)
{
	(void)state;
	enum { NLABELS = 200 };
	size_t n = 100000; // each of the labels once through all rows and all labels would be 4e9 steps
	float *values = calloc(n * NLABELS, sizeof(*values));
	uint16_t *folds = calloc(n, sizeof(*folds));
	assert_true(values != NULL && folds != NULL);
	for (size_t i = 0; i < n; i++)
		values[i * NLABELS + i * i % NLABELS] = 1;
	struct hs_plan_spec spec = {.nfolds = 5, .shuffle = true, .seed = 1};
	assert_int_equal(hs_multilabel_kfold(values, n, NLABELS, &spec, folds, NULL), 0);
	size_t counts[5] = {0};
	for (size_t i = 0; i < n; i++)
		counts[folds[i]]++;
	for (int fold = 0; fold < 5; fold++)
		assert_in_range(counts[fold], n / 5 - NLABELS, n / 5 + NLABELS);
	free(values);
	free(folds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(multilabel_folds_and_errors_equal_iterative_stratifications),
		cmocka_unit_test(every_value_but_zero_is_a_positive),
		cmocka_unit_test(a_missing_value_is_refused_and_folds_are_left_alone),
		cmocka_unit_test(many_labels_take_no_walk_over_all_rows_for_each_of_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
