// SPDX-License-Identifier: Apache-2.0
// An array attached to a version: one row of float32 numbers per row of the version.
#ifndef HS_STORE_ATTACHED_H
#define HS_STORE_ATTACHED_H

#include "store/store.h"

#define HS_ATTACHED_MAX_COLUMNS 4096u // of a row; a group of rows is then 128 MiB, an eighth of what a value may be

// What an array is called and how large it is; its id is a digest over this and the values.
struct hs_attached_shape {
	struct hs_id version;
	const char *array;
	uint64_t rows;
	uint32_t dims;    // 1: [rows]; 2: [rows, columns]
	uint32_t columns; // 1 with dims 1
};

// Header of an array (msgpack map): format, kind=3, id, version (bin 32), owner, name, array, rows, groups, created_ms,
// dims, columns, dtype ("float32"), nan_rows (rows with a NaN), from (the dtype it came in).
struct hs_attached { // an open array; pointers into its file
	const struct hs_file *file;
	size_t nrows, ngroups;
	uint32_t dims, columns;
	uint64_t nan_rows;
	const float **values; // [ngroups] float32 [n, columns]
	struct hs_id version;
};

// hs_attached_open checks the header and every group's length, so that a gather needs no checks. Borrows the file.
// HSFEED_ECORRUPT, -ENOMEM.
int hs_attached_open(const struct hs_file *file, struct hs_attached **ret, struct hs_err *reterr);
void hs_attached_close(struct hs_attached *a); // NULL does nothing
// hs_attached_check reads all values: none is infinite, and as many rows as the header says have a NaN.
int hs_attached_check(const struct hs_attached *a, struct hs_err *reterr);

// hs_attached_row gives a row's `columns` numbers.
static inline const float *hs_attached_row(const struct hs_attached *a, size_t row)
{
	return a->values[row / HS_GROUP_ROWS] + row % HS_GROUP_ROWS * a->columns;
}

// hs_attached_name_ok tells whether an array may have this name: valid, and none that a batch has already.
bool hs_attached_name_ok(const char *name);

// A digest of an array's identity under way: begin with its shape, add the values of all rows as they are stored.
struct hs_sha256;
int hs_attached_id_begin(const struct hs_attached_shape *shape, struct hs_sha256 **ret); // 0 or -ENOMEM

#endif
