// SPDX-License-Identifier: Apache-2.0
// The reader. One head per call, no recursion, no allocation; every step is bounded by `end`, so that even bytes nobody
// checked cannot lead it astray.
//
//   00-7f int   80-8f map   90-9f array   a0-bf str   c0 nil   c1 unused   c2 c3 bool   c4-c6 bin8/16/32   c7-c9 ext
//   ca f32   cb f64   cc-cf uint8..64   d0-d3 int8..64   d4-d8 fixext   d9-db str8/16/32   dc dd array16/32
//   de df map16/32   e0-ff negative int           (https://github.com/msgpack/msgpack/blob/master/spec.md)
#include "wire.h"

#include <string.h>

#include "head.h"

enum { UNUSED = 16, EXT, SIGNED, FLOAT32, FALSE, TRUE }; // beside the public types, for the table only

// 0xc0 to 0xdf: what it is, and how many bytes of number follow.
static const struct {
	uint8_t kind, width;
} formats[32] = {
	{HS_WIRE_NIL, 0}, {UNUSED, 0}, {FALSE, 0}, {TRUE, 0},
	{HS_WIRE_BIN, 1}, {HS_WIRE_BIN, 2}, {HS_WIRE_BIN, 4}, {EXT, 0},
	{EXT, 0}, {EXT, 0}, {FLOAT32, 4}, {HS_WIRE_F64, 8},
	{HS_WIRE_UINT, 1}, {HS_WIRE_UINT, 2}, {HS_WIRE_UINT, 4}, {HS_WIRE_UINT, 8},
	{SIGNED, 1}, {SIGNED, 2}, {SIGNED, 4}, {SIGNED, 8},
	{EXT, 0}, {EXT, 0}, {EXT, 0}, {EXT, 0},
	{EXT, 0}, {HS_WIRE_STR, 1}, {HS_WIRE_STR, 2}, {HS_WIRE_STR, 4},
	{HS_WIRE_ARRAY, 2}, {HS_WIRE_ARRAY, 4}, {HS_WIRE_MAP, 2}, {HS_WIRE_MAP, 4},
};

static uint64_t big_endian(const uint8_t *p, unsigned width)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < width; i++)
		v = (v << 8) | p[i];
	return v;
}

static void set_int(int64_t v, struct hs_wire_value *ret)
{
	ret->type = v < 0 ? HS_WIRE_INT : HS_WIRE_UINT;
	if (v < 0)
		ret->as.i = v;
	else
		ret->as.u = (uint64_t)v;
}

static void set_signed(uint64_t bits, unsigned width, struct hs_wire_value *ret)
{
	uint64_t sign = (uint64_t)1 << (8 * width - 1);
	uint64_t extended = (bits ^ sign) - sign; // sign extension in unsigned arithmetic
	int64_t v;
	memcpy(&v, &extended, sizeof(v));
	set_int(v, ret);
}

static void set_float(uint64_t bits, unsigned width, struct hs_wire_value *ret)
{
	ret->type = HS_WIRE_F64;
	if (width == 4) {
		uint32_t low = (uint32_t)bits;
		float f;
		memcpy(&f, &low, sizeof(f));
		ret->as.f = (double)f;
	} else {
		memcpy(&ret->as.f, &bits, sizeof(ret->as.f));
	}
}

static enum hs_head_fault set_bytes(enum hs_wire_type type, const uint8_t *payload, const uint8_t *end, uint32_t len,
				    struct hs_wire_value *ret)
{
	if (len > (size_t)(end - payload))
		return HS_HEAD_CUT_OFF;
	ret->type = type;
	ret->as.str.ptr = (const char *)payload;
	ret->as.str.len = len;
	return HS_HEAD_OK;
}

static void set_count(enum hs_wire_type type, uint32_t count, struct hs_wire_value *ret)
{
	ret->type = type;
	ret->as.count = count;
}

// Heads of one byte that hold their number themselves.
static enum hs_head_fault decode_fix(const uint8_t *p, const uint8_t *end, struct hs_wire_value *ret)
{
	uint8_t head = p[0];
	if (head < 0x80)
		set_int(head, ret);
	else if (head < 0x90)
		set_count(HS_WIRE_MAP, head & 0x0f, ret);
	else if (head < 0xa0)
		set_count(HS_WIRE_ARRAY, head & 0x0f, ret);
	else if (head < 0xc0)
		return set_bytes(HS_WIRE_STR, p + 1, end, head & 0x1f, ret);
	else
		set_int((int)head - 0x100, ret);
	return HS_HEAD_OK;
}

static enum hs_head_fault decode_table(const uint8_t *p, const uint8_t *end, struct hs_wire_value *ret)
{
	unsigned kind = formats[p[0] - 0xc0].kind, width = formats[p[0] - 0xc0].width;
	if (width > (size_t)(end - p) - 1)
		return HS_HEAD_CUT_OFF;
	uint64_t number = big_endian(p + 1, width);
	switch (kind) {
	case UNUSED:
		return HS_HEAD_UNUSED;
	case EXT:
		return HS_HEAD_EXT;
	case FALSE:
	case TRUE:
		ret->type = HS_WIRE_BOOL;
		ret->as.b = kind == TRUE;
		return HS_HEAD_OK;
	case HS_WIRE_UINT:
		ret->type = HS_WIRE_UINT;
		ret->as.u = number;
		return HS_HEAD_OK;
	case SIGNED:
		set_signed(number, width, ret);
		return HS_HEAD_OK;
	case FLOAT32:
	case HS_WIRE_F64:
		set_float(number, width, ret);
		return HS_HEAD_OK;
	case HS_WIRE_STR:
	case HS_WIRE_BIN:
		return set_bytes((enum hs_wire_type)kind, p + 1 + width, end, (uint32_t)number, ret);
	default: // nil, array, map
		set_count((enum hs_wire_type)kind, (uint32_t)number, ret);
		return HS_HEAD_OK;
	}
}

