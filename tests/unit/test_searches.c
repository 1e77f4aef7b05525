// SPDX-License-Identifier: Apache-2.0
// When near duplicates are searched: in advance, for those who ask, once, and never of what was removed.
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "feed/feed.h"
#include "feed/searches.h"
#include "store_world.h"

#define LONG_ROWS 60000 // a search of a few tenths of a second

static struct hs_feed *feed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char told[4096]; // under the lock: lines of the feed, which its threads write

static const struct fx_publish small = {ALICE, "small", 1, {{"text", 11}}, 50},
			       large = {ALICE, "large", 2, {{"text", 21}}, LONG_ROWS},
			       bobs = {BOB, "bobs", 3, {{"text", 31}}, 50};

static void on_line(void *arg, const char *line)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	size_t used = strlen(told);
	snprintf(told + used, sizeof(told) - used, "%s\n", strstr(line, "similarity"));
	pthread_mutex_unlock(&lock);
}

// What was told until now; forgotten then.
static const char *take_told(void)
{
	static char taken[sizeof(told)];
	pthread_mutex_lock(&lock);
	memcpy(taken, told, sizeof(taken));
	told[0] = '\0';
	pthread_mutex_unlock(&lock);
	return taken;
}

static void create(void)
{
	take_told();
	assert_int_equal(hs_feed_create(s.store, &feed), 0);
	hs_feed_set_log(feed, on_line, NULL);
}

static int begin_feed(void **state)
{
	int rc = begin(state);
	if (rc == 0)
		create();
	return rc;
}

static int end_feed(void **state)
{
	hs_feed_destroy(feed);
	return end(state);
}

static void restart(void)
{
	hs_feed_destroy(feed);
	reopen();
	create();
}

static void rest(void)
{
	nanosleep(&(struct timespec){0, 2000000}, NULL);
}

static bool is_kept(uint32_t owner, unsigned seed)
{
	struct hs_id id = fx_id(seed);
	char hex[HS_ID_HEX];
	hs_id_hex(&id, hex);
	char *path = fx_path("%s/near/%u/%s-3fe999999999999a.near", s.state, owner, hex); // 0.8
	bool there = access(path, F_OK) == 0;
	free(path);
	return there;
}

static void prepare(uint32_t owner, unsigned seed)
{
	struct hs_id id = fx_id(seed);
	hs_feed_near_prepare(feed, owner, &id);
}

static int source_of(const char *name, struct hs_feed_source **ret)
{
	struct hs_err err;
	const struct hs_source_request request = {.uid = ALICE, .owner = ALICE, .spec = name, .no_encodings = true};
	return hs_feed_source_open(feed, &request, ret, &err);
}

// As a request does it. 0 or the error.
static int ask(const char *name, double similarity, size_t *ret_rows, struct hs_err *err)
{
	struct hs_feed_source *source;
	const struct hs_near *near = NULL;
	assert_int_equal(source_of(name, &source), 0);
	int rc = HS_FEED_SEARCHING;
	while (rc == HS_FEED_SEARCHING)
		rc = hs_feed_near_get(feed, source, similarity, &near, err);
	*ret_rows = near ? near->nrows : 0;
	hs_feed_near_put(feed, near);
	hs_feed_source_close(source);
	return rc;
}

