// SPDX-License-Identifier: Apache-2.0
// The loop thread never waits for a client's file system: fcntl and a statx that must not ask the file system
// (AT_STATX_DONT_SYNC) tell what a descriptor is, and closing (which flushes, and may hang on FUSE) is the closer's
// job.
//
// Chunks are written by the request threads: a write of 256 KiB into the page cache is short until the disk is full of
// dirty pages, and then it is not. Each chunk's place in the file is fixed on the loop thread, so that they may be
// written in any order.
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "request.h"

struct attach_params {
	const char *name;
};
struct begin_params {
	const char *name;
	uint64_t bytes;
};
struct chunk_params {
	uint64_t handle;
	struct hs_bytes data;
};
struct close_params {
	uint64_t handle;
};

#define NAME_FIELD(params)                                                                                             \
	{                                                                                                              \
		.key = "name", .type = HS_T_STR, .offset = offsetof(struct params, name), .required = true, .max = 255 \
	}
#define HANDLE_FIELD(params)                                                                                           \
	{                                                                                                              \
		.key = "handle", .type = HS_T_UINT, .offset = offsetof(struct params, handle), .required = true,       \
		.max = UINT32_MAX                                                                                      \
	}

static const struct hs_field attach_fields[] = {NAME_FIELD(attach_params)};
static const struct hs_field begin_fields[] = {
	NAME_FIELD(begin_params),
	{.key = "bytes",
	 .type = HS_T_UINT,
	 .offset = offsetof(struct begin_params, bytes),
	 .required = true,
	 .max = INT64_MAX},
};
static const struct hs_field chunk_fields[] = {
	HANDLE_FIELD(chunk_params),
	{.key = "data",
	 .type = HS_T_BIN,
	 .offset = offsetof(struct chunk_params, data),
	 .required = true,
	 .max = HS_WIRE_MAX_REQUEST},
};
static const struct hs_field close_fields[] = {HANDLE_FIELD(close_params)};
const struct hs_schema hs_file_attach_schema = HS_SCHEMA(struct attach_params, attach_fields);
const struct hs_schema hs_file_begin_schema = HS_SCHEMA(struct begin_params, begin_fields);
const struct hs_schema hs_file_chunk_schema = HS_SCHEMA(struct chunk_params, chunk_fields);
const struct hs_schema hs_file_close_schema = HS_SCHEMA(struct close_params, close_fields);

// ---- inputs and handles ----

struct hs_input *hs_input_ref(struct hs_input *input)
{
	input->refs++;
	return input;
}

void hs_input_unref(struct hs_input *input)
{
	if (!input || --input->refs > 0)
		return;
	if (input->fd >= 0)
		hs_server_close_fd(input->server, input->fd);
	free(input);
}

static struct hs_input *create_input(struct hs_server *server, const char *name, int fd)
{
	struct hs_input *input = calloc(1, sizeof(*input));
	if (!input)
		return NULL;
	input->server = server;
	input->refs = 1;
	input->fd = fd;
	snprintf(input->name, sizeof(input->name), "%s", name);
	return input;
}

static int read_stamp(int fd, struct hs_input_stamp *ret, bool *ret_regular)
{
	struct statx st;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_INO | STATX_SIZE | STATX_MTIME | STATX_CTIME, &st) < 0)
		return -errno;
	*ret_regular = S_ISREG(st.stx_mode);
	ret->dev = ((uint64_t)st.stx_dev_major << 32) | st.stx_dev_minor;
	ret->ino = st.stx_ino;
	ret->bytes = st.stx_size;
	ret->mtime_ns = st.stx_mtime.tv_sec * 1000000000ll + st.stx_mtime.tv_nsec;
	ret->ctime_ns = st.stx_ctime.tv_sec * 1000000000ll + st.stx_ctime.tv_nsec;
	return 0;
}

