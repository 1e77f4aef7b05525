// SPDX-License-Identifier: Apache-2.0
// A tokenizer as its files describe it, resolved but not compiled: what the loaders fill and compile.c reads.
#ifndef HS_TOK_SPEC_H
#define HS_TOK_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "tok/tok.h"

#define HS_TOK_MAX_VOCAB       (1u << 24) // ids are below it: they share a 32-bit word with a character class
#define HS_TOK_MAX_TOKEN_BYTES (1u << 16)
#define HS_TOK_MAX_ADDED       10000u // they are compared with one another

struct hs_tok_entry {
	size_t at; // in hs_tok_spec.text
	uint32_t len, id;
};

struct hs_tok_added {
	struct hs_span content; // only its length once it is in a spec: the bytes are in added_text, at `at`
	size_t at;
	uint32_t id;
	bool single_word, lstrip, rstrip, normalized, special;
};

struct hs_tok_spec {
	struct hs_buf text; // the vocabulary's bytes, one entry after another
	struct hs_tok_entry *entries;
	size_t nentries, entries_cap;
	uint32_t *index; // hash table over entries: entry number + 1
	size_t index_size;
	uint32_t max_id; // the greatest of all, added tokens included

	bool clean_text, chinese, strip_accents, lowercase; // strip_accents null is resolved to lowercase's value
	uint64_t max_chars;                                 // longer words are unknown
	struct hs_buf prefix;                               // of pieces inside a word
	uint32_t unk_id;

	struct hs_tok_added *added;
	size_t nadded, added_cap;
	uint64_t next_id; // of the next added token that the vocabulary lacks
	struct hs_buf added_text;
	struct hs_tok_info info;
};

void hs_tok_spec_fini(struct hs_tok_spec *spec);

// hs_tok_spec_add_entry appends one vocabulary entry; the bytes are copied. 0, -ENOMEM, or -E2BIG for an id or a length
// over the limits.
int hs_tok_spec_add_entry(struct hs_tok_spec *spec, struct hs_span text, uint64_t id);

void hs_tok_spec_forget_entries(struct hs_tok_spec *spec);

// hs_tok_spec_index makes entries findable. Of entries with equal text the last one's id wins and one entry remains; so
// many entries are dropped. Returns their number or -ENOMEM.
int hs_tok_spec_index(struct hs_tok_spec *spec);

// hs_tok_spec_find looks in the vocabulary only, hs_tok_spec_find_any in the added tokens first. An id, or -1.
int64_t hs_tok_spec_find(const struct hs_tok_spec *spec, struct hs_span text);
int64_t hs_tok_spec_find_any(const struct hs_tok_spec *spec, struct hs_span text);
const struct hs_tok_added *hs_tok_spec_find_added(const struct hs_tok_spec *spec, struct hs_span text);

// hs_tok_spec_begin_batch sets where the ids of a list of added tokens begin, as HF's add_tokens(list) does: above the
// vocabulary's size (its number of entries, whatever their ids) and above all tokens added before.
void hs_tok_spec_begin_batch(struct hs_tok_spec *spec);

// hs_tok_spec_add_token adds one of a batch: a new token gets its vocabulary id if it has one, else the batch's next
// one (though some entry of a vocabulary with gaps may have it); a known token takes over the new flags. Empty content
// is ignored. 0, -ENOMEM, -E2BIG as above or for too many, or -EEXIST when another added token has the id already.
int hs_tok_spec_add_token(struct hs_tok_spec *spec, const struct hs_tok_added *token);

// hs_tok_settings writes the line that hs_tok_info.settings is (NUL-terminated). 0 or -ENOMEM.
int hs_tok_settings(const struct hs_tok_spec *spec, struct hs_buf *ret);

#endif
