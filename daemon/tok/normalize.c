// SPDX-License-Identifier: Apache-2.0
// The steps in the library's order, each over the whole text: clean, spaces around CJK, then (strip_accents) canonical
// decomposition with canonical ordering and removal of marks, then lower case.
#include "tok/normalize.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tok/chars.h"

#define MAX_EXPANSION HS_CHARS_MAX_DECOMPOSED // code points that one step makes of one, at most

static int clean_and_space(const struct hs_tok_spec *spec, const uint8_t *chars, struct hs_span text,
			   struct hs_tok_work *work)
{
	if (text.len > SIZE_MAX / 4 || hs_grow(&work->cps, &work->cps_cap, text.len + 2, sizeof(*work->cps)) < 0)
		return -ENOMEM;
	const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.len;
	uint32_t *out = work->cps, cp;
	for (unsigned n; p < end && (n = hs_utf8_decode(p, end, &cp)) > 0; p += n) {
		uint8_t flags = chars[cp];
		if (spec->clean_text && (flags & HS_CHARS_REMOVED))
			continue;
		if (spec->clean_text && (flags & HS_CHARS_SPACED))
			cp = ' ';
		bool own = spec->chinese && (flags & HS_CHARS_CJK); // three bytes at least, so three code points fit
		if (own)
			*out++ = ' ';
		*out++ = cp;
		if (own)
			*out++ = ' ';
	}
	work->ncps = (size_t)(out - work->cps);
	return 0;
}

// Sorting by counting, so that a text of nothing but marks costs no more than any other.
static void sort_run(uint32_t *cps, size_t n, uint32_t *spare)
{
	size_t ends[257] = {0};
	for (size_t i = 0; i < n; i++)
		ends[hs_chars_combining_class(cps[i]) + 1]++;
	for (size_t class = 1; class < 257; class ++)
		ends[class] += ends[class - 1];
	for (size_t i = 0; i < n; i++)
		spare[ends[hs_chars_combining_class(cps[i])]++] = cps[i];
	memcpy(cps, spare, n * sizeof(*cps));
}

// Runs of marks are sorted by combining class; marks of one class keep their order. `spare` is as long as cps.
static void reorder(uint32_t *cps, size_t n, const uint8_t *chars, uint32_t *spare)
{
	for (size_t i = 0, stop; i < n; i = stop) {
		for (stop = i; stop < n && (chars[cps[stop]] & HS_CHARS_REORDER); stop++)
			;
		if (stop - i > 1)
			sort_run(cps + i, stop - i, spare);
		stop += stop == i;
	}
}

static void swap_buffers(struct hs_tok_work *work)
{
	uint32_t *cps = work->cps;
	size_t cap = work->cps_cap;
	work->cps = work->next;
	work->cps_cap = work->next_cap;
	work->ncps = work->nnext;
	work->next = cps;
	work->next_cap = cap;
}

static int expand(struct hs_tok_work *work, const uint8_t *chars, unsigned (*step)(uint32_t cp, uint32_t *out))
{
	if (work->ncps > SIZE_MAX / MAX_EXPANSION / 4 ||
	    hs_grow(&work->next, &work->next_cap, work->ncps * MAX_EXPANSION + 1, sizeof(*work->next)) < 0)
		return -ENOMEM;
	uint32_t *out = work->next;
	for (size_t i = 0; i < work->ncps; i++) {
		uint32_t cp = work->cps[i];
		if (chars[cp] & HS_CHARS_FOLDS)
			out += step(cp, out);
		else
			*out++ = cp;
	}
	work->nnext = (size_t)(out - work->next);
	swap_buffers(work);
	return 0;
}

static int strip_accents(const uint8_t *chars, struct hs_tok_work *work)
{
	if (expand(work, chars, hs_chars_decompose) < 0)
		return -ENOMEM;
	if (hs_grow(&work->next, &work->next_cap, work->ncps, sizeof(*work->next)) < 0)
		return -ENOMEM;
	reorder(work->cps, work->ncps, chars, work->next);
	size_t kept = 0;
	for (size_t i = 0; i < work->ncps; i++)
		if (!(chars[work->cps[i]] & HS_CHARS_MARK))
			work->cps[kept++] = work->cps[i];
	work->ncps = kept;
	return 0;
}

int hs_tok_normalize(const struct hs_tok_spec *spec, const uint8_t *chars, struct hs_span text,
		     struct hs_tok_work *work)
{
	work->text.len = 0;
	if (clean_and_space(spec, chars, text, work) < 0)
		return -ENOMEM;
	if (spec->strip_accents && strip_accents(chars, work) < 0)
		return -ENOMEM;
	if (spec->lowercase && expand(work, chars, hs_chars_lower) < 0)
		return -ENOMEM;
	if (hs_buf_reserve(&work->text, work->ncps * 4 + 1) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < work->ncps; i++)
		work->text.len += hs_utf8_encode(work->cps[i], work->text.data + work->text.len);
	return 0;
}

void hs_tok_work_fini(struct hs_tok_work *work)
{
	free(work->cps);
	free(work->next);
	hs_buf_fini(&work->text);
	*work = (struct hs_tok_work){0};
}
