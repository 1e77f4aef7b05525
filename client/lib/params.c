// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define MAX_OPEN 7 // the outer map and six more; the frame's array is the eighth level

struct hsfeed_params {
	struct hs_wbuf w;
	struct {
		size_t mark;
		uint32_t n;
		bool map;
	} open[MAX_OPEN];
	unsigned nopen; // 0: finished
	bool bad;       // misused: a key missing, nothing open
};

static void push(hsfeed_params *p, bool map)
{
	if (p->nopen == MAX_OPEN) {
		p->bad = true;
		return;
	}
	p->open[p->nopen].mark = map ? hs_w_map_begin(&p->w) : hs_w_array_begin(&p->w);
	p->open[p->nopen].n = 0;
	p->open[p->nopen++].map = map;
}

static void pop(hsfeed_params *p)
{
	p->nopen--;
	if (p->open[p->nopen].map)
		hs_w_map_end(&p->w, p->open[p->nopen].mark, p->open[p->nopen].n);
	else
		hs_w_array_end(&p->w, p->open[p->nopen].mark, p->open[p->nopen].n);
}

hsfeed_params *hsfeed_params_create(void)
{
	hsfeed_params *p = calloc(1, sizeof(*p));
	if (p)
		push(p, true);
	return p;
}

void hsfeed_params_destroy(hsfeed_params *params)
{
	if (!params)
		return;
	hs_w_fini(&params->w);
	free(params);
}

// Begins an item: writes its key where it needs one. False: it cannot be written.
static bool item(hsfeed_params *p, const char *key)
{
	if (!p)
		return false;
	if (p->nopen == 0 || p->open[p->nopen - 1].map != (key != NULL))
		p->bad = true;
	if (p->bad)
		return false;
	p->open[p->nopen - 1].n++;
	if (key)
		hs_w_cstr(&p->w, key);
	return true;
}

void hsfeed_params_str(hsfeed_params *params, const char *key, const char *text)
{
	if (text && item(params, key))
		hs_w_cstr(&params->w, text);
}

void hsfeed_params_int(hsfeed_params *params, const char *key, int64_t number)
{
	if (item(params, key))
		hs_w_int(&params->w, number);
}

void hsfeed_params_uint(hsfeed_params *params, const char *key, uint64_t number)
{
	if (item(params, key))
		hs_w_uint(&params->w, number);
}

void hsfeed_params_f64(hsfeed_params *params, const char *key, double number)
{
	if (item(params, key))
		hs_w_f64(&params->w, number);
}

void hsfeed_params_bool(hsfeed_params *params, const char *key, int truth)
{
	if (item(params, key))
		hs_w_bool(&params->w, truth != 0);
}

void hsfeed_params_bin(hsfeed_params *params, const char *key, const void *data, size_t bytes)
{
	if (item(params, key))
		hs_w_bin(&params->w, data, bytes);
}

void hsfeed_params_map(hsfeed_params *params, const char *key)
{
	if (item(params, key))
		push(params, true);
}

void hsfeed_params_array(hsfeed_params *params, const char *key)
{
	if (item(params, key))
		push(params, false);
}

void hsfeed_params_end(hsfeed_params *params)
{
	if (!params || params->bad)
		return;
	if (params->nopen <= 1)
		params->bad = true; // the outer map is closed by the call itself
	else
		pop(params);
}

bool hs_params_nomem(const hsfeed_params *params)
{
	return params && params->w.failed;
}

const struct hs_wbuf *hs_params_finish(hsfeed_params *params)
{
	if (!params->bad && params->nopen == 1)
		pop(params);
	return params->bad || params->nopen != 0 || params->w.failed ? NULL : &params->w;
}

// "user:name": who is a uid in digits, or a user name that the system knows.
static int find_owner(const char *who, size_t len, uint64_t *ret_uid, struct hsfeed_error *reterr)
{
	char user[256];
	if (len == 0 || len >= sizeof(user))
		return hs_error_set(reterr, HSFEED_EBADARG, "the user before \":\" is not usable");
	memcpy(user, who, len);
	user[len] = '\0';
	char *end;
	errno = 0;
	unsigned long long uid = strtoull(user, &end, 10);
	if (isdigit((unsigned char)user[0]) && *end == '\0' && errno == 0 && uid < UINT32_MAX) {
		*ret_uid = uid;
		return 0;
	}
	struct passwd pw, *found = NULL;
	char buf[4096];
	if (getpwnam_r(user, &pw, buf, sizeof(buf), &found) != 0 || !found)
		return hs_error_set(reterr, HSFEED_ENOTFOUND, "there is no user \"%s\" on this machine", user);
	*ret_uid = found->pw_uid;
	return 0;
}

