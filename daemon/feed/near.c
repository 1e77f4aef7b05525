// SPDX-License-Identifier: Apache-2.0
// Near duplicates of versions (text/near.h): found once, shared by whoever asks for the same similarity. They lie in
// memory only: after a restart, or when many others were asked for meanwhile, they are found again.
//
// A search takes all that the machine has for as long as texts are many. So it is nobody's request that does it, but
// threads of their own that stand behind all others, at most MOST_THREADS; and there is one search at a time, of
// bounded memory. Those who wait look every WAIT_MS whether it has ended, and let others have their thread in between.
//
//   WAITING -> RUNNING -> READY  (kept while used, then up to a budget)
//      |          |  `-> FAILED  (kept for a moment, so that everybody who waits learns why)
//      |          `----> WAITING or forgotten, where it was stopped for others
//      `-> forgotten, where nobody has asked for ASKED_MS
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/parallel.h"
#include "feed/internal.h"
#include "text/arena.h"
#include "text/minhash.h"

#define MOST_THREADS 4
#define NICE         5                 // somebody waits for it, unlike for an ingest
#define MAX_PAIRS    ((size_t)1 << 22) // listed; 64 MiB
#define ROW_BYTES    112               // of a search, without keys and texts: see text/near.h, and the spans here
#define WAIT_MS      20
#define ASKED_MS     3000
#define KEEP_BYTES   ((size_t)320 << 20) // of results that nobody uses; the largest that can be is a little less

enum job_state { WAITING, RUNNING, READY, FAILED };

struct job {
	struct hs_near near; // first: hs_near pointers are job pointers
	struct job *next;    // the oldest first
	struct cache_key key;
	uint32_t owner;
	double similarity;
	struct hs_cache_entry *version; // held until it is done
	enum job_state state;
	unsigned users;    // of the result, and those who wait just now
	uint64_t asked_ms; // when somebody last did, or it failed
	bool stop;         // atomic: read by its threads
	int rc;            // of FAILED
	struct hs_err err;
};

struct hs_searches {
	struct hs_feed *feed;
	pthread_mutex_t lock; // guards everything here, but for what a running job's threads work with
	pthread_cond_t done;  // a job became READY or FAILED
	struct job *jobs;
	uint32_t last_owner;
	bool works, joinable, ends; // the thread has or takes a job; is to be joined; must end
	pthread_t thread;
};

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// ---- one search ----

struct texts {
	struct hs_span *items; // into the version's file, or into the arena
	struct hs_arena arena; // texts that straddle two chunks
};

static int read_text(const struct hs_version *v, size_t row, struct hs_buf *scratch, struct texts *texts)
{
	struct hs_span *text = &texts->items[row];
	int rc = hs_version_text(v, row, scratch, text);
	if (rc == 0 && text->ptr == (const char *)scratch->data)
		rc = hs_arena_copy(&texts->arena, *text, text);
	return rc;
}

static int read_texts(const struct hs_version *v, struct texts *texts, struct hs_err *reterr)
{
	struct hs_buf scratch = {0};
	int rc = 0;
	texts->items = hs_array(v->nrows, sizeof(*texts->items));
	if (!texts->items)
		return hs_err_nomem(reterr, "looking for duplicates");
	for (size_t row = 0; row < v->nrows && rc == 0; row++) {
		rc = read_text(v, row, &scratch, texts);
		if (rc < 0 && rc != -ENOMEM)
			hs_err_set(reterr, rc, "row %zu cannot be read", row);
	}
	hs_buf_fini(&scratch);
	return rc == -ENOMEM ? hs_err_nomem(reterr, "looking for duplicates") : rc;
}

// The pairs' memory, cut to what is needed.
static void trim(struct hs_near *near)
{
	struct hs_near_pair *pairs = realloc(near->pairs, (near->npairs + 1) * sizeof(*pairs));
	near->pairs = pairs ? pairs : near->pairs;
}

