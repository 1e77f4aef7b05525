// SPDX-License-Identifier: Apache-2.0
// stream: one epoch's batches.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MAX_ROLES 8

struct request {
	struct hsfeed_stream_options options;
	struct hsfeed_plan plan;
	struct hsfeed_stream_role roles[MAX_ROLES];
	char names[MAX_ROLES][160];
	size_t nnamed; // by --roles
};

// ---- options ----

static int add_role(struct request *r, const char *name, size_t len)
{
	size_t n = r->options.nroles;
	if (n == MAX_ROLES || len == 0 || len >= sizeof(r->names[0]))
		return fail(EXIT_USAGE, "--roles takes at most %d names, as A,B", MAX_ROLES);
	memcpy(r->names[n], name, len);
	r->names[n][len] = '\0';
	r->roles[n] = (struct hsfeed_stream_role){.size = sizeof(r->roles[n]), .role = r->names[n]};
	r->options.nroles++;
	return 0;
}

static int read_roles(const struct args *args, struct request *r)
{
	unsigned i = 0;
	const char *text;
	while ((text = args_each(args, "roles", &i))) {
		for (;;) {
			size_t len = strcspn(text, ",");
			int rc = add_role(r, text, len);
			if (rc)
				return rc;
			if (!text[len])
				break;
			text += len + 1;
		}
	}
	r->options.roles = r->roles;
	r->nnamed = r->options.nroles;
	return 0;
}

static int read_length(const char *text, size_t len, uint32_t *ret)
{
	char *end;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (len == 0 || *text < '0' || *text > '9' || end != text + len || errno || n == 0 || n > 1048576)
		return fail(EXIT_USAGE, "--max-length takes [ROLE=]N, N from 1 to 1048576, not \"%s\"", text);
	*ret = (uint32_t)n;
	return 0;
}

// "128" or "teacher=256"; a role that --roles does not name makes sense only when no roles are named at all.
static int set_length(struct request *r, const char *text, size_t len)
{
	const char *equals = memchr(text, '=', len);
	if (!equals)
		return read_length(text, len, &r->options.max_length);
	size_t n = (size_t)(equals - text), i = 0;
	while (i < r->options.nroles && !(strlen(r->names[i]) == n && memcmp(r->names[i], text, n) == 0))
		i++;
	if (i == r->options.nroles) {
		if (r->nnamed)
			return fail(EXIT_USAGE, "--max-length %s: --roles does not name that role", text);
		int rc = add_role(r, text, n);
		if (rc)
			return rc;
	}
	return read_length(equals + 1, len - n - 1, &r->roles[i].max_length);
}

static int read_lengths(const struct args *args, struct request *r)
{
	unsigned i = 0;
	const char *text;
	while ((text = args_each(args, "max-length", &i))) {
		for (;;) {
			size_t len = strcspn(text, ",");
			int rc = set_length(r, text, len);
			if (rc)
				return rc;
			if (!text[len])
				break;
			text += len + 1;
		}
	}
	return 0;
}

static int check_padding(const char *padding)
{
	if (!padding || strcmp(padding, "max_length") == 0 || strcmp(padding, "longest") == 0)
		return 0;
	if (*padding && strspn(padding, "0123456789") == strlen(padding) && strlen(padding) < 8 && atoi(padding) > 0)
		return 0;
	return fail(EXIT_USAGE, "--padding takes max_length, longest or a number, not \"%s\"", padding);
}

static int read_request(const struct args *args, struct request *r)
{
	struct hsfeed_stream_options *o = &r->options;
	uint64_t batch_size = args_number(args, "batch-size", 32), world = args_number(args, "world", 1), at;
	o->size = sizeof(*o);
	o->name = args->words[0];
	o->plan = &r->plan;
	o->has_fold = args_has(args, "fold");
	o->fold = (uint32_t)args_number(args, "fold", 0);
	o->split = args_text(args, "split", "train");
	o->order = args_text(args, "order", NULL);
	o->has_seed = args_has(args, "seed");
	o->seed = args_number(args, "seed", 0);
	o->epoch = args_number(args, "epoch", 0);
	o->rank = (uint32_t)args_number(args, "rank", 0);
	o->world = (uint32_t)world;
	o->shard = args_text(args, "shard", NULL);
	o->batch_size = (uint32_t)batch_size;
	o->drop_last = args_has(args, "drop-last");
	o->padding = args_text(args, "padding", NULL);
	o->transport = args_text(args, "transport", NULL);
	if (strcmp(o->split, "all") != 0 && !o->has_fold)
		return fail(EXIT_USAGE, "stream needs --fold F, or --split all");
	if (__builtin_mul_overflow(batch_size * args_number(args, "start-batch", 0), world, &at))
		return fail(EXIT_USAGE, "--start-batch is beyond every epoch");
	o->at = at;
	if (strcmp(o->split, "all") == 0)
		o->plan = NULL; // no plan is made, and none is needed
	int rc = read_roles(args, r);
	if (rc == 0)
		rc = read_lengths(args, r);
	return rc ? rc : check_padding(o->padding);
}

// ---- what it says ----