static struct hs_handle **find_handle(struct hs_conn *conn, uint64_t id)
{
	struct hs_handle **at = &conn->handles;
	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static int no_handle(uint64_t id, struct hs_err *reterr)
{
	hs_err_set(reterr, HSFEED_ENOTFOUND, "there is no handle %llu", (unsigned long long)id);
	return hs_err_hint(reterr, "a method that uses a handle takes it; attach the file again");
}

static void count_handles(struct hs_conn *conn, int more)
{
	conn->nhandles += (unsigned)more;
	conn->user->handles += (unsigned)more;
}

static struct hs_input *remove_handle(struct hs_conn *conn, struct hs_handle **at)
{
	struct hs_handle *handle = *at;
	struct hs_input *input = handle->input;
	*at = handle->next;
	count_handles(conn, -1);
	free(handle);
	return input;
}

int hs_handle_take(struct hs_conn *conn, uint64_t id, struct hs_input **ret, struct hs_err *reterr)
{
	struct hs_handle **at = find_handle(conn, id);
	if (!*at)
		return no_handle(id, reterr);
	struct hs_input *input = remove_handle(conn, at);
	if (input->upload && input->written < input->stamp.bytes) {
		hs_err_set(reterr, HSFEED_EBADFILE, "%s: only %llu of %llu bytes came", input->name,
			   (unsigned long long)input->written, (unsigned long long)input->stamp.bytes);
		hs_input_unref(input);
		return HSFEED_EBADFILE;
	}
	*ret = input;
	return 0;
}

void hs_handle_abandon(struct hs_conn *conn)
{
	while (conn->handles)
		hs_input_unref(remove_handle(conn, &conn->handles));
}

static int add_handle(struct hs_conn *conn, struct hs_input *input, uint32_t *ret_id, struct hs_err *reterr)
{
	struct hs_handle *handle = calloc(1, sizeof(*handle));
	if (!handle)
		return hs_err_nomem(reterr, "keeping a handle");
	handle->id = ++conn->next_handle;
	handle->input = input;
	handle->next = conn->handles;
	conn->handles = handle;
	count_handles(conn, 1);
	*ret_id = handle->id;
	return 0;
}

uint64_t hs_user_fds_max(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		limit.rlim_cur = 1024;
	return limit.rlim_cur / 8;
}

static int check_handle_room(struct hs_conn *conn, struct hs_err *reterr)
{
	uint64_t max = conn->server->options->limits.handles, user_max = hs_user_fds_max();
	if (conn->nhandles < max && conn->user->handles + conn->user->rings < user_max)
		return 0;
	if (conn->nhandles < max)
		hs_err_set(reterr, HSFEED_ELIMIT,
			   "the user's connections hold %llu handles and rings, as many as they may",
			   (unsigned long long)user_max);
	else
		hs_err_set(reterr, HSFEED_ELIMIT, "the connection holds %llu handles, as many as it may",
			   (unsigned long long)max);
	return hs_err_hint(reterr, "use them or close some with file.close");
}

// ---- file.attach ----

static int check_descriptor(int fd, const char *name, struct hs_input_stamp *ret, struct hs_err *reterr)
{
	bool regular;
	if (fd < 0)
		return hs_err_set(reterr, HSFEED_EBADFILE, "%s: no descriptor came with file.attach", name);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY) {
		hs_err_set(reterr, HSFEED_EBADFILE, "%s: the descriptor is not open for reading", name);
		return hs_err_hint(reterr, "open the file with O_RDONLY");
	}
	int rc = read_stamp(fd, ret, &regular);
	if (rc < 0)
		return hs_err_set(reterr, HSFEED_EBADFILE, "%s: cannot look at the file: %s", name, strerror(-rc));
	if (regular)
		return 0;
	hs_err_set(reterr, HSFEED_EBADFILE, "%s: not a regular file", name);
	return hs_err_hint(reterr, "pipes, devices and folders cannot be read twice; save it to a file first");
}

static int keep_attached(struct hs_request *req, int fd, const struct hs_input_stamp *stamp, uint32_t *ret_id)
{
	const struct attach_params *p = req->params;
	struct hs_input *input = create_input(req->server, p->name, fd);
	if (!input)
		return hs_err_nomem(&req->err, "attaching a file");
	input->stamp = *stamp;
	int rc = add_handle(req->conn, input, ret_id, &req->err);
	if (rc < 0)
		free(input); // the caller closes fd
	return rc;
}

int hs_req_file_attach_begin(struct hs_request *req)
{
	const struct attach_params *p = req->params;
	struct hs_input_stamp stamp;
	uint32_t id = 0;
	int fd = hs_conn_take_fd(req->conn);
	int rc = check_descriptor(fd, p->name, &stamp, &req->err);
	if (rc == 0)
		rc = check_handle_room(req->conn, &req->err);
	if (rc == 0)
		rc = keep_attached(req, fd, &stamp, &id);
	if (rc < 0) {
		if (fd >= 0)
			hs_server_close_fd(req->server, fd);
		return rc;
	}
	hs_w_map(&req->result, 2);
	hs_w_cstr(&req->result, "handle");
	hs_w_uint(&req->result, id);
	hs_w_cstr(&req->result, "bytes");
	hs_w_uint(&req->result, stamp.bytes);
	return 0;
}

// ---- file.begin, file.chunk, file.close ----