static int search(struct job *job)
{
	const struct hs_version *v = ((struct open_version *)hs_cache_value(job->version))->version;
	unsigned threads = hs_cores() < MOST_THREADS ? hs_cores() : MOST_THREADS;
	const struct hs_near_options options = {job->similarity, MAX_PAIRS, threads, &job->stop};
	struct texts texts = {0};
	int rc = read_texts(v, &texts, &job->err);
	if (rc == 0)
		rc = hs_near_find(texts.items, v->nrows, &options, &job->near, &job->err);
	hs_arena_fini(&texts.arena);
	free(texts.items);
	if (rc == 0)
		trim(&job->near);
	return rc;
}

// ---- jobs; all under the lock ----

static void forget(struct hs_searches *s, struct job *job)
{
	struct job **at = &s->jobs;
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	hs_cache_put(s->feed->versions, job->version);
	hs_near_fini(&job->near);
	free(job);
}

static bool is_stale(const struct job *job, uint64_t now)
{
	return job->users == 0 && now - job->asked_ms > ASKED_MS;
}

static size_t result_bytes(const struct job *job)
{
	if (job->state != READY || job->users > 0)
		return 0;
	return 3 * job->near.nrows * sizeof(uint32_t) + job->near.npairs * sizeof(*job->near.pairs) + sizeof(*job);
}

static struct job *oldest_unused(struct hs_searches *s, size_t *ret_bytes)
{
	struct job *oldest = NULL;
	*ret_bytes = 0;
	for (struct job *job = s->jobs; job; job = job->next) {
		*ret_bytes += result_bytes(job);
		if (result_bytes(job) > 0 && (!oldest || job->asked_ms < oldest->asked_ms))
			oldest = job;
	}
	return oldest;
}

static void tidy(struct hs_searches *s)
{
	uint64_t now = now_ms();
	for (struct job *job = s->jobs, *next; job; job = next) {
		next = job->next;
		if (job->state != READY && job->state != RUNNING && is_stale(job, now))
			forget(s, job);
	}
	size_t bytes;
	for (struct job *job; (job = oldest_unused(s, &bytes)) && bytes > KEEP_BYTES;)
		forget(s, job);
}

// The oldest of another owner than had the last turn, else the oldest.
static struct job *next_job(struct hs_searches *s)
{
	struct job *first = NULL;
	tidy(s);
	for (struct job *job = s->jobs; job; job = job->next) {
		if (job->state != WAITING)
			continue;
		if (job->owner != s->last_owner)
			return job;
		first = first ? first : job;
	}
	return first;
}

static void end_job(struct hs_searches *s, struct job *job, int rc)
{
	struct hs_cache_entry *version = job->version;
	if (rc < 0 &&
	    __atomic_load_n(&job->stop, __ATOMIC_RELAXED)) { // for others: its turn comes again, if it is asked for
		job->state = WAITING;
		job->err = (struct hs_err){0};
		__atomic_store_n(&job->stop, false, __ATOMIC_RELAXED);
		return;
	}
	job->state = rc < 0 ? FAILED : READY;
	job->rc = rc;
	job->asked_ms = now_ms();
	job->version = NULL;
	hs_cache_put(s->feed->versions, version);
	pthread_cond_broadcast(&s->done);
}

