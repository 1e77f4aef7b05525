// SPDX-License-Identifier: Apache-2.0
#include "ingest/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/parallel.h"
#include "ingest/words.h"
#include "store/attached.h"

const char *const hs_job_files[HS_TOKENIZER_FILES] = {
	"tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "config.json",
	"merges.txt",     "vocab.json"};
static const char *const task_names[] = {"ingest", "add", "why", "verify", "attach"};

#define INGEST       (1u << HS_TASK_INGEST)
#define ADD          (1u << HS_TASK_ADD)
#define WHY          (1u << HS_TASK_WHY)
#define VERIFY       (1u << HS_TASK_VERIFY)
#define ATTACH       (1u << HS_TASK_ATTACH)
#define COUNT(table) (sizeof(table) / sizeof(*(table)))
#define ALWAYS       1u // `as` of the tables that every task reads alike

// The job's keys as they come, before their meaning is looked at.
struct raw_job {
	const char *task, *tmp, *prefix, *name, *file_name, *version_path, *array, *dtype;
	uint64_t owner, threads, source, version_crc, rows, dims, columns, offset;
	const uint8_t *version;
	int nan;
	struct hs_rbuf options, tokenizers, encodings, items;
};

static const struct hs_param job_table[] = {
	{"task", HS_PARAM_STR, offsetof(struct raw_job, task), INGEST | ADD | WHY | VERIFY | ATTACH, 0},
	{"threads", HS_PARAM_UINT, offsetof(struct raw_job, threads), 0, INGEST | ADD | WHY | VERIFY | ATTACH},
	{"tmp", HS_PARAM_STR, offsetof(struct raw_job, tmp), INGEST | ADD | ATTACH, 0},
	{"prefix", HS_PARAM_STR, offsetof(struct raw_job, prefix), INGEST | ADD | ATTACH, 0},
	{"owner", HS_PARAM_UINT, offsetof(struct raw_job, owner), INGEST | ADD | ATTACH, 0},
	{"name", HS_PARAM_STR, offsetof(struct raw_job, name), INGEST | ADD | ATTACH, 0},
	{"file_name", HS_PARAM_STR, offsetof(struct raw_job, file_name), INGEST | WHY | ATTACH, 0},
	{"source", HS_PARAM_UINT, offsetof(struct raw_job, source), INGEST | WHY | ATTACH, 0},
	{"options", HS_PARAM_MAP, offsetof(struct raw_job, options), 0, INGEST | WHY},
	{"tokenizers", HS_PARAM_ARRAY, offsetof(struct raw_job, tokenizers), INGEST | ADD | WHY, 0},
	{"version_path", HS_PARAM_STR, offsetof(struct raw_job, version_path), ADD, WHY},
	{"version_crc", HS_PARAM_UINT, offsetof(struct raw_job, version_crc), 0, ADD | WHY},
	{"encodings", HS_PARAM_ARRAY, offsetof(struct raw_job, encodings), 0, WHY},
	{"items", HS_PARAM_ARRAY, offsetof(struct raw_job, items), VERIFY, 0},
	{"array", HS_PARAM_STR, offsetof(struct raw_job, array), ATTACH, 0},
	{"dtype", HS_PARAM_STR, offsetof(struct raw_job, dtype), ATTACH, 0},
	{"version", HS_PARAM_ID, offsetof(struct raw_job, version), ATTACH, 0},
	{"rows", HS_PARAM_UINT, offsetof(struct raw_job, rows), ATTACH, 0},
	{"dims", HS_PARAM_UINT, offsetof(struct raw_job, dims), ATTACH, 0},
	{"columns", HS_PARAM_UINT, offsetof(struct raw_job, columns), ATTACH, 0},
	{"offset", HS_PARAM_UINT, offsetof(struct raw_job, offset), 0, ATTACH},
	{"nan", HS_PARAM_BOOL, offsetof(struct raw_job, nan), 0, ATTACH},
};

struct raw_options {
	const char *text_column, *delimiter, *charset, *na, *bad_rows, *positive, *label_type;
	int header, drop_empty;
	struct hs_rbuf labels, clean;
};

