// SPDX-License-Identifier: Apache-2.0
// why: which stored files the child compares with, and its result with ids as hex.
#include <string.h>

#include "describe.h"
#include "ingests.h"

static void put_stored(struct hs_child *child, const struct hs_version_entry *entry, const struct hs_verify_item *items,
		       size_t n)
{
	const struct hs_verify_item *version = hs_find_item(items, n, HS_FILE_VERSION, &entry->version);
	if (!version)
		return; // removed meanwhile: nothing is stored
	hs_w_cstr(hs_child_param(child, "version_path"), version->path);
	hs_w_uint(hs_child_param(child, "version_crc"), version->crc_root);
	size_t mark = hs_w_array_begin(hs_child_param(child, "encodings"));
	uint32_t count = 0;
	for (size_t i = 0; i < entry->nroles; i++) {
		const struct hs_verify_item *item = hs_find_item(items, n, HS_FILE_ENCODING, &entry->roles[i].encoding);
		if (!item)
			continue;
		hs_w_map(&child->job, 3);
		hs_w_cstr(&child->job, "role");
		hs_w_cstr(&child->job, entry->roles[i].role);
		hs_w_cstr(&child->job, "path");
		hs_w_cstr(&child->job, item->path);
		hs_w_cstr(&child->job, "crc_root");
		hs_w_uint(&child->job, item->crc_root);
		count++;
	}
	hs_w_array_end(&child->job, mark, count);
}

static int prepare(struct hs_child *child)
{
	struct hs_version_entry entry;
	struct hs_verify_item *items;
	size_t n;
	int rc = hs_store_find(child->server->store, child->uid, child->uid, child->name, &entry, &child->err);
	if (rc < 0) // nothing stored is nothing to compare with; a malformed name is for ingest to refuse
		return rc == HSFEED_ENOTFOUND ? 0 : rc;
	rc = hs_store_verify_list(child->server->store, child->uid, entry.name, &items, &n, &child->err);
	if (rc == 0) {
		put_stored(child, &entry, items, n);
		hs_verify_items_free(items, n);
	}
	hs_version_entry_fini(&entry);
	return rc;
}

static bool read_id(struct hs_rbuf map, const char *key, struct hs_id *ret)
{
	const void *data;
	size_t len;
	if (!hs_r_get_bin(map, key, &data, &len) || len != sizeof(ret->bytes))
		return false;
	memcpy(ret->bytes, data, len);
	return true;
}

static void copy_value(struct hs_wbuf *w, struct hs_rbuf map, const char *key)
{
	struct hs_rbuf value, end;
	hs_w_cstr(w, key);
	if (!hs_r_find(map, key, &value)) {
		hs_w_nil(w);
		return;
	}
	end = value;
	hs_r_skip(&end);
	hs_w_raw(w, value.p, (size_t)(end.p - value.p));
}

// `{name: id, current?: id, same, changes}`, four pairs.
static bool write_comparison(struct hs_wbuf *w, struct hs_rbuf map, const char *id_key, const char *name)
{
	struct hs_id id, current;
	bool stored = read_id(map, "current", &current);
	if (!read_id(map, id_key, &id))
		return false;
	hs_write_id(w, name, &id);
	if (stored) {
		hs_write_id(w, "current", &current);
	} else {
		hs_w_cstr(w, "current");
		hs_w_nil(w);
	}
	hs_w_cstr(w, "same");
	hs_w_bool(w, stored && hs_id_eq(&id, &current));
	copy_value(w, map, "changes");
	return true;
}

static bool write_role(struct hs_wbuf *w, struct hs_rbuf map)
{
	hs_w_map(w, 5);
	copy_value(w, map, "role");
	return write_comparison(w, map, "id", "encoding");
}

static bool write_reply(struct hs_child *child)
{
	struct hs_wbuf *w = &child->reply;
	struct hs_rbuf roles;
	struct hs_wire_value head;
	hs_w_map(w, 5);
	if (!write_comparison(w, child->result, "version", "version") || !hs_r_find(child->result, "roles", &roles) ||
	    !hs_r_next(&roles, &head) || head.type != HS_WIRE_ARRAY)
		return false;
	hs_w_cstr(w, "roles");
	hs_w_array(w, head.as.count);
	for (uint32_t i = 0; i < head.as.count; i++)
		if (!write_role(w, roles) || !hs_r_skip(&roles))
			return false;
	return true;
}

static int answer(struct hs_child *child)
{
	if (write_reply(child))
		return 0;
	return hs_err_set(&child->err, HSFEED_EINTERNAL,
			  "why %s: its process sent a result that the daemon does not understand", child->name);
}

const struct hs_child_kind hs_why_kind = {.name = "why", .prepare = prepare, .answer = answer};
