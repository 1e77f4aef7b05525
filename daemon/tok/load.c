// SPDX-License-Identifier: Apache-2.0
#include "tok/load.h"

#include <string.h>

// pad, unk, cls, sep and mask by name; a tokenizer.json alone names only unk, so the customary names are tried.
static int64_t named_id(const struct hs_tok_config *config, const struct hs_tok_spec *spec, const char *key,
			struct hs_span customary)
{
	bool told = config->tokenizer_config || config->special_tokens_map;
	struct hs_span text = hs_tok_config_special(config, key);
	if (!text.ptr && !told)
		text = customary;
	return text.ptr ? hs_tok_spec_find_any(spec, text) : -1;
}

static void resolve_info(const struct hs_tok_config *config, struct hs_tok_spec *spec)
{
	struct hs_tok_info *info = &spec->info;
	info->vocab_size = spec->max_id + 1;
	info->pad_id = named_id(config, spec, "pad_token", (struct hs_span){"[PAD]", 5});
	info->cls_id = named_id(config, spec, "cls_token", (struct hs_span){"[CLS]", 5});
	info->sep_id = named_id(config, spec, "sep_token", (struct hs_span){"[SEP]", 5});
	info->mask_id = named_id(config, spec, "mask_token", (struct hs_span){"[MASK]", 6});
	info->unk_id = spec->unk_id;
	info->truncate_left = config->truncate_left;
	info->pad_left = config->pad_left;
	info->model_max_length = config->model_max_length;
}

int hs_tok_refuse_model(const struct hs_json_place *place, const char *type)
{
	hs_json_unsupported(place, "not supported yet: model type %s", hs_json_shown(type).text);
	hs_err_hint(place->reterr, "name the tokenizer of a WordPiece model, such as BERT or DistilBERT");
	return HSFEED_EUNSUPPORTED;
}

// A cloned model whose large files were not fetched. As a vocabulary it would be three odd words.
static int refuse_pointer(const struct hs_tok_files *files, struct hs_err *reterr)
{
	static const char magic[] = "version https://git-lfs.github.com/spec/";
	const struct hs_span all[] = {files->tokenizer_json, files->vocab_txt};
	for (size_t i = 0; i < 2; i++) {
		if (!all[i].ptr || all[i].len < sizeof(magic) - 1 || memcmp(all[i].ptr, magic, sizeof(magic) - 1) != 0)
			continue;
		hs_err_set(reterr, HSFEED_EBADTOKENIZER, "%s: %s: this is a Git LFS pointer, not the file it points to",
			   files->name, i == 0 ? "tokenizer.json" : "vocab.txt");
		hs_err_hint(reterr, "fetch the file with git lfs pull");
		return HSFEED_EBADTOKENIZER;
	}
	return 0;
}

static int refuse_files(const struct hs_tok_files *files, struct hs_err *reterr)
{
	struct hs_json_place place = {files->name, files->merges_txt.ptr ? "merges.txt" : "vocab.json", reterr};
	if (files->vocab_json.ptr || files->merges_txt.ptr)
		return hs_tok_refuse_model(&place, "BPE");
	hs_err_set(reterr, HSFEED_EBADTOKENIZER, "%s: no tokenizer here: neither tokenizer.json nor vocab.txt",
		   files->name);
	hs_err_hint(reterr, "name a folder as save_pretrained() of transformers writes it");
	return HSFEED_EBADTOKENIZER;
}

// The model is looked at first: "model type BPE" says more than the name of a class.
int hs_tok_load(const struct hs_tok_files *files, struct hs_tok_spec *spec, struct hs_err *reterr)
{
	struct hs_json_place place = {files->name, files->tokenizer_json.ptr ? "tokenizer.json" : "vocab.txt", reterr};
	struct hs_tok_config config = {0};
	json_t *root = NULL;
	if (!files->tokenizer_json.ptr && !files->vocab_txt.ptr)
		return refuse_files(files, reterr);
	int rc = refuse_pointer(files, reterr);
	if (rc == 0 && files->tokenizer_json.ptr)
		rc = hs_tok_json_open(files, spec, &root, reterr);
	if (rc == 0)
		rc = hs_tok_config_load(files, &config, reterr);
	if (rc == 0 && root)
		rc = hs_tok_load_json(&place, root, &config, spec);
	else if (rc == 0)
		rc = hs_tok_load_vocab(&place, files->vocab_txt, &config, spec);
	if (rc == 0)
		resolve_info(&config, spec);
	hs_tok_config_fini(&config);
	json_decref(root);
	return rc;
}
