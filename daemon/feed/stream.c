// SPDX-License-Identifier: Apache-2.0
// A stream's window: the order of its epoch (shared), its share of it (hs_deal), and the number of the next batch.
// Seeking replaces the first two; nothing else is state.
#include <stdlib.h>
#include <string.h>

#include "feed/internal.h"
#include "feed/statistics.h"

struct hs_stream {
	struct hs_feed *feed;
	struct hs_feed_source *source;
	struct hs_stream_spec spec;
	struct hs_layout layout;
	const struct hs_plan *plan; // NULL for split all
	struct hs_cache_entry *order;
	struct hs_deal deal;
	size_t next;    // batch of this window
	uint32_t *rows; // [batch_size] scratch: row numbers of the batch being filled
	struct hs_patterns patterns[HS_FEED_MAX_ROLES];
	struct hs_mask mask;
	struct hs_weights weights;
};

// ---- checks ----

static int check_lengths(const struct hs_feed_source *source, const struct hs_stream_spec *spec, struct hs_err *reterr)
{
	for (size_t i = 0; i < hs_feed_source_nroles(source); i++) {
		int rc = hs_check_max_length(hs_feed_source_encoding(source, i), hs_feed_source_role(source, i),
					     spec->max_length[i], reterr);
		if (rc < 0)
			return rc;
	}
	if (spec->padding == HS_PAD_MULTIPLE && (spec->multiple == 0 || spec->multiple > HS_FEED_MAX_LENGTH))
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "padding to a multiple of %u is out of range: 1 to %u",
				  spec->multiple, HS_FEED_MAX_LENGTH);
	return 0;
}

int hs_feed_check_spec(const struct hs_feed_source *source, const struct hs_stream_spec *spec, struct hs_err *reterr)
{
	if (spec->batch_size == 0 || spec->batch_size > HS_FEED_MAX_BATCH)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "batch_size %u is out of range: 1 to %u",
				  spec->batch_size, HS_FEED_MAX_BATCH);
	return check_lengths(source, spec, reterr);
}

int hs_feed_check_fold(const struct hs_stream_spec *spec, const struct hs_plan *plan, struct hs_err *reterr)
{
	if (spec->fold >= plan->spec.nfolds)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "fold %u is out of range: the plan has folds 0 to %u",
				  spec->fold, plan->spec.nfolds - 1);
	return 0;
}

// ---- the window ----

int hs_feed_order_get(const struct hs_feed_source *source, const struct hs_plan *plan,
		      const struct hs_stream_spec *spec, struct hs_cache_entry **ret, struct hs_err *reterr)
{
	const struct hs_version *v = hs_feed_source_version(source);
	struct order_request request = {.nrows = v->nrows,
					.plan = plan,
					.fold = spec->fold,
					.val = spec->split == HS_VAL,
					.shuffle = spec->order == HS_ORDER_SHUFFLE,
					.seed = spec->order == HS_ORDER_SHUFFLE ? spec->seed + spec->epoch : 0};
	struct cache_key key = {0};
	hs_feed_key_version(&key, source);
	if (plan) {
		hs_feed_key_add(&key, plan->digest, sizeof(plan->digest));
		hs_feed_key_add(&key, &request.fold, sizeof(request.fold));
	}
	uint8_t flags[3] = {plan != NULL, request.val, request.shuffle};
	hs_feed_key_add(&key, flags, sizeof(flags));
	hs_feed_key_add(&key, &request.seed, sizeof(request.seed));
	return hs_cache_get(source->feed->orders, key.bytes, key.len, &request, ret, reterr);
}

struct hs_deal hs_feed_deal_of(const struct hs_stream_spec *spec, size_t n)
{
	return (struct hs_deal){.n = n,
				.at = spec->at,
				.rank = spec->rank,
				.world = spec->world,
				.shard = spec->shard,
				.batch_size = spec->batch_size,
				.drop_last = spec->drop_last};
}

size_t hs_feed_deal_rows(const struct order *order, const struct hs_deal *deal, size_t batch, uint32_t *ret_rows)
{
	size_t n = hs_deal_batch_rows(deal, batch), first = batch * deal->batch_size;
	for (size_t i = 0; i < n; i++)
		ret_rows[i] = order->rows[hs_deal_index(deal, first + i)];
	return n;
}

// Moves the window to spec's epoch, at and seed; the stream stays as it was on failure.
static int move_window(struct hs_stream *s, const struct hs_stream_spec *spec, struct hs_err *reterr)
{
	struct hs_cache_entry *order;
	int rc = hs_feed_order_get(s->source, s->plan, spec, &order, reterr);
	if (rc < 0)
		return rc;
	struct hs_deal deal = hs_feed_deal_of(spec, ((struct order *)hs_cache_value(order))->n);
	rc = hs_deal_check(&deal, reterr);
	if (rc < 0) {
		hs_cache_put(s->feed->orders, order);
		return rc;
	}
	hs_cache_put(s->feed->orders, s->order);
	s->order = order;
	s->deal = deal;
	s->spec.epoch = spec->epoch; // only these: hs_stream_prepare may be reading the others
	s->spec.at = spec->at;
	s->spec.seed = spec->seed;
	s->next = 0;
	return 0;
}

int hs_stream_seek(struct hs_stream *stream, uint64_t epoch, uint64_t at, uint64_t seed, struct hs_err *reterr)
{
	struct hs_stream_spec spec = stream->spec;
	spec.epoch = epoch;
	spec.at = at;
	spec.seed = seed;
	return move_window(stream, &spec, reterr);
}

