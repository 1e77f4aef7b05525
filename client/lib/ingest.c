// SPDX-License-Identifier: Apache-2.0
// ingest, add and why: hand the files over, then ask. What was handed over and not used is taken back.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define MAX_TOKENIZERS 8

static const char *const tokenizer_files[] = {
	"tokenizer.json",
	"vocab.txt",
	"tokenizer_config.json",
	"special_tokens_map.json",
	"config.json",
	// Only what has no tokenizer.json needs these, to be told apart.
	"merges.txt",
	"vocab.json",
};
#define NFILES             (sizeof(tokenizer_files) / sizeof(tokenizer_files[0]))
#define NFILES_BESIDE_JSON 5

struct tokenizer {
	struct hsfeed_tokenizer given;
	char folder[4096], revision[128];
	bool have[NFILES];
	uint64_t handle[NFILES];
};

struct job {
	struct hsfeed_ingest_options o;
	bool have_source;
	uint64_t source;
	struct tokenizer *tokenizers; // heap: MAX_TOKENIZERS
	size_t ntokenizers;
};

static void take_back(hsfeed_client *client, struct job *job)
{
	if (job->have_source)
		hs_file_close(client, job->source);
	for (size_t i = 0; i < job->ntokenizers; i++) {
		for (size_t f = 0; f < NFILES; f++) {
			if (job->tokenizers[i].have[f])
				hs_file_close(client, job->tokenizers[i].handle[f]);
		}
	}
}

static int attach_files(hsfeed_client *client, struct tokenizer *t, struct hsfeed_error *reterr)
{
	size_t found = 0;
	for (size_t f = 0; f < (t->have[0] ? NFILES_BESIDE_JSON : NFILES); f++) {
		char path[4096 + 64];
		snprintf(path, sizeof(path), "%s/%s", t->folder, tokenizer_files[f]);
		if (access(path, F_OK) != 0 && errno == ENOENT)
			continue;
		int rc = hs_file_attach(client, path, path, &t->handle[f], reterr);
		if (rc < 0)
			return rc;
		t->have[f] = true;
		found++;
	}
	if (found > 0)
		return 0;
	hs_error_set(reterr, HSFEED_EBADTOKENIZER, "tokenizer %s: the folder %s has no tokenizer.json and no vocab.txt",
		     t->given.name, t->folder);
	hs_error_hint(reterr, "give the folder that save_pretrained wrote");
	return HSFEED_EBADTOKENIZER;
}

static int prepare_tokenizer(hsfeed_client *client, const void *given, struct tokenizer *t, struct hsfeed_error *reterr)
{
	int rc = hs_options_read(&t->given, sizeof(t->given), given, reterr);
	if (rc < 0)
		return rc;
	if (!t->given.name)
		return hs_error_set(reterr, HSFEED_EBADARG, "a tokenizer has no name");
	if (t->given.folder)
		snprintf(t->folder, sizeof(t->folder), "%s", t->given.folder);
	else
		rc = hsfeed_tokenizer_find(t->given.name, t->folder, t->revision, reterr);
	return rc < 0 ? rc : attach_files(client, t, reterr);
}

static int prepare_tokenizers(hsfeed_client *client, struct job *job, struct hsfeed_error *reterr)
{
	if (job->o.ntokenizers > MAX_TOKENIZERS || (job->o.ntokenizers && !job->o.tokenizers))
		return hs_error_set(reterr, HSFEED_EBADARG, "at most %d tokenizers at a time", MAX_TOKENIZERS);
	job->tokenizers = calloc(MAX_TOKENIZERS, sizeof(*job->tokenizers));
	if (!job->tokenizers)
		return hs_error_nomem(reterr);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < job->o.ntokenizers; i++) {
		job->ntokenizers = i + 1;
		rc = prepare_tokenizer(client, hs_options_item(job->o.tokenizers, i), &job->tokenizers[i], reterr);
	}
	return rc;
}

static int prepare_source(hsfeed_client *client, struct job *job, struct hsfeed_error *reterr)
{
	struct hsfeed_ingest_options *o = &job->o;
	if (!o->file_name)
		o->file_name = o->path ? o->path : "(memory)";
	int rc;
	if (o->path)
		rc = hs_file_attach(client, o->path, o->file_name, &job->source, reterr);
	else if (o->data)
		rc = hs_file_send(client, o->data, o->data_bytes, o->file_name, &job->source, reterr);
	else
		rc = hs_error_set(reterr, HSFEED_EBADARG, "there is neither a path nor data to ingest");
	job->have_source = rc == 0;
	return rc;
}

