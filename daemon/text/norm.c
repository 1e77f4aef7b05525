// SPDX-License-Identifier: Apache-2.0
// NFC and NFKC (Unicode Standard Annex 15). A text is cut at its boundaries: characters that nothing before them can
// change (starters without a decomposition that never are the second half of a composition). Between two boundaries
// nothing needs to be done when there is one boundary character only, or one and a mark that composes with nothing.
// What is left, a few characters at a time, is decomposed by utf8proc, ordered here (utf8proc's own ordering takes the
// square of a run's length, and a hostile text can be one run), composed by utf8proc, and written in place of the old.
#include "text/norm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/utf8.h"

#define LONGEST_DECOMPOSITION 18 // U+FDFA under NFKC

static const char *const names[] = {[HS_NORM_NONE] = "none", [HS_NORM_NFC] = "nfc", [HS_NORM_NFKC] = "nfkc"};

int hs_norm_parse(const char *name, enum hs_norm *ret, struct hs_err *reterr)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum hs_norm)i;
			return 0;
		}
	}
	return hs_err_set(reterr, HSFEED_EBADREQUEST, "normalize: \"%.60s\" is none of none, nfc, nfkc", name);
}

const char *hs_norm_name(enum hs_norm norm)
{
	return names[norm];
}

// Starters that compose with the character before them (NFC_Quick_Check=Maybe and ccc=0), Unicode 16. A first half and
// its second half come into Unicode together, so an older utf8proc is not misled by the newer ones.
static bool is_second_half(uint32_t cp)
{
	static const uint32_t ranges[][2] = {
		{0x09BE, 0x09BE},   {0x09D7, 0x09D7},   {0x0B3E, 0x0B3E},   {0x0B56, 0x0B57},   {0x0BBE, 0x0BBE},
		{0x0BD7, 0x0BD7},   {0x0CC2, 0x0CC2},   {0x0CD5, 0x0CD6},   {0x0D3E, 0x0D3E},   {0x0D57, 0x0D57},
		{0x0DCF, 0x0DCF},   {0x0DDF, 0x0DDF},   {0x102E, 0x102E},   {0x1161, 0x1175},   {0x11A8, 0x11C2},
		{0x1B35, 0x1B35},   {0x11127, 0x11127}, {0x1133E, 0x1133E}, {0x11357, 0x11357}, {0x113B8, 0x113B8},
		{0x113BB, 0x113BB}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113C9}, {0x114B0, 0x114B0},
		{0x114BA, 0x114BA}, {0x114BD, 0x114BD}, {0x115AF, 0x115AF}, {0x11930, 0x11930}, {0x1611E, 0x16129},
		{0x16D67, 0x16D68},
	};
	if (cp < ranges[0][0])
		return false;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (cp <= ranges[i][1])
			return cp >= ranges[i][0];
	return false;
}

enum role { BOUNDARY, QUIET_MARK, ACTIVE };

// The Bengali block, whose texts are most of what is read here: one bit for each of U+0980..U+09FF. Active:
// AA and the AU length mark (second halves), RRA, RHA and YYA (they decompose for good), the sandhi mark, and what has
// no meaning yet. Quiet: nukta and virama.
static enum role bengali_role(uint32_t cp)
{
	static const uint32_t active[4] = {0x00066010, 0x4C3A0200, 0xFFFF8660, 0xC0000030};
	static const uint32_t quiet[4] = {0x00000000, 0x10000000, 0x00002000, 0x00000000};
	uint32_t word = (cp - 0x0980) / 32, bit = 1u << (cp % 32);
	if (active[word] & bit)
		return ACTIVE;
	return quiet[word] & bit ? QUIET_MARK : BOUNDARY;
}

