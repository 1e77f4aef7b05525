// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"
#include "plan/holdout.h"

static struct hs_size size_of(const json_t *value)
{
	if (json_is_real(value))
		return (struct hs_size){HS_SIZE_FRACTION, json_real_value(value), 0};
	if (json_is_integer(value))
		return (struct hs_size){HS_SIZE_ROWS, 0, json_integer_value(value)};
	return (struct hs_size){HS_SIZE_NONE, 0, 0};
}

static void check_rows(const json_t *expected, const uint32_t *rows, size_t nrows)
{
	assert_int_equal(json_array_size(expected), nrows);
	for (size_t i = 0; i < nrows; i++)
		assert_int_equal(json_integer_value(json_array_get(expected, i)), rows[i]);
}

static void check_case(const json_t *c)
{
	size_t nclasses, n = (size_t)golden_int(c, "n");
	uint32_t *classes = golden_numbers(json_object_get(c, "classes"), &nclasses);
	const json_t *rows = json_object_get(c, "rows");
	const char *error = json_string_value(json_object_get(c, "error"));
	struct hs_holdout_spec spec = {size_of(json_object_get(c, "test")), size_of(json_object_get(c, "train")),
				       golden_int(c, "shuffle"), (uint32_t)golden_int(c, "seed")};
	struct hs_holdout h = {0};
	struct hs_err err = {0};
	int rc = hs_holdout_split(nclasses > 0 ? classes : NULL, n, &spec, &h, &err);
	assert_string_equal(err.message, error == NULL ? "" : error);
	assert_int_equal(rc, error == NULL ? 0 : HSFEED_EBADPLAN);
	check_rows(json_array_get(rows, 0), h.train, h.ntrain);
	check_rows(json_array_get(rows, 1), h.test, h.ntest);
	hs_holdout_fini(&h);
	assert_null(h.train);
	free(classes);
}

static void hold_outs_and_errors_equal_train_test_splits(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("splits_holdout.json", &root), *c;
	size_t at;
	json_array_foreach(cases, at, c)
		check_case(c);
	json_decref(root);
}

static void many_classes_with_one_member_are_named_by_the_first_few(void **state)
{
	(void)state;
	uint32_t classes[100];
	for (uint32_t i = 0; i < 100; i++)
		classes[i] = 4294967000u + i;
	struct hs_holdout_spec spec = {.shuffle = true};
	struct hs_holdout h = {0};
	struct hs_err err = {0};
	assert_int_equal(hs_holdout_split(classes, 100, &spec, &h, &err), HSFEED_EBADPLAN);
	assert_non_null(strstr(err.message, "[4294967000, 4294967001, "));
	assert_non_null(strstr(err.message, "4294967009, ...]"));
	assert_null(h.train);
}

static void half_a_million_classes_are_shared_out_in_linear_time(void **state)
{
	(void)state;
	size_t n = 1000000; // each class has two rows, all remainders are equal
	uint32_t *classes = calloc(n, sizeof(*classes));
	assert_non_null(classes);
	for (size_t i = 0; i < n; i++)
		classes[i] = (uint32_t)(i / 2);
	struct hs_holdout_spec spec = {.test = {HS_SIZE_FRACTION, 0.5, 0}, .shuffle = true, .seed = 9};
	struct hs_holdout h = {0};
	assert_int_equal(hs_holdout_split(classes, n, &spec, &h, NULL), 0);
	assert_true(h.ntrain == n / 2 && h.ntest == n / 2);
	memset(classes, 0, n * sizeof(*classes));
	for (size_t i = 0; i < n / 2; i++)
		assert_int_equal(classes[h.train[i] / 2]++, 0); // one of each class
	hs_holdout_fini(&h);
	free(classes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hold_outs_and_errors_equal_train_test_splits),
		cmocka_unit_test(many_classes_with_one_member_are_named_by_the_first_few),
		cmocka_unit_test(half_a_million_classes_are_shared_out_in_linear_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
