// SPDX-License-Identifier: Apache-2.0
// Tokenizers: a folder as Hugging Face saves it, compiled, and texts to token ids equal to HF tokenizers' (SPEC: BERT
// normalizer, BERT pre-tokenizer, WordPiece; added tokens; templates). Pure: bytes in, values out.
#ifndef HS_TOK_TOK_H
#define HS_TOK_TOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define HS_TOK_ENGINE       1  // changes only when some text would get other ids
#define HS_TOK_MAX_TEMPLATE 16 // special tokens before or after a text

// The files of a tokenizer folder; absent ones are {NULL, 0}. Bytes are hostile until checked.
struct hs_tok_files {
	const char *name; // for sentences: the folder or hub name as the user wrote it
	struct hs_span tokenizer_json;
	struct hs_span vocab_txt;
	struct hs_span tokenizer_config_json;
	struct hs_span special_tokens_map_json;
	struct hs_span config_json;
	struct hs_span merges_txt; // only to say what is not supported yet
	struct hs_span vocab_json;
};

// What a tokenizer is, once its files are resolved. All strings live as long as the tokenizer.
struct hs_tok_info {
	uint32_t vocab_size;                             // added tokens included; every id is below it
	int64_t pad_id, unk_id, cls_id, sep_id, mask_id; // -1: none
	uint32_t nprefix, nsuffix;                       // the template for a single text: prefix ids, text, suffix ids
	uint32_t prefix[HS_TOK_MAX_TEMPLATE], suffix[HS_TOK_MAX_TEMPLATE];
	uint32_t prefix_type[HS_TOK_MAX_TEMPLATE], text_type, suffix_type[HS_TOK_MAX_TEMPLATE]; // token_type_ids
	uint32_t pad_type_id;
	bool truncate_left, pad_left;
	uint64_t model_max_length; // 0: none stated (or absurd, as 1e30)
	const char *settings;      // every resolved setting as one line of text, for identities and for people
};

struct hs_tok;         // compiled, immutable: any number of threads may encode with it
struct hs_tok_scratch; // one per thread

// Token ids, growing. Zeroed is empty.
struct hs_ids {
	uint32_t *ids; // heap, owned
	size_t n, cap;
};
void hs_ids_fini(struct hs_ids *ids);

// hs_tok_create checks and compiles. Borrows the files' bytes only during the call.
// 0, -ENOMEM, HSFEED_EBADTOKENIZER (damaged or contradicting, names file and key) or HSFEED_EUNSUPPORTED ("not
// supported yet: model type BPE").
int hs_tok_create(const struct hs_tok_files *files, struct hs_tok **ret, struct hs_err *reterr);
void hs_tok_destroy(struct hs_tok *tok);
const struct hs_tok_info *hs_tok_get_info(const struct hs_tok *tok);

int hs_tok_scratch_create(struct hs_tok_scratch **ret);
void hs_tok_scratch_destroy(struct hs_tok_scratch *scratch);

// hs_tok_encode appends the ids of one valid UTF-8 text to *out: no template, no truncation, no padding.
// 0 or -ENOMEM (then out->n is as before).
int hs_tok_encode(const struct hs_tok *tok, struct hs_tok_scratch *scratch, struct hs_span text, struct hs_ids *out);

#endif
