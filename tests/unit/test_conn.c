// SPDX-License-Identifier: Apache-2.0
// A connection over a socketpair, with the real method table and no store: framing, queueing, pausing.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/conn.h"
#include "server/core.h"
#include "server/request.h"

struct fixture {
	struct hs_server *server;
	struct hs_server_options options;
	uv_idle_t spin; // so that one turn of the loop never sleeps
	int peer;
	uint8_t got[1 << 20];
	size_t ngot;
};

static void on_spin(uv_idle_t *idle)
{
	(void)idle;
}

static void on_prepare(uv_prepare_t *prepare)
{
	hs_conn_reap(prepare->loop->data);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct hs_server *server = f->server = calloc(1, sizeof(*server));
	int pair[2];
	f->options.limits = (struct hs_limits){.connections = 10,
					       .connections_per_user = 10,
					       .requests = 8,
					       .handles = 4,
					       .streams = 4,
					       .slots = 4,
					       .queue_bytes = 65536,
					       .hello_ms = 600000,
					       .stall_ms = 600000};
	server->options = &f->options;
	assert_int_equal(uv_loop_init(&server->loop), 0);
	server->loop.data = server;
	uv_prepare_init(&server->loop, &server->reaper);
	uv_prepare_start(&server->reaper, on_prepare);
	uv_timer_init(&server->loop, &server->sweep);
	uv_idle_init(&server->loop, &f->spin);
	uv_idle_start(&f->spin, on_spin);
	assert_int_equal(hs_crew_create(&server->loop, 1, 0, &server->closer), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	f->peer = pair[0];
	hs_conn_accept(server, pair[1]);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct hs_server *server = f->server;
	if (server->conns)
		hs_conn_doom(server->conns, "the test ends");
	hs_conn_reap(server);
	while (hs_crew_pending(server->closer) > 0)
		uv_run(&server->loop, UV_RUN_ONCE);
	close(f->peer);
	uv_close((uv_handle_t *)&server->reaper, NULL);
	uv_close((uv_handle_t *)&server->sweep, NULL);
	uv_close((uv_handle_t *)&f->spin, NULL);
	hs_crew_destroy(server->closer);
	uv_run(&server->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&server->loop), 0);
	assert_null(server->users);
	hs_message_close(&server->notice);
	free(server);
	free(f);
	return 0;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 3; i++)
		uv_run(&f->server->loop, UV_RUN_NOWAIT);
}

static void take(struct fixture *f)
{
	ssize_t n;
	while ((n = recv(f->peer, f->got + f->ngot, sizeof(f->got) - f->ngot, MSG_DONTWAIT)) > 0)
		f->ngot += (size_t)n;
}

// Frames of hello (seq 0) and `n` pings (seq 1..n).
static void write_requests(struct hs_wbuf *w, uint32_t n)
{
	for (uint32_t seq = 0; seq <= n; seq++) {
		size_t mark = hs_w_frame_begin(w);
		hs_w_array(w, 4);
		hs_w_uint(w, HS_WIRE_REQUEST);
		hs_w_uint(w, seq);
		hs_w_cstr(w, seq == 0 ? "hello" : "ping");
		hs_w_map(w, seq == 0 ? 2 : 0);
		if (seq == 0) {
			hs_w_cstr(w, "protocol");
			hs_w_uint(w, 1);
			hs_w_cstr(w, "client");
			hs_w_cstr(w, "test");
		}
		hs_w_frame_end(w, mark, 0);
	}
}

// Counts whole frames received; each must be an answer without an error, in the order of the requests.
static uint32_t count_answers(const struct fixture *f)
{
	uint32_t n = 0, len;
	for (size_t at = 0; at + 4 <= f->ngot; at += 4 + len, n++) {
		memcpy(&len, f->got + at, 4);
		struct hs_rbuf r = {f->got + at + 4, f->got + at + 4 + len};
		struct hs_wire_value v;
		assert_true(hs_r_next(&r, &v) && hs_r_next(&r, &v) && v.as.u == HS_WIRE_REPLY);
		assert_true(hs_r_next(&r, &v) && v.as.u == n);
		assert_true(hs_r_next(&r, &v) && v.type == HS_WIRE_NIL);
	}
	return n;
}

