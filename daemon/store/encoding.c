// SPDX-License-Identifier: Apache-2.0
// Reading an encoding. Everything that a gather relies on is checked here once: offsets rise and end within the tokens,
// 16-bit codes are within the id table, ids within the vocabulary.
#include "store/version.h"

#include <stdlib.h>
#include <string.h>

#include "store/rows_priv.h"
#include "wire/wire.h"

#define MAX_VOCAB (1u << 28)

struct header {
	struct hs_rbuf map;
	uint64_t tokens, max_tokens, table_len, vocab_size;
};

static bool get_special(struct hs_rbuf map, const char *key, uint64_t vocab_size, int64_t *ret)
{
	struct hs_rbuf specials;
	return hs_r_find(map, "specials", &specials) && hs_r_get_int(specials, key, ret) && *ret >= -1 &&
	       *ret < (int64_t)vocab_size;
}

static bool get_u32(struct hs_rbuf map, const char *key, uint64_t max, uint32_t *ret)
{
	uint64_t value;
	if (!hs_r_get_uint(map, key, &value) || value > max)
		return false;
	*ret = (uint32_t)value;
	return true;
}

// A template's side: [[id, type], ...]
static bool get_affix(const struct header *h, const char *key, uint32_t *ret_n, uint32_t ids[16], uint32_t types[16])
{
	struct hs_rbuf list;
	struct hs_wire_value head, id, type;
	if (!hs_r_find(h->map, key, &list) || !hs_r_next(&list, &head) || head.type != HS_WIRE_ARRAY ||
	    head.as.count > 16)
		return false;
	for (uint32_t i = 0; i < head.as.count; i++) {
		struct hs_wire_value pair;
		if (!hs_r_next(&list, &pair) || pair.type != HS_WIRE_ARRAY || pair.as.count != 2 ||
		    !hs_r_next(&list, &id) || !hs_r_next(&list, &type))
			return false;
		if (id.type != HS_WIRE_UINT || id.as.u >= h->vocab_size || type.type != HS_WIRE_UINT ||
		    type.as.u > UINT32_MAX)
			return false;
		ids[i] = (uint32_t)id.as.u;
		types[i] = (uint32_t)type.as.u;
	}
	*ret_n = head.as.count;
	return true;
}

static bool read_sizes(struct hs_encoding *e, struct header *h)
{
	uint64_t width;
	if (!hs_r_get_uint(h->map, "width", &width) || (width != 16 && width != 32))
		return false;
	e->width = (unsigned)width;
	return hs_r_get_uint(h->map, "table", &h->table_len) && h->table_len <= (width == 16 ? 65536 : 0) &&
	       hs_r_get_uint(h->map, "tokens", &h->tokens) && hs_r_get_uint(h->map, "max_tokens", &h->max_tokens) &&
	       hs_r_get_uint(h->map, "vocab_size", &h->vocab_size) && h->vocab_size > 0 && h->vocab_size <= MAX_VOCAB;
}

static bool read_template(struct hs_encoding *e, const struct header *h)
{
	static const char *const names[] = {"pad", "unk", "cls", "sep", "mask"};
	int64_t *const ids[] = {&e->pad_id, &e->unk_id, &e->cls_id, &e->sep_id, &e->mask_id};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!get_special(h->map, names[i], h->vocab_size, ids[i]))
			return false;
	}
	return get_affix(h, "prefix", &e->nprefix, e->prefix, e->prefix_type) &&
	       get_affix(h, "suffix", &e->nsuffix, e->suffix, e->suffix_type) &&
	       get_u32(h->map, "text_type", UINT32_MAX, &e->text_type) &&
	       get_u32(h->map, "pad_type", UINT32_MAX, &e->pad_type) &&
	       hs_r_get_bool(h->map, "truncate_left", &e->truncate_left) &&
	       hs_r_get_bool(h->map, "pad_left", &e->pad_left);
}

