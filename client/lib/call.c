// SPDX-License-Identifier: Apache-2.0
// Requests and their answers. One call waits at a time; one that was given up, or that nobody waits for, leaves its
// sequence number in `late`, so that its answer is known when it comes, and what it opened is closed again.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static bool str_is(const struct hs_wire_value *v, const char *text)
{
	return v->type == HS_WIRE_STR && v->as.str.len == strlen(text) &&
	       memcmp(v->as.str.ptr, text, v->as.str.len) == 0;
}

static int add_late(hsfeed_client *client, uint32_t seq, int what)
{
	if (client->nlate == client->late_cap) {
		size_t cap = client->late_cap ? 2 * client->late_cap : 8;
		struct hs_late *late = realloc(client->late, cap * sizeof(*late));
		if (!late)
			return hs_conn_break(client, -ENOMEM, "out of memory");
		client->late = late;
		client->late_cap = cap;
	}
	client->late[client->nlate++] = (struct hs_late){.seq = seq, .what = what};
	return 0;
}

// ---- answers ----

static int on_late(hsfeed_client *client, uint32_t seq, const hsfeed_value *error, hsfeed_value **answer)
{
	size_t i = 0;
	while (i < client->nlate && client->late[i].seq != seq)
		i++;
	if (i == client->nlate)
		return hs_conn_break(client, HSFEED_EBADFRAME, "the daemon answered a request that was not made");
	int what = client->late[i].what;
	const hsfeed_value *result = *answer;
	client->late[i] = client->late[--client->nlate];
	if (what == HS_LATE_SOUGHT)
		return hs_stream_on_sought(client, seq, error, answer);
	if (what == HS_LATE_CLOSE_STREAM && hs_stream_is_ring(result))
		hs_ring_refuse(client);
	const hsfeed_value *stream = hsfeed_value_get(result, "stream"), *handle = hsfeed_value_get(result, "handle");
	if (what == HS_LATE_CLOSE_STREAM && stream)
		return hs_send_request(client, "stream.close", "stream", hsfeed_value_uint(stream, 0));
	if (what == HS_LATE_CLOSE_FILE && handle)
		return hs_send_request(client, "file.close", "handle", hsfeed_value_uint(handle, 0));
	return 0;
}

static int on_answer(hsfeed_client *client, hsfeed_value *error, hsfeed_value **result)
{
	struct hs_wait *wait = &client->wait;
	if (hsfeed_value_type(error) == HSFEED_MAP) {
		wait->code = hs_error_decode(&wait->error, error);
	} else if (hsfeed_value_type(error) != HSFEED_NIL) {
		return hs_conn_break(client, HSFEED_EBADFRAME, "the daemon sent an error that is no map");
	} else {
		wait->code = 0;
		wait->result = *result;
		*result = NULL;
	}
	wait->answered = true;
	return 0;
}

static int on_reply(hsfeed_client *client, struct hs_rbuf r)
{
	struct hs_wire_value seq;
	if (!hs_r_next(&r, &seq) || seq.type != HS_WIRE_UINT || seq.as.u > UINT32_MAX)
		return hs_conn_break(client, HSFEED_EBADFRAME, "the daemon sent an answer without a sequence number");
	const uint8_t *start = r.p;
	hs_r_skip(&r);
	hsfeed_value *error = NULL, *result = NULL;
	int rc = hs_value_decode(start, (size_t)(r.p - start), &error);
	if (rc == 0)
		rc = hs_value_decode(r.p, (size_t)(r.end - r.p), &result);
	if (rc < 0)
		rc = hs_conn_break(client, rc, "an answer of the daemon's cannot be kept: %s", hsfeed_strerror(rc));
	else if (client->wait.active && !client->wait.answered && seq.as.u == client->wait.seq)
		rc = on_answer(client, error, &result);
	else
		rc = on_late(client, (uint32_t)seq.as.u, error, &result);
	hsfeed_value_free(error);
	hsfeed_value_free(result);
	return rc;
}

// ---- notices ----

static int on_progress(hsfeed_client *client, const hsfeed_value *params)
{
	struct hs_wait *wait = &client->wait;
	if (!wait->active || !wait->progress ||
	    hsfeed_value_uint(hsfeed_value_get(params, "seq"), UINT64_MAX) != wait->seq)
		return 0;
	client->in_callback = true;
	int stop = wait->progress(wait->progress_arg, hsfeed_value_str(hsfeed_value_get(params, "stage"), NULL, ""),
				  hsfeed_value_uint(hsfeed_value_get(params, "done"), 0),
				  hsfeed_value_uint(hsfeed_value_get(params, "total"), 0));
	client->in_callback = false;
	if (!stop || wait->cancel_sent)
		return 0;
	wait->cancel_sent = true;
	return hs_send_request(client, "cancel", "seq", wait->seq);
}

