// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/pairwise.h"
#include "plan/sort.h"

static void stable_argsort_keeps_equal_keys_in_their_order(void **state)
{
	(void)state;
	static const uint64_t keys[] = {7, UINT64_MAX, 0, 7, 1ull << 40, 7, 0};
	static const uint32_t expected[] = {2, 6, 0, 3, 5, 4, 1};
	uint32_t order[7];
	assert_int_equal(hs_argsort_stable(keys, 7, order), 0);
	assert_memory_equal(order, expected, sizeof(expected));
	assert_int_equal(hs_argsort_stable(NULL, 0, order), 0);
}

static void swap(uint32_t *items, uint32_t i, uint32_t j)
{
	uint32_t item = items[i];
	items[i] = items[j];
	items[j] = item;
}

// Plays the sort's swaps and puts the smallest keys left where the next median is taken from, so that each split takes
// off two items only and the budget of splits runs out: the rest is sorted by a heap.
static void fill_hostile(uint32_t *keys, uint32_t n)
{
	uint32_t order[5000], low = 0, lo = 0;
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (; lo + 16 < n; lo += 2) {
		uint32_t mid = lo + (n - 1 - lo) / 2;
		keys[order[lo]] = low++;
		keys[order[mid]] = low++;
		swap(order, mid, n - 2);
		swap(order, lo + 1, n - 2);
	}
	for (; lo < n; lo++)
		keys[order[lo]] = low;
}

static void check_sorted(const uint32_t *keys, const uint32_t *order, uint32_t n)
{
	uint8_t *seen = calloc(n + 1, 1);
	assert_non_null(seen);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(order[i] < n && !seen[order[i]]);
		seen[order[i]] = 1;
		assert_true(i == 0 || keys[order[i - 1]] <= keys[order[i]]);
	}
	free(seen);
}

static void numpys_older_argsort_sorts_whatever_it_is_given(void **state)
{
	(void)state;
	enum { MOST = 5000 };
	uint32_t *keys = calloc(MOST, sizeof(*keys)), *order = calloc(MOST, sizeof(*order)), word = 1;
	assert_true(keys != NULL && order != NULL);
	for (uint32_t trial = 0; trial < 300; trial++) {
		uint32_t n = trial < 40 ? trial : trial * 16, spread = trial % 3 ? 1 + trial % 50 : UINT32_MAX;
		for (uint32_t i = 0; i < n; i++) {
			word = word * 1664525u + 1013904223u;
			keys[i] = (word >> 8) % spread;
		}
		if (trial % 7 == 0)
			fill_hostile(keys, n);
		hs_argsort_numpy1(keys, n, order);
		check_sorted(keys, order, n);
	}
	free(keys);
	free(order);
}

static void up_to_sixteen_equal_keys_stay_in_their_order_in_the_older_argsort_too(void **state)
{
	(void)state;
	uint32_t keys[17] = {0}, order[17];
	hs_argsort_numpy1(keys, 16, order);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(order[i], i);
	hs_argsort_numpy1(keys, 17, order);
	assert_int_not_equal(order[1], 1); // seventeen are split around a pivot: equal ones change sides
}

static void ranks_are_places_among_the_distinct_values(void **state)
{
	(void)state;
	uint32_t values[] = {70, UINT32_MAX, 3, 70, 3};
	static const uint32_t expected[] = {1, 2, 0, 1, 0};
	size_t nranks = 9;
	assert_int_equal(hs_rank_u32(values, 5, values, &nranks), 0);
	assert_memory_equal(values, expected, sizeof(expected));
	assert_int_equal(nranks, 3);
	assert_int_equal(hs_rank_u32(values, 0, values, &nranks), 0);
	assert_int_equal(nranks, 0);
}

static void pairwise_sums_take_eight_lanes_and_halves_that_are_multiples_of_eight(void **state)
{
	(void)state;
	double values[300], lanes[8] = {0};
	for (int i = 0; i < 300; i++)
		values[i] = 1.0 / (i + 1);
	double left = 0;
	for (int i = 0; i < 7; i++)
		left += values[i];
	assert_true(hs_pairwise_sum(values, 7) == left);
	for (int i = 0; i < 16; i++)
		lanes[i % 8] += values[i];
	double sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
	assert_true(hs_pairwise_sum(values, 18) == sum + values[16] + values[17]);
	assert_true(hs_pairwise_sum(values, 300) == hs_pairwise_sum(values, 144) + hs_pairwise_sum(values + 144, 156));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stable_argsort_keeps_equal_keys_in_their_order),
		cmocka_unit_test(numpys_older_argsort_sorts_whatever_it_is_given),
		cmocka_unit_test(up_to_sixteen_equal_keys_stay_in_their_order_in_the_older_argsort_too),
		cmocka_unit_test(ranks_are_places_among_the_distinct_values),
		cmocka_unit_test(pairwise_sums_take_eight_lanes_and_halves_that_are_multiples_of_eight),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