static void put_list(hsfeed_params *p, const char *key, const char *const *items, size_t n)
{
	hsfeed_params_array(p, key);
	for (size_t i = 0; i < n; i++)
		hsfeed_params_str(p, NULL, items[i]);
	hsfeed_params_end(p);
}

static void put_options(hsfeed_params *p, const struct hsfeed_ingest_options *o)
{
	hsfeed_params_map(p, "options");
	hsfeed_params_str(p, "text_column", o->text_column);
	if (o->nlabels || o->unlabelled)
		put_list(p, "labels", o->labels, o->nlabels);
	hsfeed_params_str(p, "delimiter", o->delimiter);
	if (o->header != HSFEED_DEFAULT)
		hsfeed_params_bool(p, "header", o->header == HSFEED_YES);
	hsfeed_params_str(p, "charset", o->charset);
	hsfeed_params_str(p, "na", o->na);
	hsfeed_params_str(p, "bad_rows", o->bad_rows);
	if (o->nclean)
		put_list(p, "clean", o->clean, o->nclean);
	if (o->drop_empty)
		hsfeed_params_bool(p, "drop_empty", 1);
	hsfeed_params_str(p, "positive", o->positive);
	hsfeed_params_str(p, "label_type", o->label_type);
	hsfeed_params_end(p);
}

static void put_tokenizers(hsfeed_params *p, const struct job *job)
{
	hsfeed_params_array(p, "tokenizers");
	for (size_t i = 0; i < job->ntokenizers; i++) {
		const struct tokenizer *t = &job->tokenizers[i];
		const char *revision = t->given.revision ? t->given.revision : t->revision;
		hsfeed_params_map(p, NULL);
		hsfeed_params_str(p, "role", t->given.role ? t->given.role : "text");
		hsfeed_params_str(p, "name", t->given.name);
		hsfeed_params_str(p, "revision", *revision ? revision : NULL);
		hsfeed_params_str(p, "normalize", t->given.normalize);
		hsfeed_params_map(p, "files");
		for (size_t f = 0; f < NFILES; f++) {
			if (t->have[f])
				hsfeed_params_uint(p, tokenizer_files[f], t->handle[f]);
		}
		hsfeed_params_end(p);
		hsfeed_params_end(p);
	}
	hsfeed_params_end(p);
}

static int ask(hsfeed_client *client, const char *method, const struct job *job, hsfeed_value **ret,
	       struct hsfeed_error *reterr)
{
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	int rc = hs_params_name(params, job->o.name, reterr);
	if (job->have_source) {
		hsfeed_params_uint(params, "source", job->source);
		hsfeed_params_str(params, "file_name", job->o.file_name);
		put_options(params, &job->o);
	}
	if (job->ntokenizers || strcmp(method, "why") != 0)
		put_tokenizers(params, job);
	struct hs_call call = {.method = method, .params = params, .fd = -1, .cancel = true};
	call.timeout_ms = job->o.timeout_ms ? (int64_t)job->o.timeout_ms : -1;
	call.progress = job->o.progress;
	call.progress_arg = job->o.arg;
	if (rc == 0)
		rc = hs_call(client, &call, ret, reterr);
	hsfeed_params_destroy(params);
	return rc;
}

static int run(hsfeed_client *client, const char *method, const struct hsfeed_ingest_options *options,
	       hsfeed_value **ret, struct hsfeed_error *reterr)
{
	struct job job = {.have_source = false};
	int rc = hs_client_enter(client, reterr);
	if (rc == 0)
		rc = hs_options_read(&job.o, sizeof(job.o), options, reterr);
	if (rc == 0 && !job.o.name)
		rc = hs_error_set(reterr, HSFEED_EBADARG, "%s needs the name of a dataset", method);
	if (rc == 0 && strcmp(method, "add") != 0)
		rc = prepare_source(client, &job, reterr);
	if (rc == 0)
		rc = prepare_tokenizers(client, &job, reterr);
	if (rc == 0)
		rc = ask(client, method, &job, ret, reterr);
	if (rc < 0 && client)
		take_back(client, &job); // what the daemon did not take
	free(job.tokenizers);
	return rc;
}

int hsfeed_ingest(hsfeed_client *client, const struct hsfeed_ingest_options *options, hsfeed_value **ret_value,
		  struct hsfeed_error *reterr)
{
	return run(client, "ingest", options, ret_value, reterr);
}

int hsfeed_add(hsfeed_client *client, const struct hsfeed_ingest_options *options, hsfeed_value **ret_value,
	       struct hsfeed_error *reterr)
{
	return run(client, "add", options, ret_value, reterr);
}

int hsfeed_why(hsfeed_client *client, const struct hsfeed_ingest_options *options, hsfeed_value **ret_value,
	       struct hsfeed_error *reterr)
{
	return run(client, "why", options, ret_value, reterr);
}
