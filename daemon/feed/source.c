// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/internal.h"

// ---- what the caches make ----

void hs_feed_version_close(struct open_version *v)
{
	if (!v)
		return;
	hs_version_close(v->version);
	hs_store_release(v->store, v->file);
	free(v);
}

int hs_feed_version_open(struct hs_feed *feed, uint32_t owner, const struct hs_id *id, struct open_version **ret,
			 struct hs_err *reterr)
{
	struct open_version *v = calloc(1, sizeof(*v));
	if (!v)
		return hs_err_nomem(reterr, "opening a version");
	v->store = feed->store;
	int rc = hs_store_acquire(v->store, owner, HS_FILE_VERSION, id, &v->file, reterr);
	if (rc == 0)
		rc = hs_version_open(v->file, &v->version, reterr);
	if (rc < 0) {
		hs_feed_version_close(v);
		return rc;
	}
	*ret = v;
	return 0;
}

static void version_destroy(void *value)
{
	hs_feed_version_close(value);
}

static int version_make(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr)
{
	const struct open_request *request = arg;
	struct open_version *v = NULL;
	int rc = hs_feed_version_open(request->feed, request->owner, request->id, &v, reterr);
	if (rc < 0)
		return rc;
	*ret_value = v;
	*ret_bytes = 1;
	return 0;
}

static void encoding_destroy(void *value)
{
	struct open_encoding *e = value;
	hs_encoding_close(e->encoding);
	hs_store_release(e->store, e->file);
	free(e);
}

static int encoding_make(void *arg, void **ret_value, size_t *ret_bytes, struct hs_err *reterr)
{
	struct open_request *request = arg;
	struct open_encoding *e = calloc(1, sizeof(*e));
	if (!e)
		return hs_err_nomem(reterr, "opening an encoding");
	e->store = request->feed->store;
	int rc = hs_store_acquire(e->store, request->owner, HS_FILE_ENCODING, request->id, &e->file, reterr);
	if (rc < 0) {
		free(e);
		return rc;
	}
	rc = hs_encoding_open(e->file, &e->encoding, reterr);
	if (rc < 0) {
		hs_store_release(e->store, e->file);
		free(e);
		return rc;
	}
	*ret_value = e;
	*ret_bytes = 1;
	return 0;
}

// Open files cost address space and a descriptor each, not bytes of ours: keep_bytes counts files here.
const struct hs_cache_kind hs_feed_version_cache = {version_make, version_destroy, 32};
const struct hs_cache_kind hs_feed_encoding_cache = {encoding_make, encoding_destroy, 64};

// ---- feed ----

int hs_feed_create(struct hs_store *store, struct hs_feed **ret)
{
	struct hs_feed *feed = calloc(1, sizeof(*feed));
	if (!feed)
		return -ENOMEM;
	feed->store = store;
	if (hs_cache_create(&hs_feed_version_cache, &feed->versions) < 0 ||
	    hs_cache_create(&hs_feed_encoding_cache, &feed->encodings) < 0 ||
	    hs_cache_create(&hs_feed_array_cache, &feed->arrays) < 0 ||
	    hs_cache_create(&hs_feed_plan_cache, &feed->plans) < 0 ||
	    hs_cache_create(&hs_feed_order_cache, &feed->orders) < 0 || !(feed->searches = hs_searches_create(feed))) {
		hs_feed_destroy(feed);
		return -ENOMEM;
	}
	*ret = feed;
	return 0;
}

void hs_feed_destroy(struct hs_feed *feed)
{
	if (!feed)
		return;
	hs_searches_destroy(feed->searches); // it holds versions
	hs_cache_destroy(feed->orders);
	hs_cache_destroy(feed->plans);
	hs_cache_destroy(feed->arrays);
	hs_cache_destroy(feed->encodings);
	hs_cache_destroy(feed->versions);
	free(feed);
}