static const struct hs_param options_table[] = {
	{"text_column", HS_PARAM_STR, offsetof(struct raw_options, text_column), 0, ALWAYS},
	{"labels", HS_PARAM_ARRAY, offsetof(struct raw_options, labels), 0, ALWAYS},
	{"delimiter", HS_PARAM_STR, offsetof(struct raw_options, delimiter), 0, ALWAYS},
	{"header", HS_PARAM_BOOL, offsetof(struct raw_options, header), 0, ALWAYS},
	{"charset", HS_PARAM_STR, offsetof(struct raw_options, charset), 0, ALWAYS},
	{"na", HS_PARAM_STR, offsetof(struct raw_options, na), 0, ALWAYS},
	{"bad_rows", HS_PARAM_STR, offsetof(struct raw_options, bad_rows), 0, ALWAYS},
	{"clean", HS_PARAM_ARRAY, offsetof(struct raw_options, clean), 0, ALWAYS},
	{"drop_empty", HS_PARAM_BOOL, offsetof(struct raw_options, drop_empty), 0, ALWAYS},
	{"positive", HS_PARAM_STR, offsetof(struct raw_options, positive), 0, ALWAYS},
	{"label_type", HS_PARAM_STR, offsetof(struct raw_options, label_type), 0, ALWAYS},
};

struct raw_tokenizer {
	const char *role, *name, *revision, *normalize;
	struct hs_rbuf files;
};

static const struct hs_param tokenizer_table[] = {
	{"role", HS_PARAM_STR, offsetof(struct raw_tokenizer, role), ALWAYS, 0},
	{"name", HS_PARAM_STR, offsetof(struct raw_tokenizer, name), ALWAYS, 0},
	{"revision", HS_PARAM_STR, offsetof(struct raw_tokenizer, revision), 0, ALWAYS},
	{"normalize", HS_PARAM_STR, offsetof(struct raw_tokenizer, normalize), 0, ALWAYS},
	{"files", HS_PARAM_MAP, offsetof(struct raw_tokenizer, files), ALWAYS, 0},
};

struct raw_fds {
	uint64_t at[HS_TOKENIZER_FILES];
};

// In hs_job_files' order.
static const struct hs_param files_table[HS_TOKENIZER_FILES] = {
	{"tokenizer.json", HS_PARAM_UINT, offsetof(struct raw_fds, at[0]), 0, ALWAYS},
	{"vocab.txt", HS_PARAM_UINT, offsetof(struct raw_fds, at[1]), 0, ALWAYS},
	{"tokenizer_config.json", HS_PARAM_UINT, offsetof(struct raw_fds, at[2]), 0, ALWAYS},
	{"special_tokens_map.json", HS_PARAM_UINT, offsetof(struct raw_fds, at[3]), 0, ALWAYS},
	{"config.json", HS_PARAM_UINT, offsetof(struct raw_fds, at[4]), 0, ALWAYS},
	{"merges.txt", HS_PARAM_UINT, offsetof(struct raw_fds, at[5]), 0, ALWAYS},
	{"vocab.json", HS_PARAM_UINT, offsetof(struct raw_fds, at[6]), 0, ALWAYS},
};

struct raw_file {
	const char *path, *role;
	uint64_t crc_root, kind;
	const uint8_t *id;
};

static const struct hs_param stored_table[] = {
	{"path", HS_PARAM_STR, offsetof(struct raw_file, path), WHY | VERIFY, 0},
	{"role", HS_PARAM_STR, offsetof(struct raw_file, role), WHY, 0},
	{"crc_root", HS_PARAM_UINT, offsetof(struct raw_file, crc_root), 0, WHY | VERIFY},
	{"kind", HS_PARAM_UINT, offsetof(struct raw_file, kind), VERIFY, 0},
	{"id", HS_PARAM_ID, offsetof(struct raw_file, id), 0, VERIFY},
};

// ---- descriptors ----

// Each index marks its descriptor as used, so that one that nothing names is noticed.
struct fd_use {
	const struct hs_frame *frame;
	bool used[HS_INGEST_MAX_FILES];
};

