// SPDX-License-Identifier: Apache-2.0
// The side files, as transformers 4 resolves them for its fast tokenizers:
//
//   class      tokenizer_config.json's tokenizer_class, else config.json's, else the one of config.json's model_type.
//              BERT and its kin hand do_lower_case, strip_accents and tokenize_chinese_chars to the normalizer, missing
//              ones as true, null, true, whatever tokenizer.json says. Without a tokenizer_config.json nobody asked for
//              a class: tokenizer.json stands as it is.
//   specials   tokenizer_config.json's pad_token and so on; when it has no added_tokens_decoder (files older than
//              transformers 4.34), special_tokens_map.json overrides it; the class's defaults fill the rest.
//   added      tokenizer.json's, then added_tokens_decoder's by id, then special tokens that are not there yet.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tok/load.h"

static const struct {
	const char *name;
	enum hs_tok_class class;
} classes[] = {
	{"BertTokenizer", HS_TOK_CLASS_BERT},          {"DistilBertTokenizer", HS_TOK_CLASS_BERT},
	{"ElectraTokenizer", HS_TOK_CLASS_BERT},       {"MobileBertTokenizer", HS_TOK_CLASS_BERT},
	{"ConvBertTokenizer", HS_TOK_CLASS_BERT},      {"SqueezeBertTokenizer", HS_TOK_CLASS_BERT},
	{"LayoutLMTokenizer", HS_TOK_CLASS_BERT},      {"LxmertTokenizer", HS_TOK_CLASS_BERT},
	{"RetriBertTokenizer", HS_TOK_CLASS_BERT},     {"RealmTokenizer", HS_TOK_CLASS_BERT},
	{"PreTrainedTokenizer", HS_TOK_CLASS_GENERIC}, {"TokenizersBackend", HS_TOK_CLASS_GENERIC},
};

static const char *const bert_model_types[] = {
	"bert", "distilbert", "electra", "mobilebert", "convbert", "squeezebert", "layoutlm", "lxmert", "realm",
};

// In the order in which transformers adds them.
static const struct {
	const char *key, *bert_default;
} specials[] = {
	{"bos_token", NULL},    {"eos_token", NULL},    {"unk_token", "[UNK]"},   {"sep_token", "[SEP]"},
	{"pad_token", "[PAD]"}, {"cls_token", "[CLS]"}, {"mask_token", "[MASK]"},
};

#define COUNT(table)  (sizeof(table) / sizeof((table)[0]))
#define ABSURD_LENGTH 1000000000u // "no limit" is written as 1e30

static bool class_is(const char *name, const char *class)
{
	size_t len = strlen(class);
	return strncmp(name, class, len) == 0 && (name[len] == '\0' || strcmp(name + len, "Fast") == 0);
}

static int refuse_class(const struct hs_json_place *place, const char *what, const char *name)
{
	int rc = hs_json_unsupported(place, "not supported yet: %s %s", what, hs_json_shown(name).text);
	hs_err_hint(place->reterr,
		    "if it splits texts as BERT does, name \"BertTokenizer\" or \"PreTrainedTokenizerFast\" as "
		    "\"tokenizer_class\" in tokenizer_config.json");
	return rc;
}

static int find_class(const struct hs_json_place *place, const json_t *object, enum hs_tok_class *ret)
{
	const char *name = NULL;
	int rc = hs_json_get_string(place, object, "tokenizer_class", &name);
	if (rc <= 0)
		return rc;
	for (size_t i = 0; i < COUNT(classes); i++)
		if (class_is(name, classes[i].name)) {
			*ret = classes[i].class;
			return 1;
		}
	return refuse_class(place, "tokenizer class", name);
}

static int find_model_type(const struct hs_json_place *place, const json_t *object)
{
	const char *type = NULL;
	int rc = hs_json_get_string(place, object, "model_type", &type);
	if (rc <= 0)
		return rc;
	for (size_t i = 0; i < COUNT(bert_model_types); i++)
		if (strcmp(type, bert_model_types[i]) == 0)
			return 1;
	return refuse_class(place, "the tokenizer class of model type", type);
}

