// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan/ranks.h"

static void label_rows_are_numbered_in_ascending_order_first_label_first(void **state)
{
	(void)state;
	static const float values[6][2] = {{1, 0}, {0, 1}, {1, -0.0f}, {-0.0f, 0}, {1, 1}, {0, 1}};
	static const uint32_t expected[6] = {2, 1, 2, 0, 3, 1};
	uint32_t classes[6];
	size_t nclasses = 0;
	assert_int_equal(hs_label_ranks(values[0], 6, 2, classes, &nclasses), 0);
	assert_memory_equal(classes, expected, sizeof(expected));
	assert_int_equal(nclasses, 4);
}

static void floats_are_ranked_by_value_and_missing_ones_come_last(void **state)
{
	(void)state;
	static const float values[7] = {NAN, 2.5f, -1e-40f, -3, INFINITY, 0, -INFINITY};
	static const uint32_t expected[7] = {6, 4, 2, 1, 5, 3, 0};
	uint32_t classes[7];
	size_t nclasses = 0;
	assert_int_equal(hs_label_ranks(values, 7, 1, classes, &nclasses), 0);
	assert_memory_equal(classes, expected, sizeof(expected));
	assert_int_equal(hs_label_ranks(values, 0, 1, classes, &nclasses), 0);
	assert_int_equal(nclasses, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(label_rows_are_numbered_in_ascending_order_first_label_first),
		cmocka_unit_test(floats_are_ranked_by_value_and_missing_ones_come_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
