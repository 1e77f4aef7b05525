// SPDX-License-Identifier: Apache-2.0
#include "plan/predefined.h"

#include <limits.h>
#include <stdlib.h>

#define SHOWN_BYTES 40

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

// Digits up to the first that is none; fold numbers are small, so longer ones stop growing.
static const char *read_digits(const char *at, const char *end, int64_t *ret)
{
	int64_t value = 0;
	for (; at < end && is_digit(*at); at++)
		value = value > INT64_MAX / 100 ? value : value * 10 + (*at - '0');
	*ret = value;
	return at;
}

static const char *skip_zero_fraction(const char *at, const char *end)
{
	if (at == end || *at != '.')
		return at;
	for (at++; at < end && *at == '0';)
		at++;
	return at;
}

int hs_fold_number(struct hs_span cell, int64_t *ret, struct hs_err *reterr)
{
	const char *at = cell.ptr, *end = cell.ptr + cell.len;
	int64_t value = 0;
	while (at < end && is_blank(*at))
		at++;
	while (at < end && is_blank(end[-1]))
		end--;
	bool negative = at < end && *at == '-';
	if (at < end && (*at == '-' || *at == '+'))
		at++;
	bool digits = at < end && is_digit(*at);
	at = skip_zero_fraction(read_digits(at, end, &value), end);
	if (!digits || at != end) {
		if (cell.len == 0)
			return hs_err_set(reterr, HSFEED_EBADPLAN, "a fold number is missing");
		return hs_err_set(reterr, HSFEED_EBADPLAN, "\"%.*s\" is not a fold number",
				  (int)(cell.len < SHOWN_BYTES ? cell.len : SHOWN_BYTES), cell.ptr);
	}
	*ret = negative ? -value : value;
	return 0;
}

static int check_numbers(const int64_t *numbers, size_t n, int64_t *ret_largest, struct hs_err *reterr)
{
	int64_t largest = -1;
	for (size_t i = 0; i < n; i++) {
		if (numbers[i] < -1 || numbers[i] >= HS_PLAN_MAX_FOLDS)
			return hs_err_set(reterr, HSFEED_EBADPLAN,
					  "row %zu has fold %lld: folds are 0 to %d, and -1 for rows that always train",
					  i, (long long)numbers[i], HS_PLAN_MAX_FOLDS - 1);
		largest = numbers[i] > largest ? numbers[i] : largest;
	}
	*ret_largest = largest;
	return 0;
}

static int check_each_has_rows(const int64_t *numbers, size_t n, uint32_t nfolds, struct hs_err *reterr)
{
	bool *used = hs_array(nfolds, sizeof(*used));
	if (used == NULL)
		return hs_err_nomem(reterr, "checking fold numbers");
	for (size_t i = 0; i < n; i++)
		if (numbers[i] >= 0)
			used[numbers[i]] = true;
	uint32_t fold = 0;
	while (fold < nfolds && used[fold])
		fold++;
	free(used);
	if (fold == nfolds)
		return 0;
	hs_err_set(reterr, HSFEED_EBADPLAN, "no row has fold %u, but there are folds up to %u", fold, nfolds - 1);
	hs_err_hint(reterr, "folds count from 0 without gaps; -1 marks rows that always train");
	return HSFEED_EBADPLAN;
}

int hs_predefined_folds(const int64_t *numbers, size_t n, uint16_t *ret_fold_of_row, uint32_t *ret_nfolds,
			struct hs_err *reterr)
{
	int64_t largest = -1;
	int rc = check_numbers(numbers, n, &largest, reterr);
	if (rc < 0)
		return rc;
	rc = check_each_has_rows(numbers, n, (uint32_t)(largest + 1), reterr);
	if (rc < 0)
		return rc;
	if (largest < 1)
		return hs_err_set(reterr, HSFEED_EBADPLAN, "the fold numbers make %d fold%s, and a plan has at least 2",
				  (int)largest + 1, largest == 0 ? "" : "s");
	for (size_t i = 0; i < n; i++)
		ret_fold_of_row[i] = numbers[i] < 0 ? HS_FOLD_NONE : (uint16_t)numbers[i];
	*ret_nfolds = (uint32_t)(largest + 1);
	return 0;
}