static int use_fd(struct fd_use *use, uint64_t index, const char *what, int *ret_fd, struct hs_err *reterr)
{
	struct stat st;
	if (index >= use->frame->nfds)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "the job: %s is file %llu, but %zu files came with it",
				  what, (unsigned long long)index, use->frame->nfds);
	int fd = use->frame->fds[index];
	int flags = fcntl(fd, F_GETFL);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || flags < 0 || (flags & O_PATH) ||
	    (flags & O_ACCMODE) == O_WRONLY)
		return hs_err_set(reterr, HSFEED_EBADFILE, "%s is not a regular file open for reading", what);
	use->used[index] = true;
	*ret_fd = fd;
	return 0;
}

static int check_all_used(const struct fd_use *use, struct hs_err *reterr)
{
	for (size_t i = 0; i < use->frame->nfds; i++) {
		if (!use->used[i])
			return hs_err_set(reterr, HSFEED_EBADREQUEST, "the job: nothing says what file %zu is for", i);
	}
	return 0;
}

// ---- parts ----

static int read_clean(struct hs_job *job, struct hs_rbuf array, struct hs_err *reterr)
{
	struct hs_clean_step *steps = NULL;
	const char **words;
	size_t n;
	int rc = hs_params_strings(array, "options.clean", &job->pool, &words, &n, reterr);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = hs_clean_parse(words[i], &steps, &job->options.nsteps, reterr);
	job->options.steps = steps;
	free(words);
	return rc;
}

static int read_words(struct hs_job *job, const struct raw_options *raw, struct hs_err *reterr)
{
	struct hs_source_options *o = &job->options;
	int rc = hs_words_delimiter(raw->delimiter, job->file_name, o, reterr);
	if (rc == 0)
		rc = hs_words_charset(raw->charset, job->charset, sizeof(job->charset), reterr);
	if (rc == 0)
		rc = hs_words_na(raw->na, &o->na, reterr);
	if (rc == 0)
		rc = hs_words_bad_rows(raw->bad_rows, &o->bad_rows, reterr);
	if (rc == 0)
		rc = hs_words_label_type(raw->label_type, &o->label_type, reterr);
	return rc;
}

static int read_options(struct hs_job *job, struct hs_rbuf map, struct hs_err *reterr)
{
	struct hs_params p = {.table = options_table,
			      .n = COUNT(options_table),
			      .as = ALWAYS,
			      .where = "options",
			      .pool = &job->pool};
	struct raw_options raw = {.header = 1};
	const char **labels;
	int rc = map.p ? hs_params_read(&p, map, &raw, reterr) : 0;
	if (rc == 0)
		rc = read_words(job, &raw, reterr);
	if (rc == 0)
		rc = read_clean(job, raw.clean, reterr);
	if (rc == 0)
		rc = hs_params_strings(raw.labels, "options.labels", &job->pool, &labels, &job->options.nlabel_columns,
				       reterr);
	if (rc < 0)
		return rc;
	struct hs_source_options *o = &job->options;
	o->label_columns = labels;
	o->file_name = job->file_name;
	o->charset = job->charset;
	o->na_given = raw.na != NULL;
	o->no_header = raw.header == 0;
	o->drop_empty = raw.drop_empty != 0;
	o->text_column = raw.text_column;
	o->positive = raw.positive;
	o->nthreads = job->threads;
	return 0;
}

static int read_tokenizer(struct hs_job *job, struct hs_rbuf map, struct fd_use *use, struct hs_job_tokenizer *ret,
			  struct hs_err *reterr)
{
	struct hs_params p = {.table = tokenizer_table,
			      .n = COUNT(tokenizer_table),
			      .as = ALWAYS,
			      .where = "a tokenizer",
			      .pool = &job->pool};
	struct hs_params pf = {.table = files_table,
			       .n = COUNT(files_table),
			       .as = ALWAYS,
			       .where = "a tokenizer's files",
			       .pool = &job->pool};
	struct raw_tokenizer raw = {.revision = ""};
	struct raw_fds fds;
	memset(&fds, 0xFF, sizeof(fds));
	int rc = hs_params_read(&p, map, &raw, reterr);
	if (rc == 0)
		rc = hs_params_read(&pf, raw.files, &fds, reterr);
	if (rc == 0)
		rc = hs_norm_parse(raw.normalize ? raw.normalize : "none", &ret->normalize, reterr);
	if (rc == 0 && !hs_name_valid(raw.role, strlen(raw.role)))
		rc = hs_err_set(reterr, HSFEED_EBADREQUEST, "the role \"%.64s\" is no name", raw.role);
	ret->role = raw.role;
	ret->name = raw.name;
	ret->revision = raw.revision;
	for (size_t i = 0; i < HS_TOKENIZER_FILES && rc == 0; i++) {
		ret->fds[i] = -1;
		if (fds.at[i] != UINT64_MAX)
			rc = use_fd(use, fds.at[i], hs_job_files[i], &ret->fds[i], reterr);
	}
	return rc;
}

