// SPDX-License-Identifier: Apache-2.0
#include "text/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK ((size_t)16 << 10)
#define LARGEST_BLOCK                                                                                                  \
	((size_t)4 << 20) // blocks double up to this: little waste in small files, few calls in large ones

struct hs_arena_block {
	struct hs_arena_block *previous;
	size_t used, cap;
	char bytes[];
};

char *hs_arena_room(struct hs_arena *a, size_t bytes)
{
	struct hs_arena_block *last = a->last;
	if (last && last->cap - last->used >= bytes)
		return last->bytes + last->used;
	size_t cap = last ? last->cap * 2 : FIRST_BLOCK;
	if (cap > LARGEST_BLOCK)
		cap = LARGEST_BLOCK;
	if (cap < bytes)
		cap = bytes;
	if (cap > SIZE_MAX - sizeof(*last))
		return NULL;
	struct hs_arena_block *block = malloc(sizeof(*block) + cap);
	if (!block)
		return NULL;
	*block = (struct hs_arena_block){.previous = last, .cap = cap};
	a->last = block;
	return block->bytes;
}

void hs_arena_take(struct hs_arena *a, size_t bytes)
{
	a->last->used += bytes;
}

int hs_arena_copy(struct hs_arena *a, struct hs_span s, struct hs_span *ret)
{
	char *room = hs_arena_room(a, s.len);
	if (!room)
		return -ENOMEM;
	if (s.len)
		memcpy(room, s.ptr, s.len);
	hs_arena_take(a, s.len);
	*ret = (struct hs_span){room, s.len};
	return 0;
}

void hs_arena_fini(struct hs_arena *a)
{
	while (a->last) {
		struct hs_arena_block *previous = a->last->previous;
		free(a->last);
		a->last = previous;
	}
}
