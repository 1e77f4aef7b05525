// SPDX-License-Identifier: Apache-2.0
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "log.h"
#include "stream.h"

static bool name_is(const struct hs_message *m, const char *name)
{
	return strlen(name) == m->name_len && memcmp(name, m->name, m->name_len) == 0;
}

static const struct hs_method *find_method(const struct hs_message *m)
{
	for (const struct hs_method *method = hs_methods; method->name; method++)
		if (name_is(m, method->name))
			return method;
	return NULL;
}

struct hs_request *hs_request_find(struct hs_conn *conn, uint32_t seq)
{
	for (struct hs_request *req = conn->requests; req; req = req->next)
		if (req->seq == seq)
			return req;
	return NULL;
}

size_t hs_notice_begin(struct hs_wbuf *w, const char *name, uint32_t npairs)
{
	size_t mark = hs_w_frame_begin(w);
	hs_w_array(w, 3);
	hs_w_uint(w, HS_WIRE_NOTICE);
	hs_w_cstr(w, name);
	hs_w_map(w, npairs);
	return mark;
}

// ---- answering ----

void hs_error_write(struct hs_wbuf *w, const struct hs_err *err)
{
	hs_w_map(w, 3);
	hs_w_cstr(w, "code");
	hs_w_cstr(w, hs_err_name(err->code));
	hs_w_cstr(w, "message");
	hs_w_cstr(w, err->message);
	hs_w_cstr(w, "hint");
	hs_w_cstr(w, err->hint);
}

static void write_error(struct hs_wbuf *w, uint32_t seq, const struct hs_err *err)
{
	size_t mark = hs_w_frame_begin(w);
	hs_w_array(w, 4);
	hs_w_uint(w, HS_WIRE_REPLY);
	hs_w_uint(w, seq);
	hs_error_write(w, err);
	hs_w_nil(w);
	hs_w_frame_end(w, mark, 0);
}

static void begin_result(struct hs_request *req)
{
	req->frame_mark = hs_w_frame_begin(&req->result);
	hs_w_array(&req->result, 4);
	hs_w_uint(&req->result, HS_WIRE_REPLY);
	hs_w_uint(&req->result, req->seq);
	hs_w_nil(&req->result);
	req->result_mark = req->result.len;
}

static void end_result(struct hs_request *req)
{
	if (req->result.len == req->result_mark)
		hs_w_map(&req->result, 0);
	hs_w_frame_end(&req->result, req->frame_mark, 0);
	if (req->result.len - HS_WIRE_HEADER_BYTES <= HS_WIRE_MAX_REPLY)
		return;
	hs_err_set(&req->err, HSFEED_ELIMIT, "%s: the answer is larger than a frame can be", req->method->name);
	hs_w_reset(&req->result);
	write_error(&req->result, req->seq, &req->err);
}

static void unlink_request(struct hs_request *req)
{
	if (req->prev)
		req->prev->next = req->next;
	else
		req->conn->requests = req->next;
	if (req->next)
		req->next->prev = req->prev;
	req->conn->nrequests--;
}

static void free_request(struct hs_request *req)
{
	hs_message_close(&req->msg);
	hs_w_fini(&req->result);
	for (unsigned i = 0; i < HS_SEND_FDS; i++)
		if (req->passing.fds[i] >= 0)
			close(req->passing.fds[i]);
	free(req->params);
	free(req->frame);
	free(req);
}

static const struct hs_err no_passing = {
	.code = HSFEED_ELIMIT,
	.message =
		"stream.open: no ring can be handed over: too many descriptors of the daemon's are under way, unread",
	.hint = "open the stream with the transport inline, or try again later",
};

