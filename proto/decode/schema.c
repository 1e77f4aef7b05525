// SPDX-License-Identifier: Apache-2.0
// The table walker: one reader per type writes one member; a fault names the key by its whole path
// (`tokenizers[1].role`).
#include "decode.h"

#include <errno.h>
#include <math.h>
#include <msgpack.h>
#include <stdio.h>
#include <string.h>

struct walk {
	msgpack_zone *zone;
	struct hs_fault *fault;
	const char *method; // not NUL-terminated
	uint32_t method_len;
	bool strict;
	char path[160]; // of the map that is being read: "" or "tokenizers[1]."
};

typedef int (*reader)(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member);

static const char *type_name(const msgpack_object *v)
{
	switch (v->type) {
	case MSGPACK_OBJECT_NIL:
		return "nil";
	case MSGPACK_OBJECT_BOOLEAN:
		return "a bool";
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return "a whole number";
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return "a float";
	case MSGPACK_OBJECT_STR:
		return "a str";
	case MSGPACK_OBJECT_BIN:
		return "a bin";
	case MSGPACK_OBJECT_ARRAY:
		return "an array";
	default:
		return "a map";
	}
}

// Quotes a client's bytes for a sentence: the first 60, control characters as '?', cut at a character.
static void quote(const char *text, size_t len, char ret[64])
{
	size_t n = len < 60 ? len : 60;
	while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++)
		ret[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	ret[n] = '\0';
}

static int wrong_type(struct walk *w, const struct hs_field *f, const msgpack_object *v, const char *wanted)
{
	snprintf(w->fault->message, sizeof(w->fault->message), "%.*s: the key \"%s%s\" must be %s, not %s",
		 (int)w->method_len, w->method, w->path, f->key, wanted, type_name(v));
	return HSFEED_EBADREQUEST;
}

static int wrong_value(struct walk *w, const struct hs_field *f, const char *what)
{
	snprintf(w->fault->message, sizeof(w->fault->message), "%.*s: the key \"%s%s\" %s", (int)w->method_len,
		 w->method, w->path, f->key, what);
	return HSFEED_EBADREQUEST;
}

static int out_of_bounds(struct walk *w, const struct hs_field *f, const char *unit)
{
	char what[120];
	snprintf(what, sizeof(what), "must be %s from %llu to %llu", unit, (unsigned long long)f->min,
		 (unsigned long long)f->max);
	return wrong_value(w, f, what);
}

static int copy_str(struct walk *w, const struct hs_field *f, const msgpack_object *v, const char **ret)
{
	if (v->type != MSGPACK_OBJECT_STR)
		return wrong_type(w, f, v, "a str");
	if (memchr(v->via.str.ptr, 0, v->via.str.size))
		return wrong_value(w, f, "must not hold a NUL byte");
	char *copy = msgpack_zone_malloc(w->zone, (size_t)v->via.str.size + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, v->via.str.ptr, v->via.str.size);
	copy[v->via.str.size] = '\0';
	*ret = copy;
	return 0;
}

