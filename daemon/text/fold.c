// SPDX-License-Identifier: Apache-2.0
// NFC comes first, so that a letter and its mark fold as the composed letter does, and again after folding, which may
// take a composed letter apart (U+0390, say).
#include "text/fold.h"

#include <errno.h>

#include <utf8proc.h>

#include "base/utf8.h"
#include "text/clean.h"
#include "text/norm.h"

#define LONGEST_FOLDING 8 // code points; Unicode's longest is 3

static bool may_fold(uint32_t cp)
{
	if (cp < 0x80)
		return cp >= 'A' && cp <= 'Z';
	if (cp >= 0x0590 && cp < 0x10A0)
		return false; // from Hebrew to Myanmar no script has case; Bengali is here
	return utf8proc_get_property((utf8proc_int32_t)cp)->casefold_seqindex != UINT16_MAX;
}

// The first character that folding changes.
static const uint8_t *next_cased(const uint8_t *p, const uint8_t *end)
{
	while (p < end) {
		uint32_t cp = 0;
		unsigned len = hs_utf8_decode(p, end, &cp);
		if (may_fold(cp))
			break;
		p += len ? len : 1;
	}
	return p;
}

static int append_folded(struct hs_buf *out, uint32_t cp)
{
	utf8proc_int32_t codes[LONGEST_FOLDING] = {0};
	int bound_class = 0;
	utf8proc_ssize_t n = 1;
	if (cp < 0x80)
		codes[0] = (utf8proc_int32_t)(cp | 0x20);
	else
		n = utf8proc_decompose_char((utf8proc_int32_t)cp, codes, LONGEST_FOLDING, UTF8PROC_CASEFOLD,
					    &bound_class);
	if (hs_buf_reserve(out, 4 * LONGEST_FOLDING) < 0)
		return -ENOMEM;
	for (utf8proc_ssize_t i = 0; i < n && i < LONGEST_FOLDING; i++)
		out->len += hs_utf8_encode((uint32_t)codes[i], out->data + out->len);
	return 0;
}

static int fold_case(struct hs_span text, struct hs_buf *out, struct hs_span *ret)
{
	const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.len, *cased = next_cased(p, end);
	if (cased == end)
		return 0;
	out->len = 0;
	while (cased < end) {
		uint32_t cp = 0;
		unsigned len = hs_utf8_decode(cased, end, &cp);
		if (hs_buf_append(out, p, (size_t)(cased - p)) < 0 || append_folded(out, cp) < 0)
			return -ENOMEM;
		p = cased + (len ? len : 1);
		cased = next_cased(p, end);
	}
	if (hs_buf_append(out, p, (size_t)(end - p)) < 0)
		return -ENOMEM;
	*ret = (struct hs_span){(const char *)out->data, out->len};
	return 1;
}

int hs_fold_text(struct hs_fold *f, struct hs_span text, struct hs_span *ret)
{
	static const struct hs_clean_step spaces = {.kind = HS_CLEAN_WHITESPACE};
	struct hs_span s;
	if (text.len == 0) {
		*ret = text;
		return 0;
	}
	int rc = hs_norm_apply(HS_NORM_NFC, text, &f->normal, &s);
	if (rc == 0)
		rc = fold_case(s, &f->folded, &s);
	if (rc == 1)
		rc = hs_norm_apply(HS_NORM_NFC, s, &f->normal, &s);
	f->spaced.len = 0;
	if (rc == 0)
		rc = hs_buf_reserve(&f->spaced, s.len);
	if (rc == 0)
		*ret = hs_clean_text(&spaces, 1, s, (char *)f->spaced.data);
	return rc;
}

void hs_fold_fini(struct hs_fold *f)
{
	hs_buf_fini(&f->normal);
	hs_buf_fini(&f->folded);
	hs_buf_fini(&f->spaced);
}
