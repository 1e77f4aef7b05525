// SPDX-License-Identifier: Apache-2.0
// From a source file's bytes to rows of text and labels, as pandas.read_csv + dropna + astype(str) would give them, and
// then data.py's cleaning. Pure: bytes in, values out.
#ifndef HS_TEXT_SOURCE_H
#define HS_TEXT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define HS_TEXT_ENGINE    1        // changes only when some source would give other rows, texts or labels
#define HS_TEXT_MAX_BYTES 1048576u // a longer text is an error naming its line
#define HS_REPORT_LINES   20       // line numbers kept per reason

enum hs_na { HS_NA_PANDAS, HS_NA_PANDAS1, HS_NA_EMPTY };
enum hs_bad_rows { HS_BAD_ROWS_ERROR, HS_BAD_ROWS_SKIP };
enum hs_label_type { HS_LABEL_AUTO, HS_LABEL_CLASS, HS_LABEL_FLOAT };
enum hs_clean_kind { HS_CLEAN_URLS, HS_CLEAN_WHITESPACE, HS_CLEAN_LATIN, HS_CLEAN_REMOVE };

struct hs_clean_step {
	enum hs_clean_kind kind;
	struct hs_span text; // HS_CLEAN_REMOVE: what to remove
};

// hs_clean_parse reads one --clean argument ("urls,whitespace", "data.py", "remove:TEXT" - which takes the rest) and
// appends its steps to a heap array; step texts borrow from `arg`. 0, -ENOMEM, or HSFEED_EBADREQUEST naming the step.
int hs_clean_parse(const char *arg, struct hs_clean_step **steps, size_t *nsteps, struct hs_err *reterr);

// hs_clean_apply cleans one UTF-8 text into *out (which it empties first): the steps in their order and, when there is
// any, white space stripped from both ends last. 0 or -ENOMEM.
int hs_clean_apply(const struct hs_clean_step *steps, size_t nsteps, struct hs_span text, struct hs_buf *out);

struct hs_source_options {
	const char *file_name; // for sentences only
	int delimiter;         // a byte, or 0: choose comma, tab or semicolon from the first line
	bool delimiter_given;  // false: a one-column header full of tabs or semicolons is an error naming the option
	bool no_header;        // columns are then named "0", "1", ...
	const char *charset;   // NULL or "utf-8", else an iconv name
	enum hs_na na;
	bool na_given; // false: NA *words* that would drop over 1 % of rows are HSFEED_ENAWORDS
	enum hs_bad_rows bad_rows;
	const char *text_column; // NULL: the first of Comments, comments, Comment, comment, text, Text, content,
				 // comment_text
	const char *const *label_columns; // nlabel_columns names; 0: no labels
	size_t nlabel_columns;
	enum hs_label_type label_type;
	const char *positive; // this value becomes 1, every other 0; NULL: none
	const struct hs_clean_step *steps;
	size_t nsteps;
	bool drop_empty;   // drop texts that are empty after cleaning
	unsigned nthreads; // 0: one
};

struct hs_row_count {
	uint64_t rows;
	uint32_t nlines;                 // of lines[] in use
	uint32_t lines[HS_REPORT_LINES]; // the first source lines (editor's numbering, from 1)
};

struct hs_word_count { // a missing-value word other than the empty cell, in a text or label column
	struct hs_span word;
	struct hs_row_count count;
};

struct hs_source_report {
	uint64_t rows_read;                  // data records of the file, before anything is dropped
	struct hs_row_count missing_text;    // dropped
	struct hs_row_count missing_label;   // dropped (and not already for the text)
	struct hs_row_count too_many_fields; // dropped, with HS_BAD_ROWS_SKIP
	struct hs_row_count short_rows;      // padded with missing cells, kept
	struct hs_row_count empty_texts;     // after cleaning; kept, or dropped with drop_empty
	struct hs_word_count *words;         // heap
	size_t nwords;
	bool bom; // a byte order mark was skipped
};

struct hs_source_column { // a column that is neither text nor label
	struct hs_span name;
	struct hs_span *cells; // nrows; the cell's text, {NULL, 0} when missing
};

struct hs_source_label {
	struct hs_span name;
	// With classes, class ids index `values`, sorted as pandas/numpy would sort the column's values (numbers by
	// value, strings by code point). With floats, `values` is empty.
	struct hs_span *values;
	size_t nvalues;
	uint64_t missing; // data rows of the file without a value here
};

// A source read. All spans point into memory that it owns.
struct hs_source {
	size_t nrows;
	size_t ncolumns;               // in the file
	const struct hs_span *columns; // [ncolumns] their names, in file order
	struct hs_span text_column;
	struct hs_span *texts; // [nrows] cleaned
	uint32_t *lines;       // [nrows] line on which the row begins, from 1
	size_t nlabels;
	struct hs_source_label *labels; // [nlabels]
	bool label_classes;             // true: classes[] (then nlabels == 1); false: floats[]
	uint32_t *classes;              // [nrows]
	float *floats;                  // [nrows * nlabels], row-major
	size_t nothers;
	struct hs_source_column *others; // [nothers], in file order
	int delimiter;                   // the byte that was used
	struct hs_source_report report;
	void *owner; // what the spans point into
};

// hs_source_read parses and cleans a whole source. `data` stays borrowed until hs_source_fini.
// Returns 0, -ENOMEM, or HSFEED_EBADCSV, EBADCHARSET, EBADCOLUMN, EBADLABEL, ENAWORDS, ENOTCSV, ETOOLONG, ENOROWS with
// a sentence "FILE: line L[, column C]: ..." and a hint that names the option.
int hs_source_read(struct hs_span data, const struct hs_source_options *options, struct hs_source *ret,
		   struct hs_err *reterr);
void hs_source_fini(struct hs_source *s); // safe on a zeroed one

#endif
