// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/sha256.h"
#include "tok/spec.h"

#define LISTED_TOKENS 16 // more added tokens than this are given by count and digest

// A token's text in quotes, control characters and quotes escaped, so that the line stays one line.
static int put_quoted(struct hs_buf *out, const char *text, size_t len)
{
	int rc = hs_buf_append(out, "\"", 1);
	for (size_t i = 0; rc == 0 && i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < 0x20 || c == 0x7F || c == '"' || c == '\\')
			rc = hs_buf_printf(out, "\\x%02x", c);
		else
			rc = hs_buf_append(out, &text[i], 1);
	}
	return rc < 0 ? rc : hs_buf_append(out, "\"", 1);
}

static int put_added(struct hs_buf *out, const struct hs_tok_spec *spec)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < spec->nadded; i++) {
		const struct hs_tok_added *t = &spec->added[i];
		rc = hs_buf_printf(out, i ? "," : "");
		if (rc == 0)
			rc = put_quoted(out, (const char *)spec->added_text.data + t->at, t->content.len);
		if (rc == 0)
			rc = hs_buf_printf(out, ":%u%s%s%s%s", t->id, t->single_word ? "+single_word" : "",
					   t->lstrip ? "+lstrip" : "", t->rstrip ? "+rstrip" : "",
					   t->normalized ? "+normalized" : "");
	}
	return rc;
}

static int put_digest(struct hs_buf *out, const struct hs_tok_spec *spec)
{
	struct hs_buf all = {0};
	uint8_t digest[HS_SHA256_BYTES];
	char hex[HS_SHA256_HEX];
	int rc = put_added(&all, spec);
	if (rc == 0)
		rc = hs_sha256(all.data, all.len, digest);
	if (rc == 0) {
		hs_hex(digest, sizeof(digest), hex);
		rc = hs_buf_printf(out, "%zu tokens, sha256 %s", spec->nadded, hex);
	}
	hs_buf_fini(&all);
	return rc;
}

static int put_template(struct hs_buf *out, const struct hs_tok_info *info)
{
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < info->nprefix; i++)
		rc = hs_buf_printf(out, "%u/%u ", info->prefix[i], info->prefix_type[i]);
	if (rc == 0)
		rc = hs_buf_printf(out, "text/%u", info->text_type);
	for (uint32_t i = 0; rc == 0 && i < info->nsuffix; i++)
		rc = hs_buf_printf(out, " %u/%u", info->suffix[i], info->suffix_type[i]);
	return rc;
}

static const char *yes(bool b)
{
	return b ? "yes" : "no";
}

int hs_tok_settings(const struct hs_tok_spec *spec, struct hs_buf *ret)
{
	const struct hs_tok_info *info = &spec->info;
	int rc = hs_buf_printf(ret, "model=WordPiece vocab_size=%u entries=%zu prefix=", info->vocab_size,
			       spec->nentries);
	if (rc == 0)
		rc = put_quoted(ret, (const char *)spec->prefix.data, spec->prefix.len);
	if (rc == 0)
		rc = hs_buf_printf(
			ret,
			" unk=%u max_chars=%llu normalizer=Bert clean_text=%s chinese_chars=%s strip_accents=%s "
			"lowercase=%s pre_tokenizer=Bert template=[",
			spec->unk_id, (unsigned long long)spec->max_chars, yes(spec->clean_text), yes(spec->chinese),
			yes(spec->strip_accents), yes(spec->lowercase));
	if (rc == 0)
		rc = put_template(ret, info);
	if (rc == 0)
		rc = hs_buf_printf(ret, "] pad=%lld/%u mask=%lld truncation_side=%s padding_side=%s added=[",
				   (long long)info->pad_id, info->pad_type_id, (long long)info->mask_id,
				   info->truncate_left ? "left" : "right", info->pad_left ? "left" : "right");
	if (rc == 0)
		rc = spec->nadded <= LISTED_TOKENS ? put_added(ret, spec) : put_digest(ret, spec);
	return rc < 0 ? rc : hs_buf_append(ret, "]", 2); // with the NUL
}
