// SPDX-License-Identifier: Apache-2.0
// A pump runs a stream: turns of filling, seeks, the end. Each is work for a thread, one at a time; in between, and
// for everything else, it is the loop thread's.
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "packed.h"

// What a stream takes beside its slots and its transport's own (measured: 11 KiB, and for each slot). Charged, or
// streams of tiny slots would cost nothing.
#define STREAM_BYTES 12288
#define SLOT_BYTES   1280

// ---- life ----

void hs_pump_discharge(struct hs_pump *pump, struct hs_user *user)
{
	if (pump->discharged)
		return;
	pump->discharged = true;
	hs_discharge(&user->slot_bytes, pump->cost + pump->list_bytes);
}

// The list goes with the stream, also where the ring stays.
static void discharge_list(struct hs_pump *pump)
{
	if (!pump->discharged)
		hs_discharge(&pump->conn->user->slot_bytes, pump->list_bytes);
	pump->list_bytes = 0;
}

static void close_fds(struct hs_pump *pump)
{
	for (int i = 0; i < 2; i++)
		if (pump->fds[i] >= 0)
			close(pump->fds[i]);
	pump->fds[0] = pump->fds[1] = -1;
}

static void free_parts(struct hs_pump *pump)
{
	pump->transport->fini(pump);
	hs_stream_destroy(pump->stream);
	close_fds(pump);
}

static int init(struct hs_pump *pump, const struct hs_pump_options *options, struct hs_err *reterr)
{
	int rc = hs_charge(&options->account, pump->cost, reterr);
	if (rc < 0)
		return hs_err_context(reterr, "stream.open");
	rc = pump->transport->init(pump);
	if (rc < 0) {
		hs_discharge(options->account.bytes, pump->cost);
		return hs_err_set(reterr, rc, "making a stream's slots: %s", strerror(-rc));
	}
	return 0;
}

int hs_pump_create(struct hs_server *server, struct hs_stream *stream, const struct hs_pump_options *options,
		   struct hs_pump **ret, struct hs_err *reterr)
{
	struct hs_pump *pump = calloc(1, sizeof(*pump));
	if (!pump) {
		hs_stream_destroy(stream);
		return hs_err_nomem(reterr, "making a stream's slots");
	}
	size_t page = (size_t)sysconf(_SC_PAGESIZE),
	       bytes = options->nslots * hs_stream_get_slots(stream)->slot_bytes + hs_packed_table_bytes(stream);
	*pump = (struct hs_pump){.server = server,
				 .transport = options->transport,
				 .stream = stream,
				 .layout = hs_stream_get_slots(stream),
				 .id = options->id,
				 .generation = 1,
				 .end_at = hs_stream_get_spec(stream)->at,
				 .nslots = options->nslots,
				 .memory_bytes = bytes ? (bytes + page - 1) / page * page : page,
				 .channel = -1,
				 .fds = {-1, -1}};
	pump->cost = pump->memory_bytes + STREAM_BYTES + pump->transport->bytes + options->nslots * SLOT_BYTES +
		     hs_stream_scratch_bytes(stream);
	int rc = init(pump, options, reterr);
	if (rc < 0) {
		free_parts(pump);
		if (pump->channel >= 0)
			close(pump->channel); // nobody has the other end
		free(pump);
		return rc;
	}
	pump->list_bytes = options->list_bytes;
	*ret = pump;
	return 0;
}

void hs_pump_attach(struct hs_pump *pump, struct hs_conn *conn)
{
	pump->conn = hs_conn_ref(conn);
	pump->next = conn->pumps;
	conn->pumps = pump;
	pump->attached = true;
	pump->server->nstreams++;
	pump->server->nbatches += pump->nbatches; // a ring's first batch is there already
	pump->server->nrows += pump->nrows;
}

// Unmapping files and memory is the disk's and the kernel's time, not the loop's.
static void run_end(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	if (!pump->kept) {
		free_parts(pump);
		return;
	}
	hs_stream_destroy(pump->stream); // its files are nobody's now
	pump->stream = NULL;
	if (pump->left)
		hs_ring_free(pump);
}

static void wait_for_client(struct hs_pump *pump)
{
	pump->doing = HS_IDLE;
	pump->next = pump->server->kept;
	pump->server->kept = pump;
	hs_ring_wait(pump);
}

