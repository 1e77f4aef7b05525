// SPDX-License-Identifier: Apache-2.0
// Strict UTF-8 (no surrogates, no overlong forms, nothing above U+10FFFF).
#ifndef HS_BASE_UTF8_H
#define HS_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

// hs_utf8_decode reads one code point from p (p < end). Returns its length in bytes (1-4) and sets *ret_cp; 0 when the
// bytes are not valid UTF-8 (also a sequence cut off by end), *ret_cp untouched.
static inline unsigned hs_utf8_decode(const uint8_t *p, const uint8_t *end, uint32_t *ret_cp)
{
	size_t left = (size_t)(end - p);
	if (p[0] < 0x80) {
		*ret_cp = p[0];
		return 1;
	}
	if (p[0] >= 0xE0 && p[0] < 0xF0 && left >= 3 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
		uint32_t cp = ((uint32_t)(p[0] & 0x0F) << 12) | ((uint32_t)(p[1] & 0x3F) << 6) | (p[2] & 0x3F);
		if (cp < 0x800 || (cp >= 0xD800 && cp < 0xE000))
			return 0;
		*ret_cp = cp;
		return 3;
	}
	if (p[0] >= 0xC2 && p[0] < 0xE0 && left >= 2 && (p[1] & 0xC0) == 0x80) {
		*ret_cp = ((uint32_t)(p[0] & 0x1F) << 6) | (p[1] & 0x3F);
		return 2;
	}
	if (p[0] >= 0xF0 && p[0] < 0xF5 && left >= 4 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80 &&
	    (p[3] & 0xC0) == 0x80) {
		uint32_t cp = ((uint32_t)(p[0] & 0x07) << 18) | ((uint32_t)(p[1] & 0x3F) << 12) |
			      ((uint32_t)(p[2] & 0x3F) << 6) | (p[3] & 0x3F);
		if (cp < 0x10000 || cp > 0x10FFFF)
			return 0;
		*ret_cp = cp;
		return 4;
	}
	return 0;
}

// hs_utf8_encode writes cp (a valid scalar value) to out[4] and returns the number of bytes, 1-4.
static inline unsigned hs_utf8_encode(uint32_t cp, uint8_t *out)
{
	if (cp < 0x80) {
		out[0] = (uint8_t)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (uint8_t)(0xC0 | (cp >> 6));
		out[1] = (uint8_t)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (uint8_t)(0xE0 | (cp >> 12));
		out[1] = (uint8_t)(0x80 | ((cp >> 6) & 0x3F));
		out[2] = (uint8_t)(0x80 | (cp & 0x3F));
		return 3;
	}
	out[0] = (uint8_t)(0xF0 | (cp >> 18));
	out[1] = (uint8_t)(0x80 | ((cp >> 12) & 0x3F));
	out[2] = (uint8_t)(0x80 | ((cp >> 6) & 0x3F));
	out[3] = (uint8_t)(0x80 | (cp & 0x3F));
	return 4;
}

// hs_utf8_check returns the offset of the first byte that is not valid UTF-8, or len when all of it is valid.
static inline size_t hs_utf8_check(const char *text, size_t len)
{
	const uint8_t *start = (const uint8_t *)text, *p = start, *end = start + len;
	while (p < end) {
		uint64_t word;
		if (end - p >= 8) {
			__builtin_memcpy(&word, p, 8);
			if ((word & 0x8080808080808080u) == 0) {
				p += 8;
				continue;
			}
		}
		uint32_t cp;
		unsigned n = hs_utf8_decode(p, end, &cp);
		if (n == 0)
			return (size_t)(p - start);
		p += n;
	}
	return len;
}

#endif
