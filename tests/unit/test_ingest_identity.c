// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ingest/identity.h"

static const uint8_t sum[HS_SHA256_BYTES] = {0xAB, 0xCD};

static struct hs_span span(const char *text)
{
	return (struct hs_span){.ptr = text, .len = strlen(text)};
}

static struct hs_identity identity(const struct hs_source_options *o, const struct hs_source *s)
{
	struct hs_identity id;
	assert_int_equal(hs_identity_of_source(o, s, sum, &id), 0);
	return id;
}

static const char *value_of(const struct hs_identity *id, const char *key)
{
	for (size_t i = 0; i < id->n; i++) {
		if (strcmp(id->pairs[i].key, key) == 0)
			return id->pairs[i].value;
	}
	return NULL;
}

static void a_version_is_told_in_words_and_in_order(void **state)
{
	static const char *const keys[] = {"source_sha256", "delimiter",   "header", "charset",    "na",
					   "bad_rows",      "text_column", "labels", "label_type", "clean",
					   "drop_empty",    "text_engine"};
	struct hs_source_label label = {.name = span("Label")};
	struct hs_source_options o = {.na = HS_NA_EMPTY, .no_header = true};
	struct hs_source s = {.delimiter = '\t', .text_column = span("Text"), .nlabels = 1, .labels = &label};
	struct hs_identity id = identity(&o, &s);
	(void)state;
	assert_int_equal(id.n, sizeof(keys) / sizeof(*keys));
	for (size_t i = 0; i < id.n; i++)
		assert_string_equal(id.pairs[i].key, keys[i]);
	assert_memory_equal(value_of(&id, "source_sha256"), "abcd0000", 8);
	assert_string_equal(value_of(&id, "delimiter"), "tab");
	assert_string_equal(value_of(&id, "header"), "no");
	assert_string_equal(value_of(&id, "na"), "empty");
	assert_string_equal(value_of(&id, "labels"), "Label");
	assert_string_equal(value_of(&id, "label_type"), "float");
	assert_string_equal(value_of(&id, "clean"), "none");
	hs_identity_fini(&id);
}

static void two_columns_and_one_with_a_comma_differ(void **state)
{
	struct hs_source_label two[] = {{.name = span("A")}, {.name = span("B")}}, one = {.name = span("A,B")};
	struct hs_source_label slash = {.name = span("A\\")};
	struct hs_source_options o = {.no_header = false};
	struct hs_source s = {.delimiter = ',', .text_column = span("t"), .nlabels = 2, .labels = two};
	struct hs_identity a = identity(&o, &s);
	s.nlabels = 1;
	s.labels = &one;
	struct hs_identity b = identity(&o, &s);
	s.labels = &slash;
	struct hs_identity c = identity(&o, &s);
	(void)state;
	assert_string_equal(value_of(&a, "labels"), "A,B");
	assert_string_equal(value_of(&b, "labels"), "A\\,B");
	assert_string_equal(value_of(&c, "labels"), "A\\\\");
	hs_identity_fini(&a);
	hs_identity_fini(&b);
	hs_identity_fini(&c);
}

static void steps_keep_their_order_and_their_commas(void **state)
{
	struct hs_clean_step steps[] = {{.kind = HS_CLEAN_WHITESPACE}, {.kind = HS_CLEAN_REMOVE, .text = span("a,b")}};
	struct hs_source_options o = {.steps = steps, .nsteps = 2, .positive = "hate"};
	struct hs_source s = {.delimiter = ',', .text_column = span("t")};
	struct hs_identity id = identity(&o, &s);
	(void)state;
	assert_string_equal(value_of(&id, "clean"), "whitespace,remove:a\\,b");
	assert_string_equal(value_of(&id, "positive"), "hate");
	assert_string_equal(value_of(&id, "labels"), "none");
	hs_identity_fini(&id);
}

static void an_id_is_the_sha256_of_the_pairs_in_msgpack(void **state)
{
	struct hs_identity id = {.n = 0};
	struct hs_id got, again, want;
	(void)state;
	assert_int_equal(hs_identity_add(&id, "k", "v", 1), 0);
	assert_int_equal(hs_identity_digest(&id, &got), 0);
	assert_int_equal(hs_sha256("\x91\x92\xA1k\xA1v", 6, want.bytes), 0);
	assert_true(hs_id_eq(&got, &want));
	assert_int_equal(hs_identity_add(&id, "l", "", 0), 0);
	assert_int_equal(hs_identity_digest(&id, &again), 0);
	assert_false(hs_id_eq(&got, &again));
	hs_identity_fini(&id);
}

// The changes as "what:stored>given;" in their order.
static void expect_changes(const struct hs_identity *stored, const struct hs_identity *given, const char *want)
{
	struct hs_wbuf before = {.len = 0}, w = {.len = 0};
	struct hs_wire_value array;
	struct hs_buf got = {.len = 0};
	static const char *const parts[] = {"what", "stored", "given"};
	hs_identity_put(stored, &before);
	hs_identity_put_changes((struct hs_rbuf){.p = before.data, .end = before.data + before.len}, given, &w);
	struct hs_rbuf r = {.p = w.data, .end = w.data + w.len};
	assert_true(hs_r_next(&r, &array));
	for (uint32_t i = 0; i < array.as.count; i++, hs_r_skip(&r)) {
		for (size_t p = 0; p < 3; p++) {
			const char *text;
			size_t len;
			assert_true(hs_r_get_str(r, parts[p], &text, &len));
			hs_buf_printf(&got, "%.*s%c", (int)len, text, ":>;"[p]);
		}
	}
	assert_int_equal(hs_buf_append(&got, "", 1), 0);
	assert_string_equal((char *)got.data, want);
	hs_buf_fini(&got);
	hs_w_fini(&before);
	hs_w_fini(&w);
}

static void add(struct hs_identity *id, const char *key, const char *value)
{
	assert_int_equal(hs_identity_add(id, key, value, strlen(value)), 0);
}

static void why_names_each_key_that_differs_and_what_one_side_lacks(void **state)
{
	struct hs_identity stored = {.n = 0}, given = {.n = 0};
	(void)state;
	add(&stored, "na", "pandas");
	add(&stored, "header", "yes");
	add(&stored, "positive", "hate");
	add(&given, "na", "empty");
	add(&given, "header", "yes");
	add(&given, "vocab.txt", "00");
	expect_changes(&stored, &given, "na:pandas>empty;vocab.txt:absent>00;positive:hate>absent;");
	expect_changes(&stored, &stored, "");
	hs_identity_fini(&stored);
	hs_identity_fini(&given);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_version_is_told_in_words_and_in_order),
		cmocka_unit_test(two_columns_and_one_with_a_comma_differ),
		cmocka_unit_test(steps_keep_their_order_and_their_commas),
		cmocka_unit_test(an_id_is_the_sha256_of_the_pairs_in_msgpack),
		cmocka_unit_test(why_names_each_key_that_differs_and_what_one_side_lacks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
