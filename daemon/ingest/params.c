// SPDX-License-Identifier: Apache-2.0
#include "ingest/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char *const type_names[] = {"a str",    "an unsigned integer", "a bool", "a map",
					 "an array", "32 bytes of bin"};

char *hs_pool_add(struct hs_pool *pool, const char *text, size_t len)
{
	char *copy = strndup(text, len);
	if (!copy || hs_grow(&pool->items, &pool->cap, pool->n + 1, sizeof(*pool->items)) < 0) {
		free(copy);
		return NULL;
	}
	pool->items[pool->n++] = copy;
	return copy;
}

void hs_pool_fini(struct hs_pool *pool)
{
	for (size_t i = 0; i < pool->n; i++)
		free(pool->items[i]);
	free(pool->items);
	memset(pool, 0, sizeof(*pool));
}

static int store_str(struct hs_pool *pool, const struct hs_wire_value *v, void *place)
{
	char *copy = hs_pool_add(pool, v->as.str.ptr, v->as.str.len);
	if (!copy)
		return -ENOMEM;
	memcpy(place, &copy, sizeof(copy));
	return 0;
}

// 0, -ENOMEM, or HSFEED_EBADREQUEST when the value is of another type.
static int store(const struct hs_params *p, const struct hs_param *param, struct hs_rbuf value, char *base)
{
	struct hs_rbuf at = value;
	struct hs_wire_value v;
	void *place = base + param->offset;
	if (!hs_r_next(&value, &v))
		return HSFEED_EBADREQUEST;
	int b = v.type == HS_WIRE_BOOL && v.as.b;
	if (v.type == HS_WIRE_NIL && !(param->required & p->as))
		return 0;
	if (param->type == HS_PARAM_STR && v.type == HS_WIRE_STR && !memchr(v.as.str.ptr, 0, v.as.str.len))
		return store_str(p->pool, &v, place);
	if (param->type == HS_PARAM_UINT && v.type == HS_WIRE_UINT)
		memcpy(place, &v.as.u, sizeof(v.as.u));
	else if (param->type == HS_PARAM_BOOL && v.type == HS_WIRE_BOOL)
		memcpy(place, &b, sizeof(b));
	else if ((param->type == HS_PARAM_MAP && v.type == HS_WIRE_MAP) ||
		 (param->type == HS_PARAM_ARRAY && v.type == HS_WIRE_ARRAY))
		memcpy(place, &at, sizeof(at));
	else if (param->type == HS_PARAM_ID && v.type == HS_WIRE_BIN && v.as.str.len == 32)
		memcpy(place, &v.as.str.ptr, sizeof(v.as.str.ptr));
	else
		return HSFEED_EBADREQUEST;
	return 0;
}

static const struct hs_param *find(const struct hs_params *p, const struct hs_wire_value *key)
{
	struct hs_span name = {.ptr = key->as.str.ptr, .len = key->as.str.len};
	for (size_t i = 0; i < p->n; i++) {
		if (((p->table[i].required | p->table[i].optional) & p->as) && hs_span_is(name, p->table[i].key))
			return &p->table[i];
	}
	return NULL;
}

static int check_required(const struct hs_params *p, struct hs_rbuf map, struct hs_err *reterr)
{
	struct hs_rbuf value;
	for (size_t i = 0; i < p->n; i++) {
		if ((p->table[i].required & p->as) && !hs_r_find(map, p->table[i].key, &value))
			return hs_err_set(reterr, HSFEED_EBADREQUEST, "%s: the key %s is missing", p->where,
					  p->table[i].key);
	}
	return 0;
}

int hs_params_read(const struct hs_params *p, struct hs_rbuf map, void *ret, struct hs_err *reterr)
{
	struct hs_rbuf r = map;
	struct hs_wire_value head, key;
	if (!hs_r_next(&r, &head) || head.type != HS_WIRE_MAP)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "%s must be a map", p->where);
	for (uint32_t i = 0; i < head.as.count; i++) {
		if (!hs_r_next(&r, &key) || key.type != HS_WIRE_STR)
			return hs_err_set(reterr, HSFEED_EBADREQUEST, "%s: a key is not a str", p->where);
		const struct hs_param *param = find(p, &key);
		if (!param)
			return hs_err_set(reterr, HSFEED_EBADREQUEST, "%s: the key %.*s is not known", p->where,
					  (int)key.as.str.len, key.as.str.ptr);
		int rc = store(p, param, r, ret);
		if (rc == -ENOMEM)
			return hs_err_nomem(reterr, "reading the job");
		if (rc < 0)
			return hs_err_set(reterr, rc, "%s: %s must be %s", p->where, param->key,
					  type_names[param->type]);
		hs_r_skip(&r);
	}
	return check_required(p, map, reterr);
}

int hs_params_array(struct hs_rbuf *array, const char *key, size_t max, size_t *ret_n, struct hs_err *reterr)
{
	struct hs_wire_value head;
	*ret_n = 0;
	if (!array->p)
		return 0;
	if (!hs_r_next(array, &head) || head.type != HS_WIRE_ARRAY)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "%s must be an array", key);
	if (head.as.count > max)
		return hs_err_set(reterr, HSFEED_ELIMIT, "%s has %u items; at most %zu are possible", key,
				  head.as.count, max);
	*ret_n = head.as.count;
	return 0;
}

int hs_params_strings(struct hs_rbuf array, const char *key, struct hs_pool *pool, const char ***ret, size_t *ret_n,
		      struct hs_err *reterr)
{
	size_t n;
	struct hs_wire_value v;
	int rc = hs_params_array(&array, key, UINT16_MAX, &n, reterr);
	if (rc < 0)
		return rc;
	const char **items = hs_array(n, sizeof(*items));
	if (!items)
		return hs_err_nomem(reterr, "reading the job");
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (!hs_r_next(&array, &v) || v.type != HS_WIRE_STR || memchr(v.as.str.ptr, 0, v.as.str.len))
			rc = hs_err_set(reterr, HSFEED_EBADREQUEST, "%s must hold only str without NUL", key);
		else if (!(items[i] = hs_pool_add(pool, v.as.str.ptr, v.as.str.len)))
			rc = hs_err_nomem(reterr, "reading the job");
	}
	if (rc < 0) {
		free(items);
		return rc;
	}
	*ret = items;
	*ret_n = n;
	return 0;
}
