// SPDX-License-Identifier: Apache-2.0
// Near duplicates of versions: found once, shared by whoever asks for the same similarity, and kept. In memory they lie
// while used, then up to a budget; on the disk (store/near.h) as long as their version, so that a later daemon reads
// them in milliseconds.
//
// A search takes all that the machine has for as long as texts are many. So it is nobody's request that does it, but
// threads of their own that stand behind all others; and there is one search at a time, of bounded memory. Those who
// wait look every WAIT_MS whether it has ended, and let others have their thread in between. What is on the disk is
// read by the request that asks first, so that it waits for no search.
//
//   LOADING <-> WAITING -> RUNNING -> READY  (kept while used, then up to a budget)
//      |          |  ^        |  `-> FAILED  (kept for a moment, so that everybody who waits learns why)
//      `-> READY  |  `--------'      stopped for others: its turn comes again
//                 `-> forgotten, where nobody has asked for ASKED_MS
//
// A search in advance is wanted though nobody asks: it is never forgotten while it waits, its turn comes when no other
// is asked for, and it runs where nobody else wants a core (SCHED_IDLE), on a thread of its own that takes none of our
// locks. Without privileges no thread comes back from there; so when somebody asks for it and it gets too little of
// the processors, it is stopped and begun again as any other. It has its version open only while it runs: rm has it let
// go (hs_feed_near_yield) before it looks which files are in use.
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "feed/searches.h"

#define NICE       5 // somebody waits for it, unlike for an ingest
#define WAIT_MS    20
#define YIELD_MS   3000       // the most that rm waits; a file that is still in use then stays pending
#define STARVE_MS  200        // how long a search in advance is watched when somebody asks for it
#define NOT_WANTED (-ENODATA) // a search in advance that is not worth it

static void tell(const struct hs_searches *s, const struct job *job, const char *what)
{
	char line[256], hex[HS_ID_HEX];
	if (!s->feed->log)
		return;
	hs_id_hex(&job->what.version, hex);
	snprintf(line, sizeof(line), "duplicates of %.12s, user %u, similarity %g: %s", hex, job->what.owner,
		 job->what.similarity, what);
	s->feed->log(s->feed->log_arg, line);
}

// A failure in advance is nobody's: who asks learns of it by a search of their own.
static void end_job(struct hs_searches *s, struct job *job, int rc)
{
	bool idle = job->idle, stopped = __atomic_load_n(&job->stop, __ATOMIC_RELAXED);
	job->idle = s->ticking = false;
	if (rc < 0 && !stopped && job->advance && hs_job_is_stale(job, hs_searches_now_ms()))
		hs_jobs_forget(s, job);
	else if (rc < 0 && (stopped || idle))
		hs_job_put_back(s, job);
	else
		hs_job_finish(s, job, rc);
	pthread_cond_broadcast(&s->done);
}

// ---- the thread that searches; without the lock, but where it says so ----

static void start_clock(struct hs_searches *s, pthread_t thread)
{
	pthread_mutex_lock(&s->lock);
	s->ticking = pthread_getcpuclockid(thread, &s->clock) == 0;
	s->watched_ms = 0;
	pthread_mutex_unlock(&s->lock);
}

static int search_in_advance(struct hs_searches *s, struct job *job, const struct hs_version *v)
{
	struct hs_idle_search search = {.version = v,
					.similarity = job->what.similarity,
					.stop = &job->stop,
					.ret = &job->near,
					.reterr = &job->err};
	pthread_t thread;
	int rc = hs_feed_near_start_idle(&search, &thread);
	if (rc < 0)
		return rc;
	start_clock(s, thread);
	pthread_join(thread, NULL);
	return search.rc;
}

// What a search took is much more than what the daemon needs else, and would stay with its allocator. Not on the idle
// thread: this takes locks that all threads need.
static void give_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static int search(struct hs_searches *s, struct job *job, const struct hs_version *v)
{
	if (job->idle && hs_feed_near_is_empty(v))
		return NOT_WANTED;
	int rc = hs_feed_near_check(v, job->what.similarity, &job->err);
	if (rc < 0)
		return rc;
	job->what.nrows = v->nrows;
	if (!job->looked && hs_store_near_load(s->feed->store, &job->what, &job->near) > 0) {
		tell(s, job, "read");
		return 0;
	}
	job->looked = true;
	if (job->idle)
		rc = search_in_advance(s, job, v);
	else
		rc = hs_feed_near_search(v, job->what.similarity, &job->stop, &job->near, &job->err);
	give_back();
	if (rc == 0)
		tell(s, job, job->idle ? "searched in advance" : "searched");
	return rc == 0 ? 1 : rc;
}

// 1: searched; 0: it was on the disk; or an error.
static int run(struct hs_searches *s, struct job *job, const struct hs_cache_entry *held)
{
	struct open_version *own = NULL;
	if (held)
		return search(s, job, ((struct open_version *)hs_cache_value(held))->version);
	int rc = hs_feed_version_open(s->feed, job->what.owner, &job->what.version, &own, &job->err);
	if (rc < 0)
		return rc;
	rc = search(s, job, own->version);
	hs_feed_version_close(own);
	return rc;
}

