// SPDX-License-Identifier: Apache-2.0
// Writing rows: each column is cut into groups of HS_GROUP_ROWS, one value per group (texts: chunks of HS_TEXT_CHUNK).
#include <stdlib.h>
#include <string.h>

#include "store/rows_priv.h"
#include "store/version.h"

#define MAX_MAPPED_ID (1u << 24) // ids above are stored as they are: counting distinct ones would take too much memory

// A group's rows, cut from an ingest's.
struct part {
	size_t first, n;
	uint32_t group;
	const uint32_t *lines; // of the whole source
};

static struct part part_of(size_t nrows, size_t group, const uint32_t *lines)
{
	return (struct part){group * HS_GROUP_ROWS, hs_rows_in_group(nrows, group), (uint32_t)group, lines};
}

static int too_long(const struct part *part, const char *what, uint64_t bytes, uint64_t limit, struct hs_err *reterr)
{
	hs_err_set(reterr, HSFEED_ETOOLONG,
		   "lines %u to %u: their %s take %llu bytes together; the store holds %llu in a group of %u rows",
		   part->lines[part->first], part->lines[part->first + part->n - 1], what, (unsigned long long)bytes,
		   (unsigned long long)limit, HS_GROUP_ROWS);
	hs_err_hint(reterr,
		    "are these whole documents in one column? cut them into shorter texts, or leave that column out");
	return HSFEED_ETOOLONG;
}

// ---- texts ----

static int put_ends(struct hs_file_writer *w, const struct part *part, const struct hs_span *texts, uint64_t *ret_total,
		    struct hs_err *reterr)
{
	uint64_t total = 0;
	for (size_t i = 0; i < part->n; i++)
		total += texts[part->first + i].len;
	if (total > UINT32_MAX)
		return too_long(part, "texts", total, UINT32_MAX, reterr);
	uint32_t *ends = hs_array(part->n + 1, sizeof(*ends));
	if (!ends)
		return hs_err_nomem(reterr, "storing texts");
	for (size_t i = 0; i < part->n; i++)
		ends[i + 1] = ends[i] + (uint32_t)texts[part->first + i].len;
	int rc =
		hs_file_put(w, (struct hs_file_key){HS_COL_TEXT_ENDS, 0, part->group}, ends, 4 * (part->n + 1), reterr);
	free(ends);
	*ret_total = total;
	return rc;
}

struct chunks {
	struct hs_file_writer *w;
	uint32_t group;
	uint16_t number;
	uint8_t *data; // room for one
	size_t len;
};

static int put_chunk(struct chunks *c, struct hs_err *reterr)
{
	if (c->len == 0)
		return 0;
	int rc = hs_file_put(c->w, (struct hs_file_key){HS_COL_TEXT, c->number, c->group}, c->data, c->len, reterr);
	c->number++;
	c->len = 0;
	return rc;
}