static int check_roles(const struct hs_job *job, struct hs_err *reterr)
{
	for (size_t i = 0; i < job->ntokenizers; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(job->tokenizers[i].role, job->tokenizers[j].role) == 0)
				return hs_err_set(reterr, HSFEED_EBADREQUEST, "the role %s is given twice",
						  job->tokenizers[i].role);
		}
	}
	return 0;
}

static int read_tokenizers(struct hs_job *job, struct hs_rbuf array, struct fd_use *use, struct hs_err *reterr)
{
	int rc = hs_params_array(&array, "tokenizers", HS_INGEST_MAX_TOKENIZERS, &job->ntokenizers, reterr);
	for (size_t i = 0; i < job->ntokenizers && rc == 0; i++) {
		rc = read_tokenizer(job, array, use, &job->tokenizers[i], reterr);
		hs_r_skip(&array);
	}
	return rc < 0 ? rc : check_roles(job, reterr);
}

static int read_stored(struct hs_job *job, struct hs_rbuf array, struct hs_err *reterr)
{
	struct hs_params p = {.table = stored_table,
			      .n = COUNT(stored_table),
			      .as = 1u << job->task,
			      .where = "a stored file",
			      .pool = &job->pool};
	size_t n;
	int rc = hs_params_array(&array, "the list of stored files", HS_WIRE_MAX_REPLY_ITEMS, &n, reterr);
	if (rc < 0)
		return rc;
	job->files = hs_array(n, sizeof(*job->files));
	if (!job->files)
		return hs_err_nomem(reterr, "reading the job");
	for (job->nfiles = 0; job->nfiles < n; job->nfiles++) {
		struct raw_file raw = {.kind = HS_FILE_ENCODING};
		rc = hs_params_read(&p, array, &raw, reterr);
		if (rc < 0)
			return rc;
		hs_r_skip(&array);
		job->files[job->nfiles] = (struct hs_job_file){.path = raw.path,
							       .role = raw.role,
							       .crc_root = (uint32_t)raw.crc_root,
							       .kind = (enum hs_file_kind)raw.kind,
							       .id = raw.id};
	}
	return 0;
}

// ---- the whole ----

// Opens [0, seq, "job", {params}] and finds the task's number; *ret_params is the map.
static int open_job(struct hs_job *job, struct hs_rbuf *ret_params, struct hs_err *reterr)
{
	struct hs_rbuf r = {.p = job->frame.body.data, .end = job->frame.body.data + job->frame.body.len};
	struct hs_wire_value array, type, seq, method;
	if (!hs_r_next(&r, &array) || array.type != HS_WIRE_ARRAY || array.as.count != 4 || !hs_r_next(&r, &type) ||
	    type.type != HS_WIRE_UINT || type.as.u != HS_WIRE_REQUEST || !hs_r_next(&r, &seq) ||
	    seq.type != HS_WIRE_UINT || seq.as.u > UINT32_MAX || !hs_r_next(&r, &method) || method.type != HS_WIRE_STR)
		return hs_err_set(reterr, HSFEED_EBADFRAME, "the daemon's message is not a request");
	job->seq = (uint32_t)seq.as.u;
	if (!hs_span_is((struct hs_span){.ptr = method.as.str.ptr, .len = method.as.str.len}, "job"))
		return hs_err_set(reterr, HSFEED_EUNKNOWNMETHOD, "an ingest process knows the method job only");
	*ret_params = r;
	return 0;
}

