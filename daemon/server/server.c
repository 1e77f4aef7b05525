// SPDX-License-Identifier: Apache-2.0
// Beginning and end. Up: store, threads, socket, then the socket's name appears. Down, on SIGTERM, SIGINT or SIGHUP: no
// new clients, `bye` to all, children killed, what threads still hold comes back, then the store is closed.
#include "server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parallel.h"
#include "base/sha256.h"
#include "child.h"
#include "conn.h"
#include "core.h"
#include "listen.h"
#include "log.h"
#include "stream.h"

#define SWEEP_MS        250
#define STOP_MS         3000 // how long the end waits for closes that hang
#define MAX_DESCRIPTORS 65536
#define CLOSERS         4 // a hostile file can hang a close

// ---- users ----

struct hs_user *hs_server_user(struct hs_server *server, uint32_t uid)
{
	struct hs_user *user = server->users;
	while (user && user->uid != uid)
		user = user->next;
	if (!user) {
		user = calloc(1, sizeof(*user));
		if (!user)
			return NULL;
		user->uid = uid;
		user->next = server->users;
		server->users = user;
	}
	user->refs++;
	return user;
}

void hs_user_put(struct hs_server *server, struct hs_user *user)
{
	if (--user->refs > 0)
		return;
	struct hs_user **at = &server->users;
	while (*at != user)
		at = &(*at)->next;
	*at = user->next;
	free(user);
}

// ---- small chores ----

struct closing {
	struct hs_chore chore; // first member
	int fd;
	bool socket; // of a client's: what it sent and nobody read may carry descriptors
};

// The last close of a socket may wait for as long as its owner asked for.
static void close_foreign(int fd)
{
	const struct linger none = {0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)); // no socket: no matter
	close(fd);
}

static void close_unread(int fd)
{
	uint8_t bytes[4096];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(HS_MAX_FDS * sizeof(int))];
	} control;
	ssize_t n;
	do {
		struct iovec iov = {bytes, sizeof(bytes)};
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control.bytes,
				     .msg_controllen = sizeof(control.bytes)};
		int fds[HS_MAX_FDS];
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		for (unsigned i = n < 0 ? 0 : hs_conn_read_fds(&msg, fds); i > 0; i--)
			close_foreign(fds[i - 1]);
	} while (n > 0);
}

static void run_close(struct hs_chore *chore)
{
	const struct closing *c = (struct closing *)chore;
	if (c->socket)
		close_unread(c->fd);
	close_foreign(c->fd);
}

static void on_chore_free(struct hs_chore *chore)
{
	free(chore);
}

static void close_later(struct hs_server *server, int fd, bool is_socket)
{
	struct closing *c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd); // better late than leaked
		return;
	}
	c->fd = fd;
	c->socket = is_socket;
	c->chore.run = run_close;
	c->chore.done = on_chore_free;
	hs_crew_submit(server->closer, &c->chore);
}

void hs_server_close_fd(struct hs_server *server, int fd)
{
	close_later(server, fd, false);
}

void hs_server_close_socket(struct hs_server *server, int fd)
{
	shutdown(fd, SHUT_RDWR); // the client need not wait for the close
	close_later(server, fd, true);
}

struct sweeping {
	struct hs_chore chore; // first member
	struct hs_server *server;
	int removed;
};

static void run_store_sweep(struct hs_chore *chore)
{
	struct sweeping *s = (struct sweeping *)chore;
	struct hs_err err = {0};
	hs_feed_drop_unused(s->server->feed);
	s->removed = hs_store_sweep(s->server->store, &err);
	if (s->removed < 0)
		hs_log(HS_LOG_WARNING, "removing files: %s", err.message);
}

static void on_store_swept(struct hs_chore *chore)
{
	struct sweeping *s = (struct sweeping *)chore;
	uint64_t removed = s->removed > 0 ? (uint64_t)s->removed : 0;
	s->server->npending -= removed < s->server->npending ? removed : s->server->npending;
	free(s);
}

void hs_server_sweep_store(struct hs_server *server)
{
	struct sweeping *s = server->npending > 0 ? calloc(1, sizeof(*s)) : NULL; // no memory: the next start does it
	if (!s)
		return;
	s->server = server;
	s->chore.run = run_store_sweep;
	s->chore.done = on_store_swept;
	hs_crew_submit(server->writer, &s->chore);
}

// ---- timers and signals ----

static void close_loop_handles(struct hs_server *server);

// A close that hangs does not keep us: see hs_crew_abandon.
static bool is_closed(const struct hs_server *server)
{
	return hs_crew_pending(server->closer) == 0 || uv_now(&server->loop) >= server->stop_deadline_ms;
}

