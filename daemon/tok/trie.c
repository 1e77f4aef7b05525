// SPDX-License-Identifier: Apache-2.0
// Building. A task is a node and the range of keys that pass through it, all equal up to `depth`:
//
//   1. sort the range by its codes at `depth` (counting sort for wide ranges, insertion sort for narrow ones);
//   2. the distinct codes are the node's children: find a base such that base ^ code is a free slot for each;
//   3. push each child with its part of the range.
//
// Wide nodes begin their search where there is room; the many single children below fill the holes.
// A few children go next to their parent if there is room, for the sake of the cache: a tenth to a fifth of the speed
// of matching. Otherwise: free slots form a doubly linked list in the unused nodes (base = next, value = previous). The
// search for a node with several children begins at `wide`, which moves on when slots have failed too often, so that
// the whole build looks at O(nodes) slots however the vocabulary was made up.
#include "tok/trie.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define FREE      (UINT32_MAX - 1) // in `parent`: this slot is free, and no node has this number
#define MAX_TRIES 8                // slots tried for one node before `wide` moves on; more costs time and saves no slot
#define NARROW    24               // ranges up to this many keys are sorted by insertion
#define FEW       8                // children up to this many are first looked for room near their parent
#define MAX_NODES (1u << 31)

struct item {
	uint32_t node;
	uint32_t lo, hi; // keys
	uint32_t depth;
};

struct child {
	uint32_t code, lo, hi;
};

struct builder {
	struct hs_trie_key *keys, *spare;
	struct item *stack;
	size_t nstack, stack_cap;
	struct child *children;
	size_t nchildren, children_cap;
	uint32_t *counts; // per code; all zero between uses
	uint32_t max_code;
	uint32_t block; // nodes are added in blocks of this many, a power of two above max_code
	uint32_t free_head, free_tail;
	uint32_t wide;
	uint64_t *used; // one bit per slot: small enough to stay in the first cache, which is what makes step 2 quick
	size_t used_cap;
	struct hs_trie trie;
};

static void free_remove(struct builder *b, uint32_t slot)
{
	struct hs_trie_node *nodes = b->trie.nodes;
	uint32_t next = nodes[slot].base, prev = nodes[slot].value;
	if (prev == HS_TRIE_NONE)
		b->free_head = next;
	else
		nodes[prev].base = next;
	if (next == HS_TRIE_NONE)
		b->free_tail = prev;
	else
		nodes[next].value = prev;
	if (b->wide == slot)
		b->wide = next;
	b->used[slot / 64] |= 1ull << slot % 64;
}

static int add_block(struct builder *b)
{
	size_t first = b->trie.nnodes, last = first + b->block - 1;
	if (last >= MAX_NODES || hs_grow(&b->trie.nodes, &b->trie.cap, last + 1, sizeof(*b->trie.nodes)) < 0 ||
	    hs_grow(&b->used, &b->used_cap, (last + 1) / 64, sizeof(*b->used)) < 0)
		return -ENOMEM;
	memset(b->used + first / 64, 0, b->block / 8);
	for (size_t i = first; i <= last; i++)
		b->trie.nodes[i] = (struct hs_trie_node){
			.base = i == last ? HS_TRIE_NONE : (uint32_t)i + 1,
			.parent = FREE,
			.value = i == first ? b->free_tail : (uint32_t)i - 1,
		};
	if (b->free_tail == HS_TRIE_NONE)
		b->free_head = (uint32_t)first;
	else
		b->trie.nodes[b->free_tail].base = (uint32_t)first;
	b->free_tail = (uint32_t)last;
	if (b->wide == HS_TRIE_NONE)
		b->wide = (uint32_t)first;
	b->trie.nnodes = last + 1;
	return 0;
}

static bool fits(const struct builder *b, uint32_t base)
{
	for (size_t i = 1; i < b->nchildren; i++) {
		uint32_t slot = base ^ b->children[i].code;
		if (b->used[slot / 64] >> slot % 64 & 1)
			return false;
	}
	return true;
}

