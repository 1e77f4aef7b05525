// SPDX-License-Identifier: Apache-2.0
// The table of methods, and the small ones: hello, ping, status, cancel.
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "datasets.h"
#include "file.h"
#include "ingests.h"
#include "plans.h"
#include "stream.h"

struct hello_params {
	uint64_t protocol;
	const char *client;
};
static const struct hs_field hello_fields[] = {
	{.key = "protocol",
	 .type = HS_T_UINT,
	 .offset = offsetof(struct hello_params, protocol),
	 .required = true,
	 .max = UINT32_MAX},
	{.key = "client",
	 .type = HS_T_STR,
	 .offset = offsetof(struct hello_params, client),
	 .required = true,
	 .max = 256},
};
static const struct hs_schema hello_schema = HS_SCHEMA(struct hello_params, hello_fields);

struct cancel_params {
	uint64_t seq;
};
static const struct hs_field cancel_fields[] = {
	{.key = "seq",
	 .type = HS_T_UINT,
	 .offset = offsetof(struct cancel_params, seq),
	 .required = true,
	 .max = UINT32_MAX},
};
static const struct hs_schema cancel_schema = HS_SCHEMA(struct cancel_params, cancel_fields);
static const struct hs_schema no_params_schema = {1, 0, NULL};

struct number {
	const char *key;
	uint64_t value;
};

static void write_numbers(struct hs_wbuf *w, const struct number *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
}

// ---- hello ----

static void write_limits(struct hs_wbuf *w, const struct hs_limits *limits)
{
	const struct number numbers[] = {
		{"max_request", HS_WIRE_MAX_REQUEST}, {"max_reply", HS_WIRE_MAX_REPLY},
		{"max_depth", HS_WIRE_MAX_DEPTH},     {"max_items", HS_WIRE_MAX_ITEMS},
		{"max_handles", limits->handles},     {"max_streams", limits->streams},
		{"max_slots", limits->slots},
	};
	hs_w_cstr(w, "limits");
	hs_w_map(w, sizeof(numbers) / sizeof(numbers[0]));
	write_numbers(w, numbers, sizeof(numbers) / sizeof(numbers[0]));
}

static void write_hello(struct hs_request *req)
{
	static const char *const features[] = {"inline", "fdpass",     "ring",   "packed",
					       "plans",  "statistics", "orders", "arrays"};
	struct hs_wbuf *w = &req->result;
	const struct number numbers[] = {
		{"protocol", HS_WIRE_PROTOCOL},
		{"pid", (uint64_t)getpid()},
		{"uid", geteuid()},
	};
	hs_w_map(w, 7);
	write_numbers(w, numbers, sizeof(numbers) / sizeof(numbers[0]));
	hs_w_cstr(w, "daemon");
	hs_w_cstr(w, "hsfeedd " HSFEED_VERSION_STRING);
	hs_w_cstr(w, "features");
	hs_w_array(w, sizeof(features) / sizeof(features[0]));
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		hs_w_cstr(w, features[i]);
	hs_w_cstr(w, "instance");
	hs_w_cstr(w, req->server->instance);
	write_limits(w, &req->server->options->limits);
}

static int hello(struct hs_request *req)
{
	const struct hello_params *p = req->params;
	if (req->conn->greeted)
		return hs_err_set(&req->err, HSFEED_EBADREQUEST, "hello was said already");
	if (p->protocol < 1) {
		hs_err_set(&req->err, HSFEED_EVERSION, "the client speaks protocol %llu, the daemon 1 to %d",
			   (unsigned long long)p->protocol, HS_WIRE_PROTOCOL);
		return hs_err_hint(&req->err, "install a client that fits hsfeedd %s", HSFEED_VERSION_STRING);
	}
	req->conn->greeted = true;
	req->server->ngreeting--;
	write_hello(req);
	return 0;
}

// ---- cancel ----

static int cancel(struct hs_request *req)
{
	const struct cancel_params *p = req->params;
	struct hs_request *other = hs_request_find(req->conn, (uint32_t)p->seq);
	bool found = other && other->child;
	if (found)
		hs_child_leave(other);
	hs_w_map(&req->result, 1);
	hs_w_cstr(&req->result, "cancelled");
	hs_w_bool(&req->result, found);
	return 0;
}

// ---- status ----

struct own_counts {
	uint64_t connections, streams, ingests;
};

static struct own_counts count_own(const struct hs_request *req, bool all)
{
	struct own_counts n = {0};
	for (const struct hs_conn *c = req->server->conns; c; c = c->next)
		if (all || c->uid == req->uid) {
			n.connections++;
			n.streams += c->npumps;
		}
	for (const struct hs_child *c = req->server->children; c; c = c->next)
		n.ingests += c->held && (all || c->uid == req->uid);
	return n;
}