static bool is_idle(const struct hs_server *server)
{
	return !server->conns && !server->children && hs_crew_pending(server->requests) == 0 &&
	       hs_crew_pending(server->fills) == 0 && hs_crew_pending(server->writer) == 0 && is_closed(server) &&
	       hs_crew_pending(server->spare) == 0;
}

static void on_awake(uv_idle_t *awake)
{
	(void)awake;
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct hs_server *server = prepare->loop->data;
	hs_conn_reap(server);
	if (server->resumed)
		uv_idle_start(&server->awake, on_awake);
	else
		uv_idle_stop(&server->awake);
	if (server->stopping && !server->closing && is_idle(server))
		close_loop_handles(server);
}

static void on_sweep(uv_timer_t *timer)
{
	struct hs_server *server = timer->loop->data;
	uint64_t now = uv_now(&server->loop);
	if (server->ngreeting == 0 && server->npaused == 0 && !server->stopping) {
		uv_timer_stop(timer);
		return;
	}
	for (struct hs_conn *conn = server->conns; conn; conn = conn->next)
		hs_conn_check_deadline(conn, now);
}

void hs_server_watch(struct hs_server *server)
{
	if (!server->closing && !uv_is_active((uv_handle_t *)&server->sweep))
		uv_timer_start(&server->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

static void on_beat(uv_timer_t *timer)
{
	const struct hs_server_options *options = ((struct hs_server *)timer->loop->data)->options;
	options->on_beat(options->arg);
}

void hs_server_stop(struct hs_server *server)
{
	if (server->stopping)
		return;
	server->stopping = true;
	server->stop_deadline_ms = uv_now(&server->loop) + STOP_MS;
	hs_server_watch(server);
	if (server->options->on_stopping)
		server->options->on_stopping(server->options->arg);
	hs_listen_stop(server);
	hs_child_kill_all(server);
	for (struct hs_conn *conn = server->conns; conn; conn = conn->next)
		hs_conn_bye(conn, HSFEED_ESHUTDOWN, "the daemon is shutting down");
	hs_pump_let_all_go(server);
}

static void on_stop_signal(uv_signal_t *handle, int signum)
{
	hs_log(HS_LOG_INFO, "signal %s: stopping", signum == SIGTERM ? "TERM" : signum == SIGINT ? "INT" : "HUP");
	hs_server_stop(handle->loop->data);
}

static void on_child_signal(uv_signal_t *handle, int signum)
{
	(void)signum;
	hs_child_reap(handle->loop->data);
}

// Who started us with hang-ups ignored (nohup) wants us to outlive the terminal.
static bool hangup_ends_us(void)
{
	struct sigaction inherited;
	return sigaction(SIGHUP, NULL, &inherited) == 0 && inherited.sa_handler != SIG_IGN;
}

// ---- beginning ----

static void log_store(void *arg, const char *line)
{
	(void)arg;
	hs_log(HS_LOG_WARNING, "%s", line);
}

static void log_search(void *arg, const char *line)
{
	(void)arg;
	hs_log(HS_LOG_DEBUG, "%s", line);
}

static int open_store(struct hs_server *server, struct hs_err *reterr)
{
	struct hs_store_options options = {
		.state = server->options->state, .log = log_store, .rebuild_catalog = server->options->rebuild_catalog};
	int rc = hs_store_open(&options, &server->store, reterr);
	if (rc == 0) {
		rc = hs_feed_create(server->store, &server->feed);
		if (rc < 0)
			hs_err_nomem(reterr, "starting");
		else
			hs_feed_set_log(server->feed, log_search, NULL);
	}
	return rc;
}

static unsigned pool_threads(const struct hs_server_options *options)
{
	unsigned n = options->threads ? options->threads : hs_cores();
	unsigned max = options->threads ? 256 : 4;
	return n < 2 ? 2 : n > max ? max : n;
}

// Threads inherit the signal mask; signals are the loop thread's, so the others block them all.
static int start_crews(struct hs_server *server, struct hs_err *reterr)
{
	sigset_t all, old;
	unsigned n = pool_threads(server->options);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = hs_crew_create(&server->loop, n, 0, &server->requests);
	if (rc == 0)
		rc = hs_crew_create(&server->loop, n, 0, &server->fills);
	if (rc == 0)
		rc = hs_crew_create(&server->loop, 1, 0, &server->writer);
	if (rc == 0)
		rc = hs_crew_create(&server->loop, CLOSERS, 0, &server->closer);
	if (rc == 0)
		rc = hs_crew_create(&server->loop, 1, 19, &server->spare);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc < 0 ? hs_err_set(reterr, rc, "cannot start threads: %s", strerror(-rc)) : 0;
}

static void make_instance(struct hs_server *server)
{
	uint8_t random[16];
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memcpy(random, &(uint64_t[2]){uv_hrtime(), (uint64_t)getpid()}, sizeof(random));
	hs_hex(random, sizeof(random), server->instance);
}

static int start_loop(struct hs_server *server, struct hs_err *reterr)
{
	int rc = uv_loop_init(&server->loop);
	if (rc < 0)
		return hs_err_set(reterr, rc, "cannot start the event loop: %s", uv_strerror(rc));
	server->loop.data = server;
	uv_prepare_init(&server->loop, &server->reaper);
	uv_idle_init(&server->loop, &server->awake);
	uv_timer_init(&server->loop, &server->sweep);
	uv_timer_init(&server->loop, &server->beat);
	uv_signal_init(&server->loop, &server->sigterm);
	uv_signal_init(&server->loop, &server->sigint);
	uv_signal_init(&server->loop, &server->sighup);
	uv_signal_init(&server->loop, &server->sigchld);
	uv_prepare_start(&server->reaper, on_prepare);
	uv_signal_start(&server->sigterm, on_stop_signal, SIGTERM);
	uv_signal_start(&server->sigint, on_stop_signal, SIGINT);
	if (hangup_ends_us())
		uv_signal_start(&server->sighup, on_stop_signal, SIGHUP);
	uv_signal_start(&server->sigchld, on_child_signal, SIGCHLD);
	if (server->options->on_beat && server->options->beat_ms > 0)
		uv_timer_start(&server->beat, on_beat, server->options->beat_ms, server->options->beat_ms);
	uv_update_time(&server->loop);
	server->started_ms = uv_now(&server->loop);
	make_instance(server);
	return 0;
}

static int start_channels(struct hs_server *server, struct hs_err *reterr)
{
	int rc = hs_ring_open(server);
	return rc < 0 ? hs_err_set(reterr, rc, "cannot start: %s", strerror(-rc)) : 0;
}

static int begin(struct hs_server *server, struct hs_err *reterr)
{
	int rc = open_store(server, reterr);
	if (rc == 0)
		rc = start_crews(server, reterr);
	if (rc == 0)
		rc = start_channels(server, reterr);
	if (rc == 0)
		rc = hs_listen_open(server, reterr);
	return rc < 0 ? rc : hs_listen_start(server, reterr);
}

// ---- end ----

static void close_loop_handles(struct hs_server *server)
{
	uv_handle_t *const handles[] = {
		(uv_handle_t *)&server->reaper, (uv_handle_t *)&server->awake,   (uv_handle_t *)&server->sweep,
		(uv_handle_t *)&server->beat,   (uv_handle_t *)&server->sigterm, (uv_handle_t *)&server->sigint,
		(uv_handle_t *)&server->sighup, (uv_handle_t *)&server->sigchld,
	};
	server->closing = true;
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
		uv_close(handles[i], NULL);
	hs_ring_close(server);
	hs_crew_destroy(server->requests);
	hs_crew_destroy(server->fills);
	hs_crew_destroy(server->writer);
	if (hs_crew_pending(server->closer) > 0)
		hs_crew_abandon(server->closer);
	else
		hs_crew_destroy(server->closer);
	hs_crew_destroy(server->spare);
}

static void end(struct hs_server *server)
{
	if (!server->closing) { // it never ran
		hs_listen_stop(server);
		close_loop_handles(server);
		uv_run(&server->loop, UV_RUN_DEFAULT);
	}
	uv_loop_close(&server->loop);
	if (server->feed)
		hs_feed_destroy(server->feed);
	if (server->store)
		hs_store_close(server->store);
	hs_message_close(&server->notice);
}

// A shell's soft limit of 1,024 descriptors is for programs that use select(); connections and handles need more.
static void raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= MAX_DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < MAX_DESCRIPTORS ? limit.rlim_max : MAX_DESCRIPTORS;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		hs_log(HS_LOG_WARNING, "the limit of open files cannot be raised: %s", strerror(errno));
}

int hs_server_run(const struct hs_server_options *options, struct hs_err *reterr)
{
	struct hs_server *server = calloc(1, sizeof(*server));
	if (!server)
		return hs_err_nomem(reterr, "starting");
	server->options = options;
	server->listener.fd = server->listener.spare_fd = server->channels_fd = -1;
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	int rc = start_loop(server, reterr);
	if (rc == 0) {
		rc = begin(server, reterr);
		if (rc == 0) {
			hs_log(HS_LOG_INFO, "hsfeedd %s: state %s, socket %s", HSFEED_VERSION_STRING,
			       hs_store_state(server->store), server->listener.path);
			if (options->on_ready)
				options->on_ready(options->arg, server->listener.path);
			uv_run(&server->loop, UV_RUN_DEFAULT);
			hs_log(HS_LOG_INFO, "stopped");
		}
		end(server);
	}
	free(server);
	return rc;
}