static void ask_simply(const char *name, double similarity, size_t rows)
{
	struct hs_err err = {0};
	size_t found;
	if (ask(name, similarity, &found, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(found, rows);
}

static void what_was_searched_in_advance_is_not_searched_again(void **state)
{
	(void)state;
	publish_simply(&small);
	prepare(ALICE, 1);
	while (!is_kept(ALICE, 1))
		rest();
	ask_simply("small", 0.8, 50);
	ask_simply("small", 0.9, 50);
	assert_string_equal(take_told(), "similarity 0.8: searched in advance\nsimilarity 0.9: searched\n");
	restart();
	prepare(ALICE, 1);
	ask_simply("small", 0.8, 50);
	ask_simply("small", 0.9, 50);
	assert_string_equal(take_told(), "similarity 0.8: read\nsimilarity 0.9: read\n");
}

static void who_asks_does_not_wait_for_what_is_searched_in_advance(void **state)
{
	(void)state;
	publish_simply(&small);
	publish_simply(&large);
	publish_simply(&bobs);
	ask_simply("small", 0.8, 50);
	take_told();
	struct hs_id id = fx_id(2);
	prepare(ALICE, 2);
	while (hs_store_users(s.store, ALICE, HS_FILE_VERSION, &id) == 0)
		rest();
	prepare(BOB, 3); // stands in line
	ask_simply("small", 0.7, 50);
	while (!is_kept(ALICE, 2) || !is_kept(BOB, 3))
		rest();
	assert_string_equal(take_told(), "similarity 0.7: searched\nsimilarity 0.8: searched in advance\n"
					 "similarity 0.8: searched in advance\n");
}

static void a_kept_result_waits_for_nobodys_search(void **state)
{
	(void)state;
	publish_simply(&small);
	publish_simply(&large);
	ask_simply("small", 0.8, 50);
	while (!is_kept(ALICE, 1))
		rest();
	restart();
	struct hs_feed_source *source;
	const struct hs_near *near = NULL;
	struct hs_err err;
	assert_int_equal(source_of("large", &source), 0);
	assert_int_equal(hs_feed_near_get(feed, source, 0.5, &near, &err), HS_FEED_SEARCHING);
	ask_simply("small", 0.8, 50);
	assert_string_equal(take_told(), "similarity 0.8: read\n"); // the other one is not done
	hs_feed_source_close(source);
}

static void a_removal_stops_what_is_searched_in_advance(void **state)
{
	(void)state;
	publish_simply(&large);
	for (int i = 0; i < 20; i++) {
		struct hs_id id = fx_id(2);
		prepare(ALICE, 2);
		for (int k = 0; k < i % 8; k++)
			rest();
		uint64_t began = hs_searches_now_ms();
		hs_feed_near_yield(feed, ALICE, "large");
		while (hs_store_users(s.store, ALICE, HS_FILE_VERSION, &id) > 0) {
			assert_true(hs_searches_now_ms() - began >= 3000); // the most that it waits
			rest();
		}
		remove_simply(ALICE, "large", 1, 0);
		hs_feed_near_resume(feed);
		publish_simply(&large);
	}
	rest();
	assert_string_equal(take_told(), "");
	assert_false(is_kept(ALICE, 2));
	prepare(ALICE, 2);
	while (!is_kept(ALICE, 2))
		rest();
	hs_feed_near_yield(feed, ALICE, "large@1234"); // there is no such version, and nothing of it
	hs_feed_near_yield(feed, ALICE, "nothing");
	hs_feed_near_resume(feed);
	hs_feed_near_resume(feed);
	ask_simply("large", 0.8, LONG_ROWS);
	assert_string_equal(take_told(), "similarity 0.8: searched in advance\n");
}

static void a_removed_versions_result_is_kept_anew_when_it_comes_back(void **state)
{
	(void)state;
	publish_simply(&small);
	ask_simply("small", 0.8, 50);
	while (!is_kept(ALICE, 1))
		rest();
	hs_feed_near_yield(feed, ALICE, "small");
	hs_feed_drop_unused(feed);
	remove_simply(ALICE, "small", 1, 0);
	hs_feed_near_resume(feed);
	assert_false(is_kept(ALICE, 1));
	publish_simply(&small);
	prepare(ALICE, 1);
	while (!is_kept(ALICE, 1))
		rest();
	assert_string_equal(take_told(), "similarity 0.8: searched\nsimilarity 0.8: searched in advance\n");
}

static void a_failure_in_advance_is_told_to_who_asks(void **state)
{
	(void)state;
	struct hs_err err;
	size_t len, rows;
	publish_simply(&small);
	publish_simply(&bobs);
	prepare(ALICE, 9); // there is none
	struct hs_id id = fx_id(1);
	char hex[HS_ID_HEX];
	hs_id_hex(&id, hex);
	char *path = fx_path("%s/versions/%u/%s.mdb", s.state, ALICE, hex);
	uint8_t *data = fx_read(path, &len);
	data[len / 2] ^= 1;
	fx_write(path, data, len);
	prepare(ALICE, 1);
	prepare(BOB, 3);
	while (!is_kept(BOB, 3)) // the others had their turn
		rest();
	assert_string_equal(take_told(), "similarity 0.8: searched in advance\n");
	struct hs_feed_source *source;
	assert_int_equal(source_of("small", &source), HSFEED_ECORRUPT);
	data[len / 2] ^= 1;
	fx_write(path, data, len);
	assert_int_equal(ask("small", 0.8, &rows, &err), 0);
	assert_int_equal(rows, 50);
	free(data);
	free(path);
}

static void many_versions_are_searched_one_after_the_other_and_the_rest_at_the_end_is_stopped(void **state)
{
	(void)state;
	publish_simply(&small);
	publish_simply(&large);
	publish_simply(&bobs);
	for (int i = 0; i < 50; i++) { // asked for again and again it is still one
		prepare(ALICE, 1);
		prepare(BOB, 3);
		prepare(ALICE, 2);
	}
	while (!is_kept(ALICE, 1) || !is_kept(BOB, 3))
		rest();
	hs_feed_destroy(feed); // in the middle of the large one
	create();
	assert_false(is_kept(ALICE, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_searched_in_advance_is_not_searched_again, begin_feed,
						end_feed),
		cmocka_unit_test_setup_teardown(who_asks_does_not_wait_for_what_is_searched_in_advance, begin_feed,
						end_feed),
		cmocka_unit_test_setup_teardown(a_kept_result_waits_for_nobodys_search, begin_feed, end_feed),
		cmocka_unit_test_setup_teardown(a_removal_stops_what_is_searched_in_advance, begin_feed, end_feed),
		cmocka_unit_test_setup_teardown(a_removed_versions_result_is_kept_anew_when_it_comes_back, begin_feed,
						end_feed),
		cmocka_unit_test_setup_teardown(a_failure_in_advance_is_told_to_who_asks, begin_feed, end_feed),
		cmocka_unit_test_setup_teardown(
			many_versions_are_searched_one_after_the_other_and_the_rest_at_the_end_is_stopped, begin_feed,
			end_feed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
