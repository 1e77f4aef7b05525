// SPDX-License-Identifier: Apache-2.0
// Streams: what the connection hands in, what callers take, and the credits in between.
//
//   FREE --- stream.batch ---> WAITING --- hsfeed_stream_next ---> HELD --- hsfeed_batch_release ---> FREE (+ a credit)
//                                 \------------------- seek, another generation -----------------------/
//
// A slot is the memory of one batch. With the inline transport it is ours and filled by a copy; with a ring it is a
// part of the mapped ring: nothing outside batch.c and ring.c knows. A packed slot is FREE again as soon as its batch
// is taken: what is HELD is one of packed.c's own.
//
// A seek that is made ahead is answered while somebody waits for something else, or by the next who wants a batch:
//
//   NONE --- seek_ahead ---> ASKED --- answer ---> THERE (arrived) --- a batch is taken, seek ---> NONE
//                                  \--- error ---> REFUSED --- seek ---> NONE
//
// Closing: a ring's memory goes back to the daemon with stream.close, so that is sent when the last batch in it is
// released, and until then stream and connection live on behind the caller's back.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

hsfeed_stream *hs_stream_find(hsfeed_client *client, struct hs_rbuf params)
{
	uint64_t id;
	if (!hs_r_get_uint(params, "stream", &id))
		return NULL;
	hsfeed_stream *s = client->streams;
	while (s && s->id != id)
		s = s->next;
	return s;
}

// ---- credits ----

void hs_stream_flush(hsfeed_stream *stream)
{
	hsfeed_client *client = stream->client;
	if (!client || client->broken.code || client->owner_pid != getpid() || stream->nreleases == 0)
		return;
	if (stream->ring) {
		hs_channel_release(stream);
		return;
	}
	hs_write_release(&client->out, stream->id, (const uint64_t(*)[2])stream->releases, stream->nreleases);
	stream->nreleases = 0;
	hs_conn_flush(client);
}

// Credits are sent at once when nothing waits to be taken, a few together otherwise.
static void give_back(hsfeed_stream *stream, struct hs_slot *slot)
{
	slot->state = HS_SLOT_FREE;
	if (stream->nreleases == HS_LIB_MAX_SLOTS)
		return; // only when nothing can be sent any more
	stream->releases[stream->nreleases][0] = slot->slot;
	stream->releases[stream->nreleases++][1] = slot->fill;
	if (stream->queue_len == 0 || stream->nreleases >= stream->nslots / 4)
		hs_stream_flush(stream);
}

// The connection that only this stream's ring kept open.
static void let_go(hsfeed_stream *stream)
{
	hsfeed_client *client = stream->client;
	hs_stream_orphan(stream);
	hs_client_unlend(client);
}

static void end(hsfeed_stream *stream)
{
	hsfeed_client *client = stream->client;
	if (client && client->closed) {
		let_go(stream);
	} else if (client) {
		hs_stream_orphan(stream);
		if (!client->broken.code && client->owner_pid == getpid() &&
		    hs_send_request(client, "stream.close", "stream", stream->id) == 0)
			hs_conn_flush(client);
	}
	for (unsigned i = 0; i < stream->nslots; i++) {
		if (stream->slots[i] && stream->slots[i]->state == HS_SLOT_HELD && !stream->ring)
			stream->slots[i]->stream = NULL; // freed by its release
		else
			hs_slot_free(stream->slots[i]);
	}
	hs_ring_close(stream);
	hs_layout_fini(&stream->layout);
	hsfeed_value_free(stream->info);
	hsfeed_value_free(stream->ahead.answer);
	hs_list_fini(&stream->list);
	free(stream);
}

