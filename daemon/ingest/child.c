// SPDX-License-Identifier: Apache-2.0
// The child's life: limit oneself, take the job, do it, answer.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ingest/load.h"
#include "ingest/tasks.h"

#define NICE      10
#define OOM_SCORE "500" // when memory runs out, the kernel takes this process and not the daemon
#define MAX_OPEN  256
// linux/ioprio.h is not everywhere: class 2 (best effort), lowest priority within it.
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_LOWEST      (2 << 13 | 7)

// Each of these may be refused by a sandbox; the work is the same without.
static void limit_self(void)
{
	struct rlimit no_core = {0, 0}, few_files = {MAX_OPEN, MAX_OPEN};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &no_core);
	setrlimit(RLIMIT_NOFILE, &few_files);
	setpriority(PRIO_PROCESS, 0, NICE);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_LOWEST);
	umask(077);
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = write(fd, OOM_SCORE, strlen(OOM_SCORE));
	(void)n;
	close(fd);
}

static int do_task(struct hs_work *work, struct hs_wbuf *w, struct hs_err *reterr)
{
	static int (*const tasks[])(struct hs_work *, struct hs_wbuf *, struct hs_err *) = {
		[HS_TASK_INGEST] = hs_task_ingest, [HS_TASK_ADD] = hs_task_add,       [HS_TASK_WHY] = hs_task_why,
		[HS_TASK_VERIFY] = hs_task_verify, [HS_TASK_ATTACH] = hs_task_attach,
	};
	return tasks[work->job->task](work, w, reterr);
}

static void work_destroy(struct hs_work *work)
{
	if (!work)
		return;
	for (size_t i = 0; i < work->job->ntokenizers; i++)
		hs_tokenizer_fini(&work->tokenizers[i]);
	hs_load_destroy(work->load);
	free(work);
}

static int work_and_answer(struct hs_channel *channel, const struct hs_job *job)
{
	struct hs_work *work = calloc(1, sizeof(*work));
	struct hs_wbuf result = {.len = 0};
	struct hs_err err = {.code = 0};
	int rc = work ? 0 : hs_err_nomem(&err, "beginning");
	if (work) {
		work->channel = channel;
		work->job = job;
		rc = do_task(work, &result, &err);
		if (getenv("HSFEED_INGEST_TRACE"))
			hs_timing_print(&work->timing);
	}
	rc = hs_channel_answer(channel, job->seq, rc < 0 ? NULL : &result, &err);
	hs_w_fini(&result);
	work_destroy(work);
	return rc;
}

static int serve(struct hs_channel *channel)
{
	struct hs_frame frame;
	struct hs_job job;
	struct hs_err err = {.code = 0};
	int rc = hs_channel_recv(channel, &frame, &err);
	if (rc < 0)
		return rc;
	rc = hs_job_read(&frame, &job, &err);
	if (rc < 0)
		rc = hs_channel_answer(channel, job.seq, NULL, &err);
	else
		rc = hs_channel_watch(channel);
	if (rc == 0 && err.code == 0)
		rc = work_and_answer(channel, &job);
	hs_job_fini(&job);
	return rc;
}

int hs_ingest_child_main(int fd)
{
	struct hs_channel channel;
	limit_self();
	if (hs_channel_init(&channel, fd) < 0)
		return 1;
	int rc = serve(&channel);
	hs_channel_fini(&channel);
	return rc < 0 ? 1 : 0;
}