int hs_req_file_begin_begin(struct hs_request *req)
{
	const struct begin_params *p = req->params;
	uint64_t max = req->server->options->limits.upload_bytes;
	if (p->bytes > max) {
		hs_err_set(&req->err, HSFEED_ELIMIT, "%s: %llu bytes are more than may come over the socket (%llu)",
			   p->name, (unsigned long long)p->bytes, (unsigned long long)max);
		return hs_err_hint(&req->err,
				   "pass the file as a descriptor, or raise upload_bytes in the configuration");
	}
	int rc = check_handle_room(req->conn, &req->err);
	if (rc < 0)
		return rc;
	count_handles(req->conn, 1); // reserved; settle gives it back or makes it real
	struct hs_input *input = create_input(req->server, p->name, -1);
	if (!input) {
		count_handles(req->conn, -1);
		return hs_err_nomem(&req->err, "beginning a file");
	}
	input->upload = true;
	input->stamp.bytes = p->bytes;
	req->state = input;
	return 0;
}

// A file that has no name, or loses it at once where the file system cannot do that.
static int open_nameless(const char *dir, unsigned long serial)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	char path[4096];
	snprintf(path, sizeof(path), "%s/upload-%ld-%lx", dir, (long)getpid(), serial);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

int hs_req_file_begin_run(struct hs_request *req)
{
	struct hs_input *input = req->state;
	struct hs_input_stamp stamp;
	bool regular;
	input->fd = open_nameless(hs_store_tmp(req->server->store), (unsigned long)(uintptr_t)req);
	if (input->fd < 0)
		return hs_err_set(&req->err, input->fd, "%s: cannot make a temporary file in the state folder: %s",
				  input->name, strerror(-input->fd));
	int rc = read_stamp(input->fd, &stamp, &regular);
	if (rc < 0)
		return hs_err_set(&req->err, rc, "%s: cannot look at the temporary file", input->name);
	stamp.bytes = input->stamp.bytes;
	input->stamp = stamp;
	return 0;
}

int hs_req_file_begin_settle(struct hs_request *req)
{
	struct hs_input *input = req->state;
	uint32_t id = 0;
	int rc = req->conn->doomed ? HSFEED_ELOST : req->rc;
	count_handles(req->conn, -1);
	if (rc == 0)
		rc = add_handle(req->conn, input, &id, &req->err);
	if (rc < 0) {
		hs_input_unref(input);
		return rc;
	}
	hs_w_map(&req->result, 1);
	hs_w_cstr(&req->result, "handle");
	hs_w_uint(&req->result, id);
	return 0;
}

// A chunk on its way to the disk.
struct chunk {
	struct hs_input *input; // counted
	uint64_t offset;
};

int hs_req_file_chunk_begin(struct hs_request *req)
{
	const struct chunk_params *p = req->params;
	struct hs_handle *handle = *find_handle(req->conn, p->handle);
	if (!handle)
		return no_handle(p->handle, &req->err);
	struct hs_input *input = handle->input;
	if (!input->upload)
		return hs_err_set(&req->err, HSFEED_EBADREQUEST,
				  "%s: the handle is an attached file, not one begun with "
				  "file.begin",
				  input->name);
	if (p->data.len > input->stamp.bytes - input->received)
		return hs_err_set(&req->err, HSFEED_EBADREQUEST,
				  "%s: more bytes than the %llu that file.begin announced", input->name,
				  (unsigned long long)input->stamp.bytes);
	struct chunk *chunk = malloc(sizeof(*chunk));
	if (!chunk)
		return hs_err_nomem(&req->err, "receiving a file");
	*chunk = (struct chunk){hs_input_ref(input), input->received};
	input->received += p->data.len;
	req->state = chunk;
	return 0;
}

int hs_req_file_chunk_run(struct hs_request *req)
{
	const struct chunk_params *p = req->params;
	const struct chunk *chunk = req->state;
	size_t done = 0;
	while (done < p->data.len) {
		ssize_t n =
			pwrite(chunk->input->fd, p->data.ptr + done, p->data.len - done, (off_t)(chunk->offset + done));
		if (n < 0 && errno != EINTR)
			return hs_err_set(&req->err, -errno, "%s: cannot write to the state folder: %s",
					  chunk->input->name, strerror(errno));
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int hs_req_file_chunk_settle(struct hs_request *req)
{
	const struct chunk_params *p = req->params;
	struct chunk *chunk = req->state;
	if (req->rc == 0) {
		chunk->input->written += p->data.len;
		hs_w_map(&req->result, 1);
		hs_w_cstr(&req->result, "received");
		hs_w_uint(&req->result, chunk->offset + p->data.len);
	}
	hs_input_unref(chunk->input);
	free(chunk);
	return req->rc;
}

int hs_req_file_close_begin(struct hs_request *req)
{
	const struct close_params *p = req->params;
	struct hs_handle **at = find_handle(req->conn, p->handle);
	if (!*at)
		return no_handle(p->handle, &req->err);
	hs_input_unref(remove_handle(req->conn, at));
	return 0;
}
