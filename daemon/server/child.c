// SPDX-License-Identifier: Apache-2.0
// The life of a job: joining, waiting its turn, its process, its end. What travels on the socket is in childio.c, what
// each kind of job means in ingests.c and verify.c.
//
// A job is freed when nobody works on it or waits for it (held), its process is reaped (alive), and libuv has closed
// its handles (nclosing).
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "childio.h"
#include "log.h"

static void start_next(struct hs_server *server);

// ---- memory ----

static void free_child(struct hs_child *child)
{
	if (child->kind->fini)
		child->kind->fini(child);
	for (size_t i = 0; i < child->ninputs; i++)
		hs_input_unref(child->inputs[i]);
	hs_w_fini(&child->key);
	hs_w_fini(&child->job);
	hs_w_fini(&child->reply);
	hs_user_put(child->server, child->user);
	free(child->in);
	free(child->answer);
	free(child);
}

void hs_child_unref(struct hs_child *child)
{
	if (child->held || child->alive || child->nclosing > 0)
		return;
	struct hs_child **at = &child->server->children;
	while (*at && *at != child)
		at = &(*at)->next;
	if (*at)
		*at = child->next;
	free_child(child);
}

void hs_child_discard(struct hs_child *child)
{
	free_child(child);
}

struct hs_child *hs_child_create(struct hs_request *req, const struct hs_child_kind *kind, const char *name)
{
	struct hs_server *server = req->server;
	struct hs_child *child = calloc(1, sizeof(*child));
	if (!child || !(child->user = hs_server_user(server, req->uid))) {
		free(child);
		hs_err_nomem(&req->err, "starting a process");
		return NULL;
	}
	child->server = server;
	child->kind = kind;
	child->uid = req->uid;
	child->fd = -1;
	snprintf(child->name, sizeof(child->name), "%s", name);
	snprintf(child->prefix, sizeof(child->prefix), "%s%llu", kind->name,
		 (unsigned long long)++server->child_serial);
	child->frame_mark = hs_w_frame_begin(&child->job);
	hs_w_array(&child->job, 4);
	hs_w_uint(&child->job, HS_WIRE_REQUEST);
	hs_w_uint(&child->job, 1);
	hs_w_cstr(&child->job, "job");
	child->map_mark = hs_w_map_begin(&child->job);
	hs_w_cstr(hs_child_param(child, "task"), kind->name);
	hs_w_uint(hs_child_param(child, "threads"), server->options->ingest_threads);
	hs_w_cstr(&child->key, kind->name);
	hs_w_uint(&child->key, req->uid);
	hs_w_cstr(&child->key, name);
	return child;
}

struct hs_wbuf *hs_child_param(struct hs_child *child, const char *key)
{
	hs_w_cstr(&child->job, key);
	child->npairs++;
	return &child->job;
}

size_t hs_child_input(struct hs_child *child, struct hs_input *input)
{
	const struct hs_input_stamp *s = &input->stamp;
	child->inputs[child->ninputs] = input;
	hs_w_uint(&child->key, s->dev);
	hs_w_uint(&child->key, s->ino);
	hs_w_uint(&child->key, s->bytes);
	hs_w_int(&child->key, s->mtime_ns);
	hs_w_int(&child->key, s->ctime_ns);
	return child->ninputs++;
}

// ---- the end ----

static void answer_waiters(struct hs_child *child, int rc)
{
	while (child->waiters) {
		struct hs_request *req = child->waiters;
		child->waiters = req->next_waiter;
		req->child = NULL;
		if (rc < 0)
			req->err = child->err;
		else
			hs_w_raw(&req->result, child->reply.data, child->reply.len);
		hs_request_finish(req, rc);
	}
}

// Work is over, well or not: everybody is told, the job goes.
static void end_child(struct hs_child *child, int rc)
{
	struct hs_server *server = child->server;
	if (child->phase == HS_WAITING)
		child->user->waiting--;
	hs_log(HS_LOG_INFO, "uid %u: %s %s: %s", child->uid, child->kind->name,
	       child->name[0] ? child->name : "of everything", rc < 0 ? child->err.message : "done");
	if (rc == 0 && child->kind->announce)
		child->kind->announce(child);
	answer_waiters(child, rc);
	child->held = false;
	hs_child_unref(child);
	start_next(server);
}

static void submit(struct hs_child *child, struct hs_crew *crew, void (*run)(struct hs_chore *),
		   void (*done)(struct hs_chore *))
{
	child->chore.run = run;
	child->chore.done = done;
	hs_crew_submit(crew, &child->chore);
}

static void run_sweep(struct hs_chore *chore)
{
	struct hs_child *child = (struct hs_child *)chore;
	hs_ingest_sweep(hs_store_tmp(child->server->store), child->prefix);
}

