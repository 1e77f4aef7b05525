// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, the library's own format: model, normalizer, pre_tokenizer, post_processor, added_tokens. Its
// truncation and padding blocks are what somebody last trained with, and its decoder makes texts, not ids: not read.
#include <errno.h>
#include <string.h>

#include "tok/load.h"
#include "tok/vocab_json.h"

static const char *type_of(const json_t *object)
{
	return json_string_value(json_object_get(object, "type"));
}

// Files from before tokenizers 0.9 name no model type: the keys tell.
static const char *model_type(const json_t *model)
{
	if (type_of(model))
		return type_of(model);
	if (json_object_get(model, "merges"))
		return "BPE";
	if (json_is_array(json_object_get(model, "vocab")))
		return "Unigram";
	if (json_object_get(model, "continuing_subword_prefix") || json_object_get(model, "max_input_chars_per_word"))
		return "WordPiece";
	return "WordLevel";
}

static int read_vocab(const struct hs_json_place *place, const json_t *vocab, struct hs_tok_spec *spec)
{
	const char *key;
	json_t *value;
	if (!json_is_object(vocab))
		return hs_json_bad(place, "\"model.vocab\" must be an object of token: id");
	json_object_foreach((json_t *)vocab, key, value)
	{
		uint64_t id;
		if (!hs_json_u64(value, &id))
			return hs_json_bad(place, "\"model.vocab\": the id of \"%s\" is not a whole number",
					   hs_json_shown(key).text);
		int rc = hs_tok_spec_add_entry(spec, (struct hs_span){key, strlen(key)}, id);
		if (rc == -E2BIG)
			return hs_json_bad(place, "\"model.vocab\": \"%s\" is too long, or its id is over %u",
					   hs_json_shown(key).text, HS_TOK_MAX_VOCAB - 1);
		if (rc < 0)
			return hs_err_nomem(place->reterr, "reading a vocabulary");
	}
	return 0;
}

static int read_model(const struct hs_json_place *place, const json_t *model, struct hs_tok_spec *spec)
{
	const char *unk = "[UNK]", *prefix = "##";
	spec->max_chars = 100;
	int rc = hs_json_get_string(place, model, "model.unk_token", &unk);
	if (rc >= 0)
		rc = hs_json_get_string(place, model, "model.continuing_subword_prefix", &prefix);
	if (rc >= 0)
		rc = hs_json_get_u64(place, model, "model.max_input_chars_per_word", &spec->max_chars);
	if (rc < 0)
		return rc;
	if (hs_buf_append(&spec->prefix, prefix, strlen(prefix)) < 0)
		return hs_err_nomem(place->reterr, "reading a vocabulary");
	rc = spec->nentries ? 0 : read_vocab(place, json_object_get(model, "vocab"), spec); // else it was scanned
	if (rc < 0)
		return rc;
	rc = hs_tok_spec_index(spec);
	if (rc < 0)
		return hs_err_nomem(place->reterr, "reading a vocabulary");
	if (rc > 0)
		return hs_json_bad(place, "\"model.vocab\": %d tokens are listed twice", rc);
	int64_t id = hs_tok_spec_find(spec, (struct hs_span){unk, strlen(unk)});
	if (id < 0)
		return hs_json_bad(place, "\"model.unk_token\": \"%s\" is not in \"model.vocab\"",
				   hs_json_shown(unk).text);
	spec->unk_id = (uint32_t)id;
	return 0;
}

// A block that is a sequence of one is that one.
static const json_t *unwrap(const json_t *block, const char *list)
{
	const json_t *items =
		type_of(block) && strcmp(type_of(block), "Sequence") == 0 ? json_object_get(block, list) : NULL;
	return items && json_array_size(items) == 1 ? json_array_get(items, 0) : block;
}

static int refuse_type(const struct hs_json_place *place, const char *what, const json_t *block)
{
	if (!json_is_null(block) && block && !type_of(block))
		return hs_json_bad(place, "\"%s\" has no \"type\"", what);
	return hs_json_unsupported(place, "not supported yet: %s %s", what,
				   type_of(block) ? hs_json_shown(type_of(block)).text : "null");
}

static int need_bool(const struct hs_json_place *place, const json_t *object, const char *path, bool *ret)
{
	int rc = hs_json_get_bool(place, object, path, ret);
	return rc == 0 ? hs_json_bad(place, "\"%s\" is missing", path) : rc;
}