static int read_header(struct hs_encoding *e, struct header *h, struct hs_err *reterr)
{
	struct hs_span bytes = hs_file_header(e->file);
	*h = (struct header){.map = {(const uint8_t *)bytes.ptr, (const uint8_t *)bytes.ptr + bytes.len}};
	const void *version;
	size_t len;
	if (!hs_r_get_bin(h->map, "version", &version, &len) || len != sizeof(e->version.bytes))
		return hs_file_damaged(e->file, reterr, "its header names no version");
	memcpy(e->version.bytes, version, len);
	if (!read_sizes(e, h))
		return hs_file_damaged(e->file, reterr, "its header's sizes cannot be understood");
	if (!read_template(e, h))
		return hs_file_damaged(e->file, reterr, "its header's special tokens cannot be understood");
	e->vocab_size = (uint32_t)h->vocab_size;
	e->table_len = (size_t)h->table_len;
	return 0;
}

static int open_table(struct hs_encoding *e, struct hs_err *reterr)
{
	const void *table;
	if (e->table_len == 0)
		return 0;
	int rc = hs_rows_column(e->file, HS_COL_ID_TABLE, 0, 4 * e->table_len, &table, reterr);
	if (rc < 0)
		return rc;
	e->table = table;
	for (size_t i = 0; i < e->table_len; i++) {
		if (e->table[i] >= e->vocab_size)
			return hs_file_damaged(e->file, reterr, "its id table has an id beyond the vocabulary");
	}
	return 0;
}

// The largest code, in a form that compilers make SIMD of.
static uint32_t largest16(const uint16_t *codes, size_t n)
{
	uint16_t most = 0;
	for (size_t i = 0; i < n; i++)
		most = codes[i] > most ? codes[i] : most;
	return most;
}

static uint32_t largest32(const uint32_t *codes, size_t n)
{
	uint32_t most = 0;
	for (size_t i = 0; i < n; i++)
		most = codes[i] > most ? codes[i] : most;
	return most;
}

static int open_group(struct hs_encoding *e, uint32_t group, struct hs_err *reterr)
{
	size_t n = hs_rows_in_group(e->nrows, group);
	int rc = hs_rows_offsets(e->file, HS_COL_OFFSETS, group, n, &e->offsets[group], reterr);
	if (rc < 0)
		return rc;
	const uint32_t *offsets = e->offsets[group];
	size_t ntokens = offsets[n];
	rc = hs_rows_column(e->file, HS_COL_TOKENS, group, ntokens * (e->width / 8), &e->tokens[group], reterr);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		e->max_tokens =
			offsets[i + 1] - offsets[i] > e->max_tokens ? offsets[i + 1] - offsets[i] : e->max_tokens;
	e->tokens_total += ntokens;
	uint32_t limit = e->table ? (uint32_t)e->table_len : e->vocab_size;
	uint32_t most = e->width == 16 ? largest16(e->tokens[group], ntokens) : largest32(e->tokens[group], ntokens);
	if (ntokens > 0 && most >= limit)
		return hs_file_damaged(e->file, reterr, "group %u has a token beyond the vocabulary", group);
	return 0;
}

static int open_groups(struct hs_encoding *e, const struct header *h, struct hs_err *reterr)
{
	e->offsets = hs_array(e->ngroups, sizeof(*e->offsets));
	e->tokens = hs_array(e->ngroups, sizeof(*e->tokens));
	if (!e->offsets || !e->tokens)
		return hs_err_nomem(reterr, "opening an encoding");
	for (uint32_t g = 0; g < e->ngroups; g++) {
		int rc = open_group(e, g, reterr);
		if (rc < 0)
			return rc;
	}
	if (e->tokens_total != h->tokens || e->max_tokens != h->max_tokens)
		return hs_file_damaged(e->file, reterr, "its header counts other tokens than it holds");
	return 0;
}

int hs_encoding_open(const struct hs_file *file, struct hs_encoding **ret, struct hs_err *reterr)
{
	struct hs_encoding *e = hs_array(1, sizeof(*e));
	if (!e)
		return hs_err_nomem(reterr, "opening an encoding");
	e->file = file;
	struct header h;
	int rc = hs_rows_expect(file, HS_FILE_ENCODING, &e->nrows, reterr);
	e->ngroups = hs_rows_groups(e->nrows);
	if (rc == 0)
		rc = read_header(e, &h, reterr);
	if (rc == 0)
		rc = open_table(e, reterr);
	if (rc == 0)
		rc = open_groups(e, &h, reterr);
	if (rc < 0) {
		hs_encoding_close(e);
		return rc;
	}
	*ret = e;
	return 0;
}

void hs_encoding_close(struct hs_encoding *e)
{
	if (!e)
		return;
	free(e->offsets);
	free(e->tokens);
	free(e);
}
