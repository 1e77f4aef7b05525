// SPDX-License-Identifier: Apache-2.0
// torch's permutation and the arithmetic of who gets what. Sources: torch 2.13 aten/src/ATen/native/cpu (randperm_cpu),
// torch/utils/data/distributed.py; accelerate 1.x data_loader.py (BatchSamplerShard, split_batches=False).
//
//   order of 10 rows, world 4, PAD:      rank 0   1   2   3
//     place in the order                      0   1   2   3
//                                             4   5   6   7
//                                             8   9  (0) (1)     after the end, the head again
//
//   of 10 rows, world 2, batches of 3:   rank 0            1
//     EVEN: place in the order                0 1 2        3 4 5
//                                             6 7 8        9 (0) (1)
//     BATCHES                                 6 7 8        9
//
// accelerate gathers the first `world` batches and completes from them, repeated if they are too few: fewer items than
// one round are missing, so these are the epoch's order from its head, cyclically.
//
// Position `at` cuts the table's top off. When it is a multiple of world (EVEN, BATCHES: of a round), each rank goes on
// with the rows it would have got anyway; otherwise (the number of ranks has changed) the rest is dealt to the ranks
// there are now.
#include "plan/order.h"

#include <stdio.h>

#include "plan/mt19937_inline.h"

#define TORCH_32BIT_ROWS 214748364u // torch takes other, 64-bit draws from here on: (2^32 - 1) / 20
#define PAD_SLACK        4096u      // an epoch padded for so many ranks may have ended that far beyond its rows
#define MAX_ROUND        ((uint64_t)1 << 48) // so that sums of places do not overflow
#define AHEAD            32 // swaps whose places are drawn ahead, so that they come from memory side by side

static void swap(uint32_t *items, size_t i, size_t j)
{
	uint32_t item = items[i];
	items[i] = items[j];
	items[j] = item;
}

int hs_randperm(size_t n, uint64_t seed, uint32_t *ret_perm, struct hs_err *reterr)
{
	struct hs_mt19937 mt;
	if (n >= TORCH_32BIT_ROWS)
		return hs_err_set(reterr, HSFEED_EBADPLAN, "%zu rows cannot be shuffled: an order has fewer than %u", n,
				  TORCH_32BIT_ROWS);
	hs_mt19937_init(&mt, (uint32_t)seed);
	for (size_t i = 0; i < n; i++)
		ret_perm[i] = (uint32_t)i;
	uint32_t places[AHEAD], left = (uint32_t)n; // left: rows without their place yet
	while (left > 1) {
		uint32_t first = (uint32_t)n - left, count = left - 1 < AHEAD ? left - 1 : AHEAD;
		for (uint32_t i = 0; i < count; i++) {
			places[i] = first + i + hs_mt19937_word(&mt) % (left - i);
			__builtin_prefetch(&ret_perm[places[i]], 1);
		}
		for (uint32_t i = 0; i < count; i++)
			swap(ret_perm, first + i, places[i]);
		left -= count;
	}
	return 0;
}

// Rows of the order that come at or after `at`.
static uint64_t rest_of(const struct hs_deal *deal)
{
	return deal->at < deal->n ? deal->n - deal->at : 0;
}

static bool deals_batches(const struct hs_deal *deal)
{
	return deal->shard == HS_SHARD_EVEN || deal->shard == HS_SHARD_BATCHES;
}

static uint64_t round_of(const struct hs_deal *deal)
{
	return (uint64_t)deal->world * deal->batch_size;
}

static uint64_t samples_of_batches(const struct hs_deal *deal)
{
	uint64_t rest = rest_of(deal), round = round_of(deal), odd = rest % round, size = deal->batch_size;
	uint64_t before = deal->rank * size, last = odd > before ? odd - before : 0; // of the last round
	if (deal->shard == HS_SHARD_EVEN ? odd > 0 : last > size)
		last = size;
	return rest / round * size + last;
}

