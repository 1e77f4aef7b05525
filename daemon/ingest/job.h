// SPDX-License-Identifier: Apache-2.0
// The job as the parent sent it (ingest.h), checked and opened.
#ifndef HS_INGEST_JOB_H
#define HS_INGEST_JOB_H

#include "ingest/channel.h"
#include "ingest/floats.h"
#include "ingest/params.h"
#include "text/norm.h"
#include "text/source.h"

#define HS_TOKENIZER_FILES 7

enum hs_task { HS_TASK_INGEST, HS_TASK_ADD, HS_TASK_WHY, HS_TASK_VERIFY, HS_TASK_ATTACH };

struct hs_job_tokenizer {
	const char *role, *name, *revision; // revision: "" when none was given
	enum hs_norm normalize;
	int fds[HS_TOKENIZER_FILES]; // in the order of hs_job_files; -1: no such file
};

struct hs_job_file { // why: a stored encoding; verify: a file to check
	const char *path, *role;
	uint32_t crc_root;
	enum hs_file_kind kind;
	const uint8_t *id; // 32 bytes, or NULL: any
};

struct hs_job_array { // attach: the values in `source`
	const char *array;
	struct hs_id version;
	enum hs_floats dtype;
	uint64_t rows, offset; // offset: where in the file they begin
	uint32_t dims, columns;
	bool nan; // allowed
};

struct hs_job {
	enum hs_task task;
	uint32_t seq;
	unsigned threads; // >= 1
	uint32_t owner;
	const char *tmp, *prefix, *name, *file_name, *version_path; // "" or NULL where the task has none
	uint32_t version_crc;
	int source; // descriptor, or -1
	struct hs_source_options options;
	char charset[64];
	struct hs_job_tokenizer tokenizers[HS_INGEST_MAX_TOKENIZERS];
	size_t ntokenizers;
	struct hs_job_file *files; // heap
	size_t nfiles;
	struct hs_job_array array;
	struct hs_frame frame; // owns the descriptors and the bytes that pieces point into
	struct hs_pool pool;
};

extern const char *const hs_job_files[HS_TOKENIZER_FILES]; // "tokenizer.json", ...

// hs_job_read takes the frame (the caller's is emptied). *ret is usable for its seq and for hs_job_fini in any case.
// 0, -ENOMEM, HSFEED_EBADFRAME, EBADREQUEST naming the key, or EBADFILE naming the descriptor.
int hs_job_read(struct hs_frame *frame, struct hs_job *ret, struct hs_err *reterr);
void hs_job_fini(struct hs_job *job);

#endif
