// SPDX-License-Identifier: Apache-2.0
// The compiled tokenizer: what encode.c walks through.
#ifndef HS_TOK_COMPILE_H
#define HS_TOK_COMPILE_H

#include "tok/chars.h"
#include "tok/spec.h"
#include "tok/trie.h"

// What a code point means, in one 32-bit word: class in the top byte, a value below. Ordinary characters have class 0
// and their dense code as the value, so the common case is one comparison; code 0 is a character that no vocabulary
// entry has.
enum hs_tok_char_class {
	HS_TOK_ORDINARY = 0,
	HS_TOK_SPACE = 1,   // ends a word
	HS_TOK_OWN = 2,     // a word by itself; value: its id
	HS_TOK_DROPPED = 3, // not there
	HS_TOK_FOLDED = 4,  // several characters; value: where in `pool` their number and their words begin
	HS_TOK_REORDER = 5, // a mark that may change places with its neighbours: the piece takes the slow way
};

#define HS_TOK_WORD(class, value) ((uint32_t)(class) << 24 | (value))
#define HS_TOK_WORD_CLASS(word)   ((word) >> 24)
#define HS_TOK_WORD_VALUE(word)   ((word)&0xFFFFFFu)

enum { HS_TOK_ROOT_START = 0, HS_TOK_ROOT_INSIDE = 1 }; // roots of the vocabulary's trie

// Added tokens of one kind, over bytes (code = byte + 1); the values are indexes into hs_tok_spec.added.
struct hs_tok_matcher {
	struct hs_trie trie;
	bool starts[256]; // bytes that a token can begin with
	unsigned nstarts; // how many; 0: no tokens
	uint8_t first_start;
};

struct hs_tok {
	struct hs_tok_spec spec;
	uint8_t *chars;  // hs_chars_create's
	uint32_t *raw;   // per code point of a raw text: normalizer and pre-tokenizer in one step
	uint32_t *plain; // per code point of a normalized text: pre-tokenizer only
	uint32_t *pool;
	size_t npool, pool_cap;
	struct hs_trie words;
	struct hs_tok_matcher literal;    // on raw text
	struct hs_tok_matcher normalized; // on normalized text
	struct hs_buf settings;
};

// hs_tok_compile fills everything from tok->spec. 0, -ENOMEM, or HSFEED_EUNSUPPORTED for an added token that the
// normalizer leaves nothing of, HSFEED_EBADTOKENIZER for two that it makes one.
int hs_tok_compile(struct hs_tok *tok, struct hs_err *reterr);

#endif
