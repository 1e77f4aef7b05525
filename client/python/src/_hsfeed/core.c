// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "core.h"

// ---- forks ----

static atomic_uint forks;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
	atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

bool hs_core_forked(const struct hs_core *core)
{
	return core->forks != atomic_load_explicit(&forks, memory_order_relaxed);
}

// ---- life ----

struct hs_core *hs_core_create(hsfeed_client *client)
{
	pthread_once(&once, watch_forks);
	struct hs_core *core = calloc(1, sizeof(*core));
	if (!core || pthread_mutex_init(&core->mutex, NULL) != 0) {
		free(core);
		hsfeed_close(client);
		return NULL;
	}
	atomic_init(&core->refs, 1);
	core->forks = atomic_load(&forks);
	core->client = client;
	return core;
}

void hs_core_unref(struct hs_core *core)
{
	if (!core || atomic_fetch_sub(&core->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&core->mutex);
	free(core);
}

void hs_core_close(struct hs_core *core)
{
	while (core->feeds)
		hs_feed_close(core->feeds);
	hsfeed_close(core->client);
	core->client = NULL;
	hs_core_drain(core);
}

// ---- one at a time ----

static uintptr_t this_thread(void)
{
	return (uintptr_t)pthread_self();
}

static void locked(struct hs_core *core)
{
	atomic_store_explicit(&core->user, this_thread(), memory_order_relaxed);
}

bool hs_core_is_user(const struct hs_core *core)
{
	return atomic_load_explicit(&core->user, memory_order_relaxed) == this_thread();
}

bool hs_core_try_lock(struct hs_core *core)
{
	if (pthread_mutex_trylock(&core->mutex) != 0)
		return false;
	locked(core);
	return true;
}

bool hs_core_wait_lock(struct hs_core *core, unsigned ms)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	if (pthread_mutex_timedlock(&core->mutex, &t) != 0)
		return false;
	locked(core);
	return true;
}

static void unlock(struct hs_core *core)
{
	atomic_store_explicit(&core->user, 0, memory_order_relaxed);
	pthread_mutex_unlock(&core->mutex);
}

void hs_core_unlock(struct hs_core *core)
{
	unlock(core);
	hs_core_try_drain(core);
}

// ---- the two lists ----

void hs_core_drain(struct hs_core *core)
{
	struct hs_hold *hold = NULL;
	if (atomic_load(&core->returned))
		hold = atomic_exchange(&core->returned, NULL);
	while (hold) {
		struct hs_hold *next = hold->next;
		hs_feed_settle(hold);
		hold = next;
	}
	struct hs_feed *feed = NULL;
	if (atomic_load(&core->dropped))
		feed = atomic_exchange(&core->dropped, NULL);
	while (feed) {
		struct hs_feed *next = feed->next_dropped;
		hs_feed_close(feed);
		hs_feed_unref(feed);
		feed = next;
	}
}

void hs_core_try_drain(struct hs_core *core)
{
	while ((atomic_load(&core->returned) || atomic_load(&core->dropped)) && hs_core_try_lock(core)) {
		hs_core_drain(core);
		unlock(core);
	}
}
