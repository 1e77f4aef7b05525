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
	struct hs_layout layout, packed;
	const struct hs_plan *plan;    // NULL for split all
	struct hs_cache_entry *cached; // the order's; NULL: it is the list's
	struct hs_order_list *list;    // NULL unless EXPLICIT
	const struct order *order;
	struct hs_deal deal;
	size_t next;    // batch of this window
	uint32_t *rows; // [batch_size] scratch: row numbers of the batch being filled
	struct hs_rows put[HS_FEED_MAX_ROLES];
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
	if (spec->order == HS_ORDER_LENGTH && (spec->length_batch == 0 || hs_feed_source_nroles(source) == 0))
		return hs_err_set(
			reterr, HSFEED_EBADREQUEST,
			"the order \"length\" needs a role, whose lengths count, and a batch of 1 row or more");
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
					.kind = spec->order,
					.seed = spec->order == HS_ORDER_SEQUENTIAL ? 0 : spec->seed + spec->epoch};
	struct cache_key key = {0};
	hs_feed_key_version(&key, source);
	if (plan) {
		hs_feed_key_add(&key, plan->digest, sizeof(plan->digest));
		hs_feed_key_add(&key, &request.fold, sizeof(request.fold));
	}
	uint8_t flags[3] = {plan != NULL, request.val, (uint8_t)request.kind};
	hs_feed_key_add(&key, flags, sizeof(flags));
	hs_feed_key_add(&key, &request.seed, sizeof(request.seed));
	if (request.kind == HS_ORDER_LENGTH) {
		request.encoding = hs_feed_source_encoding(source, 0);
		request.max_length = spec->max_length[0];
		request.length_batch = spec->length_batch;
		hs_feed_key_add(&key, hs_file_get_id(request.encoding->file)->bytes, sizeof(struct hs_id));
		hs_feed_key_add(&key, &request.max_length, sizeof(request.max_length));
		hs_feed_key_add(&key, &request.length_batch, sizeof(request.length_batch));
	}
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

// The order of a place, cached or a list's. NULL in *ret_cached: a list's.
static int find_order(const struct hs_stream *s, const struct hs_stream_spec *spec, struct hs_cache_entry **ret_cached,
		      const struct order **ret, struct hs_err *reterr)
{
	*ret_cached = NULL;
	if (spec->order == HS_ORDER_EXPLICIT) {
		*ret = spec->list->order;
		if (*ret == s->order)
			return 0; // checked when it came
		return hs_feed_list_check(spec->list, s->plan, spec->fold, spec->split == HS_VAL, reterr);
	}
	int rc = hs_feed_order_get(s->source, s->plan, spec, ret_cached, reterr);
	if (rc == 0)
		*ret = hs_cache_value(*ret_cached);
	return rc;
}

static void put_order(struct hs_stream *s)
{
	hs_cache_put(s->feed->orders, s->cached);
	s->cached = NULL;
	s->order = NULL;
}

// Moves the window to spec's epoch, at, seed and list; the stream stays as it was on failure. The list stays the
// caller's.
static int move_window(struct hs_stream *s, const struct hs_stream_spec *spec, struct hs_err *reterr)
{
	struct hs_cache_entry *cached;
	const struct order *order = NULL;
	int rc = find_order(s, spec, &cached, &order, reterr);
	if (rc < 0)
		return rc;
	struct hs_deal deal = hs_feed_deal_of(spec, order->n);
	rc = hs_deal_check(&deal, reterr);
	if (rc < 0) {
		hs_cache_put(s->feed->orders, cached);
		return rc;
	}
	put_order(s);
	s->cached = cached;
	s->order = order;
	s->deal = deal;
	s->spec.epoch = spec->epoch; // only these: hs_stream_prepare may be reading the others
	s->spec.at = spec->at;
	s->spec.seed = spec->seed;
	s->next = 0;
	return 0;
}

static int check_list(const struct hs_stream_spec *spec, struct hs_err *reterr)
{
	bool explicit = spec->order == HS_ORDER_EXPLICIT;
	if (explicit == (spec->list != NULL))
		return 0;
	if (explicit)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "the order \"explicit\" needs a list of rows");
	return hs_err_set(reterr, HSFEED_EBADREQUEST, "a list of rows goes with the order \"explicit\", not \"%s\"",
			  hs_order_name(spec->order));
}

int hs_stream_seek(struct hs_stream *stream, const struct hs_stream_place *place, struct hs_err *reterr)
{
	struct hs_stream_spec spec = stream->spec;
	spec.epoch = place->epoch;
	spec.at = place->at;
	spec.seed = place->seed;
	spec.list = place->list ? place->list : stream->list;
	int rc = check_list(&spec, reterr);
	if (rc == 0)
		rc = move_window(stream, &spec, reterr);
	if (rc < 0 && place->list) {
		hs_order_list_destroy(place->list);
	} else if (place->list) {
		hs_order_list_destroy(stream->list);
		stream->list = place->list;
	}
	return rc;
}

