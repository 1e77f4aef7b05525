// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"
#include "plan/length.h"
#include "plan/order.h"

static void orders_equal_length_grouped_samplers(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("orders_length.json", &root), *c;
	size_t at, n;
	json_array_foreach(cases, at, c)
	{
		uint32_t *lengths = golden_numbers(json_object_get(c, "lengths"), &n);
		uint32_t *expected = golden_numbers(json_object_get(c, "order"), &n),
			 *order = calloc(n, sizeof(*order));
		assert_non_null(order);
		uint64_t batch = (uint64_t)golden_int(c, "batch"), seed = (uint64_t)golden_int(c, "seed");
		assert_int_equal(hs_length_order(lengths, n, batch, seed, order, NULL), 0);
		assert_memory_equal(order, expected, n * sizeof(*order));
		free(order);
		free(expected);
		free(lengths);
	}
	json_decref(root);
}

// Chunks of 100 rows: 70,000 rows of three lengths, more than are sorted together.
static void every_chunk_descends_and_equal_lengths_keep_the_permutations_order(void **state)
{
	(void)state;
	enum { N = 70000, CHUNK = 100 };
	uint32_t *lengths = calloc(N, 4), *order = calloc(N, 4), *perm = calloc(N, 4), *place = calloc(N, 4);
	assert_true(lengths && order && perm && place);
	for (uint32_t i = 0; i < N; i++)
		lengths[i] = 3 + i * 2654435761u % 3;
	assert_int_equal(hs_randperm(N, 9, perm, NULL), 0);
	assert_int_equal(hs_length_order(lengths, N, 2, 9, order, NULL), 0);
	for (uint32_t i = 0; i < N; i++)
		place[perm[i]] = i;
	for (uint32_t i = 1; i < N; i++) {
		assert_int_equal(place[order[i]] / CHUNK,
				 i / CHUNK); // the swap at the front found the first chunk longest
		if (i % CHUNK == 0)
			continue;
		uint32_t before = lengths[order[i - 1]], now = lengths[order[i]];
		assert_true(before > now || (before == now && place[order[i - 1]] < place[order[i]]));
	}
	free(lengths);
	free(order);
	free(perm);
	free(place);
}

static void the_longest_row_comes_first_wherever_it_is(void **state)
{
	(void)state;
	for (uint32_t longest = 0; longest < 64; longest++) {
		uint32_t lengths[64], order[64], seen[64] = {0};
		for (uint32_t i = 0; i < 64; i++)
			lengths[i] = i == longest ? UINT32_MAX : i % 7;
		assert_int_equal(hs_length_order(lengths, 64, 4, longest, order, NULL), 0);
		assert_int_equal(order[0], longest);
		for (uint32_t i = 0; i < 64; i++)
			assert_int_equal(seen[order[i]]++, 0);
	}
}

static void no_rows_and_enormous_batches_are_no_trouble(void **state)
{
	(void)state;
	uint32_t lengths[3] = {1, 2, 3}, order[3] = {9, 9, 9};
	assert_int_equal(hs_length_order(lengths, 0, 1, 0, order, NULL), 0);
	assert_int_equal(order[0], 9);
	assert_int_equal(hs_length_order(lengths, 3, UINT64_MAX, 0, order, NULL), 0);
	assert_true(order[0] == 2 && order[1] == 1 && order[2] == 0);
	assert_int_equal(hs_length_order(NULL, 214748364, 1, 0, NULL, NULL), HSFEED_EBADPLAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_equal_length_grouped_samplers),
		cmocka_unit_test(every_chunk_descends_and_equal_lengths_keep_the_permutations_order),
		cmocka_unit_test(the_longest_row_comes_first_wherever_it_is),
		cmocka_unit_test(no_rows_and_enormous_batches_are_no_trouble),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
