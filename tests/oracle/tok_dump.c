// SPDX-License-Identifier: Apache-2.0
// Token ids for the oracle tests. A job on stdin is "FOLDER\n", a u32 count, and that many texts (u32 length, bytes);
// the answer on stdout is a u32 length and a JSON object (info or error), then, without an error, per text a u32 count
// and that many u32 ids. Jobs follow one another until end of file. All numbers are of this machine's byte order.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tok_folder.h"

static void put_u32(uint32_t v)
{
	fwrite(&v, sizeof(v), 1, stdout);
}

static uint32_t get_u32(void)
{
	uint32_t v;
	if (fread(&v, sizeof(v), 1, stdin) != 1)
		exit(2);
	return v;
}

static void put_json_string(struct hs_buf *out, const char *text)
{
	hs_buf_append(out, "\"", 1);
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\')
			hs_buf_printf(out, "\\u%04x", (unsigned char)*text);
		else
			hs_buf_append(out, text, 1);
	}
	hs_buf_append(out, "\"", 1);
}

static void put_ids(struct hs_buf *out, const char *key, const uint32_t *ids, uint32_t n)
{
	hs_buf_printf(out, ",\"%s\":[", key);
	for (uint32_t i = 0; i < n; i++)
		hs_buf_printf(out, "%s%u", i ? "," : "", ids[i]);
	hs_buf_append(out, "]", 1);
}

static void put_info(struct hs_buf *out, const struct hs_tok_info *info)
{
	hs_buf_printf(out,
		      "{\"vocab_size\":%u,\"pad\":%lld,\"unk\":%lld,\"cls\":%lld,\"sep\":%lld,\"mask\":%lld,"
		      "\"truncate_left\":%s,\"pad_left\":%s,\"model_max_length\":%llu,\"text_type\":%u",
		      info->vocab_size, (long long)info->pad_id, (long long)info->unk_id, (long long)info->cls_id,
		      (long long)info->sep_id, (long long)info->mask_id, info->truncate_left ? "true" : "false",
		      info->pad_left ? "true" : "false", (unsigned long long)info->model_max_length, info->text_type);
	put_ids(out, "prefix", info->prefix, info->nprefix);
	put_ids(out, "prefix_type", info->prefix_type, info->nprefix);
	put_ids(out, "suffix", info->suffix, info->nsuffix);
	put_ids(out, "suffix_type", info->suffix_type, info->nsuffix);
	hs_buf_printf(out, ",\"settings\":");
	put_json_string(out, info->settings);
	hs_buf_append(out, "}", 1);
}

static void answer(const struct hs_buf *json)
{
	put_u32((uint32_t)json->len);
	fwrite(json->data, 1, json->len, stdout);
}

static void refuse(const struct hs_err *err)
{
	struct hs_buf json = {0};
	hs_buf_printf(&json, "{\"error\":\"%s\",\"message\":", hs_err_name(err->code));
	put_json_string(&json, err->message);
	hs_buf_printf(&json, ",\"hint\":");
	put_json_string(&json, err->hint);
	hs_buf_append(&json, "}", 1);
	answer(&json);
	hs_buf_fini(&json);
}

static void encode_texts(const struct hs_tok *tok, uint32_t ntexts)
{
	struct hs_tok_scratch *scratch;
	struct hs_ids ids = {0};
	static const uint32_t ids_none;
	if (hs_tok_scratch_create(&scratch) < 0)
		exit(2);
	for (uint32_t i = 0; i < ntexts; i++) {
		uint32_t len = get_u32();
		char *text = malloc(len ? len : 1); // exactly as long: a read past the end is seen by ASan
		if (!text || fread(text, 1, len, stdin) != len)
			exit(2);
		ids.n = 0;
		if (tok && hs_tok_encode(tok, scratch, (struct hs_span){text, len}, &ids) < 0)
			exit(2);
		if (tok) {
			put_u32((uint32_t)ids.n);
			fwrite(ids.n ? ids.ids : &ids_none, sizeof(uint32_t), ids.n, stdout);
		}
		free(text);
	}
	hs_ids_fini(&ids);
	hs_tok_scratch_destroy(scratch);
}

static void job(const char *folder)
{
	struct hs_tok_files files = tok_folder_read(folder);
	struct hs_tok *tok = NULL;
	struct hs_err err = {0};
	if (hs_tok_create(&files, &tok, &err) < 0) {
		refuse(&err);
	} else {
		struct hs_buf json = {0};
		put_info(&json, hs_tok_get_info(tok));
		answer(&json);
		hs_buf_fini(&json);
	}
	tok_folder_free(&files);
	encode_texts(tok, get_u32());
	hs_tok_destroy(tok);
	fflush(stdout);
}

int main(void)
{
	char folder[4096];
	while (fgets(folder, sizeof(folder), stdin)) {
		folder[strcspn(folder, "\n")] = '\0';
		job(folder);
	}
	return 0;
}
