// SPDX-License-Identifier: Apache-2.0
#include "text/shingle.h"

#include <errno.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "text/sort64.h"

#define WIDE_BITS   21 // any code point
#define NARROW_BITS 12 // below U+1000: Latin to Tibetan, among them Arabic and all of India's scripts
#define HASHED      ((uint64_t)1 << 63)

// The last characters read, in both widths.
struct window {
	uint64_t head, tail; // wide: the two characters before the last three, and the last three
	uint64_t narrow;
	size_t nnarrow; // characters since one at U+1000 or above; five or more: `narrow` is the gram
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
	return x ^ (x >> 31);
}

static uint64_t take(struct window *w, uint32_t cp)
{
	w->head = (w->head << WIDE_BITS | w->tail >> (2 * WIDE_BITS)) & (((uint64_t)1 << (2 * WIDE_BITS)) - 1);
	w->tail = (w->tail << WIDE_BITS | cp) & (((uint64_t)1 << (3 * WIDE_BITS)) - 1);
	w->narrow = (w->narrow << NARROW_BITS | cp) & (((uint64_t)1 << (5 * NARROW_BITS)) - 1);
	w->nnarrow = cp >> NARROW_BITS ? 0 : w->nnarrow + 1;
	if (w->nnarrow >= HS_SHINGLE_CHARS)
		return w->narrow;
	return mix(w->tail + 0x9E3779B97F4A7C15u * mix(w->head + 1)) | HASHED;
}

// All grams of a text as they stand; `items` has room for one a character.
static size_t split(struct hs_span text, uint64_t *items)
{
	const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.len;
	struct window w = {0};
	size_t nchars = 0, n = 0;
	while (p < end) {
		uint32_t cp = 0;
		unsigned len = hs_utf8_decode(p, end, &cp);
		uint64_t gram = take(&w, cp);
		if (++nchars >= HS_SHINGLE_CHARS)
			items[n++] = gram;
		p += len ? len : 1;
	}
	return n;
}

static size_t drop_repeats(uint64_t *items, size_t n)
{
	size_t kept = n > 0;
	for (size_t i = 1; i < n; i++)
		if (items[i] != items[kept - 1])
			items[kept++] = items[i];
	return kept;
}

static size_t count_chars(struct hs_span text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++)
		n += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
	return n;
}

int hs_grams_make(struct hs_grams *g, struct hs_span text)
{
	size_t nchars = count_chars(text);
	if (nchars < HS_SHINGLE_CHARS) {
		g->n = 0;
		return 0;
	}
	if (nchars > SIZE_MAX / 2 || hs_grow(&g->items, &g->cap, 2 * nchars, sizeof(*g->items)) < 0)
		return -ENOMEM;
	size_t n = split(text, g->items);
	hs_sort64(g->items, n, g->items + n);
	g->n = drop_repeats(g->items, n);
	return 0;
}

void hs_grams_fini(struct hs_grams *g)
{
	free(g->items);
	*g = (struct hs_grams){0};
}

// With c shared: c / (na + nb - c) >= s, so c >= s (na + nb) / (1 + s).
size_t hs_grams_need(size_t na, size_t nb, double similarity)
{
	double exact = similarity * (double)(na + nb) / (1 + similarity);
	size_t need = (size_t)exact;
	return need > 1 && exact - (double)need < 1e-6 ? need - 1 : need; // rounding must not lose a pair
}

size_t hs_grams_common(const struct hs_grams *a, const struct hs_grams *b, size_t need)
{
	const uint64_t *p = a->items, *q = b->items, *p_end = p + a->n, *q_end = q + b->n;
	size_t common = 0;
	while (p < p_end && q < q_end) {
		size_t left = (size_t)(p_end - p < q_end - q ? p_end - p : q_end - q);
		if (common + left < need)
			return 0;
		uint64_t x = *p, y = *q;
		common += x == y;
		p += x <= y;
		q += y <= x;
	}
	return common >= need ? common : 0;
}
