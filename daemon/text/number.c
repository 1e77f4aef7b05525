// SPDX-License-Identifier: Apache-2.0
#include "text/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PYTHON_INT_DIGITS 4300 // sys.int_info.default_max_str_digits

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t skip_spaces(struct hs_span w, size_t i)
{
	while (i < w.len && is_space(w.ptr[i]))
		i++;
	return i;
}

static size_t skip_digits(struct hs_span w, size_t i)
{
	while (i < w.len && is_digit(w.ptr[i]))
		i++;
	return i;
}

static size_t skip_sign(struct hs_span w, size_t i)
{
	return i < w.len && (w.ptr[i] == '-' || w.ptr[i] == '+') ? i + 1 : i;
}

// The digits from i on as a number up to `limit`, then blanks.
static enum hs_number digits_upto(struct hs_span w, size_t i, uint64_t limit, uint64_t *ret)
{
	uint64_t value = 0;
	bool over = false;
	size_t end = skip_digits(w, i);
	if (end == i)
		return HS_NUMBER_NOT;
	for (; i < end; i++) {
		uint64_t digit = (uint64_t)(w.ptr[i] - '0');
		over = over || value > (limit - digit) / 10;
		value = over ? 0 : value * 10 + digit;
	}
	if (over)
		return end == w.len ? HS_NUMBER_OVERFLOW : HS_NUMBER_NOT;
	if (skip_spaces(w, end) != w.len)
		return HS_NUMBER_NOT;
	*ret = value;
	return HS_NUMBER_OK;
}

enum hs_number hs_number_int64(struct hs_span word, int64_t *ret)
{
	size_t i = skip_spaces(word, 0);
	bool negative = i < word.len && word.ptr[i] == '-';
	uint64_t value;
	enum hs_number rc = digits_upto(word, skip_sign(word, i), (uint64_t)INT64_MAX + negative, &value);
	if (rc == HS_NUMBER_OK)
		*ret = negative ? (int64_t)(0 - value) : (int64_t)value;
	return rc;
}

enum hs_number hs_number_uint64(struct hs_span word, uint64_t *ret)
{
	size_t i = skip_spaces(word, 0);
	if (i < word.len && word.ptr[i] == '+')
		i++;
	return digits_upto(word, i, UINT64_MAX, ret);
}

static bool is_infinity(struct hs_span w, double *ret)
{
	size_t sign = skip_sign(w, 0), len = w.len - sign;
	const char *p = w.ptr + sign;
	if (!(len == 3 && strncasecmp(p, "inf", 3) == 0) && !(len == 8 && strncasecmp(p, "infinity", 8) == 0))
		return false;
	*ret = w.ptr[0] == '-' ? -INFINITY : INFINITY;
	return true;
}

// The end of [sign] digits [. digits] [e [sign] digits] from i on; i itself when it is none.
static size_t float_end(struct hs_span w, size_t i)
{
	size_t start = skip_sign(w, i), point = skip_digits(w, start), end = point;
	size_t digits = point - start;
	if (point < w.len && w.ptr[point] == '.') {
		end = skip_digits(w, point + 1);
		digits += end - point - 1;
	}
	if (digits == 0)
		return i;
	if (end < w.len && (w.ptr[end] == 'e' || w.ptr[end] == 'E')) {
		size_t exponent = skip_sign(w, end + 1), exponent_end = skip_digits(w, exponent);
		return exponent_end > exponent ? exponent_end : i;
	}
	return end;
}

int hs_number_double(struct hs_span word, double *ret)
{
	size_t start = skip_spaces(word, 0), end = float_end(word, start);
	if (end == start || skip_spaces(word, end) != word.len)
		return word.len <= 9 && word.len >= 3 && is_infinity(word, ret);
	char small[64], *text = small;
	size_t len = end - start;
	if (len >= sizeof(small)) {
		text = malloc(len + 1);
		if (!text)
			return -ENOMEM;
	}
	memcpy(text, word.ptr + start, len);
	text[len] = '\0';
	*ret = strtod(text, NULL); // nobody here calls setlocale, so the point is a point
	if (text != small)
		free(text);
	return 1;
}