// Ranges in which every character is a boundary under NFC, by Unicode's promise for ever.
static bool is_stable(enum hs_norm norm, uint32_t cp)
{
	if (cp >= 0x3400 && cp <= 0xD7A3)
		return cp <= 0x9FFF || cp >= 0xAC00; // CJK and Hangul
	if (norm != HS_NORM_NFC)
		return false;
	if (cp <= 0x0482)
		return cp <= 0x017F || cp >= 0x0400; // Latin and Cyrillic
	return (cp >= 0x1E00 && cp <= 0x1EFF) || (cp >= 0x3041 && cp <= 0x30FF && cp != 0x3099 && cp != 0x309A);
}

// The role of a character. QUIET_MARK: a mark that composes with nothing, known for the marks of Indic text: every
// virama (ccc 9), and the Bengali nukta, whose compositions are all excluded.
static enum role role_of(enum hs_norm norm, uint32_t cp)
{
	if (cp < 0xA0)
		return BOUNDARY;
	if (cp >= 0x0980 && cp < 0x0A00)
		return bengali_role(cp);
	if (is_stable(norm, cp))
		return BOUNDARY;
	const utf8proc_property_t *property = utf8proc_get_property((utf8proc_int32_t)cp);
	if (property->combining_class)
		return property->combining_class == 9 || cp == 0x09BC ? QUIET_MARK : ACTIVE;
	if (property->decomp_seqindex != UINT16_MAX && (norm == HS_NORM_NFKC || property->decomp_type == 0))
		return ACTIVE;
	return is_second_half(cp) ? ACTIVE : BOUNDARY;
}

static const uint8_t *skip_ascii(const uint8_t *p, const uint8_t *end)
{
	uint64_t word;
	for (; end - p >= 8; p += 8) {
		memcpy(&word, p, 8);
		if (word & 0x8080808080808080u)
			break;
	}
	while (p < end && *p < 0x80)
		p++;
	return p;
}

struct cut {
	const uint8_t *start; // the boundary character before what may change, or the text's first
	const uint8_t *end;   // the next boundary, or the text's end
};

// Is this active character harmless behind `before`? The vowel sign AA, every tenth letter of Bengali, composes with
// the vowel sign E only.
static bool is_harmless(uint32_t cp, uint32_t before)
{
	return cp == 0x09BE && before != 0x09C7 && before != 0;
}

// Finds the next piece that may change, from a boundary on; false when there is none.
static bool next_cut(enum hs_norm norm, const uint8_t *p, const uint8_t *end, struct cut *ret)
{
	const uint8_t *boundary = p;
	uint32_t before = 0; // 0: not a boundary character, so nothing is harmless
	while (p < end) {
		if (*p < 0x80) {
			p = skip_ascii(p, end);
			boundary = p - 1;
			before = *boundary;
			continue;
		}
		uint32_t cp = 0;
		unsigned len = hs_utf8_decode(p, end, &cp);
		enum role role = role_of(norm, cp);
		if (role == ACTIVE && !is_harmless(cp, before))
			break;
		if (role == QUIET_MARK && before == 0)
			break;
		if (role == BOUNDARY)
			boundary = p;
		before = role == BOUNDARY ? cp : 0;
		p += len ? len : 1;
	}
	if (p == end)
		return false;
	for (uint32_t cp = 0; p < end;) {
		unsigned len = hs_utf8_decode(p, end, &cp);
		if (role_of(norm, cp) == BOUNDARY)
			break;
		p += len ? len : 1;
	}
	*ret = (struct cut){boundary, p};
	return true;
}

struct codes {
	int32_t *items; // `small` while it suffices, else heap
	size_t n, cap;
	int32_t small[64];
};

