// SPDX-License-Identifier: Apache-2.0
// What the batches of an epoch will hold, counted by walking them as streams do: the order is the cached one, the deal
// and the batches' widths are computed by the very functions that fill slots.
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "feed/internal.h"
#include "feed/statistics.h"

static void add_role(const struct gather *g, size_t role, struct hs_estimate_role *sums)
{
	const struct hs_encoding *e = hs_feed_source_encoding(g->source, role);
	size_t max_length = g->spec->max_length[role];
	for (size_t i = 0; i < g->n; i++) {
		size_t length = hs_feed_row_length(e, g->rows[i]);
		size_t lost = length > max_length ? length - max_length : 0;
		sums->real_tokens += length - lost;
		sums->truncated_rows += lost > 0;
		sums->lost_tokens += lost;
	}
	sums->padded_tokens += (uint64_t)g->n * hs_feed_batch_length(g, role);
}

static void add_rank(struct gather *g, const struct order *order, const struct hs_deal *deal, uint32_t *rows,
		     struct hs_estimate *sums)
{
	size_t nbatches = hs_deal_batches(deal);
	for (size_t batch = 0; batch < nbatches; batch++) {
		g->n = hs_feed_deal_rows(order, deal, batch, rows);
		sums->samples += g->n;
		for (size_t role = 0; role < hs_feed_source_nroles(g->source); role++)
			add_role(g, role, &sums->roles[role]);
	}
}

static int check(const struct hs_feed_source *source, const struct hs_plan *plan, const struct hs_stream_spec *spec,
		 struct hs_err *reterr)
{
	if (spec->world > HS_ESTIMATE_MAX_WORLD)
		return hs_err_set(reterr, HSFEED_ELIMIT, "an estimate for %u ranks is too much work: at most %u",
				  spec->world, HS_ESTIMATE_MAX_WORLD);
	if (spec->order == HS_ORDER_EXPLICIT)
		return hs_err_set(reterr, HSFEED_EBADREQUEST,
				  "the order \"explicit\" is a client's own: nothing can be estimated of it");
	int rc = hs_feed_check_spec(source, spec, reterr);
	return rc == 0 && plan ? hs_feed_check_fold(spec, plan, reterr) : rc;
}

int hs_feed_estimate(const struct hs_feed_source *source, const struct hs_plan *plan, const struct hs_stream_spec *spec,
		     struct hs_estimate *ret, struct hs_err *reterr)
{
	struct hs_cache_entry *entry;
	struct hs_stream_spec rank = *spec;
	rank.rank = 0;
	rank.at = 0;
	int rc = check(source, plan, &rank, reterr);
	if (rc == 0)
		rc = hs_feed_order_get(source, plan, &rank, &entry, reterr);
	if (rc < 0)
		return rc;
	const struct order *order = hs_cache_value(entry);
	uint32_t *rows = hs_array(rank.batch_size, sizeof(*rows));
	struct gather g = {.source = source, .spec = &rank, .rows = rows};
	struct hs_deal deal = hs_feed_deal_of(&rank, order->n);
	rc = rows ? hs_deal_check(&deal, reterr) : hs_err_nomem(reterr, "estimating an epoch");
	if (rc == 0)
		*ret = (struct hs_estimate){.rows = order->n, .batches = hs_deal_batches(&deal)};
	for (deal.rank = 0; rc == 0 && deal.rank < deal.world; deal.rank++)
		add_rank(&g, order, &deal, rows, ret);
	free(rows);
	hs_cache_put(source->feed->orders, entry);
	return rc;
}
