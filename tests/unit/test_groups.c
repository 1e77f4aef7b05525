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
#include "plan/groups.h"

static void check_case(const json_t *c)
{
	size_t n, nfolds;
	uint32_t *groups = golden_numbers(json_object_get(c, "groups"), &n);
	uint32_t *classes = golden_numbers(json_object_get(c, "classes"), &n);
	uint32_t *expected = golden_numbers(json_object_get(c, "folds"), &nfolds);
	uint16_t *folds = calloc(n + 1, sizeof(*folds));
	assert_non_null(folds);
	struct hs_plan_spec spec = {.nfolds = (uint32_t)golden_int(c, "k"), .shuffle = golden_int(c, "shuffle"),
				    .seed = (uint32_t)golden_int(c, "seed")};
	struct hs_group_rows rows = {classes, groups, n};
	const char *error = json_string_value(json_object_get(c, "error"));
	struct hs_err err = {0};
	char warning[256] = "";
	int rc = golden_int(c, "stratified")
			 ? hs_stratified_group_kfold(&rows, &spec, HS_GROUP_RULE_CURRENT, folds, warning, &err)
			 : hs_group_kfold(groups, n, &spec, HS_GROUP_RULE_CURRENT, folds, &err);
	assert_string_equal(err.message, error == NULL ? "" : error);
	assert_string_equal(warning, json_string_value(json_object_get(c, "warning")));
	assert_int_equal(rc, error == NULL ? 0 : HSFEED_EBADPLAN);
	assert_int_equal(nfolds, error == NULL ? n : 0);
	for (size_t i = 0; i < nfolds; i++)
		assert_int_equal(folds[i], expected[i]);
	free(groups);
	free(classes);
	free(expected);
	free(folds);
}

static void group_folds_errors_and_warnings_equal_scikit_learns(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("splits_groups.json", &root), *c;
	size_t at;
	json_array_foreach(cases, at, c)
		check_case(c);
	json_decref(root);
}

// Group g holds the rows 10 g .. 10 g + 9; in even groups all rows are of class 0, in odd ones of class 1.
static void fill(uint32_t groups[80], uint32_t classes[80])
{
	for (uint32_t i = 0; i < 80; i++) {
		groups[i] = i / 10;
		classes[i] = i / 10 % 2;
	}
}

static void shuffled_groups_keep_their_own_classes_by_todays_rule_only(void **state)
{
	(void)state;
	uint32_t groups[80], classes[80];
	uint16_t folds[80];
	unsigned balanced[2] = {0, 0};
	fill(groups, classes);
	struct hs_group_rows rows = {classes, groups, 80};
	for (uint32_t seed = 0; seed < 50; seed++) {
		struct hs_plan_spec spec = {.nfolds = 2, .shuffle = true, .seed = seed};
		for (int rule = HS_GROUP_RULE_CURRENT; rule <= HS_GROUP_RULE_OLDER; rule++) {
			unsigned positives = 0;
			assert_int_equal(hs_stratified_group_kfold(&rows, &spec, (enum hs_group_rule)rule, folds, NULL,
								   NULL), 0);
			for (int i = 0; i < 80; i++)
				positives += folds[i] == 0 && classes[i] == 1;
			balanced[rule] += positives == 20;
		}
	}
	assert_int_equal(balanced[HS_GROUP_RULE_CURRENT], 50);
	assert_true(balanced[HS_GROUP_RULE_OLDER] < 50);
}

static void more_folds_than_groups_are_left_empty_by_the_older_stratified_rule(void **state)
{
	(void)state;
	uint32_t groups[6] = {1, 1, 1, 2, 2, 2}, classes[6] = {0};
	uint16_t folds[6];
	char warning[256] = "before";
	struct hs_group_rows rows = {classes, groups, 6};
	struct hs_plan_spec spec = {.nfolds = 4};
	struct hs_err err = {0};
	assert_int_equal(hs_stratified_group_kfold(&rows, &spec, HS_GROUP_RULE_CURRENT, folds, warning, &err),
			 HSFEED_EBADPLAN);
	assert_non_null(strstr(err.message, "greater than the number of groups: 2."));
	assert_string_equal(warning, "before");
	assert_int_equal(hs_stratified_group_kfold(&rows, &spec, HS_GROUP_RULE_OLDER, folds, warning, NULL), 0);
	assert_string_equal(warning, "");
	assert_true(folds[0] == folds[2] && folds[3] == folds[5] && folds[0] != folds[3]);
}

static void half_a_million_groups_are_dealt_without_a_walk_over_all_folds_for_each(void **state)
{
	(void)state;
	size_t n = 1000000;
	uint32_t *groups = calloc(n, sizeof(*groups));
	uint16_t *folds = calloc(n, sizeof(*folds));
	assert_true(groups != NULL && folds != NULL);
	for (size_t i = 0; i < n; i++)
		groups[i] = (uint32_t)(i / 2) * 7919u;
	struct hs_plan_spec spec = {.nfolds = 50000};
	assert_int_equal(hs_group_kfold(groups, n, &spec, HS_GROUP_RULE_CURRENT, folds, NULL), 0);
	size_t in_last = 0;
	for (size_t i = 0; i < n; i++)
		in_last += folds[i] == 49999;
	assert_int_equal(in_last, 20);
	free(groups);
	free(folds);
}

static void a_stratified_group_split_that_would_take_hours_or_gigabytes_is_refused(void **state)
{
	(void)state;
	size_t n = 200000;
	uint32_t *groups = calloc(n, sizeof(*groups)), *classes = calloc(n, sizeof(*classes));
	uint16_t *folds = calloc(n, sizeof(*folds));
	assert_true(groups != NULL && classes != NULL && folds != NULL);
	for (size_t i = 0; i < n; i++)
		groups[i] = (uint32_t)i;
	struct hs_group_rows rows = {classes, groups, n};
	struct hs_plan_spec spec = {.nfolds = 20000};
	struct hs_err err = {0};
	assert_int_equal(hs_stratified_group_kfold(&rows, &spec, HS_GROUP_RULE_CURRENT, folds, NULL, &err),
			 HSFEED_EBADPLAN);
	assert_non_null(strstr(err.message, "kind stratified-group with so many folds and classes takes 8e+13 steps"));
	assert_non_null(strstr(err.hint, "fewer folds"));
	for (size_t i = 0; i < n; i++) {
		groups[i] = i < 3000 ? (uint32_t)i : 0;
		classes[i] = i < 150000 ? (uint32_t)i : 0;
	}
	spec.nfolds = 2000;
	assert_int_equal(hs_stratified_group_kfold(&rows, &spec, HS_GROUP_RULE_CURRENT, folds, NULL, &err),
			 HSFEED_EBADPLAN);
	assert_non_null(strstr(err.message, "needs a table of 3e+08 cells"));
	free(groups);
	free(classes);
	free(folds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(group_folds_errors_and_warnings_equal_scikit_learns),
		cmocka_unit_test(shuffled_groups_keep_their_own_classes_by_todays_rule_only),
		cmocka_unit_test(more_folds_than_groups_are_left_empty_by_the_older_stratified_rule),
		cmocka_unit_test(half_a_million_groups_are_dealt_without_a_walk_over_all_folds_for_each),
		cmocka_unit_test(a_stratified_group_split_that_would_take_hours_or_gigabytes_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
