// SPDX-License-Identifier: Apache-2.0
// From a resolved spec to tables:
//
//   1. number the code points of the vocabulary by falling frequency: dense codes from 1;
//   2. `plain`: what the pre-tokenizer and the vocabulary make of each code point of a normalized text;
//   3. `raw`: what normalizer and pre-tokenizer make of each code point of a raw text, by normalizing it alone and
//   looking
//      the result up in `plain`. Only marks that change places with neighbours cannot be treated alone
//      (HS_TOK_REORDER);
//   4. a trie of the vocabulary with two roots: entries at the start of a word, and inside it (their prefix taken off);
//   5. tries of the added tokens.
//
// Both tables are flat, 4 MB of address space each; pages without a known character stay the kernel's zero page, which
// says "ordinary, in no vocabulary entry".
#include "tok/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tok/json.h"
#include "tok/normalize.h"

struct alphabet {
	uint32_t *cps; // all entries' code points, one entry after another; later their codes
	size_t ncps;
	uint32_t *starts;  // where each entry begins in cps, and the end
	uint32_t *letters; // distinct code points; code = index + 1
	uint32_t nletters;
	uint32_t *single; // per code: the id of the entry that is this character alone, or unk
};

static void alphabet_fini(struct alphabet *a)
{
	free(a->cps);
	free(a->starts);
	free(a->letters);
	free(a->single);
}

static int decode_entries(const struct hs_tok_spec *spec, struct alphabet *a)
{
	if (spec->text.len > UINT32_MAX)
		return -ENOMEM;
	a->cps = hs_array(spec->text.len, sizeof(*a->cps));
	a->starts = hs_array(spec->nentries + 1, sizeof(*a->starts));
	if (!a->cps || !a->starts)
		return -ENOMEM;
	for (size_t i = 0; i < spec->nentries; i++) {
		a->starts[i] = (uint32_t)a->ncps;
		if (spec->entries[i].len == 0)
			continue;
		const uint8_t *p = spec->text.data + spec->entries[i].at, *end = p + spec->entries[i].len;
		for (unsigned n; p < end && (n = hs_utf8_decode(p, end, &a->cps[a->ncps])) > 0; p += n)
			a->ncps++;
	}
	a->starts[spec->nentries] = (uint32_t)a->ncps;
	return 0;
}

struct letter {
	uint32_t count, cp;
};

static int by_count(const void *a, const void *b)
{
	const struct letter *x = a, *y = b;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->cp < y->cp ? -1 : x->cp > y->cp;
}

// Counts live in `plain`, which is all zero before and holds each letter's code afterwards.
static int number_letters(struct alphabet *a, uint32_t *plain)
{
	for (size_t i = 0; i < a->ncps; i++)
		a->nletters += plain[a->cps[i]]++ == 0;
	struct letter *letters = hs_array(a->nletters, sizeof(*letters));
	a->letters = hs_array(a->nletters, sizeof(*a->letters));
	if (!letters || !a->letters) {
		free(letters);
		return -ENOMEM;
	}
	size_t n = 0;
	for (size_t i = 0; i < a->ncps; i++) {
		uint32_t cp = a->cps[i];
		if (plain[cp] == 0)
			continue;
		letters[n++] = (struct letter){plain[cp], cp};
		plain[cp] = 0;
	}
	qsort(letters, n, sizeof(*letters), by_count);
	for (size_t i = 0; i < n; i++) {
		a->letters[i] = letters[i].cp;
		plain[letters[i].cp] = (uint32_t)i + 1;
	}
	free(letters);
	for (size_t i = 0; i < a->ncps; i++)
		a->cps[i] = plain[a->cps[i]];
	return 0;
}

static int find_singles(const struct hs_tok_spec *spec, struct alphabet *a)
{
	a->single = hs_array((size_t)a->nletters + 1, sizeof(*a->single));
	if (!a->single)
		return -ENOMEM;
	for (size_t code = 0; code <= a->nletters; code++)
		a->single[code] = spec->unk_id;
	for (size_t i = 0; i < spec->nentries && spec->max_chars > 0; i++)
		if (a->starts[i + 1] - a->starts[i] == 1)
			a->single[a->cps[a->starts[i]]] = spec->entries[i].id;
	return 0;
}

