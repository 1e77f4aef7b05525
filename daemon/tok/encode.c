// SPDX-License-Identifier: Apache-2.0
// One pass over the bytes: decode a code point, look its word up (compile.h), append ordinary characters' codes to the
// current word, and at anything else match the word against the trie, longest piece first (WordPiece). No allocation
// per word, no memory of earlier words: a cache of words was slower than the trie.
//
// Around it, in the library's order: literal added tokens are cut out of the raw text; each piece between them is
// normalized and split. Where some added token is matched in normalized text, or a mark may change places with another,
// a piece is really normalized (normalize.c) and then goes through the same pass with the `plain` table.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tok/compile.h"
#include "tok/normalize.h"

#define LIKELY(x)    __builtin_expect(!!(x), 1)
#define IDS_PER_BYTE 2 // at most: no decomposition makes more than two kept characters of two bytes

struct hs_tok_scratch {
	struct hs_tok_work work;
	uint32_t *word; // codes of the current word
	size_t word_cap;
};

struct run {
	const struct hs_tok *tok;
	struct hs_tok_scratch *scratch;
	struct hs_ids *out;
};

// The word under construction and where its ids go.
struct sink {
	const struct hs_trie_node *nodes;
	uint32_t *word;
	size_t n, max; // n may run past max: the word is too long then
	uint32_t unk;
	uint32_t *out;
};

int hs_tok_scratch_create(struct hs_tok_scratch **ret)
{
	struct hs_tok_scratch *scratch = calloc(1, sizeof(*scratch));
	if (!scratch)
		return -ENOMEM;
	*ret = scratch;
	return 0;
}

void hs_tok_scratch_destroy(struct hs_tok_scratch *scratch)
{
	if (!scratch)
		return;
	hs_tok_work_fini(&scratch->work);
	free(scratch->word);
	free(scratch);
}

void hs_ids_fini(struct hs_ids *ids)
{
	free(ids->ids);
	*ids = (struct hs_ids){0};
}

// The longest entry that the word has at `from`; its id, or HS_TRIE_NONE. *at moves behind it.
static inline uint32_t longest(const struct sink *s, uint32_t root, size_t *at)
{
	uint32_t node = root, best = HS_TRIE_NONE;
	for (size_t i = *at; i < s->n;) {
		node = hs_trie_step(s->nodes, node, s->word[i++]);
		if (node == HS_TRIE_NONE)
			break;
		uint32_t value = s->nodes[node].value;
		if (value != HS_TRIE_NONE) {
			best = value;
			*at = i;
		}
	}
	return best;
}

static inline void flush(struct sink *s)
{
	if (s->n == 0)
		return;
	uint32_t *first = s->out;
	uint32_t root = HS_TOK_ROOT_START, id = s->n > s->max ? HS_TRIE_NONE : 0;
	for (size_t at = 0; at < s->n && id != HS_TRIE_NONE; root = HS_TOK_ROOT_INSIDE) {
		id = longest(s, root, &at);
		*s->out++ = id;
	}
	if (id == HS_TRIE_NONE) { // stuck somewhere, or too long: the whole word is one unknown
		*first = s->unk;
		s->out = first + 1;
	}
	s->n = 0;
}

static inline void put_code(struct sink *s, uint32_t code)
{
	if (LIKELY(s->n < s->max))
		s->word[s->n] = code;
	s->n++;
}

// Everything but ordinary characters. False for a mark that may change places.
static bool put_special(struct sink *s, const uint32_t *pool, uint32_t word)
{
	uint32_t value = HS_TOK_WORD_VALUE(word);
	switch ((enum hs_tok_char_class)HS_TOK_WORD_CLASS(word)) {
	case HS_TOK_ORDINARY: // from the pool
		put_code(s, value);
		return true;
	case HS_TOK_SPACE:
		flush(s);
		return true;
	case HS_TOK_OWN:
		flush(s);
		*s->out++ = value;
		return true;
	case HS_TOK_DROPPED:
		return true;
	case HS_TOK_FOLDED:
		for (uint32_t i = 1; i <= pool[value]; i++)
			put_special(s, pool, pool[value + i]);
		return true;
	case HS_TOK_REORDER:
		break;
	}
	return false;
}