static int find_task(struct hs_rbuf params, enum hs_task *ret, struct hs_err *reterr)
{
	const char *name;
	size_t len;
	if (!hs_r_get_str(params, "task", &name, &len))
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "the job: task must be a str");
	for (size_t i = 0; i < COUNT(task_names); i++) {
		if (hs_span_is((struct hs_span){.ptr = name, .len = len}, task_names[i])) {
			*ret = (enum hs_task)i;
			return 0;
		}
	}
	return hs_err_set(reterr, HSFEED_EBADREQUEST, "the job: the task %.*s is not known", (int)len, name);
}

static void take_raw(struct hs_job *job, const struct raw_job *raw)
{
	job->threads = raw->threads > 0 && raw->threads <= 256 ? (unsigned)raw->threads : hs_cores();
	job->owner = (uint32_t)raw->owner;
	job->tmp = raw->tmp;
	job->prefix = raw->prefix;
	job->name = raw->name;
	job->file_name = raw->file_name;
	job->version_path = raw->version_path;
	job->version_crc = (uint32_t)raw->version_crc;
}

static int read_array(struct hs_job *job, const struct raw_job *raw, struct hs_err *reterr)
{
	struct hs_job_array *a = &job->array;
	*a = (struct hs_job_array){.array = raw->array,
				   .rows = raw->rows,
				   .offset = raw->offset,
				   .dims = (uint32_t)raw->dims,
				   .columns = (uint32_t)raw->columns,
				   .nan = raw->nan != 0};
	memcpy(a->version.bytes, raw->version, sizeof(a->version.bytes));
	if (!hs_attached_name_ok(raw->array))
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "the array's name \"%.64s\" is no name", raw->array);
	if (raw->rows > UINT32_MAX || raw->dims < 1 || raw->dims > 2 || raw->columns < 1 ||
	    raw->columns > HS_ATTACHED_MAX_COLUMNS || (raw->dims == 1 && raw->columns != 1) ||
	    raw->offset > INT64_MAX / 2)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "the job: an array cannot have this shape");
	return hs_floats_parse(raw->dtype, &a->dtype)
		       ? 0
		       : hs_err_set(reterr, HSFEED_EBADREQUEST, "the job: the dtype %.32s is not known", raw->dtype);
}

static int read_parts(struct hs_job *job, const struct raw_job *raw, struct hs_err *reterr)
{
	struct fd_use use = {.frame = &job->frame};
	bool is_ingest = job->task == HS_TASK_INGEST || job->task == HS_TASK_WHY,
	     is_array = job->task == HS_TASK_ATTACH;
	int rc = is_ingest || is_array ? use_fd(&use, raw->source, job->file_name, &job->source, reterr) : 0;
	if (rc == 0 && is_ingest)
		rc = read_options(job, raw->options, reterr);
	if (rc == 0 && is_array)
		rc = read_array(job, raw, reterr);
	if (rc == 0)
		rc = read_tokenizers(job, raw->tokenizers, &use, reterr);
	if (rc == 0)
		rc = read_stored(job, job->task == HS_TASK_VERIFY ? raw->items : raw->encodings, reterr);
	return rc < 0 ? rc : check_all_used(&use, reterr);
}

int hs_job_read(struct hs_frame *frame, struct hs_job *ret, struct hs_err *reterr)
{
	struct hs_params p = {.table = job_table, .n = COUNT(job_table), .where = "the job", .pool = &ret->pool};
	struct raw_job raw = {.task = NULL};
	struct hs_rbuf params;
	memset(ret, 0, sizeof(*ret));
	ret->frame = *frame;
	memset(frame, 0, sizeof(*frame));
	ret->source = -1;
	int rc = open_job(ret, &params, reterr);
	if (rc == 0)
		rc = find_task(params, &ret->task, reterr);
	if (rc < 0)
		return rc;
	p.as = 1u << ret->task;
	rc = hs_params_read(&p, params, &raw, reterr);
	if (rc < 0)
		return rc;
	take_raw(ret, &raw);
	return read_parts(ret, &raw, reterr);
}

void hs_job_fini(struct hs_job *job)
{
	free((void *)job->options.label_columns);
	free((void *)job->options.steps);
	free(job->files);
	hs_pool_fini(&job->pool);
	hs_frame_fini(&job->frame);
	memset(job, 0, sizeof(*job));
}
