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
#include "plan/mt19937.h"

static uint32_t number(const json_t *object, const char *key, size_t i)
{
	return (uint32_t)json_integer_value(json_array_get(json_object_get(object, key), i));
}

static void the_words_are_those_of_the_published_generator(void **state)
{
	(void)state;
	struct hs_mt19937 mt;
	hs_mt19937_init(&mt, 5489); // the reference implementation's own seed
	assert_int_equal(hs_mt19937_next(&mt), 3499211612u);
	for (int i = 2; i < 10000; i++)
		hs_mt19937_next(&mt);
	assert_int_equal(hs_mt19937_next(&mt), 4123659995u); // the 10,000th word, as the C++ standard gives it
}

static void words_equal_numpys_across_a_refill(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("splits_generator.json", &root), *c;
	size_t at;
	json_array_foreach(cases, at, c) {
		struct hs_mt19937 mt;
		hs_mt19937_init(&mt, (uint32_t)golden_int(c, "seed"));
		for (size_t i = 0; i < 628; i++) { // kept: the first four, and those from 622 on
			uint32_t word = hs_mt19937_next(&mt);
			if (i < 4 || i >= 622)
				assert_int_equal(word, number(c, "words", i < 4 ? i : i - 618));
		}
	}
	json_decref(root);
}

static void bounded_draws_and_a_shuffle_equal_numpys(void **state)
{
	(void)state;
	json_t *root, *cases = golden_load("splits_generator.json", &root), *c;
	size_t at;
	json_array_foreach(cases, at, c) {
		struct hs_mt19937 mt, twin;
		uint32_t items[50];
		uint16_t shorts[50];
		hs_mt19937_init(&mt, (uint32_t)golden_int(c, "seed"));
		for (size_t i = 0; i < json_array_size(json_object_get(c, "below")); i++)
			assert_int_equal(hs_mt19937_below(&mt, number(c, "below", i)), number(c, "draws", i));
		twin = mt;
		for (uint16_t i = 0; i < 50; i++)
			items[i] = shorts[i] = i;
		hs_mt19937_shuffle_u32(&mt, items, 50);
		hs_mt19937_shuffle_u16(&twin, shorts, 50);
		for (size_t i = 0; i < 50; i++) {
			assert_int_equal(items[i], number(c, "then_shuffled", i));
			assert_int_equal(shorts[i], items[i]);
		}
		assert_memory_equal(&mt, &twin, sizeof(mt)); // the same draws for every item type
	}
	json_decref(root);
}

static void a_bound_of_zero_and_a_shuffle_of_one_draw_nothing(void **state)
{
	(void)state;
	struct hs_mt19937 mt, before;
	uint32_t one = 7;
	hs_mt19937_init(&mt, 42);
	before = mt;
	assert_int_equal(hs_mt19937_below(&mt, 0), 0);
	hs_mt19937_shuffle_u32(&mt, &one, 1);
	hs_mt19937_shuffle_u32(&mt, NULL, 0);
	hs_mt19937_shuffle_u16(&mt, NULL, 0);
	assert_memory_equal(&mt, &before, sizeof(mt));
}

static void bounds_over_32_bits_take_two_words_high_half_first(void **state)
{
	(void)state;
	struct hs_mt19937 a, b;
	hs_mt19937_init(&a, 3);
	hs_mt19937_init(&b, 3);
	uint64_t high = hs_mt19937_next(&b), wide = high << 32 | hs_mt19937_next(&b);
	assert_true(hs_mt19937_below(&a, UINT64_MAX) == wide);
	high = hs_mt19937_next(&b);
	assert_true(hs_mt19937_next64(&a) == (high << 32 | hs_mt19937_next(&b)));
	for (int i = 0; i < 1000; i++)
		assert_true(hs_mt19937_below(&a, (uint64_t)1 << 32) <= (uint64_t)1 << 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_words_are_those_of_the_published_generator),
		cmocka_unit_test(words_equal_numpys_across_a_refill),
		cmocka_unit_test(bounded_draws_and_a_shuffle_equal_numpys),
		cmocka_unit_test(a_bound_of_zero_and_a_shuffle_of_one_draw_nothing),
		cmocka_unit_test(bounds_over_32_bits_take_two_words_high_half_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