static void on_swept(struct hs_chore *chore)
{
	struct hs_child *child = (struct hs_child *)chore;
	end_child(child, child->rc);
}

// A job that failed after its process began: what it left in tmp/ goes first, so that nothing is half done when the
// client hears of it.
static void fail_and_sweep(struct hs_child *child)
{
	child->phase = HS_FINISHING;
	submit(child, child->server->writer, run_sweep, on_swept);
}

// ---- finishing ----

static void run_answer(struct hs_chore *chore)
{
	struct hs_child *child = (struct hs_child *)chore;
	child->rc = child->kind->answer(child);
	if (child->rc == 0 && child->reply.failed)
		child->rc = hs_err_nomem(&child->err, "writing an answer");
}

static void on_answer(struct hs_chore *chore)
{
	struct hs_child *child = (struct hs_child *)chore;
	end_child(child, child->rc);
}

static void start_answer(struct hs_child *child)
{
	submit(child, child->server->requests, run_answer, on_answer);
}

static void run_publish(struct hs_chore *chore)
{
	struct hs_child *child = (struct hs_child *)chore;
	child->rc = child->kind->publish(child);
}

static void on_published(struct hs_chore *chore)
{
	struct hs_child *child = (struct hs_child *)chore;
	if (child->rc < 0)
		fail_and_sweep(child);
	else
		start_answer(child);
}

// The process answered with a result (child->rc 0) or a refusal.
void hs_child_answered(struct hs_child *child)
{
	child->phase = HS_FINISHING;
	if (child->rc < 0) {
		fail_and_sweep(child);
	} else if (child->kind->publish) {
		hs_child_progress(child, "publish", 0, 1);
		submit(child, child->server->writer, run_publish, on_published);
	} else {
		start_answer(child);
	}
}

static void explain_death(struct hs_child *child)
{
	int status = child->status;
	const char *what = child->kind->name;
	if (child->cancelled) {
		if (child->err.code == 0)
			hs_err_set(&child->err, HSFEED_ECANCELLED, "%s %s: cancelled", what, child->name);
		return;
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		hs_err_set(&child->err, HSFEED_ECHILD, "%s %s: the process was killed (SIGKILL)", what, child->name);
		hs_err_hint(&child->err,
			    "most likely memory ran out: see the kernel's log, free some memory, and try again");
	} else if (WIFSIGNALED(status)) {
		hs_err_set(&child->err, HSFEED_ECHILD, "%s %s: the process died of signal %d (SIG%s)", what,
			   child->name, WTERMSIG(status), sigabbrev_np(WTERMSIG(status)));
		hs_err_hint(&child->err, "this is a fault of hsfeed's: please report it, with the daemon's log");
	} else {
		hs_err_set(&child->err, HSFEED_ECHILD, "%s %s: the process ended with code %d and without a result",
			   what, child->name, WEXITSTATUS(status));
		hs_err_hint(&child->err, "the daemon's log may say more");
	}
}

// Called when its end of the socket closed, and when it was reaped: both must have come.
void hs_child_ended(struct hs_child *child)
{
	if (child->alive || !child->eof)
		return;
	if (child->phase == HS_RUNNING) {
		explain_death(child);
		child->rc = child->err.code;
		fail_and_sweep(child);
		return;
	}
	hs_child_unref(child);
}

// ---- starting ----

static void stop_waiting(struct hs_child *child)
{
	child->user->waiting--;
	child->phase = HS_RUNNING;
}

static void start_process(struct hs_child *child)
{
	hs_w_map_end(&child->job, child->map_mark, child->npairs);
	hs_w_frame_end(&child->job, child->frame_mark, 0);
	stop_waiting(child);
	int rc = child->job.failed ? hs_err_nomem(&child->err, "starting a process")
				   : hs_ingest_spawn(&child->pid, &child->fd, &child->err);
	if (rc < 0) {
		end_child(child, rc);
		return;
	}
	child->alive = true;
	child->user->running++;
	child->server->nrunning++;
	rc = hs_child_io_start(child);
	if (rc < 0)
		hs_child_kill(child, rc, "its socket cannot be watched");
}

static struct hs_child *find_next(struct hs_server *server)
{
	const struct hs_limits *limits = &server->options->limits;
	struct hs_child *oldest = NULL; // the list has the newest first
	for (struct hs_child *c = server->children; c; c = c->next)
		if (c->phase == HS_WAITING && c->held && c->user->running < limits->ingests_per_user)
			oldest = c;
	return server->nrunning < limits->ingests && !server->stopping ? oldest : NULL;
}

static void start_next(struct hs_server *server)
{
	struct hs_child *child = find_next(server);
	if (child)
		start_process(child);
}

static void run_prepare(struct hs_chore *chore)
{
	struct hs_child *child = (struct hs_child *)chore;
	child->rc = child->kind->prepare(child);
}

