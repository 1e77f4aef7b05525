// SPDX-License-Identifier: Apache-2.0
// Lists of rows: the order that somebody else made, read from a client's file and believed in nothing. Its digest is
// over the very bytes that were read.
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "feed/internal.h"
#include "store/disk.h"

#define ITEM_BYTES  sizeof(int64_t)
#define CHUNK_ITEMS 8192

struct reading {
	const struct hs_list_file *file;
	size_t nrows; // of the version
	struct hs_order_list *list;
	struct hs_sha256 *digest;
	int64_t chunk[CHUNK_ITEMS];
};

size_t hs_order_list_bytes(uint64_t file_bytes)
{
	return sizeof(struct hs_order_list) + sizeof(struct order) + file_bytes / ITEM_BYTES * sizeof(uint32_t);
}

int hs_list_file_check(const struct hs_list_file *file, struct hs_err *reterr)
{
	if (file->bytes % ITEM_BYTES)
		return hs_err_set(reterr, HSFEED_EBADFILE,
				  "%s: %llu bytes are no list of rows, which takes 8 bytes for each", file->name,
				  (unsigned long long)file->bytes);
	if (file->bytes / ITEM_BYTES > HS_FEED_MAX_LIST)
		return hs_err_set(reterr, HSFEED_ELIMIT, "%s: a list of %llu rows; a list has at most %u", file->name,
				  (unsigned long long)(file->bytes / ITEM_BYTES), HS_FEED_MAX_LIST);
	return 0;
}

static int read_chunk(struct reading *r, size_t first, size_t n, struct hs_err *reterr)
{
	int rc = hs_disk_read(r->file->fd, r->chunk, n * ITEM_BYTES, first * ITEM_BYTES);
	if (rc == 0)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADFILE, "%s: cannot be read, or became shorter: %s", r->file->name,
			  strerror(-rc));
}

static int take_chunk(struct reading *r, size_t first, size_t n, struct hs_err *reterr)
{
	if (hs_sha256_update(r->digest, r->chunk, n * ITEM_BYTES) < 0)
		return hs_err_nomem(reterr, "reading a list of rows");
	for (size_t i = 0; i < n; i++) {
		int64_t row = (int64_t)le64toh((uint64_t)r->chunk[i]);
		if (row < 0 || (uint64_t)row >= r->nrows)
			return hs_err_set(reterr, HSFEED_EBADREQUEST,
					  "%s: entry %zu is row %lld, but the version has rows 0 to %lld",
					  r->file->name, first + i, (long long)row, (long long)r->nrows - 1);
		r->list->order->rows[first + i] = (uint32_t)row;
	}
	return 0;
}

static int read_list(struct reading *r, struct hs_err *reterr)
{
	size_t n = r->list->order->n;
	int rc = 0;
	for (size_t first = 0; rc == 0 && first < n; first += CHUNK_ITEMS) {
		size_t count = n - first < CHUNK_ITEMS ? n - first : CHUNK_ITEMS;
		rc = read_chunk(r, first, count, reterr);
		if (rc == 0)
			rc = take_chunk(r, first, count, reterr);
	}
	if (rc == 0 && hs_sha256_finish(r->digest, r->list->digest) < 0)
		rc = hs_err_nomem(reterr, "reading a list of rows");
	return rc;
}

static struct hs_order_list *create_list(size_t n)
{
	struct hs_order_list *list = calloc(1, sizeof(*list));
	if (!list)
		return NULL;
	list->order = malloc(sizeof(*list->order) + n * sizeof(list->order->rows[0])); // each is written
	if (!list->order) {
		free(list);
		return NULL;
	}
	list->order->n = n;
	return list;
}

int hs_order_list_read(const struct hs_list_file *file, const struct hs_feed_source *source, struct hs_order_list **ret,
		       struct hs_err *reterr)
{
	int rc = hs_list_file_check(file, reterr);
	if (rc < 0)
		return rc;
	struct reading *r = calloc(1, sizeof(*r));
	if (!r)
		return hs_err_nomem(reterr, "reading a list of rows");
	r->file = file;
	r->nrows = hs_feed_source_version(source)->nrows;
	r->list = create_list(file->bytes / ITEM_BYTES);
	if (!r->list || hs_sha256_create(&r->digest) < 0)
		rc = hs_err_nomem(reterr, "reading a list of rows");
	else
		rc = read_list(r, reterr);
	hs_sha256_destroy(r->digest);
	if (rc < 0)
		hs_order_list_destroy(r->list);
	else
		*ret = r->list;
	free(r);
	return rc;
}

void hs_order_list_destroy(struct hs_order_list *list)
{
	if (!list)
		return;
	free(list->order);
	free(list);
}

int hs_feed_list_check(const struct hs_order_list *list, const struct hs_plan *plan, uint32_t fold, bool val,
		       struct hs_err *reterr)
{
	for (size_t i = 0; plan && i < list->order->n; i++)
		if (!hs_plan_has(plan, list->order->rows[i], fold, val)) {
			hs_err_set(reterr, HSFEED_EBADREQUEST,
				   "entry %zu of the list of rows is row %u, which is not among the %s rows of fold %u",
				   i, list->order->rows[i], val ? "validation" : "training", fold);
			return hs_err_hint(
				reterr, "folds.rows lists a split's rows; with split \"all\" any row may be asked for");
		}
	return 0;
}
