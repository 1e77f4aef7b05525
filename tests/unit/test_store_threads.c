// SPDX-License-Identifier: Apache-2.0
// Readers on several threads while one thread publishes and removes: meant for a build with the thread sanitizer.
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_check.h"

#define READERS 4
#define ROUNDS  60

static struct fx_store s;
static atomic_bool stop;
static atomic_uint acquired, refused, wrong;

static void read_one(unsigned version_seed)
{
	struct hs_id id = fx_id(version_seed);
	struct hs_file *f;
	struct hs_err err;
	int rc = hs_store_acquire(s.store, 5, HS_FILE_VERSION, &id, &f, &err);
	if (rc == HSFEED_ENOTFOUND) {
		refused++;
		return;
	}
	if (rc < 0 || !check_texts(f, version_seed))
		wrong++;
	if (rc == 0) {
		acquired++;
		hs_store_release(s.store, f);
	}
}

static void look_around(void)
{
	struct hs_version_entry *list;
	struct hs_verify_item *items;
	struct hs_store_sums sums;
	struct hs_err err;
	size_t n;
	if (hs_store_list(s.store, 5, NULL, &list, &n, &err) < 0) {
		wrong++;
		return;
	}
	for (size_t i = 0; i < n; i++)
		wrong += list[i].nroles != 1 || list[i].rows != 10;
	hs_version_entries_free(list, n);
	hs_store_sums(s.store, 5, &sums);
	wrong += hs_store_verify_list(s.store, 5, NULL, &items, &n, &err) < 0;
	hs_verify_items_free(items, n);
}

static void *reader(void *arg)
{
	uint32_t state = (uint32_t)(uintptr_t)arg;
	while (!stop) {
		read_one(10 + fx_random(&state) % 4);
		if (fx_random(&state) % 8 == 0)
			look_around();
	}
	return NULL;
}

static void change(unsigned round)
{
	char name[8];
	unsigned version_seed = 10 + round % 4;
	struct fx_publish p = {5, name, version_seed, {{"text", version_seed + 100 + (round / 4) % 2 * 10}}, 0};
	struct hs_published published;
	struct hs_removed removed;
	struct hs_err err;
	snprintf(name, sizeof(name), "n%u", version_seed);
	if (round % 3 == 2 && hs_store_remove(s.store, 5, name, &removed, &err) == 0)
		hs_removed_fini(&removed);
	if (fx_publish(s.store, &p, &published, &err) < 0)
		fail_msg("%s", err.message);
	hs_published_fini(&published);
	if (hs_store_sweep(s.store, &err) < 0)
		fail_msg("%s", err.message);
}

static void readers_see_whole_versions_while_they_come_and_go(void **state)
{
	(void)state;
	pthread_t threads[READERS];
	struct hs_err err;
	fx_dir_make(&s.dir);
	snprintf(s.state, sizeof(s.state), "%s/state", s.dir.path);
	assert_int_equal(fx_store_open(&s, false, &err), 0);
	for (uintptr_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, (void *)(i + 1)), 0);
	for (unsigned round = 0; round < ROUNDS; round++)
		change(round);
	while (acquired == 0)
		sched_yield();
	stop = true;
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	print_message("    %u acquired, %u refused\n", acquired, refused);
	assert_int_equal(wrong, 0);
	assert_true(acquired > 0);
	for (unsigned seed = 10; seed < 14; seed++) {
		struct hs_id id = fx_id(seed);
		assert_int_equal(hs_store_users(s.store, 5, HS_FILE_VERSION, &id), 0);
	}
	hs_store_close(s.store);
	assert_int_equal(fx_store_open(&s, false, &err), 0);
	assert_string_equal(s.log, ""); // nothing lies about
	hs_store_close(s.store);
	fx_dir_remove(&s.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_see_whole_versions_while_they_come_and_go),
	};
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
