// SPDX-License-Identifier: Apache-2.0
// Attached arrays of a source: which ones, opened and shared as encodings are, and their rows in a batch.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/internal.h"

// ---- what the cache makes ----

static void array_destroy(void *value)
{
	struct open_array *a = value;
	hs_attached_close(a->attached);
	hs_store_release(a->store, a->file);
	free(a);
}

static int array_make(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr)
{
	struct open_request *request = arg;
	struct open_array *a = calloc(1, sizeof(*a));
	if (!a)
		return hs_err_nomem(reterr, "opening an array");
	a->store = request->feed->store;
	int rc = hs_store_acquire(a->store, request->owner, HS_FILE_ARRAY, request->id, &a->file, reterr);
	if (rc < 0) {
		free(a);
		return rc;
	}
	rc = hs_attached_open(a->file, &a->attached, reterr);
	if (rc < 0) {
		hs_store_release(a->store, a->file);
		free(a);
		return rc;
	}
	*ret_value = a;
	*ret_bytes = 1;
	return 0;
}

const struct hs_cache_kind hs_feed_array_cache = {array_make, array_destroy, 32}; // files, as the others of source.c

// ---- which ones ----

static const struct hs_array_entry *find_array(const struct hs_version_entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->narrays; i++)
		if (strcmp(entry->arrays[i].array, name) == 0)
			return &entry->arrays[i];
	return NULL;
}

static int no_such_array(const struct hs_version_entry *entry, const char *name, struct hs_err *reterr)
{
	char list[400] = "";
	size_t used = 0;
	for (size_t i = 0; i < entry->narrays && used < sizeof(list) - 2; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 entry->arrays[i].array);
	hs_err_set(reterr, HSFEED_ENOTFOUND, "this version of dataset %s has no array \"%.128s\"", entry->name, name);
	return hs_err_hint(reterr, "it has: %s; arrays belong to one version: attach with hsfeed attach",
			   list[0] ? list : "none");
}

// The array a request means: the pinned one of a saved state, else the present one of that name.
static int choose_array(const struct hs_feed_source *source, const struct hs_source_request *request, size_t i,
			struct hs_id *ret, struct hs_err *reterr)
{
	static const struct hs_id none;
	const char *name = request->arrays[i];
	if (!hs_id_eq(&request->array_ids[i], &none)) {
		*ret = request->array_ids[i];
		if (hs_store_has(source->feed->store, source->entry.owner, HS_FILE_ARRAY, ret))
			return 0;
		char hex[HS_ID_HEX];
		hs_id_hex(ret, hex);
		hs_err_set(reterr, HSFEED_ENOTFOUND, "array \"%.128s\" (%.12s) is not in the store any more", name,
			   hex);
		return hs_err_hint(reterr, "it was replaced or detached; attach those values again, or begin anew");
	}
	const struct hs_array_entry *array = find_array(&source->entry, name);
	if (!array)
		return no_such_array(&source->entry, name, reterr);
	*ret = array->id;
	return 0;
}

static int open_array(struct hs_feed_source *source, const struct hs_source_request *request, size_t i,
		      struct hs_err *reterr)
{
	struct hs_id id;
	int rc = choose_array(source, request, i, &id, reterr);
	if (rc == 0)
		rc = hs_feed_open_cached(source->feed, source->feed->arrays, source->entry.owner, &id,
					 &source->arrays[i], reterr);
	if (rc < 0)
		return rc;
	const struct hs_attached *a = hs_feed_source_attached(source, i);
	if (hs_id_eq(&a->version, &source->entry.version) && a->nrows == hs_feed_source_version(source)->nrows)
		return 0;
	return hs_err_set(reterr, HSFEED_ENOTFOUND, "the array given for \"%.128s\" is of another version of %s",
			  request->arrays[i], source->entry.name);
}

int hs_feed_attached_open(struct hs_feed_source *source, const struct hs_source_request *request, struct hs_err *reterr)
{
	int rc = 0;
	if (request->narrays > HS_FEED_MAX_ATTACHED)
		return hs_err_set(reterr, HSFEED_ELIMIT, "%zu attached arrays asked for; a stream takes at most %d",
				  request->narrays, HS_FEED_MAX_ATTACHED);
	for (size_t i = 0; i < request->narrays && rc == 0; i++) {
		snprintf(source->array_names[i], sizeof(source->array_names[i]), "%s", request->arrays[i]);
		rc = open_array(source, request, i, reterr);
	}
	source->narrays = rc < 0 ? 0 : request->narrays;
	return rc;
}

size_t hs_feed_source_narrays(const struct hs_feed_source *source)
{
	return source->narrays;
}

const struct hs_attached *hs_feed_source_attached(const struct hs_feed_source *source, size_t i)
{
	return ((struct open_array *)hs_cache_value(source->arrays[i]))->attached;
}

const char *hs_feed_source_array(const struct hs_feed_source *source, size_t i)
{
	return source->array_names[i];
}

// ---- rows ----

#define AHEAD 8 // rows fetched before they are copied: a shuffled epoch jumps through the file

// Brings the first lines of a row nearer; of a long one the processor fetches the rest by itself.
static void fetch(const struct hs_attached *a, uint32_t row)
{
	const float *values = hs_attached_row(a, row);
	__builtin_prefetch(values);
	if (a->columns > 16)
		__builtin_prefetch(values + 16);
}

void hs_feed_gather_attached(const struct gather *g, size_t i, const struct hs_array *array, void *slot)
{
	const struct hs_attached *a = hs_feed_source_attached(g->source, i);
	float *to = (float *)(void *)((uint8_t *)slot + array->offset);
	for (size_t k = 0; k < g->n; k++, to += a->columns) {
		if (k + AHEAD < g->n)
			fetch(a, g->rows[k + AHEAD]);
		memcpy(to, hs_attached_row(a, g->rows[k]), a->columns * sizeof(float));
	}
}
