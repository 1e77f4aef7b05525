// SPDX-License-Identifier: Apache-2.0
// Any bytes at all as one of a tokenizer's files. As a normal test it damages small good files in many ways. As a
// fuzzer: compile this file, daemon/tok/*.c and daemon/base/*.c with clang -g -O1 -fsanitize=fuzzer,address,undefined
// -DHSFEED_LIBFUZZER -ljansson -lcrypto. The first byte says which file the rest is.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "tok/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond)                                                                                                  \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "fuzz_tok: line %d: %s\n", __LINE__, #cond);                                   \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

enum { TOKENIZER, CONFIG, SPECIALS, VOCAB, NFILES };

static const char *const good[NFILES] = {
	"{\"added_tokens\":[{\"id\":7,\"content\":\"<u>\",\"single_word\":true,\"lstrip\":true,\"normalized\":true},"
	"{\"content\":\"[SEP]\",\"special\":true,\"rstrip\":true}],\"normalizer\":{\"type\":\"BertNormalizer\","
	"\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},"
	"\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":\"TemplateProcessing\","
	"\"single\":"
	"[{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
	"\"special_tokens\":{\"[SEP]\":{\"ids\":[1]}}},\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
	"\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":10,\"vocab\":{\"[UNK]\":0,\"[SEP]\":1,"
	"\"a\":2,\"##b\":3,\"\\u00e9\":4,\"ab\":5,\"\xe0\xa6\x95\":6}}}",
	"{\"do_lower_case\":false,\"tokenizer_class\":\"BertTokenizer\",\"model_max_length\":512,\"mask_token\":"
	"{\"content\":\"<m>\",\"lstrip\":true},\"added_tokens_decoder\":{\"9\":{\"content\":\"<x>\"}},"
	"\"additional_special_tokens\":[\"<y>\"],\"padding_side\":\"left\"}",
	"{\"pad_token\":\"a\",\"unk_token\":{\"content\":\"[UNK]\"}}",
	"[PAD]\n[UNK]\r\n[CLS]\n[SEP]\n[MASK]\na\n##b\n\n\xe2\x80\xa8\n",
};

static const char text[] = "ab <u> \xc3\x89[SEP] abbbbbbbbbbb <x>a<y>\xe0\xa6\x95\xe2\x80\x8d\xe4\xb8\xad "
			   "e\xcc\x81\xcc\xa3\xe3\x80\xae\xf0\x9d\x85\xa5 \xea\xb0\x81\xe2\x80\xa8[MASK]";

static void check_encoding(const struct hs_tok *tok)
{
	const struct hs_tok_info *info = hs_tok_get_info(tok);
	struct hs_tok_scratch *scratch = NULL;
	struct hs_ids ids = {0};
	REQUIRE(hs_tok_scratch_create(&scratch) == 0);
	for (size_t cut = 0; cut < sizeof(text); cut += 7) { // also through the middle of characters
		ids.n = 0;
		REQUIRE(hs_tok_encode(tok, scratch, (struct hs_span){text, cut}, &ids) == 0);
		for (size_t i = 0; i < ids.n; i++)
			REQUIRE(ids.ids[i] < info->vocab_size);
	}
	REQUIRE(hs_utf8_check(info->settings, strlen(info->settings)) == strlen(info->settings));
	REQUIRE(!strchr(info->settings, '\n'));
	hs_ids_fini(&ids);
	hs_tok_scratch_destroy(scratch);
}

static void check_files(const struct hs_tok_files *files)
{
	struct hs_tok *tok = NULL;
	struct hs_err err = {0};
	int rc = hs_tok_create(files, &tok, &err);
	REQUIRE(rc == 0 || rc == HSFEED_EBADTOKENIZER || rc == HSFEED_EUNSUPPORTED);
	if (rc == 0) {
		check_encoding(tok);
	} else {
		REQUIRE(!tok && err.code == rc && err.message[0]);
		REQUIRE(hs_utf8_check(err.message, strlen(err.message)) == strlen(err.message));
	}
	hs_tok_destroy(tok);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	unsigned which = data[0] % NFILES;
	struct hs_span bytes = {(const char *)data + 1, size - 1};
	struct hs_tok_files files = {.name = "toy"};
	*(which == TOKENIZER  ? &files.tokenizer_json
	  : which == CONFIG   ? &files.tokenizer_config_json
	  : which == SPECIALS ? &files.special_tokens_map_json
			      : &files.vocab_txt) = bytes;
	if (which == CONFIG || which == SPECIALS)
		files.tokenizer_json = (struct hs_span){good[TOKENIZER], strlen(good[TOKENIZER])};
	check_files(&files);
	return 0;
}

#ifndef HSFEED_LIBFUZZER
static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

// One to four bytes changed, doubled or taken out.
static size_t damage(uint8_t *data, size_t len, size_t cap, uint32_t *seed)
{
	static const char spice[] = "{}[]\",:\\0129ea\xff\xc3 \n";
	for (uint32_t n = 1 + next_random(seed) % 4; n > 0 && len > 2; n--) {
		size_t at = 1 + next_random(seed) % (len - 1);
		uint32_t kind = next_random(seed) % 3;
		if (kind == 0) {
			data[at] = (uint8_t)spice[next_random(seed) % (sizeof(spice) - 1)];
		} else if (kind == 1 && len < cap) {
			memmove(data + at + 1, data + at, len++ - at);
		} else {
			memmove(data + at, data + at + 1, --len - at);
		}
	}
	return len;
}

static void try_exactly(const uint8_t *data, size_t len) // in a block of that very length, for AddressSanitizer
{
	uint8_t *copy = malloc(len);
	REQUIRE(copy);
	memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

int main(void)
{
	uint32_t seed = 1;
	for (uint8_t which = 0; which < NFILES; which++) {
		uint8_t data[2048] = {which};
		size_t len = strlen(good[which]) + 1;
		memcpy(data + 1, good[which], len - 1);
		for (size_t cut = 1; cut <= len; cut += 1 + cut / 64)
			try_exactly(data, cut);
		for (int round = 0; round < 150; round++) {
			uint8_t bad[2048];
			memcpy(bad, data, len);
			try_exactly(bad, damage(bad, len, sizeof(bad), &seed));
		}
	}
	return 0;
}
#endif
