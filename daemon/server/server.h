// SPDX-License-Identifier: Apache-2.0
// The server: a socket, a store, and everything between them, on one loop. What app/ sees of it.
#ifndef HS_SERVER_SERVER_H
#define HS_SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct hs_limits {
	uint64_t connections; // in all
	uint64_t connections_per_user;
	uint64_t requests;            // unanswered, per connection; more are left unread
	uint64_t handles;             // per connection
	uint64_t streams;             // per connection
	uint64_t slots;               // per stream
	uint64_t slot_bytes_per_user; // of all slots of a user's streams
	uint64_t ingests;             // child processes at once; more wait their turn
	uint64_t ingests_per_user;
	uint64_t waiting_per_user; // ingests that wait their turn
	uint64_t upload_bytes;     // of one file that comes over the socket
	uint64_t queue_bytes;      // answers a connection may leave unread
	uint64_t hello_ms;         // from connect to hello
	uint64_t stall_ms;         // how long a connection may leave half of queue_bytes unread
};

struct hs_server_options {
	const char *state;
	bool rebuild_catalog;
	const char *const *sockets; // NULL-terminated: the first whose folder can be written to is listened on
	unsigned socket_mode;
	int listen_fd;           // a listening socket from the service manager; -1: none
	unsigned threads;        // of each pool; 0: the cores, at least 2, at most 4
	unsigned ingest_threads; // of an ingest child; 0: all cores
	bool search_duplicates;  // of what was ingested, in advance
	struct hs_limits limits;
	void (*on_ready)(void *arg, const char *socket); // it accepts
	void (*on_beat)(void *arg);                      // every beat_ms while the loop runs; beat_ms 0: never
	void (*on_stopping)(void *arg);
	uint64_t beat_ms;
	void *arg;
};

// hs_server_run serves until SIGTERM or SIGINT and returns 0 after a clean end, or a negative error when it could not
// start: HSFEED_E* of the store, -errno of the socket, with a sentence.
int hs_server_run(const struct hs_server_options *options, struct hs_err *reterr);

#endif