void hsfeed_batch_release(const struct hsfeed_batch *batch)
{
	if (!batch)
		return;
	struct hs_slot *slot = (struct hs_slot *)(uintptr_t)batch; // the batch is its slot's first member
	hsfeed_stream *stream = slot->stream;
	if (!stream) {
		hs_slot_free(slot);
		return;
	}
	if (slot->state != HS_SLOT_HELD)
		return;
	stream->nheld--;
	if (stream->nheld == 0 && stream->closed) {
		end(stream);
		return;
	}
	if (stream->packed)
		hs_packed_release(stream->packed, slot);
	else
		give_back(stream, slot);
	if (stream->nheld == 0 && stream->client && stream->client->closed)
		let_go(stream);
}

// ---- from the connection ----

int hs_stream_bad_batch(hsfeed_client *client, const char *wrong)
{
	int code = strcmp(wrong, "out of memory") == 0 ? -ENOMEM : HSFEED_EBADFRAME;
	return hs_conn_break(client, code, "the daemon sent a batch that cannot be taken: %s", wrong);
}

int hs_stream_accept(hsfeed_stream *s, const struct hs_arrival *a)
{
	hsfeed_client *client = s->client;
	if (a->slot >= s->nslots || a->generation > UINT32_MAX)
		return hs_stream_bad_batch(client, "there is no such slot");
	if (!s->slots[a->slot])
		s->slots[a->slot] = hs_slot_create(s, (uint32_t)a->slot);
	struct hs_slot *slot = s->slots[a->slot];
	if (!slot)
		return hs_stream_bad_batch(client, "out of memory");
	if (slot->state != HS_SLOT_FREE)
		return hs_stream_bad_batch(client, "its slot is in use");
	slot->fill = a->fill;
	slot->generation = (uint32_t)a->generation;
	if (a->generation < s->generation) {
		give_back(s, slot);
		return client->broken.code;
	}
	const char *wrong = hs_batch_fill(s, a, slot);
	if (wrong)
		return hs_stream_bad_batch(client, wrong);
	if (s->packed)
		hs_packed_arrive(s->packed, a);
	slot->state = HS_SLOT_WAITING;
	s->queue[(s->queue_head + s->queue_len++) % HS_LIB_MAX_SLOTS] = (uint8_t)a->slot;
	return 0;
}

static bool read_lengths(struct hs_rbuf params, size_t nroles, uint64_t *ret)
{
	struct hs_rbuf r;
	struct hs_wire_value v;
	if (!hs_r_find(params, "lengths", &r) || !hs_r_next(&r, &v) || v.type != HS_WIRE_ARRAY || v.as.count != nroles)
		return false;
	for (size_t i = 0; i < nroles; i++) {
		if (!hs_r_next(&r, &v) || v.type != HS_WIRE_UINT)
			return false;
		ret[i] = v.as.u;
	}
	return true;
}

int hs_stream_on_batch(hsfeed_client *client, struct hs_rbuf params)
{
	hsfeed_stream *s = hs_stream_find(client, params);
	struct hs_arrival a;
	if (!s)
		return 0; // of a stream that was closed while it was on its way
	if (!hs_r_get_uint(params, "generation", &a.generation) || !hs_r_get_uint(params, "slot", &a.slot) ||
	    !hs_r_get_uint(params, "fill", &a.fill) || !hs_r_get_uint(params, "batch", &a.batch) ||
	    !hs_r_get_uint(params, "at", &a.at) || !hs_r_get_uint(params, "rows", &a.rows) ||
	    !hs_r_get_bin(params, "data", &a.data, &a.len))
		return hs_stream_bad_batch(client, "a key is missing");
	if (s->ring)
		return hs_stream_bad_batch(client, "its stream has a ring");
	if (!read_lengths(params, s->layout.nroles, a.lengths))
		return hs_stream_bad_batch(client, "its lengths do not fit the stream");
	return hs_stream_accept(s, &a);
}

// The generation's end, unless a seek has left that generation already.
static struct hs_end *mark_end(hsfeed_client *client, struct hs_rbuf params)
{
	hsfeed_stream *s = hs_stream_find(client, params);
	uint64_t generation;
	if (!s || !hs_r_get_uint(params, "generation", &generation) || generation < s->generation ||
	    generation > UINT32_MAX)
		return NULL;
	s->end = (struct hs_end){.set = true, .generation = (uint32_t)generation};
	return &s->end;
}

