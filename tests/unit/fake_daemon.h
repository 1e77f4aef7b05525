// SPDX-License-Identifier: Apache-2.0
// A daemon for the client library's tests: one thread, one connection, and a script that may lie.
#ifndef HS_TESTS_FAKE_DAEMON_H
#define HS_TESTS_FAKE_DAEMON_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "hsfeed.h"
#include "wire/wire.h"

struct fake {
	char folder[64], path[100];
	int listen_fd, fd;
	pthread_t thread;
	void (*script)(struct fake *f);
	void *arg;
	// the message read last
	uint8_t *frame;
	size_t len;
	uint64_t kind, seq;
	char method[64];
	struct hs_rbuf params;
	int passed_fd; // -1: none came
	bool rings;    // hello lists the feature
	bool packs;    // and `packed`
};

struct fake_ring {
	int memory, channel, given; // given: the client's end of the channel
	uint8_t *map;
	size_t bytes;
};

void fake_start(struct fake *f,
		void (*script)(struct fake *f)); // the script runs in its own thread, once a client is there
void fake_stop(struct fake *f);

// In the script. A check that fails ends the program.
#define fake_check(ok) fake_check_at((ok), #ok, __FILE__, __LINE__)
void fake_check_at(bool ok, const char *what, const char *file, int line);
bool fake_read(struct fake *f);                       // the next message; false at the end
bool fake_read_on(struct fake *f, int fd);            // ... from another socket than the connection
void fake_expect(struct fake *f, const char *method); // the next message is this one
void fake_expect_on(struct fake *f, int fd, const char *method);
uint64_t fake_param(struct fake *f, const char *key); // an unsigned parameter of it
void fake_send(struct fake *f, const void *bytes, size_t len);
void fake_hello(struct fake *f, bool fdpass); // greets as the real daemon does

// A message: fake_begin_reply/notice, hs_w_* for the result or params, fake_end.
struct hs_wbuf fake_begin_reply(uint64_t seq);
struct hs_wbuf fake_begin_error(uint64_t seq);
struct hs_wbuf fake_begin_notice(const char *name);
void fake_end(struct fake *f, struct hs_wbuf *w);
void fake_end_on(int fd, struct hs_wbuf *w, const int *fds, unsigned nfds); // descriptors go with the first byte
void fake_reply_empty(struct fake *f, uint64_t seq);
void fake_reply_error(struct fake *f, uint64_t seq, const char *code, const char *message, const char *hint);

// A ring's memory, sealed as told, and its channel.
void fake_ring_make(struct fake_ring *r, size_t bytes, int seals);
void fake_ring_free(struct fake_ring *r);

// In the test.
// timeout_ms: of what is called later, 0: as it is by default. Connecting itself is not what runs out of time.
hsfeed_client *fake_connect(struct fake *f, unsigned timeout_ms);
void fake_set_timeout(hsfeed_client *client, unsigned timeout_ms);
void fake_interrupt(hsfeed_client *client, int *asked); // the second time that it asks; *asked counts

#endif