static void frames_cut_anywhere_give_the_same_answers(void **state)
{
	struct fixture *f = *state;
	struct hs_wbuf w = {0};
	write_requests(&w, 20);
	for (size_t at = 0, step = 1; at < w.len; at += step, step = step % 17 + 1) {
		size_t n = w.len - at < step ? w.len - at : step;
		assert_int_equal(send(f->peer, w.data + at, n, 0), (ssize_t)n);
		turn(f);
	}
	take(f);
	assert_int_equal(count_answers(f), 21);
	hs_w_fini(&w);
}

static void an_idle_connection_holds_no_buffer(void **state)
{
	struct fixture *f = *state;
	struct hs_wbuf w = {0};
	struct hs_conn *conn = f->server->conns;
	write_requests(&w, 2);
	assert_int_equal(send(f->peer, w.data, w.len - 3, 0), (ssize_t)w.len - 3);
	turn(f);
	assert_non_null(conn->in);
	assert_true(conn->in_cap <= 512);
	assert_int_equal(send(f->peer, w.data + w.len - 3, 3, 0), 3);
	turn(f);
	assert_null(conn->in);
	assert_null(conn->out_first);
	assert_int_equal(conn->nrequests, 0);
	hs_w_fini(&w);
}

static void a_header_alone_reserves_nothing_of_what_it_announces(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(send(f->peer, "\x00\x00\x04\x00\x94", 5, 0), 5);
	turn(f);
	assert_true(f->server->conns->in_cap <= 512);
}

// With its answers unread the connection stops reading; it goes on, in order and losing nothing, when they are read.
static void unread_answers_pause_the_requests_and_reading_resumes_them(void **state)
{
	struct fixture *f = *state;
	struct hs_wbuf w = {0};
	const uint32_t n = 20000;
	size_t at = 0;
	bool paused = false;
	write_requests(&w, n);
	while (at < w.len || f->ngot == 0 || count_answers(f) < n + 1) {
		ssize_t sent = at < w.len ? send(f->peer, w.data + at, w.len - at, MSG_DONTWAIT) : 0;
		at += sent > 0 ? (size_t)sent : 0;
		turn(f);
		struct hs_conn *conn = f->server->conns;
		assert_non_null(conn);
		assert_true(conn->charged <= f->options.limits.queue_bytes);
		paused = paused || conn->paused;
		if (conn->paused || at == w.len)
			take(f);
	}
	assert_true(paused);
	assert_int_equal(count_answers(f), n + 1);
	hs_w_fini(&w);
}

static void a_frame_of_length_zero_or_above_the_limit_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(send(f->peer, "\x01\x00\x04\x00", 4, 0), 4);
	turn(f);
	assert_null(f->server->conns);
	take(f);
	assert_non_null(memmem(f->got, f->ngot, "bad_frame", 9));
}

static void a_doomed_connection_queues_nothing_more_and_frees_what_it_is_given(void **state)
{
	struct fixture *f = *state;
	struct hs_conn *conn = f->server->conns;
	struct hs_wbuf w = {0};
	char text[1000] = {0};
	// Fill the kernel's buffer, so that the queue stays.
	while (send(conn->fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
	for (int i = 0; i < 3; i++) {
		hs_w_raw(&w, text, sizeof(text));
		hs_conn_send(conn, &w);
	}
	assert_non_null(conn->out_first);
	size_t charged = conn->charged;
	hs_conn_doom(conn, "the test");
	hs_w_raw(&w, text, sizeof(text));
	hs_conn_send(conn, &w); // freed at once
	assert_int_equal(conn->charged, charged);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(frames_cut_anywhere_give_the_same_answers),
		TEST(an_idle_connection_holds_no_buffer),
		TEST(a_header_alone_reserves_nothing_of_what_it_announces),
		TEST(unread_answers_pause_the_requests_and_reading_resumes_them),
		TEST(a_frame_of_length_zero_or_above_the_limit_ends_the_connection),
		TEST(a_doomed_connection_queues_nothing_more_and_frees_what_it_is_given),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
