// SPDX-License-Identifier: Apache-2.0
#include "plan/rowlist.h"

#include <stdlib.h>
#include <string.h>

#define ROW_BYTES  32u        // of a number of ten digits, with its comma and much indentation
#define FREE_BYTES (4u << 20) // of 65,534 folds' brackets and keys

uint64_t hs_row_list_max_bytes(size_t nrows)
{
	return (uint64_t)nrows * ROW_BYTES + FREE_BYTES;
}

struct list {
	const char *at, *end;
	unsigned long line;
	size_t nrows, listed;
	uint16_t *fold_of_row;
	uint8_t *seen; // [HS_PLAN_MAX_FOLDS]: folds that have a line
	uint32_t nfolds;
	struct hs_err *err;
};

// ---- characters ----

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void skip_blanks(struct list *l)
{
	while (l->at < l->end && (*l->at == ' ' || *l->at == '\t' || *l->at == '\r'))
		l->at++;
}

static bool at_line_end(struct list *l)
{
	skip_blanks(l);
	return l->at == l->end || *l->at == '\n';
}

static bool take(struct list *l, const char *word)
{
	size_t len = strlen(word);
	skip_blanks(l);
	if ((size_t)(l->end - l->at) < len || memcmp(l->at, word, len) != 0)
		return false;
	l->at += len;
	return true;
}

// What stands here, for a sentence: bytes of any kind must not get into it.
static const char *name_byte(const struct list *l, char ret[16])
{
	static const char digits[] = "0123456789abcdef";
	if (l->at == l->end)
		return "the end of the file";
	if (*l->at == '\n')
		return "the end of the line";
	unsigned char c = (unsigned char)*l->at;
	bool plain = c > 0x20 && c < 0x7f;
	char shown[16] = {'"', (char)c, '"'},
	     coded[16] = {'b', 'y', 't', 'e', ' ', '0', 'x', digits[c / 16], digits[c % 16]};
	return memcpy(ret, plain ? shown : coded, 16);
}

static int expected(struct list *l, const char *what)
{
	char text[16];
	return hs_err_set(l->err, HSFEED_EBADPLAN, "line %lu: %s is expected, and here is %s", l->line, what,
			  name_byte(l, text));
}

// ---- numbers and rows ----

// Digits; beyond `most` a number stops growing, and is too large whatever follows.
static int take_number(struct list *l, uint64_t most, const char *what, uint64_t *ret)
{
	uint64_t n = 0;
	skip_blanks(l);
	if (l->at == l->end || !is_digit(*l->at))
		return expected(l, what);
	for (; l->at < l->end && is_digit(*l->at); l->at++)
		n = n > most ? n : n * 10 + (uint64_t)(*l->at - '0');
	*ret = n;
	return 0;
}

static int take_row(struct list *l, uint32_t fold)
{
	uint64_t row = 0;
	int rc = take_number(l, UINT32_MAX, "a row's number", &row);
	if (rc < 0)
		return rc;
	if (row >= l->nrows) {
		hs_err_set(l->err, HSFEED_EBADPLAN, "line %lu: there is no row %llu%s: the version has %zu", l->line,
			   (unsigned long long)row, row > UINT32_MAX ? "..." : "", l->nrows);
		return hs_err_hint(l->err, "rows count from 0, in the version's order: hsfeed rows prints them");
	}
	if (l->fold_of_row[row] != HS_FOLD_NONE)
		return hs_err_set(l->err, HSFEED_EBADPLAN, "line %lu: row %llu is listed twice", l->line,
				  (unsigned long long)row);
	l->fold_of_row[row] = (uint16_t)fold;
	l->listed++;
	return 0;
}

// ---- lines ----

