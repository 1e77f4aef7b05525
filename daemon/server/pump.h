// SPDX-License-Identifier: Apache-2.0
// What stream.c (opening), pump.c (running), and inline.c and ring.c (the two ways to the client) share.
#ifndef HS_SERVER_PUMP_H
#define HS_SERVER_PUMP_H

#include "lists.h"
#include "stream.h"

enum hs_doing { HS_IDLE, HS_TURNING, HS_SEEKING, HS_ENDING }; // what a thread does with the stream

struct hs_pump;

// A way to the client. `turn` runs on a thread, which then has the stream and all of the transport's own; the others
// run on the loop thread while no thread has the pump.
struct hs_transport {
	int (*init)(struct hs_pump *pump); // on a request thread; 0 or -errno; fini follows in any case
	void (*fini)(struct hs_pump *pump);
	bool (*due)(const struct hs_pump *pump);                 // is there anything that a turn could do?
	void (*begin)(struct hs_pump *pump);                     // before a turn or a seek
	void (*turn)(struct hs_pump *pump, uint64_t generation); // fills some slots
	void (*settle)(struct hs_pump *pump);                    // after it
	void (*drop)(struct hs_pump *pump);                      // forgets what the client was not told yet
	size_t bytes;                                            // what it takes of its own, to be charged
};
extern const struct hs_transport hs_inline, hs_ring;

struct hs_pump {
	struct hs_chore chore; // first member: a turn, a seek or the end; one at a time (doing)
	struct hs_pump *next;  // conn->pumps, or server->kept
	struct hs_server *server;
	struct hs_conn *conn; // counted
	const struct hs_transport *transport;
	struct hs_stream *stream;
	const struct hs_layout *layout;
	uint32_t id;
	uint64_t generation, end_at; // end_at: position after the last batch
	unsigned nslots;
	uint8_t *memory;           // the slots'
	size_t memory_bytes, cost; // cost: what the user is charged, with what keeping a stream takes besides
	uint64_t list_bytes;       // charged for its list of rows
	void *own;                 // the transport's
	int channel;               // a ring's that is to be closed; -1: none
	int fds[2];                // for the answer to stream.open: the ring and its channel; -1: none
	uint64_t nbatches, nrows;  // of the last turn
	enum hs_doing doing;
	unsigned queued;   // what else uses it: batches in the connection's queue, the making of an order
	uint64_t prepared; // the generation whose next epoch's order was made, or is being made
	bool halt;         // atomic: the turn shall end soon
	bool ended;        // the epoch's end was reached, or no more batches can be made
	bool dead;         // closed; goes when nothing uses it any more
	bool kept;         // its channel stays until the client lets go of it; and its ring, where we ended it
	bool discharged;   // the account has back what it cost
	bool left;         // dead because the client is done with it: the ring's pages may go, whoever still maps them
	bool attached;
	struct hs_request *seek; // waits for, or is in, its seek
};

struct hs_pump_options {
	const struct hs_transport *transport;
	uint32_t id;
	unsigned nslots;
	struct hs_account account; // the user's
	uint64_t list_bytes;       // on it already, for the stream's list of rows: the pump's when it is made
};

// hs_pump_create takes the stream (also on failure), charges the account and fills the first slots.
// 0; HSFEED_ELIMIT; -ENOMEM and other reasons of the kernel's.
int hs_pump_create(struct hs_server *server, struct hs_stream *stream, const struct hs_pump_options *options,
		   struct hs_pump **ret, struct hs_err *reterr);
void hs_pump_attach(struct hs_pump *pump, struct hs_conn *conn);
// hs_pump_discharge gives the account back what a pump that was never attached cost; the others do so when they end.
void hs_pump_discharge(struct hs_pump *pump, struct hs_user *user);
// hs_pump_kill ends a pump, attached or not: what is queued and not begun is dropped, memory goes when nothing uses it.
// `left`: the client is done with it.
void hs_pump_kill(struct hs_pump *pump, bool left);
void hs_pump_end_when_unused(struct hs_pump *pump);
struct hs_pump *hs_pump_find(struct hs_conn *conn, uint64_t id);
void hs_pump_seek(struct hs_pump *pump, struct hs_request *req); // req->state: the list's input, or NULL
void hs_pump_start(struct hs_pump *pump);                        // a turn, if one is due

// hs_ring_keep is asked at a pump's end whether something of it must stay; hs_ring_wait then waits for the client.
bool hs_ring_keep(const struct hs_pump *pump);
void hs_ring_free(struct hs_pump *pump); // its memory alone
void hs_ring_wait(struct hs_pump *pump);
void hs_pump_let_go(struct hs_pump *pump); // a kept one: it ends at last

// hs_pump_notice_begin is hs_notice_begin with the stream and its generation, which are two of the pairs.
size_t hs_pump_notice_begin(const struct hs_pump *pump, struct hs_wbuf *w, uint64_t generation, const char *name,
			    uint32_t npairs);
// The notices stream.end and stream.failed.
void hs_pump_write_end(const struct hs_pump *pump, struct hs_wbuf *w, uint64_t generation);
void hs_pump_write_failed(const struct hs_pump *pump, struct hs_wbuf *w, uint64_t generation, const struct hs_err *err);

// hs_inline_release takes the notice's pairs; false when one is not due.
bool hs_inline_release(struct hs_pump *pump, const struct hs_pairs *fills);

struct hs_seek_params {
	uint64_t stream, epoch, at, seed, rows;
};

#endif
