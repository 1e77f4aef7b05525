// SPDX-License-Identifier: Apache-2.0
// LMDB 0.9's file, 64-bit little-endian (source: lmdb's mdb.c, "Page header", "Node", "MDB_db", "MDB_meta"):
//
//   page   u64 number | u16 pad | u16 flags | u16 lower, u16 upper (or u32 pages, of an overflow page) | u16 node
//   offsets[] ... nodes node   u16 lo | u16 hi | u16 flags | u16 key bytes | key | data       leaf: lo, hi = data
//   bytes; BIGDATA: data = u64 page number
//                                                                         branch: lo, hi, flags = 48 bits of a page
//                                                                         number
//   meta   (pages 0 and 1, after the page header) u32 magic | u32 version | u64 address | u64 map bytes | tree of free
//   pages |
//          our tree | u64 last page | u64 transaction       transaction n writes page n & 1, so the two differ by one
//   tree   u32 pad (the page size, in the first) | u16 flags | u16 depth | u64 branch, leaf, overflow pages | u64
//   entries | u64 root
#include "store/pages.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_HEADER  16u
#define NODE_HEADER  8u
#define META_MAGIC   0xBEEFC0DEu
#define META_VERSION 1u
#define MAX_DEPTH    32u // LMDB's cursor stack
#define MAX_KEY      511u
#define NO_PAGE      UINT64_MAX
#define UNWRITTEN_PAGES                                                                                                \
	4096u // pages past the end that were taken and given back before they were written: a bound for sanity
#define INTEGERKEY 0x08u
enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
#define NODE_BIGDATA 1u

const char hs_pages_no_memory[] = "out of memory";

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