bool hs_number_bool(struct hs_span word, bool *ret)
{
	bool yes = word.len == 4 && strncasecmp(word.ptr, "true", 4) == 0;
	bool no = word.len == 5 && strncasecmp(word.ptr, "false", 5) == 0;
	if (yes || no)
		*ret = yes;
	return yes || no;
}

bool hs_number_is_pylong(struct hs_span word)
{
	size_t i = skip_sign(word, skip_spaces(word, 0)), ndigits = 0;
	bool digit_before = false;
	for (; i < word.len && (is_digit(word.ptr[i]) || word.ptr[i] == '_'); i++) {
		if (word.ptr[i] == '_' && !digit_before)
			return false;
		digit_before = word.ptr[i] != '_';
		ndigits += digit_before;
	}
	return digit_before && ndigits <= PYTHON_INT_DIGITS && skip_spaces(word, i) == word.len;
}

size_t hs_number_pylong(struct hs_span word, char *ret_text)
{
	size_t i = skip_spaces(word, 0), n = 0;
	bool negative = word.ptr[i] == '-';
	char *out = ret_text + negative;
	for (i = skip_sign(word, i); i < word.len && !is_space(word.ptr[i]); i++)
		if (word.ptr[i] != '_' && (n > 0 || word.ptr[i] != '0'))
			out[n++] = word.ptr[i];
	if (n == 0) {
		ret_text[0] = '0';
		return 1;
	}
	ret_text[0] = negative ? '-' : ret_text[0];
	return n + negative;
}

// Adds one to the last digit of d.ddde+xx; false when it is a 9.
static bool next_digits(char *text)
{
	char *last = strchr(text, 'e') - 1;
	if (*last == '9')
		return false;
	++*last;
	return true;
}

// The fewest significant digits that read back as x, as d.ddde+xx. At a power of two the numbers below x lie twice as
// close as those above, so that the nearest decimal of a length may read back as another number while the next one
// above reads back as x.
static void shortest(double x, char *text, size_t size)
{
	int exponent;
	bool power_of_two = fabs(frexp(x, &exponent)) == 0.5;
	for (int precision = 0; precision < 17; precision++) {
		snprintf(text, size, "%.*e", precision, x);
		if (strtod(text, NULL) == x || (power_of_two && next_digits(text) && strtod(text, NULL) == x))
			return;
	}
}

size_t hs_number_repr(double x, char ret_text[HS_NUMBER_REPR])
{
	if (isinf(x) || isnan(x))
		return (size_t)snprintf(ret_text, HS_NUMBER_REPR, "%s", isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
	char scientific[HS_NUMBER_REPR], digits[20];
	shortest(x, scientific, sizeof(scientific));
	int ndigits = 0;
	const char *p = scientific;
	for (; *p != 'e'; p++)
		if (is_digit(*p))
			digits[ndigits++] = *p;
	digits[ndigits] = '\0';
	int exponent = atoi(p + 1), n = signbit(x) ? 1 : 0;
	ret_text[0] = '-';
	char *out = ret_text + n;
	size_t room = HS_NUMBER_REPR - (size_t)n;
	if (exponent < -4 || exponent >= 16)
		n += snprintf(out, room, "%c%s%se%c%02d", digits[0], ndigits > 1 ? "." : "", digits + 1,
			      exponent < 0 ? '-' : '+', abs(exponent));
	else if (exponent < 0)
		n += snprintf(out, room, "0.%.*s%s", -exponent - 1, "000", digits);
	else if (ndigits > exponent + 1)
		n += snprintf(out, room, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
	else
		n += snprintf(out, room, "%s%.*s.0", digits, exponent + 1 - ndigits, "0000000000000000");
	return (size_t)n;
}
