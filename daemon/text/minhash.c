// SPDX-License-Identifier: Apache-2.0
// The functions are x -> factor * mix(x) + offset modulo 2^64: permutations of the 64-bit numbers, with factors and
// offsets drawn from SplitMix64 (Steele, Lea, Flood 2014) with a fixed seed.
#include "text/minhash.h"

#include <math.h>
#include <string.h>

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
		m->factor[i] = mix(state += 0x9E3779B97F4A7C15u) | 1;
		m->offset[i] = mix(state += 0x9E3779B97F4A7C15u);
	}
}

void hs_minhash_keys(const struct hs_minhash *m, const uint64_t *set, size_t n, uint32_t *ret_keys)
{
	uint64_t least[HS_MINHASH_MAX_BANDS * HS_MINHASH_MAX_ROWS];
	unsigned nfunctions = m->bands * m->rows;
	memset(least, 0xFF, sizeof(least));
	for (size_t g = 0; g < n; g++) {
		uint64_t x = mix(set[g] + 0x9E3779B97F4A7C15u);
		for (unsigned i = 0; i < nfunctions; i++) {
			uint64_t value = x * m->factor[i] + m->offset[i];
			least[i] = value < least[i] ? value : least[i];
		}
	}
	for (unsigned band = 0; band < m->bands; band++) {
		uint64_t key = band + 1;
		for (unsigned i = band * m->rows; i < (band + 1) * m->rows; i++)
			key = mix(key * 0x9E3779B97F4A7C15u + least[i]);
		ret_keys[band] = (uint32_t)(key >> 32);
	}
}
