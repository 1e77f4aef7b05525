// SPDX-License-Identifier: Apache-2.0
// vocab.txt as Python's text mode reads it: lines end at "\n", "\r\n" or "\r" and at nothing else (U+2028 is a token),
// no white space is trimmed, the line's number is the id, empty lines count, of equal lines the last one's id wins.
#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "tok/load.h"

static const char *line_end(const char *p, const char *end)
{
	while (p < end && *p != '\n' && *p != '\r')
		p++;
	return p;
}

static int read_lines(const struct hs_json_place *place, struct hs_span bytes, struct hs_tok_spec *spec)
{
	const char *p = bytes.ptr, *end = p + bytes.len;
	for (uint64_t line = 0; p < end; line++) {
		const char *stop = line_end(p, end);
		struct hs_span text = {p, (size_t)(stop - p)};
		int rc = hs_tok_spec_add_entry(spec, text, line);
		if (rc == -E2BIG)
			return hs_json_bad(place,
					   "line %llu is longer than a token can be, or the file has over %u lines",
					   (unsigned long long)line + 1, HS_TOK_MAX_VOCAB);
		if (rc < 0)
			return hs_err_nomem(place->reterr, "reading a vocabulary");
		p = stop + (end - stop > 1 && stop[0] == '\r' && stop[1] == '\n') + (stop < end);
	}
	return spec->nentries ? 0 : hs_json_bad(place, "the file is empty");
}

static int check_utf8(const struct hs_json_place *place, struct hs_span bytes)
{
	size_t bad = hs_utf8_check(bytes.ptr, bytes.len), line = 1;
	if (bad == bytes.len)
		return 0;
	for (size_t i = 0; i < bad; i++)
		line += bytes.ptr[i] == '\n';
	return hs_json_bad(place, "line %zu is not UTF-8 (byte offset %zu)", line, bad);
}

static int need_id(const struct hs_json_place *place, const struct hs_tok_config *config,
		   const struct hs_tok_spec *spec, const char *key, uint32_t *ret)
{
	struct hs_span text = hs_tok_config_special(config, key);
	int64_t id = text.ptr ? hs_tok_spec_find_any(spec, text) : -1;
	if (id < 0)
		return hs_json_bad(place, "the %s \"%s\" is not in the vocabulary", key,
				   hs_json_shown(text.ptr ? text.ptr : "").text);
	*ret = (uint32_t)id;
	return 0;
}

// What BertTokenizerFast makes of a vocabulary and its arguments.
static int resolve(const struct hs_json_place *place, const struct hs_tok_config *config, struct hs_tok_spec *spec)
{
	spec->clean_text = true;
	spec->chinese = config->tokenize_chinese_chars;
	spec->lowercase = config->do_lower_case;
	spec->strip_accents = config->strip_accents_null ? spec->lowercase : config->strip_accents;
	spec->max_chars = 100;
	if (hs_buf_append(&spec->prefix, "##", 2) < 0 || hs_tok_spec_index(spec) < 0)
		return hs_err_nomem(place->reterr, "reading a vocabulary");
	struct hs_span unk = hs_tok_config_special(config, "unk_token");
	if (!unk.ptr || hs_tok_spec_find(spec, unk) < 0)
		return hs_json_bad(place, "the unk_token \"%s\" is not in the vocabulary",
				   hs_json_shown(unk.ptr ? unk.ptr : "").text);
	spec->unk_id = (uint32_t)hs_tok_spec_find(spec, unk);
	int rc = hs_tok_config_add_tokens(config, place, spec);
	spec->info.nprefix = spec->info.nsuffix = 1;
	if (rc == 0)
		rc = need_id(place, config, spec, "cls_token", &spec->info.prefix[0]);
	if (rc == 0)
		rc = need_id(place, config, spec, "sep_token", &spec->info.suffix[0]);
	return rc;
}

int hs_tok_load_vocab(const struct hs_json_place *place, struct hs_span bytes, const struct hs_tok_config *config,
		      struct hs_tok_spec *spec)
{
	if (config->class != HS_TOK_CLASS_BERT)
		return hs_json_unsupported(place, "vocab.txt without tokenizer.json needs a BERT tokenizer class");
	int rc = check_utf8(place, bytes);
	if (rc == 0)
		rc = read_lines(place, bytes, spec);
	return rc < 0 ? rc : resolve(place, config, spec);
}
