// SPDX-License-Identifier: Apache-2.0
// Token lengths from the offsets of an encoding: one pass finds how far they go, one counts them; the rest is read off
// the counts.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "feed/internal.h"
#include "feed/statistics.h"

int hs_check_max_length(const struct hs_encoding *e, const char *role, uint32_t max_length, struct hs_err *reterr)
{
	uint32_t specials = e->nprefix + e->nsuffix;
	if (max_length >= specials && max_length > 0 && max_length <= HS_FEED_MAX_LENGTH)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADREQUEST,
			  "max_length %u of role \"%s\" is out of range: %u (the special tokens) to %u", max_length,
			  role, specials ? specials : 1, HS_FEED_MAX_LENGTH);
}

double hs_padding_share(const struct hs_token_sums *sums, uint32_t max_length)
{
	uint64_t places = sums->rows * max_length, kept = sums->tokens - sums->lost_tokens;
	return places == 0 ? 0 : (double)(places - kept) / (double)places;
}

static void find_bounds(const struct hs_encoding *e, struct hs_lengths *ret)
{
	size_t min = SIZE_MAX, max = 0;
	for (size_t row = 0; row < e->nrows; row++) {
		size_t length = hs_feed_row_length(e, row);
		min = length < min ? length : min;
		max = length > max ? length : max;
		ret->tokens += length;
	}
	ret->nrows = e->nrows;
	ret->min = e->nrows ? (uint32_t)min : 0;
	ret->max = (uint32_t)max;
}

int hs_lengths_init(const struct hs_encoding *e, struct hs_lengths *ret)
{
	struct hs_lengths lengths = {0};
	find_bounds(e, &lengths);
	lengths.counts = hs_array((size_t)lengths.max + 1, sizeof(*lengths.counts));
	if (!lengths.counts)
		return -ENOMEM;
	for (size_t row = 0; row < e->nrows; row++)
		lengths.counts[hs_feed_row_length(e, row)]++;
	*ret = lengths;
	return 0;
}

void hs_lengths_fini(struct hs_lengths *lengths)
{
	free(lengths->counts);
	memset(lengths, 0, sizeof(*lengths));
}

uint32_t hs_lengths_percentile(const struct hs_lengths *lengths, unsigned per_mille)
{
	uint64_t within = 0;
	for (uint32_t length = 0; length < lengths->max; length++) {
		within += lengths->counts[length];
		if (within > 0 && within * 1000 >= (uint64_t)per_mille * lengths->nrows)
			return length;
	}
	return lengths->max;
}

void hs_lengths_cut(const struct hs_lengths *lengths, uint32_t max_length, struct hs_token_sums *ret)
{
	*ret = (struct hs_token_sums){.rows = lengths->nrows, .tokens = lengths->tokens};
	for (uint64_t length = (uint64_t)max_length + 1; length <= lengths->max; length++) {
		ret->truncated_rows += lengths->counts[length];
		ret->lost_tokens += lengths->counts[length] * (length - max_length);
	}
}
