// SPDX-License-Identifier: Apache-2.0
// Golden files of tests/golden, for unit tests. Include after cmocka.h.
#ifndef HS_TEST_GOLDEN_H
#define HS_TEST_GOLDEN_H

#include <jansson.h>

// The cases of a golden file; json_decref(golden_root) when done.
static inline json_t *golden_load(const char *name, json_t **ret_root)
{
	char path[4096];
	json_error_t error;
	snprintf(path, sizeof(path), "%s/tests/golden/%s", HSFEED_SOURCE_DIR, name);
	*ret_root = json_load_file(path, 0, &error);
	assert_non_null(*ret_root);
	json_t *cases = json_object_get(*ret_root, "cases");
	assert_true(json_array_size(cases) > 0);
	return cases;
}

static inline json_int_t golden_int(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	assert_non_null(value);
	return json_is_boolean(value) ? json_is_true(value) : json_integer_value(value);
}

// The numbers of a list, in a fresh array (one longer than needed, never NULL).
static inline uint32_t *golden_numbers(const json_t *list, size_t *ret_n)
{
	*ret_n = json_array_size(list);
	uint32_t *numbers = calloc(*ret_n + 1, sizeof(*numbers));
	assert_non_null(numbers);
	for (size_t i = 0; i < *ret_n; i++)
		numbers[i] = (uint32_t)json_integer_value(json_array_get(list, i));
	return numbers;
}

#endif