// A free slot for the first child in the parent's neighbourhood, so that a word's walk stays in few cache lines.
static bool find_near(const struct builder *b, uint32_t parent, uint32_t *ret)
{
	uint64_t room = ~b->used[parent / 64];
	for (; room; room &= room - 1) {
		uint32_t slot = parent / 64 * 64 + (uint32_t)__builtin_ctzll(room);
		*ret = slot ^ b->children[0].code;
		if (fits(b, *ret))
			return true;
	}
	return false;
}

static int find_base(struct builder *b, uint32_t parent, uint32_t *ret)
{
	if (b->nchildren <= FEW && find_near(b, parent, ret))
		return 0;
	uint32_t slot = b->nchildren == 1 ? b->free_head : b->wide;
	if (b->nchildren > b->block / 8) // a root: it takes a block of its own, whose holes others fill
		slot = HS_TRIE_NONE;
	for (unsigned tries = 0;; tries++) {
		if (slot == HS_TRIE_NONE) {
			slot = (uint32_t)b->trie.nnodes;
			if (add_block(b) < 0)
				return -ENOMEM;
		}
		if (fits(b, slot ^ b->children[0].code))
			break;
		slot = b->trie.nodes[slot].base;
		if (tries >= MAX_TRIES)
			b->wide = slot;
	}
	*ret = slot ^ b->children[0].code;
	return 0;
}

static uint32_t code_at(const struct hs_trie_key *key, uint32_t depth)
{
	return depth < key->len ? key->codes[depth] : 0;
}

static void sort_narrow(struct hs_trie_key *keys, size_t n, uint32_t depth)
{
	for (size_t i = 1; i < n; i++) {
		struct hs_trie_key key = keys[i];
		uint32_t code = code_at(&key, depth);
		size_t j = i;
		for (; j > 0 && code_at(&keys[j - 1], depth) > code; j--)
			keys[j] = keys[j - 1];
		keys[j] = key;
	}
}

static int compare_children(const void *a, const void *b)
{
	const struct child *x = a, *y = b;
	return x->code < y->code ? -1 : x->code > y->code;
}

// Ends of keys (code 0) come first. The distinct codes are collected on the way, so `counts` need never be swept.
static int sort_wide(struct builder *b, const struct item *it)
{
	struct hs_trie_key *keys = b->keys + it->lo;
	size_t n = it->hi - it->lo, nseen = 0;
	for (size_t i = 0; i < n; i++)
		if (b->counts[code_at(&keys[i], it->depth)]++ == 0)
			nseen++;
	if (hs_grow(&b->children, &b->children_cap, nseen, sizeof(*b->children)) < 0)
		return -ENOMEM;
	size_t k = 0;
	for (size_t i = 0; i < n && k < nseen; i++) {
		uint32_t code = code_at(&keys[i], it->depth);
		if (b->counts[code] & (1u << 31))
			continue;
		b->children[k++] = (struct child){.code = code, .hi = b->counts[code]};
		b->counts[code] |= 1u << 31;
	}
	qsort(b->children, nseen, sizeof(*b->children), compare_children);
	uint32_t at = 0;
	for (k = 0; k < nseen; k++) {
		b->counts[b->children[k].code] = at;
		at += b->children[k].hi;
	}
	for (size_t i = 0; i < n; i++)
		b->spare[b->counts[code_at(&keys[i], it->depth)]++] = keys[i];
	memcpy(keys, b->spare, n * sizeof(*keys));
	for (k = 0; k < nseen; k++)
		b->counts[b->children[k].code] = 0;
	return 0;
}

// Gives the node its value (keys that end here) and lists its children.
static int split_range(struct builder *b, const struct item *it)
{
	if (it->hi - it->lo > NARROW) {
		int rc = sort_wide(b, it);
		if (rc < 0)
			return rc;
	} else {
		sort_narrow(b->keys + it->lo, it->hi - it->lo, it->depth);
	}
	struct hs_trie_node *node = &b->trie.nodes[it->node];
	b->nchildren = 0;
	for (uint32_t i = it->lo; i < it->hi; i++) {
		uint32_t code = code_at(&b->keys[i], it->depth);
		if (code == 0) {
			if (node->value == HS_TRIE_NONE || node->value < b->keys[i].value)
				node->value = b->keys[i].value;
			continue;
		}
		if (b->nchildren == 0 || b->children[b->nchildren - 1].code != code) {
			if (hs_grow(&b->children, &b->children_cap, b->nchildren + 1, sizeof(*b->children)) < 0)
				return -ENOMEM;
			b->children[b->nchildren++] = (struct child){.code = code, .lo = i};
		}
		b->children[b->nchildren - 1].hi = i + 1;
	}
	return 0;
}

