// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool hs_span_is(struct hs_span s, const char *text)
{
	return s.ptr && s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

bool hs_span_eq(struct hs_span a, struct hs_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

// wyhash-like multiply-and-fold: two 64-bit multiplications per 16 bytes.
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hs_span_hash(struct hs_span s)
{
	uint64_t hash = fold(s.len ^ 0xA0761D6478BD642Full, 0xE7037ED1A0B428DBull);
	const char *p = s.ptr;
	size_t left = s.len;
	for (; left >= 16; p += 16, left -= 16) {
		uint64_t words[2];
		memcpy(words, p, 16);
		hash = fold(words[0] ^ hash, words[1] ^ 0x8EBC6AF09C88C6E3ull);
	}
	uint64_t tail[2] = {0, 0};
	if (left)
		memcpy(tail, p, left);
	hash = fold(tail[0] ^ hash, tail[1] ^ 0x589965CC75374CC3ull);
	return fold(hash ^ 0xA0761D6478BD642Full, 0xE7037ED1A0B428DBull);
}

int hs_grow(void *items_ptr, size_t *cap, size_t need, size_t item_bytes)
{
	if (need <= *cap)
		return 0;
	size_t more = *cap ? *cap : 16;
	while (more < need) {
		if (more > SIZE_MAX / 2)
			return -ENOMEM;
		more *= 2;
	}
	if (item_bytes && more > SIZE_MAX / item_bytes)
		return -ENOMEM;
	void *old;
	memcpy(&old, items_ptr, sizeof(old));
	void *grown = realloc(old, more * item_bytes);
	if (!grown)
		return -ENOMEM;
	memcpy(items_ptr, &grown, sizeof(grown));
	*cap = more;
	return 0;
}

void *hs_array(size_t n, size_t item_bytes)
{
	return calloc(n ? n : 1, item_bytes);
}

int hs_buf_reserve(struct hs_buf *b, size_t extra)
{
	if (extra > SIZE_MAX - b->len)
		return -ENOMEM;
	return hs_grow(&b->data, &b->cap, b->len + extra, 1);
}

int hs_buf_append(struct hs_buf *b, const void *data, size_t len)
{
	int rc = hs_buf_reserve(b, len);
	if (rc < 0)
		return rc;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

int hs_buf_zero(struct hs_buf *b, size_t len)
{
	int rc = hs_buf_reserve(b, len);
	if (rc < 0)
		return rc;
	if (len)
		memset(b->data + b->len, 0, len);
	b->len += len;
	return 0;
}

int hs_buf_printf(struct hs_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, ap), rc = -EINVAL;
	va_end(ap);
	if (len >= 0)
		rc = hs_buf_reserve(b, (size_t)len + 1);
	if (rc == 0) {
		vsnprintf((char *)b->data + b->len, (size_t)len + 1, fmt, again);
		b->len += (size_t)len;
	}
	va_end(again);
	return rc;
}

void hs_buf_fini(struct hs_buf *b)
{
	free(b->data);
	*b = (struct hs_buf){0};
}