struct tree {
	uint32_t depth;
	uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

static struct tree get_tree(const uint8_t *p)
{
	return (struct tree){get16(p + 6), get64(p + 8), get64(p + 16), get64(p + 24), get64(p + 32), get64(p + 40)};
}

static const char *read_meta(const uint8_t *page, unsigned number, unsigned env_flags, struct hs_pages_meta *ret)
{
	const uint8_t *m = page + PAGE_HEADER;
	if (get64(page) != number || get16(page + 10) != PAGE_META)
		return "a meta page is not one";
	if (get32(m) != META_MAGIC)
		return "not an LMDB file";
	if (get32(m + 4) != META_VERSION)
		return "an LMDB file of another version";
	if (get64(m + 8) != 0)
		return "a meta page asks for a fixed address";
	ret->dbs[0] = m + 24;
	ret->dbs[1] = m + 72;
	ret->last_page = get64(m + 120);
	ret->txn = get64(m + 128);
	if (get16(ret->dbs[0] + 4) != (INTEGERKEY | env_flags) || get16(ret->dbs[1] + 4) != 0 ||
	    get32(ret->dbs[1]) != 0)
		return "a tree has unknown flags";
	return NULL;
}

static const char *read_page_size(struct hs_pages *p, const uint8_t *map, uint64_t len)
{
	if (len < PAGE_HEADER + 136)
		return "the file is too short";
	uint32_t psize = get32(map + PAGE_HEADER + 24);
	if (psize < 4096 || psize > 32768 || (psize & (psize - 1)) != 0)
		return "a meta page states an impossible page size";
	if (len < 2 * (uint64_t)psize)
		return "the file is too short";
	*p = (struct hs_pages){.map = map, .psize = psize, .npages = len / psize};
	return NULL;
}

// The two meta pages hold the last two transactions, each in the page of its parity; a new file holds 0 in both.
static bool txns_agree(uint64_t even, uint64_t odd)
{
	if (even == 0 && odd == 0)
		return true;
	return (even & 1) == 0 && (odd & 1) == 1 && (even > odd ? even - odd : odd - even) == 1;
}

const char *hs_pages_open(struct hs_pages *p, const void *map, uint64_t len, unsigned env_flags)
{
	const char *fault = read_page_size(p, map, len);
	for (unsigned i = 0; i < 2 && !fault; i++) {
		const uint8_t *page = p->map + (size_t)i * p->psize;
		fault = read_meta(page, i, env_flags, &p->metas[i]);
		if (!fault && get32(p->metas[i].dbs[0]) != p->psize)
			fault = "the meta pages state different page sizes";
	}
	if (fault)
		return fault;
	if (!txns_agree(p->metas[0].txn, p->metas[1].txn))
		return "the meta pages' transactions do not follow each other";
	p->newest = p->metas[1].txn > p->metas[0].txn;
	return NULL;
}

// ---- the walk ----

struct walk {
	const struct hs_pages *pages;
	uint64_t end;  // pages that may be free; pages in use must be in the file too
	uint8_t *seen; // a bit per page
	bool free_list;
	struct tree want, have;       // have.root is not used
	const uint8_t *last, *lowest; // key of the last leaf node; key that the next one must reach
	size_t last_len, lowest_len;
	hs_pages_visit *visit;
	void *arg;
};

static bool in_file(const struct walk *w, uint64_t first, uint64_t n)
{
	return first >= 2 && first < w->pages->npages && n <= w->pages->npages - first;
}

static const char *mark_pages(struct walk *w, uint64_t first, uint64_t n)
{
	if (first < 2 || first >= w->end || n > w->end - first)
		return "a page number lies outside the file";
	for (uint64_t i = first; i < first + n; i++) {
		if (w->seen[i / 8] & (1u << (i % 8)))
			return "a page is used twice";
		w->seen[i / 8] |= (uint8_t)(1u << (i % 8));
	}
	return NULL;
}

static int compare_keys(const struct walk *w, const uint8_t *a, size_t alen, const uint8_t *b, size_t blen)
{
	if (w->free_list)
		return get64(a) < get64(b) ? -1 : get64(a) > get64(b);
	int rc = memcmp(a, b, alen < blen ? alen : blen);
	return rc ? rc : alen < blen ? -1 : alen > blen;
}

static const char *check_key(struct walk *w, const uint8_t *key, size_t len)
{
	if (w->free_list ? len != 8 : len == 0 || len > MAX_KEY)
		return "a key has an impossible length";
	if (w->last && compare_keys(w, w->last, w->last_len, key, len) >= 0)
		return "keys are not in order";
	return NULL;
}

static const char *read_big(struct walk *w, uint64_t number, size_t len, const uint8_t **ret)
{
	if (!in_file(w, number, 1))
		return "a page number lies outside the file";
	const uint8_t *page = w->pages->map + number * w->pages->psize;
	uint64_t n = get32(page + 12), need = (PAGE_HEADER - 1 + (uint64_t)len) / w->pages->psize + 1;
	if (get64(page) != number || get16(page + 10) != PAGE_OVERFLOW || n < need || !in_file(w, number, n))
		return "a value's pages are not overflow pages";
	*ret = page + PAGE_HEADER;
	w->have.overflow_pages += n;
	return mark_pages(w, number, n);
}

static const char *free_numbers(struct walk *w, const struct hs_pages_item *item)
{
	uint64_t n = item->value_len >= 8 ? get64(item->value) : 0, last = UINT64_MAX;
	if (item->value_len < 8 || item->value_len % 8 != 0 || n > item->value_len / 8 - 1)
		return "a list of free pages has an impossible length";
	for (uint64_t i = 1; i <= n; i++) {
		uint64_t number = get64(item->value + 8 * i);
		if (number >= last)
			return "a list of free pages is not in order";
		const char *fault = mark_pages(w, number, 1);
		if (fault)
			return fault;
		last = number;
	}
	return NULL;
}

static const char *leaf_node(struct walk *w, const uint8_t *node, size_t room, size_t *ret_size)
{
	struct hs_pages_item item = {.key = node + NODE_HEADER, .key_len = get16(node + 6)};
	unsigned flags = get16(node + 4);
	size_t len = get32(node), inside = flags & NODE_BIGDATA ? 8 : len;
	if (flags & ~NODE_BIGDATA || item.key_len > room - NODE_HEADER || inside > room - NODE_HEADER - item.key_len)
		return "a node lies outside its page";
	const char *fault = check_key(w, item.key, item.key_len);
	if (!fault && w->lowest && compare_keys(w, w->lowest, w->lowest_len, item.key, item.key_len) > 0)
		fault = "a key is on the wrong page";
	if (fault)
		return fault;
	item.value = item.key + item.key_len;
	item.value_len = len;
	item.big = flags & NODE_BIGDATA;
	if (item.big && (fault = read_big(w, get64(item.value), len, &item.value)))
		return fault;
	w->last = item.key;
	w->last_len = item.key_len;
	w->lowest = NULL;
	w->have.entries++;
	*ret_size = (NODE_HEADER + item.key_len + inside + 1) & ~(size_t)1;
	return w->free_list ? free_numbers(w, &item) : w->visit(w->arg, &item);
}

static const char *walk_page(struct walk *w, uint64_t number, unsigned depth);

static const char *branch_node(struct walk *w, const uint8_t *node, size_t room, unsigned depth, size_t *ret_size)
{
	size_t key_len = get16(node + 6);
	if (key_len > room - NODE_HEADER)
		return "a node lies outside its page";
	*ret_size = (NODE_HEADER + key_len + 1) & ~(size_t)1;
	if (key_len > 0) { // the first node of a branch page needs none
		const char *fault = check_key(w, node + NODE_HEADER, key_len);
		if (fault)
			return fault;
		w->lowest = node + NODE_HEADER;
		w->lowest_len = key_len;
	}
	return walk_page(w, (uint64_t)get32(node) | (uint64_t)get16(node + 4) << 32, depth + 1);
}

static const char *walk_nodes(struct walk *w, const uint8_t *page, bool leaf, unsigned depth)
{
	size_t psize = w->pages->psize, lower = get16(page + 12), upper = get16(page + 14), total = 0;
	if (lower < PAGE_HEADER + 2 || lower % 2 != 0 || upper < lower || upper > psize)
		return "a page's bounds are impossible";
	size_t n = (lower - PAGE_HEADER) / 2;
	for (size_t i = 0; i < n; i++) {
		size_t at = get16(page + PAGE_HEADER + 2 * i), size = 0;
		if (at < upper || at % 2 != 0 || at > psize - NODE_HEADER)
			return "a node lies outside its page";
		if (!leaf && i > 0 && get16(page + at + 6) == 0)
			return "a branch has no key";
		const char *fault = leaf ? leaf_node(w, page + at, psize - at, &size)
					 : branch_node(w, page + at, psize - at, depth, &size);
		if (fault)
			return fault;
		total += size;
	}
	return total == psize - upper ? NULL : "a page's nodes overlap or leave gaps";
}

static const char *walk_page(struct walk *w, uint64_t number, unsigned depth)
{
	const char *fault = in_file(w, number, 1) ? mark_pages(w, number, 1) : "a page number lies outside the file";
	if (fault)
		return fault;
	const uint8_t *page = w->pages->map + number * w->pages->psize;
	bool leaf = depth == w->want.depth;
	if (depth > w->want.depth || get64(page) != number || get16(page + 10) != (leaf ? PAGE_LEAF : PAGE_BRANCH))
		return "a page is not of the kind its place asks for";
	if (leaf)
		w->have.leaf_pages++;
	else
		w->have.branch_pages++;
	return walk_nodes(w, page, leaf, depth);
}

static const char *walk_tree(struct walk *w, const uint8_t *db)
{
	w->want = get_tree(db);
	w->have = (struct tree){0};
	w->last = w->lowest = NULL;
	if (w->want.root == NO_PAGE)
		return w->want.entries == 0 && w->want.depth == 0 ? NULL : "a tree has entries but no root";
	if (w->want.depth == 0 || w->want.depth > MAX_DEPTH)
		return "a tree has an impossible depth";
	const char *fault = walk_page(w, w->want.root, 1);
	if (fault)
		return fault;
	if (w->have.entries != w->want.entries || w->have.leaf_pages != w->want.leaf_pages ||
	    w->have.branch_pages != w->want.branch_pages || w->have.overflow_pages != w->want.overflow_pages)
		return "a tree's counts differ from what it holds";
	return NULL;
}

const char *hs_pages_walk(const struct hs_pages *p, unsigned meta, hs_pages_visit *visit, void *arg)
{
	const struct hs_pages_meta *m = &p->metas[meta];
	if (m->last_page >= p->npages + UNWRITTEN_PAGES)
		return "the file is too short";
	struct walk w = {.pages = p, .end = m->last_page + 1, .visit = visit, .arg = arg};
	w.seen = calloc(1, w.end / 8 + 1);
	if (!w.seen)
		return hs_pages_no_memory;
	const char *fault = walk_tree(&w, m->dbs[1]);
	w.free_list = true;
	if (!fault)
		fault = walk_tree(&w, m->dbs[0]);
	free(w.seen);
	return fault;
}