static int codes_reserve(struct codes *c, size_t extra)
{
	if (c->n + extra <= c->cap)
		return 0;
	size_t cap = c->cap * 2 + extra;
	int32_t *more = malloc(cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memcpy(more, c->items, c->n * sizeof(*more));
	if (c->items != c->small)
		free(c->items);
	c->items = more;
	c->cap = cap;
	return 0;
}

static unsigned combining_class(int32_t cp)
{
	return utf8proc_get_property(cp)->combining_class;
}

static int by_class_then_place(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

// Orders one run of marks by class, equal ones as they stood: keys are class, place, character.
static int order_run(int32_t *run, size_t n)
{
	uint64_t *keys = malloc(n * sizeof(*keys));
	int32_t *old = malloc(n * sizeof(*old));
	if (keys && old) {
		memcpy(old, run, n * sizeof(*old));
		for (size_t i = 0; i < n; i++)
			keys[i] = (uint64_t)combining_class(run[i]) << 32 | i;
		qsort(keys, n, sizeof(*keys), by_class_then_place);
		for (size_t i = 0; i < n; i++)
			run[i] = old[keys[i] & UINT32_MAX];
	}
	int rc = keys && old ? 0 : -ENOMEM;
	free(keys);
	free(old);
	return rc;
}

static int order_marks(int32_t *codes, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t start = i;
		bool ordered = true;
		unsigned last = 0;
		for (unsigned class; i < n && (class = combining_class(codes[i])) != 0; i++) {
			ordered &= class >= last;
			last = class;
		}
		int rc = ordered ? 0 : order_run(codes + start, i - start);
		if (rc < 0)
			return rc;
		i += i == start;
	}
	return 0;
}

static int decompose(enum hs_norm norm, struct cut cut, struct codes *codes)
{
	int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (norm == HS_NORM_NFKC ? UTF8PROC_COMPAT : 0),
	    bound_class = 0;
	for (const uint8_t *p = cut.start; p < cut.end;) {
		uint32_t cp = 0;
		unsigned len = hs_utf8_decode(p, cut.end, &cp);
		if (codes_reserve(codes, LONGEST_DECOMPOSITION) < 0)
			return -ENOMEM;
		utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, codes->items + codes->n,
							     LONGEST_DECOMPOSITION, options, &bound_class);
		codes->n += n > 0 ? (size_t)n : 0;
		p += len ? len : 1;
	}
	return order_marks(codes->items, codes->n);
}

static int append_composed(enum hs_norm norm, struct codes *codes, struct hs_buf *out)
{
	int options = UTF8PROC_STABLE | UTF8PROC_COMPOSE | (norm == HS_NORM_NFKC ? UTF8PROC_COMPAT : 0);
	utf8proc_ssize_t n = utf8proc_normalize_utf32(codes->items, (utf8proc_ssize_t)codes->n, options);
	if (n < 0 || hs_buf_reserve(out, 4 * (size_t)n) < 0)
		return -ENOMEM;
	for (utf8proc_ssize_t i = 0; i < n; i++)
		out->len += hs_utf8_encode((uint32_t)codes->items[i], out->data + out->len);
	return 0;
}

static int normalize_cut(enum hs_norm norm, struct cut cut, struct hs_buf *out)
{
	struct codes codes = {.cap = sizeof(codes.small) / sizeof(codes.small[0])};
	codes.items = codes.small;
	int rc = decompose(norm, cut, &codes);
	if (rc == 0)
		rc = append_composed(norm, &codes, out);
	if (codes.items != codes.small)
		free(codes.items);
	return rc;
}

int hs_norm_apply(enum hs_norm norm, struct hs_span text, struct hs_buf *scratch, struct hs_span *ret)
{
	const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.len;
	struct cut cut;
	scratch->len = 0;
	if (norm == HS_NORM_NONE || !next_cut(norm, p, end, &cut)) {
		*ret = text;
		return 0;
	}
	int rc = 0;
	do {
		rc = hs_buf_append(scratch, p, (size_t)(cut.start - p));
		if (rc == 0)
			rc = normalize_cut(norm, cut, scratch);
		p = cut.end;
	} while (rc == 0 && next_cut(norm, p, end, &cut));
	if (rc == 0)
		rc = hs_buf_append(scratch, p, (size_t)(end - p));
	if (rc < 0)
		return rc;
	struct hs_span result = {(const char *)scratch->data, scratch->len};
	*ret = hs_span_eq(result, text) ? text : result;
	return 0;
}
