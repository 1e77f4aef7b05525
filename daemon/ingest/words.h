// SPDX-License-Identifier: Apache-2.0
// The words of OPTIONS (PROTOCOL.md) and what they stand for, both ways: requests come in words, identities and `show`
// go out in words.
#ifndef HS_INGEST_WORDS_H
#define HS_INGEST_WORDS_H

#include "base/buf.h"
#include "base/err.h"
#include "text/source.h"

// Every function reads a word that may be NULL (not given). 0, or HSFEED_EBADREQUEST naming the option and its words.
int hs_words_delimiter(const char *word, const char *file_name, struct hs_source_options *ret, struct hs_err *reterr);
int hs_words_charset(const char *word, char *ret_name, size_t cap,
		     struct hs_err *reterr); // lower case, "utf8" is utf-8
int hs_words_na(const char *word, enum hs_na *ret, struct hs_err *reterr);
int hs_words_bad_rows(const char *word, enum hs_bad_rows *ret, struct hs_err *reterr);
int hs_words_label_type(const char *word, enum hs_label_type *ret, struct hs_err *reterr);

const char *hs_words_of_na(enum hs_na na);
const char *hs_words_of_bad_rows(enum hs_bad_rows bad_rows);
// hs_words_of_delimiter: "comma", "tab", "semicolon", or the byte itself, written to ret_text.
void hs_words_of_delimiter(int delimiter, char ret_text[16]);
// hs_words_of_labels: "float", "class" or "none", as resolved.
const char *hs_words_of_labels(const struct hs_source *s);

// hs_words_of_step appends one cleaning step's word. 0 or -ENOMEM.
int hs_words_of_step(struct hs_buf *b, const struct hs_clean_step *step);

#endif
