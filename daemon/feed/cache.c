// SPDX-License-Identifier: Apache-2.0
// Entries are few (streams x epochs in flight, and MAX_UNUSED), so one list under one lock is enough; making happens
// outside the lock.
// An entry in state MAKING belongs to its maker; waiters hold a count and sleep on `changed`.
#include "feed/cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Unused entries kept, however small: a client that seeks through the epochs of ten rows leaves one at each.
#define MAX_UNUSED 32

enum entry_state { MAKING, READY, FAILED };

struct hs_cache_entry {
	struct hs_cache_entry *next;
	enum entry_state state;
	unsigned users; // makers and waiters count too
	uint64_t last_use;
	size_t bytes;
	void *value;
	struct hs_err err; // of FAILED
	size_t key_len;
	uint8_t key[HS_CACHE_KEY_MAX];
};

struct hs_cache {
	struct hs_cache_kind kind;
	pthread_mutex_t lock; // guards everything below and every entry
	pthread_cond_t changed;
	struct hs_cache_entry *entries;
	uint64_t clock;
};

int hs_cache_create(const struct hs_cache_kind *kind, struct hs_cache **ret)
{
	struct hs_cache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	cache->kind = *kind;
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->changed, NULL);
	*ret = cache;
	return 0;
}

static void unlink_entry(struct hs_cache *cache, struct hs_cache_entry *entry)
{
	struct hs_cache_entry **at = &cache->entries;
	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
}

// Takes unused entries off the list until what is kept fits the budget and is not too many (or all of them, also those
// that cost nothing); returns them, to be freed outside the lock.
static struct hs_cache_entry *evict(struct hs_cache *cache, size_t budget, bool all)
{
	struct hs_cache_entry *evicted = NULL;
	for (;;) {
		struct hs_cache_entry *oldest = NULL;
		size_t kept = 0, nkept = 0;
		for (struct hs_cache_entry *e = cache->entries; e; e = e->next) {
			if (e->users > 0)
				continue;
			kept += e->bytes;
			nkept++;
			if (!oldest || e->last_use < oldest->last_use)
				oldest = e;
		}
		if (!oldest || (kept <= budget && nkept <= MAX_UNUSED && !all))
			return evicted;
		unlink_entry(cache, oldest);
		oldest->next = evicted;
		evicted = oldest;
	}
}

static void free_entries(struct hs_cache *cache, struct hs_cache_entry *entries)
{
	while (entries) {
		struct hs_cache_entry *next = entries->next;
		if (entries->state == READY)
			cache->kind.destroy(entries->value);
		free(entries);
		entries = next;
	}
}

void hs_cache_drop_unused(struct hs_cache *cache)
{
	pthread_mutex_lock(&cache->lock);
	struct hs_cache_entry *evicted = evict(cache, 0, true);
	pthread_mutex_unlock(&cache->lock);
	free_entries(cache, evicted);
}

void hs_cache_destroy(struct hs_cache *cache)
{
	if (!cache)
		return;
	hs_cache_drop_unused(cache);
	pthread_cond_destroy(&cache->changed);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static struct hs_cache_entry *find(struct hs_cache *cache, const void *key, size_t key_len)
{
	for (struct hs_cache_entry *e = cache->entries; e; e = e->next)
		if (e->state != FAILED && e->key_len == key_len && memcmp(e->key, key, key_len) == 0)
			return e;
	return NULL;
}

// Waits for an entry somebody else is making. Called with the lock and a count held.
static int wait_ready(struct hs_cache *cache, struct hs_cache_entry *entry, struct hs_err *reterr)
{
	while (entry->state == MAKING)
		pthread_cond_wait(&cache->changed, &cache->lock);
	if (entry->state == READY)
		return 0;
	int rc = entry->err.code;
	if (reterr)
		*reterr = entry->err;
	if (--entry->users == 0) {
		unlink_entry(cache, entry);
		free(entry);
	}
	return rc;
}

static int make_entry(struct hs_cache *cache, struct hs_cache_entry *entry, void *arg, struct hs_err *reterr)
{
	struct hs_err err = {0};
	int rc = cache->kind.make(arg, &entry->value, &entry->bytes, &err);
	pthread_mutex_lock(&cache->lock);
	entry->state = rc < 0 ? FAILED : READY;
	entry->err = err;
	entry->err.code = rc < 0 ? rc : 0;
	pthread_cond_broadcast(&cache->changed);
	rc = wait_ready(cache, entry, reterr);
	pthread_mutex_unlock(&cache->lock);
	return rc;
}

int hs_cache_get(struct hs_cache *cache, const void *key, size_t key_len, void *arg, struct hs_cache_entry **ret,
		 struct hs_err *reterr)
{
	int rc = 0;
	pthread_mutex_lock(&cache->lock);
	struct hs_cache_entry *entry = find(cache, key, key_len);
	if (entry) {
		entry->users++;
		entry->last_use = ++cache->clock;
		rc = wait_ready(cache, entry, reterr);
		pthread_mutex_unlock(&cache->lock);
	} else {
		entry = calloc(1, sizeof(*entry));
		if (!entry) {
			pthread_mutex_unlock(&cache->lock);
			return hs_err_nomem(reterr, "opening a stream");
		}
		entry->users = 1;
		entry->last_use = ++cache->clock;
		entry->key_len = key_len;
		memcpy(entry->key, key, key_len);
		entry->next = cache->entries;
		cache->entries = entry;
		pthread_mutex_unlock(&cache->lock);
		rc = make_entry(cache, entry, arg, reterr);
	}
	if (rc == 0)
		*ret = entry;
	return rc;
}

void *hs_cache_value(const struct hs_cache_entry *entry)
{
	return entry->value;
}

void hs_cache_put(struct hs_cache *cache, struct hs_cache_entry *entry)
{
	if (!entry)
		return;
	pthread_mutex_lock(&cache->lock);
	entry->users--;
	struct hs_cache_entry *evicted = evict(cache, cache->kind.keep_bytes, false);
	pthread_mutex_unlock(&cache->lock);
	free_entries(cache, evicted);
}

unsigned hs_cache_users(struct hs_cache *cache, const void *key, size_t key_len)
{
	pthread_mutex_lock(&cache->lock);
	const struct hs_cache_entry *entry = find(cache, key, key_len);
	unsigned users = entry ? entry->users : 0;
	pthread_mutex_unlock(&cache->lock);
	return users;
}
