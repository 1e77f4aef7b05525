// SPDX-License-Identifier: Apache-2.0
// What the gather copies instead of making it anew in every batch: see gather.c.
#include <errno.h>
#include <stdlib.h>

#include "feed/internal.h"

// Beyond this the patterns would no longer stay in the innermost caches, and a loop is as fast.
#define MAX_WIDTH 1024u

int64_t hs_feed_pad_id(const struct hs_encoding *e)
{
	return e->pad_id < 0 ? 0 : e->pad_id;
}

static void put(uint8_t *base, bool narrow, size_t i, int64_t value)
{
	if (narrow)
		((int32_t *)(void *)base)[i] = (int32_t)value;
	else
		((int64_t *)(void *)base)[i] = value;
}

int hs_feed_patterns_init(struct hs_patterns *p, const struct hs_encoding *e, size_t width, bool narrow)
{
	*p = (struct hs_patterns){.width = width, .left = e->pad_left};
	if (width > MAX_WIDTH)
		return 0;
	uint8_t *memory = hs_array(3 * width, narrow ? 4 : 8);
	if (!memory)
		return -ENOMEM;
	p->mask = memory;
	p->bytes = 3 * width * (narrow ? 4 : 8);
	p->pads = memory + 2 * width * (narrow ? 4 : 8);
	for (size_t i = 0; i < width; i++) {
		put(p->mask, narrow, i, !e->pad_left);
		put(p->mask, narrow, width + i, e->pad_left);
		put(p->pads, narrow, i, hs_feed_pad_id(e));
	}
	return 0;
}

void hs_feed_patterns_fini(struct hs_patterns *p)
{
	free(p->mask);
}
