// SPDX-License-Identifier: Apache-2.0
// A trie over small integers ("codes") in a double array, with several roots: one step is one array access.
#ifndef HS_TOK_TRIE_H
#define HS_TOK_TRIE_H

#include <stddef.h>
#include <stdint.h>

#define HS_TRIE_NONE UINT32_MAX // no value; no such node

struct hs_trie_key {
	const uint32_t *codes; // each >= 1 and <= max_code
	uint32_t len;
	uint32_t root;  // the root that this key hangs on, < HS_TRIE_ROOTS
	uint32_t value; // not HS_TRIE_NONE
};

#define HS_TRIE_ROOTS 2

// The child of node s by code c is nodes[s].base ^ c, if that node's parent is s. The array's length is a multiple of a
// power of two above every code, so base ^ c stays inside it.
struct hs_trie_node {
	uint32_t base, parent, value;
};

struct hs_trie {
	struct hs_trie_node *nodes; // nodes[0 .. HS_TRIE_ROOTS - 1] are the roots
	size_t nnodes, cap;
};

// hs_trie_create builds from keys in any order (it sorts them). Of equal keys the one with the greatest value wins;
// keys of length 0 are ignored. 0 or -ENOMEM (also when 2^31 nodes would not do).
int hs_trie_create(struct hs_trie_key *keys, size_t nkeys, uint32_t max_code, struct hs_trie *ret);
void hs_trie_fini(struct hs_trie *trie);

// hs_trie_step gives the node below `node` by `code` (<= max_code), or HS_TRIE_NONE. Code 0 leads nowhere.
static inline uint32_t hs_trie_step(const struct hs_trie_node *nodes, uint32_t node, uint32_t code)
{
	uint32_t next = nodes[node].base ^ code;
	return nodes[next].parent == node ? next : HS_TRIE_NONE;
}

#endif