size_t hs_deal_samples(const struct hs_deal *deal)
{
	if (deals_batches(deal))
		return samples_of_batches(deal);
	uint64_t rest = rest_of(deal), each = rest / deal->world, odd = rest % deal->world;
	if (deal->shard == HS_SHARD_PAD)
		return each + (odd > 0);
	return each + (deal->shard == HS_SHARD_EXACT && deal->rank < odd);
}

size_t hs_deal_batches(const struct hs_deal *deal)
{
	size_t samples = hs_deal_samples(deal), whole = samples / deal->batch_size;
	if (deals_batches(deal) && deal->drop_last)
		return rest_of(deal) / round_of(deal);
	return whole + (!deal->drop_last && samples % deal->batch_size > 0);
}

size_t hs_deal_end(const struct hs_deal *deal)
{
	if (deal->shard == HS_SHARD_EXACT || deal->shard == HS_SHARD_BATCHES)
		return deal->at < deal->n ? deal->n : deal->at;
	return deal->at + (uint64_t)hs_deal_samples(deal) * deal->world;
}

size_t hs_deal_batch_rows(const struct hs_deal *deal, size_t batch)
{
	size_t left = hs_deal_samples(deal) - batch * deal->batch_size;
	return left < deal->batch_size ? left : deal->batch_size;
}

size_t hs_deal_index(const struct hs_deal *deal, size_t sample)
{
	uint64_t place, size = deal->batch_size;
	if (deals_batches(deal))
		place = deal->at + (sample / size * deal->world + deal->rank) * size + sample % size;
	else
		place = deal->at + (uint64_t)sample * deal->world + deal->rank;
	return place < deal->n ? place : place % deal->n; // beyond n with PAD and EVEN only
}

static int check_position(const struct hs_deal *deal, struct hs_err *reterr)
{
	size_t slack = 0;
	if ((deal->shard == HS_SHARD_PAD || deal->shard == HS_SHARD_EVEN) && deal->n > 0)
		slack = deal->world > PAD_SLACK ? deal->world : PAD_SLACK;
	if (deal->shard == HS_SHARD_EVEN)
		slack *= deal->batch_size;
	if (deal->at <= deal->n || deal->at - deal->n < slack)
		return 0;
	hs_err_set(reterr, HSFEED_EBADPLAN, "position %zu is beyond the epoch, which has %zu rows", deal->at, deal->n);
	hs_err_hint(reterr, "a position counts samples from the start of its epoch; start the next epoch at 0");
	return HSFEED_EBADPLAN;
}

int hs_deal_check(const struct hs_deal *deal, struct hs_err *reterr)
{
	if (deal->rank >= deal->world)
		return hs_err_set(reterr, HSFEED_EBADPLAN, "Invalid rank %u, rank should be in the interval [0, %lld]",
				  deal->rank, (long long)deal->world - 1);
	if (deal->batch_size == 0)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "batch_size should be a positive integer value, but got batch_size=0");
	if (deals_batches(deal) && round_of(deal) > MAX_ROUND)
		return hs_err_set(reterr, HSFEED_EBADPLAN,
				  "%u batches of %u are more than an epoch can be completed to", deal->world,
				  deal->batch_size);
	return check_position(deal, reterr);
}

const char *const hs_order_names[] = {[HS_ORDER_SHUFFLE] = "shuffle",
				      [HS_ORDER_SEQUENTIAL] = "sequential",
				      [HS_ORDER_LENGTH] = "length",
				      [HS_ORDER_EXPLICIT] = "explicit",
				      NULL};
const char *const hs_shard_names[] = {
	[HS_SHARD_PAD] = "pad",   [HS_SHARD_DROP] = "drop",       [HS_SHARD_EXACT] = "exact",
	[HS_SHARD_EVEN] = "even", [HS_SHARD_BATCHES] = "batches", NULL};

const char *hs_order_name(enum hs_order order)
{
	return hs_order_names[order];
}

const char *hs_shard_name(enum hs_shard shard)
{
	return hs_shard_names[shard];
}
