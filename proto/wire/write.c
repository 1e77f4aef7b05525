// SPDX-License-Identifier: Apache-2.0
// The writer: the shortest msgpack form of each value, as msgpack-c packs it too.
#include "wire.h"

#include <stdlib.h>
#include <string.h>

#define CONTAINER_HEADER_BYTES 5 // a 32-bit count, for containers whose size comes last

// room makes place for `extra` more bytes and returns where they go, or NULL (and the failure sticks).
static uint8_t *room(struct hs_wbuf *w, size_t extra)
{
	if (w->failed)
		return NULL;
	if (extra > w->cap - w->len) {
		size_t need = w->len + extra, cap = w->cap < 128 ? 256 : w->cap * 2;
		if (cap < need || cap < w->cap)
			cap = need;
		uint8_t *data = need < extra ? NULL : realloc(w->data, cap);
		if (data == NULL) {
			w->failed = true;
			return NULL;
		}
		w->data = data;
		w->cap = cap;
	}
	w->len += extra;
	return w->data + w->len - extra;
}

static void put(struct hs_wbuf *w, const void *bytes, size_t len)
{
	uint8_t *at = len == 0 ? NULL : room(w, len);
	if (at != NULL)
		memcpy(at, bytes, len);
}

static void store_big_endian(uint8_t *at, uint64_t v, unsigned width)
{
	for (unsigned i = width; i-- > 0; v >>= 8)
		at[i] = (uint8_t)v;
}

static void put_head(struct hs_wbuf *w, uint8_t head, uint64_t number, unsigned width)
{
	uint8_t *at = room(w, 1 + width);
	if (at == NULL)
		return;
	at[0] = head;
	store_big_endian(at + 1, number, width);
}

// A length or count over 16 bits takes head32, over 8 bits head16, else head8; a head of 0 does not exist (msgpack's
// own holes: no array8, no map8).
static void put_sized(struct hs_wbuf *w, size_t n, uint8_t head8, uint8_t head16, uint8_t head32)
{
	if (n > UINT32_MAX)
		w->failed = true;
	else if (n > UINT16_MAX)
		put_head(w, head32, n, 4);
	else if (n > UINT8_MAX || head8 == 0)
		put_head(w, head16, n, 2);
	else
		put_head(w, head8, n, 1);
}

void hs_w_fini(struct hs_wbuf *w)
{
	free(w->data);
	memset(w, 0, sizeof(*w));
}

void hs_w_reset(struct hs_wbuf *w)
{
	w->len = 0;
	w->failed = false;
}

void hs_w_nil(struct hs_wbuf *w)
{
	put_head(w, 0xc0, 0, 0);
}

void hs_w_bool(struct hs_wbuf *w, bool v)
{
	put_head(w, v ? 0xc3 : 0xc2, 0, 0);
}

void hs_w_uint(struct hs_wbuf *w, uint64_t v)
{
	if (v < 0x80)
		put_head(w, (uint8_t)v, 0, 0);
	else if (v <= UINT8_MAX)
		put_head(w, 0xcc, v, 1);
	else if (v <= UINT16_MAX)
		put_head(w, 0xcd, v, 2);
	else if (v <= UINT32_MAX)
		put_head(w, 0xce, v, 4);
	else
		put_head(w, 0xcf, v, 8);
}

void hs_w_int(struct hs_wbuf *w, int64_t v)
{
	if (v >= 0)
		hs_w_uint(w, (uint64_t)v);
	else if (v >= -32)
		put_head(w, (uint8_t)v, 0, 0);
	else if (v >= INT8_MIN)
		put_head(w, 0xd0, (uint64_t)v, 1);
	else if (v >= INT16_MIN)
		put_head(w, 0xd1, (uint64_t)v, 2);
	else if (v >= INT32_MIN)
		put_head(w, 0xd2, (uint64_t)v, 4);
	else
		put_head(w, 0xd3, (uint64_t)v, 8);
}

void hs_w_f64(struct hs_wbuf *w, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof(bits));
	put_head(w, 0xcb, bits, 8);
}

void hs_w_str(struct hs_wbuf *w, const char *s, size_t len)
{
	if (len < 32)
		put_head(w, (uint8_t)(0xa0 | len), 0, 0);
	else
		put_sized(w, len, 0xd9, 0xda, 0xdb);
	put(w, s, len);
}

void hs_w_cstr(struct hs_wbuf *w, const char *s)
{
	if (s == NULL)
		hs_w_nil(w);
	else
		hs_w_str(w, s, strlen(s));
}

void hs_w_bin_header(struct hs_wbuf *w, size_t len)
{
	put_sized(w, len, 0xc4, 0xc5, 0xc6);
}

void hs_w_bin(struct hs_wbuf *w, const void *data, size_t len)
{
	hs_w_bin_header(w, len);
	put(w, data, len);
}

void hs_w_array(struct hs_wbuf *w, uint32_t n)
{
	if (n < 16)
		put_head(w, (uint8_t)(0x90 | n), 0, 0);
	else
		put_sized(w, n, 0, 0xdc, 0xdd);
}

void hs_w_map(struct hs_wbuf *w, uint32_t n)
{
	if (n < 16)
		put_head(w, (uint8_t)(0x80 | n), 0, 0);
	else
		put_sized(w, n, 0, 0xde, 0xdf);
}

void hs_w_raw(struct hs_wbuf *w, const void *encoded, size_t len)
{
	put(w, encoded, len);
}

static size_t container_begin(struct hs_wbuf *w, uint8_t head32)
{
	size_t mark = w->len;
	put_head(w, head32, 0, 4);
	return mark;
}

static void container_end(struct hs_wbuf *w, size_t mark, uint32_t n)
{
	if (!w->failed)
		store_big_endian(w->data + mark + 1, n, CONTAINER_HEADER_BYTES - 1);
}

size_t hs_w_map_begin(struct hs_wbuf *w)
{
	return container_begin(w, 0xdf);
}

void hs_w_map_end(struct hs_wbuf *w, size_t mark, uint32_t npairs)
{
	container_end(w, mark, npairs);
}

size_t hs_w_array_begin(struct hs_wbuf *w)
{
	return container_begin(w, 0xdd);
}

void hs_w_array_end(struct hs_wbuf *w, size_t mark, uint32_t nitems)
{
	container_end(w, mark, nitems);
}

size_t hs_w_frame_begin(struct hs_wbuf *w)
{
	static const uint8_t zeros[HS_WIRE_HEADER_BYTES];
	size_t mark = w->len;
	put(w, zeros, sizeof(zeros));
	return mark;
}

void hs_w_frame_end(struct hs_wbuf *w, size_t mark, size_t extra)
{
	if (w->failed)
		return;
	size_t len = w->len - mark - HS_WIRE_HEADER_BYTES;
	if (len > UINT32_MAX || extra > UINT32_MAX - len) {
		w->failed = true;
		return;
	}
	len += extra;
	for (unsigned i = 0; i < HS_WIRE_HEADER_BYTES; i++)
		w->data[mark + i] = (uint8_t)(len >> (8 * i));
}
