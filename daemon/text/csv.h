// SPDX-License-Identifier: Apache-2.0
// Records and fields of delimited text, as pandas.read_csv's C engine splits them.
#ifndef HS_TEXT_CSV_H
#define HS_TEXT_CSV_H

#include "text/arena.h"
#include "text/source.h"

struct hs_csv_options {
	const char *file_name; // for sentences
	int delimiter;         // a byte, or 0: choose from the first record
	bool delimiter_given;
	bool no_header;
	enum hs_bad_rows bad_rows;
};

// A table of cells. Every row has `width` cells: short ones were padded with empty cells, as pandas pads them.
struct hs_csv {
	size_t width, nrows;
	struct hs_span
		*cells;  // [nrows * width], row-major; pieces of the source, or of the arena where a quote was doubled
	uint32_t *lines; // [nrows] line on which the row begins, from 1, as an editor counts
	struct hs_span *raw_names; // [width] as written
	struct hs_span *names;     // [width] as pandas names columns: "Unnamed: 3", "a.1"
	int delimiter;
	uint64_t rows_read; // data records, also those skipped
	struct hs_row_count short_rows, too_many_fields;
	struct hs_arena arena;
};

// hs_csv_read splits valid UTF-8 without a byte order mark and without NUL bytes; `text` stays borrowed.
// 0, -ENOMEM, HSFEED_EBADREQUEST (the delimiter), HSFEED_EBADCSV (an open quote, too many fields, the wrong delimiter),
// HSFEED_ENOROWS (no record, or a header only).
int hs_csv_read(struct hs_span text, const struct hs_csv_options *options, struct hs_csv *ret, struct hs_err *reterr);
void hs_csv_fini(struct hs_csv *csv); // safe on a zeroed one

// hs_csv_count_lines counts the line ends in a piece of text: LF, CR LF and lone CR are one each.
uint32_t hs_csv_count_lines(const char *text, size_t len);

// hs_csv_name_columns makes pandas' names of the raw ones: an empty name at position i becomes "Unnamed: i"; the k-th
// repetition of "a" becomes "a.k", or the next that is free. 0 or -ENOMEM.
int hs_csv_name_columns(const struct hs_span *raw, size_t n, struct hs_arena *arena, struct hs_span *names);

#endif
