// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chores_run_off_the_loop_and_are_done_on_it),
		cmocka_unit_test(one_thread_works_in_the_order_of_submission),
		cmocka_unit_test(a_chore_submitted_again_waits_behind_the_others),
		cmocka_unit_test(owners_take_turns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
