// SPDX-License-Identifier: Apache-2.0
// Masking: which tokens of a row are replaced by the tokenizer's mask token. A function of (mask seed, epoch, row,
// place in the untruncated row) and of nothing else, so that every rank, batch size, order, transport and restart sees
// the same tokens masked.
//
// Draws are SplitMix64's (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014), which
// counts: its draw n can be computed without those before it.
//
//   draw(s, n) = mix(s + (n + 1) * G)               the n-th output, from 0, of the generator whose state is s
//   e = draw(draw(mask seed, 0), epoch)             an epoch's state
//   r = draw(e, row)                                a row's state; with mask_rows the row is chosen when the upper
//                                                   53 bits of r, as a fraction, are below p
//   draw(r, t)                                      of the token at place t, special tokens not counted
//
// mask_rows masks the real token with the smallest draw among those that remain after truncation (the first of equal
// ones), mask_prob each real token whose draw's upper 53 bits are below p: so a token that remains with another
// max_length is masked there too. PROTOCOL.md says the same; a change of it is another HS_MASK_ALGORITHM.
#include <math.h>
#include <string.h>

#include "feed/internal.h"

#define G 0x9E3779B97F4A7C15u

static uint64_t draw(uint64_t state, uint64_t n)
{
	uint64_t z = state + (n + 1) * G;
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

// ---- what is masked ----

static void add_special(struct hs_mask *m, int64_t id)
{
	for (size_t i = 0; i < m->nspecials; i++)
		if (m->specials[i] == id)
			return;
	if (id >= 0)
		m->specials[m->nspecials++] = id;
}

static void find_specials(struct hs_mask *m, const struct hs_encoding *e)
{
	const int64_t named[] = {e->pad_id, e->unk_id, e->cls_id, e->sep_id, e->mask_id};
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		add_special(m, named[i]);
	for (uint32_t i = 0; i < e->nprefix; i++)
		add_special(m, e->prefix[i]);
	for (uint32_t i = 0; i < e->nsuffix; i++)
		add_special(m, e->suffix[i]);
}

static int check_share(const struct hs_mask_spec *spec, struct hs_err *reterr)
{
	if (spec->share > 0 && spec->share <= 1)
		return 0;
	hs_err_set(reterr, HSFEED_EBADREQUEST, "%s is a share above 0 and up to 1, not %g", hs_mask_name(spec->kind),
		   spec->share);
	return hs_err_hint(reterr, "0.1 is one in ten; 0 masks nothing");
}

// The one encoding of all masked roles: the tokens of different ones do not correspond.
static int find_encoding(const struct hs_feed_source *source, const struct hs_mask_spec *spec,
			 const struct hs_encoding **ret, struct hs_err *reterr)
{
	const struct hs_encoding *found = NULL;
	const char *role = "";
	for (size_t i = 0; i < hs_feed_source_nroles(source); i++) {
		const struct hs_encoding *e = hs_feed_source_encoding(source, i);
		if (!spec->roles[i] || found == e)
			continue;
		if (found) {
			hs_err_set(reterr, HSFEED_EBADREQUEST,
				   "%s cannot mask the roles \"%s\" and \"%s\" alike: they have different tokenizers, "
				   "whose tokens do not correspond",
				   hs_mask_name(spec->kind), role, hs_feed_source_role(source, i));
			return hs_err_hint(reterr, "mask_roles [\"%s\"] masks that role alone", role);
		}
		found = e;
		role = hs_feed_source_role(source, i);
	}
	if (found && found->mask_id < 0) {
		hs_err_set(reterr, HSFEED_EBADREQUEST, "%s needs a mask token; the tokenizer of role \"%s\" has none",
			   hs_mask_name(spec->kind), role);
		return hs_err_hint(reterr,
				   "\"mask_token\" of its tokenizer_config.json names it; ingest again with it");
	}
	if (!found)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "%s: no role is to be masked", hs_mask_name(spec->kind));
	*ret = found;
	return 0;
}

