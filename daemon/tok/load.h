// SPDX-License-Identifier: Apache-2.0
// From a tokenizer folder's files to a resolved hs_tok_spec.
#ifndef HS_TOK_LOAD_H
#define HS_TOK_LOAD_H

#include "tok/json.h"
#include "tok/spec.h"
#include "tok/tok.h"

enum hs_tok_class {
	HS_TOK_CLASS_BERT,    // the class's arguments overwrite the normalizer, and its special tokens have defaults
	HS_TOK_CLASS_GENERIC, // tokenizer.json says it all
};

// The side files, parsed. Strings are borrowed from the JSON values.
struct hs_tok_config {
	json_t *tokenizer_config, *special_tokens_map, *model_config; // NULL: no such file
	enum hs_tok_class class;
	bool do_lower_case, tokenize_chinese_chars, strip_accents, strip_accents_null;
	bool truncate_left, pad_left;
	uint64_t model_max_length;
};

// hs_tok_config_load reads tokenizer_config.json, special_tokens_map.json and config.json. 0, -ENOMEM,
// HSFEED_EBADTOKENIZER or HSFEED_EUNSUPPORTED.
int hs_tok_config_load(const struct hs_tok_files *files, struct hs_tok_config *ret, struct hs_err *reterr);
void hs_tok_config_fini(struct hs_tok_config *config);

// hs_tok_config_special gives the text of "pad_token" and its like; {NULL, 0} when there is none.
struct hs_span hs_tok_config_special(const struct hs_tok_config *config, const char *key);

// hs_tok_config_add_tokens adds what the side files say to the added tokens of spec, which is indexed already.
int hs_tok_config_add_tokens(const struct hs_tok_config *config, const struct hs_json_place *place,
			     struct hs_tok_spec *spec);

// hs_tok_load_added reads one added token's object. 0, -ENOMEM or HSFEED_EBADTOKENIZER.
int hs_tok_load_added(const struct hs_json_place *place, const json_t *object, struct hs_tok_spec *spec);

// hs_tok_json_open parses tokenizer.json and refuses models that are not WordPiece; the caller calls json_decref. A
// plain vocabulary goes straight to spec and is empty in *ret.
int hs_tok_json_open(const struct hs_tok_files *files, struct hs_tok_spec *spec, json_t **ret, struct hs_err *reterr);

// hs_tok_load_json and hs_tok_load_vocab fill spec from tokenizer.json, or from vocab.txt and the class's arguments.
int hs_tok_load_json(const struct hs_json_place *place, const json_t *root, const struct hs_tok_config *config,
		     struct hs_tok_spec *spec);
int hs_tok_load_vocab(const struct hs_json_place *place, struct hs_span bytes, const struct hs_tok_config *config,
		      struct hs_tok_spec *spec);

// hs_tok_refuse_model says that models of this type cannot be read, and which can.
int hs_tok_refuse_model(const struct hs_json_place *place, const char *type);

// hs_tok_load resolves a whole folder. The caller calls hs_tok_spec_fini either way.
int hs_tok_load(const struct hs_tok_files *files, struct hs_tok_spec *spec, struct hs_err *reterr);

#endif
