// SPDX-License-Identifier: Apache-2.0
// Arithmetic of row groups, shared by writers and readers.
#ifndef HS_STORE_ROWS_PRIV_H
#define HS_STORE_ROWS_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "store/file_priv.h"

static inline size_t hs_rows_groups(size_t nrows)
{
	return nrows / HS_GROUP_ROWS + (nrows % HS_GROUP_ROWS != 0);
}

static inline size_t hs_rows_in_group(size_t nrows, size_t group)
{
	size_t left = nrows - group * HS_GROUP_ROWS;
	return left < HS_GROUP_ROWS ? left : HS_GROUP_ROWS;
}

// Start of a cell's bytes in a value of cells: after u32[n+1] offsets and n flags, padded to 4.
static inline size_t hs_rows_cells_start(size_t n)
{
	return 4 * (n + 1) + (n + 3) / 4 * 4;
}

// hs_rows_column finds one value of a group and checks that it holds at least `bytes`.
int hs_rows_column(const struct hs_file *f, enum hs_column column, uint32_t group, size_t bytes, const void **ret,
		   struct hs_err *reterr);
// hs_rows_offsets finds u32[n+1] and checks that they start at 0 and never fall.
int hs_rows_offsets(const struct hs_file *f, enum hs_column column, uint32_t group, size_t n, const uint32_t **ret,
		    struct hs_err *reterr);
// hs_rows_expect checks the kind of a file and that as many groups as its rows need can be in it (before tables are
// allocated).
int hs_rows_expect(const struct hs_file *f, enum hs_file_kind kind, size_t *ret_nrows, struct hs_err *reterr);

#endif