void hs_request_finish(struct hs_request *req, int rc)
{
	struct hs_conn *conn = req->conn;
	if (rc < 0) {
		if (req->err.code == 0)
			hs_err_set(&req->err, rc, "%s: failed", req->method->name);
		hs_log(HS_LOG_DEBUG, "uid %u: %s: %s", req->uid, req->method->name, req->err.message);
		hs_w_reset(&req->result);
		write_error(&req->result, req->seq, &req->err);
	} else {
		end_result(req);
	}
	unlink_request(req);
	if (!conn->doomed && rc == 0 && req->passing.fds[0] >= 0) {
		write_error(&req->passing.instead, req->seq, &no_passing);
		hs_conn_send_ring(conn, &req->result, &req->passing);
	} else if (!conn->doomed) {
		hs_conn_send(conn, &req->result);
	}
	free_request(req);
	hs_conn_unref(conn);
}

// ---- running ----

static void on_run(struct hs_chore *chore)
{
	struct hs_request *req = (struct hs_request *)chore;
	bool gone = __atomic_load_n(&req->gone, __ATOMIC_RELAXED);
	req->rc = gone ? HSFEED_ELOST : req->method->run(req);
	if (req->rc != HS_FEED_SEARCHING)
		return;
	chore->again = true; // behind others who want the thread meanwhile
	req->err = (struct hs_err){0};
	req->result.len = req->result_mark;
}

// After run, or instead of it when the connection is gone before its turn came.
static void settle(struct hs_request *req)
{
	int rc = req->rc;
	if (req->method->settle)
		rc = req->method->settle(req);
	if (rc != HS_LATER)
		hs_request_finish(req, rc);
}

static void on_ran(struct hs_chore *chore)
{
	struct hs_request *req = (struct hs_request *)chore;
	if (req->rc == HS_TO_WRITER) {
		hs_crew_submit(req->server->writer, chore);
		return;
	}
	req->runs = false;
	req->conn->nrunning--;
	settle(req);
}

static struct hs_request *find_waiting(const struct hs_conn *conn)
{
	struct hs_request *oldest = NULL; // the list has the newest first
	for (struct hs_request *req = conn->requests; req; req = req->next)
		if (req->waits)
			oldest = req;
	return oldest;
}

void hs_request_next(struct hs_conn *conn)
{
	struct hs_server *server = conn->server;
	if (conn->doomed || conn->nrunning > 0 || conn->charged > server->options->limits.queue_bytes / 2)
		return;
	struct hs_request *req = find_waiting(conn);
	if (!req)
		return;
	req->waits = false;
	req->runs = true;
	conn->nrunning++;
	req->chore.run = on_run;
	req->chore.done = on_ran;
	if (req->method->place == HS_ON_WRITER)
		hs_crew_submit(server->writer, &req->chore);
	else
		hs_crew_submit_fair(server->requests, &req->chore, &conn->user->request_turn);
}

static void start(struct hs_request *req)
{
	const struct hs_method *method = req->method;
	int rc = method->begin ? method->begin(req) : 0;
	if (rc == HS_LATER)
		return;
	if (rc < 0 || !method->run)
		hs_request_finish(req, rc);
	else
		req->waits = true; // hs_conn_update looks whose turn it is
}

// Those that a thread or a pump has are not ours to end: they come back by themselves.
static struct hs_request *find_abandonable(const struct hs_conn *conn)
{
	struct hs_request *req = conn->requests;
	while (req && !req->child && !req->waits)
		req = req->next;
	return req;
}

// Ending one may end others: the next child's turn comes, and may fail at once. So each search begins anew.
void hs_request_abandon(struct hs_conn *conn)
{
	struct hs_request *req;
	for (req = conn->requests; req; req = req->next)
		__atomic_store_n(&req->gone, true, __ATOMIC_RELAXED); // it may still stand in line for a thread
	while ((req = find_abandonable(conn))) {
		if (req->child) {
			hs_child_leave(req); // finishes the request
			continue;
		}
		req->waits = false;
		req->rc = HSFEED_ELOST;
		settle(req);
	}
}

// ---- receiving ----

static void refuse(struct hs_conn *conn, uint32_t seq, const struct hs_err *err)
{
	struct hs_wbuf w = {0};
	write_error(&w, seq, err);
	hs_conn_send(conn, &w);
}

