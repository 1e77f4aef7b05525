// SPDX-License-Identifier: Apache-2.0
// Which file's setting wins, and what is refused in which words.
#include "tok_fixture.h"

#define WORDS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nA\n\xe2\x80\xa8\n\nb\nb\n"

static struct hs_tok_files vocab_files(const char *config)
{
	return (struct hs_tok_files){
		.name = "toy",
		.vocab_txt = SPAN(WORDS),
		.tokenizer_config_json = config ? SPAN(config) : (struct hs_span){0},
	};
}

static void vocab_lines_keep_their_numbers_and_the_last_duplicate_wins(void **state)
{
	(void)state;
	struct hs_tok_files files = vocab_files("{\"do_lower_case\":false}");
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "a A b", 5, 6, 10); // U+2028 is line 7, the empty line 8
	const struct hs_tok_info *info = hs_tok_get_info(tok);
	assert_int_equal(info->vocab_size, 11);
	assert_int_equal(info->prefix[0], 2);
	assert_int_equal(info->suffix[0], 3);
	assert_int_equal(info->mask_id, 4);
	hs_tok_destroy(tok);
}

static void vocab_lines_end_as_in_python_text_mode(void **state)
{
	(void)state;
	struct hs_tok_files files = {.name = "toy", .vocab_txt = SPAN("[PAD]\r\n[UNK]\r[CLS]\n[SEP]\r\n[MASK]\na \nb")};
	struct hs_tok *tok = create_ok(&files);
	assert_int_equal(hs_tok_get_info(tok)->vocab_size, 7);
	assert_ids(tok, "b a", 6, 1); // "a " keeps its blank, so no word is "a"
	hs_tok_destroy(tok);
}

static void a_vocabulary_alone_lowercases(void **state)
{
	(void)state;
	struct hs_tok_files files = vocab_files(NULL);
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "A [MASK]", 5, 4);
	hs_tok_destroy(tok);
}

static void special_tokens_that_the_vocabulary_lacks_get_new_ids(void **state)
{
	(void)state;
	struct hs_tok_files files = vocab_files("{\"mask_token\":\"<m>\",\"additional_special_tokens\":[\"<x>\"]}");
	struct hs_tok *tok = create_ok(&files);
	assert_int_equal(hs_tok_get_info(tok)->mask_id, 10); // 10 entries remain of 11 lines
	assert_ids(tok, "a<x><m>", 5, 11, 10);
	hs_tok_destroy(tok);
}

static void the_map_of_special_tokens_counts_where_there_is_no_decoder(void **state)
{
	(void)state;
	struct hs_tok_files files = vocab_files("{\"pad_token\":\"a\"}");
	files.special_tokens_map_json = SPAN("{\"pad_token\":{\"content\":\"A\",\"lstrip\":false}}");
	struct hs_tok *tok = create_ok(&files);
	assert_int_equal(hs_tok_get_info(tok)->pad_id, 6);
	hs_tok_destroy(tok);
	files.tokenizer_config_json =
		SPAN("{\"pad_token\":\"a\",\"added_tokens_decoder\":{\"5\":{\"content\":\"a\"}}}");
	tok = create_ok(&files);
	assert_int_equal(hs_tok_get_info(tok)->pad_id, 5);
	hs_tok_destroy(tok);
}

static void a_missing_do_lower_case_lowercases_a_cased_model(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	files.tokenizer_config_json = SPAN("{}");
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "A", 4);
	hs_tok_destroy(tok);
	files.tokenizer_config_json = SPAN("{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}");
	tok = create_ok(&files);
	assert_ids(tok, "A", 9);
	hs_tok_destroy(tok);
	files.tokenizer_config_json = (struct hs_span){0}; // nobody names a class: tokenizer.json stands
	tok = create_ok(&files);
	assert_ids(tok, "A", 9);
	hs_tok_destroy(tok);
}

static void sides_and_the_longest_length_come_from_the_config(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	files.tokenizer_config_json =
		SPAN("{\"do_lower_case\":false,\"truncation_side\":\"left\",\"padding_side\":\"left\","
		     "\"model_max_length\":512}");
	struct hs_tok *tok = create_ok(&files);
	assert_true(hs_tok_get_info(tok)->truncate_left);
	assert_true(hs_tok_get_info(tok)->pad_left);
	assert_int_equal(hs_tok_get_info(tok)->model_max_length, 512);
	hs_tok_destroy(tok);
	files.tokenizer_config_json = SPAN("{\"model_max_length\":1000000000000000019884624838656}");
	tok = create_ok(&files);
	assert_int_equal(hs_tok_get_info(tok)->model_max_length, 0);
	hs_tok_destroy(tok);
}