int hs_stream_on_end(hsfeed_client *client, struct hs_rbuf params)
{
	mark_end(client, params);
	return 0;
}

int hs_stream_on_failed(hsfeed_client *client, struct hs_rbuf params, const hsfeed_value *tree)
{
	struct hs_end *end = mark_end(client, params);
	if (end)
		hs_error_decode(&end->error, hsfeed_value_get(tree, "error"));
	return 0;
}

// ---- life ----

static int read_opening(hsfeed_stream *s, const hsfeed_value *info, struct hsfeed_error *reterr)
{
	int rc = hs_layout_read(info, &s->layout, reterr);
	uint64_t nslots = hsfeed_value_uint(hsfeed_value_get(info, "slots"), 0);
	uint64_t id = hsfeed_value_uint(hsfeed_value_get(info, "stream"), UINT64_MAX);
	uint64_t generation = hsfeed_value_uint(hsfeed_value_get(info, "generation"), UINT64_MAX);
	if (rc == 0 && (nslots == 0 || nslots > HS_LIB_MAX_SLOTS || id > UINT32_MAX || generation > UINT32_MAX))
		rc = hs_error_set(reterr, HSFEED_EBADFRAME, "the daemon opened a stream with %llu slots",
				  (unsigned long long)nslots);
	if (rc == 0 && hs_stream_is_ring(info))
		rc = hs_layout_fault(hs_packed_create(info, &s->layout, (unsigned)nslots, &s->packed), reterr);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < s->layout.narrays; i++)
		s->names_bytes += strlen(s->layout.arrays[i].name) + 1;
	s->id = (uint32_t)id;
	s->generation = (uint32_t)generation;
	s->nslots = (uint32_t)nslots;
	s->epoch = hsfeed_value_uint(hsfeed_value_get(info, "epoch"), 0);
	s->at = hsfeed_value_uint(hsfeed_value_get(info, "at"), 0);
	s->seed = hsfeed_value_uint(hsfeed_value_get(info, "seed"), 0);
	return 0;
}

int hs_stream_create(hsfeed_client *client, hsfeed_value *info, hsfeed_stream **ret, struct hsfeed_error *reterr)
{
	hsfeed_stream *s = calloc(1, sizeof(*s));
	int rc = s ? read_opening(s, info, reterr) : hs_error_nomem(reterr);
	if (rc < 0 && hs_stream_is_ring(info))
		hs_ring_refuse(client);
	else if (rc == 0 && hs_stream_is_ring(info))
		rc = hs_ring_open(s, client, reterr);
	if (rc < 0) {
		hsfeed_value_free(info);
		if (s) {
			hs_packed_free(s->packed);
			hs_layout_fini(&s->layout);
		}
		free(s);
		return rc;
	}
	s->client = client;
	s->info = info;
	s->next = client->streams;
	client->streams = s;
	*ret = s;
	return 0;
}

void hs_stream_orphan(hsfeed_stream *stream)
{
	hsfeed_stream **p = &stream->client->streams;
	while (*p != stream)
		p = &(*p)->next;
	*p = stream->next;
	stream->client = NULL;
	stream->next = NULL;
}

void hsfeed_stream_close(hsfeed_stream *stream)
{
	if (!stream)
		return;
	if (!stream->ring || stream->nheld == 0)
		end(stream);
	else
		stream->closed = true; // the last release ends it
}

const hsfeed_value *hsfeed_stream_info(const hsfeed_stream *stream)
{
	return stream->info;
}

// ---- taking batches ----

static int enter(hsfeed_stream *stream, struct hsfeed_error *reterr)
{
	if (!stream)
		return hs_error_set(reterr, HSFEED_EBADARG, "the stream is NULL");
	if (!stream->client || stream->client->closed)
		return hs_error_set(reterr, HSFEED_ELOST, "the stream's connection was closed");
	int rc = hs_client_enter(stream->client, reterr);
	if (rc == 0 && stream->failed.code)
		rc = hs_error_copy(reterr, &stream->failed);
	return rc;
}