enum hs_head_fault hs_head_decode(const uint8_t *p, const uint8_t *end, struct hs_wire_value *ret, uint32_t *ret_bytes)
{
	if (p >= end)
		return HS_HEAD_CUT_OFF;
	bool tabled = p[0] >= 0xc0 && p[0] < 0xe0;
	*ret_bytes = 1u + (tabled ? formats[p[0] - 0xc0].width : 0u);
	return tabled ? decode_table(p, end, ret) : decode_fix(p, end, ret);
}

bool hs_r_next(struct hs_rbuf *r, struct hs_wire_value *ret)
{
	struct hs_wire_value v;
	uint32_t head_bytes;
	if (hs_head_decode(r->p, r->end, &v, &head_bytes) != HS_HEAD_OK) {
		ret->type = HS_WIRE_BAD; // a caller that does not look at the result must not read an old value
		return false;
	}
	r->p += head_bytes;
	if (v.type == HS_WIRE_STR || v.type == HS_WIRE_BIN)
		r->p += v.as.str.len;
	*ret = v;
	return true;
}

static uint64_t items_of(const struct hs_wire_value *v)
{
	if (v->type == HS_WIRE_ARRAY)
		return v->as.count;
	return v->type == HS_WIRE_MAP ? 2 * (uint64_t)v->as.count : 0;
}

bool hs_r_skip(struct hs_rbuf *r)
{
	struct hs_rbuf at = *r;
	struct hs_wire_value v;
	for (uint64_t left = 1; left > 0; left--) {
		if (!hs_r_next(&at, &v))
			return false;
		left += items_of(&v);
		if (left - 1 > (size_t)(at.end - at.p))
			return false; // each item takes at least a byte
	}
	*r = at;
	return true;
}

bool hs_r_find(struct hs_rbuf map, const char *key, struct hs_rbuf *ret_value)
{
	struct hs_wire_value v;
	size_t key_len = strlen(key);
	if (!hs_r_next(&map, &v) || v.type != HS_WIRE_MAP)
		return false;
	for (uint32_t left = v.as.count; left > 0; left--) {
		if (!hs_r_next(&map, &v) || v.type != HS_WIRE_STR)
			return false;
		if (v.as.str.len == key_len && memcmp(v.as.str.ptr, key, key_len) == 0) {
			*ret_value = map;
			return map.p < map.end;
		}
		if (!hs_r_skip(&map))
			return false;
	}
	return false;
}

static bool get(struct hs_rbuf map, const char *key, struct hs_wire_value *ret)
{
	struct hs_rbuf value;
	return hs_r_find(map, key, &value) && hs_r_next(&value, ret);
}

bool hs_r_get_uint(struct hs_rbuf map, const char *key, uint64_t *ret)
{
	struct hs_wire_value v;
	if (!get(map, key, &v) || v.type != HS_WIRE_UINT)
		return false;
	*ret = v.as.u;
	return true;
}

bool hs_r_get_int(struct hs_rbuf map, const char *key, int64_t *ret)
{
	struct hs_wire_value v;
	if (!get(map, key, &v) || (v.type != HS_WIRE_INT && v.type != HS_WIRE_UINT))
		return false;
	if (v.type == HS_WIRE_UINT && v.as.u > INT64_MAX)
		return false;
	*ret = v.type == HS_WIRE_INT ? v.as.i : (int64_t)v.as.u;
	return true;
}

bool hs_r_get_f64(struct hs_rbuf map, const char *key, double *ret)
{
	struct hs_wire_value v;
	if (!get(map, key, &v))
		return false;
	if (v.type == HS_WIRE_F64)
		*ret = v.as.f;
	else if (v.type == HS_WIRE_UINT)
		*ret = (double)v.as.u;
	else if (v.type == HS_WIRE_INT)
		*ret = (double)v.as.i;
	else
		return false;
	return true;
}

bool hs_r_get_bool(struct hs_rbuf map, const char *key, bool *ret)
{
	struct hs_wire_value v;
	if (!get(map, key, &v) || v.type != HS_WIRE_BOOL)
		return false;
	*ret = v.as.b;
	return true;
}

bool hs_r_get_str(struct hs_rbuf map, const char *key, const char **ret, size_t *ret_len)
{
	struct hs_wire_value v;
	if (!get(map, key, &v) || v.type != HS_WIRE_STR)
		return false;
	*ret = v.as.str.ptr;
	*ret_len = v.as.str.len;
	return true;
}

bool hs_r_get_bin(struct hs_rbuf map, const char *key, const void **ret, size_t *ret_len)
{
	struct hs_wire_value v;
	if (!get(map, key, &v) || v.type != HS_WIRE_BIN)
		return false;
	*ret = v.as.str.ptr;
	*ret_len = v.as.str.len;
	return true;
}
