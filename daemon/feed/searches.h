// SPDX-License-Identifier: Apache-2.0
// The list of searches for near duplicates, inside searches.c and search_jobs.c.
#ifndef HS_FEED_SEARCHES_H
#define HS_FEED_SEARCHES_H

#include <pthread.h>
#include <time.h>

#include "feed/internal.h"

enum job_state { WAITING, LOADING, RUNNING, READY, FAILED };

struct job {
	struct hs_near near; // first: hs_near pointers are job pointers
	struct job *next;    // the oldest first
	struct cache_key key;
	struct hs_near_key what;
	struct hs_cache_entry *version; // held by those who ask, until it is done
	enum job_state state;
	unsigned users;    // of the result, and those who wait just now
	uint64_t asked_ms; // when somebody last did, or it failed; 0: nobody did
	bool advance;      // wanted though nobody asks
	bool looked;       // whether it is on the disk
	bool removed;      // its version, or so it may be: for those who have it still
	bool idle;         // RUNNING where nobody else wants a core
	bool stop;         // atomic: read by its threads
	int rc;            // of FAILED
	struct hs_err err;
};

struct hs_searches {
	struct hs_feed *feed;
	pthread_mutex_t lock; // guards everything here, but for what a running job's threads work with
	pthread_cond_t done;  // a job left RUNNING or LOADING
	struct job *jobs;
	uint32_t last_owner;
	unsigned yields;            // removals under way: nothing is begun in advance
	bool works, joinable, ends; // the thread has or takes a job; is to be joined; must end
	pthread_t thread;
	bool ticking;    // the job that runs idle has a clock,
	clockid_t clock; // of processor time, of one of its threads
	uint64_t watched_ms, watched_cpu_ms;
};

// All under the lock; `now` is hs_searches_now_ms().
uint64_t hs_searches_now_ms(void);
uint64_t hs_searches_clock_ms(clockid_t clock); // any clock; without the lock, too
struct cache_key hs_job_key(const struct hs_near_key *what);
struct job *hs_jobs_find(struct hs_searches *s, const struct cache_key *key);
struct job *hs_jobs_add(struct hs_searches *s, const struct hs_near_key *what,
			const struct cache_key *key); // as the last; NULL: out of memory
void hs_jobs_forget(struct hs_searches *s, struct job *job);
// hs_jobs_tidy forgets what nobody wants any more, and results beyond what is kept in memory.
void hs_jobs_tidy(struct hs_searches *s);
struct job *hs_jobs_next(struct hs_searches *s);            // whose turn it is, or NULL; tidies
bool hs_job_is_stale(const struct job *job, uint64_t now);  // nobody asks for it
void hs_job_let_go(struct hs_searches *s, struct job *job); // of its version
void hs_job_finish(struct hs_searches *s, struct job *job, int rc);
// hs_job_put_back: one that was stopped for others has its turn again, if it is asked for or wanted in advance.
void hs_job_put_back(struct hs_searches *s, struct job *job);

#endif
