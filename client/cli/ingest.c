// SPDX-License-Identifier: Apache-2.0
// ingest, add, why: options into the library's struct.
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MAX_ITEMS      256
#define MAX_TOKENIZERS 8

#define TOKENIZER_HELP "a folder, or a hub name in the local cache; several with roles"
#define NORMALIZE_HELP "nfc or nfkc before tokenizing; default: as the tokenizer's files say"

// clang-format off
const struct option ingest_options[] = {
	{.name = "tokenizer", .kind = OPT_LIST, .arg = "[ROLE=]DIR", .help = TOKENIZER_HELP},
	{.name = "labels", .kind = OPT_LIST, .arg = "A,B|none", .help = "the label columns"},
	{.name = "text", .kind = OPT_TEXT, .arg = "COLUMN", .help = "the text column, when it is not clear"},
	{.name = "delimiter", .kind = OPT_TEXT, .arg = "D",
	 .help = "auto, comma, tab, semicolon or one character; default tab for .tsv, else comma"},
	{.name = "header", .kind = OPT_TEXT, .arg = "yes|no", .choices = "yes|no",
	 .help = "default yes; without, columns are named 0, 1, ..."},
	{.name = "charset", .kind = OPT_TEXT, .arg = "NAME", .help = "default utf-8"},
	{.name = "na", .kind = OPT_TEXT, .arg = "RULE", .choices = "pandas|pandas1|empty",
	 .help = "what counts as missing; default pandas"},
	{.name = "bad-rows", .kind = OPT_TEXT, .arg = "RULE", .choices = "error|skip",
	 .help = "rows with too many fields; default error"},
	{.name = "clean", .kind = OPT_LIST, .arg = "STEP,STEP",
	 .help = "urls, whitespace, latin, remove:TEXT, data.py; in this order"},
	{.name = "normalize", .kind = OPT_LIST, .arg = "[ROLE=]FORM", .help = NORMALIZE_HELP},
	{.name = "drop-empty", .kind = OPT_FLAG, .help = "drop rows whose cleaned text is empty"},
	{.name = "positive", .kind = OPT_TEXT, .arg = "V", .help = "the label value that counts as 1"},
	{.name = "label-type", .kind = OPT_TEXT, .arg = "TYPE", .choices = "class|float",
	 .help = "default: by the values"},
	{.name = "share", .kind = OPT_TEXT, .arg = "WITH", .later = true},
	OPT_END,
};

const struct option add_options[] = {
	{.name = "tokenizer", .kind = OPT_LIST, .arg = "[ROLE=]DIR", .help = TOKENIZER_HELP},
	{.name = "normalize", .kind = OPT_LIST, .arg = "[ROLE=]FORM", .help = NORMALIZE_HELP},
	OPT_END,
};
// clang-format on

// Everything that the library's options point into.
struct request {
	struct hsfeed_ingest_options options;
	struct hsfeed_tokenizer tokenizers[MAX_TOKENIZERS];
	const char *labels[MAX_ITEMS], *clean[MAX_ITEMS];
	char *copies[2 * MAX_ITEMS]; // cut words; freed at the end
	size_t ncopies;
	struct progress progress;
};

static void request_fini(struct request *r)
{
	for (size_t i = 0; i < r->ncopies; i++)
		free(r->copies[i]);
}

static const char *keep(struct request *r, const char *text, size_t len)
{
	char *copy = r->ncopies < 2 * MAX_ITEMS ? strndup(text, len) : NULL;
	if (copy)
		r->copies[r->ncopies++] = copy;
	return copy;
}

// "A,B" -> items. Where `rest` begins an item, the commas after it are its own ("remove:a,b").
static int split(struct request *r, const char *text, const char *rest, const char **items, size_t *nitems)
{
	for (const char *p = text;; p++) {
		size_t len = rest && strncmp(p, rest, strlen(rest)) == 0 ? strlen(p) : strcspn(p, ",");
		const char *item = *nitems < MAX_ITEMS ? keep(r, p, len) : NULL;
		if (!item)
			return fail(EXIT_USAGE, "more than %d items, or no memory", MAX_ITEMS);
		if (len == 0)
			return fail(EXIT_USAGE, "an item is empty in \"%s\"", text);
		items[(*nitems)++] = item;
		p += len;
		if (!*p)
			return 0;
	}
}

