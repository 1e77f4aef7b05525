// SPDX-License-Identifier: Apache-2.0
// The catalog's records (FORMAT.md): key = [u8 kind] ..., value = [u32 CRC-32C of key and map][msgpack map].
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "store/catalog.h"
#include "store/pages.h"
#include "wire/wire.h"

#define VALUE_PREFIX 4u
enum {
	KEY_MAIN = 'M',
	KEY_FILE = 'F',
	KEY_ARRAY = 'A',
	KEY_VERSION = 'V',
	KEY_NAME = 'N',
	KEY_PLAN = 'P',
};

const char hs_cat_newer_format[] = "it was written by a newer hsfeedd";

static const struct hs_wire_limits record_limits = {.max_depth = 6, .max_items = 65536};

// ---- writing ----

void hs_cat_op_fini(struct hs_cat_op *op)
{
	hs_buf_fini(&op->key);
	hs_buf_fini(&op->value);
}

void hs_cat_ops_fini(struct hs_cat_ops *ops)
{
	for (size_t i = 0; i < ops->n; i++)
		hs_cat_op_fini(&ops->items[i]);
	free(ops->items);
	*ops = (struct hs_cat_ops){0};
}

static uint32_t record_crc(const void *key, size_t key_len, const void *body, size_t body_len)
{
	return hs_crc32c(hs_crc32c(0, key, key_len), body, body_len);
}

static int set_value(struct hs_cat_op *op, const struct hs_wbuf *body)
{
	uint32_t crc = record_crc(op->key.data, op->key.len, body->data, body->len);
	uint8_t prefix[VALUE_PREFIX] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16), (uint8_t)(crc >> 24)};
	if (body->failed || hs_buf_append(&op->value, prefix, sizeof(prefix)) < 0)
		return -1;
	return hs_buf_append(&op->value, body->data, body->len);
}

static int set_key(struct hs_cat_op *op, char kind, uint32_t owner, const void *rest, size_t rest_len)
{
	uint8_t start[5] = {(uint8_t)kind, (uint8_t)(owner >> 24), (uint8_t)(owner >> 16), (uint8_t)(owner >> 8),
			    (uint8_t)owner};
	return hs_buf_append(&op->key, start, sizeof(start)) < 0 ? -1 : hs_buf_append(&op->key, rest, rest_len);
}

// Takes body; a failure to allocate sticks.
static void add(struct hs_cat_ops *ops, struct hs_cat_op *op, bool key_ok, struct hs_wbuf *body)
{
	bool ok = key_ok && (!body || set_value(op, body) == 0) &&
		  hs_grow(&ops->items, &ops->cap, ops->n + 1, sizeof(*ops->items)) == 0;
	if (ok)
		ops->items[ops->n++] = *op;
	else
		hs_cat_op_fini(op);
	ops->failed |= !ok;
	if (body)
		hs_w_fini(body);
}

static bool file_key(struct hs_cat_op *op, const struct hs_cat_file *f)
{
	uint8_t rest[33] = {(uint8_t)f->kind};
	memcpy(rest + 1, f->id.bytes, 32);
	char kind = f->kind == HS_FILE_ARRAY ? KEY_ARRAY : KEY_FILE; // a daemon that knows no arrays refuses an `A`
	return set_key(op, kind, f->owner, rest, sizeof(rest)) == 0;
}

static void put_id(struct hs_wbuf *w, const char *key, const struct hs_id *id)
{
	hs_w_cstr(w, key);
	hs_w_bin(w, id->bytes, sizeof(id->bytes));
}

static void put_number(struct hs_wbuf *w, const char *key, uint64_t value)
{
	hs_w_cstr(w, key);
	hs_w_uint(w, value);
}

