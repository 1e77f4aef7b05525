// SPDX-License-Identifier: Apache-2.0
#include "ingest/header.h"

#include <errno.h>

#include "base/clock.h"
#include "ingest/report.h"
#include "ingest/words.h"

// A map whose pairs are counted as they are written.
struct pairs {
	struct hs_wbuf *w;
	size_t mark;
	uint32_t n;
};

static struct hs_wbuf *key(struct pairs *p, const char *name)
{
	hs_w_cstr(p->w, name);
	p->n++;
	return p->w;
}

static int end(struct pairs *p)
{
	hs_w_map_end(p->w, p->mark, p->n);
	return p->w->failed ? -ENOMEM : 0;
}

static uint64_t groups_of(size_t nrows)
{
	return (nrows + HS_GROUP_ROWS - 1) / HS_GROUP_ROWS;
}

static void put_common(struct pairs *p, const struct hs_job *job, enum hs_file_kind kind, const struct hs_id *id,
		       size_t nrows)
{
	hs_w_uint(key(p, "format"), HS_FORMAT);
	hs_w_uint(key(p, "kind"), (uint64_t)kind);
	hs_w_bin(key(p, "id"), id->bytes, sizeof(id->bytes));
	hs_w_uint(key(p, "owner"), job->owner);
	hs_w_cstr(key(p, "name"), job->name);
	hs_w_uint(key(p, "rows"), nrows);
	hs_w_uint(key(p, "groups"), groups_of(nrows));
	hs_w_int(key(p, "created_ms"), hs_now_ms());
}

// ---- version ----

// The other columns' names, in the order of their cells' column numbers.
static void put_cells(struct pairs *p, const struct hs_source *s)
{
	hs_w_uint(key(p, "ncells"), s->nothers);
	hs_w_array(key(p, "cells"), (uint32_t)s->nothers);
	for (size_t i = 0; i < s->nothers; i++)
		hs_w_str(p->w, s->others[i].name.ptr, s->others[i].name.len);
}

static void put_columns(struct pairs *p, const struct hs_source *s)
{
	hs_w_array(key(p, "columns"), (uint32_t)s->ncolumns);
	for (size_t i = 0; i < s->ncolumns; i++)
		hs_w_str(p->w, s->columns[i].ptr, s->columns[i].len);
	hs_w_str(key(p, "text_column"), s->text_column.ptr, s->text_column.len);
}

int hs_header_version(const struct hs_work *work, const struct hs_load *load, const struct hs_duplicates *duplicates,
		      struct hs_wbuf *w)
{
	const struct hs_job *job = work->job;
	const struct hs_source *s = &load->source;
	struct pairs p = {.w = w, .mark = hs_w_map_begin(w)};
	char sum[HS_SHA256_HEX];
	hs_hex(load->file.sha256, HS_SHA256_BYTES, sum);
	put_common(&p, job, HS_FILE_VERSION, &load->id, s->nrows);
	hs_w_cstr(key(&p, "label_type"), hs_words_of_labels(s));
	hs_w_uint(key(&p, "nlabels"), s->nlabels);
	hs_report_put_labels(s, key(&p, "labels"));
	put_cells(&p, s);
	put_columns(&p, s);
	hs_w_cstr(key(&p, "file_name"), job->file_name);
	hs_w_uint(key(&p, "source_bytes"), load->file.len);
	hs_w_cstr(key(&p, "source_sha256"), sum);
	hs_identity_put(&load->identity, key(&p, "identity"));
	hs_report_put(s, job->options.drop_empty, duplicates, key(&p, "report"));
	int rc = hs_report_put_options(s, &job->options, key(&p, "options"));
	return rc < 0 ? rc : end(&p);
}

// ---- encoding ----

static void put_specials(struct pairs *p, const struct hs_tok_info *info)
{
	const struct {
		const char *name;
		int64_t id;
	} specials[] = {{"pad", info->pad_id},
			{"unk", info->unk_id},
			{"cls", info->cls_id},
			{"sep", info->sep_id},
			{"mask", info->mask_id}};
	hs_w_map(key(p, "specials"), 5);
	for (size_t i = 0; i < 5; i++) {
		hs_w_cstr(p->w, specials[i].name);
		hs_w_int(p->w, specials[i].id);
	}
}

static void put_template(struct hs_wbuf *w, const uint32_t *ids, const uint32_t *types, uint32_t n)
{
	hs_w_array(w, n);
	for (uint32_t i = 0; i < n; i++) {
		hs_w_array(w, 2);
		hs_w_uint(w, ids[i]);
		hs_w_uint(w, types[i]);
	}
}

static void put_tokenizer(struct pairs *p, const struct hs_tokenizer *t)
{
	const struct hs_tok_info *info = t->info;
	put_specials(p, info);
	put_template(key(p, "prefix"), info->prefix, info->prefix_type, info->nprefix);
	put_template(key(p, "suffix"), info->suffix, info->suffix_type, info->nsuffix);
	hs_w_uint(key(p, "text_type"), info->text_type);
	hs_w_uint(key(p, "pad_type"), info->pad_type_id);
	hs_w_bool(key(p, "truncate_left"), info->truncate_left);
	hs_w_bool(key(p, "pad_left"), info->pad_left);
	hs_w_uint(key(p, "vocab_size"), info->vocab_size);
	hs_w_cstr(key(p, "tokenizer"), t->job->name);
	hs_w_cstr(key(p, "revision"), t->job->revision);
	hs_w_cstr(key(p, "normalize"), hs_norm_name(t->job->normalize));
	hs_w_cstr(key(p, "settings"), info->settings);
	hs_identity_put(&t->identity, key(p, "identity"));
}

static void put_counts(struct pairs *p, const struct hs_encoded *e)
{
	hs_w_uint(key(p, "tokens"), e->tokens);
	hs_w_uint(key(p, "max_tokens"), e->max_tokens);
	hs_w_uint(key(p, "unknown"), e->unknown);
	hs_w_array(key(p, "over"), HS_NLIMITS);
	for (size_t i = 0; i < HS_NLIMITS; i++) {
		hs_w_array(p->w, 2);
		hs_w_uint(p->w, hs_encode_limits[i]);
		hs_w_uint(p->w, e->over[i]);
	}
}

static void put_advice(struct pairs *p, const struct hs_advice *advice)
{
	struct hs_wbuf *w = key(p, "advice");
	hs_w_map(w, 4);
	hs_w_cstr(w, "normalize");
	hs_w_cstr(w, "nfc");
	hs_w_cstr(w, "unknown_share");
	hs_w_f64(w, advice->unknown_share);
	hs_w_cstr(w, "with");
	hs_w_f64(w, advice->with);
	hs_w_cstr(w, "sampled_rows");
	hs_w_uint(w, advice->sampled_rows);
}

int hs_header_encoding(const struct hs_header_encoding_in *in, struct hs_wbuf *w)
{
	struct pairs p = {.w = w, .mark = hs_w_map_begin(w)};
	put_common(&p, in->work->job, HS_FILE_ENCODING, &in->tokenizer->id, in->encoded->nrows);
	hs_w_bin(key(&p, "version"), in->version->bytes, sizeof(in->version->bytes));
	hs_w_cstr(key(&p, "role"), in->tokenizer->job->role);
	hs_w_uint(key(&p, "width"), in->width);
	hs_w_uint(key(&p, "table"), in->table_len);
	put_counts(&p, in->encoded);
	put_tokenizer(&p, in->tokenizer);
	if (in->advice->given)
		put_advice(&p, in->advice);
	return end(&p);
}
