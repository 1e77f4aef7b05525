// SPDX-License-Identifier: Apache-2.0
#include "describe.h"

#include <string.h>

static struct hs_rbuf reader(struct hs_span header)
{
	const uint8_t *p = (const uint8_t *)header.ptr;
	return (struct hs_rbuf){p, p + header.len};
}

void hs_write_id(struct hs_wbuf *w, const char *key, const struct hs_id *id)
{
	char hex[HS_ID_HEX];
	hs_id_hex(id, hex);
	hs_w_cstr(w, key);
	hs_w_cstr(w, hex);
}

void hs_write_header_value(struct hs_wbuf *w, struct hs_span header, const char *key)
{
	struct hs_rbuf value, end;
	hs_w_cstr(w, key);
	if (!hs_r_find(reader(header), key, &value)) {
		hs_w_nil(w);
		return;
	}
	end = value;
	if (hs_r_skip(&end))
		hs_w_raw(w, value.p, (size_t)(end.p - value.p));
	else
		hs_w_nil(w);
}

static void write_values(struct hs_wbuf *w, struct hs_span header, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hs_write_header_value(w, header, keys[i]);
}

static void write_place(struct hs_wbuf *w, const struct hs_file *file)
{
	hs_w_cstr(w, "bytes");
	hs_w_uint(w, hs_file_bytes(file));
	hs_w_cstr(w, "path");
	hs_w_cstr(w, hs_file_path(file));
}

int hs_describe_version(struct hs_store *store, const struct hs_version_entry *entry, struct hs_wbuf *w,
			struct hs_err *reterr)
{
	static const char *const keys[] = {"file_name",   "source_bytes", "source_sha256", "rows",     "columns",
					   "text_column", "labels",       "options",       "identity", "report"};
	const size_t nkeys = sizeof(keys) / sizeof(keys[0]);
	struct hs_file *file;
	int rc = hs_store_acquire(store, entry->owner, HS_FILE_VERSION, &entry->version, &file, reterr);
	if (rc < 0)
		return rc;
	hs_w_map(w, 4 + (uint32_t)nkeys);
	hs_write_id(w, "version", &entry->version);
	hs_w_cstr(w, "created_ms");
	hs_w_int(w, entry->created_ms);
	write_values(w, hs_file_header(file), keys, nkeys);
	write_place(w, file);
	hs_store_release(store, file);
	return 0;
}

size_t hs_default_role(const struct hs_version_entry *entry)
{
	for (size_t i = 0; i < entry->nroles; i++)
		if (strcmp(entry->roles[i].role, "text") == 0)
			return i;
	return 0;
}

static bool has_key(struct hs_span header, const char *key)
{
	struct hs_rbuf value;
	return hs_r_find(reader(header), key, &value);
}

int hs_describe_role(struct hs_store *store, const struct hs_version_entry *entry, size_t role,
		     const struct hs_id *previous, struct hs_wbuf *w, struct hs_err *reterr)
{
	static const char *const keys[] = {"tokenizer",  "revision", "normalize",  "rows",  "tokens",  "unknown",
					   "max_tokens", "over",     "vocab_size", "width", "settings"};
	const size_t nkeys = sizeof(keys) / sizeof(keys[0]);
	const struct hs_role_entry *r = &entry->roles[role];
	struct hs_file *file;
	int rc = hs_store_acquire(store, entry->owner, HS_FILE_ENCODING, &r->encoding, &file, reterr);
	if (rc < 0)
		return rc;
	struct hs_span header = hs_file_header(file);
	bool advice = has_key(header, "advice");
	hs_w_map(w, 5 + (uint32_t)nkeys + (previous != NULL) + advice);
	hs_w_cstr(w, "role");
	hs_w_cstr(w, r->role);
	hs_write_id(w, "encoding", &r->encoding);
	if (previous)
		hs_write_id(w, "previous", previous);
	hs_w_cstr(w, "default");
	hs_w_bool(w, role == hs_default_role(entry));
	write_values(w, header, keys, nkeys);
	if (advice)
		hs_write_header_value(w, header, "advice");
	write_place(w, file);
	hs_store_release(store, file);
	return 0;
}

int hs_describe_array(struct hs_store *store, uint32_t owner, const struct hs_array_entry *array, struct hs_wbuf *w,
		      struct hs_err *reterr)
{
	static const char *const keys[] = {"dtype", "rows", "dims", "columns", "nan_rows", "from", "created_ms"};
	const size_t nkeys = sizeof(keys) / sizeof(keys[0]);
	struct hs_file *file;
	int rc = hs_store_acquire(store, owner, HS_FILE_ARRAY, &array->id, &file, reterr);
	if (rc < 0)
		return rc;
	hs_w_map(w, 4 + (uint32_t)nkeys);
	hs_w_cstr(w, "array");
	hs_w_cstr(w, array->array);
	hs_write_id(w, "id", &array->id);
	write_values(w, hs_file_header(file), keys, nkeys);
	write_place(w, file);
	hs_store_release(store, file);
	return 0;
}

static void write_names(struct hs_wbuf *w, struct hs_rbuf labels)
{
	struct hs_wire_value head;
	if (!hs_r_next(&labels, &head) || head.type != HS_WIRE_ARRAY) {
		hs_w_array(w, 0);
		return;
	}
	hs_w_array(w, head.as.count);
	for (uint32_t i = 0; i < head.as.count; i++) {
		const char *name;
		size_t len;
		if (hs_r_get_str(labels, "name", &name, &len))
			hs_w_str(w, name, len);
		else
			hs_w_cstr(w, "");
		hs_r_skip(&labels);
	}
}

void hs_describe_label_names(struct hs_store *store, const struct hs_version_entry *entry, struct hs_wbuf *w)
{
	struct hs_file *file;
	struct hs_rbuf labels = {NULL, NULL};
	struct hs_err err;
	if (hs_store_acquire(store, entry->owner, HS_FILE_VERSION, &entry->version, &file, &err) < 0) {
		hs_w_array(w, 0);
		return;
	}
	hs_r_find(reader(hs_file_header(file)), "labels", &labels);
	write_names(w, labels);
	hs_store_release(store, file);
}
