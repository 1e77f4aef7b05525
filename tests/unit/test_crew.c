// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/crew.h"

#define N 1000

struct chore {
	struct hs_chore base; // first member
	struct hs_crew *crew;
	pthread_t ran_on;
	unsigned number, again;
};

static pthread_t loop_thread;
static unsigned done_order[2 * N], ndone, expected;
static atomic_uint nruns;
static struct chore chores[N];

static void run(struct hs_chore *base)
{
	((struct chore *)base)->ran_on = pthread_self();
	nruns++;
}

static void done(struct hs_chore *base)
{
	struct chore *c = (struct chore *)base;
	assert_true(pthread_equal(pthread_self(), loop_thread));
	assert_false(pthread_equal(c->ran_on, loop_thread));
	done_order[ndone++] = c->number;
	if (c->again-- > 0)
		hs_crew_submit(c->crew, &c->base);
	else if (ndone == expected)
		hs_crew_destroy(c->crew);
}

static void run_crew(unsigned nthreads, unsigned again)
{
	uv_loop_t loop;
	struct hs_crew *crew;
	loop_thread = pthread_self();
	ndone = 0;
	nruns = 0;
	expected = N * (1 + again);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(hs_crew_create(&loop, nthreads, 0, &crew), 0);
	for (unsigned i = 0; i < N; i++) {
		chores[i] = (struct chore){{.run = run, .done = done}, crew, loop_thread, i, again};
		hs_crew_submit(crew, &chores[i].base);
	}
	assert_int_equal(hs_crew_pending(crew), N);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(ndone, expected);
	assert_int_equal(nruns, expected);
}

static void chores_run_off_the_loop_and_are_done_on_it(void **state)
{
	(void)state;
	run_crew(3, 0);
}

static void one_thread_works_in_the_order_of_submission(void **state)
{
	(void)state;
	run_crew(1, 0);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(done_order[i], i);
}

static void a_chore_submitted_again_waits_behind_the_others(void **state)
{
	(void)state;
	run_crew(1, 1);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(done_order[i], done_order[N + i]);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void run_behind_gate(struct hs_chore *base)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	run(base);
}

// The first chore holds the thread until all are queued: five of one owner, two of another, one of nobody's.
static void owners_take_turns(void **state)
{
	static const unsigned want[] = {0, 1, 6, 8, 2, 7, 3, 4, 5};
	uint64_t turn[2] = {0, 0};
	uv_loop_t loop;
	struct hs_crew *crew;
	(void)state;
	loop_thread = pthread_self();
	ndone = 0;
	expected = 9;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(hs_crew_create(&loop, 1, 0, &crew), 0);
	pthread_mutex_lock(&gate);
	for (unsigned i = 0; i < expected; i++) {
		chores[i] = (struct chore){{.run = run_behind_gate, .done = done}, crew, loop_thread, i, 0};
		if (i == 0 || i == 8)
			hs_crew_submit(crew, &chores[i].base);
		else
			hs_crew_submit_fair(crew, &chores[i].base, &turn[i > 5]);
	}
	pthread_mutex_unlock(&gate);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	for (unsigned i = 0; i < expected; i++)
		assert_int_equal(done_order[i], want[i]);
}

// ---- again, and lingering ----

static unsigned runs[64], nran;

struct repeater {
	struct hs_chore base; // first member
	unsigned number, times;
	struct hs_crew *crew;
};

static void run_repeatedly(struct hs_chore *base)
{
	struct repeater *r = (struct repeater *)base;
	pthread_mutex_lock(&gate);
	runs[nran++] = r->number;
	pthread_mutex_unlock(&gate);
	base->again = --r->times > 0;
}

static void count_done(struct hs_chore *base)
{
	struct repeater *r = (struct repeater *)base;
	assert_int_equal(r->times, 0);
	done_order[ndone++] = r->number;
	if (ndone == expected)
		hs_crew_destroy(r->crew);
}