static int resolve_class(const struct hs_json_place *place, struct hs_tok_config *config)
{
	struct hs_json_place model = *place;
	model.file = "config.json";
	config->class = HS_TOK_CLASS_BERT;
	int rc = find_class(place, config->tokenizer_config, &config->class);
	if (rc == 0 && config->model_config)
		rc = find_class(&model, config->model_config, &config->class);
	if (rc == 0 && config->model_config)
		rc = find_model_type(&model, config->model_config);
	return rc < 0 ? rc : 0;
}

static int read_side(const struct hs_json_place *place, const json_t *object, const char *key, bool *ret_left)
{
	const char *side = "right";
	int rc = hs_json_get_string(place, object, key, &side);
	if (rc < 0)
		return rc;
	*ret_left = strcmp(side, "left") == 0;
	if (!*ret_left && strcmp(side, "right") != 0)
		return hs_json_bad(place, "\"%s\" must be \"left\" or \"right\"", key);
	return 0;
}

static int read_max_length(const struct hs_json_place *place, const json_t *object, uint64_t *ret)
{
	const json_t *value = json_object_get(object, "model_max_length");
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_number(value))
		return hs_json_bad(place, "\"model_max_length\" must be a number");
	double length = json_number_value(value);
	*ret = length >= 1 && length <= ABSURD_LENGTH ? (uint64_t)length : 0;
	return 0;
}

static int read_flags(const struct hs_json_place *place, struct hs_tok_config *config)
{
	const json_t *object = config->tokenizer_config;
	config->do_lower_case = config->tokenize_chinese_chars = config->strip_accents_null = true;
	int rc = hs_json_get_bool(place, object, "do_lower_case", &config->do_lower_case);
	if (rc >= 0)
		rc = hs_json_get_bool(place, object, "tokenize_chinese_chars", &config->tokenize_chinese_chars);
	if (rc >= 0)
		rc = hs_json_get_bool(place, object, "strip_accents", &config->strip_accents);
	config->strip_accents_null = rc == 0;
	if (rc >= 0)
		rc = read_side(place, object, "truncation_side", &config->truncate_left);
	if (rc >= 0)
		rc = read_side(place, object, "padding_side", &config->pad_left);
	if (rc >= 0)
		rc = read_max_length(place, object, &config->model_max_length);
	return rc < 0 ? rc : 0;
}

static int parse_file(const struct hs_json_place *place, const char *file, struct hs_span bytes, json_t **ret)
{
	struct hs_json_place here = *place;
	here.file = file;
	return bytes.ptr ? hs_json_parse(&here, bytes, ret) : 0;
}

static const json_t *added_decoder(const struct hs_tok_config *config)
{
	return json_object_get(config->tokenizer_config, "added_tokens_decoder");
}

// The value of a special token's key: a string, an added token's object, null or NULL.
static const json_t *special_value(const struct hs_tok_config *config, const char *key)
{
	const json_t *value = json_object_get(config->special_tokens_map, key);
	if (!value || added_decoder(config)) {
		const json_t *own = json_object_get(config->tokenizer_config, key);
		value = own || added_decoder(config) ? own : value;
	}
	return value;
}

static struct hs_span text_of(const json_t *value)
{
	if (json_is_object(value))
		value = json_object_get(value, "content");
	return json_is_string(value) ? hs_json_span(value) : (struct hs_span){0};
}

struct hs_span hs_tok_config_special(const struct hs_tok_config *config, const char *key)
{
	const json_t *value = special_value(config, key);
	if (value)
		return text_of(value);
	for (size_t i = 0; i < COUNT(specials); i++)
		if (strcmp(specials[i].key, key) == 0 && specials[i].bert_default && config->class == HS_TOK_CLASS_BERT)
			return (struct hs_span){specials[i].bert_default, strlen(specials[i].bert_default)};
	return (struct hs_span){0};
}