static int read_uint(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	if (v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		return out_of_bounds(w, f, "a whole number");
	if (v->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return wrong_type(w, f, v, "a whole number");
	if (v->via.u64 < f->min || v->via.u64 > f->max)
		return out_of_bounds(w, f, "a whole number");
	*(uint64_t *)member = v->via.u64;
	return 0;
}

static int read_f64(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	double *value = member;
	if (v->type == MSGPACK_OBJECT_FLOAT32 || v->type == MSGPACK_OBJECT_FLOAT64)
		*value = v->via.f64;
	else if (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		*value = (double)v->via.u64;
	else if (v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		*value = (double)v->via.i64;
	else
		return wrong_type(w, f, v, "a number");
	return isfinite(*value) ? 0 : wrong_value(w, f, "must be a finite number");
}

static int read_uint_or_f64(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	struct hs_uint_or_f64 *m = member;
	bool whole = v->type == MSGPACK_OBJECT_POSITIVE_INTEGER || v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
	m->given = whole ? HS_NUMBER_UINT : HS_NUMBER_F64;
	return whole ? read_uint(w, f, v, &m->u) : read_f64(w, f, v, &m->f);
}

static int read_bool(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	if (v->type != MSGPACK_OBJECT_BOOLEAN)
		return wrong_type(w, f, v, "a bool");
	*(bool *)member = v->via.boolean;
	return 0;
}

static int read_str(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	if (v->type == MSGPACK_OBJECT_STR && (v->via.str.size < f->min || v->via.str.size > f->max))
		return out_of_bounds(w, f, "a str with a length in bytes");
	return copy_str(w, f, v, member);
}

static int read_bin(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	if (v->type != MSGPACK_OBJECT_BIN)
		return wrong_type(w, f, v, "a bin");
	if (v->via.bin.size < f->min || v->via.bin.size > f->max)
		return out_of_bounds(w, f, "a bin with a length in bytes");
	struct hs_bytes *b = member;
	b->ptr = (const uint8_t *)v->via.bin.ptr;
	b->len = v->via.bin.size;
	return 0;
}

static int unknown_word(struct walk *w, const struct hs_field *f, const msgpack_object *v)
{
	char word[64];
	quote(v->via.str.ptr, v->via.str.size, word);
	size_t used = (size_t)snprintf(w->fault->hint, sizeof(w->fault->hint), "known:");
	for (const char *const *n = f->names; *n && used < sizeof(w->fault->hint); n++)
		used += (size_t)snprintf(w->fault->hint + used, sizeof(w->fault->hint) - used, " %s", *n);
	char what[120];
	snprintf(what, sizeof(what), "has the unknown value \"%s\"", word);
	return wrong_value(w, f, what);
}

static int read_enum(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	if (v->type != MSGPACK_OBJECT_STR)
		return wrong_type(w, f, v, "a str");
	for (int i = 0; f->names[i]; i++)
		if (strlen(f->names[i]) == v->via.str.size &&
		    memcmp(f->names[i], v->via.str.ptr, v->via.str.size) == 0) {
			*(int *)member = i;
			return 0;
		}
	return unknown_word(w, f, v);
}

static int read_uint_or_enum(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	struct hs_uint_or_enum *m = member;
	if (v->type == MSGPACK_OBJECT_STR)
		return read_enum(w, f, v, &m->e);
	m->e = -1;
	return read_uint(w, f, v, &m->u);
}

// An array's items, with room in the zone for n of item_bytes each (zeroed).
static int open_array(struct walk *w, const struct hs_field *f, const msgpack_object *v, size_t item_bytes, void **ret)
{
	if (v->type != MSGPACK_OBJECT_ARRAY)
		return wrong_type(w, f, v, "an array");
	if (v->via.array.size > f->max)
		return out_of_bounds(w, f, "an array with a length");
	size_t bytes = v->via.array.size * item_bytes;
	*ret = msgpack_zone_malloc(w->zone, bytes ? bytes : 1);
	if (!*ret)
		return -ENOMEM;
	memset(*ret, 0, bytes);
	return 0;
}

static int read_strs(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	struct hs_strs *s = member;
	void *items;
	int rc = open_array(w, f, v, sizeof(char *), &items);
	if (rc < 0)
		return rc;
	s->items = items;
	for (s->n = 0; s->n < v->via.array.size; s->n++) {
		rc = copy_str(w, f, &v->via.array.ptr[s->n], &s->items[s->n]);
		if (rc < 0)
			return rc;
		if (s->items[s->n][0] == '\0')
			return wrong_value(w, f, "must not hold an empty str");
	}
	return 0;
}

static int read_uints(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	struct hs_uints *u = member;
	struct hs_field any_length = *f;
	any_length.max = HS_WIRE_MAX_ITEMS;
	void *items;
	int rc = open_array(w, &any_length, v, sizeof(*u->items), &items);
	if (rc < 0)
		return rc;
	u->items = items;
	for (u->n = 0; u->n < v->via.array.size; u->n++) {
		rc = read_uint(w, f, &v->via.array.ptr[u->n], &u->items[u->n]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_pairs(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	struct hs_pairs *p = member;
	void *items;
	int rc = open_array(w, f, v, sizeof(*p->items), &items);
	if (rc < 0)
		return rc;
	p->items = items;
	for (p->n = 0; p->n < v->via.array.size; p->n++) {
		const msgpack_object *pair = &v->via.array.ptr[p->n];
		if (pair->type != MSGPACK_OBJECT_ARRAY || pair->via.array.size != 2 ||
		    pair->via.array.ptr[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
		    pair->via.array.ptr[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
			return wrong_value(w, f, "must be an array of pairs of whole numbers");
		p->items[p->n][0] = pair->via.array.ptr[0].via.u64;
		p->items[p->n][1] = pair->via.array.ptr[1].via.u64;
	}
	return 0;
}

// One value of a map of names: the member of the item that it belongs in.
static int read_item(struct walk *w, const struct hs_field *f, const msgpack_object *v, struct hs_named_item *item)
{
	struct hs_field value = *f;
	if (f->type != HS_T_UINT_OR_NAMED)
		value.min = 0, value.max = UINT64_MAX;
	if (f->type == HS_T_NAMED_F64S)
		return read_f64(w, f, v, &item->f);
	return f->type == HS_T_NAMED_STRS ? copy_str(w, f, v, &item->s) : read_uint(w, &value, v, &item->u);
}

static int read_named(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	struct hs_named *named = member;
	if (v->type != MSGPACK_OBJECT_MAP)
		return wrong_type(w, f, v, "a map");
	uint64_t max = f->type == HS_T_UINT_OR_NAMED ? HS_WIRE_MAX_KEYS : f->max;
	if (v->via.map.size > max)
		return wrong_value(w, f, "has too many entries");
	named->items = msgpack_zone_malloc(w->zone, (v->via.map.size + 1) * sizeof(*named->items));
	if (!named->items)
		return -ENOMEM;
	for (named->n = 0; named->n < v->via.map.size; named->n++) {
		struct hs_named_item *item = &named->items[named->n];
		const msgpack_object_kv *kv = &v->via.map.ptr[named->n];
		*item = (struct hs_named_item){0};
		int rc = copy_str(w, f, &kv->key, &item->name);
		if (rc == 0)
			rc = read_item(w, f, &kv->val, item);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_uint_or_named(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	struct hs_uint_or_named *m = member;
	return v->type == MSGPACK_OBJECT_MAP ? read_named(w, f, v, &m->named) : read_uint(w, f, v, &m->u);
}

static int read_struct(struct walk *w, const struct hs_schema *schema, const msgpack_object *v, void *ret);

// Reads a map one level down; the path grows by `key.` or `key[i].` meanwhile.
static int read_below(struct walk *w, const struct hs_field *f, const char *index, const msgpack_object *v, void *ret)
{
	size_t keep = strlen(w->path);
	snprintf(w->path + keep, sizeof(w->path) - keep, "%s%s.", f->key, index);
	int rc = read_struct(w, f->sub, v, ret);
	w->path[keep] = '\0';
	return rc;
}

static int read_map(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	return v->type == MSGPACK_OBJECT_MAP ? read_below(w, f, "", v, member) : wrong_type(w, f, v, "a map");
}

static int read_maps(struct walk *w, const struct hs_field *f, const msgpack_object *v, void *member)
{
	struct hs_maps *maps = member;
	int rc = open_array(w, f, v, f->sub->bytes, &maps->items);
	if (rc < 0)
		return rc;
	for (maps->n = 0; maps->n < v->via.array.size; maps->n++) {
		const msgpack_object *item = &v->via.array.ptr[maps->n];
		char index[24];
		snprintf(index, sizeof(index), "[%zu]", maps->n);
		if (item->type != MSGPACK_OBJECT_MAP)
			return wrong_type(w, f, item, "an array of maps");
		rc = read_below(w, f, index, item, (char *)maps->items + maps->n * f->sub->bytes);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static const reader readers[] = {
	[HS_T_UINT] = read_uint,
	[HS_T_F64] = read_f64,
	[HS_T_UINT_OR_F64] = read_uint_or_f64,
	[HS_T_BOOL] = read_bool,
	[HS_T_STR] = read_str,
	[HS_T_BIN] = read_bin,
	[HS_T_ENUM] = read_enum,
	[HS_T_UINT_OR_ENUM] = read_uint_or_enum,
	[HS_T_STRS] = read_strs,
	[HS_T_UINTS] = read_uints,
	[HS_T_PAIRS] = read_pairs,
	[HS_T_NAMED_UINTS] = read_named,
	[HS_T_NAMED_STRS] = read_named,
	[HS_T_NAMED_F64S] = read_named,
	[HS_T_UINT_OR_NAMED] = read_uint_or_named,
	[HS_T_MAP] = read_map,
	[HS_T_MAPS] = read_maps,
};

static void set_defaults(const struct hs_schema *schema, void *ret)
{
	memset(ret, 0, schema->bytes);
	for (size_t i = 0; i < schema->nfields; i++) {
		const struct hs_field *f = &schema->fields[i];
		void *member = (char *)ret + f->offset;
		if (f->type == HS_T_UINT)
			*(uint64_t *)member = f->def;
		else if (f->type == HS_T_F64)
			*(double *)member = NAN;
		else if (f->type == HS_T_BOOL)
			*(bool *)member = f->def != 0;
		else if (f->type == HS_T_ENUM)
			*(int *)member = (int)f->def;
		else if (f->type == HS_T_UINT_OR_ENUM)
			((struct hs_uint_or_enum *)member)->e = (int)f->def;
		else if (f->type == HS_T_UINT_OR_NAMED)
			((struct hs_uint_or_named *)member)->u = f->def;
		else if (f->type == HS_T_MAP)
			set_defaults(f->sub, member);
	}
}

static const struct hs_field *find_field(const struct hs_schema *schema, const msgpack_object *key)
{
	for (size_t i = 0; i < schema->nfields; i++) {
		const char *name = schema->fields[i].key;
		if (strlen(name) == key->via.str.size && memcmp(name, key->via.str.ptr, key->via.str.size) == 0)
			return &schema->fields[i];
	}
	return NULL;
}

static int unknown_key(struct walk *w, const struct hs_schema *schema, const msgpack_object *key)
{
	char word[64];
	quote(key->via.str.ptr, key->via.str.size, word);
	snprintf(w->fault->message, sizeof(w->fault->message), "%.*s: the key \"%s%s\" is not known",
		 (int)w->method_len, w->method, w->path, word);
	size_t used =
		(size_t)snprintf(w->fault->hint, sizeof(w->fault->hint), "keys: %s", schema->nfields ? "" : "none");
	for (size_t i = 0; i < schema->nfields && used < sizeof(w->fault->hint); i++)
		used += (size_t)snprintf(w->fault->hint + used, sizeof(w->fault->hint) - used, "%s%s", i ? ", " : "",
					 schema->fields[i].key);
	return HSFEED_EBADREQUEST;
}

static bool is_given(const msgpack_object *map, const struct hs_field *f)
{
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object_kv *kv = &map->via.map.ptr[i];
		if (strlen(f->key) == kv->key.via.str.size &&
		    memcmp(f->key, kv->key.via.str.ptr, kv->key.via.str.size) == 0)
			return kv->val.type != MSGPACK_OBJECT_NIL;
	}
	return false;
}

static int check_required(struct walk *w, const struct hs_schema *schema, const msgpack_object *map)
{
	for (size_t i = 0; i < schema->nfields; i++)
		if (schema->fields[i].required && !is_given(map, &schema->fields[i]))
			return wrong_value(w, &schema->fields[i], "is missing");
	return 0;
}

// v is a map whose keys are distinct strs (the wire's checker saw to that).
static int read_struct(struct walk *w, const struct hs_schema *schema, const msgpack_object *v, void *ret)
{
	set_defaults(schema, ret);
	for (uint32_t i = 0; i < v->via.map.size; i++) {
		const msgpack_object_kv *kv = &v->via.map.ptr[i];
		const struct hs_field *f = find_field(schema, &kv->key);
		int rc = 0;
		if (!f && w->strict)
			rc = unknown_key(w, schema, &kv->key);
		else if (f && kv->val.type != MSGPACK_OBJECT_NIL)
			rc = readers[f->type](w, f, &kv->val, (char *)ret + f->offset);
		if (rc < 0)
			return rc;
	}
	return check_required(w, schema, v);
}

static int decode_object(struct hs_message *m, const msgpack_object *object, const struct hs_schema *schema, void *ret,
			 struct hs_fault *retfault)
{
	struct walk w = {.zone = m->zone,
			 .fault = retfault,
			 .method = m->name,
			 .method_len = m->name_len,
			 .strict = m->kind == HS_WIRE_REQUEST};
	retfault->message[0] = retfault->hint[0] = '\0';
	return read_struct(&w, schema, object, ret);
}

int hs_message_decode(struct hs_message *m, const struct hs_schema *schema, void *ret, struct hs_fault *retfault)
{
	return decode_object(m, m->object, schema, ret, retfault);
}

int hs_message_decode_map(struct hs_message *m, struct hs_rbuf map, const struct hs_schema *schema, void *ret,
			  struct hs_fault *retfault)
{
	static const struct hs_wire_limits limits = {.max_depth = HS_WIRE_MAX_DEPTH, .max_items = HS_WIRE_MAX_ITEMS};
	size_t len = (size_t)(map.end - map.p), used = 0;
	const char *wrong = hs_wire_check(map.p, len, &limits, &used);
	msgpack_object object;
	used = 0;
	retfault->hint[0] = '\0';
	if (!wrong && msgpack_unpack((const char *)map.p, len, &used, m->zone, &object) != MSGPACK_UNPACK_SUCCESS)
		return -ENOMEM;
	if (!wrong && object.type == MSGPACK_OBJECT_MAP)
		return decode_object(m, &object, schema, ret, retfault);
	snprintf(retfault->message, sizeof(retfault->message), "%.*s: a kept map is damaged: %s", (int)m->name_len,
		 m->name, wrong ? wrong : "it is no map");
	return HSFEED_EBADREQUEST;
}