static int on_notice_tree(hsfeed_client *client, const char *name, struct hs_rbuf r, const hsfeed_value *params)
{
	if (strcmp(name, "stream.failed") == 0)
		return hs_stream_on_failed(client, r, params);
	if (strcmp(name, "progress") == 0)
		return on_progress(client, params);
	if (strcmp(name, "bye") == 0)
		hs_error_decode(&client->bye, params);
	if (client->on_notice) {
		client->in_callback = true;
		client->on_notice(client->arg, name, params);
		client->in_callback = false;
	}
	return 0;
}

static int on_notice(hsfeed_client *client, struct hs_rbuf r)
{
	struct hs_wire_value name, head;
	struct hs_rbuf peek;
	bool ok = hs_r_next(&r, &name) && name.type == HS_WIRE_STR && name.as.str.len < 64;
	peek = r;
	if (!ok || !hs_r_next(&peek, &head) || head.type != HS_WIRE_MAP)
		return hs_conn_break(client, HSFEED_EBADFRAME, "the daemon sent a notice without a name or parameters");
	if (str_is(&name, "stream.batch")) // by far the most frequent: no tree
		return hs_stream_on_batch(client, r);
	if (str_is(&name, "stream.end"))
		return hs_stream_on_end(client, r);
	char text[64];
	memcpy(text, name.as.str.ptr, name.as.str.len);
	text[name.as.str.len] = '\0';
	hsfeed_value *params = NULL;
	int rc = hs_value_decode(r.p, (size_t)(r.end - r.p), &params);
	if (rc < 0)
		return hs_conn_break(client, rc, "a notice of the daemon's cannot be kept: %s", hsfeed_strerror(rc));
	rc = on_notice_tree(client, text, r, params);
	hsfeed_value_free(params);
	return rc;
}

int hs_conn_dispatch(hsfeed_client *client, const uint8_t *frame, size_t len)
{
	static const struct hs_wire_limits limits = {HS_WIRE_MAX_DEPTH, HS_WIRE_MAX_REPLY_ITEMS};
	size_t offset = 0;
	const char *wrong = hs_wire_check(frame, len, &limits, &offset);
	if (wrong)
		return hs_conn_break(client, HSFEED_EBADFRAME, "the daemon sent a malformed message: %s at byte %zu",
				     wrong, offset);
	struct hs_rbuf r = {frame, frame + len};
	struct hs_wire_value head, kind;
	if (hs_r_next(&r, &head) && head.type == HS_WIRE_ARRAY && hs_r_next(&r, &kind) && kind.type == HS_WIRE_UINT) {
		if (head.as.count == 4 && kind.as.u == HS_WIRE_REPLY)
			return on_reply(client, r);
		if (head.as.count == 3 && kind.as.u == HS_WIRE_NOTICE)
			return on_notice(client, r);
	}
	return hs_conn_break(client, HSFEED_EBADFRAME, "the daemon sent a message of an unknown form");
}

// ---- requests ----

static uint32_t put_request(hsfeed_client *client, const char *method, const struct hs_wbuf *params)
{
	struct hs_wbuf *out = &client->out;
	uint32_t seq = client->next_seq++;
	size_t mark = hs_w_frame_begin(out);
	hs_w_array(out, 4);
	hs_w_uint(out, HS_WIRE_REQUEST);
	hs_w_uint(out, seq);
	hs_w_cstr(out, method);
	if (params)
		hs_w_raw(out, params->data, params->len);
	else
		hs_w_map(out, 0);
	hs_w_frame_end(out, mark, 0);
	return seq;
}

int hs_send_request(hsfeed_client *client, const char *method, const char *key, uint64_t number)
{
	struct hs_wbuf params = {0};
	hs_w_map(&params, 1);
	hs_w_cstr(&params, key);
	hs_w_uint(&params, number);
	int rc = params.failed ? -ENOMEM : 0;
	if (rc == 0)
		rc = add_late(client, put_request(client, method, &params), HS_LATE_IGNORE);
	hs_w_fini(&params);
	return rc;
}

int hs_call_ahead(hsfeed_client *client, const char *method, hsfeed_params *params, int late, uint32_t *ret_seq,
		  struct hsfeed_error *reterr)
{
	const struct hs_wbuf *body = hs_params_finish(params);
	if (!body)
		return hs_error_nomem(reterr);
	*ret_seq = put_request(client, method, body);
	if (add_late(client, *ret_seq, late) < 0 || hs_conn_flush(client) < 0)
		return hs_error_copy(reterr, &client->broken);
	return 0;
}

void hs_write_release(struct hs_wbuf *out, uint32_t stream, const uint64_t (*fills)[2], size_t n)
{
	size_t mark = hs_w_frame_begin(out);
	hs_w_array(out, 3);
	hs_w_uint(out, HS_WIRE_NOTICE);
	hs_w_cstr(out, "stream.release");
	hs_w_map(out, 2);
	hs_w_cstr(out, "stream");
	hs_w_uint(out, stream);
	hs_w_cstr(out, "fills");
	hs_w_array(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		hs_w_array(out, 2);
		hs_w_uint(out, fills[i][0]);
		hs_w_uint(out, fills[i][1]);
	}
	hs_w_frame_end(out, mark, 0);
}