void hs_cat_put_file(struct hs_cat_ops *ops, const struct hs_cat_file *f)
{
	struct hs_cat_op op = {0};
	struct hs_wbuf w = {0};
	hs_w_map(&w, f->kind == HS_FILE_VERSION ? 4 : 5);
	put_number(&w, "bytes", f->bytes);
	put_number(&w, "rows", f->rows);
	put_number(&w, "crc", f->crc_root);
	hs_w_cstr(&w, "doomed");
	hs_w_bool(&w, f->doomed);
	if (f->kind != HS_FILE_VERSION)
		put_id(&w, "version", &f->version);
	add(ops, &op, file_key(&op, f), &w);
}

void hs_cat_delete_file(struct hs_cat_ops *ops, const struct hs_cat_file *f)
{
	struct hs_cat_op op = {0};
	add(ops, &op, file_key(&op, f), NULL);
}

static bool version_key(struct hs_cat_op *op, const struct hs_cat_version *v)
{
	return set_key(op, KEY_VERSION, v->owner, v->name, strlen(v->name) + 1) == 0 &&
	       hs_buf_append(&op->key, v->id.bytes, sizeof(v->id.bytes)) == 0;
}

static void put_links(struct hs_wbuf *w, const char *key, const struct hs_cat_links *links)
{
	hs_w_cstr(w, key);
	hs_w_array(w, (uint32_t)links->n);
	for (size_t i = 0; i < links->n; i++) {
		hs_w_array(w, 2);
		hs_w_cstr(w, links->items[i].name);
		hs_w_bin(w, links->items[i].id.bytes, sizeof(links->items[i].id.bytes));
	}
}

void hs_cat_put_version(struct hs_cat_ops *ops, const struct hs_cat_version *v)
{
	struct hs_cat_op op = {0};
	struct hs_wbuf w = {0};
	bool arrays = v->links[HS_FILE_ARRAY].n > 0;
	hs_w_map(&w, 3 + arrays);
	hs_w_cstr(&w, "created_ms");
	hs_w_int(&w, v->created_ms);
	put_number(&w, "seq", v->seq);
	put_links(&w, "roles", &v->links[HS_FILE_ENCODING]);
	if (arrays)
		put_links(&w, "arrays", &v->links[HS_FILE_ARRAY]);
	add(ops, &op, version_key(&op, v), &w);
}

void hs_cat_delete_version(struct hs_cat_ops *ops, const struct hs_cat_version *v)
{
	struct hs_cat_op op = {0};
	add(ops, &op, version_key(&op, v), NULL);
}

void hs_cat_put_name(struct hs_cat_ops *ops, uint32_t owner, const char *name, const struct hs_id *current)
{
	struct hs_cat_op op = {0};
	struct hs_wbuf w = {0};
	hs_w_map(&w, 2);
	put_id(&w, "version", current);
	hs_w_cstr(&w, "access"); // private; whom it is shared with will stand here
	hs_w_array(&w, 0);
	add(ops, &op, set_key(&op, KEY_NAME, owner, name, strlen(name)) == 0, &w);
}

void hs_cat_delete_name(struct hs_cat_ops *ops, uint32_t owner, const char *name)
{
	struct hs_cat_op op = {0};
	add(ops, &op, set_key(&op, KEY_NAME, owner, name, strlen(name)) == 0, NULL);
}

static bool plan_key(struct hs_cat_op *op, const struct hs_cat_plan *p)
{
	return set_key(op, KEY_PLAN, p->owner, p->name, strlen(p->name) + 1) == 0 &&
	       hs_buf_append(&op->key, p->plan, strlen(p->plan)) == 0;
}

void hs_cat_put_plan(struct hs_cat_ops *ops, const struct hs_cat_plan *p)
{
	struct hs_cat_op op = {0};
	struct hs_wbuf w = {0};
	hs_w_map(&w, p->folds ? 4 : 2);
	hs_w_cstr(&w, "created_ms");
	hs_w_int(&w, p->created_ms);
	hs_w_cstr(&w, "options");
	hs_w_raw(&w, p->options.data, p->options.len);
	if (p->folds) {
		put_id(&w, "version", &p->version);
		hs_w_cstr(&w, "folds");
		hs_w_bin(&w, p->folds, p->nrows * sizeof(*p->folds));
	}
	add(ops, &op, plan_key(&op, p), &w);
}