// Those who wait have it before it is written. With the lock, let go for the writing.
static void keep(struct hs_searches *s, struct job *job)
{
	job->users++;
	pthread_mutex_unlock(&s->lock);
	hs_store_near_save(s->feed->store, &job->what, &job->near);
	pthread_mutex_lock(&s->lock);
	job->users--;
}

static void *work(void *arg)
{
	struct hs_searches *s = arg;
	struct job *job;
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); // threads that it starts inherit it
	pthread_mutex_lock(&s->lock);
	while (!s->ends && (job = hs_jobs_next(s))) {
		job->state = RUNNING;
		job->idle = job->advance && hs_job_is_stale(job, hs_searches_now_ms());
		s->last_owner = job->what.owner;
		const struct hs_cache_entry *held = job->version;
		pthread_mutex_unlock(&s->lock);
		int rc = run(s, job, held);
		pthread_mutex_lock(&s->lock);
		end_job(s, job, rc);
		if (rc == 1)
			keep(s, job);
	}
	s->works = false;
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

// Signals are the loop thread's.
static int start_thread(struct hs_searches *s)
{
	sigset_t all, old;
	if (s->works)
		return 0;
	if (s->joinable)
		pthread_join(s->thread, NULL); // it has let go of the lock for good, or is about to end
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = -pthread_create(&s->thread, NULL, work, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	s->works = s->joinable = rc == 0;
	return rc;
}

// ---- asking; all under the lock ----

// Who asks holds the version for the job, which may outlive the request.
static int find_or_add(struct hs_searches *s, const struct hs_feed_source *source, const struct hs_near_key *what,
		       struct job **ret, struct hs_err *reterr)
{
	const struct cache_key key = hs_job_key(what);
	struct job *job = hs_jobs_find(s, &key);
	int rc = 0;
	if (!job && !(job = hs_jobs_add(s, what, &key)))
		return hs_err_nomem(reterr, "looking for duplicates");
	if (job->state == WAITING)
		job->what.nrows = what->nrows;
	if ((job->state == WAITING || job->state == RUNNING) && !job->version)
		rc = hs_feed_version_hold(s->feed, source, &job->version, reterr);
	if (rc < 0 && job->state == WAITING && !job->advance && job->users == 0)
		hs_jobs_forget(s, job);
	*ret = job;
	return rc;
}

// A search that nobody asks about, or does not any more, gives way.
static void stop_stale(struct hs_searches *s)
{
	uint64_t now = hs_searches_now_ms();
	for (struct job *job = s->jobs; job; job = job->next)
		if (job->state == RUNNING && hs_job_is_stale(job, now))
			__atomic_store_n(&job->stop, true, __ATOMIC_RELAXED);
}

// Reads what is on the disk; the job is held.
static void look(struct hs_searches *s, struct job *job)
{
	job->state = LOADING;
	job->looked = true;
	pthread_mutex_unlock(&s->lock);
	int rc = hs_store_near_load(s->feed->store, &job->what, &job->near);
	pthread_mutex_lock(&s->lock);
	job->state = WAITING;
	if (rc > 0) {
		tell(s, job, "read");
		hs_job_finish(s, job, 0);
	}
	pthread_cond_broadcast(&s->done);
}

// One in advance that somebody asks for now: does it get less than a quarter of a core?
static void watch(struct hs_searches *s, struct job *job)
{
	uint64_t now = hs_searches_now_ms(), cpu = s->ticking ? hs_searches_clock_ms(s->clock) : 0;
	if (!s->ticking || (s->watched_ms > 0 && now - s->watched_ms < STARVE_MS))
		return;
	if (s->watched_ms > 0 && (cpu - s->watched_cpu_ms) * 4 < now - s->watched_ms)
		__atomic_store_n(&job->stop, true, __ATOMIC_RELAXED);
	s->watched_ms = now;
	s->watched_cpu_ms = cpu;
}

static void wait_once(struct hs_searches *s)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WAIT_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&s->done, &s->lock, &until);
}

// Waits a little for a job that is held; whether it is done.
static bool wait_for(struct hs_searches *s, const struct job *job)
{
	uint64_t began = hs_searches_now_ms();
	while (job->state != READY && job->state != FAILED && hs_searches_now_ms() - began < WAIT_MS)
		wait_once(s);
	return job->state == READY || job->state == FAILED;
}

static int take(struct hs_searches *s, struct job *job, struct hs_err *reterr)
{
	job->asked_ms = job->state == FAILED ? job->asked_ms : hs_searches_now_ms();
	if (job->state == WAITING && !job->looked)
		look(s, job);
	int rc = job->state == WAITING ? start_thread(s) : 0;
	if (rc < 0)
		return hs_err_set(reterr, rc, "cannot start a thread to look for duplicates");
	if (job->state == WAITING)
		stop_stale(s);
	if (job->state == RUNNING && job->idle)
		watch(s, job);
	if (!wait_for(s, job))
		return HS_FEED_SEARCHING;
	if (job->state == READY)
		return 0;
	if (reterr)
		*reterr = job->err;
	return job->rc;
}

