// SPDX-License-Identifier: Apache-2.0
#include "ingest/words.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct word {
	const char *word;
	int value;
};

static const struct word delimiters[] = {{"auto", 0}, {"comma", ','}, {"tab", '\t'}, {"semicolon", ';'}};
static const struct word nas[] = {{"pandas", HS_NA_PANDAS}, {"pandas1", HS_NA_PANDAS1}, {"empty", HS_NA_EMPTY}};
static const struct word bad_rows_words[] = {{"error", HS_BAD_ROWS_ERROR}, {"skip", HS_BAD_ROWS_SKIP}};
static const struct word label_types[] = {{"class", HS_LABEL_CLASS}, {"float", HS_LABEL_FLOAT}};
static const struct word steps[] = {
	{"urls", HS_CLEAN_URLS}, {"whitespace", HS_CLEAN_WHITESPACE}, {"latin", HS_CLEAN_LATIN}};

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static const struct word *find_word(const struct word *table, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].word, word) == 0)
			return &table[i];
	}
	return NULL;
}

static const char *find_value(const struct word *table, size_t n, int value)
{
	for (size_t i = 0; i < n; i++) {
		if (table[i].value == value)
			return table[i].word;
	}
	return NULL;
}

static int refuse(const char *option, const char *word, const char *words, struct hs_err *reterr)
{
	hs_err_set(reterr, HSFEED_EBADREQUEST, "the option %s cannot be \"%.64s\"", option, word);
	return hs_err_hint(reterr, "it takes %s", words);
}

static bool ends_in_tsv(const char *name)
{
	size_t len = name ? strlen(name) : 0;
	return len >= 4 && strcasecmp(name + len - 4, ".tsv") == 0;
}

int hs_words_delimiter(const char *word, const char *file_name, struct hs_source_options *ret, struct hs_err *reterr)
{
	if (!word) {
		ret->delimiter = ends_in_tsv(file_name) ? '\t' : ',';
		ret->delimiter_given = false;
		return 0;
	}
	const struct word *w = find_word(delimiters, COUNT(delimiters), word);
	bool byte = strlen(word) == 1 && (unsigned char)word[0] < 0x80 && !strchr("\"\r\n", word[0]);
	if (!w && !byte)
		return refuse("delimiter", word, "auto, comma, tab, semicolon or one ASCII character that is no quote",
			      reterr);
	ret->delimiter = w ? w->value : word[0];
	ret->delimiter_given = true;
	return 0;
}

int hs_words_charset(const char *word, char *ret_name, size_t cap, struct hs_err *reterr)
{
	if (!word || strcasecmp(word, "utf8") == 0)
		word = "utf-8";
	size_t len = strlen(word);
	if (len == 0 || len >= cap)
		return refuse("charset", word, "the name of a charset, as iconv --list has it", reterr);
	for (size_t i = 0; i <= len; i++)
		ret_name[i] = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] + 32) : word[i];
	return 0;
}

int hs_words_na(const char *word, enum hs_na *ret, struct hs_err *reterr)
{
	const struct word *w = find_word(nas, COUNT(nas), word ? word : "pandas");
	if (!w)
		return refuse("na", word, "pandas, pandas1 or empty", reterr);
	*ret = (enum hs_na)w->value;
	return 0;
}

int hs_words_bad_rows(const char *word, enum hs_bad_rows *ret, struct hs_err *reterr)
{
	const struct word *w = find_word(bad_rows_words, COUNT(bad_rows_words), word ? word : "error");
	if (!w)
		return refuse("bad_rows", word, "error or skip", reterr);
	*ret = (enum hs_bad_rows)w->value;
	return 0;
}

int hs_words_label_type(const char *word, enum hs_label_type *ret, struct hs_err *reterr)
{
	const struct word *w = word ? find_word(label_types, COUNT(label_types), word) : NULL;
	if (word && !w)
		return refuse("label_type", word, "class or float", reterr);
	*ret = w ? (enum hs_label_type)w->value : HS_LABEL_AUTO;
	return 0;
}

const char *hs_words_of_na(enum hs_na na)
{
	return find_value(nas, COUNT(nas), (int)na);
}

const char *hs_words_of_bad_rows(enum hs_bad_rows bad_rows)
{
	return find_value(bad_rows_words, COUNT(bad_rows_words), (int)bad_rows);
}

void hs_words_of_delimiter(int delimiter, char ret_text[16])
{
	const char *word = find_value(delimiters, COUNT(delimiters), delimiter);
	if (word)
		snprintf(ret_text, 16, "%s", word);
	else
		snprintf(ret_text, 16, "%c", delimiter);
}

const char *hs_words_of_labels(const struct hs_source *s)
{
	if (s->nlabels == 0)
		return "none";
	return s->label_classes ? "class" : "float";
}

int hs_words_of_step(struct hs_buf *b, const struct hs_clean_step *step)
{
	const char *word = find_value(steps, COUNT(steps), (int)step->kind);
	if (word)
		return hs_buf_printf(b, "%s", word);
	return hs_buf_printf(b, "remove:%.*s", (int)step->text.len, step->text.ptr);
}
