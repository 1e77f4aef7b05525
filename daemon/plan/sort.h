// SPDX-License-Identifier: Apache-2.0
// The two orders of equal keys that numpy's argsort has had. Private to this layer.
#ifndef HS_PLAN_SORT_H
#define HS_PLAN_SORT_H

#include <stddef.h>
#include <stdint.h>

// hs_argsort_stable: numpy.argsort(keys, kind="stable"); n at most UINT32_MAX. 0 or -ENOMEM (ret_order untouched).
// Linear: one pass for each byte in which keys differ.
int hs_argsort_stable(const uint64_t *keys, size_t n, uint32_t *ret_order);

// hs_argsort_numpy1: numpy.argsort(keys) of numpy up to 1.24, and of later ones on processors without AVX2: its
// introsort, which leaves equal keys of more than 16 in an order of its own. O(n log n), no allocation.
void hs_argsort_numpy1(const uint32_t *keys, size_t n, uint32_t *ret_order);

// hs_rank_u32 replaces values by their rank among the distinct values (numpy.unique's return_inverse). ret_ranks may
// be values. 0 or -ENOMEM (results untouched).
int hs_rank_u32(const uint32_t *values, size_t n, uint32_t *ret_ranks, size_t *ret_nranks);

#endif
