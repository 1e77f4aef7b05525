// SPDX-License-Identifier: Apache-2.0
// A checker of LMDB 0.9's page structure. LMDB believes every number it finds in a file and follows damaged ones out of
// the map; so each file of ours is walked by this, within bounds, before LMDB sees it. Pure: bytes in, verdict out.
#ifndef HS_STORE_PAGES_H
#define HS_STORE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HS_PAGES_NOSUBDIR 0x4000u // what LMDB remembers of MDB_NOSUBDIR in the meta page

struct hs_pages_meta {
	uint64_t txn, last_page;
	const uint8_t *dbs[2]; // the free list's tree and ours, 48 bytes each
};

struct hs_pages {
	const uint8_t *map;
	uint64_t npages; // whole pages that are in the file
	uint32_t psize;
	struct hs_pages_meta metas[2];
	unsigned newest; // index of the meta page LMDB will use
};

struct hs_pages_item {
	const uint8_t *key, *value;
	size_t key_len, value_len;
	bool big; // on pages of its own, 16 bytes after the page's start
};

// hs_pages_open looks at both meta pages: magic, version, page size, flags, sizes, transaction numbers. Returns NULL,
// or what is wrong.
const char *hs_pages_open(struct hs_pages *p, const void *map, uint64_t len, unsigned env_flags);

// hs_pages_walk walks the tree of one meta page in key order, then the free list: every page within the file and used
// once, every node within its page, keys ascending, depth and counts as stated, no free page in use. visit returns NULL
// to go on.
typedef const char *hs_pages_visit(void *arg, const struct hs_pages_item *item);
extern const char hs_pages_no_memory[]; // the one fault that is not the file's
const char *hs_pages_walk(const struct hs_pages *p, unsigned meta, hs_pages_visit *visit, void *arg);

#endif
