// SPDX-License-Identifier: Apache-2.0
// tests/golden/tok_cases.json: what Hugging Face's library gave (make_tok.py).
#include <stdio.h>

#include <jansson.h>

#include "tok_fixture.h"

static void check_case(const json_t *item, size_t number)
{
	char *bytes = json_dumps(json_object_get(item, "tokenizer"), JSON_COMPACT);
	assert_non_null(bytes);
	struct hs_tok_files files = json_files(bytes);
	struct hs_tok *tok = create_ok(&files);
	const json_t *texts = json_object_get(item, "texts"), *ids = json_object_get(item, "ids"), *text;
	size_t i;
	assert_true(json_array_size(texts) > 0);
	json_array_foreach((json_t *)texts, i, text)
	{
		const json_t *want = json_array_get(ids, i);
		uint32_t list[4096];
		size_t n = json_array_size(want);
		assert_true(n <= 4096);
		for (size_t k = 0; k < n; k++)
			list[k] = (uint32_t)json_integer_value(json_array_get(want, k));
		print_message("case %zu, text %zu\r", number, i);
		assert_ids_n(tok, (struct hs_span){json_string_value(text), json_string_length(text)}, list, n);
	}
	hs_tok_destroy(tok);
	free(bytes);
}

static void ids_equal_those_that_the_library_gave(void **state)
{
	(void)state;
	json_error_t error;
	json_t *root = json_load_file(HSFEED_SOURCE_DIR "/tests/golden/tok_cases.json", JSON_ALLOW_NUL, &error);
	const json_t *cases = json_object_get(root, "cases"), *item;
	size_t i;
	assert_non_null(root);
	assert_true(json_array_size(cases) >= 10);
	json_array_foreach((json_t *)cases, i, item) check_case(item, i);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(ids_equal_those_that_the_library_gave)};
	return cmocka_run_group_tests_name("tok_golden", tests, NULL, NULL);
}
