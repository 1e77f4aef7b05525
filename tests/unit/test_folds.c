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
#include "plan/folds.h"

static void check_case(const json_t *c)
{
	size_t n, nfolds;
	uint32_t *classes = golden_numbers(json_object_get(c, "classes"), &n);
	uint32_t *expected = golden_numbers(json_object_get(c, "folds"), &nfolds);
	uint16_t *folds = calloc(n + 1, sizeof(*folds));
	assert_non_null(folds);
	struct hs_plan_spec spec = {.nfolds = (uint32_t)golden_int(c, "k"), .shuffle = golden_int(c, "shuffle"),
				    .seed = (uint32_t)golden_int(c, "seed")};
	const char *error = json_string_value(json_object_get(c, "error"));
	struct hs_err err = {0};
	char warning[256] = "";
	bool stratified = strcmp(json_string_value(json_object_get(c, "kind")), "stratified") == 0;
	int rc = stratified ? hs_stratified_kfold(classes, n, &spec, folds, warning, &err)
			    : hs_kfold(n, &spec, folds, &err);
	assert_string_equal(warning, json_string_value(json_object_get(c, "warning")));
	assert_int_equal(rc, error == NULL ? 0 : HSFEED_EBADPLAN);
	assert_string_equal(err.message, error == NULL ? "" : error);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(folds[i], error == NULL ? expected[i] : 0);
	free(folds);
	free(expected);
	free(classes);
}

static void folds_errors_and_warnings_equal_scikit_learns(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("splits_folds.json", &root), *c;
	size_t at;
	json_array_foreach(cases, at, c)
		check_case(c);
	json_decref(root);
}

static void a_refused_plan_leaves_folds_and_warning_as_they_were(void **state)
{
	(void)state;
	uint32_t classes[4] = {1, 2, 3, 4};
	uint16_t folds[4] = {9, 9, 9, 9};
	char warning[256] = "before";
	struct hs_plan_spec spec = {.nfolds = 3};
	assert_int_equal(hs_stratified_kfold(classes, 4, &spec, folds, warning, NULL), HSFEED_EBADPLAN);
	spec.nfolds = 5;
	assert_int_equal(hs_kfold(4, &spec, folds, NULL), HSFEED_EBADPLAN);
	assert_string_equal(warning, "before");
	for (int i = 0; i < 4; i++)
		assert_int_equal(folds[i], 9);
}

static void more_folds_than_a_fold_number_holds_are_refused(void **state)
{
	(void)state;
	uint16_t *folds = calloc(70000, sizeof(*folds));
	assert_non_null(folds);
	struct hs_err err = {0};
	struct hs_plan_spec spec = {.nfolds = HS_PLAN_MAX_FOLDS + 1};
	assert_int_equal(hs_kfold(70000, &spec, folds, &err), HSFEED_EBADPLAN);
	assert_non_null(strstr(err.message, "65535 folds are more than the 65534"));
	spec.nfolds = HS_PLAN_MAX_FOLDS;
	assert_int_equal(hs_kfold(70000, &spec, folds, &err), 0);
	assert_int_equal(folds[69999], HS_PLAN_MAX_FOLDS - 1);
	free(folds);
}

static void only_equality_and_first_appearance_of_classes_matter(void **state)
{
	(void)state;
	uint32_t a[300], b[300];
	uint16_t folds_a[300], folds_b[300];
	struct hs_plan_spec spec = {.nfolds = 4, .shuffle = true, .seed = 42};
	for (uint32_t i = 0; i < 300; i++) {
		a[i] = i * i % 7;
		b[i] = UINT32_MAX - a[i] * 123456789u;
	}
	assert_int_equal(hs_stratified_kfold(a, 300, &spec, folds_a, NULL, NULL), 0);
	assert_int_equal(hs_stratified_kfold(b, 300, &spec, folds_b, NULL, NULL), 0);
	assert_memory_equal(folds_a, folds_b, sizeof(folds_a));
}

// The k x classes table that the original builds, from the places as they are defined.
static void naive_stratified(const uint32_t *classes, size_t n, uint32_t nclasses, uint32_t k, uint16_t *ret_folds)
{
	uint32_t *table = calloc((size_t)k * nclasses, sizeof(*table));
	size_t place = 0;
	assert_non_null(table);
	for (uint32_t c = 0; c < nclasses; c++)
		for (size_t i = 0; i < n; i++)
			if (classes[i] == c)
				table[place++ % k * nclasses + c]++;
	for (size_t i = 0; i < n; i++) {
		uint32_t fold = 0;
		while (table[(size_t)fold * nclasses + classes[i]] == 0)
			fold++;
		table[(size_t)fold * nclasses + classes[i]]--;
		ret_folds[i] = (uint16_t)fold;
	}
	free(table);
}

static void blocks_equal_a_naive_table_of_folds_and_classes(void **state)
{
	(void)state;
	uint32_t classes[120];
	uint16_t ours[120], naive[120];
	unsigned compared = 0;
	for (uint32_t trial = 0; trial < 2000; trial++) {
		uint32_t n = 20 + trial % 101, nclasses = 0, word = trial * 2654435761u;
		for (uint32_t i = 0; i < n; i++) { // numbered by first appearance, as the naive version wants them
			word = word * 1664525u + 1013904223u;
			uint32_t c = (word >> 16) % (1 + nclasses + (nclasses < trial % 23));
			classes[i] = c > nclasses ? nclasses : c;
			nclasses += classes[i] == nclasses;
		}
		struct hs_plan_spec spec = {.nfolds = 2 + trial % 9};
		if (hs_stratified_kfold(classes, n, &spec, ours, NULL, NULL) < 0)
			continue;
		naive_stratified(classes, n, nclasses, spec.nfolds, naive);
		assert_memory_equal(ours, naive, n * sizeof(*ours));
		compared++;
	}
	assert_true(compared > 1500);
}