// A packed slot is written out and goes back at once.
static int hand_out(hsfeed_stream *s, struct hs_slot *slot, struct hs_slot **ret)
{
	*ret = slot;
	if (s->packed) {
		const char *wrong = hs_packed_take(s, slot->slot, ret);
		if (wrong)
			return hs_stream_bad_batch(s->client, wrong);
		give_back(s, slot);
	}
	struct hs_slot *taken = *ret;
	taken->state = HS_SLOT_HELD;
	taken->batch.epoch = s->epoch;
	s->nheld++;
	s->at = taken->batch.at;
	return 0;
}

// 1: *ret is the caller's; 0: nothing waits, or nothing can be taken before a batch is released.
static int take(hsfeed_stream *s, struct hs_slot **ret)
{
	while (s->queue_len > 0 && hs_packed_has_room(s->packed)) {
		struct hs_slot *slot = s->slots[s->queue[s->queue_head]];
		s->queue_head = (s->queue_head + 1) % HS_LIB_MAX_SLOTS;
		s->queue_len--;
		if (slot->generation == s->generation) {
			int rc = hand_out(s, slot, ret);
			return rc < 0 ? rc : 1;
		}
		give_back(s, slot);
	}
	return 0;
}

static int timed_out(hsfeed_stream *s, int timeout_ms, struct hsfeed_error *reterr)
{
	hs_error_set(reterr, HSFEED_ETIMEOUT, "no batch came within %d ms", timeout_ms);
	if (s->nheld == s->nslots)
		hs_error_hint(reterr, "all %u slots are held: release a batch, or open the stream with more slots",
			      s->nheld);
	return HSFEED_ETIMEOUT;
}

// ---- a seek that was made ahead ----

static void forget_ahead(hsfeed_stream *stream)
{
	hsfeed_value_free(stream->ahead.answer);
	stream->ahead.answer = NULL;
	stream->ahead.state = HS_AHEAD_NONE;
}

// Waits for its answer, on the connection alone: a ring's channel stays readable for who polls it, and the new batches
// that may be there already stay unread.
static int settle(hsfeed_stream *stream, int64_t deadline, struct hsfeed_error *reterr)
{
	int rc = 0;
	while (rc == 0 && stream->ahead.state == HS_AHEAD_ASKED)
		rc = hs_conn_step(stream->client, deadline, reterr);
	return rc;
}

int hsfeed_stream_next(hsfeed_stream *stream, int timeout_ms, const struct hsfeed_batch **ret_batch,
		       struct hsfeed_error *reterr)
{
	int rc = enter(stream, reterr);
	if (rc < 0)
		return rc;
	int64_t deadline = hs_deadline(timeout_ms);
	if (stream->ahead.state != HS_AHEAD_NONE) {
		rc = settle(stream, deadline, reterr);
		if (rc == 0 && stream->ahead.state == HS_AHEAD_REFUSED)
			rc = hs_error_copy(reterr, &stream->ahead.refusal);
	}
	while (rc == 0) {
		struct hs_slot *slot;
		rc = take(stream, &slot);
		if (rc < 0)
			return hs_error_copy(reterr, &stream->client->broken);
		if (rc > 0) {
			forget_ahead(stream);
			*ret_batch = &slot->batch;
			return 1;
		}
		if (stream->queue_len == 0 && stream->end.set && stream->end.generation == stream->generation)
			return stream->end.error.code ? hs_error_copy(reterr, &stream->end.error) : 0;
		hs_stream_flush(stream);
		rc = stream->ring ? hs_channel_step(stream, deadline, reterr)
				  : hs_conn_step(stream->client, deadline, reterr);
	}
	return rc == HSFEED_ETIMEOUT ? timed_out(stream, timeout_ms, reterr) : rc;
}

// ---- seeking ----

