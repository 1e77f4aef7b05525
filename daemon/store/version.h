// SPDX-License-Identifier: Apache-2.0
// What versions and encodings hold: their headers' keys, writers fed by the ingest child, readers with pointer tables.
#ifndef HS_STORE_VERSION_H
#define HS_STORE_VERSION_H

#include "store/file.h"

// Header of a version (msgpack map): format, kind=1, id (bin 32), owner, name, rows, created_ms, groups, label_type
// ("float" | "class" | "none"), nlabels, labels (LABEL maps), ncells (other columns), columns, text_column, file_name,
// source_bytes, source_sha256, options, identity, report: the last nine are opaque to the store, and passed on by
// `show` as they are. Header of an encoding: format, kind=2, id, version (bin 32), owner, name, role, rows, created_ms,
// groups, width (16 | 32), table (codes in the id table, 0: none), tokens, max_tokens, vocab_size, specials {pad, unk,
// cls, sep, mask} (-1: none), prefix [[id, type]], suffix [[id, type]], text_type, pad_type, truncate_left, pad_left,
// tokenizer, revision, normalize, settings, unknown, over, identity, advice?.

struct hs_version { // an open version; pointers into its file
	const struct hs_file *file;
	size_t nrows, ngroups;
	enum { HS_LABELS_NONE, HS_LABELS_FLOAT, HS_LABELS_CLASS } label_type;
	size_t nlabels;             // columns; 1 for classes, 0 for none
	const void **labels;        // [ngroups] float32 [n, nlabels] or u32[n]
	const uint32_t **lines;     // [ngroups]
	const uint32_t **text_ends; // [ngroups] u32[n+1]
};

// hs_version_open builds the pointer tables and checks every array's length and offsets against the rows. Borrows the
// file.
int hs_version_open(const struct hs_file *file, struct hs_version **ret, struct hs_err *reterr);
void hs_version_close(struct hs_version *v);
// hs_version_text gives the cleaned text of a row: points into the map, or into *scratch when it straddles two chunks.
// 0, -ENOMEM, or HSFEED_ECORRUPT where it is not UTF-8.
int hs_version_text(const struct hs_version *v, size_t row, struct hs_buf *scratch, struct hs_span *ret);
// hs_version_cell gives a row's cell of another source column; {NULL, 0} where the source had none. HSFEED_ENOTFOUND:
// no such column.
int hs_version_cell(const struct hs_version *v, uint16_t column, size_t row, struct hs_span *ret);

// The source's line that a row begins on.
static inline uint32_t hs_version_line(const struct hs_version *v, size_t row)
{
	return v->lines[row / HS_GROUP_ROWS][row % HS_GROUP_ROWS];
}

struct hs_encoding { // an open encoding; pointers into its file
	const struct hs_file *file;
	size_t nrows, ngroups;
	unsigned width;           // 16 or 32
	const uint32_t **offsets; // [ngroups] u32[n+1]
	const void **tokens;      // [ngroups]
	const uint32_t *table;    // [table_len] or NULL
	size_t table_len;
	uint32_t vocab_size;
	int64_t pad_id, unk_id, cls_id, sep_id, mask_id;
	uint32_t nprefix, nsuffix, prefix[16], prefix_type[16], suffix[16], suffix_type[16], text_type, pad_type;
	bool truncate_left, pad_left;
	uint32_t max_tokens; // of the longest row, without special tokens
	uint64_t tokens_total;
	struct hs_id version;
};

// Checks arrays, offsets (ascending, in bounds), codes against the table and ids against vocab_size, so that a gather
// needs no checks.
int hs_encoding_open(const struct hs_file *file, struct hs_encoding **ret, struct hs_err *reterr);
void hs_encoding_close(struct hs_encoding *e);

// hs_contents_check opens whatever a file holds, checks all of it, and closes it again. *ret_version gets the version
// that an encoding or an array is of. HSFEED_ECORRUPT, -ENOMEM.
int hs_contents_check(const struct hs_file *f, struct hs_id *ret_version, struct hs_err *reterr);

// The same readers are used on tmp files before they are published.

// Helpers of the ingest child: split rows into groups and put them.
int hs_version_put_rows(struct hs_file_writer *w, const struct hs_span *texts, const uint32_t *lines, size_t nrows,
			struct hs_err *reterr);
int hs_version_put_labels(struct hs_file_writer *w, const void *values, size_t nrows, size_t row_bytes,
			  struct hs_err *reterr);
int hs_version_put_cells(struct hs_file_writer *w, uint16_t column, const struct hs_span *cells, const uint32_t *lines,
			 size_t nrows, struct hs_err *reterr);
// hs_encoding_put_ids chooses 16 bits, 16 bits with an id table, or 32 bits, and says what it chose for the header.
struct hs_id_rows {
	const uint32_t *ids;      // a row's: ids[row_ends[i] .. row_ends[i+1])
	const uint64_t *row_ends; // [nrows + 1]
	size_t nrows;
	const uint32_t *lines; // [nrows], of the source
};
struct hs_id_coding {
	unsigned width;     // 16 or 32
	uint32_t table_len; // 0: codes are ids
};
int hs_encoding_put_ids(struct hs_file_writer *w, const struct hs_id_rows *rows, struct hs_id_coding *ret,
			struct hs_err *reterr);

#endif