void hs_cat_delete_plan(struct hs_cat_ops *ops, const struct hs_cat_plan *p)
{
	struct hs_cat_op op = {0};
	add(ops, &op, plan_key(&op, p), NULL);
}

int hs_cat_write_main(struct hs_cat_op *op, const struct hs_catalog *c, uint64_t txn, uint64_t sum, uint64_t nrecords)
{
	struct hs_wbuf w = {0};
	const uint8_t key = KEY_MAIN;
	hs_w_map(&w, 5);
	put_number(&w, "format", HS_CATALOG_FORMAT);
	put_number(&w, "txn", txn);
	put_number(&w, "sum", sum);
	put_number(&w, "records", nrecords);
	hs_w_cstr(&w, "created_ms");
	hs_w_int(&w, c->created_ms);
	int rc = hs_buf_append(&op->key, &key, 1) < 0 ? -1 : set_value(op, &w);
	hs_w_fini(&w);
	return rc;
}

uint64_t hs_cat_record_hash(struct hs_span key, struct hs_span value)
{
	return hs_span_hash(key) * 3 + hs_span_hash(value);
}

// ---- reading ----

static bool get_id(struct hs_rbuf map, const char *key, struct hs_id *ret)
{
	const void *bytes;
	size_t len;
	if (!hs_r_get_bin(map, key, &bytes, &len) || len != sizeof(ret->bytes))
		return false;
	memcpy(ret->bytes, bytes, len);
	return true;
}