static void refuse_unknown(struct hs_conn *conn, const struct hs_message *m)
{
	struct hs_err err;
	int len = m->name_len < 64 ? (int)m->name_len : 64;
	hs_err_set(&err, HSFEED_EUNKNOWNMETHOD, "this daemon has no method \"%.*s\"", len, m->name);
	hs_err_hint(&err, "the daemon may be older than the client; it is hsfeedd %s", HSFEED_VERSION_STRING);
	refuse(conn, m->seq, &err);
}

// Parameters outlive the receive buffer: the request keeps the frame and unpacks its own copy.
static int open_params(struct hs_request *req, const uint8_t *data, size_t len)
{
	const char *wrong;
	struct hs_fault fault = {{0}, {0}};
	req->frame = malloc(len);
	req->params = calloc(1, req->method->schema->bytes);
	if (!req->frame || !req->params)
		return hs_err_nomem(&req->err, "reading a request");
	memcpy(req->frame, data, len);
	int rc = hs_message_open(&req->msg, req->frame, len, &wrong);
	if (rc == 0)
		rc = hs_message_decode(&req->msg, req->method->schema, req->params, &fault);
	if (rc == 0)
		return 0;
	hs_err_set(&req->err, rc, "%s", fault.message[0] ? fault.message : "out of memory while reading a request");
	hs_err_hint(&req->err, "%s", fault.hint);
	return rc;
}

static struct hs_request *create_request(struct hs_conn *conn, const struct hs_message *m,
					 const struct hs_method *method)
{
	struct hs_request *req = calloc(1, sizeof(*req));
	if (!req)
		return NULL;
	req->server = conn->server;
	req->conn = hs_conn_ref(conn);
	req->method = method;
	req->seq = m->seq;
	req->uid = conn->uid;
	req->passing.fds[0] = req->passing.fds[1] = -1;
	req->next = conn->requests;
	if (req->next)
		req->next->prev = req;
	conn->requests = req;
	conn->nrequests++;
	begin_result(req);
	return req;
}

static void handle_request(struct hs_conn *conn, const struct hs_message *m, const uint8_t *data, size_t len)
{
	const struct hs_method *method = find_method(m);
	if (!conn->greeted && (!method || strcmp(method->name, "hello") != 0)) {
		hs_conn_bye(conn, HSFEED_EBADREQUEST, "the first request must be hello");
		return;
	}
	if (hs_request_find(conn, m->seq)) {
		hs_conn_bye(conn, HSFEED_EBADREQUEST, "a seq was used again before its answer came");
		return;
	}
	if (!method) {
		refuse_unknown(conn, m);
		return;
	}
	struct hs_request *req = create_request(conn, m, method);
	if (!req) {
		hs_conn_doom(conn, "out of memory");
		return;
	}
	int rc = open_params(req, data, len);
	if (rc < 0)
		hs_request_finish(req, rc);
	else
		start(req);
	hs_conn_update(conn); // it may have as many unanswered requests as it may
}

// The only notice a client sends is the credit.
static void handle_notice(struct hs_conn *conn, struct hs_message *m)
{
	if (!conn->greeted)
		hs_conn_bye(conn, HSFEED_EBADREQUEST, "the first request must be hello");
	else if (name_is(m, "stream.release"))
		hs_pump_release(conn, m);
	else
		hs_conn_bye(conn, HSFEED_EBADREQUEST, "a notice that the daemon does not know");
}

void hs_request_frame(struct hs_conn *conn, const uint8_t *data, size_t len)
{
	struct hs_message *m = &conn->server->notice;
	const char *wrong = "out of memory";
	int rc = hs_message_open(m, data, len, &wrong);
	if (rc < 0)
		hs_conn_bye(conn, rc, wrong);
	else if (m->kind == HS_WIRE_REQUEST)
		handle_request(conn, m, data, len);
	else
		handle_notice(conn, m);
}
