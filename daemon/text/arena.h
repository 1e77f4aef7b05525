// SPDX-License-Identifier: Apache-2.0
// Bytes that live as long as their owner: a list of blocks, given out from the front, freed all at once.
#ifndef HS_TEXT_ARENA_H
#define HS_TEXT_ARENA_H

#include <stddef.h>

#include "base/buf.h"

struct hs_arena {
	struct hs_arena_block *last; // the block in use; zeroed is a valid empty arena
};

// hs_arena_room gives room for `bytes` bytes, which stay free until hs_arena_take. NULL when out of memory.
char *hs_arena_room(struct hs_arena *a, size_t bytes);

// hs_arena_take keeps the first `bytes` bytes of the last room given.
void hs_arena_take(struct hs_arena *a, size_t bytes);

// hs_arena_copy keeps a copy of `s`. 0 or -ENOMEM.
int hs_arena_copy(struct hs_arena *a, struct hs_span s, struct hs_span *ret);

void hs_arena_fini(struct hs_arena *a); // frees and zeroes

#endif
