// SPDX-License-Identifier: Apache-2.0
// ingest, add and why: their parameters, and the job that is made of them. What comes back is publish.c's and why.c's.
#include "ingests.h"

#include <stdio.h>
#include <string.h>

// Types and bounds are checked here so that a wrong key is named at once; what the values mean is the child's to say,
// and it gets the map as it came.
struct options_params {
	const char *text_column, *delimiter, *charset, *positive;
	struct hs_strs labels, clean;
	int na, bad_rows, label_type;
	bool header, drop_empty;
};
static const char *const na_names[] = {"pandas", "pandas1", "empty", NULL};
static const char *const bad_rows_names[] = {"error", "skip", NULL};
static const char *const label_type_names[] = {"class", "float", NULL};

#define AT(member) .offset = offsetof(struct options_params, member)
static const struct hs_field option_fields[] = {
	{.key = "text_column", .type = HS_T_STR, AT(text_column), .max = 4096},
	{.key = "labels", .type = HS_T_STRS, AT(labels), .max = 1024},
	{.key = "delimiter", .type = HS_T_STR, AT(delimiter), .min = 1, .max = 16},
	{.key = "header", .type = HS_T_BOOL, AT(header)},
	{.key = "charset", .type = HS_T_STR, AT(charset), .min = 1, .max = 63},
	{.key = "na", .type = HS_T_ENUM, AT(na), .names = na_names},
	{.key = "bad_rows", .type = HS_T_ENUM, AT(bad_rows), .names = bad_rows_names},
	{.key = "clean", .type = HS_T_STRS, AT(clean), .max = 64},
	{.key = "drop_empty", .type = HS_T_BOOL, AT(drop_empty)},
	{.key = "positive", .type = HS_T_STR, AT(positive), .max = 4096},
	{.key = "label_type", .type = HS_T_ENUM, AT(label_type), .names = label_type_names},
};
#undef AT
static const struct hs_schema options_schema = HS_SCHEMA(struct options_params, option_fields);

struct tokenizer_params {
	const char *role, *name, *revision;
	int normalize;
	struct hs_named files;
};
static const char *const normalize_names[] = {"none", "nfc", "nfkc", NULL};
static const char *const file_names[] = {
	"tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "config.json", "merges.txt",
	"vocab.json",     NULL};
#define MAX_TOKENIZER_FILES 7

#define AT(member) .offset = offsetof(struct tokenizer_params, member)
static const struct hs_field tokenizer_fields[] = {
	{.key = "role", .type = HS_T_STR, AT(role), .required = true, .min = 1, .max = HS_NAME_MAX},
	{.key = "name", .type = HS_T_STR, AT(name), .required = true, .max = 512},
	{.key = "revision", .type = HS_T_STR, AT(revision), .max = 128},
	{.key = "normalize", .type = HS_T_ENUM, AT(normalize), .names = normalize_names},
	{.key = "files", .type = HS_T_NAMED_UINTS, AT(files), .required = true, .max = MAX_TOKENIZER_FILES},
};
#undef AT
static const struct hs_schema tokenizer_schema = HS_SCHEMA(struct tokenizer_params, tokenizer_fields);

struct ingest_params { // of all three
	const char *name, *file_name;
	uint64_t owner, source;
	struct options_params options;
	struct hs_maps tokenizers;
};

#define AT(member) .offset = offsetof(struct ingest_params, member)
#define NAME                                                                                                           \
	{                                                                                                              \
		.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = HS_NAME_MAX + 70         \
	}
#define SOURCE                                                                                                         \
	{                                                                                                              \
		.key = "source", .type = HS_T_UINT, AT(source), .required = true, .max = UINT32_MAX                    \
	}
#define FILE_NAME                                                                                                      \
	{                                                                                                              \
		.key = "file_name", .type = HS_T_STR, AT(file_name), .required = true, .max = 1024                     \
	}
#define OPTIONS                                                                                                        \
	{                                                                                                              \
		.key = "options", .type = HS_T_MAP, AT(options), .sub = &options_schema                                \
	}