// Said here, before anything is looked up, so that the sentence names the file that is wrong.
static int check_specials(const struct hs_json_place *place, const struct hs_tok_config *config)
{
	struct hs_json_place here = *place;
	for (size_t i = 0; i < COUNT(specials); i++) {
		const json_t *value = special_value(config, specials[i].key);
		bool own = value == json_object_get(config->tokenizer_config, specials[i].key);
		here.file = own ? "tokenizer_config.json" : "special_tokens_map.json";
		if (value && !json_is_null(value) && !text_of(value).ptr)
			return hs_json_bad(&here, "\"%s\" must be a string or an added token", specials[i].key);
	}
	return 0;
}

int hs_tok_config_load(const struct hs_tok_files *files, struct hs_tok_config *ret, struct hs_err *reterr)
{
	struct hs_json_place place = {files->name, "tokenizer_config.json", reterr};
	struct hs_tok_config config = {.class = HS_TOK_CLASS_GENERIC};
	int rc = parse_file(&place, place.file, files->tokenizer_config_json, &config.tokenizer_config);
	if (rc == 0)
		rc = parse_file(&place, "special_tokens_map.json", files->special_tokens_map_json,
				&config.special_tokens_map);
	if (rc == 0)
		rc = parse_file(&place, "config.json", files->config_json, &config.model_config);
	if (rc == 0)
		rc = read_flags(&place, &config);
	// vocab.txt alone is what BertTokenizer reads; so is a folder whose settings name no class.
	if (rc == 0 && (config.tokenizer_config || !files->tokenizer_json.ptr))
		rc = resolve_class(&place, &config);
	if (rc == 0)
		rc = check_specials(&place, &config);
	if (rc < 0)
		hs_tok_config_fini(&config);
	else
		*ret = config;
	return rc;
}

void hs_tok_config_fini(struct hs_tok_config *config)
{
	json_decref(config->tokenizer_config);
	json_decref(config->special_tokens_map);
	json_decref(config->model_config);
	*config = (struct hs_tok_config){0};
}

static int add_token(const struct hs_json_place *place, const struct hs_tok_added *token, struct hs_tok_spec *spec)
{
	int rc = hs_tok_spec_add_token(spec, token);
	const char *shown = token->content.ptr;
	if (rc == -ENOMEM)
		return hs_err_nomem(place->reterr, "reading added tokens");
	if (rc == -E2BIG)
		return hs_json_bad(place,
				   "added token \"%s\" is too long, gets an id over %u, or is one of more than %u",
				   hs_json_shown(shown).text, HS_TOK_MAX_VOCAB - 1, HS_TOK_MAX_ADDED);
	if (rc == -EEXIST)
		return hs_json_bad(
			place, "added token \"%s\" gets the id of another added token: the vocabulary's ids have gaps",
			hs_json_shown(shown).text);
	return rc;
}

int hs_tok_load_added(const struct hs_json_place *place, const json_t *object, struct hs_tok_spec *spec)
{
	struct hs_tok_added token = {0};
	if (!json_is_object(object) || !json_is_string(json_object_get(object, "content")))
		return hs_json_bad(place, "an added token is not an object with a string \"content\"");
	token.content = hs_json_span(json_object_get(object, "content"));
	int rc = hs_json_get_bool(place, object, "single_word", &token.single_word);
	if (rc >= 0)
		rc = hs_json_get_bool(place, object, "lstrip", &token.lstrip);
	if (rc >= 0)
		rc = hs_json_get_bool(place, object, "rstrip", &token.rstrip);
	if (rc >= 0)
		rc = hs_json_get_bool(place, object, "special", &token.special);
	token.normalized = !token.special;
	if (rc >= 0)
		rc = hs_json_get_bool(place, object, "normalized", &token.normalized);
	return rc < 0 ? rc : add_token(place, &token, spec);
}

