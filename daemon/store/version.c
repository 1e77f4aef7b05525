// SPDX-License-Identifier: Apache-2.0
// Reading a version. Checksums say that the bytes are those that were written, not that a sound program wrote them (a
// parser bug in the ingest child may have): so every length and offset is checked once, here, and row access needs no
// checks.
#include "store/version.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "store/rows_priv.h"
#include "wire/wire.h"

#define MAX_LABELS 4096u // columns of labels

// ---- shared with encodings ----

static const char *column_name(enum hs_column column)
{
	static const char *const names[] = {"header", "lines",         "labels", "text ends", "text",
					    "cells",  "token offsets", "tokens", "id table",  "values"};
	return names[column];
}

int hs_rows_column(const struct hs_file *f, enum hs_column column, uint32_t group, size_t bytes, const void **ret,
		   struct hs_err *reterr)
{
	struct hs_span value;
	if (hs_file_get(f, column, 0, group, &value) < 0)
		return hs_file_damaged(f, reterr, "group %u has no %s", group, column_name(column));
	if (value.len < bytes || (uintptr_t)value.ptr % 4 != 0)
		return hs_file_damaged(f, reterr, "the %s of group %u are too short", column_name(column), group);
	*ret = value.ptr;
	return 0;
}

int hs_rows_offsets(const struct hs_file *f, enum hs_column column, uint32_t group, size_t n, const uint32_t **ret,
		    struct hs_err *reterr)
{
	const void *value = NULL;
	int rc = hs_rows_column(f, column, group, 4 * (n + 1), &value, reterr);
	if (rc < 0)
		return rc;
	const uint32_t *offsets = value;
	bool falls = offsets[0] != 0;
	for (size_t i = 0; i < n; i++)
		falls |= offsets[i + 1] < offsets[i];
	if (falls)
		return hs_file_damaged(f, reterr, "the %s of group %u are not in order", column_name(column), group);
	*ret = offsets;
	return 0;
}

int hs_rows_expect(const struct hs_file *f, enum hs_file_kind kind, size_t *ret_nrows, struct hs_err *reterr)
{
	if (hs_file_get_kind(f) != kind)
		return hs_file_damaged(f, reterr, "it is of another kind: no %s", hs_file_kind_name(kind));
	uint64_t rows = hs_file_rows(f);
	if (rows / HS_GROUP_ROWS > hs_file_nvalues(f))
		return hs_file_damaged(f, reterr, "its header states more rows than it holds");
	*ret_nrows = (size_t)rows;
	return 0;
}

// ---- the header ----

static bool label_type_of(struct hs_rbuf map, struct hs_version *v)
{
	static const char *const names[] = {
		[HS_LABELS_NONE] = "none", [HS_LABELS_FLOAT] = "float", [HS_LABELS_CLASS] = "class"};
	const char *type;
	size_t len;
	uint64_t n;
	if (!hs_r_get_str(map, "label_type", &type, &len) || !hs_r_get_uint(map, "nlabels", &n) || n > MAX_LABELS)
		return false;
	v->nlabels = (size_t)n;
	for (unsigned i = 0; i < 3; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], type, len) == 0) {
			v->label_type = i;
			return i == HS_LABELS_NONE ? n == 0 : i == HS_LABELS_CLASS ? n == 1 : n > 0;
		}
	}
	return false;
}

// Class ids index the values of the first label's map.
static bool count_classes(struct hs_rbuf map, uint32_t *ret)
{
	struct hs_rbuf labels, values;
	struct hs_wire_value head;
	if (!hs_r_find(map, "labels", &labels) || !hs_r_next(&labels, &head) || head.type != HS_WIRE_ARRAY ||
	    head.as.count == 0)
		return false;
	if (!hs_r_find(labels, "values", &values) || !hs_r_next(&values, &head) || head.type != HS_WIRE_ARRAY)
		return false;
	*ret = head.as.count;
	return true;
}

static int read_header(struct hs_version *v, uint32_t *ret_classes, struct hs_err *reterr)
{
	struct hs_span h = hs_file_header(v->file);
	struct hs_rbuf map = {(const uint8_t *)h.ptr, (const uint8_t *)h.ptr + h.len};
	if (!label_type_of(map, v))
		return hs_file_damaged(v->file, reterr, "its header's labels cannot be understood");
	*ret_classes = 0;
	if (v->label_type == HS_LABELS_CLASS && !count_classes(map, ret_classes))
		return hs_file_damaged(v->file, reterr, "its header has no label map");
	return 0;
}

// ---- groups ----

static int check_texts(struct hs_version *v, uint32_t group, size_t n, struct hs_err *reterr)
{
	int rc = hs_rows_offsets(v->file, HS_COL_TEXT_ENDS, group, n, &v->text_ends[group], reterr);
	if (rc < 0)
		return rc;
	size_t total = v->text_ends[group][n];
	for (size_t at = 0; at < total; at += HS_TEXT_CHUNK) {
		struct hs_span chunk;
		size_t want = total - at < HS_TEXT_CHUNK ? total - at : HS_TEXT_CHUNK;
		rc = hs_file_get(v->file, HS_COL_TEXT, (uint16_t)(at / HS_TEXT_CHUNK), group, &chunk);
		if (rc < 0 || chunk.len < want)
			return hs_file_damaged(v->file, reterr, "the texts of group %u are too short", group);
	}
	return 0;
}

