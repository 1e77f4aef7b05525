// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#define MAX_THREADS 256

unsigned hs_cores(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	int n = CPU_COUNT(&set);
	return n > 0 ? (unsigned)n : 1;
}

struct loop {
	int (*fn)(void *arg, size_t i);
	void *arg;
	size_t ntasks;
	atomic_size_t next;
	pthread_mutex_t lock; // guards the two below
	size_t failed_task;
	int failed_rc;
};

static void *work(void *arg)
{
	struct loop *loop = arg;
	for (;;) {
		size_t i = atomic_fetch_add(&loop->next, 1);
		if (i >= loop->ntasks)
			return NULL;
		int rc = loop->fn(loop->arg, i);
		if (rc == 0)
			continue;
		pthread_mutex_lock(&loop->lock);
		if (loop->failed_rc == 0 || i < loop->failed_task) {
			loop->failed_task = i;
			loop->failed_rc = rc;
		}
		pthread_mutex_unlock(&loop->lock);
		atomic_store(&loop->next, loop->ntasks); // lower tasks are all handed out already
	}
}

int hs_parallel(unsigned nthreads, size_t ntasks, int (*fn)(void *arg, size_t i), void *arg)
{
	struct loop loop = {.fn = fn, .arg = arg, .ntasks = ntasks, .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[MAX_THREADS];
	unsigned started = 0;
	while (started + 1 < nthreads && started + 1 < ntasks && started < MAX_THREADS) {
		if (pthread_create(&threads[started], NULL, work, &loop) != 0)
			break;
		started++;
	}
	work(&loop);
	for (unsigned t = 0; t < started; t++)
		pthread_join(threads[t], NULL);
	return loop.failed_rc;
}
