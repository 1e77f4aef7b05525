// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "feed/cache.h"

static int made, destroyed;
static size_t cost = 10;
static unsigned pause_us = 20000;

static int make_slowly(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr)
{
	__atomic_add_fetch(&made, 1, __ATOMIC_SEQ_CST);
	usleep(pause_us);
	if (!arg)
		return hs_err_set(reterr, HSFEED_EBADPLAN, "no argument");
	*ret_value = arg;
	*ret_bytes = cost;
	return 0;
}

static void count_destroyed(void *value)
{
	(void)value;
	__atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
}

static struct hs_cache *fresh(size_t keep_bytes)
{
	struct hs_cache_kind kind = {make_slowly, count_destroyed, keep_bytes};
	struct hs_cache *cache = NULL;
	made = destroyed = 0;
	assert_int_equal(hs_cache_create(&kind, &cache), 0);
	return cache;
}

static void *get_and_put(void *arg)
{
	struct hs_cache *cache = arg;
	struct hs_cache_entry *entry = NULL;
	if (hs_cache_get(cache, "key", 3, cache, &entry, NULL) < 0 || hs_cache_value(entry) != cache)
		return cache;
	hs_cache_put(cache, entry);
	return NULL;
}

static void a_thing_that_many_threads_ask_for_is_made_once(void **state)
{
	(void)state;
	struct hs_cache *cache = fresh(100);
	pthread_t threads[8];
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_and_put, cache), 0);
	for (int i = 0; i < 8; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(made, 1);
	hs_cache_destroy(cache);
	assert_int_equal(destroyed, 1);
}

static void the_least_recently_used_goes_when_the_budget_is_full(void **state)
{
	(void)state;
	struct hs_cache *cache = fresh(20);
	struct hs_cache_entry *entry;
	const char *keys[] = {"a", "b", "a", "c"};
	for (int i = 0; i < 4; i++) {
		assert_int_equal(hs_cache_get(cache, keys[i], 1, cache, &entry, NULL), 0);
		hs_cache_put(cache, entry);
	}
	assert_int_equal(made, 3);      // a, b, c
	assert_int_equal(destroyed, 1); // b
	assert_int_equal(hs_cache_get(cache, "a", 1, cache, &entry, NULL), 0);
	assert_int_equal(made, 3);
	assert_int_equal(hs_cache_users(cache, "a", 1), 1);
	assert_int_equal(hs_cache_users(cache, "c", 1), 0);
	hs_cache_drop_unused(cache);
	assert_int_equal(destroyed, 2); // c; a is in use
	hs_cache_put(cache, entry);
	assert_int_equal(hs_cache_users(cache, "a", 1), 0);
	assert_int_equal(hs_cache_users(cache, "never", 5), 0);
	hs_cache_destroy(cache);
	assert_int_equal(destroyed, 3);
}

static void small_things_are_not_kept_without_number(void **state)
{
	(void)state;
	struct hs_cache *cache = fresh(1u << 20);
	pause_us = 0;
	for (int i = 0; i < 1000; i++) {
		struct hs_cache_entry *entry;
		assert_int_equal(hs_cache_get(cache, &i, sizeof(i), cache, &entry, NULL), 0);
		hs_cache_put(cache, entry);
	}
	pause_us = 20000;
	assert_int_equal(made, 1000);
	assert_int_equal(destroyed, 1000 - 32);
	hs_cache_destroy(cache);
	assert_int_equal(destroyed, 1000);
}

static void dropping_drops_also_what_costs_nothing(void **state)
{
	(void)state;
	struct hs_cache *cache = fresh(20);
	struct hs_cache_entry *entry;
	cost = 0;
	assert_int_equal(hs_cache_get(cache, "a", 1, cache, &entry, NULL), 0);
	hs_cache_put(cache, entry);
	cost = 10;
	assert_int_equal(destroyed, 0);
	hs_cache_drop_unused(cache);
	assert_int_equal(destroyed, 1);
	hs_cache_destroy(cache);
}

static void a_failure_is_told_and_not_kept(void **state)
{
	(void)state;
	struct hs_cache *cache = fresh(20);
	struct hs_cache_entry *entry = NULL;
	struct hs_err err = {0};
	assert_int_equal(hs_cache_get(cache, "k", 1, NULL, &entry, &err), HSFEED_EBADPLAN);
	assert_string_equal(err.message, "no argument");
	assert_null(entry);
	assert_int_equal(hs_cache_get(cache, "k", 1, cache, &entry, &err), 0);
	hs_cache_put(cache, entry);
	assert_int_equal(made, 2);
	hs_cache_destroy(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thing_that_many_threads_ask_for_is_made_once),
		cmocka_unit_test(the_least_recently_used_goes_when_the_budget_is_full),
		cmocka_unit_test(small_things_are_not_kept_without_number),
		cmocka_unit_test(dropping_drops_also_what_costs_nothing),
		cmocka_unit_test(a_failure_is_told_and_not_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