static void on_end(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	hs_server_sweep_store(pump->server);
	if (pump->attached && !pump->memory)
		hs_pump_discharge(pump, pump->conn->user);
	if (pump->kept && !pump->server->stopping) {
		discharge_list(pump);
		wait_for_client(pump);
		return;
	}
	if (pump->kept) { // only its memory and its channel are left
		pump->kept = false;
		free_parts(pump);
	}
	if (pump->channel >= 0)
		hs_server_close_socket(pump->server, pump->channel);
	if (pump->attached) {
		pump->conn->user->rings -= pump->transport == &hs_ring;
		hs_pump_discharge(pump, pump->conn->user);
		hs_conn_unref(pump->conn);
	}
	free(pump);
}

static void submit_end(struct hs_pump *pump)
{
	pump->doing = HS_ENDING;
	pump->chore.run = run_end;
	pump->chore.done = on_end;
	hs_crew_submit(pump->server->requests, &pump->chore);
}

void hs_pump_end_when_unused(struct hs_pump *pump)
{
	if (!pump->dead || pump->doing != HS_IDLE || pump->queued > 0 || pump->kept)
		return;
	pump->server->nstreams -= pump->attached;
	pump->kept = hs_ring_keep(pump);
	submit_end(pump);
}

void hs_pump_let_go(struct hs_pump *pump)
{
	struct hs_pump **at = &pump->server->kept;
	while (*at != pump)
		at = &(*at)->next;
	*at = pump->next;
	pump->kept = false;
	submit_end(pump);
}

void hs_pump_let_all_go(struct hs_server *server)
{
	while (server->kept)
		hs_pump_let_go(server->kept);
}

static void unlink_pump(struct hs_pump *pump)
{
	struct hs_pump **at = &pump->conn->pumps;
	while (*at != pump)
		at = &(*at)->next;
	*at = pump->next;
	pump->conn->npumps--;
}

static void finish_seek(struct hs_request *req, int rc)
{
	hs_input_unref(req->state);
	hs_request_finish(req, rc);
}

static void cancel_seek(struct hs_pump *pump)
{
	struct hs_request *req = pump->seek;
	if (!req)
		return;
	pump->seek = NULL;
	finish_seek(req, hs_err_set(&req->err, HSFEED_ECANCELLED, "stream.seek: the stream was closed"));
}

void hs_pump_kill(struct hs_pump *pump, bool left)
{
	pump->dead = true;
	pump->left = left;
	__atomic_store_n(&pump->halt, true, __ATOMIC_RELAXED);
	pump->queued++; // dropping must not end it while it is still looked at
	if (pump->conn) {
		unlink_pump(pump);
		if (pump->doing != HS_SEEKING)
			cancel_seek(pump); // otherwise a thread still reads the request: on_sought answers it
		if (pump->doing == HS_IDLE)
			pump->transport->drop(pump);
	}
	pump->queued--;
	hs_pump_end_when_unused(pump);
}

struct hs_pump *hs_pump_find(struct hs_conn *conn, uint64_t id)
{
	struct hs_pump *pump = conn->pumps;
	while (pump && pump->id != id)
		pump = pump->next;
	return pump;
}

void hs_pump_abandon(struct hs_conn *conn)
{
	while (conn->pumps)
		hs_pump_kill(conn->pumps, conn->left_us);
}

// ---- turns ----

size_t hs_pump_notice_begin(const struct hs_pump *pump, struct hs_wbuf *w, uint64_t generation, const char *name,
			    uint32_t npairs)
{
	size_t mark = hs_notice_begin(w, name, npairs);
	hs_w_cstr(w, "stream");
	hs_w_uint(w, pump->id);
	hs_w_cstr(w, "generation");
	hs_w_uint(w, generation);
	return mark;
}

void hs_pump_write_end(const struct hs_pump *pump, struct hs_wbuf *w, uint64_t generation)
{
	size_t mark = hs_pump_notice_begin(pump, w, generation, "stream.end", 4);
	hs_w_cstr(w, "epoch");
	hs_w_uint(w, hs_stream_get_spec(pump->stream)->epoch);
	hs_w_cstr(w, "at");
	hs_w_uint(w, pump->end_at);
	hs_w_frame_end(w, mark, 0);
}