#define TOKENIZERS(must)                                                                                               \
	{                                                                                                              \
		.key = "tokenizers", .type = HS_T_MAPS, AT(tokenizers), .required = (must),                            \
		.max = HS_INGEST_MAX_TOKENIZERS, .sub = &tokenizer_schema                                              \
	}
static const struct hs_field ingest_fields[] = {NAME, SOURCE, FILE_NAME, OPTIONS, TOKENIZERS(true)};
static const struct hs_field why_fields[] = {NAME, SOURCE, FILE_NAME, OPTIONS, TOKENIZERS(false)};
static const struct hs_field add_fields[] = {
	NAME, {.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET}, TOKENIZERS(true)};
#undef AT
const struct hs_schema hs_ingest_schema = HS_SCHEMA(struct ingest_params, ingest_fields);
const struct hs_schema hs_why_schema = HS_SCHEMA(struct ingest_params, why_fields);
const struct hs_schema hs_add_schema = HS_SCHEMA(struct ingest_params, add_fields);

// ---- checks ----

static int bad_name(struct hs_err *reterr, const char *what, const char *name)
{
	hs_err_set(reterr, HSFEED_EBADREQUEST, "\"%.130s\" cannot be the name of a %s", name, what);
	return hs_err_hint(reterr,
			   "1 to 128 letters, digits, dots, dashes and underscores, the first a letter or digit");
}

static bool known_file(const char *name)
{
	for (size_t i = 0; file_names[i]; i++)
		if (strcmp(file_names[i], name) == 0)
			return true;
	return false;
}

static int check_tokenizer(const struct tokenizer_params *all, size_t i, struct hs_err *reterr)
{
	const struct tokenizer_params *t = &all[i];
	if (!hs_name_valid(t->role, strlen(t->role)))
		return bad_name(reterr, "role", t->role);
	for (size_t k = 0; k < i; k++)
		if (strcmp(all[k].role, t->role) == 0)
			return hs_err_set(reterr, HSFEED_EBADREQUEST, "two tokenizers have the role \"%s\"", t->role);
	for (size_t k = 0; k < t->files.n; k++)
		if (!known_file(t->files.items[k].name))
			return hs_err_set(reterr, HSFEED_EBADREQUEST,
					  "tokenizers[%zu].files: \"%.64s\" is not a file that "
					  "tokenizers have",
					  i, t->files.items[k].name);
	return 0;
}

static int check_tokenizers(const struct hs_maps *maps, struct hs_err *reterr)
{
	int rc = 0;
	for (size_t i = 0; i < maps->n && rc == 0; i++)
		rc = check_tokenizer(maps->items, i, reterr);
	return rc;
}

// ---- the job ----

static int put_source(struct hs_child *child, struct hs_request *req)
{
	const struct ingest_params *p = req->params;
	struct hs_input *input;
	int rc = hs_handle_take(req->conn, p->source, &input, &req->err);
	if (rc < 0)
		return rc;
	hs_w_uint(hs_child_param(child, "source"), hs_child_input(child, input));
	hs_w_cstr(hs_child_param(child, "file_name"), p->file_name);
	hs_w_cstr(&child->key, p->file_name);
	return 0;
}

static void put_options(struct hs_child *child, const struct hs_request *req)
{
	struct hs_rbuf value, end;
	if (!hs_r_find(req->msg.params, "options", &value))
		return;
	end = value;
	hs_r_skip(&end);
	hs_w_raw(hs_child_param(child, "options"), value.p, (size_t)(end.p - value.p));
	hs_w_raw(&child->key, value.p, (size_t)(end.p - value.p));
}

static int put_files(struct hs_child *child, struct hs_request *req, const struct hs_named *files)
{
	hs_w_cstr(&child->job, "files");
	hs_w_map(&child->job, (uint32_t)files->n);
	for (size_t i = 0; i < files->n; i++) {
		struct hs_input *input;
		int rc = hs_handle_take(req->conn, files->items[i].u, &input, &req->err);
		if (rc < 0)
			return hs_err_context(&req->err, "%s", files->items[i].name);
		hs_w_cstr(&child->job, files->items[i].name);
		hs_w_cstr(&child->key, files->items[i].name);
		hs_w_uint(&child->job, hs_child_input(child, input));
	}
	return 0;
}