int hs_params_name(hsfeed_params *params, const char *name, struct hsfeed_error *reterr)
{
	if (!name)
		return hs_error_set(reterr, HSFEED_EBADARG, "a dataset's name is missing");
	const char *colon = strchr(name, ':');
	uint64_t uid;
	if (colon) {
		int rc = find_owner(name, (size_t)(colon - name), &uid, reterr);
		if (rc < 0)
			return rc;
		hsfeed_params_uint(params, "owner", uid);
	}
	hsfeed_params_str(params, "name", colon ? colon + 1 : name);
	return 0;
}

void hs_params_value(hsfeed_params *params, const char *key, const hsfeed_value *value)
{
	switch (hsfeed_value_type(value)) {
	case HSFEED_BOOL:
		hsfeed_params_bool(params, key, hsfeed_value_bool(value, 0));
		break;
	case HSFEED_INT:
		hsfeed_params_int(params, key, hsfeed_value_int(value, 0));
		break;
	case HSFEED_UINT:
		hsfeed_params_uint(params, key, hsfeed_value_uint(value, 0));
		break;
	case HSFEED_F64:
		hsfeed_params_f64(params, key, hsfeed_value_f64(value, 0));
		break;
	case HSFEED_STR:
		hsfeed_params_str(params, key, hsfeed_value_str(value, NULL, ""));
		break;
	case HSFEED_ARRAY:
		hsfeed_params_array(params, key);
		for (size_t i = 0; i < hsfeed_value_len(value); i++)
			hs_params_value(params, NULL, hsfeed_value_at(value, i));
		hsfeed_params_end(params);
		break;
	case HSFEED_MAP:
		hsfeed_params_map(params, key);
		for (size_t i = 0; i < hsfeed_value_len(value); i++)
			hs_params_value(params, hsfeed_value_key(value, i), hsfeed_value_at(value, i));
		hsfeed_params_end(params);
		break;
	default:
		break; // what a request of ours never holds
	}
}

static void put_size(hsfeed_params *params, const char *key, double share, uint64_t rows)
{
	if (share != 0)
		hsfeed_params_f64(params, key, share);
	else if (rows)
		hsfeed_params_uint(params, key, rows);
}

static void put_groups(hsfeed_params *params, const struct hsfeed_plan *plan)
{
	hsfeed_params_str(params, "group", plan->group);
	if (plan->duplicates != 0)
		hsfeed_params_f64(params, "duplicates", plan->duplicates);
	hsfeed_params_str(params, "rule", plan->rule);
}

static void put_plan(hsfeed_params *params, const struct hsfeed_plan *plan)
{
	hsfeed_params_str(params, "name", plan->name);
	hsfeed_params_str(params, "kind", plan->kind);
	if (plan->folds)
		hsfeed_params_uint(params, "folds", plan->folds);
	if (plan->has_fold_seed)
		hsfeed_params_uint(params, "fold_seed", plan->fold_seed);
	if (plan->no_shuffle)
		hsfeed_params_bool(params, "shuffle", 0);
	if (plan->nby)
		hsfeed_params_array(params, "by");
	for (size_t i = 0; i < plan->nby; i++)
		hsfeed_params_str(params, NULL, plan->by[i]);
	if (plan->nby)
		hsfeed_params_end(params);
	put_groups(params, plan);
	hsfeed_params_str(params, "column", plan->column);
	put_size(params, "test_size", plan->test_share, plan->test_rows);
	put_size(params, "train_size", plan->train_share, plan->train_rows);
	hsfeed_params_str(params, "rows", plan->rows);
}

int hs_params_plan(hsfeed_params *params, const char *key, const struct hsfeed_plan *given, struct hsfeed_error *reterr)
{
	struct hsfeed_plan plan;
	if (!given)
		return 0;
	int rc = hs_options_read(&plan, sizeof(plan), given, reterr);
	if (rc == 0 && plan.nby && !plan.by)
		rc = hs_error_set(reterr, HSFEED_EBADARG, "a plan's `by` is NULL, but nby is %zu", plan.nby);
	if (rc < 0)
		return rc;
	hsfeed_params_map(params, key);
	put_plan(params, &plan);
	hsfeed_params_end(params);
	return 0;
}
