// SPDX-License-Identifier: Apache-2.0
// A general JSON parser makes two heap objects and a hash entry per token and takes most of the time that loading a
// tokenizer takes (65 of 100 ms for 119,547 tokens). This scanner knows one thing only, {"token": id, ...}; at anything
// else it gives up, so that what is odd or damaged is judged, and reported with line and column, by the real parser.
#include "tok/vocab_json.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"

#define MAX_ID_DIGITS 9 // an id needs 8; longer numbers are for the real parser to refuse

struct cursor {
	const char *p, *end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// Skips white space and, if it comes next, the character c.
static bool take(struct cursor *at, char c)
{
	while (at->p < at->end && is_blank(*at->p))
		at->p++;
	if (at->p == at->end || *at->p != c)
		return false;
	at->p++;
	return true;
}

// The bytes between the quotes, escapes as they stand. False at the file's end or at a control character.
static bool take_string(struct cursor *at, struct hs_span *ret, bool *ret_escaped)
{
	if (!take(at, '"'))
		return false;
	const char *start = at->p;
	*ret_escaped = false;
	for (; at->p < at->end && *at->p != '"'; at->p++) {
		if ((unsigned char)*at->p < 0x20)
			return false;
		if (*at->p == '\\') {
			*ret_escaped = true;
			if (++at->p == at->end)
				return false;
		}
	}
	if (at->p == at->end)
		return false;
	*ret = (struct hs_span){start, (size_t)(at->p - start)};
	at->p++;
	return true;
}

static bool take_id(struct cursor *at, uint64_t *ret)
{
	while (at->p < at->end && is_blank(*at->p))
		at->p++;
	const char *start = at->p;
	uint64_t id = 0;
	for (; at->p < at->end && *at->p >= '0' && *at->p <= '9' && at->p - start < MAX_ID_DIGITS; at->p++)
		id = id * 10 + (uint64_t)(*at->p - '0');
	*ret = id;
	return at->p > start && (*start != '0' || at->p == start + 1);
}

static bool hex4(const char *p, const char *end, uint32_t *ret)
{
	uint32_t value = 0;
	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (uint32_t)((c | 0x20) - 'a') + 10;
		if (digit > 15)
			return false;
		value = value << 4 | digit;
	}
	*ret = value;
	return true;
}

// \uXXXX, or two of them for a code point above U+FFFF. Returns the bytes after "\u" that belong to it, 0 when wrong.
static size_t unescape_cp(const char *p, const char *end, uint32_t *ret)
{
	uint32_t high, low;
	if (!hex4(p, end, &high))
		return 0;
	*ret = high;
	if (high < 0xD800 || high > 0xDFFF)
		return 4;
	if (high > 0xDBFF || end - p < 10 || p[4] != '\\' || p[5] != 'u' || !hex4(p + 6, end, &low) || low < 0xDC00 ||
	    low > 0xDFFF)
		return 0;
	*ret = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
	return 10;
}

// 1, 0 for a wrong escape, or -ENOMEM.
static int unescape(struct hs_span raw, struct hs_buf *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *p = raw.ptr, *end = p + raw.len;
	out->len = 0;
	if (hs_buf_reserve(out, raw.len + 4) < 0)
		return -ENOMEM;
	while (p < end) {
		const char *name = *p == '\\' && p + 1 < end && p[1] ? strchr(names, p[1]) : NULL;
		if (*p != '\\') {
			out->data[out->len++] = (uint8_t)*p++;
		} else if (name) {
			out->data[out->len++] = (uint8_t)values[name - names];
			p += 2;
		} else {
			uint32_t cp;
			size_t n = p + 1 < end && p[1] == 'u' ? unescape_cp(p + 2, end, &cp) : 0;
			if (n == 0)
				return 0;
			out->len += hs_utf8_encode(cp, out->data + out->len);
			p += 2 + n;
		}
	}
	return 1;
}

// 1, 0 when the entry is not plain, or -ENOMEM.
static int take_entry(struct cursor *at, struct hs_tok_spec *spec, struct hs_buf *spare)
{
	struct hs_span token;
	bool escaped;
	uint64_t id;
	if (!take_string(at, &token, &escaped) || !take(at, ':') || !take_id(at, &id) ||
	    hs_utf8_check(token.ptr, token.len) != token.len)
		return 0;
	int rc = escaped ? unescape(token, spare) : 1;
	if (rc <= 0)
		return rc;
	if (escaped)
		token = (struct hs_span){(const char *)spare->data, spare->len};
	rc = hs_tok_spec_add_entry(spec, token, id);
	return rc == -E2BIG ? 0 : rc < 0 ? rc : 1;
}

static int take_vocab(struct cursor *at, struct hs_tok_spec *spec)
{
	struct hs_buf spare = {0};
	int rc = take(at, '{');
	if (rc && !take(at, '}'))
		do
			rc = take_entry(at, spec, &spare);
		while (rc > 0 && take(at, ','));
	else
		rc = 0; // empty: nothing to win
	hs_buf_fini(&spare);
	return rc > 0 ? take(at, '}') : rc;
}

// Moves to the value of root.model.vocab. Whether all around it is correct JSON is for the real parser to say.
static bool find_vocab(struct cursor *at)
{
	size_t depth = 0;
	bool in_model = false;
	while (at->p < at->end) {
		char c = *at->p;
		struct hs_span key;
		bool escaped;
		if (c != '"') {
			depth += c == '{' || c == '[';
			depth -= (c == '}' || c == ']') && depth > 0;
			at->p++;
			continue;
		}
		if (!take_string(at, &key, &escaped))
			return false;
		if (!take(at, ':'))
			continue;
		if (depth == 1)
			in_model = hs_span_is(key, "model");
		else if (depth == 2 && in_model && hs_span_is(key, "vocab"))
			return true;
	}
	return false;
}

int hs_tok_vocab_scan(struct hs_span json, struct hs_tok_spec *spec, struct hs_span *ret_object)
{
	struct cursor at = {json.ptr, json.ptr + json.len};
	if (!find_vocab(&at))
		return 0;
	const char *start = at.p;
	int rc = take_vocab(&at, spec);
	if (rc > 0)
		*ret_object = (struct hs_span){start, (size_t)(at.p - start)};
	else
		hs_tok_spec_forget_entries(spec);
	return rc;
}
