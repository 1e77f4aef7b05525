// SPDX-License-Identifier: Apache-2.0
#include "tok/spec.h"

#include <errno.h>
#include <stdlib.h>

void hs_tok_spec_fini(struct hs_tok_spec *spec)
{
	hs_buf_fini(&spec->text);
	hs_buf_fini(&spec->prefix);
	hs_buf_fini(&spec->added_text);
	free(spec->entries);
	free(spec->index);
	free(spec->added);
	*spec = (struct hs_tok_spec){0};
}

static void note_id(struct hs_tok_spec *spec, uint32_t id)
{
	if (id > spec->max_id)
		spec->max_id = id;
}

int hs_tok_spec_add_entry(struct hs_tok_spec *spec, struct hs_span text, uint64_t id)
{
	if (id >= HS_TOK_MAX_VOCAB || text.len > HS_TOK_MAX_TOKEN_BYTES || spec->nentries >= HS_TOK_MAX_VOCAB)
		return -E2BIG;
	size_t at = spec->text.len;
	if (hs_grow(&spec->entries, &spec->entries_cap, spec->nentries + 1, sizeof(*spec->entries)) < 0 ||
	    hs_buf_append(&spec->text, text.ptr, text.len) < 0)
		return -ENOMEM;
	spec->entries[spec->nentries++] = (struct hs_tok_entry){at, (uint32_t)text.len, (uint32_t)id};
	note_id(spec, (uint32_t)id);
	return 0;
}

void hs_tok_spec_forget_entries(struct hs_tok_spec *spec)
{
	spec->text.len = spec->nentries = 0;
	spec->max_id = 0;
}

static struct hs_span entry_text(const struct hs_tok_spec *spec, const struct hs_tok_entry *entry)
{
	return (struct hs_span){(const char *)spec->text.data + entry->at, entry->len};
}

// The slot that holds this text, or the free one where it belongs.
static size_t probe(const struct hs_tok_spec *spec, struct hs_span text)
{
	size_t mask = spec->index_size - 1, slot = hs_span_hash(text) & mask;
	while (spec->index[slot] && !hs_span_eq(entry_text(spec, &spec->entries[spec->index[slot] - 1]), text))
		slot = (slot + 1) & mask;
	return slot;
}

int hs_tok_spec_index(struct hs_tok_spec *spec)
{
	spec->index_size = 64;
	while (spec->index_size < spec->nentries * 2)
		spec->index_size *= 2;
	spec->index = hs_array(spec->index_size, sizeof(*spec->index));
	if (!spec->index)
		return -ENOMEM;
	size_t kept = 0;
	for (size_t i = 0; i < spec->nentries; i++) {
		struct hs_tok_entry entry = spec->entries[i];
		size_t slot = probe(spec, entry_text(spec, &entry));
		if (spec->index[slot]) {
			spec->entries[spec->index[slot] - 1].id = entry.id;
			continue;
		}
		spec->entries[kept++] = entry;
		spec->index[slot] = (uint32_t)kept;
	}
	size_t dropped = spec->nentries - kept;
	spec->nentries = kept;
	return (int)dropped;
}

int64_t hs_tok_spec_find(const struct hs_tok_spec *spec, struct hs_span text)
{
	uint32_t found = spec->index[probe(spec, text)];
	return found ? (int64_t)spec->entries[found - 1].id : -1;
}

static struct hs_span added_text(const struct hs_tok_spec *spec, const struct hs_tok_added *token)
{
	return (struct hs_span){(const char *)spec->added_text.data + token->at, token->content.len};
}

const struct hs_tok_added *hs_tok_spec_find_added(const struct hs_tok_spec *spec, struct hs_span text)
{
	for (size_t i = 0; i < spec->nadded; i++)
		if (hs_span_eq(added_text(spec, &spec->added[i]), text))
			return &spec->added[i];
	return NULL;
}

int64_t hs_tok_spec_find_any(const struct hs_tok_spec *spec, struct hs_span text)
{
	const struct hs_tok_added *token = hs_tok_spec_find_added(spec, text);
	return token ? (int64_t)token->id : hs_tok_spec_find(spec, text);
}

void hs_tok_spec_begin_batch(struct hs_tok_spec *spec)
{
	spec->next_id = spec->nentries;
	for (size_t i = 0; i < spec->nadded; i++)
		if (spec->added[i].id >= spec->next_id)
			spec->next_id = (uint64_t)spec->added[i].id + 1;
}

int hs_tok_spec_add_token(struct hs_tok_spec *spec, const struct hs_tok_added *token)
{
	if (token->content.len == 0)
		return 0;
	if (token->content.len > HS_TOK_MAX_TOKEN_BYTES)
		return -E2BIG;
	struct hs_tok_added copy = *token;
	const struct hs_tok_added *known = hs_tok_spec_find_added(spec, token->content);
	if (known) {
		copy.at = known->at;
		copy.id = known->id;
		copy.content.ptr = NULL;
		spec->added[known - spec->added] = copy;
		return 0;
	}
	int64_t in_vocab = hs_tok_spec_find(spec, token->content);
	uint64_t id = in_vocab >= 0 ? (uint64_t)in_vocab : spec->next_id;
	if (id >= HS_TOK_MAX_VOCAB || spec->nadded >= HS_TOK_MAX_ADDED)
		return -E2BIG;
	for (size_t i = 0; i < spec->nadded; i++)
		if (spec->added[i].id == id)
			return -EEXIST;
	copy.id = (uint32_t)id;
	copy.at = spec->added_text.len;
	copy.content.ptr = NULL;
	if (hs_grow(&spec->added, &spec->added_cap, spec->nadded + 1, sizeof(*spec->added)) < 0 ||
	    hs_buf_append(&spec->added_text, token->content.ptr, token->content.len) < 0)
		return -ENOMEM;
	spec->added[spec->nadded++] = copy;
	spec->next_id += in_vocab < 0;
	note_id(spec, copy.id);
	return 0;
}
