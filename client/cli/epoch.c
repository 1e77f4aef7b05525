// SPDX-License-Identifier: Apache-2.0
// What batches are made of: the options that stream and estimate share.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const struct option epoch_options[] = {
	{.name = "fold", .kind = OPT_NUMBER, .arg = "F", .max = 65533, .help = "from 0"},
	{.name = "epoch", .kind = OPT_NUMBER, .arg = "E", .max = INT64_MAX, .help = "default 0"},
	{.name = "batch-size", .kind = OPT_NUMBER, .arg = "N", .min = 1, .max = UINT32_MAX, .help = "default 32"},
	{.name = "max-length",
	 .kind = OPT_LIST,
	 .arg = "[ROLE=]N",
	 .help = "in tokens, special ones counted; default 128"},
	{.name = "padding",
	 .kind = OPT_TEXT,
	 .arg = "P",
	 .help = "max_length (default), longest, or a number: longest, up to its multiple"},
	{.name = "seed", .kind = OPT_NUMBER, .arg = "S", .max = INT64_MAX, .help = "of the order; default 42"},
	{.name = "order",
	 .kind = OPT_TEXT,
	 .arg = "ORDER",
	 .choices = "shuffle|sequential|length|explicit",
	 .help = "explicit: of stream alone, with --rows-file; default shuffle for train, sequential for val and all"},
	{.name = "length-batch",
	 .kind = OPT_NUMBER,
	 .arg = "N",
	 .min = 1,
	 .max = UINT32_MAX,
	 .help = "of order length: the trainer's batch size times its accumulation steps; default --batch-size"},
	{.name = "world", .kind = OPT_NUMBER, .arg = "W", .min = 1, .max = UINT32_MAX, .help = "ranks; default 1"},
	{.name = "shard",
	 .kind = OPT_TEXT,
	 .arg = "RULE",
	 .choices = "pad|drop|exact|even|batches",
	 .help = "default pad for train, exact for val and all"},
	{.name = "drop-last", .kind = OPT_FLAG, .help = "drop a last short batch"},
	{.name = "roles", .kind = OPT_LIST, .arg = "A,B", .help = "whose token ids; default: text, else the first"},
	OPT_END,
};

static int add_role(struct epoch_request *r, const char *name, size_t len)
{
	size_t n = r->options.nroles;
	if (n == EPOCH_MAX_ROLES || len == 0 || len >= sizeof(r->names[0]))
		return fail(EXIT_USAGE, "--roles takes at most %d names, as A,B", EPOCH_MAX_ROLES);
	memcpy(r->names[n], name, len);
	r->names[n][len] = '\0';
	r->roles[n] = (struct hsfeed_stream_role){.size = sizeof(r->roles[n]), .role = r->names[n]};
	r->options.nroles++;
	return 0;
}

static int read_roles(const struct args *args, struct epoch_request *r)
{
	struct item_walk w = {0};
	const char *role;
	size_t len;
	while ((role = args_item(args, "roles", &w, &len))) {
		int rc = add_role(r, role, len);
		if (rc)
			return rc;
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
static int set_length(struct epoch_request *r, const char *text, size_t len)
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

static int read_lengths(const struct args *args, struct epoch_request *r)
{
	struct item_walk w = {0};
	const char *text;
	size_t len;
	while ((text = args_item(args, "max-length", &w, &len))) {
		int rc = set_length(r, text, len);
		if (rc)
			return rc;
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

int epoch_read(const struct args *args, struct epoch_request *r)
{
	struct hsfeed_stream_options *o = &r->options;
	*r = (struct epoch_request){.plan = plan_of(args)};
	*o = (struct hsfeed_stream_options){
		.size = sizeof(*o),
		.name = args->words[0],
		.plan = &r->plan,
		.has_fold = args_has(args, "fold"),
		.fold = (uint32_t)args_number(args, "fold", 0),
		.order = args_text(args, "order", NULL),
		.length_batch = (uint32_t)args_number(args, "length-batch", 0),
		.has_seed = args_has(args, "seed"),
		.seed = args_number(args, "seed", 0),
		.epoch = args_number(args, "epoch", 0),
		.world = (uint32_t)args_number(args, "world", 1),
		.shard = args_text(args, "shard", NULL),
		.batch_size = (uint32_t)args_number(args, "batch-size", 32),
		.drop_last = args_has(args, "drop-last"),
		.padding = args_text(args, "padding", NULL),
	};
	if (o->length_batch && strcmp(o->order ? o->order : "", "length") != 0)
		return fail(EXIT_USAGE, "--length-batch goes with --order length");
	int rc = read_roles(args, r);
	if (rc == 0)
		rc = read_lengths(args, r);
	return rc ? rc : check_padding(o->padding);
}
