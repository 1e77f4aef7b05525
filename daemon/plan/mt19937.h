// SPDX-License-Identifier: Apache-2.0
// MT19937 as numpy's legacy RandomState(int) and torch's CPU generator seed it (Matsumoto & Nishimura 1998,
// init_genrand).
#ifndef HS_PLAN_MT19937_H
#define HS_PLAN_MT19937_H

#include <stddef.h>
#include <stdint.h>

struct hs_mt19937 {
	uint32_t state[624];
	unsigned next;
};

void hs_mt19937_init(struct hs_mt19937 *mt, uint32_t seed);
uint32_t hs_mt19937_next(struct hs_mt19937 *mt);
uint64_t hs_mt19937_next64(struct hs_mt19937 *mt); // first word is the high half

// hs_mt19937_below draws uniformly from [0, max] by numpy's masked rejection; max = 0 draws nothing.
uint64_t hs_mt19937_below(struct hs_mt19937 *mt, uint64_t max);

// hs_mt19937_shuffle_u32 / _u16: numpy.random.RandomState.shuffle on an array (identical draws for every item type).
void hs_mt19937_shuffle_u32(struct hs_mt19937 *mt, uint32_t *items, size_t n);
void hs_mt19937_shuffle_u16(struct hs_mt19937 *mt, uint16_t *items, size_t n);

#endif
