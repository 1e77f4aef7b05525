// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan/deal_groups.h"

#define N         240
#define MAX_FOLDS 12

static uint32_t below(uint64_t *state, uint32_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 33) % n;
}

struct rows {
	size_t n;
	uint32_t groups[N], classes[N];
	float values[N][3];
};

// Few or many groups, sometimes one of most rows; labels that follow the group, or not.
static void fill(struct rows *r, uint64_t *state)
{
	uint32_t ngroups = 1 + below(state, N), lumped = below(state, 3) == 0 ? 200 : 0, nclasses = 1 + below(state, 9);
	bool pure = below(state, 2) == 0;
	r->n = MAX_FOLDS + below(state, N - MAX_FOLDS);
	for (size_t i = 0; i < r->n; i++) {
		r->groups[i] = below(state, 240) < lumped ? 0 : below(state, ngroups);
		r->classes[i] = (pure ? r->groups[i] : below(state, 1000)) % nclasses;
		for (int label = 0; label < 3; label++)
			r->values[i][label] = below(state, 4) == 0;
	}
}

static void check_together(const struct rows *r, const uint16_t *folds, uint32_t k)
{
	int fold_of[N], seen[MAX_FOLDS] = {0};
	memset(fold_of, -1, sizeof(fold_of));
	for (size_t i = 0; i < r->n; i++) {
		int *of = &fold_of[r->groups[i]];
		assert_in_range(folds[i], 0, k - 1);
		assert_true(*of == -1 || *of == folds[i]);
		*of = folds[i];
		seen[folds[i]] = 1;
	}
	for (uint32_t fold = 0; fold < k; fold++)
		assert_true(seen[fold]);
}

static unsigned gap_of_class(const struct rows *r, const uint16_t *folds, uint32_t k, uint32_t class)
{
	unsigned counts[MAX_FOLDS] = {0}, least = N, most = 0;
	for (size_t i = 0; i < r->n; i++)
		counts[folds[i]] += r->classes[i] == class;
	for (uint32_t fold = 0; fold < k; fold++) {
		least = counts[fold] < least ? counts[fold] : least;
		most = counts[fold] > most ? counts[fold] : most;
	}
	return most - least;
}

static void check_figures(const struct rows *r, const uint16_t *folds, uint32_t k, const struct hs_deal_figures *f)
{
	unsigned gap = 0;
	for (uint32_t class = 0; class < 9; class ++) {
		unsigned of_class = gap_of_class(r, folds, k, class);
		gap = of_class > gap ? of_class : gap;
	}
	assert_int_equal(gap, f->label_gap);
	assert_true(f->bounded);
	assert_true(f->label_gap <= f->label_bound);
	assert_true(f->size_gap <= f->size_bound);
}

static void groups_are_never_split_and_gaps_stay_within_their_bounds(void **state)
{
	(void)state;
	uint64_t random = 88172645463325252u;
	unsigned dealt = 0;
	for (int round = 0; round < 5000; round++) {
		struct rows r;
		fill(&r, &random);
		struct hs_plan_spec spec = {
			.nfolds = 2 + below(&random, MAX_FOLDS - 1), .shuffle = true, .seed = (uint32_t)round};
		struct hs_deal_rows in = {.n = r.n, .groups = r.groups, .ngroups = N, .classes = r.classes};
		struct hs_deal_figures f;
		char warning[256];
		uint16_t folds[N];
		struct hs_err err = {0};
		if (hs_deal_groups(&in, &spec, folds, &f, warning, &err) < 0) {
			assert_int_equal(err.code, HSFEED_EBADPLAN);
			continue;
		}
		dealt++;
		check_together(&r, folds, spec.nfolds);
		check_figures(&r, folds, spec.nfolds, &f);
	}
	assert_in_range(dealt, 3000, 4999);
}

static void groups_of_several_labels_are_never_split(void **state)
{
	(void)state;
	uint64_t random = 1;
	unsigned dealt = 0;
	for (int round = 0; round < 2000; round++) {
		struct rows r;
		fill(&r, &random);
		struct hs_plan_spec spec = {.nfolds = 2 + below(&random, 6), .shuffle = true};
		struct hs_deal_rows in = {
			.n = r.n, .groups = r.groups, .ngroups = N, .values = r.values[0], .nlabels = 3};
		struct hs_deal_figures f;
		char warning[256];
		uint16_t folds[N];
		if (hs_deal_groups(&in, &spec, folds, &f, warning, NULL) < 0)
			continue;
		dealt++;
		check_together(&r, folds, spec.nfolds);
		assert_false(f.bounded);
		assert_true(f.size_bound == 0 && f.label_bound == 0);
		assert_string_equal(warning, "");
	}
	assert_in_range(dealt, 1000, 2000);
}

// Six rows of class 0 in groups of 3, 2 and 1; three of class 1 alone. Class 1 is dealt first.
static void a_small_case_is_dealt_as_by_hand(void **state)
{
	(void)state;
	uint32_t groups[9] = {0, 0, 0, 1, 1, 2, 3, 4, 5}, classes[9] = {7, 7, 7, 7, 7, 7, 5, 5, 5};
	uint16_t folds[9], expected[9] = {1, 1, 1, 0, 0, 0, 0, 1, 0};
	struct hs_deal_rows in = {.n = 9, .groups = groups, .ngroups = 6, .classes = classes};
	struct hs_deal_figures f;
	char warning[256];
	assert_int_equal(hs_deal_groups(&in, &(struct hs_plan_spec){.nfolds = 2}, folds, &f, warning, NULL), 0);
	assert_memory_equal(folds, expected, sizeof(folds));
	assert_true(f.groups == 6 && f.largest == 3 && f.together == 5);
	assert_true(f.size_gap == 1 && f.label_gap == 1);
	assert_true(f.label_bound == 1 &&
		    f.size_bound == 2); // 3 rows, but 3 more follow: they even out, down to the last
}

static void more_folds_than_groups_are_refused_and_nothing_is_written(void **state)
{
	(void)state;
	uint32_t groups[8] = {4, 4, 4, 4, 4, 4, 4, 2}, classes[8] = {0};
	uint16_t folds[8];
	struct hs_deal_rows in = {.n = 8, .groups = groups, .ngroups = 9, .classes = classes};
	struct hs_deal_figures f;
	char warning[256];
	struct hs_err err = {0};
	memset(folds, 0x55, sizeof(folds));
	memset(&f, 0x55, sizeof(f));
	assert_int_equal(hs_deal_groups(&in, &(struct hs_plan_spec){.nfolds = 3}, folds, &f, warning, &err),
			 HSFEED_EBADPLAN);
	assert_string_equal(err.message,
			    "Cannot have number of splits n_splits=3 greater than the number of groups: 2.");
	assert_true(folds[0] == 0x5555 && f.groups == 0x5555555555555555);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_never_split_and_gaps_stay_within_their_bounds),
		cmocka_unit_test(groups_of_several_labels_are_never_split),
		cmocka_unit_test(a_small_case_is_dealt_as_by_hand),
		cmocka_unit_test(more_folds_than_groups_are_refused_and_nothing_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
