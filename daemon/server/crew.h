// SPDX-License-Identifier: Apache-2.0
// Threads of our own that take work off the loop: chores in, results back on the loop thread. (libuv's pool is shared
// with whatever libuv does itself, and cannot be kept apart by kind of work.)
#ifndef HS_SERVER_CREW_H
#define HS_SERVER_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct hs_crew;

// Embedded in what the work is about, which must live until `done` was called.
struct hs_chore {
	struct hs_chore *next;
	void (*run)(struct hs_chore *chore);  // on a thread of the pool
	void (*done)(struct hs_chore *chore); // on the loop thread; may free or submit the chore again
	bool again;                           // run may set it: to stand in line once more instead of being done
	struct hs_crew *crew;                 // the rest is the crew's
	uint64_t round, *turn;
};

// hs_crew_create starts nthreads threads; nice: 0, or how far they stand behind others (19 the most). 0, -ENOMEM, or
// -errno when not even one thread starts.
int hs_crew_create(uv_loop_t *loop, unsigned nthreads, int nice, struct hs_crew **ret);
// hs_crew_submit queues a chore, first come first served. Loop thread only.
void hs_crew_submit(struct hs_crew *crew, struct hs_chore *chore);
// hs_crew_submit_fair queues it for one of several owners, who take turns: the second of one comes after the first of
// each other, however many the one has. *turn is the owner's with this crew, 0 at first.
void hs_crew_submit_fair(struct hs_crew *crew, struct hs_chore *chore, uint64_t *turn);

// From `run`: a chore that expects more to do in a moment may linger on its thread instead of being done, since waking
// a thread takes tens of microseconds. One of a crew at a time may, and only while nothing else waits for a thread.
bool hs_chore_linger_begin(struct hs_chore *chore);        // whether it may; if so, _end must follow
bool hs_chore_is_waited_for(const struct hs_chore *chore); // whether another waits for a thread
void hs_chore_linger_end(struct hs_chore *chore);

size_t hs_crew_pending(const struct hs_crew *crew); // chores whose `done` is still to come; loop thread only
// hs_crew_destroy ends the threads (nothing may be pending) and closes the wake-up handle; the memory goes when the
// loop has run the closing. NULL does nothing.
void hs_crew_destroy(struct hs_crew *crew);
// hs_crew_abandon is for threads that hang in the kernel: they are left alone, with the memory, until the process ends.
void hs_crew_abandon(struct hs_crew *crew);

#endif