static int push(struct builder *b, struct item it)
{
	if (hs_grow(&b->stack, &b->stack_cap, b->nstack + 1, sizeof(*b->stack)) < 0)
		return -ENOMEM;
	b->stack[b->nstack++] = it;
	return 0;
}

static int place_children(struct builder *b, const struct item *it)
{
	uint32_t base;
	int rc = find_base(b, it->node, &base);
	if (rc < 0)
		return rc;
	b->trie.nodes[it->node].base = base;
	for (size_t i = 0; i < b->nchildren; i++) {
		const struct child *child = &b->children[i];
		uint32_t slot = base ^ child->code;
		free_remove(b, slot);
		b->trie.nodes[slot] = (struct hs_trie_node){.parent = it->node, .value = HS_TRIE_NONE};
		rc = push(b, (struct item){slot, child->lo, child->hi, it->depth + 1});
		if (rc < 0)
			return rc;
	}
	return 0;
}

// The roots take the first slots of the array; their own `parent` is one that no node has.
static int place_roots(struct builder *b, size_t nkeys)
{
	int rc = add_block(b);
	if (rc < 0)
		return rc;
	uint32_t lo = 0;
	for (uint32_t root = 0; root < HS_TRIE_ROOTS; root++) {
		uint32_t hi = lo;
		while (hi < nkeys && b->keys[hi].root == root)
			hi++;
		free_remove(b, root);
		b->trie.nodes[root] = (struct hs_trie_node){.parent = HS_TRIE_NONE, .value = HS_TRIE_NONE};
		rc = push(b, (struct item){root, lo, hi, 0});
		if (rc < 0)
			return rc;
		lo = hi;
	}
	return 0;
}

static void group_by_root(struct builder *b, size_t nkeys)
{
	size_t n = 0;
	for (uint32_t root = 0; root < HS_TRIE_ROOTS; root++)
		for (size_t i = 0; i < nkeys; i++)
			if (b->keys[i].root == root)
				b->spare[n++] = b->keys[i];
	if (n)
		memcpy(b->keys, b->spare, n * sizeof(*b->keys));
}

static int build(struct builder *b, size_t nkeys)
{
	group_by_root(b, nkeys);
	int rc = place_roots(b, nkeys);
	while (rc == 0 && b->nstack) {
		struct item it = b->stack[--b->nstack];
		rc = split_range(b, &it);
		if (rc == 0 && it.depth == 0)
			b->trie.nodes[it.node].value = HS_TRIE_NONE; // empty keys
		if (rc == 0 && b->nchildren)
			rc = place_children(b, &it);
	}
	return rc;
}

// A node without children keeps base 0: what base ^ code then names has another parent. Free slots must not be taken
// for children of node FREE either, which cannot exist (MAX_NODES).
int hs_trie_create(struct hs_trie_key *keys, size_t nkeys, uint32_t max_code, struct hs_trie *ret)
{
	if (nkeys >= MAX_NODES || max_code >= MAX_NODES / 2)
		return -ENOMEM;
	struct builder b = {.keys = keys, .max_code = max_code, .block = 256};
	b.free_head = b.free_tail = b.wide = HS_TRIE_NONE;
	while (b.block <= max_code)
		b.block *= 2;
	b.spare = hs_array(nkeys, sizeof(*b.spare));
	b.counts = hs_array((size_t)max_code + 1, sizeof(*b.counts));
	int rc = b.spare && b.counts ? build(&b, nkeys) : -ENOMEM;
	free(b.spare);
	free(b.counts);
	free(b.used);
	free(b.stack);
	free(b.children);
	if (rc < 0)
		hs_trie_fini(&b.trie);
	else
		*ret = b.trie;
	return rc;
}

void hs_trie_fini(struct hs_trie *trie)
{
	free(trie->nodes);
	*trie = (struct hs_trie){0};
}
