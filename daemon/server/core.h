// SPDX-License-Identifier: Apache-2.0
// The server's heart: what all connections share. Everything here belongs to the loop thread, except where a
// thread-safe layer (store, feed) is behind a pointer.
#ifndef HS_SERVER_CORE_H
#define HS_SERVER_CORE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "decode/decode.h"
#include "feed/feed.h"
#include "server.h"
#include "crew.h"
#include "store/store.h"

#define HS_READ_BYTES 65536
#define HS_MAX_FDS    253 // the kernel's SCM_MAX_FD: what there is no room for, it closes on our thread, which can hang

struct hs_conn;
struct hs_child;

// What one user's connections use together. Lives while `refs` > 0.
struct hs_user {
	struct hs_user *next;
	uint32_t uid;
	unsigned refs, conns, running, waiting;       // running, waiting: ingest children
	unsigned handles, rings;                      // of all its connections
	uint64_t slot_bytes;                          // atomic: request threads charge it before they allocate
	uint64_t request_turn, fill_turn, spare_turn; // with server->requests, fills, spare
};

struct hs_listener {
	int fd, spare_fd; // spare_fd: given up for a moment to refuse a client when descriptors run out
	bool owned;       // we made the socket file, we remove it
	bool active;      // poll and retry are initialised
	char path[108];
	uint64_t dev, ino;
	uv_poll_t poll;
	uv_timer_t retry;
};

struct hs_server {
	uv_loop_t loop;
	const struct hs_server_options *options;
	struct hs_store *store;
	struct hs_feed *feed;
	struct hs_crew *requests; // answers that need the disk or computing
	struct hs_crew *fills;    // stream turns; apart, so that heavy requests do not starve trainers
	struct hs_crew *writer;   // the one store thread
	struct hs_crew *spare;    // what may be of use later; behind everything else
	struct hs_crew *closer;   // closes clients' descriptors: a hostile file system can hang a close
	struct hs_listener listener;
	uv_prepare_t reaper; // ends doomed connections before the loop sleeps
	uv_poll_t channels;  // of rings that no thread has just now
	int channels_fd;     // an epoll of them; -1: none
	uv_idle_t awake;     // active while a connection waits for its next turn: the loop does not sleep
	uv_timer_t sweep, beat;
	uv_signal_t sigterm, sigint, sighup, sigchld;
	struct hs_conn *conns, *doomed, *resumed;
	struct hs_pump *kept;                          // rings of ended connections that the client may still look at
	unsigned nconns, ngreeting, npaused, nrunning; // nrunning: child processes
	struct hs_user *users;
	struct hs_child *children;
	struct hs_message notice; // reused, so that a release costs no allocation
	uint64_t child_serial, nstreams, nbatches, nrows;
	uint64_t started_ms;       // uv_now's clock
	uint64_t stop_deadline_ms; // uv_now's clock
	uint64_t npending;         // doomed files that something held open when they were removed
	bool stopping, closing;
	char instance[33];
	uint8_t scratch[HS_READ_BYTES];
};

// hs_server_user finds or makes the user's record and counts a reference; NULL when out of memory.
struct hs_user *hs_server_user(struct hs_server *server, uint32_t uid);
void hs_user_put(struct hs_server *server, struct hs_user *user);

// hs_server_watch starts the sweep timer when a connection needs its deadlines looked at.
void hs_server_watch(struct hs_server *server);
// hs_server_stop begins the orderly end: no new clients, `bye` to all, children killed, then the loop runs dry.
void hs_server_stop(struct hs_server *server);
// hs_server_close_fd closes a descriptor that came from a client, off the loop thread.
void hs_server_close_fd(struct hs_server *server, int fd);
// hs_server_close_socket closes a client's socket, off the loop thread too: descriptors that it sent and nobody read
// are closed with it.
void hs_server_close_socket(struct hs_server *server, int fd);
// hs_server_sweep_store lets the store thread unlink doomed files, after a stream that may have held one is gone.
void hs_server_sweep_store(struct hs_server *server);

#endif