// Every choice, also those that were defaults: on stderr, so that batches can be piped on.
static void announce(const hsfeed_value *info)
{
	const hsfeed_value *plan = hsfeed_value_get(info, "plan"), *encodings = hsfeed_value_get(info, "encodings");
	put_cstr(stderr, fmt_ref(get_str(info, "name"), get_str(info, "version")));
	fprintf(stderr, ": %s", get_str(info, "split"));
	if (hsfeed_value_type(plan) == HSFEED_MAP) {
		fprintf(stderr, " of fold %llu (", (unsigned long long)get_uint(info, "fold"));
		put_plan(stderr, plan);
		fprintf(stderr, ")");
	}
	fprintf(stderr, ", %s", get_str(info, "order"));
	if (strcmp(get_str(info, "order"), "shuffle") == 0)
		fprintf(stderr, " seed %llu", (unsigned long long)get_uint(info, "seed"));
	fprintf(stderr, ", epoch %llu, rank %llu of %llu (%s)\n", (unsigned long long)get_uint(info, "epoch"),
		(unsigned long long)get_uint(info, "rank"), (unsigned long long)get_uint(info, "world"),
		get_str(info, "shard"));
	fprintf(stderr, "%s samples in %s batches of %s%s; padding ", fmt_count(get_uint(info, "samples")),
		fmt_count(get_uint(info, "batches")), fmt_count(get_uint(info, "batch_size")),
		get_bool(info, "drop_last") ? ", a short last one dropped" : "");
	const hsfeed_value *padding = hsfeed_value_get(info, "padding");
	fprintf(stderr, "%s", hsfeed_value_str(padding, NULL, fmt_count(hsfeed_value_uint(padding, 0))));
	for (size_t i = 0; i < hsfeed_value_len(encodings); i++) {
		const hsfeed_value *e = hsfeed_value_at(encodings, i);
		fputs("; role ", stderr);
		put_cstr(stderr, get_str(e, "role"));
		fprintf(stderr, " max length %llu", (unsigned long long)get_uint(e, "max_length"));
	}
	fprintf(stderr, "; %s, %llu slots\n", get_str(info, "transport"), (unsigned long long)get_uint(info, "slots"));
	put_warnings(hsfeed_value_get(info, "warnings"));
}

static void summary_json(const struct sink *sink, const char *digest, double seconds, const hsfeed_value *info)
{
	printf("{\"version\":");
	json_str(stdout, get_str(info, "version"), strlen(get_str(info, "version")));
	if (digest)
		printf(",\"digest\":\"%s\"", digest);
	printf(",\"batches\":%llu,\"rows\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"stream\":",
	       (unsigned long long)sink->batches, (unsigned long long)sink->rows, (unsigned long long)sink->bytes,
	       seconds);
	json_value(stdout, info);
	fputs("}\n", stdout);
}

static void throughput(FILE *out, const struct sink *sink, double seconds)
{
	double s = seconds > 1e-9 ? seconds : 1e-9;
	fprintf(out, "%s batches, %s rows, %s in %s: %s batches/s, %s rows/s, %s/s\n", fmt_count(sink->batches),
		fmt_count(sink->rows), fmt_bytes(sink->bytes), fmt_seconds(seconds),
		fmt_count((uint64_t)((double)sink->batches / s)), fmt_count((uint64_t)((double)sink->rows / s)),
		fmt_bytes((uint64_t)((double)sink->bytes / s)));
}

static int summary(struct sink *sink, double seconds, const hsfeed_value *info)
{
	char hex[65] = "";
	if (sink->format == SINK_DIGEST) {
		digest_finish(sink->digest, hex);
		sink->digest = NULL;
		if (!*hex)
			return fail(EXIT_REFUSED, "the digest could not be computed");
	}
	if (sink->format == SINK_JSONL)
		return EXIT_DONE;
	if (json_asked) {
		summary_json(sink, *hex ? hex : NULL, seconds, info);
		return EXIT_DONE;
	}
	if (*hex)
		printf("%s\n", hex);
	throughput(stderr, sink, seconds);
	return EXIT_DONE;
}

// ---- streaming ----

static int drain(hsfeed_stream *stream, struct sink *sink)
{
	const struct hsfeed_batch *batch;
	struct hsfeed_error error;
	int rc;
	while ((rc = hsfeed_stream_next(stream, -1, &batch, &error)) == 1) {
		sink_take(sink, batch);
		hsfeed_batch_release(batch);
		if (ferror(stdout))
			return EXIT_REFUSED; // finish says why
	}
	return rc < 0 ? fail_error(&error) : EXIT_DONE;
}

static int run(hsfeed_client *client, const struct request *r, struct sink *sink)
{
	hsfeed_stream *stream;
	struct hsfeed_error error;
	if (hsfeed_stream_open(client, &r->options, &stream, &error) < 0)
		return fail_error(&error);
	if (json_asked)
		put_warnings(hsfeed_value_get(hsfeed_stream_info(stream), "warnings"));
	else
		announce(hsfeed_stream_info(stream));
	double began = now_seconds();
	int rc = drain(stream, sink);
	if (rc == EXIT_DONE)
		rc = summary(sink, now_seconds() - began, hsfeed_stream_info(stream));
	hsfeed_stream_close(stream);
	return rc;
}

int stream_main(const struct args *args)
{
	struct request r = {.plan = plan_of(args)};
	struct sink sink = {.format = SINK_JSONL};
	const char *format = args_text(args, "format", "jsonl");
	int rc = read_request(args, &r);
	if (rc)
		return rc;
	if (strcmp(format, "jsonl") != 0)
		sink.format = strcmp(format, "digest") == 0 ? SINK_DIGEST : SINK_NONE;
	hsfeed_client *client;
	rc = daemon_open(args, &client);
	if (rc)
		return rc;
	sink.digest = sink.format == SINK_DIGEST ? digest_create() : NULL;
	if (sink.format == SINK_DIGEST && !sink.digest)
		rc = fail(EXIT_REFUSED, "out of memory");
	if (rc == 0)
		rc = run(client, &r, &sink);
	if (sink.digest)
		digest_finish(sink.digest, (char[65]){""});
	hsfeed_close(client);
	return rc;
}