static uint32_t key_owner(struct hs_span key)
{
	const uint8_t *p = (const uint8_t *)key.ptr + 1;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static const char *read_main(struct hs_cat_loading *l, struct hs_rbuf map)
{
	if (!hs_r_get_uint(map, "format", &l->format))
		return "its main record cannot be understood";
	if (l->format != HS_CATALOG_FORMAT)
		return hs_cat_newer_format;
	l->have_main = hs_r_get_uint(map, "txn", &l->stated_txn) && hs_r_get_uint(map, "sum", &l->stated_sum) &&
		       hs_r_get_uint(map, "records", &l->stated_records) &&
		       hs_r_get_int(map, "created_ms", &l->catalog->created_ms);
	return l->have_main ? NULL : "its main record cannot be understood";
}

// Arrays have keys of their own.
static bool kind_fits(struct hs_span key)
{
	if (key.ptr[0] == KEY_ARRAY)
		return key.ptr[5] == HS_FILE_ARRAY;
	return key.ptr[5] == HS_FILE_VERSION || key.ptr[5] == HS_FILE_ENCODING;
}

static const char *read_file(struct hs_cat_loading *l, struct hs_span key, struct hs_rbuf map)
{
	uint64_t crc;
	if (key.len != 5 + 33 || !kind_fits(key))
		return "a file's record cannot be understood";
	struct hs_cat_file *f = hs_array(1, sizeof(*f));
	if (!f || hs_catalog_reserve(l->catalog, 1, 0) < 0) {
		free(f);
		return hs_pages_no_memory;
	}
	f->kind = (enum hs_file_kind)key.ptr[5];
	f->owner = key_owner(key);
	memcpy(f->id.bytes, key.ptr + 6, 32);
	if (!hs_r_get_uint(map, "bytes", &f->bytes) || !hs_r_get_uint(map, "rows", &f->rows) ||
	    !hs_r_get_uint(map, "crc", &crc) || crc > UINT32_MAX || !hs_r_get_bool(map, "doomed", &f->doomed) ||
	    (f->kind != HS_FILE_VERSION && !get_id(map, "version", &f->version))) {
		free(f);
		return "a file's record cannot be understood";
	}
	f->crc_root = (uint32_t)crc;
	hs_catalog_insert_file(l->catalog, f);
	return NULL;
}

static bool copy_name(struct hs_span text, char ret[HS_NAME_MAX + 1])
{
	if (!hs_name_valid(text.ptr, text.len))
		return false;
	memcpy(ret, text.ptr, text.len);
	ret[text.len] = '\0';
	return true;
}

static const char not_a_version[] = "a version's record cannot be understood";

// [[name, id], ...]
static const char *read_links(struct hs_rbuf list, struct hs_cat_links *ret)
{
	struct hs_wire_value head, name, id;
	if (!hs_r_next(&list, &head) || head.type != HS_WIRE_ARRAY)
		return not_a_version;
	ret->items = hs_array(head.as.count, sizeof(*ret->items));
	if (!ret->items)
		return hs_pages_no_memory;
	for (uint32_t i = 0; i < head.as.count; i++) {
		struct hs_wire_value pair;
		if (!hs_r_next(&list, &pair) || pair.type != HS_WIRE_ARRAY || pair.as.count != 2 ||
		    !hs_r_next(&list, &name) || name.type != HS_WIRE_STR || !hs_r_next(&list, &id) ||
		    id.type != HS_WIRE_BIN || id.as.str.len != 32)
			return not_a_version;
		struct hs_span text = {name.as.str.ptr, name.as.str.len};
		if (!copy_name(text, ret->items[i].name))
			return not_a_version;
		memcpy(ret->items[i].id.bytes, id.as.str.ptr, 32);
		ret->n++;
	}
	return NULL;
}

// `arrays` is there only where there are any.
static const char *read_all_links(struct hs_rbuf map, struct hs_cat_version *v)
{
	static const struct {
		const char *key;
		enum hs_file_kind kind;
	} lists[] = {{"roles", HS_FILE_ENCODING}, {"arrays", HS_FILE_ARRAY}};
	for (size_t i = 0; i < 2; i++) {
		struct hs_rbuf list;
		bool there = hs_r_find(map, lists[i].key, &list);
		if (!there && lists[i].kind == HS_FILE_ARRAY)
			continue;
		const char *fault = there ? read_links(list, &v->links[lists[i].kind]) : not_a_version;
		if (fault)
			return fault;
	}
	return NULL;
}

static const char *read_version(struct hs_cat_loading *l, struct hs_span key, struct hs_rbuf map)
{
	struct hs_cat_version *v = hs_array(1, sizeof(*v));
	if (!v || hs_catalog_reserve(l->catalog, 0, 1) < 0) {
		free(v);
		return hs_pages_no_memory;
	}
	bool ok = key.len > 5 + 33 && key.ptr[key.len - 33] == '\0' &&
		  copy_name((struct hs_span){key.ptr + 5, key.len - 5 - 33}, v->name) &&
		  hs_r_get_int(map, "created_ms", &v->created_ms) && hs_r_get_uint(map, "seq", &v->seq);
	const char *fault = ok ? read_all_links(map, v) : not_a_version;
	if (fault) {
		hs_cat_version_free(v);
		return fault;
	}
	v->owner = key_owner(key);
	memcpy(v->id.bytes, key.ptr + key.len - 32, 32);
	hs_catalog_insert_version(l->catalog, v);
	return NULL;
}

static const char *read_name(struct hs_cat_loading *l, struct hs_span key, struct hs_rbuf map)
{
	if (hs_grow(&l->names, &l->names_cap, l->nnames + 1, sizeof(*l->names)) < 0)
		return hs_pages_no_memory;
	struct hs_cat_name *n = &l->names[l->nnames];
	struct hs_rbuf access;
	struct hs_wire_value head;
	n->owner = key_owner(key);
	if (!copy_name((struct hs_span){key.ptr + 5, key.len - 5}, n->name) || !get_id(map, "version", &n->current) ||
	    !hs_r_find(map, "access", &access) || !hs_r_next(&access, &head) || head.type != HS_WIRE_ARRAY)
		return "a name's record cannot be understood";
	if (head.as.count != 0)
		return hs_cat_newer_format;
	l->nnames++;
	return NULL;
}

static const char *not_a_plan = "a plan's record cannot be understood";

static const char *read_plan_folds(struct hs_rbuf map, struct hs_cat_plan *p)
{
	struct hs_id version;
	struct hs_rbuf there;
	const void *folds;
	size_t bytes;
	if (!hs_r_find(map, "version", &there) && !hs_r_find(map, "folds", &there))
		return NULL;
	if (!get_id(map, "version", &version) || !hs_r_get_bin(map, "folds", &folds, &bytes))
		return not_a_plan;
	return hs_cat_set_rows(p, &version, folds, bytes);
}

static const char *read_plan_value(struct hs_rbuf map, struct hs_cat_plan *p)
{
	struct hs_rbuf options, end;
	struct hs_wire_value head;
	if (!hs_r_get_int(map, "created_ms", &p->created_ms) || !hs_r_find(map, "options", &options))
		return not_a_plan;
	end = options;
	if (!hs_r_skip(&end))
		return not_a_plan;
	if (hs_buf_append(&p->options, options.p, (size_t)(end.p - options.p)) < 0)
		return hs_pages_no_memory;
	if (!hs_r_next(&options, &head) || head.type != HS_WIRE_MAP)
		return not_a_plan;
	return read_plan_folds(map, p);
}

static const char *read_plan(struct hs_cat_loading *l, struct hs_span key, struct hs_rbuf map)
{
	struct hs_cat_plan *p = hs_array(1, sizeof(*p));
	if (!p || hs_catalog_reserve_plan(l->catalog) < 0) {
		free(p);
		return hs_pages_no_memory;
	}
	const char *name = key.ptr + 5, *zero = memchr(name, 0, key.len - 5);
	size_t len = zero ? (size_t)(zero - name) : 0;
	const char *fault = zero && copy_name((struct hs_span){name, len}, p->name) &&
					    copy_name((struct hs_span){zero + 1, key.len - 5 - len - 1}, p->plan)
				    ? read_plan_value(map, p)
				    : not_a_plan;
	if (fault) {
		hs_cat_plan_free(p);
		return fault;
	}
	p->owner = key_owner(key);
	hs_catalog_insert_plan(l->catalog, p);
	return NULL;
}

static const char *read_body(struct hs_cat_loading *l, struct hs_span key, struct hs_rbuf map)
{
	char kind = key.ptr[0];
	if (kind == KEY_MAIN && key.len == 1)
		return read_main(l, map);
	if (key.len <= 5)
		return "a record's key cannot be understood";
	if (kind == KEY_FILE || kind == KEY_ARRAY)
		return read_file(l, key, map);
	if (kind == KEY_VERSION)
		return read_version(l, key, map);
	if (kind == KEY_PLAN)
		return read_plan(l, key, map);
	return kind == KEY_NAME ? read_name(l, key, map) : hs_cat_newer_format;
}

const char *hs_cat_read_record(struct hs_cat_loading *l, struct hs_span key, struct hs_span value)
{
	size_t offset;
	if (key.len == 0 || value.len < VALUE_PREFIX)
		return "a record is too short";
	const uint8_t *p = (const uint8_t *)value.ptr;
	uint32_t crc = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	if (record_crc(key.ptr, key.len, p + VALUE_PREFIX, value.len - VALUE_PREFIX) != crc)
		return "a record differs from its checksum";
	const char *fault = hs_wire_check(p + VALUE_PREFIX, value.len - VALUE_PREFIX, &record_limits, &offset);
	if (fault)
		return fault;
	if (key.ptr[0] != KEY_MAIN) {
		l->sum += hs_cat_record_hash(key, value);
		l->nrecords++;
	}
	return read_body(l, key, (struct hs_rbuf){p + VALUE_PREFIX, p + value.len});
}