// The class's arguments, where there is a class, stand above the file's flags; clean_text stays the file's.
static int read_normalizer(const struct hs_json_place *place, const json_t *block, const struct hs_tok_config *config,
			   struct hs_tok_spec *spec)
{
	block = unwrap(block, "normalizers");
	if (!block || json_is_null(block))
		return 0;
	if (!type_of(block) || strcmp(type_of(block), "BertNormalizer") != 0)
		return refuse_type(place, "normalizer", block);
	int rc = need_bool(place, block, "normalizer.clean_text", &spec->clean_text);
	if (rc >= 0)
		rc = need_bool(place, block, "normalizer.handle_chinese_chars", &spec->chinese);
	if (rc >= 0)
		rc = need_bool(place, block, "normalizer.lowercase", &spec->lowercase);
	spec->strip_accents = spec->lowercase;
	if (rc >= 0)
		rc = hs_json_get_bool(place, block, "normalizer.strip_accents", &spec->strip_accents);
	if (rc >= 0 && config->class == HS_TOK_CLASS_BERT) {
		spec->chinese = config->tokenize_chinese_chars;
		spec->lowercase = config->do_lower_case;
		spec->strip_accents = config->strip_accents_null ? spec->lowercase : config->strip_accents;
	}
	return rc < 0 ? rc : 0;
}

static int read_pre_tokenizer(const struct hs_json_place *place, const json_t *block)
{
	block = unwrap(block, "pretokenizers");
	return type_of(block) && strcmp(type_of(block), "BertPreTokenizer") == 0
		       ? 0
		       : refuse_type(place, "pre_tokenizer", block);
}

static int put_special(const struct hs_json_place *place, struct hs_tok_spec *spec, bool before, uint64_t id,
		       uint64_t type)
{
	struct hs_tok_info *info = &spec->info;
	uint32_t *n = before ? &info->nprefix : &info->nsuffix;
	if (*n == HS_TOK_MAX_TEMPLATE)
		return hs_json_unsupported(place,
					   "a template with more than %d special tokens on one side is not supported",
					   HS_TOK_MAX_TEMPLATE);
	if (id >= HS_TOK_MAX_VOCAB || type > UINT32_MAX)
		return hs_json_bad(place, "\"post_processor\": an id or a type id is too large");
	(before ? info->prefix : info->suffix)[*n] = (uint32_t)id;
	(before ? info->prefix_type : info->suffix_type)[*n] = (uint32_t)type;
	*n += 1;
	return 0;
}

