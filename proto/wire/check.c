// SPDX-License-Identifier: Apache-2.0
// The checker that hostile bytes meet first. It walks one value from front to back, once:
//
//   pending   values that open containers have declared and that have not come yet. Each takes at least one byte, so
//             pending > bytes left refuses a 160-byte frame that declares billions of items at its first lie.
//   levels    the open containers, at most MAX_LEVELS: how many of its values are still to come, map or array.
//   keys      where the keys of the open maps lie, a stack shared by all of them; a map's keys go when it closes. A key
//             is compared with those of its own map. Room for HS_WIRE_MAX_KEYS keys bounds the comparing: at most
//             that many times the frame's bytes are ever compared, a few milliseconds for the largest request.
#include "wire.h"

#include <string.h>

#include "head.h"

#define MAX_LEVELS 32

struct level {
	uint64_t left;  // values still to come; even in a map: a key is next
	uint32_t nkeys; // of a map: its keys so far, on top of the shared stack
	bool map;
};

struct checker {
	const uint8_t *start, *p, *end;
	const struct hs_wire_limits *limits;
	uint64_t pending, items;
	uint32_t nlevels, nkeys;
	struct level levels[MAX_LEVELS];
	struct {
		uint32_t offset, len;
	} keys[HS_WIRE_MAX_KEYS];
};

// Bytes of the UTF-8 sequence at p, 0 when it is not valid (base/utf8.h is not ours to use: libc only).
static unsigned utf8_length(const uint8_t *p, size_t left)
{
	uint8_t head = p[0], low = 0x80, high = 0xbf;
	if (head < 0x80)
		return 1;
	unsigned len = head < 0xc2 ? 0 : head < 0xe0 ? 2 : head < 0xf0 ? 3 : head < 0xf5 ? 4 : 0;
	if (len == 0 || len > left)
		return 0;
	if (head == 0xe0)
		low = 0xa0; // shorter forms exist
	else if (head == 0xed)
		high = 0x9f; // surrogates
	else if (head == 0xf0)
		low = 0x90; // shorter forms exist
	else if (head == 0xf4)
		high = 0x8f; // above U+10FFFF
	if (p[1] < low || p[1] > high)
		return 0;
	for (unsigned i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

static bool eight_ascii(const uint8_t *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof(word));
	return (word & 0x8080808080808080u) == 0;
}

// Returns where the first invalid sequence starts, or NULL.
static const uint8_t *find_bad_utf8(const uint8_t *p, const uint8_t *end)
{
	while (p < end) {
		unsigned len = end - p >= 8 && eight_ascii(p) ? 8 : utf8_length(p, (size_t)(end - p));
		if (len == 0)
			return p;
		p += len;
	}
	return NULL;
}

static struct level *top(struct checker *c)
{
	return c->nlevels == 0 ? NULL : &c->levels[c->nlevels - 1];
}

// c->p is at the key; v is the key.
static const char *check_key(struct checker *c, struct level *map, const struct hs_wire_value *v)
{
	if (v->type != HS_WIRE_STR)
		return "a map key that is not a str";
	if (c->nkeys == HS_WIRE_MAX_KEYS)
		return "too many map keys";
	for (uint32_t i = c->nkeys - map->nkeys; i < c->nkeys; i++)
		if (c->keys[i].len == v->as.str.len &&
		    memcmp(c->start + c->keys[i].offset, v->as.str.ptr, v->as.str.len) == 0)
			return "a map key that occurs twice";
	c->keys[c->nkeys].offset = (uint32_t)((const uint8_t *)v->as.str.ptr - c->start);
	c->keys[c->nkeys].len = v->as.str.len;
	c->nkeys++;
	map->nkeys++;
	return NULL;
}

static const char *open_container(struct checker *c, const struct hs_wire_value *v)
{
	if (c->nlevels == c->limits->max_depth || c->nlevels == MAX_LEVELS)
		return "nested too deeply";
	bool map = v->type == HS_WIRE_MAP;
	uint64_t left = map ? 2 * (uint64_t)v->as.count : v->as.count;
	c->pending += left;
	c->levels[c->nlevels++] = (struct level){.left = left, .map = map};
	return NULL;
}

static void close_full_containers(struct checker *c)
{
	while (c->nlevels > 0 && top(c)->left == 0) {
		c->nkeys -= top(c)->nkeys;
		c->nlevels--;
	}
}

static const char *head_fault_phrase(enum hs_head_fault fault)
{
	if (fault == HS_HEAD_EXT)
		return "an ext type";
	return fault == HS_HEAD_UNUSED ? "the unused byte 0xc1" : "cut off in the middle of a value";
}

// One value's head. On failure c->p is at the byte that is wrong.
static const char *step(struct checker *c)
{
	struct hs_wire_value v;
	uint32_t head_bytes;
	enum hs_head_fault fault = hs_head_decode(c->p, c->end, &v, &head_bytes);
	if (fault != HS_HEAD_OK)
		return head_fault_phrase(fault);
	const char *wrong = NULL;
	bool bytes = v.type == HS_WIRE_STR || v.type == HS_WIRE_BIN;
	const uint8_t *next = c->p + head_bytes + (bytes ? v.as.str.len : 0);
	const uint8_t *bad = v.type == HS_WIRE_STR ? find_bad_utf8(c->p + head_bytes, next) : NULL;
	if (bad != NULL) {
		c->p = bad;
		return "a str that is not valid UTF-8";
	}
	struct level *in = top(c);
	if (in != NULL && in->map && in->left % 2 == 0)
		wrong = check_key(c, in, &v);
	c->pending--;
	c->items++;
	if (in != NULL)
		in->left--;
	if (wrong == NULL && (v.type == HS_WIRE_ARRAY || v.type == HS_WIRE_MAP))
		wrong = open_container(c, &v);
	if (wrong == NULL && c->pending > (size_t)(c->end - next))
		wrong = v.type == HS_WIRE_ARRAY || v.type == HS_WIRE_MAP ? "a count beyond the bytes that are there"
									 : "cut off before its last value";
	if (wrong == NULL && c->items + c->pending > c->limits->max_items)
		wrong = "too many values";
	if (wrong == NULL)
		c->p = next;
	return wrong;
}

const char *hs_wire_check(const void *data, size_t len, const struct hs_wire_limits *limits, size_t *ret_offset)
{
	struct checker c; // the key stack stays uninitialised: it is written before it is read
	const char *wrong = NULL;
	c.start = c.p = data;
	c.end = c.start + len;
	c.limits = limits;
	c.pending = 1;
	c.items = 0;
	c.nlevels = c.nkeys = 0;
	if (len > UINT32_MAX)
		wrong = "longer than a frame can be";
	while (wrong == NULL && c.pending > 0) {
		wrong = step(&c);
		if (wrong == NULL)
			close_full_containers(&c);
	}
	if (wrong == NULL && c.p != c.end)
		wrong = "more bytes after the value";
	if (wrong != NULL)
		*ret_offset = (size_t)(c.p - c.start);
	return wrong;
}