// Calls visit for every code point that has flags.
static int each_flagged(struct hs_tok *tok, const struct alphabet *a,
			int (*visit)(struct hs_tok *tok, const struct alphabet *a, uint32_t cp))
{
	for (uint32_t at = 0; at < HS_CHARS_END; at += 8) {
		uint64_t eight;
		memcpy(&eight, tok->chars + at, 8);
		for (uint32_t cp = at; eight && cp < at + 8; cp++) {
			int rc = tok->chars[cp] ? visit(tok, a, cp) : 0;
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int set_plain(struct hs_tok *tok, const struct alphabet *a, uint32_t cp)
{
	if (tok->chars[cp] & HS_CHARS_SPLIT)
		tok->plain[cp] = HS_TOK_WORD(HS_TOK_SPACE, 0);
	else if (tok->chars[cp] & HS_CHARS_PUNCT)
		tok->plain[cp] = HS_TOK_WORD(HS_TOK_OWN, a->single[tok->plain[cp]]);
	return 0;
}

// One character, normalized alone (clean_text and CJK spacing apart). Returns the number of characters.
static unsigned fold(const struct hs_tok *tok, uint32_t cp, uint32_t *out)
{
	uint32_t parts[HS_CHARS_MAX_DECOMPOSED];
	unsigned nparts = 1, n = 0;
	parts[0] = cp;
	if (tok->spec.strip_accents && (tok->chars[cp] & HS_CHARS_FOLDS))
		nparts = hs_chars_decompose(cp, parts);
	for (unsigned i = 0; i < nparts; i++) {
		if (tok->spec.strip_accents && (tok->chars[parts[i]] & HS_CHARS_MARK))
			continue;
		out[n] = parts[i];
		n += tok->spec.lowercase ? hs_chars_lower(parts[i], out + n) : 1;
	}
	return n;
}

static int put_pool(struct hs_tok *tok, const uint32_t *cps, unsigned n, uint32_t *ret)
{
	if (hs_grow(&tok->pool, &tok->pool_cap, tok->npool + n + 1, sizeof(*tok->pool)) < 0)
		return -ENOMEM;
	*ret = HS_TOK_WORD(HS_TOK_FOLDED, (uint32_t)tok->npool);
	tok->pool[tok->npool++] = n;
	for (unsigned i = 0; i < n; i++)
		tok->pool[tok->npool++] = tok->plain[cps[i]];
	return 0;
}

// Does decomposition leave a mark standing that canonical ordering may move?
static bool may_move(const struct hs_tok *tok, uint32_t cp)
{
	uint32_t parts[HS_CHARS_MAX_DECOMPOSED];
	unsigned n = tok->spec.strip_accents ? hs_chars_decompose(cp, parts) : 0;
	for (unsigned i = 0; i < n; i++)
		if ((tok->chars[parts[i]] & (HS_CHARS_REORDER | HS_CHARS_MARK)) == HS_CHARS_REORDER)
			return true;
	return false;
}

static int set_folded(struct hs_tok *tok, const struct alphabet *a, uint32_t cp)
{
	uint32_t folded[2 * HS_CHARS_MAX_DECOMPOSED];
	unsigned n = fold(tok, cp, folded);
	if (may_move(tok, cp))
		tok->raw[cp] = HS_TOK_WORD(HS_TOK_REORDER, 0);
	else if (n == 0)
		tok->raw[cp] = HS_TOK_WORD(HS_TOK_DROPPED, 0);
	else if (n > 1)
		return put_pool(tok, folded, n, &tok->raw[cp]);
	else if (tok->spec.chinese && (tok->chars[cp] & HS_CHARS_CJK)) // one ideograph, or another one for it
		tok->raw[cp] = HS_TOK_WORD(HS_TOK_OWN, a->single[tok->plain[folded[0]]]);
	else
		tok->raw[cp] = tok->plain[folded[0]];
	return 0;
}

static int set_raw(struct hs_tok *tok, const struct alphabet *a, uint32_t cp)
{
	uint8_t flags = tok->chars[cp];
	bool clean = tok->spec.clean_text;
	if (clean && (flags & HS_CHARS_REMOVED))
		tok->raw[cp] = HS_TOK_WORD(HS_TOK_DROPPED, 0);
	else if (clean && (flags & HS_CHARS_SPACED))
		tok->raw[cp] = HS_TOK_WORD(HS_TOK_SPACE, 0);
	else if (flags & (HS_CHARS_FOLDS | HS_CHARS_MARK | HS_CHARS_REORDER | HS_CHARS_CJK))
		return set_folded(tok, a, cp);
	else
		tok->raw[cp] = tok->plain[cp];
	return 0;
}

static int make_tables(struct hs_tok *tok, struct alphabet *a)
{
	tok->chars = hs_chars_create();
	tok->plain = hs_array(HS_CHARS_END, sizeof(*tok->plain));
	tok->raw = hs_array(HS_CHARS_END, sizeof(*tok->raw));
	if (!tok->chars || !tok->plain || !tok->raw || decode_entries(&tok->spec, a) < 0 ||
	    number_letters(a, tok->plain) < 0 || find_singles(&tok->spec, a) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < a->nletters; i++)
		tok->raw[a->letters[i]] = tok->plain[a->letters[i]];
	int rc = each_flagged(tok, a, set_plain);
	return rc < 0 ? rc : each_flagged(tok, a, set_raw);
}

// Entries that no word can contain (a blank or a punctuation mark in them) would only make the trie larger.
static bool reachable(const struct hs_tok *tok, const struct alphabet *a, const struct hs_trie_key *key)
{
	for (uint32_t i = 0; i < key->len; i++)
		if (HS_TOK_WORD_CLASS(tok->plain[a->letters[key->codes[i] - 1]]) != HS_TOK_ORDINARY)
			return false;
	return key->len > 0;
}

static bool has_prefix(const struct hs_tok_spec *spec, const struct hs_tok_entry *entry)
{
	return entry->len > spec->prefix.len &&
	       (spec->prefix.len == 0 || memcmp(spec->text.data + entry->at, spec->prefix.data, spec->prefix.len) == 0);
}

static uint32_t count_chars(const struct hs_buf *text)
{
	uint32_t n = 0;
	for (size_t i = 0; i < text->len; i++)
		n += (text->data[i] & 0xC0) != 0x80;
	return n;
}

static int make_trie(struct hs_tok *tok, const struct alphabet *a)
{
	const struct hs_tok_spec *spec = &tok->spec;
	struct hs_trie_key *keys = hs_array(2 * spec->nentries, sizeof(*keys));
	uint32_t prefix = count_chars(&spec->prefix);
	size_t n = 0;
	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < spec->nentries; i++) {
		const uint32_t *codes = a->cps + a->starts[i];
		uint32_t len = a->starts[i + 1] - a->starts[i], id = spec->entries[i].id;
		keys[n] = (struct hs_trie_key){codes, len, HS_TOK_ROOT_START, id};
		n += reachable(tok, a, &keys[n]);
		if (!has_prefix(spec, &spec->entries[i]))
			continue;
		keys[n] = (struct hs_trie_key){codes + prefix, len - prefix, HS_TOK_ROOT_INSIDE, id};
		n += reachable(tok, a, &keys[n]);
	}
	int rc = hs_trie_create(keys, n, a->nletters, &tok->words);
	free(keys);
	return rc;
}

static struct hs_json_shown show(const struct hs_tok_spec *spec, const struct hs_tok_added *token)
{
	char text[64];
	size_t len = token->content.len < sizeof(text) ? token->content.len : sizeof(text) - 1;
	memcpy(text, spec->added_text.data + token->at, len);
	text[len] = '\0';
	return hs_json_shown(text);
}

// All patterns of one matcher as byte codes, one after another; ends[i] is where the i-th stops.
struct patterns {
	uint32_t *codes;
	size_t ncodes, codes_cap;
	struct hs_trie_key *keys;
	size_t nkeys;
};

static int put_pattern(struct patterns *p, struct hs_tok_matcher *matcher, const uint8_t *bytes, size_t len,
		       size_t index)
{
	if (hs_grow(&p->codes, &p->codes_cap, p->ncodes + len, sizeof(*p->codes)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++)
		p->codes[p->ncodes++] = bytes[i] + 1u;
	p->keys[p->nkeys++] = (struct hs_trie_key){NULL, (uint32_t)len, 0, (uint32_t)index};
	if (!matcher->nstarts)
		matcher->first_start = bytes[0];
	matcher->nstarts += !matcher->starts[bytes[0]];
	matcher->starts[bytes[0]] = true;
	return 0;
}

static int collect_patterns(struct hs_tok *tok, bool normalized, struct hs_tok_work *work, struct patterns *p,
			    struct hs_err *reterr)
{
	const struct hs_tok_spec *spec = &tok->spec;
	for (size_t i = 0; i < spec->nadded; i++) {
		const struct hs_tok_added *token = &spec->added[i];
		struct hs_span text = {(const char *)spec->added_text.data + token->at, token->content.len};
		if (token->normalized != normalized)
			continue;
		if (normalized && hs_tok_normalize(spec, tok->chars, text, work) < 0)
			return -ENOMEM;
		if (normalized)
			text = (struct hs_span){(const char *)work->text.data, work->text.len};
		if (text.len == 0)
			return hs_err_set(
				reterr, HSFEED_EUNSUPPORTED,
				"added token \"%s\" (id %u) is looked for in normalized text, but the normalizer "
				"leaves nothing of it",
				show(spec, token).text, token->id);
		if (put_pattern(p, normalized ? &tok->normalized : &tok->literal, (const uint8_t *)text.ptr, text.len,
				i) < 0)
			return -ENOMEM;
	}
	return 0;
}

// Two tokens that are one after normalization: which of their ids the library gives differs from run to run.
static int refuse_twins(const struct hs_tok_spec *spec, const struct hs_trie *trie, const struct patterns *p,
			struct hs_err *reterr)
{
	for (size_t i = 0; i < p->nkeys; i++) {
		uint32_t node = 0;
		for (uint32_t k = 0; k < p->keys[i].len; k++)
			node = hs_trie_step(trie->nodes, node, p->keys[i].codes[k]);
		const struct hs_tok_added *a = &spec->added[p->keys[i].value],
					  *b = &spec->added[trie->nodes[node].value];
		if (a != b)
			return hs_err_set(reterr, HSFEED_EBADTOKENIZER,
					  "added tokens \"%s\" (id %u) and \"%s\" (id %u) are the same once normalized",
					  show(spec, a).text, a->id, show(spec, b).text, b->id);
	}
	return 0;
}

static int make_matcher(struct hs_tok *tok, bool normalized, struct hs_err *reterr)
{
	struct patterns p = {.keys = hs_array(tok->spec.nadded, sizeof(*p.keys))};
	struct hs_trie *trie = normalized ? &tok->normalized.trie : &tok->literal.trie;
	struct hs_tok_work work = {0};
	int rc = p.keys ? collect_patterns(tok, normalized, &work, &p, reterr) : -ENOMEM;
	size_t at = 0;
	for (size_t i = 0; rc == 0 && i < p.nkeys; i++) {
		p.keys[i].codes = p.codes + at;
		at += p.keys[i].len;
	}
	if (rc == 0 && p.nkeys)
		rc = hs_trie_create(p.keys, p.nkeys, 256, trie);
	if (rc == 0 && p.nkeys)
		rc = refuse_twins(&tok->spec, trie, &p, reterr);
	hs_tok_work_fini(&work);
	free(p.codes);
	free(p.keys);
	return rc;
}

int hs_tok_compile(struct hs_tok *tok, struct hs_err *reterr)
{
	struct alphabet a = {0};
	int rc = make_tables(tok, &a);
	if (rc == 0)
		rc = make_trie(tok, &a);
	alphabet_fini(&a);
	if (rc == 0)
		rc = make_matcher(tok, false, reterr);
	if (rc == 0)
		rc = make_matcher(tok, true, reterr);
	return rc;
}
