// SPDX-License-Identifier: Apache-2.0
// What Hugging Face's BERT normalizer and pre-tokenizer know about characters (their tables, of several Unicode
// versions, not any one Unicode library's). Measured by make_bert_tables.py.
#ifndef HS_TOK_CHARS_H
#define HS_TOK_CHARS_H

#include <stdbool.h>
#include <stdint.h>

#define HS_CHARS_END            0x110000u // one past the last code point
#define HS_CHARS_MAX_DECOMPOSED 4         // longest canonical decomposition

enum hs_chars_flag {
	HS_CHARS_REMOVED = 1,  // clean_text drops it
	HS_CHARS_SPACED = 2,   // clean_text makes it U+0020
	HS_CHARS_CJK = 4,      // handle_chinese_chars puts spaces around it
	HS_CHARS_SPLIT = 8,    // white space for the pre-tokenizer (and for lstrip, rstrip)
	HS_CHARS_PUNCT = 16,   // a word of its own
	HS_CHARS_MARK = 32,    // strip_accents drops it
	HS_CHARS_REORDER = 64, // canonical combining class is not 0
	HS_CHARS_FOLDS = 128,  // has a decomposition or a lower case
};

// hs_chars_create gives the flags of every code point, HS_CHARS_END bytes; free() it. NULL when out of memory.
uint8_t *hs_chars_create(void);

// hs_chars_decompose writes the full canonical decomposition (cp itself if it has none) and returns its length, 1-4.
unsigned hs_chars_decompose(uint32_t cp, uint32_t out[HS_CHARS_MAX_DECOMPOSED]);
// hs_chars_lower writes the lower case (cp itself if it has none) and returns its length, 1 or 2.
unsigned hs_chars_lower(uint32_t cp, uint32_t out[2]);
unsigned hs_chars_combining_class(uint32_t cp);
bool hs_chars_is_word(uint32_t cp); // may not touch a single_word added token

#endif
