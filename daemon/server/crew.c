// SPDX-License-Identifier: Apache-2.0
// Two lists under one lock: `todo` (loop thread -> workers) and `ready` (workers -> loop thread, woken by
// an eventfd: libuv's uv_async would make the loop spin until the waking thread is done waking it).
//
// `todo` is in order of rounds; `round` is that of the last chore taken. An owner has one chore in each round, so that
// one who comes now waits for one chore of each other, not for all of them.
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

struct list {
	struct hs_chore *first, *last;
};

struct hs_crew {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct list todo, ready; // under the lock
	uint64_t round;          // under the lock
	bool stop;               // under the lock
	unsigned ntodo;          // atomic: how long `todo` is
	bool lingers;            // atomic: a thread stays with a chore that has nothing to do just now
	int wake_fd;
	uv_poll_t wake;
	size_t pending; // loop thread only
	int nice;
	unsigned nthreads;
	pthread_t threads[];
};

static void push(struct list *list, struct hs_chore *chore)
{
	chore->next = NULL;
	if (list->last)
		list->last->next = chore;
	else
		list->first = chore;
	list->last = chore;
}

// Behind all of its round.
static void insert(struct list *list, struct hs_chore *chore)
{
	if (!list->last || list->last->round <= chore->round) {
		push(list, chore);
		return;
	}
	struct hs_chore **at = &list->first;
	while ((*at)->round <= chore->round)
		at = &(*at)->next;
	chore->next = *at;
	*at = chore;
}

static struct hs_chore *pop(struct list *list)
{
	struct hs_chore *chore = list->first;
	if (chore) {
		list->first = chore->next;
		if (!list->first)
			list->last = NULL;
	}
	return chore;
}

static struct hs_chore *wait_for_task(struct hs_crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	while (!crew->todo.first && !crew->stop)
		pthread_cond_wait(&crew->more, &crew->lock);
	struct hs_chore *chore = pop(&crew->todo);
	if (chore) {
		crew->round = chore->round;
		__atomic_fetch_sub(&crew->ntodo, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&crew->lock);
	return chore;
}

static void wake_loop(const struct hs_crew *crew)
{
	const uint64_t one = 1;
	// It fails only when the counter is full, and then the loop is about to be woken.
	if (write(crew->wake_fd, &one, sizeof(one)) < 0)
		return;
}

// Under the lock.
static void stand_in_line(struct hs_crew *crew, struct hs_chore *chore)
{
	uint64_t turn = chore->turn ? *chore->turn : 0;
	chore->round = turn > crew->round ? turn : crew->round;
	if (chore->turn)
		*chore->turn = chore->round + 1;
	insert(&crew->todo, chore);
	__atomic_fetch_add(&crew->ntodo, 1, __ATOMIC_RELAXED);
	pthread_cond_signal(&crew->more);
}

static void *worker(void *arg)
{
	struct hs_crew *crew = arg;
	struct hs_chore *chore;
	if (crew->nice) // where a sandbox forbids it, it is done without
		setpriority(PRIO_PROCESS, (id_t)gettid(), crew->nice);
	while ((chore = wait_for_task(crew))) {
		chore->again = false;
		chore->run(chore);
		pthread_mutex_lock(&crew->lock);
		bool wake = !chore->again && !crew->ready.first; // otherwise a wake-up is on its way already
		if (chore->again)
			stand_in_line(crew, chore);
		else
			push(&crew->ready, chore);
		pthread_mutex_unlock(&crew->lock);
		if (wake)
			wake_loop(crew);
	}
	return NULL;
}

bool hs_chore_is_waited_for(const struct hs_chore *chore)
{
	return __atomic_load_n(&chore->crew->ntodo, __ATOMIC_RELAXED) > 0;
}

bool hs_chore_linger_begin(struct hs_chore *chore)
{
	return !hs_chore_is_waited_for(chore) && !__atomic_exchange_n(&chore->crew->lingers, true, __ATOMIC_ACQUIRE);
}

void hs_chore_linger_end(struct hs_chore *chore)
{
	__atomic_store_n(&chore->crew->lingers, false, __ATOMIC_RELEASE);
}

static void on_wake(uv_poll_t *wake, int status, int events)
{
	struct hs_crew *crew = wake->data;
	uint64_t count;
	(void)status;
	(void)events;
	if (read(crew->wake_fd, &count, sizeof(count)) < 0)
		return; // nothing since
	pthread_mutex_lock(&crew->lock);
	struct hs_chore *chore = crew->ready.first;
	crew->ready = (struct list){NULL, NULL};
	pthread_mutex_unlock(&crew->lock);
	while (chore) {
		struct hs_chore *next = chore->next; // done may free the chore
		crew->pending--;
		chore->done(chore);
		chore = next;
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct hs_crew *crew = handle->data;
	close(crew->wake_fd);
	pthread_cond_destroy(&crew->more);
	pthread_mutex_destroy(&crew->lock);
	free(crew);
}

static int open_wake(uv_loop_t *loop, struct hs_crew *crew)
{
	crew->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (crew->wake_fd < 0)
		return -errno;
	int rc = uv_poll_init(loop, &crew->wake, crew->wake_fd);
	if (rc < 0) {
		close(crew->wake_fd);
		return rc;
	}
	crew->wake.data = crew;
	uv_poll_start(&crew->wake, UV_READABLE, on_wake);
	return 0;
}

int hs_crew_create(uv_loop_t *loop, unsigned nthreads, int nice, struct hs_crew **ret)
{
	struct hs_crew *crew = calloc(1, sizeof(*crew) + nthreads * sizeof(pthread_t));
	if (!crew)
		return -ENOMEM;
	int rc = open_wake(loop, crew);
	if (rc < 0) {
		free(crew);
		return rc;
	}
	crew->nice = nice;
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->more, NULL);
	while (rc == 0 && crew->nthreads < nthreads) {
		rc = pthread_create(&crew->threads[crew->nthreads], NULL, worker, crew);
		crew->nthreads += rc == 0;
	}
	if (crew->nthreads == 0 && nthreads > 0) {
		hs_crew_destroy(crew);
		return -rc;
	}
	*ret = crew;
	return 0;
}

void hs_crew_submit_fair(struct hs_crew *crew, struct hs_chore *chore, uint64_t *turn)
{
	crew->pending++;
	chore->crew = crew;
	chore->turn = turn;
	pthread_mutex_lock(&crew->lock);
	stand_in_line(crew, chore);
	pthread_mutex_unlock(&crew->lock);
}

void hs_crew_submit(struct hs_crew *crew, struct hs_chore *chore)
{
	hs_crew_submit_fair(crew, chore, NULL);
}

size_t hs_crew_pending(const struct hs_crew *crew)
{
	return crew ? crew->pending : 0;
}

void hs_crew_destroy(struct hs_crew *crew)
{
	if (!crew)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->stop = true;
	pthread_cond_broadcast(&crew->more);
	pthread_mutex_unlock(&crew->lock);
	for (unsigned i = 0; i < crew->nthreads; i++)
		pthread_join(crew->threads[i], NULL);
	uv_close((uv_handle_t *)&crew->wake, on_closed);
}

static void on_abandoned(uv_handle_t *handle)
{
	(void)handle; // a thread may still write to the crew's memory and descriptor
}

void hs_crew_abandon(struct hs_crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	crew->stop = true;
	pthread_cond_broadcast(&crew->more);
	pthread_mutex_unlock(&crew->lock);
	for (unsigned i = 0; i < crew->nthreads; i++)
		pthread_detach(crew->threads[i]);
	uv_close((uv_handle_t *)&crew->wake, on_abandoned);
}
