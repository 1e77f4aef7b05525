// SPDX-License-Identifier: Apache-2.0
// A small cache of things that are costly to make and shared by streams: each is made once, by the first who asks,
// while others who want the same wait for it. Unused things are kept up to a budget of bytes and a few dozen, the
// least recently used go first.
#ifndef HS_FEED_CACHE_H
#define HS_FEED_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HS_CACHE_KEY_MAX 128

struct hs_cache;
struct hs_cache_entry;

struct hs_cache_kind {
	// make builds the value for `arg`; *ret_bytes is what keeping it costs. 0 or an error, which every waiter gets.
	int (*make)(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr);
	void (*destroy)(void *value);
	size_t keep_bytes; // budget for unused values
};

int hs_cache_create(const struct hs_cache_kind *kind, struct hs_cache **ret);
void hs_cache_destroy(struct hs_cache *cache); // nothing may be in use
void hs_cache_drop_unused(struct hs_cache *cache);

// hs_cache_get finds or makes the value of a key (key_len <= HS_CACHE_KEY_MAX) and counts the caller as a user.
int hs_cache_get(struct hs_cache *cache, const void *key, size_t key_len, void *arg, struct hs_cache_entry **ret,
		 struct hs_err *reterr);
void *hs_cache_value(const struct hs_cache_entry *entry);
void hs_cache_put(struct hs_cache *cache, struct hs_cache_entry *entry); // NULL does nothing
unsigned hs_cache_users(struct hs_cache *cache, const void *key, size_t key_len);

#endif