static int put_special_token(const struct hs_json_place *place, const json_t *post, const json_t *part, bool before,
			     struct hs_tok_spec *spec)
{
	const char *name = NULL;
	uint64_t type = 0, id;
	const json_t *value;
	size_t i;
	int rc = hs_json_get_string(place, part, "post_processor.single.SpecialToken.id", &name);
	if (rc > 0)
		rc = hs_json_get_u64(place, part, "post_processor.single.SpecialToken.type_id", &type);
	if (rc < 0)
		return rc;
	const json_t *token = json_object_get(json_object_get(post, "special_tokens"), name ? name : "");
	const json_t *ids = json_object_get(token, "ids");
	if (!json_is_array(ids))
		return hs_json_bad(place, "\"post_processor.special_tokens\" has no ids for \"%s\"",
				   hs_json_shown(name ? name : "").text);
	json_array_foreach((json_t *)ids, i, value)
	{
		if (!hs_json_u64(value, &id))
			return hs_json_bad(place, "\"post_processor.special_tokens\": an id is not a whole number");
		rc = put_special(place, spec, before, id, type);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_template(const struct hs_json_place *place, const json_t *post, struct hs_tok_spec *spec)
{
	const json_t *single = json_object_get(post, "single"), *part;
	size_t i;
	bool before = true;
	if (!json_is_array(single))
		return hs_json_bad(place, "\"post_processor.single\" must be a list");
	json_array_foreach((json_t *)single, i, part)
	{
		const json_t *special = json_object_get(part, "SpecialToken"),
			     *text = json_object_get(part, "Sequence");
		const char *which = json_string_value(json_object_get(text, "id"));
		uint64_t type = 0;
		int rc = 0;
		if (special) {
			rc = put_special_token(place, post, special, before, spec);
		} else if (which && strcmp(which, "A") == 0 && before) {
			before = false;
			rc = hs_json_get_u64(place, text, "post_processor.single.Sequence.type_id", &type);
			spec->info.text_type = (uint32_t)type;
		} else {
			return hs_json_bad(place,
					   "\"post_processor.single\" must be special tokens around one text \"A\"");
		}
		if (rc < 0)
			return rc;
	}
	return before ? hs_json_bad(place, "\"post_processor.single\" has no text \"A\"") : 0;
}

static int put_pair(const struct hs_json_place *place, const json_t *post, const char *key, bool before,
		    struct hs_tok_spec *spec)
{
	uint64_t id;
	if (!hs_json_u64(json_array_get(json_object_get(post, key), 1), &id))
		return hs_json_bad(place, "\"post_processor.%s\" must be [token, id]", key);
	return put_special(place, spec, before, id, 0);
}

static int read_post_processor(const struct hs_json_place *place, const json_t *post, struct hs_tok_spec *spec)
{
	post = unwrap(post, "processors");
	if (!post || json_is_null(post))
		return 0;
	if (type_of(post) && strcmp(type_of(post), "TemplateProcessing") == 0)
		return read_template(place, post, spec);
	if (!type_of(post) || strcmp(type_of(post), "BertProcessing") != 0)
		return refuse_type(place, "post_processor", post);
	int rc = put_pair(place, post, "cls", true, spec);
	return rc < 0 ? rc : put_pair(place, post, "sep", false, spec);
}

static int read_added(const struct hs_json_place *place, const json_t *list, struct hs_tok_spec *spec)
{
	const json_t *value;
	size_t i;
	if (list && !json_is_null(list) && !json_is_array(list))
		return hs_json_bad(place, "\"added_tokens\" must be a list");
	hs_tok_spec_begin_batch(spec);
	json_array_foreach((json_t *)list, i, value)
	{
		int rc = hs_tok_load_added(place, value, spec);
		if (rc < 0)
			return rc;
	}
	return 0;
}

// Parses the file with its vocabulary cut out. What is wrong with it shows again, at its true place, in the whole.
static int parse_rest(const struct hs_json_place *place, struct hs_span json, struct hs_span vocab, json_t **ret)
{
	struct hs_buf rest = {0};
	const char *after = vocab.ptr + vocab.len;
	int rc = hs_buf_append(&rest, json.ptr, (size_t)(vocab.ptr - json.ptr));
	if (rc == 0)
		rc = hs_buf_append(&rest, "{}", 2);
	if (rc == 0)
		rc = hs_buf_append(&rest, after, (size_t)(json.ptr + json.len - after));
	if (rc == 0)
		rc = hs_json_parse(place, (struct hs_span){(const char *)rest.data, rest.len}, ret);
	else
		rc = hs_err_nomem(place->reterr, "reading a vocabulary");
	hs_buf_fini(&rest);
	return rc;
}

static int parse_file(const struct hs_json_place *place, struct hs_span json, struct hs_tok_spec *spec, json_t **ret)
{
	struct hs_span vocab;
	int rc = hs_tok_vocab_scan(json, spec, &vocab);
	if (rc == -ENOMEM)
		return hs_err_nomem(place->reterr, "reading a vocabulary");
	if (rc > 0) {
		rc = parse_rest(place, json, vocab, ret);
		if (rc != HSFEED_EBADTOKENIZER)
			return rc;
		hs_tok_spec_forget_entries(spec);
	}
	return hs_json_parse(place, json, ret);
}

int hs_tok_json_open(const struct hs_tok_files *files, struct hs_tok_spec *spec, json_t **ret, struct hs_err *reterr)
{
	struct hs_json_place place = {files->name, "tokenizer.json", reterr};
	json_t *root = NULL;
	int rc = parse_file(&place, files->tokenizer_json, spec, &root);
	if (rc < 0)
		return rc;
	const json_t *model = json_object_get(root, "model");
	if (!json_is_object(model))
		rc = hs_json_bad(&place, "\"model\" must be an object");
	else if (strcmp(model_type(model), "WordPiece") != 0)
		rc = hs_tok_refuse_model(&place, model_type(model));
	if (rc < 0)
		json_decref(root);
	else
		*ret = root;
	return rc;
}

int hs_tok_load_json(const struct hs_json_place *place, const json_t *root, const struct hs_tok_config *config,
		     struct hs_tok_spec *spec)
{
	int rc = read_model(place, json_object_get(root, "model"), spec);
	if (rc == 0)
		rc = read_normalizer(place, json_object_get(root, "normalizer"), config, spec);
	if (rc == 0)
		rc = read_pre_tokenizer(place, json_object_get(root, "pre_tokenizer"));
	if (rc == 0)
		rc = read_added(place, json_object_get(root, "added_tokens"), spec);
	if (rc == 0)
		rc = hs_tok_config_add_tokens(config, place, spec);
	if (rc == 0)
		rc = read_post_processor(place, json_object_get(root, "post_processor"), spec);
	return rc;
}