static int read_labels(const struct args *args, struct request *r)
{
	unsigned i = 0;
	const char *text;
	while ((text = args_each(args, "labels", &i))) {
		int rc = split(r, text, NULL, r->labels, &r->options.nlabels);
		if (rc)
			return rc;
	}
	r->options.labels = r->labels;
	if (r->options.nlabels == 1 && strcmp(r->labels[0], "none") == 0) {
		r->options.nlabels = 0;
		r->options.unlabelled = 1;
	}
	return 0;
}

static int read_clean(const struct args *args, struct request *r)
{
	unsigned i = 0;
	const char *text;
	while ((text = args_each(args, "clean", &i))) {
		int rc = split(r, text, "remove:", r->clean, &r->options.nclean);
		if (rc)
			return rc;
	}
	r->options.clean = r->clean;
	return 0;
}

// A role is a short word before the first "=": a folder's path may contain one too, but then after a slash or a dot.
static size_t role_length(const char *text)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
	return text[n] == '=' ? n : 0;
}

static int add_tokenizer(struct request *r, const char *text)
{
	struct hsfeed_ingest_options *o = &r->options;
	size_t n = role_length(text);
	if (o->ntokenizers == MAX_TOKENIZERS)
		return fail(EXIT_USAGE, "at most %d tokenizers at a time", MAX_TOKENIZERS);
	struct hsfeed_tokenizer *t = &r->tokenizers[o->ntokenizers];
	*t = (struct hsfeed_tokenizer){
		.size = sizeof(*t), .role = n ? keep(r, text, n) : "text", .name = text + (n ? n + 1 : 0)};
	if (!t->role || !*t->name)
		return fail(EXIT_USAGE, "--tokenizer takes [ROLE=]DIR_OR_HUB_NAME, not \"%s\"", text);
	for (size_t i = 0; i < o->ntokenizers; i++) {
		if (strcmp(r->tokenizers[i].role, t->role) == 0)
			return fail(EXIT_USAGE, "two tokenizers have the role %s; name roles: --tokenizer ROLE=DIR",
				    t->role);
	}
	o->ntokenizers++;
	return 0;
}

static int read_tokenizers(const struct args *args, struct request *r)
{
	unsigned i = 0;
	const char *text;
	while ((text = args_each(args, "tokenizer", &i))) {
		int rc = add_tokenizer(r, text);
		if (rc)
			return rc;
	}
	r->options.tokenizers = r->tokenizers;
	return 0;
}

static int set_normalize(struct request *r, const char *text)
{
	size_t n = role_length(text), found = 0;
	const char *form = text + (n ? n + 1 : 0);
	if (strcmp(form, "nfc") != 0 && strcmp(form, "nfkc") != 0)
		return fail(EXIT_USAGE, "--normalize takes [ROLE=]nfc or [ROLE=]nfkc, not \"%s\"", text);
	for (size_t i = 0; i < r->options.ntokenizers; i++) {
		const char *role = r->tokenizers[i].role;
		if (n && !(strlen(role) == n && strncmp(role, text, n) == 0))
			continue;
		r->tokenizers[i].normalize = form;
		found++;
	}
	return found ? 0 : fail(EXIT_USAGE, "--normalize %s: there is no tokenizer of that role", text);
}

