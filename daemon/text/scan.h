// SPDX-License-Identifier: Apache-2.0
// Fast searches over bytes, 16 at a time where the CPU has SSE2 (every x86-64 has).
#ifndef HS_TEXT_SCAN_H
#define HS_TEXT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// hs_scan_any3 finds the first byte that is a, b or c; `end` when there is none.
static inline const char *hs_scan_any3(const char *p, const char *end, char a, char b, char c)
{
#if defined(__SSE2__)
	const __m128i va = _mm_set1_epi8(a), vb = _mm_set1_epi8(b), vc = _mm_set1_epi8(c);
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, va), _mm_cmpeq_epi8(v, vb)), _mm_cmpeq_epi8(v, vc));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);
		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (p < end && *p != a && *p != b && *p != c)
		p++;
	return p;
}

// hs_scan_pair finds the first place where byte a is followed by byte b; `end` when there is none.
static inline const char *hs_scan_pair(const char *p, const char *end, char a, char b)
{
#if defined(__SSE2__)
	const __m128i va = _mm_set1_epi8(a), vb = _mm_set1_epi8(b);
	for (; end - p >= 17; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i w = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
		unsigned mask = (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(v, va), _mm_cmpeq_epi8(w, vb)));
		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	for (; end - p >= 2; p++)
		if (p[0] == a && p[1] == b)
			return p;
	return end;
}

// hs_scan_space finds the first byte that is a space or a control character, or that may begin a white space character
// outside ASCII (0xC2, 0xE1, 0xE2, 0xE3); `end` when there is none.
static inline const char *hs_scan_space(const char *p, const char *end)
{
#if defined(__SSE2__)
	const __m128i space = _mm_set1_epi8(0x20), c2 = _mm_set1_epi8((char)0xC2), e0 = _mm_set1_epi8((char)0xE0),
		      e3 = _mm_set1_epi8((char)0xE3);
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, space), v);               // v <= 0x20
		__m128i high = _mm_andnot_si128(_mm_cmpeq_epi8(v, e0), _mm_cmpeq_epi8(_mm_min_epu8(v, e3), v));
		high = _mm_and_si128(high, _mm_cmpeq_epi8(_mm_max_epu8(v, e0), v));    // 0xE1 <= v <= 0xE3
		__m128i hit = _mm_or_si128(_mm_or_si128(low, high), _mm_cmpeq_epi8(v, c2));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);
		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;
		if (c <= 0x20 || c == 0xC2 || (c >= 0xE1 && c <= 0xE3))
			return p;
	}
	return end;
}

// hs_scan_utf8 is hs_utf8_check (base/utf8.h) with SSSE3 where the CPU has it: the offset of the first byte that is not
// valid UTF-8, or len.
size_t hs_scan_utf8(const char *text, size_t len);

#endif