static int check_labels(struct hs_version *v, uint32_t group, size_t n, uint32_t nclasses, struct hs_err *reterr)
{
	if (v->label_type == HS_LABELS_NONE)
		return 0;
	int rc = hs_rows_column(v->file, HS_COL_LABELS, group, 4 * n * v->nlabels, &v->labels[group], reterr);
	if (rc < 0 || v->label_type == HS_LABELS_FLOAT)
		return rc;
	const uint32_t *ids = v->labels[group];
	bool beyond = false;
	for (size_t i = 0; i < n; i++)
		beyond |= ids[i] >= nclasses;
	return beyond ? hs_file_damaged(v->file, reterr, "group %u has a class that the label map lacks", group) : 0;
}

static int open_groups(struct hs_version *v, uint32_t nclasses, struct hs_err *reterr)
{
	v->lines = hs_array(v->ngroups, sizeof(*v->lines));
	v->labels = hs_array(v->ngroups, sizeof(*v->labels));
	v->text_ends = hs_array(v->ngroups, sizeof(*v->text_ends));
	if (!v->lines || !v->labels || !v->text_ends)
		return hs_err_nomem(reterr, "opening a version");
	int rc = 0;
	for (uint32_t g = 0; rc == 0 && g < v->ngroups; g++) {
		size_t n = hs_rows_in_group(v->nrows, g);
		const void *lines = NULL;
		rc = hs_rows_column(v->file, HS_COL_LINES, g, 4 * n, &lines, reterr);
		v->lines[g] = lines;
		if (rc == 0)
			rc = check_texts(v, g, n, reterr);
		if (rc == 0)
			rc = check_labels(v, g, n, nclasses, reterr);
	}
	return rc;
}

int hs_version_open(const struct hs_file *file, struct hs_version **ret, struct hs_err *reterr)
{
	struct hs_version *v = hs_array(1, sizeof(*v));
	if (!v)
		return hs_err_nomem(reterr, "opening a version");
	v->file = file;
	uint32_t nclasses;
	int rc = hs_rows_expect(file, HS_FILE_VERSION, &v->nrows, reterr);
	v->ngroups = hs_rows_groups(v->nrows);
	if (rc == 0)
		rc = read_header(v, &nclasses, reterr);
	if (rc == 0)
		rc = open_groups(v, nclasses, reterr);
	if (rc < 0) {
		hs_version_close(v);
		return rc;
	}
	hs_file_rest(file); // checking looked everywhere, and streams need no texts
	*ret = v;
	return 0;
}

void hs_version_close(struct hs_version *v)
{
	if (!v)
		return;
	free(v->lines);
	free(v->labels);
	free(v->text_ends);
	free(v);
}

// ---- rows ----

static int copy_text(const struct hs_version *v, uint32_t group, size_t begin, size_t end, struct hs_buf *scratch)
{
	scratch->len = 0;
	while (begin < end) {
		struct hs_span chunk;
		size_t at = begin % HS_TEXT_CHUNK,
		       n = HS_TEXT_CHUNK - at < end - begin ? HS_TEXT_CHUNK - at : end - begin;
		if (hs_file_get(v->file, HS_COL_TEXT, (uint16_t)(begin / HS_TEXT_CHUNK), group, &chunk) < 0)
			return HSFEED_ECORRUPT;
		int rc = hs_buf_append(scratch, chunk.ptr + at, n);
		if (rc < 0)
			return rc;
		begin += n;
	}
	return 0;
}

int hs_version_text(const struct hs_version *v, size_t row, struct hs_buf *scratch, struct hs_span *ret)
{
	uint32_t group = (uint32_t)(row / HS_GROUP_ROWS);
	const uint32_t *ends = v->text_ends[group] + row % HS_GROUP_ROWS;
	struct hs_span chunk, text = {"", ends[1] - ends[0]};
	if (text.len > 0 && ends[0] / HS_TEXT_CHUNK == (ends[1] - 1) / HS_TEXT_CHUNK) {
		if (hs_file_get(v->file, HS_COL_TEXT, (uint16_t)(ends[0] / HS_TEXT_CHUNK), group, &chunk) < 0)
			return HSFEED_ECORRUPT;
		text.ptr = chunk.ptr + ends[0] % HS_TEXT_CHUNK;
	} else if (text.len > 0) {
		int rc = copy_text(v, group, ends[0], ends[1], scratch);
		if (rc < 0)
			return rc;
		text.ptr = (const char *)scratch->data;
	}
	if (hs_utf8_check(text.ptr, text.len) != text.len)
		return HSFEED_ECORRUPT;
	*ret = text;
	return 0;
}

int hs_version_cell(const struct hs_version *v, uint16_t column, size_t row, struct hs_span *ret)
{
	uint32_t group = (uint32_t)(row / HS_GROUP_ROWS);
	size_t n = hs_rows_in_group(v->nrows, group), i = row % HS_GROUP_ROWS, start = hs_rows_cells_start(n);
	struct hs_span value;
	if (hs_file_get(v->file, HS_COL_CELLS, column, group, &value) < 0)
		return HSFEED_ENOTFOUND;
	if (value.len < start)
		return HSFEED_ECORRUPT;
	uint32_t ends[2];
	memcpy(ends, value.ptr + 4 * i, sizeof(ends));
	if (ends[0] > ends[1] || ends[1] > value.len - start)
		return HSFEED_ECORRUPT;
	bool present = value.ptr[4 * (n + 1) + i] != 0;
	struct hs_span cell = {value.ptr + start + ends[0], ends[1] - ends[0]};
	if (hs_utf8_check(cell.ptr, cell.len) != cell.len)
		return HSFEED_ECORRUPT;
	*ret = present ? cell : (struct hs_span){NULL, 0};
	return 0;
}
