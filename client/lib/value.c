// SPDX-License-Identifier: Apache-2.0
// A tree over one msgpack value, in two blocks of memory: the nodes, and a copy of the bytes.
//
//   nodes:  [root][its n children, side by side][their children] ...     a map's children: key, value, key, value, ...
//   bytes:  a str is followed by the head of the next value; once every head is in a node, that byte becomes the str's
//   NUL
//
// Children side by side give access by index in constant time. Depth is bounded by the checker, so recursion is too.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

struct hsfeed_value {
	enum hsfeed_type type;
	uint32_t len; // bytes of str and bin, items of an array, pairs of a map
	union {
		int64_t i; // also bool
		uint64_t u;
		double f;
		char *bytes;
		struct hsfeed_value *children;
	} as;
};

struct tree { // heap: what a root is part of
	char *bytes;
	struct hsfeed_value nodes[];
};

static size_t count_nodes(const void *data, size_t len)
{
	struct hs_rbuf r = {data, (const uint8_t *)data + len};
	struct hs_wire_value v;
	size_t n = 0;
	while (r.p < r.end && hs_r_next(&r, &v))
		n++;
	return n;
}

struct decoder {
	struct hs_rbuf in;
	struct hsfeed_value *free, *end; // nodes not yet given out
};

static bool decode_one(struct decoder *d, struct hsfeed_value *node, unsigned depth);

static bool decode_children(struct decoder *d, struct hsfeed_value *node, size_t n, unsigned depth)
{
	if (depth == 0 || (size_t)(d->end - d->free) < n)
		return false;
	node->as.children = d->free;
	d->free += n;
	for (size_t i = 0; i < n; i++) {
		if (!decode_one(d, &node->as.children[i], depth - 1))
			return false;
	}
	return true;
}

static bool decode_one(struct decoder *d, struct hsfeed_value *node, unsigned depth)
{
	struct hs_wire_value v;
	if (!hs_r_next(&d->in, &v))
		return false;
	static const enum hsfeed_type types[] = {
		[HS_WIRE_NIL] = HSFEED_NIL,   [HS_WIRE_BOOL] = HSFEED_BOOL,   [HS_WIRE_INT] = HSFEED_INT,
		[HS_WIRE_UINT] = HSFEED_UINT, [HS_WIRE_F64] = HSFEED_F64,     [HS_WIRE_STR] = HSFEED_STR,
		[HS_WIRE_BIN] = HSFEED_BIN,   [HS_WIRE_ARRAY] = HSFEED_ARRAY, [HS_WIRE_MAP] = HSFEED_MAP,
		[HS_WIRE_BAD] = HSFEED_NIL,
	};
	*node = (struct hsfeed_value){.type = types[v.type]};
	switch (v.type) {
	case HS_WIRE_NIL:
		return true;
	case HS_WIRE_BOOL:
		node->as.i = v.as.b;
		return true;
	case HS_WIRE_INT:
		node->as.i = v.as.i;
		return true;
	case HS_WIRE_UINT:
		node->as.u = v.as.u;
		return true;
	case HS_WIRE_F64:
		node->as.f = v.as.f;
		return true;
	case HS_WIRE_STR:
	case HS_WIRE_BIN:
		node->len = v.as.str.len;
		node->as.bytes = (char *)(uintptr_t)v.as.str.ptr; // into the tree's own copy
		return true;
	case HS_WIRE_ARRAY:
		node->len = v.as.count;
		return decode_children(d, node, v.as.count, depth);
	case HS_WIRE_MAP:
		node->len = v.as.count;
		return decode_children(d, node, 2 * (size_t)v.as.count, depth);
	default:
		return false;
	}
}

static void terminate_strings(struct tree *tree, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (tree->nodes[i].type == HSFEED_STR)
			tree->nodes[i].as.bytes[tree->nodes[i].len] = '\0';
	}
}

