// SPDX-License-Identifier: Apache-2.0
// What stream.c (opening), pump.c (running), inline.c and ring.c (the two ways to the client) share.
#ifndef HS_SERVER_PUMP_H
#define HS_SERVER_PUMP_H

#include "stream.h"

#define HS_TURN_SLOTS 16 // filled per turn at most: the fill threads go round all streams that want some

enum hs_transport { HS_INLINE, HS_RING };
enum hs_slot_state { HS_SLOT_FREE, HS_SLOT_FILLING, HS_SLOT_QUEUED, HS_SLOT_OUT };

// A batch in the socket: a frame whose data lies in the slot.
struct hs_parcel {
	struct hs_out out; // first member
	struct hs_slot *slot;
	struct hs_wbuf head; // the frame up to the data
	struct iovec pieces[2 * HS_FEED_MAX_ARRAYS + 1];
};

struct hs_slot {
	struct hs_pump *pump;
	enum hs_slot_state state;
	uint64_t fill; // the number of its last fill
	struct hs_fill info;
	struct hs_parcel *parcel; // inline only
	uint8_t *data;
};

// What a ring's client is told: slots that are full, several in one frame, one frame at a time.
struct hs_news {
	struct hs_out out; // first member
	struct hs_pump *pump;
	struct hs_wbuf frame;
	struct iovec piece;
	unsigned *ready; // [nslots] full slots, in order; the first nsending are in the frame
	unsigned nready, nsending;
};

enum hs_doing { HS_IDLE, HS_TURNING, HS_SEEKING, HS_ENDING }; // what a thread does with the stream

struct hs_pump {
	struct hs_chore chore; // first member: a turn, a seek or the end; one at a time (doing)
	struct hs_pump *next;
	struct hs_server *server;
	struct hs_conn *conn; // counted
	struct hs_stream *stream;
	const struct hs_layout *layout;
	enum hs_transport transport;
	uint32_t id;
	uint64_t generation, nfills, end_at; // end_at: position after the last batch
	unsigned nslots, queued;             // queued: what of ours is in the connection's queue
	struct hs_slot *slots;
	unsigned *free, nfree; // stack of free slots: the last one released, still in a cache, is filled first
	struct hs_news news;   // ring only
	uint8_t *memory;
	size_t memory_bytes, cost; // cost: what the user is charged, with what keeping a stream takes besides
	enum hs_doing doing;
	bool ended; // the epoch's end was reached
	bool dead;  // closed; goes when nothing uses it any more
	bool left;  // dead because the client is done with the ring: its pages may go even if somebody still maps them
	bool attached;
	bool ahead; // the next epoch's order was made, or is being made
	unsigned nturn, nfilled;
	unsigned turn[HS_TURN_SLOTS];
	struct hs_request *seek; // waits for, or is in, its seek
};

struct hs_pump_options {
	enum hs_transport transport;
	uint32_t id;
	unsigned nslots;
	uint64_t *slot_bytes; // the user's account, and
	uint64_t max_bytes;   // ... what may be on it
};

// hs_pump_create takes the stream (also on failure) and charges the account. For a ring *ret_fd is the caller's.
// 0; HSFEED_ELIMIT; -ENOMEM and other reasons of the kernel's.
int hs_pump_create(struct hs_server *server, struct hs_stream *stream, const struct hs_pump_options *options,
		   struct hs_pump **ret, int *ret_fd, struct hs_err *reterr);
void hs_pump_attach(struct hs_pump *pump, struct hs_conn *conn); // starts the first turn
// hs_pump_discharge gives the account back what a pump that was never attached cost; the others do so when they end.
void hs_pump_discharge(struct hs_pump *pump, struct hs_user *user);
// hs_pump_kill ends a pump, attached or not: what is queued and not begun is dropped, memory goes when nothing uses it.
// `left`: the client is done with its ring.
void hs_pump_kill(struct hs_pump *pump, bool left);
struct hs_pump *hs_pump_find(struct hs_conn *conn, uint64_t id);
void hs_pump_seek(struct hs_pump *pump, struct hs_request *req);

// For the transports: a slot is free again; something of the pump left the connection's queue.
void hs_pump_free_slot(struct hs_pump *pump, unsigned index);
void hs_pump_end_when_unused(struct hs_pump *pump);

// ---- inline.c ----

int hs_inline_init(struct hs_pump *pump); // parcels for all slots; 0 or -ENOMEM
void hs_inline_fini(struct hs_pump *pump);
void hs_inline_pack(struct hs_slot *slot, uint64_t generation); // on a fill thread: frames a full slot
bool hs_inline_send(struct hs_slot *slot);                      // queues it; false: out of memory
bool hs_inline_match(const struct hs_out *out, const void *pump);

// ---- ring.c ----

// hs_ring_create makes the shared memory: sealed, with all its pages, mapped here. *ret_fd is the caller's, to be
// passed on and closed. 0 or -errno.
int hs_ring_create(size_t bytes, void **ret_memory, int *ret_fd);
// hs_ring_destroy unmaps; `pages` gives the pages back as well, though the client or somebody it knows still maps them.
void hs_ring_destroy(void *memory, size_t bytes, bool pages);
int hs_news_init(struct hs_pump *pump);
void hs_news_fini(struct hs_pump *pump);
void hs_news_add(struct hs_pump *pump, unsigned index); // a full slot
void hs_news_send(struct hs_pump *pump);                // tells what is there to tell
void hs_news_drop(struct hs_pump *pump);                // forgets what was not told yet
bool hs_news_match(const struct hs_out *out, const void *pump);

struct hs_seek_params {
	uint64_t stream, epoch, at, seed;
};

#endif
