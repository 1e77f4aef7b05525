// SPDX-License-Identifier: Apache-2.0
// UTF-8 validation 16 bytes at a time, after Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per
// Byte" (2021). Each pair of neighbouring bytes is looked up three times: by the first byte's high half, its low half,
// and the second byte's high half. A bit left in all three names an error:
//
//   TOO_SHORT   a lead byte, then no continuation      TOO_LARGE       F4 90..BF, F5..FF 9x..Bx
//   TOO_LONG    ASCII, then a continuation             TOO_LARGE_1000  F5..FF 8x; its bit also says OVERLONG_4
//   OVERLONG_2  C0, C1;  OVERLONG_3  E0 80..9F         OVERLONG_4      F0 80..8F
//   SURROGATE   ED A0..BF                              TWO_CONTS       two continuations in a row
//
// TWO_CONTS is an error unless the byte two or three before is a lead of 3 or 4 bytes; that is the last step.
#include <string.h>

#include "base/utf8.h"
#include "text/scan.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum {
	TOO_SHORT = 1 << 0,
	TOO_LONG = 1 << 1,
	OVERLONG_3 = 1 << 2,
	SURROGATE = 1 << 3,
	TOO_LARGE = 1 << 4,
	OVERLONG_2 = 1 << 5,
	TOO_LARGE_1000 = 1 << 6,
	OVERLONG_4 = 1 << 6,
	TWO_CONTS = 1 << 7,
	CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS, // decided by the high halves alone
};

#define TABLE16(...) _mm_setr_epi8(__VA_ARGS__)
#define B(x)         ((char)(x))

__attribute__((target("ssse3"))) static __m128i pair_errors(__m128i previous, __m128i now)
{
	const __m128i first_high =
		TABLE16(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, // 0x: ASCII
			B(TWO_CONTS), B(TWO_CONTS), B(TWO_CONTS), B(TWO_CONTS),                         // 8x-Bx
			TOO_SHORT | OVERLONG_2, TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE,          // Cx Dx Ex
			TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4);                           // Fx
	const __m128i first_low =
		TABLE16(B(CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4), B(CARRY | OVERLONG_2), B(CARRY), B(CARRY),
			B(CARRY | TOO_LARGE), B(CARRY | TOO_LARGE | TOO_LARGE_1000),
			B(CARRY | TOO_LARGE | TOO_LARGE_1000), B(CARRY | TOO_LARGE | TOO_LARGE_1000),
			B(CARRY | TOO_LARGE | TOO_LARGE_1000), B(CARRY | TOO_LARGE | TOO_LARGE_1000),
			B(CARRY | TOO_LARGE | TOO_LARGE_1000), B(CARRY | TOO_LARGE | TOO_LARGE_1000),
			B(CARRY | TOO_LARGE | TOO_LARGE_1000), B(CARRY | TOO_LARGE | TOO_LARGE_1000 | SURROGATE),
			B(CARRY | TOO_LARGE | TOO_LARGE_1000), B(CARRY | TOO_LARGE | TOO_LARGE_1000));
	const __m128i second_high =
		TABLE16(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
			B(TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4), // 8x
			B(TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE),                   // 9x
			B(TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE),                    // Ax
			B(TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE),                    // Bx
			TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT);
	const __m128i low4 = _mm_set1_epi8(0x0F);
	__m128i before = _mm_alignr_epi8(now, previous, 15);
	__m128i a = _mm_shuffle_epi8(first_high, _mm_and_si128(_mm_srli_epi16(before, 4), low4));
	__m128i b = _mm_shuffle_epi8(first_low, _mm_and_si128(before, low4));
	__m128i c = _mm_shuffle_epi8(second_high, _mm_and_si128(_mm_srli_epi16(now, 4), low4));
	return _mm_and_si128(_mm_and_si128(a, b), c);
}

// Non-zero bytes are errors of `now`, given the block before it.
__attribute__((target("ssse3"))) static __m128i block_errors(__m128i previous, __m128i now)
{
	__m128i two_back = _mm_alignr_epi8(now, previous, 14), three_back = _mm_alignr_epi8(now, previous, 13);
	__m128i third = _mm_subs_epu8(two_back, _mm_set1_epi8(0xE0 - 0x80));    // high bit set: lead of 3 or 4 bytes
	__m128i fourth = _mm_subs_epu8(three_back, _mm_set1_epi8(0xF0 - 0x80)); // high bit set: lead of 4 bytes
	__m128i must_continue = _mm_and_si128(_mm_or_si128(third, fourth), _mm_set1_epi8(B(0x80)));
	return _mm_xor_si128(must_continue, pair_errors(previous, now));
}

__attribute__((target("ssse3"))) static bool all_valid(const char *text, size_t len)
{
	__m128i previous = _mm_setzero_si128(), errors = previous;
	size_t i = 0;
	for (; i + 16 <= len; i += 16) {
		__m128i now = _mm_loadu_si128((const __m128i *)(const void *)(text + i));
		errors = _mm_or_si128(errors, block_errors(previous, now));
		previous = now;
	}
	char tail[16] = {0}; // its zeros also end a sequence that the text cuts off
	memcpy(tail, text + i, len - i);
	__m128i now = _mm_loadu_si128((const __m128i *)(const void *)tail);
	errors = _mm_or_si128(errors, block_errors(previous, now));
	return _mm_movemask_epi8(_mm_cmpeq_epi8(errors, _mm_setzero_si128())) == 0xFFFF;
}
#endif

size_t hs_scan_utf8(const char *text, size_t len)
{
#if defined(__x86_64__)
	if (len >= 64 && __builtin_cpu_supports("ssse3") && all_valid(text, len))
		return len;
#endif
	return hs_utf8_check(text, len);
}
