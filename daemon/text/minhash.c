// SPDX-License-Identifier: Apache-2.0
// The functions are x -> factor * x + offset modulo 2^32, of the upper half of mix(x): permutations of the 32-bit
// numbers, with factors and offsets drawn from SplitMix64 (Steele, Lea, Flood 2014) with a fixed seed. 32 bits, since
// processors multiply eight of those at a time, and of 64 none.
#include "text/minhash.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BLOCK 32  // functions whose least values stay in registers
#define CHUNK 256 // numbers of a set that are mixed together

#define LEAST_SHARE                                                                                                    \
	0.22 // of pairs at the threshold, a band's; more rows need too many bands, fewer too many comparisons

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
	return x ^ (x >> 31);
}

static void choose_shape(struct hs_minhash *m, double similarity)
{
	double rows = similarity < 1 ? floor(log(LEAST_SHARE) / log(similarity)) : HS_MINHASH_MAX_ROWS;
	m->rows = rows < HS_MINHASH_MAX_ROWS ? (unsigned)rows : HS_MINHASH_MAX_ROWS;
	double missed = 1 - pow(similarity, m->rows), missed_by_all = missed;
	for (m->bands = 1; missed_by_all > 1 - HS_MINHASH_RECALL && m->bands < HS_MINHASH_MAX_BANDS; m->bands++)
		missed_by_all *= missed;
}

void hs_minhash_init(struct hs_minhash *m, double similarity)
{
	uint64_t state = 0x6873666565640001u;
	choose_shape(m, similarity);
	for (unsigned i = 0; i < m->bands * m->rows; i++) {
		m->factor[i] = (uint32_t)(mix(state += 0x9E3779B97F4A7C15u) >> 32) | 1;
		m->offset[i] = (uint32_t)(mix(state += 0x9E3779B97F4A7C15u) >> 32);
	}
}

static void lessen(const struct hs_minhash *m, size_t nfunctions, const uint32_t *xs, size_t n, uint32_t *least)
{
	for (size_t g = 0; g < n; g++) {
		for (size_t i = 0; i < nfunctions; i++) {
			uint32_t value = xs[g] * m->factor[i] + m->offset[i];
			least[i] = value < least[i] ? value : least[i];
		}
	}
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void lessen_block(const uint32_t *factor, const uint32_t *offset,
							 const uint32_t *xs, size_t n, uint32_t *least)
{
	__m256i f[BLOCK / 8], o[BLOCK / 8], l[BLOCK / 8];
	for (int k = 0; k < BLOCK / 8; k++) {
		f[k] = _mm256_loadu_si256((const __m256i *)(const void *)(factor + 8 * k));
		o[k] = _mm256_loadu_si256((const __m256i *)(const void *)(offset + 8 * k));
		l[k] = _mm256_loadu_si256((const __m256i *)(const void *)(least + 8 * k));
	}
	for (size_t g = 0; g < n; g++) {
		__m256i x = _mm256_set1_epi32((int)xs[g]);
		for (int k = 0; k < BLOCK / 8; k++)
			l[k] = _mm256_min_epu32(l[k], _mm256_add_epi32(_mm256_mullo_epi32(x, f[k]), o[k]));
	}
	for (int k = 0; k < BLOCK / 8; k++)
		_mm256_storeu_si256((__m256i *)(void *)(least + 8 * k), l[k]);
}

static void lessen_fast(const struct hs_minhash *m, size_t nfunctions, const uint32_t *xs, size_t n, uint32_t *least)
{
	if (!__builtin_cpu_supports("avx2")) {
		lessen(m, nfunctions, xs, n, least);
		return;
	}
	for (size_t i = 0; i < nfunctions; i += BLOCK) // the arrays have room for whole blocks
		lessen_block(m->factor + i, m->offset + i, xs, n, least + i);
}
#else
#define lessen_fast lessen
#endif

static uint32_t key_of(const uint32_t *least, unsigned band, unsigned rows)
{
	uint64_t key = band + 1;
	for (unsigned i = band * rows; i < (band + 1) * rows; i++)
		key = mix(key * 0x9E3779B97F4A7C15u + least[i]);
	return (uint32_t)(key >> 32);
}

void hs_minhash_keys(const struct hs_minhash *m, const uint64_t *set, size_t n, uint32_t *ret_keys)
{
	uint32_t least[HS_MINHASH_MAX_FUNCTIONS], xs[CHUNK];
	size_t nfunctions = (size_t)m->bands * m->rows;
	memset(least, 0xFF, sizeof(least));
	for (size_t start = 0; start < n; start += CHUNK) {
		size_t count = n - start < CHUNK ? n - start : CHUNK;
		for (size_t g = 0; g < count; g++)
			xs[g] = (uint32_t)(mix(set[start + g] + 0x9E3779B97F4A7C15u) >> 32);
		lessen_fast(m, nfunctions, xs, count, least);
	}
	for (unsigned band = 0; band < m->bands; band++)
		ret_keys[band] = key_of(least, band, m->rows);
}
