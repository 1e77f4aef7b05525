// SPDX-License-Identifier: Apache-2.0
// Which columns of a table are the text and the labels.
#ifndef HS_TEXT_COLUMNS_H
#define HS_TEXT_COLUMNS_H

#include "text/csv.h"

struct hs_columns {
	size_t text;
	size_t *labels; // [nlabels] heap
	size_t nlabels;
};

// hs_columns_choose finds the columns that the options name, and the text column by its usual names when none is given.
// 0, -ENOMEM, or HSFEED_EBADCOLUMN: a column is missing, its name stands twice in the header, or it is named twice.
int hs_columns_choose(const struct hs_csv *csv, const struct hs_source_options *options, struct hs_columns *ret,
		      struct hs_err *reterr);
void hs_columns_fini(struct hs_columns *c); // safe on a zeroed one

#endif
