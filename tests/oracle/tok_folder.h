// SPDX-License-Identifier: Apache-2.0
// For test programs: a tokenizer folder's files, read into memory.
#ifndef HS_TESTS_TOK_FOLDER_H
#define HS_TESTS_TOK_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

#include "tok/tok.h"

static inline struct hs_span slurp(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *data = NULL;
	size_t len = 0, cap = 0, n = 0;
	if (!f)
		return (struct hs_span){0};
	do {
		len += n;
		if (cap - len < 65536) {
			cap = cap ? cap * 2 : 1 << 20;
			char *more = realloc(data, cap);
			if (!more)
				abort();
			data = more;
		}
		n = fread(data + len, 1, cap - len, f);
	} while (n > 0);
	fclose(f);
	return (struct hs_span){data, len};
}

static inline struct hs_span slurp_in(const char *folder, const char *file)
{
	char path[8192];
	if (snprintf(path, sizeof(path), "%s/%s", folder, file) >= (int)sizeof(path))
		return (struct hs_span){0};
	return slurp(path);
}

static inline struct hs_tok_files tok_folder_read(const char *folder)
{
	return (struct hs_tok_files){
		.name = folder,
		.tokenizer_json = slurp_in(folder, "tokenizer.json"),
		.vocab_txt = slurp_in(folder, "vocab.txt"),
		.tokenizer_config_json = slurp_in(folder, "tokenizer_config.json"),
		.special_tokens_map_json = slurp_in(folder, "special_tokens_map.json"),
		.config_json = slurp_in(folder, "config.json"),
		.merges_txt = slurp_in(folder, "merges.txt"),
		.vocab_json = slurp_in(folder, "vocab.json"),
	};
}

static inline void tok_folder_free(struct hs_tok_files *files)
{
	free((void *)files->tokenizer_json.ptr);
	free((void *)files->vocab_txt.ptr);
	free((void *)files->tokenizer_config_json.ptr);
	free((void *)files->special_tokens_map_json.ptr);
	free((void *)files->config_json.ptr);
	free((void *)files->merges_txt.ptr);
	free((void *)files->vocab_json.ptr);
	*files = (struct hs_tok_files){0};
}

#endif
