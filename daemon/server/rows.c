// SPDX-License-Identifier: Apache-2.0
// rows: one page of a version's rows as they are stored. Rows lie in groups of HS_GROUP_ROWS, offsets count per group.
#include <errno.h>
#include <string.h>

#include "asked.h"
#include "base/buf.h"
#include "datasets.h"

#define PAGE_ROWS  65536u
#define PAGE_BYTES (2u << 20) // of ids, and of texts; one row may be larger

struct rows_params {
	const char *name, *role;
	uint64_t owner, start, count;
	bool text;
};
#define AT(member) .offset = offsetof(struct rows_params, member)
static const struct hs_field rows_fields[] = {
	{.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = HS_NAME_MAX + 70},
	{.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "role", .type = HS_T_STR, AT(role), .min = 1, .max = HS_NAME_MAX},
	{.key = "start", .type = HS_T_UINT, AT(start), .required = true, .max = INT64_MAX},
	{.key = "count", .type = HS_T_UINT, AT(count), .required = true, .max = INT64_MAX},
	{.key = "text", .type = HS_T_BOOL, AT(text)},
};
#undef AT
const struct hs_schema hs_rows_schema = HS_SCHEMA(struct rows_params, rows_fields);

struct page {
	const struct hs_version *version;
	const struct hs_encoding *encoding;
	size_t start, count;
	struct hs_buf lines, labels, offsets, ids; // little-endian arrays
	struct hs_wbuf texts;                      // encoded strs, one per row
	struct hs_buf scratch;
};

static void fini_page(struct page *page)
{
	hs_buf_fini(&page->lines);
	hs_buf_fini(&page->labels);
	hs_buf_fini(&page->offsets);
	hs_buf_fini(&page->ids);
	hs_buf_fini(&page->scratch);
	hs_w_fini(&page->texts);
}

static int add_labels(struct page *page, size_t group, size_t i)
{
	const struct hs_version *v = page->version;
	if (v->label_type == HS_LABELS_FLOAT)
		return hs_buf_append(&page->labels, (const float *)v->labels[group] + i * v->nlabels,
				     v->nlabels * sizeof(float));
	if (v->label_type == HS_LABELS_NONE)
		return 0;
	int64_t id = ((const uint32_t *)v->labels[group])[i];
	return hs_buf_append(&page->labels, &id, sizeof(id));
}

static int add_ids(struct page *page, size_t group, size_t i)
{
	const struct hs_encoding *e = page->encoding; // NULL: a version without any
	uint32_t begin = e ? e->offsets[group][i] : 0, end = e ? e->offsets[group][i + 1] : 0;
	if (hs_buf_reserve(&page->ids, (end - begin) * sizeof(uint32_t)) < 0)
		return -ENOMEM;
	for (uint32_t k = begin; k < end; k++) {
		uint32_t code = e->width == 16 ? ((const uint16_t *)e->tokens[group])[k]
					       : ((const uint32_t *)e->tokens[group])[k];
		uint32_t id = e->table ? e->table[code] : code;
		memcpy(page->ids.data + page->ids.len, &id, sizeof(id));
		page->ids.len += sizeof(id);
	}
	uint32_t offset = (uint32_t)(page->ids.len / sizeof(uint32_t));
	return hs_buf_append(&page->offsets, &offset, sizeof(offset));
}

static int add_text(struct page *page, size_t row)
{
	struct hs_span text;
	int rc = hs_version_text(page->version, row, &page->scratch, &text);
	if (rc < 0)
		return rc;
	hs_w_str(&page->texts, text.ptr, text.len);
	return page->texts.failed ? -ENOMEM : 0;
}

static int add_row(struct page *page, size_t row, bool text)
{
	size_t group = row / HS_GROUP_ROWS, i = row % HS_GROUP_ROWS;
	int rc = hs_buf_append(&page->lines, &page->version->lines[group][i], sizeof(uint32_t));
	if (rc == 0)
		rc = add_labels(page, group, i);
	if (rc == 0)
		rc = add_ids(page, group, i);
	if (rc == 0 && text)
		rc = add_text(page, row);
	return rc;
}

static int fill_page(struct page *page, const struct rows_params *p, struct hs_err *reterr)
{
	uint32_t zero = 0;
	size_t nrows = page->version->nrows;
	page->start = p->start < nrows ? (size_t)p->start : nrows;
	size_t left = nrows - page->start, want = p->count < left ? (size_t)p->count : left;
	if (hs_buf_append(&page->offsets, &zero, sizeof(zero)) < 0)
		return hs_err_nomem(reterr, "reading rows");
	while (page->count < want && page->count < PAGE_ROWS && page->ids.len < PAGE_BYTES &&
	       page->texts.len < PAGE_BYTES) {
		int rc = add_row(page, page->start + page->count, p->text);
		if (rc < 0)
			return rc == -ENOMEM
				       ? hs_err_nomem(reterr, "reading rows")
				       : hs_err_set(reterr, rc, "row %zu cannot be read", page->start + page->count);
		page->count++;
	}
	return 0;
}

static void write_bin(struct hs_wbuf *w, const char *key, const struct hs_buf *b)
{
	hs_w_cstr(w, key);
	hs_w_bin(w, b->data, b->len);
}

static void write_page(struct hs_wbuf *w, const struct page *page, bool text)
{
	const struct hs_version *v = page->version;
	bool more = page->start + page->count < v->nrows;
	hs_w_map(w, 9 + more + text);
	hs_w_cstr(w, "start");
	hs_w_uint(w, page->start);
	hs_w_cstr(w, "count");
	hs_w_uint(w, page->count);
	hs_w_cstr(w, "rows");
	hs_w_uint(w, v->nrows);
	if (more) {
		hs_w_cstr(w, "next");
		hs_w_uint(w, page->start + page->count);
	}
	write_bin(w, "lines", &page->lines);
	write_bin(w, "labels", &page->labels);
	hs_w_cstr(w, "label_dtype");
	hs_w_cstr(w, v->label_type == HS_LABELS_CLASS ? "int64" : "float32");
	hs_w_cstr(w, "label_columns");
	hs_w_uint(w, v->label_type == HS_LABELS_NONE ? 0 : v->nlabels);
	write_bin(w, "offsets", &page->offsets);
	write_bin(w, "ids", &page->ids);
	if (text) {
		hs_w_cstr(w, "texts");
		hs_w_array(w, (uint32_t)page->count);
		hs_w_raw(w, page->texts.data, page->texts.len);
	}
}

int hs_req_rows_run(struct hs_request *req)
{
	const struct rows_params *p = req->params;
	struct hs_source_request request = hs_asked_source(req, p->name, p->owner);
	struct hs_feed_source *source;
	request.nroles = p->role != NULL;
	request.roles[0] = p->role;
	int rc = hs_feed_source_open(req->server->feed, &request, &source, &req->err);
	if (rc < 0)
		return rc;
	struct page page = {.version = hs_feed_source_version(source)};
	if (hs_feed_source_nroles(source) > 0)
		page.encoding = hs_feed_source_encoding(source, 0);
	rc = fill_page(&page, p, &req->err);
	if (rc == 0)
		write_page(&req->result, &page, p->text);
	fini_page(&page);
	hs_feed_source_close(source);
	return rc;
}
