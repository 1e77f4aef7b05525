// SPDX-License-Identifier: Apache-2.0
// stream: one epoch's batches.
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int read_list(const struct args *args, struct row_list *list, struct hsfeed_stream_options *o)
{
	const char *file = args_text(args, "rows-file", NULL);
	if ((file != NULL) != (strcmp(o->order ? o->order : "", "explicit") == 0))
		return fail(EXIT_USAGE, "--order explicit and --rows-file go together");
	int rc = file ? row_list_read(file, list) : 0;
	o->rows = list->rows;
	o->nrows = list->n;
	return rc;
}

struct request {
	struct epoch_request epoch;
	struct mask_request masks;
	struct array_request arrays;
	struct row_list list;
};

// r is zeroed.
static int read_request(const struct args *args, struct request *r)
{
	struct hsfeed_stream_options *o = &r->epoch.options;
	uint64_t at;
	int rc = epoch_read(args, &r->epoch);
	if (rc)
		return rc;
	o->split = args_text(args, "split", "train");
	o->rank = (uint32_t)args_number(args, "rank", 0);
	o->transport = args_text(args, "transport", NULL);
	if (strcmp(o->split, "all") != 0 && !o->has_fold)
		return fail(EXIT_USAGE, "stream needs --fold F, or --split all");
	if (__builtin_mul_overflow((uint64_t)o->batch_size * args_number(args, "start-batch", 0), o->world, &at))
		return fail(EXIT_USAGE, "--start-batch is beyond every epoch");
	o->at = at;
	if (strcmp(o->split, "all") == 0)
		o->plan = NULL; // no plan is made, and none is needed
	rc = masks_read(args, &r->masks, o);
	return rc ? rc : arrays_read(args, &r->arrays, o);
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
	if (strcmp(get_str(info, "order"), "shuffle") == 0 || strcmp(get_str(info, "order"), "length") == 0)
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
	masks_announce(info);
	arrays_announce(info);
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

static int run(hsfeed_client *client, const struct epoch_request *r, struct sink *sink)
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

static int stream_to(const struct args *args, const struct epoch_request *r, struct sink *sink)
{
	hsfeed_client *client;
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	sink->digest = sink->format == SINK_DIGEST ? digest_create() : NULL;
	if (sink->format == SINK_DIGEST && !sink->digest)
		rc = fail(EXIT_REFUSED, "out of memory");
	if (rc == 0)
		rc = run(client, r, sink);
	if (sink->digest)
		digest_finish(sink->digest, (char[65]){""});
	hsfeed_close(client);
	return rc;
}

int stream_main(const struct args *args)
{
	struct request r = {.epoch.nnamed = 0};
	struct sink sink = {.format = SINK_JSONL};
	const char *format = args_text(args, "format", "jsonl");
	if (strcmp(format, "jsonl") != 0)
		sink.format = strcmp(format, "digest") == 0 ? SINK_DIGEST : SINK_NONE;
	int rc = read_request(args, &r);
	if (rc == 0)
		rc = read_list(args, &r.list, &r.epoch.options);
	if (rc == 0)
		rc = stream_to(args, &r.epoch, &sink);
	free(r.list.rows);
	return rc;
}
