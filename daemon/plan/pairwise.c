// SPDX-License-Identifier: Apache-2.0
// Up to 7 terms from left to right; up to 128 in eight interleaved sums, joined as a tree; more in two halves of which
// the first is a multiple of eight. Source: numpy 2.4 umath/loops_utils.h.src, pairwise_sum.
#include "plan/pairwise.h"

#define LANES 8
#define BLOCK 128

static double block_sum(const double *v, size_t n)
{
	double lane[LANES], sum;
	size_t i = LANES;
	for (size_t j = 0; j < LANES; j++)
		lane[j] = v[j];
	for (; i + LANES <= n; i += LANES)
		for (size_t j = 0; j < LANES; j++)
			lane[j] += v[i + j];
	sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
	for (; i < n; i++)
		sum += v[i];
	return sum;
}

double hs_pairwise_sum(const double *values, size_t n)
{
	if (n > BLOCK) {
		size_t half = n / 2 - n / 2 % LANES;
		return hs_pairwise_sum(values, half) + hs_pairwise_sum(values + half, n - half);
	}
	if (n >= LANES)
		return block_sum(values, n);
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += values[i];
	return sum;
}
