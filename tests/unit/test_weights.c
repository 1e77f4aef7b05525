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
#include "plan/weights.h"

static void check_bits(const json_t *c, size_t i, float weight)
{
	uint32_t bits;
	memcpy(&bits, &weight, sizeof(bits));
	assert_int_equal(bits, json_integer_value(json_array_get(json_object_get(c, "bits"), i)));
}

static void check_balanced(const json_t *c)
{
	size_t n;
	uint32_t *numbers = golden_numbers(json_object_get(c, "counts"), &n);
	uint64_t counts[8];
	float weights[8];
	assert_in_range(n, 1, 8);
	for (size_t i = 0; i < n; i++)
		counts[i] = numbers[i];
	assert_int_equal(hs_balanced_weights(counts, n, weights), 0);
	for (size_t i = 0; i < n; i++)
		check_bits(c, i, weights[i]);
	free(numbers);
}

static void check_pairs(const json_t *c, const char *scheme)
{
	struct hs_weight_spec spec = {.beta = json_real_value(json_object_get(c, "beta"))};
	assert_int_equal(hs_weight_parse(scheme, &spec.scheme, NULL), 0);
	assert_string_equal(hs_weight_name(spec.scheme), scheme);
	json_t *pairs = json_object_get(c, "pairs"), *pair;
	size_t i;
	json_array_foreach(pairs, i, pair)
		check_bits(c, i, hs_weight_of(&spec, (uint64_t)json_integer_value(json_array_get(pair, 0)),
					      (uint64_t)json_integer_value(json_array_get(pair, 1))));
}

static void weights_equal_numpys_and_scikit_learns_to_the_last_bit(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("weights.json", &root), *c;
	size_t at;
	json_array_foreach(cases, at, c) {
		const char *scheme = json_string_value(json_object_get(c, "scheme"));
		if (strcmp(scheme, "balanced") == 0)
			check_balanced(c);
		else
			check_pairs(c, scheme);
	}
	json_decref(root);
}

static const float table[4][3] = {{1, 0, 0}, {0, 0, 1}, {1, 0, 0}, {1, 0, 0}};

static void only_the_listed_rows_count_and_a_label_without_positives_weighs_one(void **state)
{
	(void)state;
	static const uint32_t train[] = {0, 1, 3};
	struct hs_weight_rows in = {table[0], 3, train, 3};
	struct hs_weight_spec spec = {.scheme = HS_WEIGHT_RATIO};
	float weights[3];
	assert_int_equal(hs_weights(&in, &spec, weights, NULL), 1);
	assert_true(weights[0] == 0.5f && weights[1] == 1 && weights[2] == 2);
	spec.max_weight = 1.5;
	assert_int_equal(hs_weights(&in, &spec, weights, NULL), 1);
	assert_true(weights[0] == 0.5f && weights[2] == 1.5f);
	spec = (struct hs_weight_spec){.pooled = true};
	assert_int_equal(hs_weights(&in, &spec, weights, NULL), 0);
	assert_true(weights[0] == 2); // 3 ones, 6 zeros
}

static void normalized_effective_weights_are_positive_over_negative(void **state)
{
	(void)state;
	struct hs_weight_spec spec = {.scheme = HS_WEIGHT_EFFECTIVE, .beta = 0.9999};
	assert_true(hs_weight_of(&spec, 100, 100) < 0.011f);
	spec.normalize = true;
	assert_true(hs_weight_of(&spec, 100, 100) == 1);
	assert_true(hs_weight_of(&spec, 10, 1000) > 90);
	assert_true(hs_weight_of(&spec, 10, 0) == 0);
	assert_true(hs_weight_of(&spec, 0, 10) == 1);
}

static void check_refused(struct hs_weight_spec spec, const char *sentence)
{
	struct hs_weight_rows in = {table[0], 3, NULL, 4};
	float weights[3] = {-1, -1, -1};
	struct hs_err err = {0};
	assert_int_equal(hs_weights(&in, &spec, weights, &err), HSFEED_EBADREQUEST);
	assert_string_equal(err.message, sentence);
	assert_true(weights[0] == -1 && weights[2] == -1);
}

static void weight_options_out_of_range_are_refused(void **state)
{
	(void)state;
	check_refused((struct hs_weight_spec){.scheme = HS_WEIGHT_EFFECTIVE, .beta = 1},
		      "beta=1 must be at least 0 and less than 1");
	check_refused((struct hs_weight_spec){.max_weight = -2}, "max_weight=-2 must be more than 0");
	check_refused((struct hs_weight_spec){.normalize = true},
		      "normalize belongs to the scheme effective; ratio is already positive over negative");
	enum hs_weight_scheme scheme = HS_WEIGHT_LOG;
	struct hs_err err = {0};
	assert_int_equal(hs_weight_parse("Ratio", &scheme, &err), HSFEED_EBADREQUEST);
	assert_string_equal(err.message,
			    "there is no weight scheme \"Ratio\": use ratio, sqrt, log or effective");
	assert_int_equal(scheme, HS_WEIGHT_LOG);
}

static void a_label_that_is_neither_zero_nor_one_is_named_by_row_and_column(void **state)
{
	(void)state;
	static const float values[2][2] = {{0, 1}, {1, 3}};
	struct hs_weight_rows in = {values[0], 2, NULL, 2};
	struct hs_weight_spec spec = {.scheme = HS_WEIGHT_SQRT};
	float weights[2] = {-1, -1};
	struct hs_err err = {0};
	assert_int_equal(hs_weights(&in, &spec, weights, &err), HSFEED_EBADPLAN);
	assert_string_equal(err.message, "row 1 has 3 in label column 1: weights are for labels of 0 and 1");
	assert_true(weights[0] == -1);
}

static void an_absent_class_weighs_one_and_is_counted_but_does_not_count(void **state)
{
	(void)state;
	static const uint64_t counts[3] = {2, 0, 6};
	float weights[3];
	assert_int_equal(hs_balanced_weights(counts, 3, weights), 1);
	assert_true(weights[0] == 2 && weights[1] == 1 && weights[2] == (float)(8.0 / 12.0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_equal_numpys_and_scikit_learns_to_the_last_bit),
		cmocka_unit_test(only_the_listed_rows_count_and_a_label_without_positives_weighs_one),
		cmocka_unit_test(normalized_effective_weights_are_positive_over_negative),
		cmocka_unit_test(weight_options_out_of_range_are_refused),
		cmocka_unit_test(a_label_that_is_neither_zero_nor_one_is_named_by_row_and_column),
		cmocka_unit_test(an_absent_class_weighs_one_and_is_counted_but_does_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