static void run_repeaters(struct repeater *r, unsigned n, uint64_t *const turns[])
{
	uv_loop_t loop;
	struct hs_crew *crew;
	ndone = nran = 0;
	expected = n;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(hs_crew_create(&loop, 1, 0, &crew), 0);
	pthread_mutex_lock(&gate); // the first holds the thread until all stand in line
	for (unsigned i = 0; i < n; i++) {
		r[i].base.run = run_repeatedly;
		r[i].base.done = count_done;
		r[i].number = i;
		r[i].crew = crew;
		if (turns[i])
			hs_crew_submit_fair(crew, &r[i].base, turns[i]);
		else
			hs_crew_submit(crew, &r[i].base);
	}
	assert_int_equal(hs_crew_pending(crew), n);
	pthread_mutex_unlock(&gate);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_chore_that_asks_to_run_again_stands_in_line_behind_the_others_and_is_done_once(void **state)
{
	static const unsigned want[] = {0, 1, 2, 0, 2, 0, 0}, want_done[] = {1, 2, 0};
	struct repeater r[] = {{.times = 4}, {.times = 1}, {.times = 2}};
	(void)state;
	run_repeaters(r, 3, (uint64_t *const[]){NULL, NULL, NULL});
	assert_int_equal(nran, 7);
	assert_memory_equal(runs, want, sizeof(want));
	assert_int_equal(ndone, 3);
	assert_memory_equal(done_order, want_done, sizeof(want_done));
}

// Two chores of one owner, one of another: the other's runs every second time.
static void owners_whose_chores_run_again_take_turns_too(void **state)
{
	static const unsigned want[] = {0, 2, 1, 2, 0, 2, 1, 2};
	uint64_t turn[2] = {0, 0};
	struct repeater r[] = {{.times = 2}, {.times = 2}, {.times = 4}};
	(void)state;
	run_repeaters(r, 3, (uint64_t *const[]){&turn[0], &turn[0], &turn[1]});
	assert_int_equal(nran, 8);
	assert_memory_equal(runs, want, sizeof(want));
}

static atomic_uint arrived;
static bool waited_for[2], granted[2], granted_again;
static struct chore late;

static void wait_for_arrivals(unsigned n)
{
	while (arrived < n)
		sched_yield();
}

// Both threads of the crew are here at the same time, and nothing else waits.
static void run_lingering(struct hs_chore *base)
{
	unsigned i = ((struct chore *)base)->number;
	arrived++;
	wait_for_arrivals(2);
	waited_for[i] = hs_chore_is_waited_for(base);
	granted[i] = hs_chore_linger_begin(base);
	arrived++;
	wait_for_arrivals(4);
	if (granted[i]) {
		hs_chore_linger_end(base);
		granted_again = hs_chore_linger_begin(base); // the other may not have it any more
		hs_chore_linger_end(base);
	}
	run(base);
}

static void run_two(uv_loop_t *loop, struct hs_crew *crew, void (*work)(struct hs_chore *))
{
	for (unsigned i = 0; i < 2; i++) {
		chores[i] = (struct chore){{.run = work, .done = done}, crew, loop_thread, i, 0};
		hs_crew_submit(crew, &chores[i].base);
	}
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

static void one_chore_at_a_time_may_linger(void **state)
{
	uv_loop_t loop;
	struct hs_crew *crew;
	(void)state;
	loop_thread = pthread_self();
	arrived = ndone = 0;
	expected = 2;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(hs_crew_create(&loop, 2, 0, &crew), 0);
	run_two(&loop, crew, run_lingering);
	assert_false(waited_for[0] || waited_for[1]);
	assert_int_equal(granted[0] + granted[1], 1);
	assert_true(granted_again);
}

// The first may linger until the loop thread has queued another; then it is waited for, and may not begin anew.
static void run_until_waited_for(struct hs_chore *base)
{
	granted[0] = hs_chore_linger_begin(base);
	arrived = 1;
	while (!hs_chore_is_waited_for(base))
		sched_yield();
	hs_chore_linger_end(base);
	granted[1] = hs_chore_linger_begin(base);
	run(base);
}

static void nobody_may_linger_while_a_chore_waits_for_a_thread(void **state)
{
	uv_loop_t loop;
	struct hs_crew *crew;
	(void)state;
	loop_thread = pthread_self();
	arrived = ndone = 0;
	expected = 2;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(hs_crew_create(&loop, 1, 0, &crew), 0);
	chores[0] = (struct chore){{.run = run_until_waited_for, .done = done}, crew, loop_thread, 0, 0};
	hs_crew_submit(crew, &chores[0].base);
	wait_for_arrivals(1);
	late = (struct chore){{.run = run, .done = done}, crew, loop_thread, 1, 0};
	hs_crew_submit(crew, &late.base);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_true(granted[0]);
	assert_false(granted[1]);
	assert_int_equal(done_order[1], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chores_run_off_the_loop_and_are_done_on_it),
		cmocka_unit_test(one_thread_works_in_the_order_of_submission),
		cmocka_unit_test(a_chore_submitted_again_waits_behind_the_others),
		cmocka_unit_test(owners_take_turns),
		cmocka_unit_test(a_chore_that_asks_to_run_again_stands_in_line_behind_the_others_and_is_done_once),
		cmocka_unit_test(owners_whose_chores_run_again_take_turns_too),
		cmocka_unit_test(one_chore_at_a_time_may_linger),
		cmocka_unit_test(nobody_may_linger_while_a_chore_waits_for_a_thread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
