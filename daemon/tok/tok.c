// SPDX-License-Identifier: Apache-2.0
#include "tok/tok.h"

#include <errno.h>
#include <stdlib.h>

#include "tok/compile.h"
#include "tok/load.h"

static int check_template(const struct hs_tok_files *files, const struct hs_tok_spec *spec, struct hs_err *reterr)
{
	const struct hs_tok_info *info = &spec->info;
	uint32_t worst = 0;
	for (uint32_t i = 0; i < info->nprefix; i++)
		worst = info->prefix[i] > worst ? info->prefix[i] : worst;
	for (uint32_t i = 0; i < info->nsuffix; i++)
		worst = info->suffix[i] > worst ? info->suffix[i] : worst;
	if (worst < info->vocab_size)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADTOKENIZER,
			  "%s: tokenizer.json: \"post_processor\" has id %u, which no token has", files->name, worst);
}

static int create(const struct hs_tok_files *files, struct hs_tok *tok, struct hs_err *reterr)
{
	int rc = hs_tok_load(files, &tok->spec, reterr);
	if (rc == 0)
		rc = check_template(files, &tok->spec, reterr);
	if (rc < 0)
		return rc;
	rc = hs_tok_compile(tok, reterr);
	if (rc == HSFEED_EUNSUPPORTED || rc == HSFEED_EBADTOKENIZER)
		hs_err_context(reterr, "%s", files->name);
	if (rc == 0)
		rc = hs_tok_settings(&tok->spec, &tok->settings);
	if (rc == -ENOMEM)
		return hs_err_nomem(reterr, "compiling a tokenizer");
	tok->spec.info.settings = (const char *)tok->settings.data;
	return rc;
}

int hs_tok_create(const struct hs_tok_files *files, struct hs_tok **ret, struct hs_err *reterr)
{
	struct hs_tok_files named = *files;
	named.name = files->name ? files->name : "tokenizer";
	struct hs_tok *tok = calloc(1, sizeof(*tok));
	if (!tok)
		return hs_err_nomem(reterr, "reading a tokenizer");
	int rc = create(&named, tok, reterr);
	if (rc < 0)
		hs_tok_destroy(tok);
	else
		*ret = tok;
	return rc;
}

void hs_tok_destroy(struct hs_tok *tok)
{
	if (!tok)
		return;
	hs_tok_spec_fini(&tok->spec);
	free(tok->chars);
	free(tok->raw);
	free(tok->plain);
	free(tok->pool);
	hs_trie_fini(&tok->words);
	hs_trie_fini(&tok->literal.trie);
	hs_trie_fini(&tok->normalized.trie);
	hs_buf_fini(&tok->settings);
	free(tok);
}

const struct hs_tok_info *hs_tok_get_info(const struct hs_tok *tok)
{
	return &tok->spec.info;
}
