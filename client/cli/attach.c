// SPDX-License-Identifier: Apache-2.0
// attach, detach: arrays that belong to the rows of a version. And --arrays of stream.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "npy.h"

// ---- attach ----

// The head of an open file: 0, or an exit code with the sentence printed.
static int read_head(int fd, const char *path, struct npy *ret)
{
	const size_t most = 12 + NPY_MAX_HEAD;
	uint8_t *data = malloc(most);
	size_t len = 0;
	ssize_t n = 1;
	if (!data)
		return fail(EXIT_REFUSED, "out of memory");
	while (len < most && (n = pread(fd, data + len, most - len, (off_t)len)) > 0)
		len += (size_t)n;
	int rc = n < 0 ? fail(EXIT_REFUSED, "%s: %s", path, strerror(errno)) : 0;
	if (rc == 0 && npy_parse(data, len, ret) < 0) {
		struct hsfeed_error error = {.code = HSFEED_EBADARRAY};
		snprintf(error.message, sizeof(error.message), "%.512s: %s", path, ret->wrong);
		snprintf(error.hint, sizeof(error.hint), "%s", ret->hint);
		rc = fail_error(&error);
	}
	free(data);
	return rc;
}

static void attach_report(const hsfeed_value *answer)
{
	const char *state = get_str(answer, "state");
	put_cstr(stdout, fmt_ref(get_str(answer, "name"), get_str(answer, "version")));
	printf(" array ");
	put_cstr(stdout, get_str(answer, "array"));
	printf(" (%s): ", fmt_id(get_str(answer, "id")));
	if (strcmp(state, "known") == 0)
		printf("these values were attached already; nothing was done\n");
	else
		printf("%s rows of %s numbers %s\n", fmt_count(get_uint(answer, "rows")),
		       fmt_count(get_uint(answer, "columns")),
		       strcmp(state, "replaced") == 0 ? "in the place of other values" : "attached");
	if (get_uint(answer, "nan_rows"))
		printf("  %s rows have NaN\n", fmt_count(get_uint(answer, "nan_rows")));
}

static int attach_file(const struct args *args, int fd, const struct npy *npy)
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	struct progress progress;
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	progress_begin(&progress);
	struct hsfeed_attach_options options = {.size = sizeof(options),
						.name = args->words[0],
						.array = args->words[1],
						.has_fd = 1,
						.fd = fd,
						.offset = npy->offset,
						.file_name = args->words[2],
						.dtype = npy->dtype,
						.rows = npy->shape[0],
						.columns = npy->dims == 2 ? (uint32_t)npy->shape[1] : 0,
						.allow_nan = strcmp(args_text(args, "nan", "refuse"), "allow") == 0,
						.replace = args_has(args, "replace"),
						.progress = progress_show,
						.arg = &progress};
	rc = hsfeed_attach(client, &options, &answer, &error);
	progress_end(&progress);
	return done(client, rc, answer, &error, attach_report);
}

int attach_main(const struct args *args)
{
	struct npy npy;
	const char *path = args->words[2];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); // a FIFO must not make us wait
	if (fd < 0)
		return fail(EXIT_REFUSED, "%s: %s", path, strerror(errno));
	int rc = read_head(fd, path, &npy);
	if (rc == 0 && npy.shape[1] > UINT32_MAX)
		rc = fail(EXIT_REFUSED, "%s: it has %llu columns; an array has at most 4096", path,
			  (unsigned long long)npy.shape[1]);
	if (rc == 0)
		rc = attach_file(args, fd, &npy);
	close(fd);
	return rc;
}

// ---- detach ----

static void detach_report(const hsfeed_value *answer)
{
	if (!get_bool(answer, "detached")) {
		printf("there was no such array\n");
		return;
	}
	printf("detached (%s)\n", fmt_bytes(get_uint(answer, "bytes")));
	if (get_uint(answer, "pending"))
		printf("its file is still open in streams and goes when the last one closes\n");
}

int detach_main(const struct args *args)
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = hsfeed_detach(client, args->words[0], args->words[1], &answer, &error);
	return done(client, rc, answer, &error, detach_report);
}

// ---- of a stream ----

static int add_array(struct array_request *r, struct hsfeed_stream_options *o, const char *name, size_t len)
{
	size_t n = o->narrays;
	if (n == MAX_ARRAYS || len == 0 || len >= sizeof(r->names[0]))
		return fail(EXIT_USAGE, "--arrays takes at most %d names, as A,B", MAX_ARRAYS);
	memcpy(r->names[n], name, len);
	r->arrays[n] = (struct hsfeed_stream_array){.size = sizeof(r->arrays[n]), .array = r->names[n]};
	o->narrays++;
	return 0;
}

int arrays_read(const struct args *args, struct array_request *r, struct hsfeed_stream_options *ret)
{
	struct item_walk w = {0};
	const char *name;
	size_t len;
	int rc = 0;
	while (rc == 0 && (name = args_item(args, "arrays", &w, &len)))
		rc = add_array(r, ret, name, len);
	ret->arrays = r->arrays;
	return rc;
}

void arrays_announce(const hsfeed_value *info)
{
	const hsfeed_value *attached = hsfeed_value_get(info, "attached");
	for (size_t i = 0; i < hsfeed_value_len(attached); i++) {
		fputs("; array ", stderr);
		put_cstr(stderr, hsfeed_value_key(attached, i));
	}
}