#define EMPTY_POST   "\"post_processor\":null"
#define OTHER(model) JSON(model, NORMALIZER("true"), SPLIT, ADDED, EMPTY_POST)

static void an_old_file_without_a_model_type_is_told_by_its_keys(void **state)
{
	(void)state;
	struct hs_tok_files files =
		json_files(OTHER("\"model\":{\"max_input_chars_per_word\":100,\"vocab\":" VOCAB "}"));
	struct hs_tok *tok = create_ok(&files);
	assert_int_equal(hs_tok_get_info(tok)->nprefix, 0);
	hs_tok_destroy(tok);
}

static void a_vocabulary_that_the_scanner_gives_up_on_is_read_by_the_parser(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(OTHER("\"model\":{\"type\":\"WordPiece\",\"vocab\" : { \"[UNK]\":1.0, "
						     "\"\\u0061\\u0062\" :2,\"\\ud83d\\ude00\":3}}"));
	struct hs_tok *tok = create_ok(&files);
	assert_ids(tok, "ab \xf0\x9f\x98\x80 x", 2, 3, 1);
	hs_tok_destroy(tok);
	files = json_files(
		OTHER("\"model\":{\"type\":\"WordPiece\",\"vocab\" : { \"[UNK]\" : 1 , \"\\u0061\\u0062\":2,\n"
		      "\"\\ud83d\\ude00\":3, \"\\\"\":4}}"));
	tok = create_ok(&files);
	assert_ids(tok, "ab \xf0\x9f\x98\x80 x\"", 2, 3, 1, 4);
	hs_tok_destroy(tok);
}