int hs_feed_mask_init(struct hs_mask *m, const struct hs_feed_source *source, const struct hs_stream_spec *stream,
		      struct hs_err *reterr)
{
	const struct hs_mask_spec *spec = &stream->mask;
	const struct hs_encoding *e = NULL;
	*m = (struct hs_mask){.kind = HS_MASK_NONE};
	if (spec->kind == HS_MASK_NONE)
		return 0;
	int rc = check_share(spec, reterr);
	if (rc == 0)
		rc = find_encoding(source, spec, &e, reterr);
	if (rc < 0)
		return rc;
	*m = (struct hs_mask){.kind = spec->kind,
			      .below = (uint64_t)ceil(ldexp(spec->share, 53)),
			      .seed = spec->seed,
			      .id = e->mask_id,
			      .left = e->truncate_left,
			      .remaining = SIZE_MAX};
	find_specials(m, e);
	for (size_t i = 0; i < hs_feed_source_nroles(source); i++) {
		size_t budget = stream->max_length[i] - e->nprefix - e->nsuffix;
		m->roles[i] = spec->roles[i];
		if (m->roles[i] && budget < m->remaining)
			m->remaining = budget;
	}
	return 0;
}

const char *hs_mask_name(enum hs_mask_kind kind)
{
	return kind == HS_MASK_PROB ? "mask_prob" : "mask_rows";
}

// ---- masking ----

uint64_t hs_feed_mask_epoch(const struct hs_mask *m, uint64_t epoch)
{
	return draw(draw(m->seed, 0), epoch);
}

static int64_t get(const struct hs_tokens *tokens, size_t i)
{
	return tokens->narrow ? ((const int32_t *)tokens->ids)[i] : ((const int64_t *)tokens->ids)[i];
}

static void put(const struct hs_tokens *tokens, size_t i, int64_t id)
{
	if (tokens->narrow)
		((int32_t *)tokens->ids)[i] = (int32_t)id;
	else
		((int64_t *)tokens->ids)[i] = id;
}

static bool is_real(const struct hs_mask *m, int64_t id)
{
	for (size_t i = 0; i < m->nspecials; i++)
		if (m->specials[i] == id)
			return false;
	return true;
}

// The token with the least draw, real or not; without branches, since which is less cannot be predicted.
static size_t least_of_all(uint64_t state, const struct hs_tokens *tokens, size_t begin, size_t end)
{
	size_t found = begin;
	uint64_t least = UINT64_MAX;
	for (size_t i = begin; i < end; i++) {
		uint64_t d = draw(state, tokens->first + i);
		found = d < least ? i : found;
		least = d < least ? d : least;
	}
	return found;
}

// The real token with the least draw; SIZE_MAX: there is none.
static size_t least_of_real(const struct hs_mask *m, uint64_t state, const struct hs_tokens *tokens, size_t begin,
			    size_t end)
{
	size_t found = SIZE_MAX;
	uint64_t least = 0;
	for (size_t i = begin; i < end; i++) {
		uint64_t d = draw(state, tokens->first + i);
		if ((found == SIZE_MAX || d < least) && is_real(m, get(tokens, i))) {
			least = d;
			found = i;
		}
	}
	return found;
}

// Of the tokens that remain in every masked role, which all mask the same one.
static void mask_one(const struct hs_mask *m, uint64_t state, const struct hs_tokens *tokens)
{
	size_t n = tokens->n < m->remaining ? tokens->n : m->remaining, begin = m->left ? tokens->n - n : 0;
	if (n == 0)
		return;
	size_t found = least_of_all(state, tokens, begin, begin + n);
	if (!is_real(m, get(tokens, found)))
		found = least_of_real(m, state, tokens, begin, begin + n);
	if (found != SIZE_MAX)
		put(tokens, found, m->id);
}

static void mask_each(const struct hs_mask *m, uint64_t state, const struct hs_tokens *tokens)
{
	for (size_t i = 0; i < tokens->n; i++)
		if (draw(state, tokens->first + i) >> 11 < m->below && is_real(m, get(tokens, i)))
			put(tokens, i, m->id);
}

size_t hs_feed_mask_choose(const struct hs_mask *m, uint64_t epoch_state, const uint32_t *rows, size_t n,
			   uint32_t *ret_places)
{
	size_t found = 0;
	for (size_t i = 0; i < n; i++) { // no branch: which rows are chosen cannot be predicted
		ret_places[found] = (uint32_t)i;
		found += m->kind == HS_MASK_PROB || draw(epoch_state, rows[i]) >> 11 < m->below;
	}
	return found;
}

void hs_feed_mask_row(const struct hs_mask *m, uint64_t epoch_state, uint32_t row, const struct hs_tokens *tokens)
{
	uint64_t state = draw(epoch_state, row);
	if (m->kind == HS_MASK_PROB)
		mask_each(m, state, tokens);
	else
		mask_one(m, state, tokens);
}
