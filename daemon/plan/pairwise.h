// SPDX-License-Identifier: Apache-2.0
// numpy's pairwise summation. Private to this layer.
#ifndef HS_PLAN_PAIRWISE_H
#define HS_PLAN_PAIRWISE_H

#include <stddef.h>

// hs_pairwise_sum: numpy.add.reduce of a contiguous array of doubles, to the last bit.
double hs_pairwise_sum(const double *values, size_t n);

#endif
