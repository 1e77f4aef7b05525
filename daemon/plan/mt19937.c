// SPDX-License-Identifier: Apache-2.0
// MT19937: 624 words regenerated at a time, each tempered on its way out. numpy's legacy RandomState and torch's CPU
// generator share seeding and words and differ in what they make of them: numpy draws bounded integers by masked
// rejection (_legacy_distributions, random_interval), torch by a plain remainder (order.c).
#include "plan/mt19937.h"

#include "plan/mt19937_inline.h"

#define LAG 397
#define AHEAD 32

static uint32_t twist(uint32_t high, uint32_t low, uint32_t lagged)
{
	uint32_t y = (high & 0x80000000u) | (low & 0x7fffffffu);
	return lagged ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
}

void hs_mt19937_refill(struct hs_mt19937 *mt)
{
	uint32_t *w = mt->state;
	unsigned i = 0;
	for (; i < HS_MT19937_WORDS - LAG; i++)
		w[i] = twist(w[i], w[i + 1], w[i + LAG]);
	for (; i < HS_MT19937_WORDS - 1; i++)
		w[i] = twist(w[i], w[i + 1], w[i + LAG - HS_MT19937_WORDS]);
	w[i] = twist(w[i], w[0], w[LAG - 1]);
	mt->next = 0;
}

void hs_mt19937_init(struct hs_mt19937 *mt, uint32_t seed)
{
	mt->state[0] = seed;
	for (uint32_t i = 1; i < HS_MT19937_WORDS; i++)
		mt->state[i] = 1812433253u * (mt->state[i - 1] ^ (mt->state[i - 1] >> 30)) + i;
	mt->next = HS_MT19937_WORDS;
}

uint32_t hs_mt19937_next(struct hs_mt19937 *mt)
{
	return hs_mt19937_word(mt);
}

uint64_t hs_mt19937_next64(struct hs_mt19937 *mt)
{
	uint64_t high = hs_mt19937_word(mt);
	return (high << 32) | hs_mt19937_word(mt);
}

// The smallest 2^b - 1 that is not below max.
static uint64_t mask_for(uint64_t max)
{
	return max == 0 ? 0 : UINT64_MAX >> __builtin_clzll(max);
}

static uint32_t below32(struct hs_mt19937 *mt, uint32_t max, uint32_t mask)
{
	uint32_t v;
	do
		v = hs_mt19937_word(mt) & mask;
	while (v > max);
	return v;
}

uint64_t hs_mt19937_below(struct hs_mt19937 *mt, uint64_t max)
{
	uint64_t mask = mask_for(max), v;
	if (max == 0)
		return 0;
	if (max <= UINT32_MAX)
		return below32(mt, (uint32_t)max, (uint32_t)mask);
	do
		v = hs_mt19937_next64(mt) & mask;
	while (v > max);
	return v;
}

// Draws the partners of up to AHEAD items, counted down from items[last]. Places do not depend on what lies there, so
// they are fetched from memory side by side: in millions of rows nearly every one is a cache miss.
static size_t draw_partners(struct hs_mt19937 *mt, size_t last, size_t ret_partners[AHEAD])
{
	size_t count = last < AHEAD ? last : AHEAD;
	for (size_t i = 0; i < count; i++)
		ret_partners[i] = (size_t)hs_mt19937_below(mt, last - i);
	return count;
}

void hs_mt19937_shuffle_u32(struct hs_mt19937 *mt, uint32_t *items, size_t n)
{
	size_t partners[AHEAD], count;
	for (size_t last = n > 0 ? n - 1 : 0; last > 0; last -= count) {
		count = draw_partners(mt, last, partners);
		for (size_t i = 0; i < count; i++)
			__builtin_prefetch(&items[partners[i]], 1);
		for (size_t i = 0; i < count; i++) {
			uint32_t item = items[last - i];
			items[last - i] = items[partners[i]];
			items[partners[i]] = item;
		}
	}
}

void hs_mt19937_shuffle_u16(struct hs_mt19937 *mt, uint16_t *items, size_t n)
{
	size_t partners[AHEAD], count;
	for (size_t last = n > 0 ? n - 1 : 0; last > 0; last -= count) {
		count = draw_partners(mt, last, partners);
		for (size_t i = 0; i < count; i++)
			__builtin_prefetch(&items[partners[i]], 1);
		for (size_t i = 0; i < count; i++) {
			uint16_t item = items[last - i];
			items[last - i] = items[partners[i]];
			items[partners[i]] = item;
		}
	}
}
