// SPDX-License-Identifier: Apache-2.0
#include "store/attached.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "store/rows_priv.h"
#include "wire/wire.h"

// ---- names ----

bool hs_attached_name_ok(const char *name)
{
	static const char *const taken[] = {"input_ids", "attention_mask", "token_type_ids",
					    "labels",    "weight",         "index"};
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (strcmp(name, taken[i]) == 0)
			return false;
	}
	return hs_name_valid(name, strlen(name));
}

// ---- identity ----

static void put_number(uint8_t *to, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

int hs_attached_id_begin(const struct hs_attached_shape *shape, struct hs_sha256 **ret)
{
	static const char domain[] = "hsfeed array 1\n";
	uint8_t numbers[4 * 8];
	struct hs_sha256 *h;
	size_t len = strlen(shape->array);
	if (hs_sha256_create(&h) < 0)
		return -ENOMEM;
	put_number(numbers, len);
	put_number(numbers + 8, shape->rows);
	put_number(numbers + 16, shape->dims);
	put_number(numbers + 24, shape->columns);
	if (hs_sha256_update(h, domain, sizeof(domain) - 1) == 0 &&
	    hs_sha256_update(h, shape->version.bytes, sizeof(shape->version.bytes)) == 0 &&
	    hs_sha256_update(h, numbers, sizeof(numbers)) == 0 && hs_sha256_update(h, shape->array, len) == 0) {
		*ret = h;
		return 0;
	}
	hs_sha256_destroy(h);
	return -ENOMEM;
}

// ---- opening ----

static bool read_shape(struct hs_attached *a, struct hs_rbuf map)
{
	uint64_t dims, columns;
	const char *dtype;
	size_t len;
	if (!hs_r_get_uint(map, "dims", &dims) || dims < 1 || dims > 2 || !hs_r_get_uint(map, "columns", &columns) ||
	    columns < 1 || columns > HS_ATTACHED_MAX_COLUMNS || (dims == 1 && columns != 1) ||
	    !hs_r_get_uint(map, "nan_rows", &a->nan_rows) || a->nan_rows > a->nrows)
		return false;
	a->dims = (uint32_t)dims;
	a->columns = (uint32_t)columns;
	return hs_r_get_str(map, "dtype", &dtype, &len) && hs_span_is((struct hs_span){dtype, len}, "float32");
}

static int read_header(struct hs_attached *a, struct hs_err *reterr)
{
	struct hs_span h = hs_file_header(a->file);
	struct hs_rbuf map = {(const uint8_t *)h.ptr, (const uint8_t *)h.ptr + h.len};
	const void *version;
	size_t len;
	if (!hs_r_get_bin(map, "version", &version, &len) || len != sizeof(a->version.bytes))
		return hs_file_damaged(a->file, reterr, "its header names no version");
	memcpy(a->version.bytes, version, len);
	return read_shape(a, map) ? 0 : hs_file_damaged(a->file, reterr, "its header's shape cannot be understood");
}

static int open_groups(struct hs_attached *a, struct hs_err *reterr)
{
	a->values = hs_array(a->ngroups, sizeof(*a->values));
	if (!a->values)
		return hs_err_nomem(reterr, "opening an array");
	int rc = 0;
	for (uint32_t g = 0; rc == 0 && g < a->ngroups; g++) {
		const void *values = NULL;
		rc = hs_rows_column(a->file, HS_COL_VALUES, g, hs_rows_in_group(a->nrows, g) * a->columns * 4, &values,
				    reterr);
		a->values[g] = values;
	}
	return rc;
}

int hs_attached_open(const struct hs_file *file, struct hs_attached **ret, struct hs_err *reterr)
{
	struct hs_attached *a = hs_array(1, sizeof(*a));
	if (!a)
		return hs_err_nomem(reterr, "opening an array");
	a->file = file;
	int rc = hs_rows_expect(file, HS_FILE_ARRAY, &a->nrows, reterr);
	a->ngroups = hs_rows_groups(a->nrows);
	if (rc == 0)
		rc = read_header(a, reterr);
	if (rc == 0)
		rc = open_groups(a, reterr);
	if (rc < 0) {
		hs_attached_close(a);
		return rc;
	}
	*ret = a;
	return 0;
}

void hs_attached_close(struct hs_attached *a)
{
	if (!a)
		return;
	free(a->values);
	free(a);
}

// ---- values ----

#define EXPONENT 0x7f800000u

// Whether some number of a row is infinite, and whether one is NaN; in a form that compilers make SIMD of.
static void judge_row(const float *row, size_t n, bool *ret_infinite, bool *ret_nan)
{
	uint32_t infinite = 0, nan = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &row[i], sizeof(bits));
		bits &= 0x7fffffffu;
		infinite |= bits == EXPONENT;
		nan |= bits > EXPONENT;
	}
	*ret_infinite = infinite != 0;
	*ret_nan = nan != 0;
}

int hs_attached_check(const struct hs_attached *a, struct hs_err *reterr)
{
	uint64_t nan_rows = 0;
	for (size_t row = 0; row < a->nrows; row++) {
		bool infinite, nan;
		judge_row(hs_attached_row(a, row), a->columns, &infinite, &nan);
		if (infinite)
			return hs_file_damaged(a->file, reterr, "row %zu has an infinite value", row);
		nan_rows += nan;
	}
	hs_file_rest(a->file);
	return nan_rows == a->nan_rows
		       ? 0
		       : hs_file_damaged(a->file, reterr, "its header counts other rows with NaN than it holds");
}
