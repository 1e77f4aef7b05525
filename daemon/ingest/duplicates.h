// SPDX-License-Identifier: Apache-2.0
// Rows with the same cleaned text, and whether their labels agree.
#ifndef HS_INGEST_DUPLICATES_H
#define HS_INGEST_DUPLICATES_H

#include "base/buf.h"
#include "base/err.h"
#include "text/source.h"

struct hs_duplicates {
	uint64_t rows;               // texts beyond the first of their kind
	uint64_t groups;             // kinds of text that occur more than once
	uint64_t conflicting_groups; // of these, with rows of different labels
	uint64_t conflicting_rows;   // all rows of these
	uint32_t nlines;
	uint32_t lines[HS_REPORT_LINES]
		      [2]; // source lines of a group's first row and of the first one that disagrees with it
};

struct hs_duplicates_in {
	size_t nrows;
	const struct hs_span *texts;
	const uint32_t *lines;
	const void *labels; // [nrows] of row_bytes each; row_bytes 0: no labels, no conflicts
	size_t row_bytes;
	unsigned threads;
};

// 0 or -ENOMEM. The answer does not depend on the number of threads.
int hs_duplicates_find(const struct hs_duplicates_in *in, struct hs_duplicates *ret, struct hs_err *reterr);

#endif