void hs_pump_write_failed(const struct hs_pump *pump, struct hs_wbuf *w, uint64_t generation, const struct hs_err *err)
{
	size_t mark = hs_pump_notice_begin(pump, w, generation, "stream.failed", 3);
	hs_w_cstr(w, "error");
	hs_error_write(w, err);
	hs_w_frame_end(w, mark, 0);
}

static void run_turn(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	pump->transport->turn(pump, pump->generation);
}

// ---- the next epoch's order ----

struct preparing {
	struct hs_chore chore; // first member
	struct hs_pump *pump;
	uint64_t epoch, seed;
};

static void run_prepare(struct hs_chore *chore)
{
	const struct preparing *p = (struct preparing *)chore;
	hs_stream_prepare(p->pump->stream, p->epoch, p->seed);
}

static void on_prepared(struct hs_chore *chore)
{
	struct preparing *p = (struct preparing *)chore;
	p->pump->queued--;
	hs_pump_end_when_unused(p->pump);
	free(p);
}

// A trainer goes from epoch to epoch, so the next one's permutation is made while this one is served.
static void prepare_next(struct hs_pump *pump)
{
	const struct hs_stream_spec *spec = hs_stream_get_spec(pump->stream);
	bool drawn = spec->order == HS_ORDER_SHUFFLE || spec->order == HS_ORDER_LENGTH;
	if (pump->dead || !drawn || pump->prepared == pump->generation)
		return;
	pump->prepared = pump->generation;
	struct preparing *p = calloc(1, sizeof(*p));
	if (!p)
		return; // it will be made when it is asked for
	p->pump = pump;
	p->epoch = spec->epoch + 1;
	p->seed = spec->seed;
	p->chore.run = run_prepare;
	p->chore.done = on_prepared;
	pump->queued++;
	hs_crew_submit_fair(pump->server->requests, &p->chore, &pump->conn->user->request_turn);
}

// ---- running ----

static void run_seek(struct hs_chore *chore);
static void on_sought(struct hs_chore *chore);

static void begin(struct hs_pump *pump)
{
	__atomic_store_n(&pump->halt, false, __ATOMIC_RELAXED);
	pump->nbatches = pump->nrows = 0;
	pump->transport->begin(pump);
}

// The loop thread's part of a turn's end.
static void settle(struct hs_pump *pump)
{
	pump->doing = HS_IDLE;
	pump->server->nbatches += pump->nbatches;
	pump->server->nrows += pump->nrows;
	pump->queued++; // settling may doom the connection, which must not end it here
	pump->transport->settle(pump);
	if (pump->dead)
		pump->transport->drop(pump);
	else
		prepare_next(pump);
	pump->queued--;
}

static void start_seek(struct hs_pump *pump)
{
	begin(pump);
	pump->doing = HS_SEEKING;
	pump->chore.run = run_seek;
	pump->chore.done = on_sought;
	hs_crew_submit_fair(pump->server->requests, &pump->chore, &pump->conn->user->request_turn);
}

static void on_turn(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	settle(pump);
	if (!pump->dead && pump->seek)
		start_seek(pump);
	else
		hs_pump_start(pump);
	hs_pump_end_when_unused(pump);
}

// Whatever is free is filled at once, be it one slot: the client may hold all others. It is the client that gives
// several back together where it can.
void hs_pump_start(struct hs_pump *pump)
{
	if (pump->doing != HS_IDLE || pump->dead || pump->conn->doomed || !pump->transport->due(pump))
		return;
	begin(pump);
	pump->doing = HS_TURNING;
	pump->chore.run = run_turn;
	pump->chore.done = on_turn;
	hs_crew_submit_fair(pump->server->fills, &pump->chore, &pump->conn->user->fill_turn);
}

// ---- seeking ----