int hs_value_decode(const void *data, size_t len, hsfeed_value **ret)
{
	size_t n = count_nodes(data, len);
	struct tree *tree = malloc(sizeof(*tree) + (n ? n : 1) * sizeof(tree->nodes[0]));
	char *bytes = malloc(len + 1); // + 1: the last str's NUL
	if (!tree || !bytes) {
		free(tree);
		free(bytes);
		return -ENOMEM;
	}
	memcpy(bytes, data, len);
	tree->bytes = bytes;
	struct decoder d = {
		.in = {(const uint8_t *)bytes, (const uint8_t *)bytes + len},
		.free = tree->nodes + 1,
		.end = tree->nodes + n,
	};
	if (n == 0 || !decode_one(&d, &tree->nodes[0], HS_WIRE_MAX_DEPTH) || d.in.p != d.in.end) {
		hsfeed_value_free(&tree->nodes[0]);
		return HSFEED_EBADFRAME;
	}
	terminate_strings(tree, n);
	*ret = &tree->nodes[0];
	return 0;
}

void hsfeed_value_free(hsfeed_value *value)
{
	if (!value)
		return;
	struct tree *tree = (struct tree *)(void *)((char *)value - offsetof(struct tree, nodes));
	free(tree->bytes);
	free(tree);
}

enum hsfeed_type hsfeed_value_type(const hsfeed_value *value)
{
	return value ? value->type : HSFEED_NIL;
}

size_t hsfeed_value_len(const hsfeed_value *value)
{
	return value ? value->len : 0;
}

const hsfeed_value *hsfeed_value_get(const hsfeed_value *map, const char *key)
{
	if (!map || map->type != HSFEED_MAP || !key)
		return NULL;
	for (size_t i = 0; i < map->len; i++) {
		if (strcmp(map->as.children[2 * i].as.bytes, key) == 0) // keys are str: the checker saw to it
			return &map->as.children[2 * i + 1];
	}
	return NULL;
}

const hsfeed_value *hsfeed_value_at(const hsfeed_value *value, size_t i)
{
	if (!value || i >= value->len)
		return NULL;
	if (value->type == HSFEED_ARRAY)
		return &value->as.children[i];
	return value->type == HSFEED_MAP ? &value->as.children[2 * i + 1] : NULL;
}

const char *hsfeed_value_key(const hsfeed_value *map, size_t i)
{
	return map && map->type == HSFEED_MAP && i < map->len ? map->as.children[2 * i].as.bytes : NULL;
}

int64_t hsfeed_value_int(const hsfeed_value *value, int64_t fallback)
{
	if (value && value->type == HSFEED_INT)
		return value->as.i;
	return value && value->type == HSFEED_UINT && value->as.u <= INT64_MAX ? (int64_t)value->as.u : fallback;
}

uint64_t hsfeed_value_uint(const hsfeed_value *value, uint64_t fallback)
{
	return value && value->type == HSFEED_UINT ? value->as.u : fallback;
}

double hsfeed_value_f64(const hsfeed_value *value, double fallback)
{
	if (value && value->type == HSFEED_F64)
		return value->as.f;
	if (value && value->type == HSFEED_UINT)
		return (double)value->as.u;
	return value && value->type == HSFEED_INT ? (double)value->as.i : fallback;
}

int hsfeed_value_bool(const hsfeed_value *value, int fallback)
{
	return value && value->type == HSFEED_BOOL ? (int)value->as.i : fallback;
}

const char *hsfeed_value_str(const hsfeed_value *value, size_t *ret_len, const char *fallback)
{
	if (!value || value->type != HSFEED_STR) {
		if (ret_len)
			*ret_len = fallback ? strlen(fallback) : 0;
		return fallback;
	}
	if (ret_len)
		*ret_len = value->len;
	return value->as.bytes;
}

const void *hsfeed_value_bin(const hsfeed_value *value, size_t *ret_len)
{
	if (!value || value->type != HSFEED_BIN)
		return NULL;
	if (ret_len)
		*ret_len = value->len;
	return value->as.bytes;
}
