// SPDX-License-Identifier: Apache-2.0
// What stands between Python's objects and libhsfeed, without Python: a connection that one thread uses at a time, and
// batches that tensors hold on to for as long as they like.
//
//   Client --> core <-- feed <-- Stream          -->: keeps alive (a count)
//                        ^
//                        +------ hold <-- tensors over a slot, in any thread, until whenever
//
// libhsfeed takes one thread at a time, so core.mutex is around every call of it. The end of a tensor comes in any
// thread, with or without the GIL, in a forked child, at exit; it must neither wait nor call the library. It counts the
// hold down and, at zero, pushes it onto core.returned; whoever uses the connection next gives the slot back. Once the
// stream is closed nobody may come any more: then the pusher does it. Three rules keep that free of deadlocks and
// losses:
//
//   1. Nobody waits for the mutex while holding the GIL (the other way round is allowed).
//   2. Ends of tensors and of objects only try the mutex.
//   3. Whoever lets the mutex go looks at the two lists afterwards: what was pushed in between is theirs to do.
#ifndef HS_EXT_CORE_H
#define HS_EXT_CORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dlpack.h"
#include "hsfeed.h"

#define HS_EXT_MAX_ARRAYS 64
#define HS_EXT_MAX_SLOTS  64

struct hs_core {
	atomic_uint refs;
	unsigned forks;                     // how often the process had been forked when it connected
	pthread_mutex_t mutex;              // for what follows, up to `returned`
	_Atomic uintptr_t user;             // the thread that holds it; 0: nobody
	hsfeed_client *client;              // NULL: closed
	struct hs_feed *feeds;              // the open ones
	_Atomic(struct hs_hold *) returned; // holds without a tensor; anybody pushes
	_Atomic(struct hs_feed *) dropped;  // feeds whose Stream died while the connection was in use
};

struct hs_feed {
	atomic_uint refs;
	struct hs_core *core;
	struct hs_feed *next, *next_dropped;
	hsfeed_stream *stream; // NULL: closed
	unsigned nslots, narrays;
	unsigned lent;           // slots not given back: with tensors, or waiting
	bool auto_release;       // false: whose last tensor died waits for hs_feed_give_back
	struct hs_hold *waiting; // such holds, with their numbers
	struct hs_hold *spare;   // to be used again
	atomic_uint out;         // holds with tensors
	atomic_bool closed;
};

// One array as DLPack shows it.
struct hs_tensor {
	struct hs_dl_managed dl; // first: its deleter gets this; context is the hold
	int64_t shape[2], strides[2];
};

// The memory of one batch (of a slot, or of a private copy) and how many tensors are over it.
struct hs_hold {
	atomic_uint tensors_alive; // and one for whoever makes them
	unsigned number;           // of the feed, 0 .. nslots - 1
	bool told;                 // while it waits: somebody asked and knows
	struct hs_feed *feed;      // NULL: a private copy, whose arrays lie behind this
	const struct hsfeed_batch *batch;
	struct hs_hold *next;
	void *block; // of a private copy: what to free; the hold lies aligned in it
	struct hs_tensor tensors[];
};

// ---- core.c ----

// hs_core_create takes the client, also when it fails (NULL: out of memory). The caller has one reference.
struct hs_core *hs_core_create(hsfeed_client *client);
void hs_core_unref(struct hs_core *core);
// hs_core_forked tells whether this is a child of the process that connected.
bool hs_core_forked(const struct hs_core *core);
// hs_core_is_user tells whether this very thread is inside a call of the library (and asks from a callback).
bool hs_core_is_user(const struct hs_core *core);
bool hs_core_try_lock(struct hs_core *core);
bool hs_core_wait_lock(struct hs_core *core, unsigned ms); // false: not in that time
void hs_core_unlock(struct hs_core *core);
// hs_core_close closes the feeds and the connection. With the mutex held.
void hs_core_close(struct hs_core *core);
// hs_core_drain gives back what has come onto the lists. With the mutex held.
void hs_core_drain(struct hs_core *core);
// hs_core_try_drain does the same if nobody uses the connection (whoever does will do it).
void hs_core_try_drain(struct hs_core *core);

// ---- feed.c ----

// hs_feed_create takes the stream, also when it fails. With the mutex held. The caller has one reference.
struct hs_feed *hs_feed_create(struct hs_core *core, hsfeed_stream *stream, unsigned nslots, unsigned narrays);
void hs_feed_unref(struct hs_feed *feed);
// hs_feed_close closes the stream; tensors keep their memory. With the mutex held.
void hs_feed_close(struct hs_feed *feed);
// hs_feed_drop is for a Stream that dies: closes, now or as soon as the connection is free, and lets go of it.
void hs_feed_drop(struct hs_feed *feed);
// hs_feed_settle takes a hold whose last tensor died. With the mutex held.
void hs_feed_settle(struct hs_hold *hold);
// hs_feed_give_back gives back the waiting hold of this number; false: there is none. With the mutex held.
bool hs_feed_give_back(struct hs_feed *feed, unsigned number);
// hs_feed_take makes a hold for a batch, or NULL: out of memory. With the mutex held.
struct hs_hold *hs_feed_take(struct hs_feed *feed, const struct hsfeed_batch *batch);

// ---- hold.c ----

// One batch on its way into a Python object: a tensor for each array, each with its own claim on its memory.
struct hs_parcel {
	uint64_t number, epoch, at;
	size_t rows;
	bool copied;          // every array is a copy, and the slot is given back already
	struct hs_hold *hold; // the packer's own claim; NULL: a whole copy
	size_t narrays;
	struct hs_tensor *tensors[HS_EXT_MAX_ARRAYS];
};

// hs_parcel_pack takes the batch: as views where the feed has slots to spare, else as one copy. Arrays whose bit is set
// in `copied` get memory of their own. With the mutex held. 0, or -ENOMEM with the batch given back.
int hs_parcel_pack(struct hs_feed *feed, const struct hsfeed_batch *batch, uint64_t copied, struct hs_parcel *ret);
// hs_parcel_unpack lets go of the packer's claim and of the tensors from the first-th on.
void hs_parcel_unpack(struct hs_parcel *parcel, size_t first);

#endif