void hs_feed_set_log(struct hs_feed *feed, void (*log)(void *arg, const char *line), void *arg)
{
	feed->log = log;
	feed->log_arg = arg;
}

void hs_feed_drop_unused(struct hs_feed *feed)
{
	hs_cache_drop_unused(feed->orders);
	hs_cache_drop_unused(feed->plans);
	hs_cache_drop_unused(feed->arrays);
	hs_cache_drop_unused(feed->encodings);
	hs_cache_drop_unused(feed->versions);
}

void hs_feed_key_add(struct cache_key *key, const void *data, size_t len)
{
	memcpy(key->bytes + key->len, data, len); // callers' fields are fixed and sum up to less than HS_CACHE_KEY_MAX
	key->len += len;
}

static struct cache_key file_key(uint32_t owner, const struct hs_id *id)
{
	struct cache_key key = {0};
	hs_feed_key_add(&key, &owner, sizeof(owner));
	hs_feed_key_add(&key, id->bytes, sizeof(id->bytes));
	return key;
}

unsigned hs_feed_users(struct hs_feed *feed, uint32_t owner, const struct hs_id *version)
{
	struct cache_key key = file_key(owner, version);
	return hs_cache_users(feed->versions, key.bytes, key.len);
}

int hs_feed_open_cached(struct hs_feed *feed, struct hs_cache *cache, uint32_t owner, const struct hs_id *id,
			struct hs_cache_entry **ret, struct hs_err *reterr)
{
	struct cache_key key = file_key(owner, id);
	struct open_request request = {feed, owner, id};
	return hs_cache_get(cache, key.bytes, key.len, &request, ret, reterr);
}

int hs_feed_version_hold(struct hs_feed *feed, const struct hs_feed_source *source, struct hs_cache_entry **ret,
			 struct hs_err *reterr)
{
	return hs_feed_open_cached(feed, feed->versions, source->entry.owner, &source->entry.version, ret, reterr);
}

// ---- roles ----

static const struct hs_role_entry *find_role(const struct hs_version_entry *entry, const char *role)
{
	for (size_t i = 0; i < entry->nroles; i++)
		if (strcmp(entry->roles[i].role, role) == 0)
			return &entry->roles[i];
	return NULL;
}