static int await(hsfeed_client *client, int64_t deadline, struct hsfeed_error *reterr)
{
	while (!client->wait.answered) {
		int rc = hs_conn_step(client, deadline, reterr);
		if (rc < 0)
			return rc;
	}
	return 0;
}

// The call is over without an answer: tell the daemon where that helps, remember what a late answer means.
static void give_up(hsfeed_client *client, const struct hs_call *call)
{
	uint32_t seq = client->wait.seq;
	if (client->broken.code)
		return;
	if (client->out_fd >= 0) // its descriptor can no longer be sent, but its frame is half on the way
		hs_conn_break(client, HSFEED_ELOST, "the daemon did not take a descriptor in time");
	else if (add_late(client, seq, call->late) == 0 && call->cancel && !client->wait.cancel_sent)
		hs_send_request(client, "cancel", "seq", seq);
	hs_conn_flush(client);
}

// What would make the daemon hang up is refused here: text that is not UTF-8, a repeated key, too many values.
static int check_params(const char *method, const struct hs_wbuf *params, struct hsfeed_error *reterr)
{
	static const struct hs_wire_limits limits = {HS_WIRE_MAX_DEPTH - 1, HS_WIRE_MAX_ITEMS - 4};
	size_t offset;
	const char *wrong = params ? hs_wire_check(params->data, params->len, &limits, &offset) : "badly nested";
	if (!wrong)
		return 0;
	return hs_error_set(reterr, HSFEED_EBADARG, "the parameters of %s cannot be sent: %s", method, wrong);
}

static int send_call(hsfeed_client *client, const struct hs_call *call, int64_t deadline, struct hsfeed_error *reterr)
{
	const struct hs_wbuf *params = call->params ? hs_params_finish(call->params) : NULL;
	if (hs_params_nomem(call->params))
		return hs_error_nomem(reterr);
	int rc = call->params ? check_params(call->method, params, reterr) : 0;
	if (rc < 0)
		return rc;
	if (params && params->len + strlen(call->method) + 64 > client->max_request)
		return hs_error_set(reterr, HSFEED_ELIMIT, "the request %s has %zu bytes; the daemon takes %u",
				    call->method, params->len, client->max_request);
	while (call->fd >= 0 && client->out_start < client->out.len) { // a descriptor rides on its frame's first byte
		rc = hs_conn_step(client, deadline, reterr);
		if (rc < 0)
			return rc;
	}
	client->wait = (struct hs_wait){.active = true, .progress = call->progress, .progress_arg = call->progress_arg};
	client->wait.seq = put_request(client, call->method, params);
	client->out_fd = call->fd;
	return hs_conn_flush(client) < 0 ? hs_error_copy(reterr, &client->broken) : 0;
}

int hs_call(hsfeed_client *client, const struct hs_call *call, hsfeed_value **ret, struct hsfeed_error *reterr)
{
	int rc = hs_client_enter(client, reterr);
	if (rc < 0)
		return rc;
	int64_t timeout = call->timeout_ms ? call->timeout_ms : (int64_t)client->timeout_ms;
	int64_t deadline = hs_deadline(timeout);
	rc = send_call(client, call, deadline, reterr);
	if (rc == 0) {
		rc = await(client, deadline, reterr);
		if (rc < 0)
			give_up(client, call);
	}
	if (rc == HSFEED_ETIMEOUT)
		hs_error_set(reterr, rc, "the daemon did not answer %s within %lld ms", call->method,
			     (long long)timeout);
	client->wait.active = false;
	if (rc == 0 && client->wait.code < 0)
		rc = hs_error_copy(reterr, &client->wait.error);
	if (rc == 0 && ret)
		*ret = client->wait.result;
	else
		hsfeed_value_free(client->wait.result);
	client->wait.result = NULL;
	return rc;
}

int hs_call_simple(hsfeed_client *client, const char *method, const char *name, hsfeed_value **ret,
		   struct hsfeed_error *reterr)
{
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	int rc = name ? hs_params_name(params, name, reterr) : 0;
	if (rc == 0)
		rc = hs_call(client, &(struct hs_call){.method = method, .params = params, .fd = -1}, ret, reterr);
	hsfeed_params_destroy(params);
	return rc;
}

int hsfeed_call(hsfeed_client *client, const char *method, const hsfeed_params *params, int timeout_ms,
		hsfeed_value **ret_value, struct hsfeed_error *reterr)
{
	if (!method || strncmp(method, "stream.", 7) == 0 || strcmp(method, "file.attach") == 0 ||
	    strcmp(method, "hello") == 0)
		return hs_error_set(reterr, HSFEED_EBADARG, "%s has a function of its own",
				    method ? method : "no method");
	struct hs_call call = {
		.method = method, .params = (hsfeed_params *)(uintptr_t)params, .fd = -1, .timeout_ms = timeout_ms};
	return hs_call(client, &call, ret_value, reterr); // finishing the parameters twice changes nothing
}