static int read_normalize(const struct args *args, struct request *r)
{
	unsigned i = 0;
	const char *text;
	while ((text = args_each(args, "normalize", &i))) {
		int rc = set_normalize(r, text);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_request(const struct args *args, struct request *r)
{
	struct hsfeed_ingest_options *o = &r->options;
	const char *header = args_text(args, "header", NULL);
	o->size = sizeof(*o);
	o->name = args->words[0];
	o->path = args->nwords > 1 ? args->words[1] : NULL;
	o->text_column = args_text(args, "text", NULL);
	o->delimiter = args_text(args, "delimiter", NULL);
	o->header = !header ? HSFEED_DEFAULT : strcmp(header, "yes") == 0 ? HSFEED_YES : HSFEED_NO;
	o->charset = args_text(args, "charset", NULL);
	o->na = args_text(args, "na", NULL);
	o->bad_rows = args_text(args, "bad-rows", NULL);
	o->drop_empty = args_has(args, "drop-empty");
	o->positive = args_text(args, "positive", NULL);
	o->label_type = args_text(args, "label-type", NULL);
	o->progress = progress_show;
	o->arg = &r->progress;
	int rc = read_labels(args, r);
	if (rc == 0)
		rc = read_clean(args, r);
	if (rc == 0)
		rc = read_tokenizers(args, r);
	return rc ? rc : read_normalize(args, r);
}

typedef int call_fn(hsfeed_client *client, const struct hsfeed_ingest_options *options, hsfeed_value **ret_value,
		    struct hsfeed_error *reterr);

static int run(const struct args *args, struct request *r, call_fn *call, void (*human)(const hsfeed_value *))
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	progress_begin(&r->progress);
	rc = call(client, &r->options, &answer, &error);
	progress_end(&r->progress);
	return done(client, rc, answer, &error, human);
}

static int main_of(const struct args *args, call_fn *call, bool need_tokenizer, void (*human)(const hsfeed_value *))
{
	struct request *r = calloc(1, sizeof(*r));
	if (!r)
		return fail(EXIT_REFUSED, "out of memory");
	int rc = read_request(args, r);
	if (rc == 0 && need_tokenizer && r->options.ntokenizers == 0)
		rc = fail(EXIT_USAGE, "%s needs --tokenizer [ROLE=]DIR_OR_HUB_NAME", args->command->name);
	if (rc == 0)
		rc = run(args, r, call, human);
	request_fini(r);
	free(r);
	return rc;
}

int ingest_main(const struct args *args)
{
	if (!args_has(args, "labels"))
		return fail(EXIT_USAGE, "ingest needs --labels COLUMN,COLUMN, or --labels none");
	return main_of(args, hsfeed_ingest, true, ingest_report);
}

int add_main(const struct args *args)
{
	return main_of(args, hsfeed_add, true, ingest_report);
}

// ---- why ----

// Ids and digests by their first digits; what is long, such as a tokenizer's settings, on a line of its own.
static void print_side(const char *side, const char *value, bool apart)
{
	bool id = strlen(value) == 64 && strspn(value, "0123456789abcdef") == 64;
	printf("%s%s ", apart ? "\n      " : " ", side);
	put_cstr(stdout, id ? fmt_id(value) : value);
}

static void print_change(const hsfeed_value *change)
{
	const char *stored = get_str(change, "stored"), *given = get_str(change, "given");
	bool apart = strlen(stored) + strlen(given) > 140;
	printf("    ");
	put_cstr(stdout, get_str(change, "what"));
	putchar(':');
	print_side("stored", stored, apart);
	fputs(apart ? "" : ",", stdout);
	print_side("given", given, apart);
	putchar('\n');
}

static void print_changes(const char *head, const char *what, bool same, const hsfeed_value *changes)
{
	printf("%s", head);
	put_cstr(stdout, what);
	printf(": %s\n", same ? "the same" : "different");
	for (size_t i = 0; i < hsfeed_value_len(changes); i++)
		print_change(hsfeed_value_at(changes, i));
}

static void why_report(const hsfeed_value *answer)
{
	print_changes("", "the version", get_bool(answer, "same"), hsfeed_value_get(answer, "changes"));
	printf("  stored %s, this would be %s\n", fmt_id(get_str(answer, "current")),
	       fmt_id(get_str(answer, "version")));
	const hsfeed_value *roles = hsfeed_value_get(answer, "roles");
	for (size_t i = 0; i < hsfeed_value_len(roles); i++) {
		const hsfeed_value *r = hsfeed_value_at(roles, i);
		print_changes("role ", get_str(r, "role"), get_bool(r, "same"), hsfeed_value_get(r, "changes"));
	}
}

int why_main(const struct args *args)
{
	return main_of(args, hsfeed_why, false, why_report);
}