static int take_fold_number(struct list *l, uint32_t *ret)
{
	uint64_t fold = 0;
	if (!take(l, "{"))
		return expected(l, "{");
	if (!take(l, "\"fold\"") || !take(l, ":"))
		return expected(l, "\"fold\":");
	int rc = take_number(l, HS_PLAN_MAX_FOLDS, "a fold's number", &fold);
	if (rc < 0)
		return rc;
	if (fold >= HS_PLAN_MAX_FOLDS)
		return hs_err_set(l->err, HSFEED_EBADPLAN, "line %lu: folds count from 0 to %d", l->line,
				  HS_PLAN_MAX_FOLDS - 1);
	if (l->seen[fold])
		return hs_err_set(l->err, HSFEED_EBADPLAN, "line %lu: fold %llu is there twice", l->line,
				  (unsigned long long)fold);
	*ret = (uint32_t)fold;
	return 0;
}

static int take_rows(struct list *l, uint32_t fold)
{
	if (!take(l, ",") || !take(l, "\"val\"") || !take(l, ":") || !take(l, "["))
		return expected(l, ",\"val\":[");
	if (take(l, "]"))
		return hs_err_set(l->err, HSFEED_EBADPLAN, "line %lu: fold %u has no rows", l->line, fold);
	do {
		int rc = take_row(l, fold);
		if (rc < 0)
			return rc;
	} while (take(l, ","));
	return take(l, "]") ? 0 : expected(l, "\",\" or \"]\"");
}

static int read_fold(struct list *l)
{
	uint32_t fold = 0;
	int rc = take_fold_number(l, &fold);
	if (rc == 0)
		rc = take_rows(l, fold);
	if (rc == 0 && !take(l, "}"))
		rc = expected(l, "}");
	if (rc < 0)
		return rc;
	l->seen[fold] = 1;
	l->nfolds = fold >= l->nfolds ? fold + 1 : l->nfolds;
	return 0;
}

static int read_row(struct list *l)
{
	l->nfolds = 1;
	l->seen[0] = 1;
	return take_row(l, 0);
}

static int read_lines(struct list *l)
{
	int (*read_line)(struct list *) = NULL; // the first that is not empty says which kind all are
	for (; l->at < l->end; l->at++, l->line++) {
		if (at_line_end(l))
			continue;
		if (!read_line)
			read_line = *l->at == '{' ? read_fold : read_row;
		int rc = read_line(l);
		if (rc == 0 && !at_line_end(l))
			rc = expected(l, "the end of the line");
		if (rc < 0)
			return rc;
		if (l->at == l->end)
			break;
	}
	return 0;
}

static int check_folds(const struct list *l)
{
	uint32_t fold = 0;
	if (l->listed == 0) {
		hs_err_set(l->err, HSFEED_EBADPLAN, "it lists no rows");
		return hs_err_hint(l->err, "one row number to a line, or {\"fold\":0,\"val\":[...]} for each fold");
	}
	while (fold < l->nfolds && l->seen[fold])
		fold++;
	if (fold < l->nfolds)
		return hs_err_set(l->err, HSFEED_EBADPLAN, "fold %u is missing, and there are folds up to %u", fold,
				  l->nfolds - 1);
	if (l->nfolds == 1 && l->listed == l->nrows)
		return hs_err_set(l->err, HSFEED_EBADPLAN, "it lists every row, and none is left to train");
	return 0;
}

int hs_row_list_read(struct hs_span text, size_t nrows, uint16_t *ret_fold_of_row, uint32_t *ret_nfolds,
		     struct hs_err *reterr)
{
	struct hs_err unused;
	struct list l = {.at = text.ptr,
			 .end = text.ptr + text.len,
			 .line = 1,
			 .nrows = nrows,
			 .fold_of_row = ret_fold_of_row,
			 .seen = hs_array(HS_PLAN_MAX_FOLDS, 1),
			 .err = reterr ? reterr : &unused};
	if (!l.seen)
		return hs_err_nomem(reterr, "reading row numbers");
	if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
		l.at += 3;
	for (size_t row = 0; row < nrows; row++)
		ret_fold_of_row[row] = HS_FOLD_NONE;
	int rc = read_lines(&l);
	if (rc == 0)
		rc = check_folds(&l);
	if (rc == 0)
		*ret_nfolds = l.nfolds;
	free(l.seen);
	return rc;
}