static void half_a_million_classes_and_thousands_of_folds_take_linear_time(void **state)
{
	(void)state;
	size_t n = 1000000; // quadratic work here would run for hours
	uint32_t *classes = calloc(n, sizeof(*classes));
	uint16_t *folds = calloc(n, sizeof(*folds));
	char warning[256];
	assert_true(classes != NULL && folds != NULL);
	for (size_t i = 0; i < n; i++)
		classes[i] = i < n / 2 ? UINT32_MAX : (uint32_t)i;
	struct hs_plan_spec spec = {.nfolds = 50000, .shuffle = true, .seed = 1};
	assert_int_equal(hs_stratified_kfold(classes, n, &spec, folds, warning, NULL), 0);
	assert_string_equal(warning, "The least populated class in y has only 1 members, which is less than "
				     "n_splits=50000.");
	uint32_t *rows = calloc(n, sizeof(*rows));
	assert_non_null(rows);
	for (uint32_t fold = 0; fold < 50000; fold += 9973)
		assert_int_equal(hs_fold_rows(folds, n, fold, true, rows), 20);
	free(rows);
	free(folds);
	free(classes);
}

static void label_combinations_are_numbered_by_first_appearance_and_value(void **state)
{
	(void)state;
	static const float values[6][2] = {{1, 0}, {0, 1}, {1, -0.0f}, {-0.0f, 1}, {1, 1}, {0, 0}};
	static const uint32_t expected[6] = {0, 1, 0, 1, 2, 3};
	uint32_t classes[6];
	size_t nclasses = 0;
	assert_int_equal(hs_label_combinations(values[0], 6, 2, classes, &nclasses), 0);
	assert_int_equal(nclasses, 4);
	assert_memory_equal(classes, expected, sizeof(expected));
	assert_int_equal(hs_label_combinations(values[0], 6, 0, classes, &nclasses), 0);
	assert_int_equal(nclasses, 1);
	assert_int_equal(hs_label_combinations(NULL, 0, 3, NULL, &nclasses), 0);
	assert_int_equal(nclasses, 0);
}

static void many_label_combinations_stay_distinct(void **state)
{
	(void)state;
	size_t n = 1 << 17, nclasses = 0; // every combination of 17 labels, so the table grows a dozen times
	float *values = malloc(n * 17 * sizeof(*values));
	uint32_t *classes = malloc(n * sizeof(*classes));
	assert_true(values != NULL && classes != NULL);
	for (size_t i = 0; i < n; i++)
		for (size_t label = 0; label < 17; label++)
			values[i * 17 + label] = (float)(i >> label & 1);
	assert_int_equal(hs_label_combinations(values, n, 17, classes, &nclasses), 0);
	assert_int_equal(nclasses, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(classes[i], i);
	free(values);
	free(classes);
}

static void fold_rows_and_its_complement_are_ascending_and_whole(void **state)
{
	(void)state;
	static const uint16_t folds[7] = {0, 2, 1, 0, 1, 2, 0};
	static const uint32_t val[] = {0, 3, 6}, train[] = {1, 2, 4, 5};
	uint32_t rows[7];
	assert_int_equal(hs_fold_rows(folds, 7, 0, true, rows), 3);
	assert_memory_equal(rows, val, sizeof(val));
	assert_int_equal(hs_fold_rows(folds, 7, 0, false, rows), 4);
	assert_memory_equal(rows, train, sizeof(train));
	assert_int_equal(hs_fold_rows(folds, 7, 3, true, rows), 0);
}

static void kinds_are_parsed_with_their_alias_and_others_are_refused_by_name(void **state)
{
	(void)state;
	enum hs_split_kind kind = HS_SPLIT_MULTICLASS;
	struct hs_err err = {0};
	assert_int_equal(hs_split_kind_parse("plain", &kind, &err), 0);
	assert_int_equal(kind, HS_SPLIT_PLAIN);
	assert_int_equal(hs_split_kind_parse("binary", &kind, &err), 0);
	assert_string_equal(hs_split_kind_name(kind), "stratified");
	assert_int_equal(hs_split_kind_parse("multiclass", &kind, &err), 0);
	assert_int_equal(hs_split_kind_parse("Plain", &kind, &err), HSFEED_EBADREQUEST);
	assert_non_null(strstr(err.message, "there is no kind \"Plain\""));
	assert_non_null(strstr(err.hint, "stratified (or binary), multiclass"));
	assert_int_equal(kind, HS_SPLIT_MULTICLASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folds_errors_and_warnings_equal_scikit_learns),
		cmocka_unit_test(a_refused_plan_leaves_folds_and_warning_as_they_were),
		cmocka_unit_test(more_folds_than_a_fold_number_holds_are_refused),
		cmocka_unit_test(only_equality_and_first_appearance_of_classes_matter),
		cmocka_unit_test(blocks_equal_a_naive_table_of_folds_and_classes),
		cmocka_unit_test(half_a_million_classes_and_thousands_of_folds_take_linear_time),
		cmocka_unit_test(label_combinations_are_numbered_by_first_appearance_and_value),
		cmocka_unit_test(many_label_combinations_stay_distinct),
		cmocka_unit_test(fold_rows_and_its_complement_are_ascending_and_whole),
		cmocka_unit_test(kinds_are_parsed_with_their_alias_and_others_are_refused_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
