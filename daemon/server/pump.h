// SPDX-License-Identifier: Apache-2.0
// What stream.c (opening) and pump.c (running) share.
#ifndef HS_SERVER_PUMP_H
#define HS_SERVER_PUMP_H

#include "stream.h"

#define HS_TURN_SLOTS 4 // filled per turn: the fill threads go round all streams that want some

enum hs_slot_state { HS_SLOT_FREE, HS_SLOT_FILLING, HS_SLOT_QUEUED, HS_SLOT_OUT };

struct hs_slot {
	struct hs_out out; // first member
	struct hs_pump *pump;
	enum hs_slot_state state;
	uint64_t fill; // the number of its last fill
	struct hs_fill info;
	struct hs_wbuf head; // the frame up to the data
	struct iovec pieces[2 * HS_FEED_MAX_ARRAYS + 1];
	uint8_t *data;
};

enum hs_doing { HS_IDLE, HS_TURNING, HS_SEEKING, HS_ENDING }; // what a thread does with the stream

struct hs_pump {
	struct hs_chore chore; // first member: a turn, a seek or the end; one at a time (doing)
	struct hs_pump *next;
	struct hs_server *server;
	struct hs_conn *conn; // counted
	struct hs_stream *stream;
	const struct hs_layout *layout;
	uint32_t id;
	uint64_t generation, nfills, end_at; // end_at: position after the last batch
	unsigned nslots, queued;             // queued: slots in the connection's queue
	struct hs_slot *slots;
	uint8_t *memory;
	size_t memory_bytes, cost; // cost: what the user is charged, with what keeping a stream takes besides
	enum hs_doing doing;
	bool ended; // the epoch's end was reached
	bool dead;  // closed; goes when nothing uses it any more
	bool charged;
	unsigned nturn, nfilled;
	unsigned turn[HS_TURN_SLOTS];
	struct hs_request *seek; // waits for, or is in, its seek
};

// hs_pump_create takes the stream (also on failure).
int hs_pump_create(struct hs_server *server, struct hs_stream *stream, unsigned nslots, struct hs_pump **ret);
void hs_pump_attach(struct hs_pump *pump, struct hs_conn *conn); // charges the user, starts the first turn
// hs_pump_kill ends a pump, attached or not: what is queued and not begun is dropped, memory goes when nothing uses it.
void hs_pump_kill(struct hs_pump *pump);
struct hs_pump *hs_pump_find(struct hs_conn *conn, uint64_t id);
void hs_pump_seek(struct hs_pump *pump, struct hs_request *req);

struct hs_seek_params {
	uint64_t stream, epoch, at, seed;
};

#endif
