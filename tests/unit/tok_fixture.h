// SPDX-License-Identifier: Apache-2.0
// For the tokenizer's unit tests: small folders in memory, and encoding by C strings.
#ifndef HS_TESTS_TOK_FIXTURE_H
#define HS_TESTS_TOK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "tok/tok.h"

#define SPAN(text) ((struct hs_span){(text), strlen(text)})

#define VOCAB                                                                                                          \
	"{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,\"a\":4,\"b\":5,\"##b\":6,\"ab\":7,\"##c\":8,\"A\":9,"       \
	"\"e\":10,\"-\":11,\"\xe4\xb8\xad\":12,\"\xe0\xa6\x95\":13,\"##\xe0\xa6\x95\":14,\"\xc3\xa9\":15}"
#define NORMALIZER(lower)                                                                                              \
	"\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"               \
	"\"strip_accents\":null,\"lowercase\":" lower "}"
#define MODEL_OF(vocab) "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":" vocab "}"

#define MODEL MODEL_OF(VOCAB)

#define SPLIT "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"

#define ADDED "\"added_tokens\":[{\"id\":3,\"content\":\"[SEP]\",\"special\":true}]"

#define POST "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",3],\"cls\":[\"[CLS]\",2]}"

#define JSON(model, normalizer, split, added, post) "{" model "," normalizer "," split "," added "," post "}"

#define CASED   JSON(MODEL, NORMALIZER("false"), SPLIT, ADDED, POST)
#define UNCASED JSON(MODEL, NORMALIZER("true"), SPLIT, ADDED, POST)

static inline struct hs_tok_files json_files(const char *tokenizer_json)
{
	return (struct hs_tok_files){.name = "toy", .tokenizer_json = SPAN(tokenizer_json)};
}

static inline struct hs_tok *create_ok(const struct hs_tok_files *files)
{
	struct hs_tok *tok = NULL;
	struct hs_err err = {0};
	int rc = hs_tok_create(files, &tok, &err);
	if (rc != 0)
		print_error("%s\n", err.message);
	assert_int_equal(rc, 0);
	return tok;
}

static inline void assert_refused(const struct hs_tok_files *files, int code, const char *sentence)
{
	struct hs_tok *tok = NULL;
	struct hs_err err = {0};
	assert_int_equal(hs_tok_create(files, &tok, &err), code);
	assert_int_equal(err.code, code);
	assert_null(tok);
	assert_string_equal(err.message, sentence);
}

static inline void assert_ids_n(const struct hs_tok *tok, struct hs_span text, const uint32_t *want, size_t n)
{
	struct hs_tok_scratch *scratch = NULL;
	struct hs_ids ids = {0};
	assert_int_equal(hs_tok_scratch_create(&scratch), 0);
	assert_int_equal(hs_tok_encode(tok, scratch, text, &ids), 0);
	assert_int_equal(ids.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(ids.ids[i], want[i]);
	hs_ids_fini(&ids);
	hs_tok_scratch_destroy(scratch);
}

#define COUNT_IDS(...) (sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

#define IDS(...) ((const uint32_t[]){__VA_ARGS__}), COUNT_IDS(__VA_ARGS__)

#define assert_ids(tok, text, ...) assert_ids_n(tok, SPAN(text), IDS(__VA_ARGS__))

#endif