// ---- the outside ----

int hs_feed_near_get(struct hs_feed *feed, const struct hs_feed_source *source, double similarity,
		     const struct hs_near **ret, struct hs_err *reterr)
{
	struct hs_searches *s = feed->searches;
	const struct hs_version *v = hs_feed_source_version(source);
	const struct hs_near_key what = {.owner = source->entry.owner,
					 .engine = HS_NEAR_ENGINE,
					 .version = source->entry.version,
					 .similarity = similarity,
					 .nrows = v->nrows};
	struct job *job = NULL;
	int rc = hs_feed_near_check(v, similarity, reterr);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->lock);
	hs_jobs_tidy(s);
	rc = find_or_add(s, source, &what, &job, reterr);
	if (rc == 0) {
		job->users++;
		rc = take(s, job, reterr);
		job->users -= rc < 0;
	}
	pthread_mutex_unlock(&s->lock);
	if (rc == 0)
		*ret = &job->near;
	return rc;
}

void hs_feed_near_put(struct hs_feed *feed, const struct hs_near *near)
{
	struct hs_searches *s = feed->searches;
	if (!near)
		return;
	pthread_mutex_lock(&s->lock);
	((struct job *)(uintptr_t)near)->users--;
	hs_jobs_tidy(s);
	pthread_mutex_unlock(&s->lock);
}

void hs_feed_near_prepare(struct hs_feed *feed, uint32_t owner, const struct hs_id *version)
{
	struct hs_searches *s = feed->searches;
	const struct hs_near_key what = {
		.owner = owner, .engine = HS_NEAR_ENGINE, .version = *version, .similarity = HS_NEAR_SIMILARITY};
	const struct cache_key key = hs_job_key(&what);
	pthread_mutex_lock(&s->lock);
	struct job *job = hs_jobs_find(s, &key);
	if (job && (job->state == READY || job->state == FAILED)) { // perhaps from before the version was removed
		job->removed = true;
		job = NULL;
	}
	if (!job)
		job = hs_jobs_add(s, &what, &key);
	if (job) {
		job->advance = true;
		if (job->state == WAITING)
			start_thread(s); // where none can be had: with the next search, or when somebody asks
	}
	pthread_mutex_unlock(&s->lock);
}

// ---- removals ----

static bool is_among(const struct job *job, const struct hs_version_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (job->what.owner == entries[i].owner && hs_id_eq(&job->what.version, &entries[i].version))
			return true;
	return false;
}

// Stops what nobody asks for; whether something has one of the versions open still.
static bool stop_those(struct hs_searches *s, const struct hs_version_entry *entries, size_t n)
{
	uint64_t now = hs_searches_now_ms();
	bool any = false;
	hs_jobs_tidy(s);
	for (struct job *job = s->jobs; job; job = job->next) {
		if (job->state != RUNNING || !hs_job_is_stale(job, now) || !is_among(job, entries, n))
			continue;
		__atomic_store_n(&job->stop, true, __ATOMIC_RELAXED);
		any = true;
	}
	return any;
}

void hs_feed_near_yield(struct hs_feed *feed, uint32_t owner, const char *spec)
{
	struct hs_searches *s = feed->searches;
	struct hs_version_entry *entries = NULL;
	struct hs_err ignored;
	char name[HS_NAME_MAX + 1];
	size_t n = 0;
	uint64_t began = hs_searches_now_ms();
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(spec, "@"), spec);
	hs_store_list(feed->store, owner, name, &entries, &n, &ignored); // without it a file may stay pending
	pthread_mutex_lock(&s->lock);
	s->yields++;
	while (stop_those(s, entries, n) && hs_searches_now_ms() - began < YIELD_MS)
		wait_once(s);
	pthread_mutex_unlock(&s->lock);
	hs_version_entries_free(entries, n);
}

void hs_feed_near_resume(struct hs_feed *feed)
{
	struct hs_searches *s = feed->searches;
	pthread_mutex_lock(&s->lock);
	s->yields--;
	for (struct job *job = s->jobs; job; job = job->next)
		job->removed = job->removed ||
			       !hs_store_has(feed->store, job->what.owner, HS_FILE_VERSION, &job->what.version);
	if (hs_jobs_next(s)) // tidies, too
		start_thread(s);
	pthread_mutex_unlock(&s->lock);
}

// ---- beginning and end ----

struct hs_searches *hs_searches_create(struct hs_feed *feed)
{
	pthread_condattr_t monotonic;
	struct hs_searches *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->feed = feed;
	s->last_owner = UINT32_MAX;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return s;
}

void hs_searches_destroy(struct hs_searches *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ends = true;
	for (struct job *job = s->jobs; job; job = job->next)
		__atomic_store_n(&job->stop, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&s->lock);
	if (s->joinable)
		pthread_join(s->thread, NULL);
	while (s->jobs)
		hs_jobs_forget(s, s->jobs);
	pthread_cond_destroy(&s->done);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
