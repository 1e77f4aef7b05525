// SPDX-License-Identifier: Apache-2.0
// What these bytes and options would make, compared with what is stored. Nothing is written.
#include <errno.h>
#include <string.h>

#include "ingest/load.h"
#include "ingest/tasks.h"

// Writes current (the stored id) and changes; a file of NULL: nothing is stored, nothing changes. Returns the number of
// pairs.
static uint32_t put_comparison(const struct hs_file *stored, const struct hs_identity *given, struct hs_wbuf *w)
{
	struct hs_rbuf identity = {.p = NULL};
	if (stored) {
		struct hs_span header = hs_file_header(stored);
		struct hs_rbuf map = {.p = (const uint8_t *)header.ptr,
				      .end = (const uint8_t *)header.ptr + header.len};
		hs_r_find(map, "identity", &identity);
		hs_w_cstr(w, "current");
		hs_w_bin(w, hs_file_get_id(stored)->bytes, sizeof(hs_file_get_id(stored)->bytes));
	}
	hs_w_cstr(w, "changes");
	hs_identity_put_changes(identity, given, w);
	return stored ? 2 : 1;
}

static const struct hs_job_file *find_role(const struct hs_job *job, const char *role)
{
	for (size_t i = 0; i < job->nfiles; i++) {
		if (strcmp(job->files[i].role, role) == 0)
			return &job->files[i];
	}
	return NULL;
}

static int put_role(const struct hs_job *job, const struct hs_tokenizer *t, struct hs_wbuf *w, struct hs_err *reterr)
{
	struct hs_file *stored = NULL;
	const struct hs_job_file *file = find_role(job, t->job->role);
	int rc = file ? hs_file_open(file->path, file->crc_root, &stored, reterr) : 0;
	if (rc < 0)
		return rc;
	size_t mark = hs_w_map_begin(w);
	hs_w_cstr(w, "role");
	hs_w_cstr(w, t->job->role);
	hs_w_cstr(w, "id");
	hs_w_bin(w, t->id.bytes, sizeof(t->id.bytes));
	hs_w_map_end(w, mark, 2 + put_comparison(stored, &t->identity, w));
	hs_file_close(stored);
	return 0;
}

static int put_roles(const struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr)
{
	int rc = 0;
	hs_w_cstr(w, "roles");
	hs_w_array(w, (uint32_t)work->job->ntokenizers);
	for (size_t i = 0; i < work->job->ntokenizers && rc == 0; i++)
		rc = put_role(work->job, &work->tokenizers[i], w, reterr);
	return rc;
}

static int put_why(const struct hs_work *work, const struct hs_load *load, struct hs_wbuf *w, struct hs_err *reterr)
{
	const struct hs_job *job = work->job;
	struct hs_file *stored = NULL;
	int rc = job->version_path ? hs_file_open(job->version_path, job->version_crc, &stored, reterr) : 0;
	if (rc < 0)
		return rc;
	size_t mark = hs_w_map_begin(w);
	hs_w_cstr(w, "version");
	hs_w_bin(w, load->id.bytes, sizeof(load->id.bytes));
	uint32_t npairs = 1 + put_comparison(stored, &load->identity, w);
	rc = put_roles(work, w, reterr);
	hs_w_map_end(w, mark, npairs + 1);
	hs_file_close(stored);
	return rc;
}

int hs_task_why(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr)
{
	int rc = hs_load_all(work, reterr);
	return rc < 0 ? rc : put_why(work, work->load, w, reterr);
}
