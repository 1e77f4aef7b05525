// SPDX-License-Identifier: Apache-2.0
// A stream and the holds on its slots:
//
//   hs_feed_take --> out, with tensors --(the last one dies)--> core.returned --> hs_feed_settle --> given back, spare
//                                                                                       |               ^
//                                                       without auto_release:           +--> waiting ---+
//                                                                                              hs_feed_give_back
//
// Each hold that is not given back keeps the feed, and so the core.
#include <stdlib.h>

#include "core.h"

struct hs_feed *hs_feed_create(struct hs_core *core, hsfeed_stream *stream, unsigned nslots, unsigned narrays)
{
	struct hs_feed *feed = calloc(1, sizeof(*feed));
	if (!feed) {
		hsfeed_stream_close(stream);
		return NULL;
	}
	atomic_init(&feed->refs, 1);
	feed->core = core;
	atomic_fetch_add(&core->refs, 1);
	feed->stream = stream;
	feed->nslots = nslots;
	feed->narrays = narrays;
	feed->auto_release = true;
	feed->next = core->feeds;
	core->feeds = feed;
	return feed;
}

void hs_feed_unref(struct hs_feed *feed)
{
	if (!feed || atomic_fetch_sub(&feed->refs, 1) != 1)
		return;
	while (feed->spare) {
		struct hs_hold *hold = feed->spare;
		feed->spare = hold->next;
		free(hold);
	}
	hs_core_unref(feed->core);
	free(feed);
}

static void give_back(struct hs_hold *hold)
{
	struct hs_feed *feed = hold->feed;
	hsfeed_batch_release(hold->batch);
	feed->lent--;
	hold->next = feed->spare;
	feed->spare = hold;
	hs_feed_unref(feed);
}

void hs_feed_settle(struct hs_hold *hold)
{
	struct hs_feed *feed = hold->feed;
	if (feed->auto_release || !feed->stream) {
		give_back(hold);
		return;
	}
	hold->told = false;
	hold->next = feed->waiting;
	feed->waiting = hold;
}

bool hs_feed_give_back(struct hs_feed *feed, unsigned number)
{
	for (struct hs_hold **p = &feed->waiting; *p; p = &(*p)->next) {
		if ((*p)->number == number) {
			struct hs_hold *hold = *p;
			*p = hold->next;
			give_back(hold);
			return true;
		}
	}
	return false;
}

void hs_feed_close(struct hs_feed *feed)
{
	if (!feed->stream)
		return;
	struct hs_feed **p = &feed->core->feeds;
	while (*p != feed)
		p = &(*p)->next;
	*p = feed->next;
	hsfeed_stream_close(feed->stream);
	feed->stream = NULL;
	atomic_store(&feed->closed, true);
	atomic_fetch_add(&feed->refs, 1); // the waiting holds may have the last ones
	while (feed->waiting)
		hs_feed_give_back(feed, feed->waiting->number);
	hs_feed_unref(feed);
}

void hs_feed_drop(struct hs_feed *feed)
{
	struct hs_core *core = feed->core;
	atomic_fetch_add(&core->refs, 1);
	feed->next_dropped = atomic_load(&core->dropped);
	while (!atomic_compare_exchange_weak(&core->dropped, &feed->next_dropped, feed))
		;
	hs_core_try_drain(core);
	hs_core_unref(core);
}

// A slot's number is its place among the feed's holds: there is one hold for each slot that was ever lent at a time.
struct hs_hold *hs_feed_take(struct hs_feed *feed, const struct hsfeed_batch *batch)
{
	struct hs_hold *hold = feed->spare;
	if (hold) {
		feed->spare = hold->next;
	} else {
		hold = calloc(1, sizeof(*hold) + feed->narrays * sizeof(hold->tensors[0]));
		if (!hold)
			return NULL;
		hold->number = feed->lent;
		hold->feed = feed;
	}
	hold->batch = batch;
	feed->lent++;
	atomic_fetch_add_explicit(&feed->refs, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&feed->out, 1, memory_order_relaxed);
	return hold;
}