static int seek(struct hs_pump *pump, struct hs_request *req)
{
	const struct hs_seek_params *p = req->params;
	const struct hs_stream_spec *spec = hs_stream_get_spec(pump->stream);
	const struct hs_account account = {&pump->conn->user->slot_bytes,
					   pump->server->options->limits.slot_bytes_per_user};
	struct hs_stream_place place = {
		.epoch = p->epoch, .at = p->at, .seed = p->seed == HS_UNSET ? spec->seed : p->seed};
	uint64_t list_bytes = 0;
	int rc = 0;
	if (req->state)
		rc = hs_list_read(req->state, hs_stream_get_source(pump->stream), &account, &place.list, &list_bytes,
				  &req->err);
	if (rc < 0)
		return rc;
	rc = hs_stream_seek(pump->stream, &place, &req->err);
	if (rc < 0) {
		hs_discharge(account.bytes, list_bytes);
	} else if (req->state) {
		hs_discharge(account.bytes, pump->list_bytes);
		pump->list_bytes = list_bytes;
	}
	return rc;
}

// The thread that seeks fills the first slots too: a client that seeks waits for them.
static void run_seek(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	struct hs_request *req = pump->seek;
	const struct hs_seek_params *p = req->params;
	req->rc = seek(pump, req);
	if (req->rc < 0)
		return;
	pump->ended = false;
	pump->end_at = p->at;
	pump->transport->turn(pump, pump->generation + 1);
}

static void write_sought(struct hs_pump *pump, struct hs_wbuf *w)
{
	const struct hs_stream_spec *spec = hs_stream_get_spec(pump->stream);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"generation", pump->generation},
		{"epoch", spec->epoch},
		{"at", spec->at},
		{"samples", hs_stream_samples(pump->stream)},
		{"batches", hs_stream_batches(pump->stream)},
		{"seed", spec->seed},
	};
	const uint8_t *digest = hs_stream_order_digest(pump->stream);
	hs_w_map(w, sizeof(numbers) / sizeof(numbers[0]) + (digest ? 2 : 0));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
	if (!digest)
		return;
	hs_w_cstr(w, "rows");
	hs_w_uint(w, hs_stream_rows(pump->stream));
	hs_order_digest_write(w, digest);
}

static void on_sought(struct hs_chore *chore)
{
	struct hs_pump *pump = (struct hs_pump *)chore;
	struct hs_request *req = pump->seek;
	int rc = req->rc;
	if (pump->dead) {
		settle(pump);
		cancel_seek(pump);
		hs_pump_end_when_unused(pump);
		return;
	}
	pump->seek = NULL;
	if (rc == 0) {
		pump->transport->drop(pump); // it would only be released unread
		pump->generation++;
		write_sought(pump, &req->result);
	} // otherwise the stream goes on as if nothing had been asked
	finish_seek(req, rc);
	settle(pump);
	hs_pump_start(pump);
	hs_pump_end_when_unused(pump);
}

void hs_pump_seek(struct hs_pump *pump, struct hs_request *req)
{
	pump->seek = req;
	if (pump->doing == HS_IDLE)
		start_seek(pump);
	else
		__atomic_store_n(&pump->halt, true, __ATOMIC_RELAXED); // what it still fills would be for nobody
}

// ---- releases ----

struct release_params {
	uint64_t stream;
	struct hs_pairs fills;
};
static const struct hs_field release_fields[] = {
	{.key = "stream",
	 .type = HS_T_UINT,
	 .offset = offsetof(struct release_params, stream),
	 .required = true,
	 .max = UINT32_MAX},
	{.key = "fills",
	 .type = HS_T_PAIRS,
	 .offset = offsetof(struct release_params, fills),
	 .required = true,
	 .max = 1024},
};
static const struct hs_schema release_schema = HS_SCHEMA(struct release_params, release_fields);

void hs_pump_release(struct hs_conn *conn, struct hs_message *m)
{
	struct release_params p;
	struct hs_fault fault;
	if (hs_message_decode(m, &release_schema, &p, &fault) < 0) {
		hs_conn_bye(conn, HSFEED_EBADREQUEST, fault.message[0] ? fault.message : "out of memory");
		return;
	}
	struct hs_pump *pump = hs_pump_find(conn, p.stream);
	if (!pump && p.stream > 0 && p.stream <= conn->next_stream)
		return; // it crossed the stream's close
	if (!pump || pump->transport != &hs_inline || !hs_inline_release(pump, &p.fills)) {
		hs_conn_bye(conn, HSFEED_EBADREQUEST, "stream.release of a fill that is not out");
		return;
	}
	hs_pump_start(pump);
}
