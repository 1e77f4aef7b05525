// SPDX-License-Identifier: Apache-2.0
// Source: transformers 4.57 and 5, trainer_pt_utils.py, get_length_grouped_indices.
//
//   1. a random permutation, cut into chunks of `multiple` batches
//   2. each chunk by length, descending; equal lengths as they were
//   3. the first chunk that begins with the longest row of all changes its first row for the first chunk's: when that
//      batch does not fit the memory, it is known at once
#include "plan/length.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "plan/order.h"
#include "plan/sort.h"

#define MOST_BATCHES 50    // of a chunk
#define LEAST_CHUNKS 4     // so many there shall be, if a chunk then has one batch at least
#define BLOCK_ROWS   65536 // about so many rows are sorted together, which bounds the memory it takes

static size_t chunk_rows(size_t n, uint64_t batch)
{
	uint64_t multiple = n / LEAST_CHUNKS / batch;
	multiple = multiple > MOST_BATCHES ? MOST_BATCHES : multiple > 0 ? multiple : 1;
	return batch < n ? multiple * batch : n;
}

// The rows of whole chunks, each chunk by itself.
static int sort_block(const uint32_t *lengths, size_t chunk, uint32_t *rows, size_t n)
{
	uint64_t *keys = hs_array(n, sizeof(*keys));
	uint32_t *order = hs_array(n, sizeof(*order)), *before = hs_array(n, sizeof(*before));
	int rc = keys && order && before ? 0 : -ENOMEM;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		before[i] = rows[i];
		keys[i] = (uint64_t)(i / chunk) << 32 | (UINT32_MAX - lengths[rows[i]]);
	}
	if (rc == 0)
		rc = hs_argsort_stable(keys, n, order);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rows[i] = before[order[i]];
	free(keys);
	free(order);
	free(before);
	return rc;
}

static int sort_chunks(const uint32_t *lengths, size_t chunk, uint32_t *rows, size_t n)
{
	size_t block = chunk < BLOCK_ROWS ? BLOCK_ROWS / chunk * chunk : chunk;
	int rc = 0;
	for (size_t at = 0; rc == 0 && at < n; at += block)
		rc = sort_block(lengths, chunk, rows + at, n - at < block ? n - at : block);
	return rc;
}

static void longest_first(const uint32_t *lengths, size_t chunk, uint32_t *rows, size_t n)
{
	size_t found = 0;
	for (size_t at = chunk; at < n; at += chunk)
		if (lengths[rows[at]] > lengths[rows[found]])
			found = at;
	uint32_t row = rows[0];
	rows[0] = rows[found];
	rows[found] = row;
}

int hs_length_order(const uint32_t *lengths, size_t n, uint64_t batch, uint64_t seed, uint32_t *ret_order,
		    struct hs_err *reterr)
{
	int rc = hs_randperm(n, seed, ret_order, reterr);
	if (rc < 0 || n == 0)
		return rc;
	size_t chunk = chunk_rows(n, batch);
	if (sort_chunks(lengths, chunk, ret_order, n) < 0)
		return hs_err_nomem(reterr, "ordering an epoch by length");
	longest_first(lengths, chunk, ret_order, n);
	return 0;
}
