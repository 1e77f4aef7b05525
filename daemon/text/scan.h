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
		__m128i hit =
			_mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, va), _mm_cmpeq_epi8(v, vb)), _mm_cmpeq_epi8(v, vc));
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
		unsigned mask =
			(unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(v, va), _mm_cmpeq_epi8(w, vb)));
		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	for (; end - p >= 2; p++)
		if (p[0] == a && p[1] == b)
			return p;
	return end;
}

// May a white space character begin with this byte? Control characters and ' ', 0xC2, 0xE1, 0xE2, 0xE3.
static inline bool hs_scan_may_be_space(char byte)
{
	unsigned char c = (unsigned char)byte;
	return c <= 0x20 || c == 0xC2 || (c >= 0xE1 && c <= 0xE3);
}

#if defined(__SSE2__)
static inline __m128i hs_scan_may_be_space16(__m128i v)
{
	const __m128i space = _mm_set1_epi8(0x20), c2 = _mm_set1_epi8((char)0xC2);
	const __m128i e1 = _mm_set1_epi8((char)0xE1), e3 = _mm_set1_epi8((char)0xE3);
	__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, space), v);
	__m128i high = _mm_cmpeq_epi8(_mm_min_epu8(_mm_max_epu8(v, e1), e3), v); // v clamped to e1..e3 is v
	return _mm_or_si128(_mm_or_si128(low, high), _mm_cmpeq_epi8(v, c2));
}
#endif

// hs_scan_space finds the first byte where a white space character may begin; `end` when there is none.
static inline const char *hs_scan_space(const char *p, const char *end)
{
#if defined(__SSE2__)
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned mask = (unsigned)_mm_movemask_epi8(hs_scan_may_be_space16(v));
		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (p < end && !hs_scan_may_be_space(*p))
		p++;
	return p;
}

// hs_scan_odd_space does the same, but steps over each ' ' that no white space can follow.
static inline const char *hs_scan_odd_space(const char *p, const char *end)
{
#if defined(__SSE2__)
	const __m128i space = _mm_set1_epi8(0x20);
	for (; end - p >= 17; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i next = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
		__m128i lone = _mm_andnot_si128(hs_scan_may_be_space16(next), _mm_cmpeq_epi8(v, space));
		unsigned mask = (unsigned)_mm_movemask_epi8(_mm_andnot_si128(lone, hs_scan_may_be_space16(v)));
		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	for (; p < end; p++)
		if (hs_scan_may_be_space(*p) && (*p != ' ' || (end - p > 1 && hs_scan_may_be_space(p[1]))))
			return p;
	return end;
}

// hs_scan_utf8 is hs_utf8_check (base/utf8.h) with SSSE3 where the CPU has it: the offset of the first byte that is not
// valid UTF-8, or len.
size_t hs_scan_utf8(const char *text, size_t len);

#endif
