// SPDX-License-Identifier: Apache-2.0
// Epoch orders, each computed once and shared: the rows in order by (version, plan, fold, split, order, seed + epoch),
// and of a length grouped one (encoding, max_length, batch) too.
#include <stdlib.h>
#include <string.h>

#include "feed/internal.h"
#include "plan/length.h"

// How long a row is in a batch, padding apart: with its special tokens, truncated.
static uint32_t length_of(const struct hs_encoding *e, uint32_t row, uint32_t max_length)
{
	size_t length = hs_feed_row_length(e, row);
	return length < max_length ? (uint32_t)length : max_length;
}

static int permute_by_length(const struct order_request *request, struct order *order, struct hs_err *reterr)
{
	uint32_t *lengths = hs_array(order->n, sizeof(*lengths));
	if (!lengths)
		return hs_err_nomem(reterr, "ordering an epoch by length");
	for (size_t i = 0; i < order->n; i++)
		lengths[i] = length_of(request->encoding, order->rows[i], request->max_length);
	int rc = hs_length_order(lengths, order->n, request->length_batch, request->seed, order->rows, reterr);
	free(lengths);
	return rc;
}

// Puts the rows, which ascend so far, into the order asked for.
static int permute(const struct order_request *request, struct order *order, struct hs_err *reterr)
{
	uint32_t *rows = hs_array(order->n, sizeof(*rows));
	if (!rows)
		return hs_err_nomem(reterr, "ordering an epoch");
	memcpy(rows, order->rows, order->n * sizeof(*rows));
	int rc = request->kind == HS_ORDER_LENGTH ? permute_by_length(request, order, reterr)
						  : hs_randperm(order->n, request->seed, order->rows, reterr);
	for (size_t i = 0; rc == 0 && i < order->n; i++)
		order->rows[i] = rows[order->rows[i]];
	free(rows);
	return rc;
}

static int order_make(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr)
{
	struct order_request *request = arg;
	struct order *order = calloc(1, sizeof(*order) + (request->nrows + 1) * sizeof(order->rows[0]));
	if (!order)
		return hs_err_nomem(reterr, "ordering an epoch");
	if (request->plan) {
		order->n = hs_plan_rows(request->plan, request->fold, request->val, order->rows);
	} else {
		order->n = request->nrows;
		for (size_t i = 0; i < order->n; i++)
			order->rows[i] = (uint32_t)i;
	}
	int rc = request->kind == HS_ORDER_SEQUENTIAL ? 0 : permute(request, order, reterr);
	if (rc < 0) {
		free(order);
		return rc;
	}
	*ret_value = order;
	*ret_bytes = sizeof(*order) + order->n * sizeof(order->rows[0]);
	return 0;
}

const struct hs_cache_kind hs_feed_order_cache = {order_make, free, 128u << 20};