static int add_text(struct chunks *c, struct hs_span text, struct hs_err *reterr)
{
	while (text.len > 0) {
		size_t room = HS_TEXT_CHUNK - c->len, n = text.len < room ? text.len : room;
		memcpy(c->data + c->len, text.ptr, n);
		c->len += n;
		text.ptr += n;
		text.len -= n;
		int rc = c->len == HS_TEXT_CHUNK ? put_chunk(c, reterr) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int put_texts(struct hs_file_writer *w, const struct part *part, const struct hs_span *texts,
		     struct hs_err *reterr)
{
	uint64_t total = 0;
	int rc = put_ends(w, part, texts, &total, reterr);
	if (rc < 0)
		return rc;
	struct chunks c = {.w = w,
			   .group = part->group,
			   .data = malloc(total < HS_TEXT_CHUNK ? (size_t)total + 1 : HS_TEXT_CHUNK)};
	if (!c.data)
		return hs_err_nomem(reterr, "storing texts");
	for (size_t i = 0; rc == 0 && i < part->n; i++)
		rc = add_text(&c, texts[part->first + i], reterr);
	if (rc == 0)
		rc = put_chunk(&c, reterr);
	free(c.data);
	return rc;
}

int hs_version_put_rows(struct hs_file_writer *w, const struct hs_span *texts, const uint32_t *lines, size_t nrows,
			struct hs_err *reterr)
{
	int rc = 0;
	for (size_t g = 0; rc == 0 && g < hs_rows_groups(nrows); g++) {
		struct part part = part_of(nrows, g, lines);
		rc = hs_file_put(w, (struct hs_file_key){HS_COL_LINES, 0, part.group}, lines + part.first, 4 * part.n,
				 reterr);
		if (rc == 0)
			rc = put_texts(w, &part, texts, reterr);
	}
	return rc;
}

int hs_version_put_labels(struct hs_file_writer *w, const void *values, size_t nrows, size_t row_bytes,
			  struct hs_err *reterr)
{
	int rc = 0;
	for (size_t g = 0; rc == 0 && g < hs_rows_groups(nrows); g++) {
		const uint8_t *first = (const uint8_t *)values + g * HS_GROUP_ROWS * row_bytes;
		rc = hs_file_put(w, (struct hs_file_key){HS_COL_LABELS, 0, (uint32_t)g}, first,
				 hs_rows_in_group(nrows, g) * row_bytes, reterr);
	}
	return rc;
}

// ---- cells ----

static void fill_cells(uint8_t *value, const struct hs_span *cells, size_t n)
{
	uint32_t end = 0;
	memcpy(value, &end, 4);
	for (size_t i = 0; i < n; i++) {
		if (cells[i].len)
			memcpy(value + hs_rows_cells_start(n) + end, cells[i].ptr, cells[i].len);
		end += (uint32_t)cells[i].len;
		memcpy(value + 4 * (i + 1), &end, 4);
		value[4 * (n + 1) + i] = cells[i].ptr != NULL;
	}
}

static int put_cells(struct hs_file_writer *w, uint16_t column, const struct part *part, const struct hs_span *cells,
		     struct hs_err *reterr)
{
	uint64_t total = hs_rows_cells_start(part->n);
	for (size_t i = 0; i < part->n; i++)
		total += cells[part->first + i].len;
	if (total > HS_VALUE_MAX)
		return too_long(part, "cells of a column", total, HS_VALUE_MAX, reterr);
	uint8_t *value = hs_array((size_t)total, 1);
	if (!value)
		return hs_err_nomem(reterr, "storing cells");
	fill_cells(value, cells + part->first, part->n);
	int rc = hs_file_put(w, (struct hs_file_key){HS_COL_CELLS, column, part->group}, value, (size_t)total, reterr);
	free(value);
	return rc;
}

int hs_version_put_cells(struct hs_file_writer *w, uint16_t column, const struct hs_span *cells, const uint32_t *lines,
			 size_t nrows, struct hs_err *reterr)
{
	int rc = 0;
	for (size_t g = 0; rc == 0 && g < hs_rows_groups(nrows); g++) {
		struct part part = part_of(nrows, g, lines);
		rc = put_cells(w, column, &part, cells, reterr);
	}
	return rc;
}

// ---- ids ----

// How an encoding's ids become codes: 16 bits wide where the ids or the number of distinct ids allow it.
struct coding {
	unsigned width;
	uint32_t *table; // distinct ids, ascending; NULL when codes are ids
	uint32_t table_len;
	uint16_t *code_of_id; // with a table
};

static void free_coding(struct coding *c)
{
	free(c->table);
	free(c->code_of_id);
}

// used[id] on entry; the table holds the used ids in ascending order, at most 65,536 of them.
static int number_ids(struct coding *c, const uint8_t *used, uint32_t most)
{
	size_t distinct = 0;
	for (size_t id = 0; id <= most; id++)
		distinct += used[id];
	if (distinct > 65536)
		return 0;
	c->table = hs_array(distinct, sizeof(*c->table));
	c->code_of_id = hs_array((size_t)most + 1, sizeof(*c->code_of_id));
	if (!c->table || !c->code_of_id)
		return -1;
	for (size_t id = 0; id <= most; id++) {
		if (used[id]) {
			c->code_of_id[id] = (uint16_t)c->table_len;
			c->table[c->table_len++] = (uint32_t)id;
		}
	}
	c->width = 16;
	return 0;
}

static int choose_coding(struct coding *c, const uint32_t *ids, size_t n, struct hs_err *reterr)
{
	uint32_t most = 0;
	for (size_t i = 0; i < n; i++)
		most = ids[i] > most ? ids[i] : most;
	*c = (struct coding){.width = most <= UINT16_MAX ? 16 : 32};
	if (c->width == 16 || most > MAX_MAPPED_ID)
		return 0;
	uint8_t *used = hs_array((size_t)most + 1, 1);
	if (!used)
		return hs_err_nomem(reterr, "storing token ids");
	for (size_t i = 0; i < n; i++)
		used[ids[i]] = 1;
	int rc = number_ids(c, used, most);
	free(used);
	return rc < 0 ? hs_err_nomem(reterr, "storing token ids") : 0;
}

static int put_tokens(struct hs_file_writer *w, const struct coding *c, const struct part *part, const uint32_t *ids,
		      size_t n, struct hs_err *reterr)
{
	if (c->width == 32)
		return hs_file_put(w, (struct hs_file_key){HS_COL_TOKENS, 0, part->group}, ids, 4 * n, reterr);
	uint16_t *codes = hs_array(n, sizeof(*codes));
	if (!codes)
		return hs_err_nomem(reterr, "storing token ids");
	for (size_t i = 0; i < n; i++)
		codes[i] = c->table ? c->code_of_id[ids[i]] : (uint16_t)ids[i];
	int rc = hs_file_put(w, (struct hs_file_key){HS_COL_TOKENS, 0, part->group}, codes, 2 * n, reterr);
	free(codes);
	return rc;
}

static int put_offsets(struct hs_file_writer *w, const struct part *part, const uint64_t *ends, struct hs_err *reterr)
{
	uint32_t *offsets = hs_array(part->n + 1, sizeof(*offsets));
	if (!offsets)
		return hs_err_nomem(reterr, "storing token ids");
	for (size_t i = 0; i <= part->n; i++)
		offsets[i] = (uint32_t)(ends[i] - ends[0]);
	int rc = hs_file_put(w, (struct hs_file_key){HS_COL_OFFSETS, 0, part->group}, offsets, 4 * (part->n + 1),
			     reterr);
	free(offsets);
	return rc;
}

static int put_id_group(struct hs_file_writer *w, const struct coding *c, const struct part *part,
			const struct hs_id_rows *rows, struct hs_err *reterr)
{
	const uint64_t *ends = rows->row_ends + part->first;
	uint64_t n = ends[part->n] - ends[0], bytes = n * (c->width / 8);
	if (bytes > HS_VALUE_MAX)
		return too_long(part, "token ids", bytes, HS_VALUE_MAX, reterr);
	int rc = put_offsets(w, part, ends, reterr);
	return rc < 0 ? rc : put_tokens(w, c, part, rows->ids + ends[0], (size_t)n, reterr);
}

int hs_encoding_put_ids(struct hs_file_writer *w, const struct hs_id_rows *rows, struct hs_id_coding *ret,
			struct hs_err *reterr)
{
	struct coding c;
	size_t first = (size_t)rows->row_ends[0], n = (size_t)(rows->row_ends[rows->nrows] - rows->row_ends[0]);
	int rc = choose_coding(&c, rows->ids + first, n, reterr);
	for (size_t g = 0; rc == 0 && g < hs_rows_groups(rows->nrows); g++) {
		struct part part = part_of(rows->nrows, g, rows->lines);
		rc = put_id_group(w, &c, &part, rows, reterr);
	}
	if (rc == 0 && c.table)
		rc = hs_file_put(w, (struct hs_file_key){HS_COL_ID_TABLE, 0, 0}, c.table, 4 * (size_t)c.table_len,
				 reterr);
	if (rc == 0)
		*ret = (struct hs_id_coding){c.width, c.table_len};
	free_coding(&c);
	return rc;
}