// The daemon's own user and root see sums over all users, and where things are; others see what is theirs.
static int status(struct hs_request *req)
{
	const struct hs_server *server = req->server;
	struct hs_wbuf *w = &req->result;
	bool all = req->uid == 0 || req->uid == geteuid();
	struct own_counts own = count_own(req, all);
	struct hs_store_sums sums;
	hs_store_sums(server->store, all ? UINT32_MAX : req->uid, &sums);
	const struct number numbers[] = {
		{"pid", (uint64_t)getpid()},      {"uptime_ms", uv_now(&server->loop) - server->started_ms},
		{"connections", own.connections}, {"streams", own.streams},
		{"ingests", own.ingests},         {"datasets", sums.datasets},
		{"versions", sums.versions},      {"encodings", sums.encodings},
		{"store_bytes", sums.bytes},      {"batches", server->nbatches},
		{"rows", server->nrows},
	};
	size_t n = sizeof(numbers) / sizeof(numbers[0]) - (all ? 0 : 2);
	hs_w_map(w, (uint32_t)n + 3 + all);
	write_numbers(w, numbers, n);
	hs_w_cstr(w, "daemon");
	hs_w_cstr(w, "hsfeedd " HSFEED_VERSION_STRING);
	hs_w_cstr(w, "instance");
	hs_w_cstr(w, server->instance);
	hs_w_cstr(w, "socket");
	hs_w_cstr(w, server->listener.path);
	if (all) {
		hs_w_cstr(w, "state");
		hs_w_cstr(w, hs_store_state(server->store));
	}
	return 0;
}

const struct hs_method hs_methods[] = {
	{"hello", &hello_schema, HS_ON_LOOP, hello, NULL, NULL},
	{"ping", &no_params_schema, HS_ON_LOOP, NULL, NULL, NULL},
	{"status", &no_params_schema, HS_ON_LOOP, status, NULL, NULL},
	{"cancel", &cancel_schema, HS_ON_LOOP, cancel, NULL, NULL},
	{"file.attach", &hs_file_attach_schema, HS_ON_LOOP, hs_req_file_attach_begin, NULL, NULL},
	{"file.begin", &hs_file_begin_schema, HS_ON_REQUESTS, hs_req_file_begin_begin, hs_req_file_begin_run,
	 hs_req_file_begin_settle},
	{"file.chunk", &hs_file_chunk_schema, HS_ON_REQUESTS, hs_req_file_chunk_begin, hs_req_file_chunk_run,
	 hs_req_file_chunk_settle},
	{"file.close", &hs_file_close_schema, HS_ON_LOOP, hs_req_file_close_begin, NULL, NULL},
	{"ingest", &hs_ingest_schema, HS_ON_LOOP, hs_req_ingest_begin, NULL, NULL},
	{"add", &hs_add_schema, HS_ON_LOOP, hs_req_add_begin, NULL, NULL},
	{"why", &hs_why_schema, HS_ON_LOOP, hs_req_why_begin, NULL, NULL},
	{"attach", &hs_attach_schema, HS_ON_LOOP, hs_req_attach_begin, NULL, NULL},
	{"detach", &hs_detach_schema, HS_ON_WRITER, NULL, hs_req_detach_run, hs_req_rm_settle},
	{"verify", &hs_verify_schema, HS_ON_LOOP, hs_req_verify_begin, NULL, NULL},
	{"datasets", &hs_datasets_schema, HS_ON_REQUESTS, NULL, hs_req_datasets_run, NULL},
	{"versions", &hs_named_schema, HS_ON_REQUESTS, NULL, hs_req_versions_run, NULL},
	{"show", &hs_named_schema, HS_ON_REQUESTS, NULL, hs_req_show_run, NULL},
	{"rm", &hs_rm_schema, HS_ON_WRITER, NULL, hs_req_rm_run, hs_req_rm_settle},
	{"rows", &hs_rows_schema, HS_ON_REQUESTS, NULL, hs_req_rows_run, NULL},
	{"folds", &hs_folds_schema, HS_ON_REQUESTS, NULL, hs_req_folds_run, NULL},
	{"folds.rows", &hs_folds_rows_schema, HS_ON_REQUESTS, NULL, hs_req_folds_rows_run, NULL},
	{"plan.save", &hs_plan_save_schema, HS_ON_REQUESTS, hs_req_plan_save_begin, hs_req_plan_save_run,
	 hs_req_plan_save_settle},
	{"plan.list", &hs_plan_list_schema, HS_ON_REQUESTS, NULL, hs_req_plan_list_run, NULL},
	{"plan.rm", &hs_plan_rm_schema, HS_ON_WRITER, NULL, hs_req_plan_rm_run, NULL},
	{"lengths", &hs_lengths_schema, HS_ON_REQUESTS, NULL, hs_req_lengths_run, NULL},
	{"weights", &hs_weights_schema, HS_ON_REQUESTS, NULL, hs_req_weights_run, NULL},
	{"estimate", &hs_estimate_schema, HS_ON_REQUESTS, NULL, hs_req_estimate_run, NULL},
	{"leaks", &hs_leaks_schema, HS_ON_REQUESTS, NULL, hs_req_leaks_run, NULL},
	{"stream.open", &hs_stream_open_schema, HS_ON_REQUESTS, hs_req_stream_open_begin, hs_req_stream_open_run,
	 hs_req_stream_open_settle},
	{"stream.seek", &hs_stream_seek_schema, HS_ON_LOOP, hs_req_stream_seek_begin, NULL, NULL},
	{"stream.close", &hs_stream_close_schema, HS_ON_LOOP, hs_req_stream_close_begin, NULL, NULL},
	{NULL, NULL, HS_ON_LOOP, NULL, NULL, NULL},
};
