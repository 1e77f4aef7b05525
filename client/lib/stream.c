// SPDX-License-Identifier: Apache-2.0
// Streams: what the connection hands in, what callers take, and the credits in between.
//
//   FREE --- stream.batch ---> WAITING --- hsfeed_stream_next ---> HELD --- hsfeed_batch_release ---> FREE (+ a credit)
//                                 \------------------- seek, another generation -----------------------/
//
// A slot is the memory of one batch. With the inline transport it is ours and filled by a copy; with a ring it is a
// part of the mapped ring: nothing outside batch.c and ring.c knows.
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
		if (s)
			hs_layout_fini(&s->layout);
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

static struct hs_slot *take(hsfeed_stream *s)
{
	while (s->queue_len > 0) {
		struct hs_slot *slot = s->slots[s->queue[s->queue_head]];
		s->queue_head = (s->queue_head + 1) % HS_LIB_MAX_SLOTS;
		s->queue_len--;
		if (slot->generation == s->generation) {
			slot->state = HS_SLOT_HELD;
			slot->batch.epoch = s->epoch;
			s->nheld++;
			s->at = slot->batch.at;
			return slot;
		}
		give_back(s, slot);
	}
	return NULL;
}

static int timed_out(hsfeed_stream *s, int timeout_ms, struct hsfeed_error *reterr)
{
	hs_error_set(reterr, HSFEED_ETIMEOUT, "no batch came within %d ms", timeout_ms);
	if (s->nheld == s->nslots)
		hs_error_hint(reterr, "all %u slots are held: release a batch, or open the stream with more slots",
			      s->nheld);
	return HSFEED_ETIMEOUT;
}

int hsfeed_stream_next(hsfeed_stream *stream, int timeout_ms, const struct hsfeed_batch **ret_batch,
		       struct hsfeed_error *reterr)
{
	int rc = enter(stream, reterr);
	if (rc < 0)
		return rc;
	int64_t deadline = hs_deadline(timeout_ms);
	for (;;) {
		struct hs_slot *slot = take(stream);
		if (slot) {
			*ret_batch = &slot->batch;
			return 1;
		}
		if (stream->end.set && stream->end.generation == stream->generation)
			return stream->end.error.code ? hs_error_copy(reterr, &stream->end.error) : 0;
		hs_stream_flush(stream);
		rc = stream->ring ? hs_channel_step(stream, deadline, reterr)
				  : hs_conn_step(stream->client, deadline, reterr);
		if (rc == HSFEED_ETIMEOUT)
			return timed_out(stream, timeout_ms, reterr);
		if (rc < 0)
			return rc;
	}
}

static void arrive(hsfeed_stream *s, const hsfeed_value *answer)
{
	s->generation = (uint32_t)hsfeed_value_uint(hsfeed_value_get(answer, "generation"), s->generation);
	s->epoch = hsfeed_value_uint(hsfeed_value_get(answer, "epoch"), s->epoch);
	s->at = hsfeed_value_uint(hsfeed_value_get(answer, "at"), s->at);
	s->seed = hsfeed_value_uint(hsfeed_value_get(answer, "seed"), s->seed);
	unsigned n = s->queue_len;
	while (n-- > 0) { // once around: what is of another generation goes back
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

int hsfeed_stream_seek(hsfeed_stream *stream, const struct hsfeed_seek_options *options, hsfeed_value **ret_value,
		       struct hsfeed_error *reterr)
{
	struct hsfeed_seek_options o;
	int rc = enter(stream, reterr);
	if (rc == 0)
		rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc < 0)
		return rc;
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	hsfeed_params_uint(params, "stream", stream->id);
	hsfeed_params_uint(params, "epoch", o.epoch);
	hsfeed_params_uint(params, "at", o.at);
	if (o.has_seed)
		hsfeed_params_uint(params, "seed", o.seed);
	hsfeed_value *answer = NULL;
	struct hsfeed_error why = {0};
	rc = hs_call(stream->client, &(struct hs_call){.method = "stream.seek", .params = params, .fd = -1}, &answer,
		     &why);
	hsfeed_params_destroy(params);
	if (rc == HSFEED_ETIMEOUT || rc == -EINTR) // where the stream stands is not known any more
		stream->failed = why;
	if (rc < 0)
		return hs_error_copy(reterr, &why);
	arrive(stream, answer);
	if (ret_value)
		*ret_value = answer;
	else
		hsfeed_value_free(answer);
	return 0;
}