static void *work(void *arg)
{
	struct hs_searches *s = arg;
	struct job *job;
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); // threads that it starts inherit it
	pthread_mutex_lock(&s->lock);
	while (!s->ends && (job = next_job(s))) {
		job->state = RUNNING;
		s->last_owner = job->owner;
		pthread_mutex_unlock(&s->lock);
		int rc = search(job);
		pthread_mutex_lock(&s->lock);
		end_job(s, job, rc);
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

static struct job *find(struct hs_searches *s, const struct cache_key *key)
{
	struct job *job = s->jobs;
	while (job && (job->key.len != key->len || memcmp(job->key.bytes, key->bytes, key->len) != 0))
		job = job->next;
	return job;
}

static void add_last(struct hs_searches *s, struct job *job)
{
	struct job **at = &s->jobs;
	while (*at)
		at = &(*at)->next;
	*at = job;
}

static int create(struct hs_searches *s, const struct hs_feed_source *source, const struct job *wanted,
		  struct job **ret, struct hs_err *reterr)
{
	struct job *job = calloc(1, sizeof(*job));
	if (!job)
		return hs_err_nomem(reterr, "looking for duplicates");
	*job = *wanted;
	int rc = hs_feed_version_hold(s->feed, source, &job->version, reterr);
	if (rc < 0) {
		free(job);
		return rc;
	}
	add_last(s, job);
	*ret = job;
	return 0;
}

// A search that nobody asks about any more gives way.
static void stop_stale(struct hs_searches *s)
{
	uint64_t now = now_ms();
	for (struct job *job = s->jobs; job; job = job->next)
		if (job->state == RUNNING && is_stale(job, now))
			__atomic_store_n(&job->stop, true, __ATOMIC_RELAXED);
}

// Waits a little for a job that is held; whether it is done.
static bool wait_for(struct hs_searches *s, const struct job *job)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WAIT_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	int rc = 0;
	while (rc == 0 && job->state != READY && job->state != FAILED)
		rc = pthread_cond_timedwait(&s->done, &s->lock, &until);
	return job->state == READY || job->state == FAILED;
}

static int take(struct hs_searches *s, struct job *job, struct hs_err *reterr)
{
	job->asked_ms = job->state == FAILED ? job->asked_ms : now_ms();
	int rc = job->state == WAITING ? start_thread(s) : 0;
	if (rc < 0)
		return hs_err_set(reterr, rc, "cannot start a thread to look for duplicates");
	if (job->state == WAITING)
		stop_stale(s);
	if (!wait_for(s, job))
		return HS_FEED_SEARCHING;
	if (job->state == READY)
		return 0;
	if (reterr)
		*reterr = job->err;
	return job->rc;
}

// ---- the outside ----

static uint64_t text_bytes(const struct hs_version *v)
{
	uint64_t sum = 0;
	for (size_t g = 0, row = 0; g < v->ngroups; g++, row += HS_GROUP_ROWS)
		sum += v->text_ends[g][v->nrows - row < HS_GROUP_ROWS ? v->nrows - row : HS_GROUP_ROWS];
	return sum;
}

static int check_request(const struct hs_version *v, double similarity, struct hs_err *reterr)
{
	struct hs_minhash minhash;
	if (!(similarity >= HS_MINHASH_LEAST_SIMILARITY && similarity <= 1)) // its sentence
		return hs_near_find(NULL, 0, &(struct hs_near_options){.similarity = similarity}, NULL, reterr);
	hs_minhash_init(&minhash, similarity);
	uint64_t bytes = v->nrows * (ROW_BYTES + 4 * minhash.bands) + text_bytes(v) + MAX_PAIRS * 16;
	if (bytes <= HS_FEED_NEAR_MAX_BYTES)
		return 0;
	hs_err_set(reterr, HSFEED_ELIMIT,
		   "looking for duplicates among %zu rows takes up to %llu MiB of memory, more than the %llu MiB that "
		   "hsfeedd spends on it",
		   v->nrows, (unsigned long long)(bytes >> 20), (unsigned long long)(HS_FEED_NEAR_MAX_BYTES >> 20));
	return hs_err_hint(reterr, "remove duplicates before ingesting, or name a column of groups");
}

int hs_feed_near_get(struct hs_feed *feed, const struct hs_feed_source *source, double similarity,
		     const struct hs_near **ret, struct hs_err *reterr)
{
	struct hs_searches *s = feed->searches;
	struct job wanted = {.similarity = similarity, .owner = source->entry.owner}, *job;
	int rc = check_request(hs_feed_source_version(source), similarity, reterr);
	if (rc < 0)
		return rc;
	hs_feed_key_version(&wanted.key, source);
	hs_feed_key_add(&wanted.key, &similarity, sizeof(similarity));
	pthread_mutex_lock(&s->lock);
	tidy(s);
	job = find(s, &wanted.key);
	if (!job)
		rc = create(s, source, &wanted, &job, reterr);
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
	tidy(s);
	pthread_mutex_unlock(&s->lock);
}

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
		forget(s, s->jobs);
	pthread_cond_destroy(&s->done);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
