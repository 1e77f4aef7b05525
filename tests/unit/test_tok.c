// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"
#include "tok_fixture.h"

static void wordpiece_takes_the_longest_piece_from_the_left(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "ab abc abb a-b", 7, 7, 8, 7, 6, 4, 11, 5);
	assert_ids(tok, "ax xa", 1, 1); // stuck anywhere: the whole word is one unknown
	assert_ids(tok, "\xe0\xa6\x95\xe0\xa6\x95", 13, 14);
	assert_ids_n(tok, SPAN(""), NULL, 0);
	assert_ids_n(tok, SPAN(" \t\r\n\xc2\xa0\xe2\x80\x8d"), NULL, 0);
	hs_tok_destroy(tok);
}

static void a_word_of_100_characters_is_split_and_one_of_101_is_unknown(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	struct hs_tok *tok = create_ok(&files);
	char text[102] = {0};
	uint32_t want[100];
	memset(text, 'b', 101);
	for (int i = 0; i < 100; i++)
		want[i] = i ? 6 : 5;
	assert_ids_n(tok, (struct hs_span){text, 100}, want, 100);
	assert_ids(tok, text, 1);
	hs_tok_destroy(tok);
}

static void the_limit_of_a_word_counts_characters_and_not_bytes(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	struct hs_tok *tok = create_ok(&files);
	char text[304] = {0};
	uint32_t want[100];
	for (int i = 0; i < 101; i++)
		memcpy(text + 3 * i, "\xe0\xa6\x95", 3);
	for (int i = 0; i < 100; i++)
		want[i] = i ? 14 : 13;
	assert_ids_n(tok, (struct hs_span){text, 300}, want, 100);
	assert_ids(tok, text, 1);
	hs_tok_destroy(tok);
}

static void lower_case_strips_accents_unless_told_otherwise(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(UNCASED);
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "A \xc3\x89 e\xcc\x81", 4, 10, 10);
	hs_tok_destroy(tok);
	files = json_files(CASED);
	tok = create_ok(&files);
	assert_ids(tok, "A \xc3\xa9 e\xcc\x81", 9, 15, 1);
	hs_tok_destroy(tok);
}

static void characters_that_clean_text_drops_join_their_neighbours(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok,
		   "a\xe2\x80\x8d"
		   "b a\xc2\xad"
		   "b",
		   7, 7);
	assert_ids_n(tok, (struct hs_span){"a\0b", 3}, IDS(7));
	assert_ids(tok,
		   "a\xe2\x80\xa8"
		   "b",
		   4, 5); // U+2028 is a blank
	hs_tok_destroy(tok);
}

static void ideographs_are_words_of_their_own_when_asked(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok,
		   "a\xe4\xb8\xad"
		   "b",
		   4, 12, 5);
	hs_tok_destroy(tok);
	files.tokenizer_config_json = SPAN("{\"tokenizer_class\":\"BertTokenizer\",\"do_lower_case\":false,"
					   "\"tokenize_chinese_chars\":false}");
	tok = create_ok(&files);
	assert_ids(tok,
		   "a\xe4\xb8\xad"
		   "b",
		   1);
	hs_tok_destroy(tok);
}

static void a_literal_special_token_in_a_text_becomes_its_id(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "a[SEP]b [sep] [SEP", 4, 3, 5, 1, 1, 1, 1, 1);
	hs_tok_destroy(tok);
}

#define WITH_ADDED(list) JSON(MODEL, NORMALIZER("true"), SPLIT, "\"added_tokens\":[" list "]", POST)

static void added_tokens_get_the_next_ids_whatever_the_file_says(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(WITH_ADDED(
		"{\"id\":500,\"content\":\"<u>\"},{\"id\":9,\"content\":\"ab\"},{\"id\":1,\"content\":\"<v>\"}"));
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "<u> <v> ab", 16, 17, 7);
	assert_int_equal(hs_tok_get_info(tok)->vocab_size, 18);
	hs_tok_destroy(tok);
}

static void a_normalized_added_token_is_found_in_normalized_text(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(WITH_ADDED(
		"{\"content\":\"<\xc3\x89>\",\"normalized\":true},{\"content\":\"<B>\",\"normalized\":false}"));
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "a<E\xcc\x81>b", 4, 16, 5);
	assert_ids(tok, "<B><b>", 17, 1, 5, 1);
	hs_tok_destroy(tok);
}

static void an_added_word_is_not_found_inside_another(void **state)
{
	(void)state;
	struct hs_tok_files files =
		json_files(WITH_ADDED("{\"content\":\"ab\",\"single_word\":true,\"normalized\":false}"));
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "ab -ab-", 7, 11, 7, 11);
	assert_ids(tok, "abb", 7, 6); // by WordPiece
	hs_tok_destroy(tok);
}

static void added_tokens_swallow_white_space_when_asked(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(
		WITH_ADDED("{\"content\":\"<l>\",\"lstrip\":true,\"normalized\":false},"
			   "{\"content\":\" "
			   "-\",\"normalized\":false},{\"content\":\"<r>\",\"rstrip\":true,\"normalized\":false}"));
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "a <l>b", 4, 16, 5);
	assert_ids(tok, "<r> -b", 18, 17, 5); // a token may begin in swallowed white space
	hs_tok_destroy(tok);
}

static void the_longest_added_token_wins(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(
		WITH_ADDED("{\"content\":\"<u\",\"normalized\":false},{\"content\":\"<u>>\",\"normalized\":false}"));
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "<u>> <u>", 17, 16, 1);
	hs_tok_destroy(tok);
}

