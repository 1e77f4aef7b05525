// SPDX-License-Identifier: Apache-2.0
#include "ingest_parent.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "ingest_parent: %s\n", what);
	abort();
}

// ---- writing a job ----

void pn_begin(struct pn_job *job, const char *task)
{
	memset(job, 0, sizeof(*job));
	job->frame = hs_w_frame_begin(&job->w);
	hs_w_array(&job->w, 4);
	hs_w_uint(&job->w, HS_WIRE_REQUEST);
	hs_w_uint(&job->w, 1);
	hs_w_cstr(&job->w, "job");
	job->map = hs_w_map_begin(&job->w);
	pn_str(job, "task", task);
}

struct hs_wbuf *pn_key(struct pn_job *job, const char *key)
{
	job->nkeys++;
	hs_w_cstr(&job->w, key);
	return &job->w;
}

void pn_str(struct pn_job *job, const char *key, const char *value)
{
	hs_w_cstr(pn_key(job, key), value);
}

uint64_t pn_attach_fd(struct pn_job *job, int fd)
{
	must(fd >= 0 && job->nfds < HS_INGEST_MAX_FILES + 1, "a file cannot be attached");
	job->fds[job->nfds] = fd;
	return job->nfds++;
}

uint64_t pn_attach(struct pn_job *job, const char *path)
{
	return pn_attach_fd(job, open(path, O_RDONLY | O_CLOEXEC));
}

void pn_tokenizer(struct pn_job *job, const char *role, const char *folder, const char *normalize)
{
	static const char *const files[] = {
		"tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "config.json",
		"merges.txt",     "vocab.json"};
	char path[4096];
	uint32_t n = 0;
	hs_w_map(&job->w, normalize ? 4 : 3);
	hs_w_cstr(&job->w, "role");
	hs_w_cstr(&job->w, role);
	hs_w_cstr(&job->w, "name");
	hs_w_cstr(&job->w, folder);
	if (normalize) {
		hs_w_cstr(&job->w, "normalize");
		hs_w_cstr(&job->w, normalize);
	}
	hs_w_cstr(&job->w, "files");
	size_t map = hs_w_map_begin(&job->w);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		if (access(path, R_OK) != 0)
			continue;
		hs_w_cstr(&job->w, files[i]);
		hs_w_uint(&job->w, pn_attach(job, path));
		n++;
	}
	hs_w_map_end(&job->w, map, n);
}

// ---- the conversation ----

void pn_start(struct pn_answer *a)
{
	struct hs_err err;
	must(hs_ingest_spawn(&a->pid, &a->fd, &err) == 0, "the child does not start");
	fcntl(a->fd, F_SETFL, 0); // blocking is simpler here
}

