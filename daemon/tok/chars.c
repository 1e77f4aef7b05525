// SPDX-License-Identifier: Apache-2.0
#include "tok/chars.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct range {
	uint32_t first, last;
};

struct lower_run { // every step-th code point from first to last is delta away from its lower case
	uint32_t first, last, step;
	int32_t delta;
};

struct ccc_run {
	uint32_t first, last, ccc;
};

struct nfd_entry {
	uint32_t cp;
	uint16_t at, len;
};

#include "bert_tables.inc"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define HANGUL_FIRST 0xAC00u
#define HANGUL_LAST  0xD7A3u

// All tables begin with the code point they are sorted by: the last element that begins at or before cp, or NULL.
static const void *find(const void *table, size_t n, size_t item_bytes, uint32_t cp)
{
	const unsigned char *items = table;
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		uint32_t first;
		memcpy(&first, items + mid * item_bytes, sizeof(first));
		if (first <= cp)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? items + (lo - 1) * item_bytes : NULL;
}

#define FIND(table, cp) find(table, COUNT(table), sizeof((table)[0]), cp)

static void mark_ranges(uint8_t *flags, const struct range *ranges, size_t n, uint8_t flag)
{
	for (size_t i = 0; i < n; i++)
		for (uint32_t cp = ranges[i].first; cp <= ranges[i].last; cp++)
			flags[cp] |= flag;
}

static void mark_folds(uint8_t *flags)
{
	for (size_t i = 0; i < COUNT(nfd_entries); i++)
		flags[nfd_entries[i].cp] |= HS_CHARS_FOLDS;
	for (uint32_t cp = HANGUL_FIRST; cp <= HANGUL_LAST; cp++)
		flags[cp] |= HS_CHARS_FOLDS;
	for (size_t i = 0; i < COUNT(lower_runs); i++)
		for (uint32_t cp = lower_runs[i].first; cp <= lower_runs[i].last; cp += lower_runs[i].step)
			flags[cp] |= HS_CHARS_FOLDS;
	flags[0x130] |= HS_CHARS_FOLDS;
}

uint8_t *hs_chars_create(void)
{
	// Untouched pages stay the kernel's zero page: a megabyte of address space, some 250 KB of memory.
	uint8_t *flags = calloc(HS_CHARS_END, 1);
	if (!flags)
		return NULL;
	mark_ranges(flags, clean_removed, COUNT(clean_removed), HS_CHARS_REMOVED);
	mark_ranges(flags, clean_spaced, COUNT(clean_spaced), HS_CHARS_SPACED);
	mark_ranges(flags, cjk_spaced, COUNT(cjk_spaced), HS_CHARS_CJK);
	mark_ranges(flags, split_space, COUNT(split_space), HS_CHARS_SPLIT);
	mark_ranges(flags, split_punct, COUNT(split_punct), HS_CHARS_PUNCT);
	mark_ranges(flags, dropped_marks, COUNT(dropped_marks), HS_CHARS_MARK);
	for (size_t i = 0; i < COUNT(ccc_runs); i++)
		for (uint32_t cp = ccc_runs[i].first; cp <= ccc_runs[i].last; cp++)
			flags[cp] |= HS_CHARS_REORDER;
	mark_folds(flags);
	return flags;
}

// Hangul syllables decompose by arithmetic (Unicode, section 3.12).
static unsigned decompose_hangul(uint32_t cp, uint32_t *out)
{
	uint32_t index = cp - HANGUL_FIRST, tail = index % 28;
	out[0] = 0x1100 + index / (21 * 28);
	out[1] = 0x1161 + index % (21 * 28) / 28;
	if (!tail)
		return 2;
	out[2] = 0x11A7 + tail;
	return 3;
}

unsigned hs_chars_decompose(uint32_t cp, uint32_t out[HS_CHARS_MAX_DECOMPOSED])
{
	if (cp >= HANGUL_FIRST && cp <= HANGUL_LAST)
		return decompose_hangul(cp, out);
	const struct nfd_entry *entry = FIND(nfd_entries, cp);
	if (!entry || entry->cp != cp) {
		out[0] = cp;
		return 1;
	}
	memcpy(out, nfd_pool + entry->at, entry->len * sizeof(*out));
	return entry->len;
}

unsigned hs_chars_lower(uint32_t cp, uint32_t out[2])
{
	const struct lower_run *run = FIND(lower_runs, cp);
	out[0] = cp;
	if (cp == 0x130) {
		out[0] = 'i';
		out[1] = 0x307;
		return 2;
	}
	if (run && cp <= run->last && (cp - run->first) % run->step == 0)
		out[0] = (uint32_t)((int32_t)cp + run->delta);
	return 1;
}

unsigned hs_chars_combining_class(uint32_t cp)
{
	const struct ccc_run *run = FIND(ccc_runs, cp);
	return run && cp <= run->last ? run->ccc : 0;
}

bool hs_chars_is_word(uint32_t cp)
{
	const struct range *range = FIND(word_chars, cp);
	return range && cp <= range->last;
}
