// SPDX-License-Identifier: Apache-2.0
// Every file read again: its checksums, then its structure, then whether it is the one that the catalog means.
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/parallel.h"
#include "ingest/tasks.h"
#include "store/version.h"

struct verifying {
	struct hs_work *work;
	struct hs_err *errs; // [nfiles]; code 0: sound
	uint64_t total;      // bytes of all files
	_Atomic uint64_t done;
};

// One file's share of the progress.
struct counter {
	struct verifying *v;
	uint64_t told;
};

static void on_bytes(void *arg, uint64_t done)
{
	struct counter *c = arg;
	uint64_t more = done - c->told, sum = atomic_fetch_add(&c->v->done, more) + more;
	c->told = done;
	hs_channel_progress(c->v->work->channel, HS_STAGE_VERIFY, sum < c->v->total ? sum : c->v->total, c->v->total);
}

static int check_open(const struct hs_job_file *item, const struct hs_file *file, struct hs_err *reterr)
{
	if (hs_file_get_kind(file) != item->kind ||
	    (item->id && memcmp(hs_file_get_id(file)->bytes, item->id, HS_SHA256_BYTES) != 0))
		return hs_err_set(reterr, HSFEED_ECORRUPT, "%s is sound, but it is another file than the catalog means",
				  item->path);
	struct hs_id version;
	return hs_contents_check(file, &version, reterr);
}

static int check(struct verifying *v, const struct hs_job_file *item, struct hs_err *reterr)
{
	struct counter counter = {.v = v};
	struct hs_file *file;
	int rc = hs_file_check(item->path, item->crc_root, on_bytes, &counter, reterr);
	if (rc == 0)
		rc = hs_file_open(item->path, item->crc_root, &file, reterr);
	if (rc < 0)
		return rc;
	rc = check_open(item, file, reterr);
	hs_file_close(file);
	return rc;
}

// A damaged file is a finding, not a failure: the others are still looked at.
static int verify_one(void *arg, size_t i)
{
	struct verifying *v = arg;
	int rc = check(v, &v->work->job->files[i], &v->errs[i]);
	return rc == -ENOMEM ? rc : 0;
}

static uint64_t sum_bytes(const struct hs_job *job)
{
	struct stat st;
	uint64_t sum = 0;
	for (size_t i = 0; i < job->nfiles; i++) {
		if (stat(job->files[i].path, &st) == 0)
			sum += (uint64_t)st.st_size;
	}
	return sum;
}

static void put_results(const struct verifying *v, struct hs_wbuf *w)
{
	size_t n = v->work->job->nfiles;
	hs_w_map(w, 1);
	hs_w_cstr(w, "results");
	hs_w_array(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		if (v->errs[i].code == 0)
			hs_w_nil(w);
		else
			hs_channel_put_error(w, &v->errs[i]);
	}
}

int hs_task_verify(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr)
{
	const struct hs_job *job = work->job;
	struct verifying v = {.work = work, .total = sum_bytes(job), .errs = hs_array(job->nfiles, sizeof(*v.errs))};
	if (!v.errs)
		return hs_err_nomem(reterr, "beginning");
	int rc = hs_parallel(job->threads, job->nfiles, verify_one, &v);
	if (rc < 0)
		hs_err_nomem(reterr, "checking files");
	else
		put_results(&v, w);
	free(v.errs);
	return rc;
}