static int no_such_role(const struct hs_version_entry *entry, const char *role, struct hs_err *reterr)
{
	char list[512] = "";
	size_t used = 0;
	for (size_t i = 0; i < entry->nroles && used < sizeof(list) - 2; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", entry->roles[i].role);
	hs_err_set(reterr, HSFEED_ENOTFOUND, "dataset %s has no role \"%s\"", entry->name, role);
	return hs_err_hint(reterr, "it has: %s; add one with: hsfeed add %s --tokenizer %s=DIR", list, entry->name,
			   role);
}

// The encoding a request means by its i-th role: the pinned one of a saved state, else the role's present one.
static int choose_encoding(const struct hs_feed_source *source, const struct hs_source_request *request, size_t i,
			   struct hs_id *ret, struct hs_err *reterr)
{
	static const struct hs_id none;
	const struct hs_role_entry *role = find_role(&source->entry, source->roles[i]);
	if (!hs_id_eq(&request->encodings[i], &none)) {
		*ret = request->encodings[i];
		if (hs_store_has(source->feed->store, source->entry.owner, HS_FILE_ENCODING, ret))
			return 0;
		char hex[HS_ID_HEX];
		hs_id_hex(ret, hex);
		hs_err_set(reterr, HSFEED_ENOTFOUND, "encoding %.12s of role \"%s\" is not in the store any more", hex,
			   source->roles[i]);
		return hs_err_hint(
			reterr,
			"the role was given another tokenizer; ingest with the old one, or drop the saved state");
	}
	if (!role)
		return no_such_role(&source->entry, source->roles[i], reterr);
	*ret = role->encoding;
	return 0;
}

static void choose_roles(struct hs_feed_source *source, const struct hs_source_request *request)
{
	for (size_t i = 0; i < request->nroles; i++)
		snprintf(source->roles[i], sizeof(source->roles[i]), "%s", request->roles[i]);
	source->nroles = request->nroles;
	if (request->nroles > 0 || request->no_encodings || source->entry.nroles == 0)
		return;
	const struct hs_role_entry *text = find_role(&source->entry, "text");
	memcpy(source->roles[0], text ? text->role : source->entry.roles[0].role, sizeof(source->roles[0]));
	source->nroles = 1;
}

static int open_role(struct hs_feed_source *source, const struct hs_source_request *request, size_t i,
		     struct hs_err *reterr)
{
	struct hs_id id;
	int rc = choose_encoding(source, request, i, &id, reterr);
	if (rc < 0)
		return rc;
	rc = hs_feed_open_cached(source->feed, source->feed->encodings, source->entry.owner, &id, &source->encodings[i],
				 reterr);
	if (rc < 0)
		return rc;
	const struct hs_encoding *encoding = hs_feed_source_encoding(source, i);
	const struct hs_version *version = hs_feed_source_version(source);
	if (!hs_id_eq(&encoding->version, &source->entry.version) || encoding->nrows != version->nrows)
		return hs_err_set(reterr, HSFEED_ENOTFOUND,
				  "the encoding given for role \"%s\" is of another version of %s", source->roles[i],
				  source->entry.name);
	return 0;
}

int hs_feed_source_open(struct hs_feed *feed, const struct hs_source_request *request, struct hs_feed_source **ret,
			struct hs_err *reterr)
{
	if (request->nroles > HS_FEED_MAX_ROLES)
		return hs_err_set(reterr, HSFEED_ELIMIT, "%zu roles asked for; a stream takes at most %d",
				  request->nroles, HS_FEED_MAX_ROLES);
	struct hs_feed_source *source = calloc(1, sizeof(*source));
	if (!source)
		return hs_err_nomem(reterr, "opening a dataset");
	source->feed = feed;
	int rc = hs_store_find(feed->store, request->uid, request->owner, request->spec, &source->entry, reterr);
	if (rc == 0)
		rc = hs_feed_open_cached(feed, feed->versions, source->entry.owner, &source->entry.version,
					 &source->version, reterr);
	if (rc == 0)
		choose_roles(source, request);
	for (size_t i = 0; rc == 0 && i < source->nroles; i++)
		rc = open_role(source, request, i, reterr);
	if (rc == 0)
		rc = hs_feed_attached_open(source, request, reterr);
	if (rc < 0) {
		hs_feed_source_close(source);
		return rc;
	}
	*ret = source;
	return 0;
}

void hs_feed_source_close(struct hs_feed_source *source)
{
	if (!source)
		return;
	for (size_t i = 0; i < HS_FEED_MAX_ROLES; i++)
		hs_cache_put(source->feed->encodings, source->encodings[i]);
	for (size_t i = 0; i < HS_FEED_MAX_ATTACHED; i++)
		hs_cache_put(source->feed->arrays, source->arrays[i]);
	hs_cache_put(source->feed->versions, source->version);
	hs_version_entry_fini(&source->entry);
	free(source);
}

const struct hs_version *hs_feed_source_version(const struct hs_feed_source *source)
{
	return ((struct open_version *)hs_cache_value(source->version))->version;
}

const struct hs_version_entry *hs_feed_source_entry(const struct hs_feed_source *source)
{
	return &source->entry;
}

size_t hs_feed_source_nroles(const struct hs_feed_source *source)
{
	return source->nroles;
}

const struct hs_encoding *hs_feed_source_encoding(const struct hs_feed_source *source, size_t i)
{
	return ((struct open_encoding *)hs_cache_value(source->encodings[i]))->encoding;
}

const char *hs_feed_source_role(const struct hs_feed_source *source, size_t i)
{
	return source->roles[i];
}