static void a_template_gives_prefix_and_suffix(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(JSON(
		MODEL, NORMALIZER("true"), SPLIT, ADDED,
		"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[CLS]\","
		"\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":1}},{\"SpecialToken\":{\"id\":\"E\",\"type_"
		"id\":2}}],"
		"\"special_tokens\":{\"[CLS]\":{\"ids\":[2]},\"E\":{\"ids\":[3,11]}}}"));
	struct hs_tok *tok = create_ok(&files);
	const struct hs_tok_info *info = hs_tok_get_info(tok);
	assert_int_equal(info->nprefix, 1);
	assert_int_equal(info->nsuffix, 2);
	assert_int_equal(info->prefix[0], 2);
	assert_int_equal(info->suffix[1], 11);
	assert_int_equal(info->text_type, 1);
	assert_int_equal(info->suffix_type[0], 2);
	hs_tok_destroy(tok);
}

// An added token that is looked for in normalized text makes every text take the slow way.
static void the_one_pass_way_equals_normalizing_step_by_step(void **state)
{
	(void)state;
	static const char *const fast_slow[][2] = {
		{UNCASED,
		 WITH_ADDED("{\"content\":\"[SEP]\",\"special\":true},{\"content\":\"~~~~\",\"normalized\":true}")},
		{JSON(MODEL, "\"normalizer\":null", SPLIT, ADDED, POST),
		 JSON(MODEL, "\"normalizer\":null", SPLIT, "\"added_tokens\":[{\"content\":\"~~~~\"}]", POST)},
	};
	struct hs_tok_scratch *scratch = NULL;
	struct hs_ids a = {0}, b = {0};
	assert_int_equal(hs_tok_scratch_create(&scratch), 0);
	for (size_t pair = 0; pair < 2; pair++) {
		struct hs_tok_files files = json_files(fast_slow[pair][0]);
		struct hs_tok *fast = create_ok(&files);
		files = json_files(fast_slow[pair][1]);
		struct hs_tok *slow = create_ok(&files);
		for (uint32_t cp = 1; cp < 0x110000; cp++) {
			if (cp >= 0xD800 && cp < 0xE000)
				continue;
			char text[16] = "ab";
			unsigned n = 2 + hs_utf8_encode(cp, (uint8_t *)text + 2);
			text[n++] = 'b';
			a.n = b.n = 0;
			assert_int_equal(hs_tok_encode(fast, scratch, (struct hs_span){text, n}, &a), 0);
			assert_int_equal(hs_tok_encode(slow, scratch, (struct hs_span){text, n}, &b), 0);
			assert_int_equal(a.n, b.n);
			assert_memory_equal(a.ids, b.ids, a.n * sizeof(*a.ids));
		}
		hs_tok_destroy(fast);
		hs_tok_destroy(slow);
	}
	hs_ids_fini(&a);
	hs_ids_fini(&b);
	hs_tok_scratch_destroy(scratch);
}

static void encoding_appends_and_leaves_what_was_there(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	struct hs_tok *tok = create_ok(&files);
	struct hs_tok_scratch *scratch = NULL;
	struct hs_ids ids = {0};
	assert_int_equal(hs_tok_scratch_create(&scratch), 0);
	assert_int_equal(hs_tok_encode(tok, scratch, SPAN("a"), &ids), 0);
	assert_int_equal(hs_tok_encode(tok, scratch, SPAN("b"), &ids), 0);
	assert_int_equal(ids.n, 2);
	assert_int_equal(ids.ids[0], 4);
	assert_int_equal(ids.ids[1], 5);
	hs_ids_fini(&ids);
	hs_tok_scratch_destroy(scratch);
	hs_tok_destroy(tok);
}

static void settings_are_one_line_that_tells_tokenizers_apart(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	struct hs_tok *cased = create_ok(&files);
	files = json_files(UNCASED);
	struct hs_tok *uncased = create_ok(&files);
	assert_string_equal(hs_tok_get_info(cased)->settings,
			    "model=WordPiece vocab_size=16 entries=16 prefix=\"##\" unk=1 max_chars=100 "
			    "normalizer=Bert clean_text=yes "
			    "chinese_chars=yes strip_accents=no lowercase=no pre_tokenizer=Bert template=[2/0 text/0 "
			    "3/0] pad=0/0 mask=-1 "
			    "truncation_side=right padding_side=right added=[\"[SEP]\":3]");
	assert_string_not_equal(hs_tok_get_info(cased)->settings, hs_tok_get_info(uncased)->settings);
	hs_tok_destroy(cased);
	hs_tok_destroy(uncased);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wordpiece_takes_the_longest_piece_from_the_left),
		cmocka_unit_test(a_word_of_100_characters_is_split_and_one_of_101_is_unknown),
		cmocka_unit_test(the_limit_of_a_word_counts_characters_and_not_bytes),
		cmocka_unit_test(lower_case_strips_accents_unless_told_otherwise),
		cmocka_unit_test(characters_that_clean_text_drops_join_their_neighbours),
		cmocka_unit_test(ideographs_are_words_of_their_own_when_asked),
		cmocka_unit_test(a_literal_special_token_in_a_text_becomes_its_id),
		cmocka_unit_test(added_tokens_get_the_next_ids_whatever_the_file_says),
		cmocka_unit_test(a_normalized_added_token_is_found_in_normalized_text),
		cmocka_unit_test(an_added_word_is_not_found_inside_another),
		cmocka_unit_test(added_tokens_swallow_white_space_when_asked),
		cmocka_unit_test(the_longest_added_token_wins),
		cmocka_unit_test(a_template_gives_prefix_and_suffix),
		cmocka_unit_test(the_one_pass_way_equals_normalizing_step_by_step),
		cmocka_unit_test(encoding_appends_and_leaves_what_was_there),
		cmocka_unit_test(settings_are_one_line_that_tells_tokenizers_apart),
	};
	return cmocka_run_group_tests_name("tok", tests, NULL, NULL);
}