static const struct {
	const char *json;
	int code;
	const char *sentence;
} refusals[] = {
	{"{", HSFEED_EBADTOKENIZER, "toy: tokenizer.json: line 1, column 1: string or '}' expected near end of file"},
	{"{\"model\":\n {\"type\":\"WordPiece\",\"vocab\":{\"a\":1,\n\"b\":}}}", HSFEED_EBADTOKENIZER,
	 "toy: tokenizer.json: line 3, column 5: unexpected token near '}'"},
	{"[]", HSFEED_EBADTOKENIZER, "toy: tokenizer.json: the file holds no JSON object"},
	{"", HSFEED_EBADTOKENIZER, "toy: tokenizer.json: the file is empty"},
	{"{}", HSFEED_EBADTOKENIZER, "toy: tokenizer.json: \"model\" must be an object"},
	{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}", HSFEED_EUNSUPPORTED,
	 "toy: tokenizer.json: not supported yet: model type BPE"},
	{"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}", HSFEED_EUNSUPPORTED,
	 "toy: tokenizer.json: not supported yet: model type BPE"},
	{"{\"model\":{\"vocab\":[[\"a\",0.5]]}}", HSFEED_EUNSUPPORTED,
	 "toy: tokenizer.json: not supported yet: model type Unigram"},
	{"{\"model\":{\"vocab\":{\"a\":0}}}", HSFEED_EUNSUPPORTED,
	 "toy: tokenizer.json: not supported yet: model type WordLevel"},
	{"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", HSFEED_EBADTOKENIZER,
	 "toy: tokenizer.json: \"model.unk_token\": \"[UNK]\" is not in \"model.vocab\""},
	{"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", HSFEED_EBADTOKENIZER,
	 "toy: tokenizer.json: \"model.unk_token\": \"[UNK]\" is not in \"model.vocab\""},
	{"{\"model\":{\"type\":\"WordPiece\",\"vocab\":[]}}", HSFEED_EBADTOKENIZER,
	 "toy: tokenizer.json: \"model.vocab\" must be an object of token: id"},
	{"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":-1}}}", HSFEED_EBADTOKENIZER,
	 "toy: tokenizer.json: \"model.vocab\": the id of \"[UNK]\" is not a whole number"},
	{"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":16777216}}}", HSFEED_EBADTOKENIZER,
	 "toy: tokenizer.json: \"model.vocab\": \"[UNK]\" is too long, or its id is over 16777215"},
	{"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":1,\"[UNK]\":2}}}", HSFEED_EBADTOKENIZER,
	 "toy: tokenizer.json: \"model.vocab\": 1 tokens are listed twice"},
	{"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":7,\"vocab\":{\"[UNK]\":1}}}", HSFEED_EBADTOKENIZER,
	 "toy: tokenizer.json: \"model.unk_token\" must be a string"},
	{JSON(MODEL, "\"normalizer\":{\"type\":\"NFC\"}", SPLIT, ADDED, POST), HSFEED_EUNSUPPORTED,
	 "toy: tokenizer.json: not supported yet: normalizer NFC"},
	{JSON(MODEL, "\"normalizer\":{\"type\":\"BertNormalizer\"}", SPLIT, ADDED, POST), HSFEED_EBADTOKENIZER,
	 "toy: tokenizer.json: \"normalizer.clean_text\" is missing"},
	{JSON(MODEL, NORMALIZER("true"), "\"pre_tokenizer\":{\"type\":\"Whitespace\"}", ADDED, POST),
	 HSFEED_EUNSUPPORTED, "toy: tokenizer.json: not supported yet: pre_tokenizer Whitespace"},
	{JSON(MODEL, NORMALIZER("true"), "\"pre_tokenizer\":null", ADDED, POST), HSFEED_EUNSUPPORTED,
	 "toy: tokenizer.json: not supported yet: pre_tokenizer null"},
	{JSON(MODEL, NORMALIZER("true"), SPLIT, ADDED, "\"post_processor\":{\"type\":\"RobertaProcessing\"}"),
	 HSFEED_EUNSUPPORTED, "toy: tokenizer.json: not supported yet: post_processor RobertaProcessing"},
	{JSON(MODEL, NORMALIZER("true"), SPLIT, ADDED,
	      "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",99],\"cls\":[\"[CLS]\",2]}"),
	 HSFEED_EBADTOKENIZER, "toy: tokenizer.json: \"post_processor\" has id 99, which no token has"},
	{JSON(MODEL, NORMALIZER("true"), SPLIT, ADDED,
	      "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}"),
	 HSFEED_EBADTOKENIZER, "toy: tokenizer.json: \"post_processor.single\" has no text \"A\""},
	{JSON(MODEL, NORMALIZER("true"), SPLIT, "\"added_tokens\":[7]", POST), HSFEED_EBADTOKENIZER,
	 "toy: tokenizer.json: an added token is not an object with a string \"content\""},
	{JSON(MODEL, NORMALIZER("true"), SPLIT, "\"added_tokens\":[{\"content\":\"\xe2\x80\x8d\",\"normalized\":true}]",
	      POST),
	 HSFEED_EUNSUPPORTED,
	 "toy: added token \"\xe2\x80\x8d\" (id 16) is looked for in normalized text, but the normalizer leaves "
	 "nothing of it"},
	{JSON(MODEL, NORMALIZER("true"), SPLIT, "\"added_tokens\":[{\"content\":\"<X>\"},{\"content\":\"<x>\"}]", POST),
	 HSFEED_EBADTOKENIZER, "toy: added tokens \"<X>\" (id 16) and \"<x>\" (id 17) are the same once normalized"},
};

static void files_that_cannot_be_used_are_refused_by_name_and_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct hs_tok_files files = json_files(refusals[i].json);
		assert_refused(&files, refusals[i].code, refusals[i].sentence);
	}
}

static void side_files_that_cannot_be_used_are_refused_by_name_and_key(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files(CASED);
	files.tokenizer_config_json = SPAN("{\"do_lower_case\":\"no\"}");
	assert_refused(&files, HSFEED_EBADTOKENIZER,
		       "toy: tokenizer_config.json: \"do_lower_case\" must be true or false");
	files.tokenizer_config_json = SPAN("{\"padding_side\":\"top\"}");
	assert_refused(&files, HSFEED_EBADTOKENIZER,
		       "toy: tokenizer_config.json: \"padding_side\" must be \"left\" or \"right\"");
	files.tokenizer_config_json = SPAN("{\"tokenizer_class\":\"XLNetTokenizer\"}");
	assert_refused(&files, HSFEED_EUNSUPPORTED,
		       "toy: tokenizer_config.json: not supported yet: tokenizer class XLNetTokenizer");
	files.tokenizer_config_json = SPAN("{\"added_tokens_decoder\":{\"x\":{}}}");
	assert_refused(&files, HSFEED_EBADTOKENIZER,
		       "toy: tokenizer_config.json: \"added_tokens_decoder\": key \"x\" is not an id");
	files.tokenizer_config_json = SPAN("{\"a\":1,\"a\":2}");
	assert_refused(&files, HSFEED_EBADTOKENIZER,
		       "toy: tokenizer_config.json: line 1, column 10: duplicate object key near '\"a\"'");
}