void hs_stream_prepare(const struct hs_stream *stream, uint64_t epoch, uint64_t seed)
{
	struct hs_stream_spec spec = {.split = stream->spec.split,
				      .fold = stream->spec.fold,
				      .order = stream->spec.order,
				      .length_batch = stream->spec.length_batch,
				      .max_length = {stream->spec.max_length[0]},
				      .seed = seed,
				      .epoch = epoch};
	struct hs_cache_entry *order;
	if (spec.order != HS_ORDER_EXPLICIT &&
	    hs_feed_order_get(stream->source, stream->plan, &spec, &order, NULL) == 0)
		hs_cache_put(stream->feed->orders, order);
}

// ---- life ----

// Of a packed stream it is the client that makes rows; a role that is masked goes as ids.
static int make_rows(struct hs_stream *s, const struct hs_stream_spec *spec)
{
	int rc = 0;
	for (size_t i = 0; i < hs_feed_source_nroles(s->source) && rc == 0; i++) {
		uint32_t multiple = spec->padding == HS_PAD_MULTIPLE ? spec->multiple : 0;
		struct hs_rows *rows = &s->put[i];
		*rows = hs_feed_rows_of(hs_feed_source_encoding(s->source, i), spec->int32);
		if (!spec->packed)
			rc = hs_rows_init(rows, hs_feed_round_up(spec->max_length[i], multiple));
		else if (s->mask.kind != HS_MASK_NONE && s->mask.roles[i])
			rows->width = 32;
		if (rows->width == 32)
			rows->table = NULL;
	}
	return rc;
}

static int stream_init(struct hs_stream *s, const struct hs_stream_spec *spec, struct hs_err *reterr)
{
	int rc = hs_feed_check_spec(s->source, spec, reterr);
	if (rc == 0)
		rc = check_list(spec, reterr);
	if (rc == 0)
		rc = hs_feed_layout_init(s->source, spec, &s->layout, reterr);
	if (rc == 0 && spec->packed)
		hs_feed_packed_init(s->source, spec, &s->layout, &s->packed);
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
	if (!s->rows || make_rows(s, spec) < 0)
		return hs_err_nomem(reterr, "opening a stream");
	return move_window(s, spec, reterr);
}

int hs_stream_create(struct hs_feed *feed, struct hs_feed_source *source, const struct hs_stream_spec *spec,
		     struct hs_stream **ret, struct hs_err *reterr)
{
	struct hs_stream *s = calloc(1, sizeof(*s));
	if (!s) {
		hs_feed_source_close(source);
		hs_order_list_destroy(spec->list);
		return hs_err_nomem(reterr, "opening a stream");
	}
	s->feed = feed;
	s->source = source;
	s->spec = *spec;
	s->spec.list = NULL;
	s->list = spec->list;
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
	put_order(stream);
	hs_order_list_destroy(stream->list);
	hs_feed_plan_put(stream->feed, stream->plan);
	hs_feed_source_close(stream->source);
	for (size_t i = 0; i < HS_FEED_MAX_ROLES; i++)
		hs_rows_fini(&stream->put[i]);
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

const struct hs_layout *hs_stream_get_slots(const struct hs_stream *stream)
{
	return stream->spec.packed ? &stream->packed : &stream->layout;
}

const struct hs_rows *hs_stream_get_rows(const struct hs_stream *stream, size_t role)
{
	return &stream->put[role];
}

size_t hs_stream_table_codes(const struct hs_stream *stream, size_t role)
{
	return stream->put[role].table ? hs_feed_source_encoding(stream->source, role)->table_len : 0;
}

const struct hs_plan *hs_stream_get_plan(const struct hs_stream *stream)
{
	return stream->plan;
}

struct hs_feed_source *hs_stream_get_source(const struct hs_stream *stream)
{
	return stream->source;
}

const uint8_t *hs_stream_order_digest(const struct hs_stream *stream)
{
	return stream->list ? stream->list->digest : NULL;
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
		bytes += stream->put[i].bytes;
	return bytes;
}

bool hs_stream_is_over(const struct hs_stream *stream)
{
	return stream->next >= hs_deal_batches(&stream->deal);
}

int hs_stream_fill(struct hs_stream *stream, void *slot, struct hs_fill *ret)
{
	const struct hs_deal *deal = &stream->deal;
	if (hs_stream_is_over(stream))
		return 0;
	size_t n = hs_feed_deal_rows(stream->order, deal, stream->next, stream->rows);
	struct gather g = {.source = stream->source,
			   .spec = &stream->spec,
			   .layout = hs_stream_get_slots(stream),
			   .put = stream->put,
			   .rows = stream->rows,
			   .n = n,
			   .mask = &stream->mask,
			   .weights = &stream->weights};
	if (stream->spec.packed)
		hs_feed_pack(&g, slot, ret);
	else
		hs_feed_gather(&g, slot, ret);
	uint64_t step = (uint64_t)deal->batch_size * deal->world, end = hs_deal_end(deal);
	stream->next++;
	uint64_t at = deal->at + stream->next * step;
	ret->batch = deal->at / step + stream->next - 1;
	ret->at = at < end ? at : end;
	return 1;
}
