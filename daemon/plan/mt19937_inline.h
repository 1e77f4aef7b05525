// SPDX-License-Identifier: Apache-2.0
// The word source, inlined into this layer's shuffles: a permutation of millions of rows draws a word per row.
#ifndef HS_PLAN_MT19937_INLINE_H
#define HS_PLAN_MT19937_INLINE_H

#include "plan/mt19937.h"

#define HS_MT19937_WORDS 624

void hs_mt19937_refill(struct hs_mt19937 *mt);

static inline uint32_t hs_mt19937_word(struct hs_mt19937 *mt)
{
	if (mt->next == HS_MT19937_WORDS)
		hs_mt19937_refill(mt);
	uint32_t y = mt->state[mt->next++];
	y ^= y >> 11;
	y ^= (y << 7) & 0x9d2c5680u;
	y ^= (y << 15) & 0xefc60000u;
	return y ^ (y >> 18);
}

#endif