static void a_special_token_of_the_wrong_kind_names_its_own_file(void **state)
{
	(void)state;
	struct hs_tok_files files = {.name = "toy", .vocab_txt = SPAN("[UNK]\n[CLS]\n[SEP]\n")};
	files.special_tokens_map_json = SPAN("{\"unk_token\":3}");
	assert_refused(&files, HSFEED_EBADTOKENIZER,
		       "toy: special_tokens_map.json: \"unk_token\" must be a string or an added token");
	files.tokenizer_config_json = SPAN("{\"unk_token\":[\"[UNK]\"]}");
	files.special_tokens_map_json = (struct hs_span){0};
	assert_refused(&files, HSFEED_EBADTOKENIZER,
		       "toy: tokenizer_config.json: \"unk_token\" must be a string or an added token");
}

static void a_git_lfs_pointer_is_told_from_a_damaged_file(void **state)
{
	(void)state;
	struct hs_tok_files files = json_files("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n");
	assert_refused(&files, HSFEED_EBADTOKENIZER,
		       "toy: tokenizer.json: this is a Git LFS pointer, not the file it points to");
	files = (struct hs_tok_files){.name = "toy", .vocab_txt = files.tokenizer_json};
	assert_refused(&files, HSFEED_EBADTOKENIZER,
		       "toy: vocab.txt: this is a Git LFS pointer, not the file it points to");
}

static void folders_without_a_tokenizer_are_refused(void **state)
{
	(void)state;
	struct hs_tok_files files = {.name = "toy"};
	assert_refused(&files, HSFEED_EBADTOKENIZER, "toy: no tokenizer here: neither tokenizer.json nor vocab.txt");
	files.merges_txt = SPAN("a b");
	assert_refused(&files, HSFEED_EUNSUPPORTED, "toy: merges.txt: not supported yet: model type BPE");
	files = (struct hs_tok_files){.name = "toy", .vocab_txt = SPAN("[UNK]\nab\xff\n")};
	assert_refused(&files, HSFEED_EBADTOKENIZER, "toy: vocab.txt: line 2 is not UTF-8 (byte offset 8)");
	files.vocab_txt = SPAN("a\nb\n");
	assert_refused(&files, HSFEED_EBADTOKENIZER,
		       "toy: vocab.txt: the unk_token \"[UNK]\" is not in the vocabulary");
	files.vocab_txt = SPAN("");
	assert_refused(&files, HSFEED_EBADTOKENIZER, "toy: vocab.txt: the file is empty");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vocab_lines_keep_their_numbers_and_the_last_duplicate_wins),
		cmocka_unit_test(vocab_lines_end_as_in_python_text_mode),
		cmocka_unit_test(a_vocabulary_alone_lowercases),
		cmocka_unit_test(special_tokens_that_the_vocabulary_lacks_get_new_ids),
		cmocka_unit_test(the_map_of_special_tokens_counts_where_there_is_no_decoder),
		cmocka_unit_test(a_missing_do_lower_case_lowercases_a_cased_model),
		cmocka_unit_test(sides_and_the_longest_length_come_from_the_config),
		cmocka_unit_test(an_old_file_without_a_model_type_is_told_by_its_keys),
		cmocka_unit_test(a_vocabulary_that_the_scanner_gives_up_on_is_read_by_the_parser),
		cmocka_unit_test(files_that_cannot_be_used_are_refused_by_name_and_key),
		cmocka_unit_test(side_files_that_cannot_be_used_are_refused_by_name_and_key),
		cmocka_unit_test(a_special_token_of_the_wrong_kind_names_its_own_file),
		cmocka_unit_test(a_git_lfs_pointer_is_told_from_a_damaged_file),
		cmocka_unit_test(folders_without_a_tokenizer_are_refused),
	};
	return cmocka_run_group_tests_name("tok_load", tests, NULL, NULL);
}