void pn_send(struct pn_answer *a, struct pn_job *job)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(job->fds))];
	hs_w_map_end(&job->w, job->map, job->nkeys);
	hs_w_frame_end(&job->w, job->frame, 0);
	must(!job->w.failed, "out of memory");
	struct iovec iov = {.iov_base = job->w.data, .iov_len = job->w.len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (job->nfds > 0) {
		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(job->nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(job->nfds * sizeof(int));
		memcpy(CMSG_DATA(c), job->fds, job->nfds * sizeof(int));
	}
	must(sendmsg(a->fd, &msg, MSG_NOSIGNAL) == (ssize_t)job->w.len, "the job cannot be sent");
	for (size_t i = 0; i < job->nfds; i++)
		close(job->fds[i]);
	hs_w_fini(&job->w);
}

static bool read_exactly(int fd, void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, (char *)data + done, len - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool read_frame(int fd, struct hs_buf *body)
{
	uint32_t len;
	size_t at;
	struct hs_wire_limits limits = {.max_depth = 16, .max_items = HS_WIRE_MAX_REPLY_ITEMS};
	body->len = 0;
	if (!read_exactly(fd, &len, sizeof(len)))
		return false;
	must(hs_buf_reserve(body, len) == 0, "out of memory");
	body->len = len;
	if (!read_exactly(fd, body->data, len))
		return false;
	must(hs_wire_check(body->data, len, &limits, &at) == NULL, "the child's frame is not well-formed");
	return true;
}

static void answer_known(struct pn_answer *a, uint64_t seq, struct hs_rbuf params)
{
	struct hs_wbuf w = {.len = 0};
	uint32_t n = pn_count(pn_get(params, "encodings"));
	size_t frame = hs_w_frame_begin(&w);
	a->nknown++;
	hs_w_array(&w, 4);
	hs_w_uint(&w, HS_WIRE_REPLY);
	hs_w_uint(&w, seq);
	hs_w_nil(&w);
	hs_w_map(&w, 2);
	hs_w_cstr(&w, "version");
	hs_w_bool(&w, a->known_version);
	hs_w_cstr(&w, "encodings");
	hs_w_array(&w, n);
	for (uint32_t i = 0; i < n; i++)
		hs_w_bool(&w, a->known_encodings);
	hs_w_frame_end(&w, frame, 0);
	must(send(a->fd, w.data, w.len, MSG_NOSIGNAL) == (ssize_t)w.len, "the answer to known cannot be sent");
	hs_w_fini(&w);
}

// The child's request; false when there will be no more frames.
static bool on_request(struct pn_answer *a, struct hs_rbuf r)
{
	struct hs_wire_value seq, method;
	must(hs_r_next(&r, &seq) && hs_r_next(&r, &method), "a request is cut off");
	if (a->close_at_known)
		return false;
	answer_known(a, seq.as.u, r);
	return true;
}

static void on_reply(struct pn_answer *a, struct hs_rbuf r)
{
	struct hs_wire_value seq, v;
	must(hs_r_next(&r, &seq) && seq.as.u == 1, "an answer to another request");
	struct hs_rbuf error = r;
	must(hs_r_next(&r, &v), "an answer is cut off");
	if (v.type == HS_WIRE_NIL)
		a->result = r;
	else
		a->error = error;
}

static bool on_frame(struct pn_answer *a)
{
	struct hs_rbuf r = {.p = a->body.data, .end = a->body.data + a->body.len};
	struct hs_wire_value array, type;
	must(hs_r_next(&r, &array) && hs_r_next(&r, &type), "a frame is cut off");
	if (type.as.u == HS_WIRE_REQUEST)
		return on_request(a, r);
	if (type.as.u == HS_WIRE_REPLY) {
		on_reply(a, r);
		return false;
	}
	a->nprogress++;
	return true;
}

void pn_wait(struct pn_answer *a)
{
	while (read_frame(a->fd, &a->body) && on_frame(a))
		;
	close(a->fd);
	must(waitpid(a->pid, &a->status, 0) == a->pid, "the child cannot be waited for");
}

void pn_run(struct pn_answer *a, struct pn_job *job)
{
	pn_start(a);
	pn_send(a, job);
	pn_wait(a);
}

void pn_fini(struct pn_answer *a)
{
	hs_buf_fini(&a->body);
}

// ---- looking into maps ----

struct hs_rbuf pn_get(struct hs_rbuf map, const char *key)
{
	struct hs_rbuf value;
	if (!map.p || !hs_r_find(map, key, &value)) {
		fprintf(stderr, "ingest_parent: there is no key %s\n", key);
		abort();
	}
	return value;
}

static struct hs_wire_value head(struct hs_rbuf r)
{
	struct hs_wire_value v;
	must(hs_r_next(&r, &v), "there is no value");
	return v;
}

uint64_t pn_uint(struct hs_rbuf map, const char *key)
{
	struct hs_wire_value v = head(pn_get(map, key));
	must(v.type == HS_WIRE_UINT, key);
	return v.as.u;
}

bool pn_bool(struct hs_rbuf map, const char *key)
{
	struct hs_wire_value v = head(pn_get(map, key));
	must(v.type == HS_WIRE_BOOL, key);
	return v.as.b;
}

double pn_f64(struct hs_rbuf map, const char *key)
{
	double d;
	must(hs_r_get_f64(map, key, &d), key);
	return d;
}

struct hs_span pn_text(struct hs_rbuf map, const char *key)
{
	struct hs_wire_value v = head(pn_get(map, key));
	must(v.type == HS_WIRE_STR || v.type == HS_WIRE_BIN, key);
	return (struct hs_span){.ptr = v.as.str.ptr, .len = v.as.str.len};
}

uint32_t pn_count(struct hs_rbuf array)
{
	struct hs_wire_value v = head(array);
	must(v.type == HS_WIRE_ARRAY, "it is no array");
	return v.as.count;
}

struct hs_rbuf pn_item(struct hs_rbuf array, uint32_t i)
{
	must(i < pn_count(array), "the array is shorter");
	struct hs_wire_value v;
	hs_r_next(&array, &v);
	while (i-- > 0)
		hs_r_skip(&array);
	return array;
}
