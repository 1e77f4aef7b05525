// SPDX-License-Identifier: Apache-2.0
// Length grouping: rows of about equal length come together, the longest first, so that batches padded to their longest
// row waste little. Bit-identical to transformers' LengthGroupedSampler and DistributedLengthGroupedSampler.
#ifndef HS_PLAN_LENGTH_H
#define HS_PLAN_LENGTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// hs_length_order writes the order of n rows of these lengths to ret_order[n], as
// transformers.trainer_pt_utils.get_length_grouped_indices(lengths, batch, generator=Generator().manual_seed(seed));
// only seed mod 2^32 matters. batch, at least 1, is the trainer's: its batch size times its accumulation steps. Dealing
// the order to ranks is hs_deal's. 0, HSFEED_EBADPLAN as hs_randperm, or -ENOMEM; ret_order is then undefined.
int hs_length_order(const uint32_t *lengths, size_t n, uint64_t batch, uint64_t seed, uint32_t *ret_order,
		    struct hs_err *reterr);

#endif