void hs_stream_prepare(const struct hs_stream *stream, uint64_t epoch, uint64_t seed)
{
	struct hs_stream_spec spec = {.split = stream->spec.split,
				      .fold = stream->spec.fold,
				      .order = stream->spec.order,
				      .seed = seed,
				      .epoch = epoch};
	struct hs_cache_entry *order;
	if (hs_feed_order_get(stream->source, stream->plan, &spec, &order, NULL) == 0)
		hs_cache_put(stream->feed->orders, order);
}

// ---- life ----

static int make_patterns(struct hs_stream *s, const struct hs_stream_spec *spec)
{
	int rc = 0;
	for (size_t i = 0; i < hs_feed_source_nroles(s->source) && rc == 0; i++) {
		uint32_t multiple = spec->padding == HS_PAD_MULTIPLE ? spec->multiple : 0;
		rc = hs_feed_patterns_init(&s->patterns[i], hs_feed_source_encoding(s->source, i),
					   hs_feed_round_up(spec->max_length[i], multiple), spec->int32);
	}
	return rc;
}

static int stream_init(struct hs_stream *s, const struct hs_stream_spec *spec, struct hs_err *reterr)
{
	int rc = hs_feed_check_spec(s->source, spec, reterr);
	if (rc == 0)
		rc = hs_feed_layout_init(s->source, spec, &s->layout, reterr);
	if (rc == 0)
		rc = hs_feed_mask_init(&s->mask, s->source, spec, reterr);
	if (rc == 0)
		rc = hs_feed_weights_init(&s->weights, s->source, spec, reterr);
	if (rc == 0 && spec->split != HS_ALL)
		rc = hs_feed_plan_get(s->feed, s->source, &spec->plan, &s->plan, reterr);
	if (rc == 0 && s->plan)
		rc = hs_feed_check_fold(spec, s->plan, reterr);
	s->spec.plan = (struct hs_plan_request){.kind_given = false}; // its pointers were the request's
	s->spec.weights = NULL;
	if (rc < 0)
		return rc;
	s->rows = hs_array(spec->batch_size, sizeof(*s->rows));
	if (!s->rows || make_patterns(s, spec) < 0)
		return hs_err_nomem(reterr, "opening a stream");
	return move_window(s, spec, reterr);
}

int hs_stream_create(struct hs_feed *feed, struct hs_feed_source *source, const struct hs_stream_spec *spec,
		     struct hs_stream **ret, struct hs_err *reterr)
{
	struct hs_stream *s = calloc(1, sizeof(*s));
	if (!s) {
		hs_feed_source_close(source);
		return hs_err_nomem(reterr, "opening a stream");
	}
	s->feed = feed;
	s->source = source;
	s->spec = *spec;
	int rc = stream_init(s, spec, reterr);
	if (rc < 0) {
		hs_stream_destroy(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void hs_stream_destroy(struct hs_stream *stream)
{
	if (!stream)
		return;
	hs_cache_put(stream->feed->orders, stream->order);
	hs_feed_plan_put(stream->feed, stream->plan);
	hs_feed_source_close(stream->source);
	for (size_t i = 0; i < HS_FEED_MAX_ROLES; i++)
		hs_feed_patterns_fini(&stream->patterns[i]);
	hs_feed_weights_fini(&stream->weights);
	free(stream->rows);
	free(stream);
}

const struct hs_stream_spec *hs_stream_get_spec(const struct hs_stream *stream)
{
	return &stream->spec;
}

const struct hs_layout *hs_stream_get_layout(const struct hs_stream *stream)
{
	return &stream->layout;
}

const struct hs_plan *hs_stream_get_plan(const struct hs_stream *stream)
{
	return stream->plan;
}

struct hs_feed_source *hs_stream_get_source(const struct hs_stream *stream)
{
	return stream->source;
}

size_t hs_stream_rows(const struct hs_stream *stream)
{
	return stream->deal.n;
}

size_t hs_stream_samples(const struct hs_stream *stream)
{
	return hs_deal_samples(&stream->deal);
}

size_t hs_stream_batches(const struct hs_stream *stream)
{
	return hs_deal_batches(&stream->deal);
}

size_t hs_stream_scratch_bytes(const struct hs_stream *stream)
{
	size_t bytes =
		stream->spec.batch_size * sizeof(*stream->rows) + stream->weights.n * sizeof(*stream->weights.rules);
	for (size_t i = 0; i < hs_feed_source_nroles(stream->source); i++)
		bytes += stream->patterns[i].bytes;
	return bytes;
}

int hs_stream_fill(struct hs_stream *stream, void *slot, struct hs_fill *ret)
{
	const struct hs_deal *deal = &stream->deal;
	if (stream->next >= hs_deal_batches(deal))
		return 0;
	const struct order *order = hs_cache_value(stream->order);
	size_t n = hs_feed_deal_rows(order, deal, stream->next, stream->rows);
	struct gather g = {.source = stream->source,
			   .spec = &stream->spec,
			   .layout = &stream->layout,
			   .patterns = stream->patterns,
			   .rows = stream->rows,
			   .n = n,
			   .mask = &stream->mask,
			   .weights = &stream->weights};
	hs_feed_gather(&g, slot, ret);
	uint64_t step = (uint64_t)deal->batch_size * deal->world, end = hs_deal_end(deal);
	stream->next++;
	uint64_t at = deal->at + stream->next * step;
	ret->batch = deal->at / step + stream->next - 1;
	ret->at = at < end ? at : end;
	return 1;
}
