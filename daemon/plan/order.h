// SPDX-License-Identifier: Apache-2.0
// The order of an epoch, and who gets which part of it. Bit-identical to torch.randperm on the CPU, to
// torch.utils.data.DistributedSampler and to accelerate's BatchSamplerShard. Position is arithmetic: everything here is
// a function of its arguments.
#ifndef HS_PLAN_ORDER_H
#define HS_PLAN_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HS_ORDER_ALGORITHM 1 // version of the order's definition, part of a saved state

enum hs_order { HS_ORDER_SHUFFLE, HS_ORDER_SEQUENTIAL, HS_ORDER_LENGTH, HS_ORDER_EXPLICIT }; // LENGTH: plan/length.h
enum hs_shard { HS_SHARD_PAD, HS_SHARD_DROP, HS_SHARD_EXACT, HS_SHARD_EVEN, HS_SHARD_BATCHES };

// hs_randperm writes torch.randperm(n, generator=Generator().manual_seed(seed)) to perm[n]; only seed mod 2^32 matters.
// n < 214748364 (torch's 32-bit algorithm), else HSFEED_EBADPLAN.
int hs_randperm(size_t n, uint64_t seed, uint32_t *ret_perm, struct hs_err *reterr);

// One rank's share of an epoch of n rows, from position `at` on (samples already dealt to all ranks).
// The rest rows[at..n) is dealt afresh, whatever it is a rest of.
//
// Sample by sample: sample j of this rank is the rest's entry j * world + rank. PAD repeats the epoch's order from its
// head, cyclically, until every rank has equally many (DistributedSampler); DROP cuts the rest to a multiple of world
// (DistributedSampler(drop_last=True)); EXACT pads and drops nothing, so ranks may differ by one sample.
//
// Batch by batch: the rest is cut into batches of batch_size, and batch k goes to rank k % world; `world` batches are a
// round. EVEN completes the last round with the epoch's order from its head, cyclically (BatchSamplerShard with
// even_batches=True); with drop_last it leaves an incomplete round out. BATCHES completes nothing (even_batches=False):
// of the last round some ranks have no batch, and one may have a short one; drop_last leaves that round out as well.
//
// What completes an epoch is always taken from order[0] on, also when at > 0: of a rest that starts where a round (or,
// sample by sample, a row of the table in order.c) ended, that is what an uninterrupted epoch would have taken.
struct hs_deal {
	size_t n;  // rows in the epoch's order
	size_t at; // 0 <= at; a PAD or EVEN epoch may end beyond n
	uint32_t rank, world;
	enum hs_shard shard;
	uint32_t batch_size;
	bool drop_last; // drop this rank's last short batch; batch by batch: every incomplete round
};

size_t hs_deal_samples(const struct hs_deal *deal); // samples of this rank, drop_last not applied
size_t hs_deal_batches(const struct hs_deal *deal); // batches of this rank
size_t hs_deal_end(const struct hs_deal *deal);     // `at` after the last sample: n, rounded by the shard rule

// hs_deal_batch_rows gives the size of batch b (0-based, < hs_deal_batches), and hs_deal_index the place in the epoch's
// order (0..n-1) of sample j of this rank.
size_t hs_deal_batch_rows(const struct hs_deal *deal, size_t batch);
size_t hs_deal_index(const struct hs_deal *deal, size_t sample);

// hs_deal_check: rank < world, batch_size > 0 (torch's sentences); at <= n, and with PAD up to 4,096 (or world, if that
// is more) beyond n, with EVEN so many batches, because the saved end of an epoch stays valid when the number of ranks
// changes; batch by batch, a round of at most 2^48 samples. 0 or HSFEED_EBADPLAN. The other functions expect a deal
// that passed it.
int hs_deal_check(const struct hs_deal *deal, struct hs_err *reterr);

// Their names, by number and up to a NULL: "shuffle", "sequential", "length", "explicit"; "pad", "drop", "exact",
// "even", "batches".
extern const char *const hs_order_names[], *const hs_shard_names[];
const char *hs_order_name(enum hs_order order);
const char *hs_shard_name(enum hs_shard shard);

#endif