// What waits of another generation goes back.
static void drop_others(hsfeed_stream *s)
{
	unsigned n = s->queue_len;
	while (n-- > 0) { // once around
		uint8_t index = s->queue[s->queue_head];
		s->queue_head = (s->queue_head + 1) % HS_LIB_MAX_SLOTS;
		s->queue_len--;
		if (s->slots[index]->generation == s->generation)
			s->queue[(s->queue_head + s->queue_len++) % HS_LIB_MAX_SLOTS] = index;
		else
			give_back(s, s->slots[index]);
	}
	hs_stream_flush(s);
}

static void arrive(hsfeed_stream *s, const hsfeed_value *answer)
{
	s->generation = (uint32_t)hsfeed_value_uint(hsfeed_value_get(answer, "generation"), s->generation);
	s->epoch = hsfeed_value_uint(hsfeed_value_get(answer, "epoch"), s->epoch);
	s->at = hsfeed_value_uint(hsfeed_value_get(answer, "at"), s->at);
	s->seed = hsfeed_value_uint(hsfeed_value_get(answer, "seed"), s->seed);
	drop_others(s);
}

// Found by the number of its request: the stream may be gone, and its id another's.
int hs_stream_on_sought(hsfeed_client *client, uint32_t seq, const hsfeed_value *error, hsfeed_value **result)
{
	hsfeed_stream *s = client->streams;
	while (s && !(s->ahead.state == HS_AHEAD_ASKED && s->ahead.seq == seq))
		s = s->next;
	if (!s)
		return 0;
	if (hsfeed_value_type(error) == HSFEED_MAP) {
		s->ahead.state = HS_AHEAD_REFUSED;
		hs_error_decode(&s->ahead.refusal, error);
		return 0;
	}
	if (hsfeed_value_type(error) != HSFEED_NIL)
		return hs_conn_break(client, HSFEED_EBADFRAME, "the daemon sent an error that is no map");
	s->ahead.state = HS_AHEAD_THERE;
	s->ahead.answer = *result;
	*result = NULL;
	arrive(s, s->ahead.answer);
	return client->broken.code;
}

void hs_stream_place(const hsfeed_stream *s, struct hsfeed_seek_options *ret)
{
	if (s->ahead.state == HS_AHEAD_ASKED)
		*ret = s->ahead.place;
	else
		*ret = (struct hsfeed_seek_options){.epoch = s->epoch, .at = s->at};
	if (!ret->has_seed)
		ret->seed = s->seed;
	ret->has_seed = 1;
}

// Whether the stream stands there already, or will once it is answered. Of an epoch that failed nobody stands at the
// start: it is to be tried again.
static bool is_ahead(const hsfeed_stream *s, const struct hsfeed_seek_options *o)
{
	bool failed = s->end.generation == s->generation && s->end.error.code;
	struct hsfeed_seek_options place;
	hs_stream_place(s, &place);
	if (s->ahead.state != HS_AHEAD_ASKED && (s->ahead.state != HS_AHEAD_THERE || failed))
		return false;
	return !o->rows && place.epoch == o->epoch && place.at == o->at && (!o->has_seed || place.seed == o->seed);
}

static hsfeed_params *seek_params(const hsfeed_stream *stream, const struct hsfeed_seek_options *o)
{
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return NULL;
	hsfeed_params_uint(params, "stream", stream->id);
	hsfeed_params_uint(params, "epoch", o->epoch);
	hsfeed_params_uint(params, "at", o->at);
	if (o->has_seed)
		hsfeed_params_uint(params, "seed", o->seed);
	return params;
}

// One seek is answered before the next is made: the daemon takes one at a time.
static int settle_in_time(hsfeed_stream *stream, struct hsfeed_error *reterr)
{
	unsigned timeout_ms = stream->client->timeout_ms;
	int rc = settle(stream, hs_deadline(timeout_ms), reterr);
	if (rc == HSFEED_ETIMEOUT)
		hs_error_set(reterr, rc, "the daemon did not answer stream.seek within %u ms", timeout_ms);
	return rc;
}

