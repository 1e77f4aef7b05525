// SPDX-License-Identifier: Apache-2.0
// Label columns as numbers: 0/1 and other numbers as float32, anything else as classes.
#ifndef HS_TEXT_LABELS_H
#define HS_TEXT_LABELS_H

#include "text/arena.h"
#include "text/source.h"

// The label columns of the rows that are kept.
struct hs_labels_input {
	const struct hs_source_options *options; // file_name, label_type, positive
	size_t nrows, ncolumns;
	const struct hs_span *names;   // [ncolumns]
	struct hs_span *const *values; // [ncolumns][nrows] each cell as str(value)
	const bool *numeric;           // [ncolumns] a column of numbers: its classes are sorted by value
	const uint32_t *lines;         // [nrows]
};

struct hs_labels {
	bool classes;
	struct hs_span *values; // with classes: [nvalues] sorted
	size_t nvalues;
	uint32_t *ids; // with classes: [nrows]
	float *floats; // else [nrows * ncolumns], row-major
};

// hs_labels_make. One column of 0 and 1 (told by value: 1, 1.0, True) becomes floats, one of anything else classes,
// unless the options say which; several columns must hold numbers. 0, -ENOMEM, or HSFEED_EBADLABEL naming column, line
// and value.
int hs_labels_make(const struct hs_labels_input *in, struct hs_labels *ret, struct hs_err *reterr);
void hs_labels_fini(struct hs_labels *l); // safe on a zeroed one

#endif
