// SPDX-License-Identifier: Apache-2.0
// A child publishes and removes until it is killed with SIGKILL at a random moment. What it acknowledged must be there
// (or gone) after the next start, and all that is there must be whole.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_check.h"

#define CYCLES 100
#define KEEP   3 // datasets that stay; the child removes older ones

static struct fx_store s;

static void make_name(unsigned seed, char ret[16])
{
	snprintf(ret, 16, "n%u", seed);
}

// Seeds are multiples of 10; the encoding's is one more, the array's two more. Each acknowledgement is one number: the
// seed, or its negative when removed.
static void child_life(int out, unsigned first)
{
	struct hs_err err;
	if (fx_store_open(&s, false, &err) < 0)
		_exit(3);
	for (unsigned seed = first;; seed += 10) {
		char name[16];
		struct fx_publish p = {7, name, seed, {{"text", seed + 1}}, 300};
		struct hs_published published;
		struct hs_removed removed;
		int ack = (int)seed;
		make_name(seed, name);
		if (fx_publish(s.store, &p, &published, &err) < 0)
			_exit(4);
		hs_published_fini(&published);
		const struct fx_attach a = {7, name, seed, "logits", seed + 2, 300};
		if (fx_attach(s.store, &a, &published, &err) < 0 || write(out, &ack, sizeof(ack)) != sizeof(ack))
			_exit(4);
		hs_published_fini(&published);
		if (seed <= 10 * KEEP)
			continue;
		make_name(seed - 10 * KEEP, name);
		ack = -(int)(seed - 10 * KEEP);
		if (hs_store_remove(s.store, 7, name, &removed, &err) == 0) {
			hs_removed_fini(&removed);
			if (write(out, &ack, sizeof(ack)) != sizeof(ack))
				_exit(5);
		}
	}
}

// What the parent knows of each dataset, by seed / 10.
#define MAX_SEEDS 200000
static enum { UNKNOWN, THERE, GONE } known[MAX_SEEDS];
static bool has_array[MAX_SEEDS]; // for certain: acknowledged
static int last_published;

static unsigned read_acks(int in)
{
	int ack;
	unsigned n = 0;
	while (read(in, &ack, sizeof(ack)) == sizeof(ack)) {
		assert_true(abs(ack) / 10 < MAX_SEEDS);
		known[abs(ack) / 10] = ack > 0 ? THERE : GONE;
		has_array[abs(ack) / 10] = ack > 0;
		last_published = ack > 0 ? ack : last_published;
		n++;
	}
	return n;
}

// Within within_us microseconds. Returns the number of acknowledgements.
static unsigned run_and_kill(unsigned first, uint32_t within_us, uint32_t *seed)
{
	int pipes[2], status;
	assert_int_equal(pipe(pipes), 0);
	pid_t child = fork();
	if (child == 0) {
		close(pipes[0]);
		child_life(pipes[1], first);
	}
	close(pipes[1]);
	uint32_t us = fx_random(seed) % within_us;
	struct timespec wait = {us / 1000000, us % 1000000 * 1000};
	nanosleep(&wait, NULL);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	assert_true(WIFSIGNALED(status)); // it did not give up by itself
	unsigned n = read_acks(pipes[0]);
	close(pipes[0]);
	return n;
}

static void check_array_of(unsigned seed, const struct hs_version_entry *e)
{
	struct hs_id id = fx_id(seed + 2);
	if (e->narrays == 0 && has_array[seed / 10])
		fail_msg("the array of %s was acknowledged, and is not there", e->name);
	if (e->narrays > 0 && !check_file(s.store, 7, HS_FILE_ARRAY, &id, seed + 2))
		fail_msg("the array of %s is there, and not whole", e->name);
}

static void check_listed(unsigned seed, const char *name)
{
	if (known[seed / 10] == GONE)
		fail_msg("%s is there, and its removal was acknowledged", name);
	if (!check_version_is(s.store, 7, name, seed, 1))
		fail_msg("%s is there, and not whole", name);
	known[seed / 10] = THERE;
}

// The last removal may have been done and not acknowledged; nothing else may be missing.
static void check_acknowledged(unsigned highest)
{
	for (unsigned seed = 10; seed <= highest || (int)seed <= last_published; seed += 10) {
		char name[16];
		struct hs_id id = fx_id(seed);
		make_name(seed, name);
		if (known[seed / 10] != THERE || hs_store_has(s.store, 7, HS_FILE_VERSION, &id))
			continue;
		if ((int)seed != last_published - 10 * KEEP)
			fail_msg("%s was acknowledged, and is not there", name);
		known[seed / 10] = GONE;
	}
}

static unsigned check_store(void)
{
	struct hs_version_entry *list;
	struct hs_err err;
	size_t n;
	unsigned highest = 0;
	if (fx_store_open(&s, false, &err) < 0)
		fail_msg("after a kill: %s", err.message);
	assert_int_equal(hs_store_list(s.store, 7, NULL, &list, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		unsigned seed = (unsigned)atoi(list[i].name + 1);
		highest = seed > highest ? seed : highest;
		check_listed(seed, list[i].name);
		check_array_of(seed, &list[i]);
	}
	hs_version_entries_free(list, n);
	check_acknowledged(highest);
	hs_store_close(s.store);
	return highest;
}

static void what_was_acknowledged_outlives_a_kill_and_all_else_is_whole_or_absent(void **state)
{
	(void)state;
	uint32_t seed = (uint32_t)getpid(), within_us = 60000;
	unsigned next = 10;
	fx_dir_make(&s.dir);
	snprintf(s.state, sizeof(s.state), "%s/state", s.dir.path);
	for (int cycle = 0; cycle < CYCLES; cycle++) {
		if (run_and_kill(next, within_us, &seed) == 0 && last_published <= 10 && within_us < 4000000)
			within_us += within_us / 4; // a slow machine
		unsigned highest = check_store();
		next = (highest > next ? highest : next) + 10;
	}
	print_message("    %d kills, %d acknowledged publications\n", CYCLES, last_published / 10);
	assert_true(last_published > 10);
	fx_dir_remove(&s.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_acknowledged_outlives_a_kill_and_all_else_is_whole_or_absent),
	};
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0); // what the kernel holds outlives a kill: no disk is needed
	return cmocka_run_group_tests(tests, NULL, NULL);
}