int hsfeed_stream_seek_ahead(hsfeed_stream *stream, const struct hsfeed_seek_options *options,
			     struct hsfeed_error *reterr)
{
	struct hsfeed_seek_options o;
	int rc = enter(stream, reterr);
	if (rc == 0)
		rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc == 0 && (o.rows || o.nrows))
		rc = hs_error_set(reterr, HSFEED_EBADARG, "a list of rows is given to hsfeed_stream_seek");
	if (rc < 0 || is_ahead(stream, &o))
		return rc;
	rc = settle_in_time(stream, reterr);
	if (rc < 0)
		return rc;
	forget_ahead(stream);
	hs_stream_flush(stream);
	hsfeed_params *params = seek_params(stream, &o);
	if (!params)
		return hs_error_nomem(reterr);
	struct hs_ahead *ahead = &stream->ahead;
	rc = hs_call_ahead(stream->client, "stream.seek", params, HS_LATE_SOUGHT, &ahead->seq, reterr);
	hsfeed_params_destroy(params);
	if (rc < 0)
		return rc;
	ahead->place = o;
	ahead->state = HS_AHEAD_ASKED;
	return 0;
}

// *ret_asked: the request went out, so that without an answer it is open where the stream stands.
static int call_seek(hsfeed_stream *stream, hsfeed_params *params, const struct hs_list *list, bool *ret_asked,
		     hsfeed_value **ret, struct hsfeed_error *reterr)
{
	struct hs_call call = {.method = "stream.seek", .params = params, .fd = -1};
	uint64_t handle = 0;
	int rc = list->rows ? hs_list_send(stream->client, list, &handle, reterr) : 0;
	if (rc < 0)
		return rc;
	if (list->rows)
		hsfeed_params_uint(params, "rows", handle);
	*ret_asked = true;
	rc = hs_call(stream->client, &call, ret, reterr);
	if (rc < 0 && list->rows)
		hs_file_close(stream->client, handle); // where the daemon did not take it
	return rc;
}

static int seek_now(hsfeed_stream *stream, const struct hsfeed_seek_options *o, bool *ret_asked, hsfeed_value **ret,
		    struct hsfeed_error *reterr)
{
	struct hs_list list;
	int rc = hs_list_copy(o->rows, o->nrows, &list, reterr);
	if (rc < 0)
		return rc;
	forget_ahead(stream);
	hsfeed_params *params = seek_params(stream, o);
	rc = params ? call_seek(stream, params, &list, ret_asked, ret, reterr) : hs_error_nomem(reterr);
	hsfeed_params_destroy(params);
	if (rc == 0)
		arrive(stream, *ret);
	if (rc == 0 && list.rows) {
		hs_list_fini(&stream->list);
		stream->list = list;
	} else {
		hs_list_fini(&list);
	}
	return rc;
}

static hsfeed_value *take_answer(struct hs_ahead *ahead)
{
	hsfeed_value *answer = ahead->answer;
	*ahead = (struct hs_ahead){.state = HS_AHEAD_NONE};
	return answer;
}

int hsfeed_stream_seek(hsfeed_stream *stream, const struct hsfeed_seek_options *options, hsfeed_value **ret_value,
		       struct hsfeed_error *reterr)
{
	struct hsfeed_seek_options o;
	int rc = enter(stream, reterr);
	if (rc == 0)
		rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc < 0)
		return rc;
	hsfeed_value *answer = NULL;
	struct hsfeed_error why = {0};
	rc = settle_in_time(stream, &why);
	bool asked = rc < 0; // a seek ahead is still out
	if (rc == 0 && is_ahead(stream, &o))
		answer = take_answer(&stream->ahead);
	else if (rc == 0)
		rc = seek_now(stream, &o, &asked, &answer, &why);
	if (asked && (rc == HSFEED_ETIMEOUT || rc == -EINTR)) // where the stream stands is not known any more
		stream->failed = why;
	if (rc < 0)
		return hs_error_copy(reterr, &why);
	if (ret_value)
		*ret_value = answer;
	else
		hsfeed_value_free(answer);
	return 0;
}