static void on_prepared(struct hs_chore *chore)
{
	struct hs_child *child = (struct hs_child *)chore;
	if (child->cancelled && child->rc == 0) {
		explain_death(child);
		child->rc = child->err.code;
	}
	if (child->rc < 0) {
		end_child(child, child->rc);
		return;
	}
	child->phase = HS_WAITING;
	child->user->waiting++;
	start_next(child->server);
}

static bool same_key(const struct hs_child *a, const struct hs_child *b)
{
	return a->key.len == b->key.len && memcmp(a->key.data, b->key.data, a->key.len) == 0;
}

static struct hs_child *find_same(const struct hs_child *child)
{
	for (struct hs_child *c = child->server->children; c; c = c->next)
		if (c->waiters && !c->cancelled && same_key(c, child))
			return c;
	return NULL;
}

static int check_queue(struct hs_child *child, struct hs_err *reterr)
{
	uint64_t max = child->server->options->limits.waiting_per_user, n = 0;
	for (struct hs_child *c = child->server->children; c; c = c->next)
		n += c->held && c->uid == child->uid && c->phase <= HS_WAITING;
	if (n < max)
		return 0;
	hs_err_set(reterr, HSFEED_ELIMIT, "%s %s: %llu of the user's jobs wait already, as many as may",
		   child->kind->name, child->name, (unsigned long long)max);
	return hs_err_hint(reterr, "try again when some are done");
}

int hs_child_submit(struct hs_child *child, struct hs_request *req)
{
	struct hs_child *same = child->key.failed ? NULL : find_same(child);
	int rc = same ? 0 : check_queue(child, &req->err);
	if (child->key.failed || child->job.failed)
		rc = hs_err_nomem(&req->err, "starting a process");
	if (rc < 0 || same)
		hs_child_discard(child);
	if (rc < 0)
		return rc;
	struct hs_child *joined = same ? same : child;
	req->child = joined;
	req->next_waiter = joined->waiters;
	joined->waiters = req;
	if (same)
		return HS_LATER;
	child->held = true;
	child->next = child->server->children;
	child->server->children = child;
	if (child->kind->prepare) {
		submit(child, child->server->requests, run_prepare, on_prepared);
	} else {
		child->phase = HS_WAITING;
		child->user->waiting++;
		start_next(child->server);
	}
	return HS_LATER;
}

// ---- cancelling ----

void hs_child_kill(struct hs_child *child, int code, const char *why)
{
	if (child->err.code == 0)
		hs_err_set(&child->err, code, "%s %s: %s", child->kind->name, child->name, why);
	child->cancelled = true;
	if (child->alive && !child->killed)
		kill(child->pid, SIGKILL);
	child->killed = true;
	hs_child_io_stop(child); // what it still says is of no interest
}

// Nobody wants the job any more. What is being published is published: it may be nearly there.
static void cancel(struct hs_child *child, int code, const char *why)
{
	if (child->phase == HS_RUNNING) {
		hs_child_kill(child, code, why);
		hs_child_ended(child);
	} else if (child->phase == HS_WAITING) {
		hs_err_set(&child->err, code, "%s %s: %s", child->kind->name, child->name, why);
		end_child(child, code);
	} else {
		child->cancelled = true;
	}
}

void hs_child_leave(struct hs_request *req)
{
	struct hs_child *child = req->child;
	struct hs_request **at = &child->waiters;
	while (*at != req)
		at = &(*at)->next_waiter;
	*at = req->next_waiter;
	req->child = NULL;
	hs_err_set(&req->err, HSFEED_ECANCELLED, "%s %s: cancelled", child->kind->name, child->name);
	hs_request_finish(req, HSFEED_ECANCELLED);
	if (!child->waiters)
		cancel(child, HSFEED_ECANCELLED, "cancelled");
}

static bool try_reap(struct hs_child *child)
{
	if (!child->alive || waitpid(child->pid, &child->status, WNOHANG) != child->pid)
		return false;
	child->alive = false;
	child->user->running--;
	child->server->nrunning--;
	return true;
}

void hs_child_reap(struct hs_server *server)
{
	struct hs_child *next;
	for (struct hs_child *child = server->children; child; child = next) {
		next = child->next;
		if (try_reap(child))
			hs_child_ended(child);
	}
	start_next(server);
}

void hs_child_kill_all(struct hs_server *server)
{
	struct hs_child *next;
	for (struct hs_child *child = server->children; child; child = next) {
		next = child->next;
		// One that has answered has nothing left to do but exit; if it does not, the daemon does not wait.
		if (child->alive && child->answered)
			kill(child->pid, SIGKILL);
		cancel(child, HSFEED_ESHUTDOWN, "the daemon is shutting down");
	}
}