struct decoder_item {
	uint64_t id;
	const json_t *token;
};

static int by_id(const void *a, const void *b)
{
	const struct decoder_item *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int list_decoder(const struct hs_json_place *place, const json_t *decoder, struct decoder_item *items)
{
	const char *key;
	json_t *value;
	size_t n = 0;
	json_object_foreach((json_t *)decoder, key, value)
	{
		char *end;
		errno = 0;
		items[n] = (struct decoder_item){strtoull(key, &end, 10), value};
		if (*key < '0' || *key > '9' || *end || errno)
			return hs_json_bad(place, "\"added_tokens_decoder\": key \"%s\" is not an id",
					   hs_json_shown(key).text);
		n++;
	}
	return 0;
}

static int add_decoder(const struct hs_json_place *place, const json_t *decoder, struct hs_tok_spec *spec)
{
	if (!json_is_object(decoder))
		return decoder ? hs_json_bad(place, "\"added_tokens_decoder\" must be an object") : 0;
	size_t n = json_object_size(decoder);
	struct decoder_item *items = hs_array(n, sizeof(*items));
	if (!items)
		return hs_err_nomem(place->reterr, "reading added tokens");
	int rc = list_decoder(place, decoder, items);
	if (rc == 0)
		qsort(items, n, sizeof(*items), by_id);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = hs_tok_load_added(place, items[i].token, spec);
	free(items);
	return rc;
}

static int add_special(const struct hs_json_place *place, const json_t *value, struct hs_span text,
		       struct hs_tok_spec *spec)
{
	if (!text.ptr || hs_tok_spec_find_added(spec, text))
		return 0;
	struct hs_tok_added token = {.content = text, .special = true};
	bool *const flags[] = {&token.single_word, &token.lstrip, &token.rstrip, &token.normalized};
	static const char *const keys[] = {"single_word", "lstrip", "rstrip", "normalized"};
	for (size_t i = 0; i < COUNT(keys); i++) {
		int rc = json_is_object(value) ? hs_json_get_bool(place, value, keys[i], flags[i]) : 0;
		if (rc < 0)
			return rc;
	}
	return add_token(place, &token, spec);
}

// "additional_special_tokens" (a list) and "extra_special_tokens" (a list, or an object by name).
static int add_further(const struct hs_json_place *place, const struct hs_tok_config *config, const char *key,
		       struct hs_tok_spec *spec)
{
	json_t *list = (json_t *)special_value(config, key), *value;
	size_t i;
	const char *name;
	int rc = 0;
	if (json_is_array(list))
		json_array_foreach(list, i, value) rc = rc < 0 ? rc : add_special(place, value, text_of(value), spec);
	else if (json_is_object(list))
		json_object_foreach(list, name, value) rc =
			rc < 0 ? rc : add_special(place, value, text_of(value), spec);
	return rc;
}

int hs_tok_config_add_tokens(const struct hs_tok_config *config, const struct hs_json_place *place,
			     struct hs_tok_spec *spec)
{
	struct hs_json_place here = *place;
	here.file = "tokenizer_config.json";
	hs_tok_spec_begin_batch(spec);
	int rc = add_decoder(&here, added_decoder(config), spec);
	bool wanted = config->tokenizer_config || config->special_tokens_map || config->class == HS_TOK_CLASS_BERT;
	for (size_t i = 0; rc == 0 && wanted && i < COUNT(specials); i++) {
		const char *key = specials[i].key;
		const json_t *value = special_value(config, key);
		rc = add_special(&here, value, hs_tok_config_special(config, key), spec);
	}
	if (rc == 0)
		rc = add_further(&here, config, "additional_special_tokens", spec);
	if (rc == 0)
		rc = add_further(&here, config, "extra_special_tokens", spec);
	return rc;
}