// Decoding without checks but those that keep reads and table look-ups inside: the text is valid UTF-8 by contract.
// Returns the length, 0 when the text is cut off.
static inline unsigned decode(const uint8_t *p, const uint8_t *end, uint32_t *ret)
{
	size_t left = (size_t)(end - p);
	uint32_t lead = p[0];
	if (lead >= 0xE0 && lead < 0xF0 && LIKELY(left >= 3)) {
		*ret = (lead & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
		return 3;
	}
	if (lead < 0x80) {
		*ret = lead;
		return 1;
	}
	if (lead < 0xE0 && left >= 2) {
		*ret = (lead & 0x1F) << 6 | (p[1] & 0x3F);
		return 2;
	}
	return hs_utf8_decode(p, end, ret);
}

// Appends ordinary characters to the word; stops at the end or behind the first other one, whose word it returns (a
// dropped character's at the end).
static inline uint32_t take_ordinary(struct sink *s, const uint32_t *table, const uint8_t **p, const uint8_t *end)
{
	const uint8_t *at = *p;
	size_t n = s->n; // in a register: this loop is where the time goes
	uint32_t cp;
	while (at < end) {
		unsigned len = decode(at, end, &cp);
		if (len == 0)
			break;
		at += len;
		uint32_t word = table[cp];
		if (HS_TOK_WORD_CLASS(word) != HS_TOK_ORDINARY) {
			s->n = n;
			*p = at;
			return word;
		}
		if (LIKELY(n < s->max))
			s->word[n] = word;
		n++;
	}
	s->n = n;
	*p = end;
	return HS_TOK_WORD(HS_TOK_DROPPED, 0);
}

// 0, -ENOMEM, or -EAGAIN when the piece must be normalized first (nothing is appended then).
static int encode_words(struct run *run, const uint32_t *table, struct hs_span text)
{
	const struct hs_tok *tok = run->tok;
	struct hs_ids *out = run->out;
	size_t most = text.len * IDS_PER_BYTE, max = tok->spec.max_chars < most ? (size_t)tok->spec.max_chars : most;
	if (text.len > SIZE_MAX / 16 || hs_grow(&out->ids, &out->cap, out->n + most + 1, sizeof(*out->ids)) < 0 ||
	    hs_grow(&run->scratch->word, &run->scratch->word_cap, max + 1, sizeof(*run->scratch->word)) < 0)
		return -ENOMEM;
	struct sink s = {tok->words.nodes, run->scratch->word, 0, max, tok->spec.unk_id, out->ids + out->n};
	const uint8_t *p = (const uint8_t *)text.ptr, *end = p + text.len;
	while (p < end) {
		uint32_t word = take_ordinary(&s, table, &p, end);
		if (LIKELY(HS_TOK_WORD_CLASS(word) == HS_TOK_SPACE))
			flush(&s);
		else if (!put_special(&s, tok->pool, word))
			return -EAGAIN;
	}
	flush(&s);
	out->n = (size_t)(s.out - out->ids);
	return 0;
}

static int put_id(struct run *run, uint32_t id)
{
	if (hs_grow(&run->out->ids, &run->out->cap, run->out->n + 1, sizeof(*run->out->ids)) < 0)
		return -ENOMEM;
	run->out->ids[run->out->n++] = id;
	return 0;
}

static const struct hs_tok_added *longest_token(const struct hs_tok *tok, const struct hs_tok_matcher *m,
						struct hs_span text, size_t from, size_t *ret_end)
{
	const struct hs_tok_added *found = NULL;
	uint32_t node = 0;
	for (size_t i = from; i < text.len; i++) {
		node = hs_trie_step(m->trie.nodes, node, (uint8_t)text.ptr[i] + 1u);
		if (node == HS_TRIE_NONE)
			break;
		if (m->trie.nodes[node].value != HS_TRIE_NONE) {
			found = &tok->spec.added[m->trie.nodes[node].value];
			*ret_end = i + 1;
		}
	}
	return found;
}

static size_t char_before(struct hs_span text, size_t at)
{
	do
		at--;
	while (at > 0 && ((uint8_t)text.ptr[at] & 0xC0) == 0x80);
	return at;
}

static uint32_t cp_at(struct hs_span text, size_t at, unsigned *ret_len)
{
	const uint8_t *p = (const uint8_t *)text.ptr;
	uint32_t cp = 0;
	*ret_len = hs_utf8_decode(p + at, p + text.len, &cp);
	return cp;
}

static bool touches_word(struct hs_span text, size_t from, size_t to)
{
	unsigned n;
	return (from > 0 && hs_chars_is_word(cp_at(text, char_before(text, from), &n))) ||
	       (to < text.len && hs_chars_is_word(cp_at(text, to, &n)));
}

static size_t skip_space_left(const struct hs_tok *tok, struct hs_span text, size_t from, size_t stop)
{
	unsigned n;
	while (from > stop) {
		size_t before = char_before(text, from);
		if (!(tok->chars[cp_at(text, before, &n)] & HS_CHARS_SPLIT))
			break;
		from = before;
	}
	return from < stop ? stop : from;
}

static size_t skip_space_right(const struct hs_tok *tok, struct hs_span text, size_t to)
{
	unsigned n;
	while (to < text.len && (tok->chars[cp_at(text, to, &n)] & HS_CHARS_SPLIT))
		to += n;
	return to;
}

// Moves *at to the next byte that a token can begin with; false when there is none.
static bool next_start(const struct hs_tok_matcher *m, struct hs_span text, size_t *at)
{
	const uint8_t *p = (const uint8_t *)text.ptr + *at, *end = (const uint8_t *)text.ptr + text.len;
	if (m->nstarts == 1) // "[" nearly always
		p = p < end ? memchr(p, m->first_start, (size_t)(end - p)) : NULL;
	else
		while (m->nstarts && p < end && !m->starts[*p])
			p++;
	if (!m->nstarts || !p || p == end)
		return false;
	*at = (size_t)(p - (const uint8_t *)text.ptr);
	return true;
}

typedef int piece_fn(struct run *run, struct hs_span piece);

// Cuts added tokens out of a text, leftmost and longest, and hands what lies between them to `rest`. A token that may
// not touch a word is passed over without trying a shorter one; the white space that a token swallows does not move the
// place where the search goes on: a token may even begin in it, and counts unless nothing is left of it.
static int split_tokens(struct run *run, const struct hs_tok_matcher *m, struct hs_span text, piece_fn *rest)
{
	size_t done = 0;
	for (size_t at = 0; next_start(m, text, &at);) {
		size_t from = at, end = at;
		const struct hs_tok_added *token = longest_token(run->tok, m, text, at, &end);
		at = token ? end : at + 1;
		if (!token || (token->single_word && touches_word(text, from, end)))
			continue;
		if (token->lstrip)
			from = skip_space_left(run->tok, text, from, done);
		if (token->rstrip)
			end = skip_space_right(run->tok, text, end);
		if (from > done && rest(run, (struct hs_span){text.ptr + done, from - done}) < 0)
			return -ENOMEM;
		if (from < end && put_id(run, token->id) < 0)
			return -ENOMEM;
		done = end;
	}
	return done < text.len ? rest(run, (struct hs_span){text.ptr + done, text.len - done}) : 0;
}

static int encode_plain(struct run *run, struct hs_span piece)
{
	return encode_words(run, run->tok->plain, piece);
}

static int encode_raw(struct run *run, struct hs_span piece)
{
	const struct hs_tok *tok = run->tok;
	int rc = tok->normalized.nstarts ? -EAGAIN : encode_words(run, tok->raw, piece);
	if (rc != -EAGAIN)
		return rc;
	struct hs_tok_work *work = &run->scratch->work;
	rc = hs_tok_normalize(&tok->spec, tok->chars, piece, work);
	if (rc < 0)
		return rc;
	struct hs_span normalized = {(const char *)work->text.data, work->text.len};
	return split_tokens(run, &tok->normalized, normalized, encode_plain);
}

int hs_tok_encode(const struct hs_tok *tok, struct hs_tok_scratch *scratch, struct hs_span text, struct hs_ids *out)
{
	struct run run = {tok, scratch, out};
	size_t before = out->n;
	int rc = split_tokens(&run, &tok->literal, text, encode_raw);
	if (rc < 0)
		out->n = before;
	return rc;
}
