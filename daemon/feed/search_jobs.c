// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "feed/searches.h"

#define ASKED_MS   3000
#define KEEP_BYTES ((size_t)320 << 20) // of results that nobody uses; the largest that can be is a little less

uint64_t hs_searches_clock_ms(clockid_t clock)
{
	struct timespec t = {0};
	clock_gettime(clock, &t); // of a thread that has ended: 0
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t hs_searches_now_ms(void)
{
	return hs_searches_clock_ms(CLOCK_MONOTONIC);
}

// ---- adding and finding ----

struct job *hs_jobs_find(struct hs_searches *s, const struct cache_key *key)
{
	struct job *job = s->jobs;
	while (job && (job->removed || job->key.len != key->len || memcmp(job->key.bytes, key->bytes, key->len) != 0))
		job = job->next;
	return job;
}

struct job *hs_jobs_add(struct hs_searches *s, const struct hs_near_key *what, const struct cache_key *key)
{
	struct job **at = &s->jobs, *job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	job->what = *what;
	job->key = *key;
	while (*at)
		at = &(*at)->next;
	*at = job;
	return job;
}

struct cache_key hs_job_key(const struct hs_near_key *what)
{
	struct cache_key key = {0};
	hs_feed_key_add(&key, &what->owner, sizeof(what->owner));
	hs_feed_key_add(&key, what->version.bytes, sizeof(what->version.bytes));
	hs_feed_key_add(&key, &what->similarity, sizeof(what->similarity));
	return key;
}

// ---- forgetting ----

void hs_job_let_go(struct hs_searches *s, struct job *job)
{
	struct hs_cache_entry *version = job->version;
	job->version = NULL;
	hs_cache_put(s->feed->versions, version);
}

void hs_jobs_forget(struct hs_searches *s, struct job *job)
{
	struct job **at = &s->jobs;
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	hs_job_let_go(s, job);
	hs_near_fini(&job->near);
	free(job);
}

bool hs_job_is_stale(const struct job *job, uint64_t now)
{
	return job->users == 0 && (job->asked_ms == 0 || now - job->asked_ms > ASKED_MS);
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

static bool is_forgotten(const struct job *job, uint64_t now)
{
	if (job->state == RUNNING || job->state == LOADING)
		return false;
	if (job->removed && job->users == 0)
		return true;
	return job->state != READY && hs_job_is_stale(job, now) && !(job->state == WAITING && job->advance);
}

void hs_jobs_tidy(struct hs_searches *s)
{
	uint64_t now = hs_searches_now_ms();
	for (struct job *job = s->jobs, *next; job; job = next) {
		next = job->next;
		if (is_forgotten(job, now))
			hs_jobs_forget(s, job);
		else if (job->state == WAITING && hs_job_is_stale(job, now))
			hs_job_let_go(s, job);
	}
	size_t bytes;
	for (struct job *job; (job = oldest_unused(s, &bytes)) && bytes > KEEP_BYTES;)
		hs_jobs_forget(s, job);
}

// Those that somebody asks for, or those in advance: the oldest of another owner than had the last turn, else the
// oldest.
static struct job *first_waiting(struct hs_searches *s, bool asked, uint64_t now)
{
	struct job *first = NULL;
	for (struct job *job = s->jobs; job; job = job->next) {
		if (job->state != WAITING || hs_job_is_stale(job, now) == asked)
			continue;
		if (job->what.owner != s->last_owner)
			return job;
		first = first ? first : job;
	}
	return first;
}

struct job *hs_jobs_next(struct hs_searches *s)
{
	uint64_t now = hs_searches_now_ms();
	hs_jobs_tidy(s);
	struct job *job = first_waiting(s, true, now);
	if (!job && s->yields == 0)
		job = first_waiting(s, false, now);
	return job;
}

void hs_job_finish(struct hs_searches *s, struct job *job, int rc)
{
	job->state = rc < 0 ? FAILED : READY;
	job->rc = rc;
	job->asked_ms = hs_searches_now_ms();
	hs_job_let_go(s, job);
}

void hs_job_put_back(struct hs_searches *s, struct job *job)
{
	job->state = WAITING;
	job->err = (struct hs_err){0};
	__atomic_store_n(&job->stop, false, __ATOMIC_RELAXED);
	if (hs_job_is_stale(job, hs_searches_now_ms()))
		hs_job_let_go(s, job);
}