static void put_word(struct hs_child *child, const char *key, const char *value)
{
	hs_w_cstr(&child->job, key);
	hs_w_cstr(&child->job, value);
	hs_w_cstr(&child->key, value);
}

static int put_tokenizers(struct hs_child *child, struct hs_request *req)
{
	const struct ingest_params *p = req->params;
	const struct tokenizer_params *t = p->tokenizers.items;
	hs_w_array(hs_child_param(child, "tokenizers"), (uint32_t)p->tokenizers.n);
	int rc = 0;
	for (size_t i = 0; i < p->tokenizers.n && rc == 0; i++, t++) {
		hs_w_map(&child->job, 5);
		put_word(child, "role", t->role);
		put_word(child, "name", t->name);
		put_word(child, "revision", t->revision);
		put_word(child, "normalize", normalize_names[t->normalize]);
		rc = put_files(child, req, &t->files);
	}
	return rc;
}

static void put_place(struct hs_child *child)
{
	hs_w_cstr(hs_child_param(child, "tmp"), hs_store_tmp(child->server->store));
	hs_w_cstr(hs_child_param(child, "prefix"), child->prefix);
	hs_w_uint(hs_child_param(child, "owner"), child->uid);
}

// A handle that a method uses is gone whatever comes of it: those that no job took are closed here.
static void drop_handles(struct hs_request *req)
{
	const struct ingest_params *p = req->params;
	const struct tokenizer_params *t = p->tokenizers.items;
	struct hs_input *input;
	struct hs_err gone;
	if (p->file_name && hs_handle_take(req->conn, p->source, &input, &gone) == 0)
		hs_input_unref(input);
	for (size_t i = 0; i < p->tokenizers.n; i++, t++)
		for (size_t k = 0; k < t->files.n; k++)
			if (hs_handle_take(req->conn, t->files.items[k].u, &input, &gone) == 0)
				hs_input_unref(input);
}

static int make_job(struct hs_request *req, const struct hs_child_kind *kind, struct hs_child **ret)
{
	const struct ingest_params *p = req->params;
	int rc = check_tokenizers(&p->tokenizers, &req->err);
	if (rc < 0)
		return rc;
	struct hs_child *child = hs_child_create(req, kind, p->name);
	if (!child)
		return req->err.code;
	if (p->file_name) {
		rc = put_source(child, req);
		put_options(child, req);
	}
	if (rc == 0)
		rc = put_tokenizers(child, req);
	if (rc < 0) {
		hs_child_discard(child);
		return rc;
	}
	*ret = child;
	return 0;
}

static int begin(struct hs_request *req, const struct hs_child_kind *kind)
{
	const struct ingest_params *p = req->params;
	struct hs_child *child = NULL;
	int rc = make_job(req, kind, &child);
	if (rc < 0) {
		drop_handles(req);
		return rc;
	}
	if (kind != &hs_why_kind)
		put_place(child);
	if (kind == &hs_ingest_kind)
		hs_w_cstr(hs_child_param(child, "name"), p->name);
	return hs_child_submit(child, req);
}

int hs_req_ingest_begin(struct hs_request *req)
{
	const struct ingest_params *p = req->params;
	if (hs_name_valid(p->name, strlen(p->name)))
		return begin(req, &hs_ingest_kind);
	drop_handles(req);
	return bad_name(&req->err, "dataset", p->name);
}

int hs_req_add_begin(struct hs_request *req)
{
	const struct ingest_params *p = req->params;
	if (p->owner == HS_UNSET || p->owner == req->uid)
		return begin(req, &hs_add_kind);
	drop_handles(req);
	hs_err_set(&req->err, HSFEED_EDENIED, "add %s: only its owner can add to a dataset", p->name);
	return hs_err_hint(&req->err, "ingest the source under a name of your own");
}

int hs_req_why_begin(struct hs_request *req)
{
	return begin(req, &hs_why_kind);
}
