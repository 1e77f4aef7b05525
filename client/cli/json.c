// SPDX-License-Identifier: Apache-2.0
// A small JSON writer: what the daemon answered, number by number; 64-bit integers with all their digits, bytes as
// their count only. Control characters are escaped everywhere, so that no terminal obeys them.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

void json_str(FILE *out, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	putc_unlocked('"', out);
	for (; p < end; p++) {
		if (*p == '"' || *p == '\\') {
			putc_unlocked('\\', out);
			putc_unlocked(*p, out);
		} else if (*p == '\n' || *p == '\t' || *p == '\r') {
			putc_unlocked('\\', out);
			putc_unlocked(*p == '\n' ? 'n' : *p == '\t' ? 't' : 'r', out);
		} else if (*p < 0x20 || *p == 0x7F) {
			fprintf(out, "\\u00%c%c", hex[*p >> 4], hex[*p & 15]);
		} else if (*p == 0xC2 && end - p > 1 && p[1] >= 0x80 && p[1] < 0xA0) {
			p++;
			fprintf(out, "\\u00%c%c", hex[*p >> 4], hex[*p & 15]);
		} else {
			putc_unlocked(*p, out);
		}
	}
	putc_unlocked('"', out);
}

void json_uint(FILE *out, uint64_t n)
{
	char digits[24], *p = digits + sizeof(digits);
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	fwrite_unlocked(p, 1, (size_t)(digits + sizeof(digits) - p), out);
}

void json_int(FILE *out, int64_t n)
{
	if (n < 0)
		putc_unlocked('-', out);
	json_uint(out, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

// The fewest digits that read back as the same number.
static void shortest(FILE *out, double v, int digits, bool single)
{
	char text[40];
	for (;; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (digits >= 17 || (single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v))
			break;
	}
	fputs(text, out);
}

void json_f64(FILE *out, double v)
{
	if (!isfinite(v))
		fputs("null", out);
	else
		shortest(out, v, 15, false);
}

void json_f32(FILE *out, float v)
{
	if (!isfinite(v))
		fputs("null", out);
	else if (v > -1e9F && v < 1e9F && v == (float)(int64_t)v)
		json_int(out, (int64_t)v);
	else
		shortest(out, v, 6, true);
}

static void json_items(FILE *out, const hsfeed_value *value, bool map)
{
	putc(map ? '{' : '[', out);
	for (size_t i = 0; i < hsfeed_value_len(value); i++) {
		if (i)
			putc(',', out);
		const char *key = hsfeed_value_key(value, i);
		if (key) {
			json_str(out, key, strlen(key));
			putc(':', out);
		}
		json_value(out, hsfeed_value_at(value, i));
	}
	putc(map ? '}' : ']', out);
}

void json_value(FILE *out, const hsfeed_value *value)
{
	size_t len;
	const char *text;
	switch (hsfeed_value_type(value)) {
	case HSFEED_NIL:
		fputs("null", out);
		return;
	case HSFEED_BOOL:
		fputs(hsfeed_value_bool(value, 0) ? "true" : "false", out);
		return;
	case HSFEED_INT:
		json_int(out, hsfeed_value_int(value, 0));
		return;
	case HSFEED_UINT:
		json_uint(out, hsfeed_value_uint(value, 0));
		return;
	case HSFEED_F64:
		json_f64(out, hsfeed_value_f64(value, 0));
		return;
	case HSFEED_STR:
		text = hsfeed_value_str(value, &len, "");
		json_str(out, text, len);
		return;
	case HSFEED_BIN:
		fprintf(out, "{\"bytes\":%zu}", hsfeed_value_len(value));
		return;
	case HSFEED_ARRAY:
	case HSFEED_MAP:
		json_items(out, value, hsfeed_value_type(value) == HSFEED_MAP);
		return;
	}
}

void json_line(const hsfeed_value *value)
{
	json_value(stdout, value);
	putc('\n', stdout);
}
