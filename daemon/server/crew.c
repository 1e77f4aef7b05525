// SPDX-License-Identifier: Apache-2.0
// Two lists under one lock: `todo` (loop thread -> workers) and `ready` (workers -> loop thread, woken by uv_async).
//
// `todo` is in order of rounds; `round` is that of the last chore taken. An owner has one chore in each round, so that
// one who comes now waits for one chore of each other, not for all of them.
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct list {
	struct hs_chore *first, *last;
};

struct hs_crew {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct list todo, ready; // under the lock
	uint64_t round;          // under the lock
	bool stop;               // under the lock
	uv_async_t wake;
	size_t pending; // loop thread only
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
	if (chore)
		crew->round = chore->round;
	pthread_mutex_unlock(&crew->lock);
	return chore;
}

static void *worker(void *arg)
{
	struct hs_crew *crew = arg;
	struct hs_chore *chore;
	while ((chore = wait_for_task(crew))) {
		chore->run(chore);
		pthread_mutex_lock(&crew->lock);
		bool wake = !crew->ready.first; // otherwise a wake-up is on its way already
		push(&crew->ready, chore);
		pthread_mutex_unlock(&crew->lock);
		if (wake)
			uv_async_send(&crew->wake);
	}
	return NULL;
}

static void on_wake(uv_async_t *wake)
{
	struct hs_crew *crew = wake->data;
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
	pthread_cond_destroy(&crew->more);
	pthread_mutex_destroy(&crew->lock);
	free(crew);
}

int hs_crew_create(uv_loop_t *loop, unsigned nthreads, struct hs_crew **ret)
{
	struct hs_crew *crew = calloc(1, sizeof(*crew) + nthreads * sizeof(pthread_t));
	if (!crew)
		return -ENOMEM;
	int rc = uv_async_init(loop, &crew->wake, on_wake);
	if (rc < 0) {
		free(crew);
		return rc;
	}
	crew->wake.data = crew;
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
	pthread_mutex_lock(&crew->lock);
	chore->round = *turn > crew->round ? *turn : crew->round;
	*turn = chore->round + 1;
	insert(&crew->todo, chore);
	pthread_cond_signal(&crew->more);
	pthread_mutex_unlock(&crew->lock);
}

void hs_crew_submit(struct hs_crew *crew, struct hs_chore *chore)
{
	uint64_t turn = 0;
	hs_crew_submit_fair(crew, chore, &turn);
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
