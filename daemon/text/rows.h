// SPDX-License-Identifier: Apache-2.0
// Which rows stay: pandas' dropna over the text and label columns, counted by reason.
#ifndef HS_TEXT_ROWS_H
#define HS_TEXT_ROWS_H

#include "text/columns.h"
#include "text/types.h"

struct hs_rows {
	uint32_t *rows; // [n] rows of the table, ascending
	size_t n;
};

struct hs_rows_input {
	const struct hs_csv *csv;
	const struct hs_columns *columns;
	const struct hs_types *types; // of the text column, then of each label column
	const struct hs_source_options *options;
};

// hs_rows_choose. Counts go to *report (missing_text, missing_label, words), on failure too. 0, -ENOMEM,
// HSFEED_ENAWORDS (words would drop over 1 % and --na was not given) or HSFEED_ENOROWS.
int hs_rows_choose(const struct hs_rows_input *in, struct hs_rows *ret, struct hs_source_report *report,
		   struct hs_err *reterr);

#endif
