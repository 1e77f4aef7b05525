// SPDX-License-Identifier: Apache-2.0
// Split plans: the options that folds, stream and others share.
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MAX_BY 256

const struct option plan_options[] = {
	{.name = "plan", .kind = OPT_TEXT, .arg = "NAME", .help = "a saved plan; hsfeed plans lists them"},
	{.name = "folds", .kind = OPT_NUMBER, .arg = "K", .min = 1, .max = 65534, .help = "how many folds; default 5"},
	{.name = "kind",
	 .kind = OPT_TEXT,
	 .arg = "KIND",
	 .choices = "stratified|multiclass|multilabel|plain|binary|group|stratified-group|holdout|stratified-holdout|"
		    "predefined",
	 .help = "default stratified for one label column, multiclass for several, plain for none"},
	{.name = "fold-seed", .kind = OPT_NUMBER, .arg = "S", .max = UINT32_MAX, .help = "default 42"},
	{.name = "no-shuffle", .kind = OPT_FLAG, .help = "folds from the rows in their order"},
	{.name = "by", .kind = OPT_LIST, .arg = "LABELS", .help = "label columns that the split goes by; default all"},
	{.name = "group",
	 .kind = OPT_TEXT,
	 .arg = "COLUMN",
	 .help = "rows with the same cell in it stay together; or: duplicates, for texts that are (nearly) the same"},
	{.name = "similarity",
	 .kind = OPT_SHARE,
	 .arg = "S",
	 .min = 50,
	 .max = 100,
	 .help = "of texts that --group duplicates takes for the same; default 0.8"},
	{.name = "rule",
	 .kind = OPT_TEXT,
	 .arg = "RULE",
	 .choices = "current|older",
	 .help = "groups as today's scikit-learn deals them (default), or as older ones did"},
	{.name = "fold-column", .kind = OPT_TEXT, .arg = "COLUMN", .help = "kind predefined: where the folds stand"},
	{.name = "test-size", .kind = OPT_SIZE, .arg = "N", .help = "hold-outs: rows, or their share; default 0.25"},
	{.name = "train-size",
	 .kind = OPT_SIZE,
	 .arg = "N",
	 .help = "hold-outs: rows, or their share; default the rest"},
	OPT_END,
};

// ---- options ----

static bool is_plan_option(const struct option *o)
{
	return o >= plan_options && o < plan_options + sizeof(plan_options) / sizeof(plan_options[0]);
}

const char *plan_given(const struct args *args)
{
	for (unsigned i = 0; i < args->ngiven; i++) {
		const struct option *o = args->given[i].option;
		if (is_plan_option(o) && strcmp(o->name, "plan") != 0)
			return o->name;
	}
	return NULL;
}

static bool is_given(const struct args *args, const char *name)
{
	for (unsigned i = 0; i < args->ngiven; i++)
		if (is_plan_option(args->given[i].option) && strcmp(args->given[i].option->name, name) == 0)
			return true;
	return false;
}

static bool groups_duplicates(const struct args *args)
{
	return strcmp(args_text(args, "group", ""), "duplicates") == 0;
}

static int check_by(const struct args *args)
{
	struct item_walk w = {0};
	unsigned n = 0;
	size_t len;
	const char *column;
	while ((column = args_item(args, "by", &w, &len)))
		if (len == 0 || ++n > MAX_BY)
			return fail(EXIT_USAGE, "--by takes at most %d label columns, as A,B; not \"%s\"", MAX_BY,
				    w.given);
	return 0;
}

// The daemon knows what goes with which kind; here is what only the command line has.
int plan_check(const struct args *args)
{
	const char *given = plan_given(args);
	if (args_has(args, "plan") && given && strcmp(args->command->name, "folds") != 0)
		return fail(EXIT_USAGE,
			    "%s: --plan NAME has all the options, and --%s does not go with it; save it "
			    "first: hsfeed folds",
			    args->command->name, given);
	if (is_given(args, "similarity") && !groups_duplicates(args))
		return fail(EXIT_USAGE, "--similarity goes with --group duplicates");
	if (strcmp(args_text(args, "group", ""), "column:") == 0)
		return fail(EXIT_USAGE, "--group column: needs the column's name after the colon");
	return check_by(args);
}

// "A,B" cut into the memory that the process keeps: a command is one run.
static size_t split_by(const struct args *args, const char *const **ret)
{
	static const char *items[MAX_BY];
	static char *copies;
	size_t n = 0, bytes = 1, len;
	const char *column;
	for (struct item_walk w = {0}; args_item(args, "by", &w, &len);)
		bytes += len + 1;
	free(copies);
	char *p = copies = malloc(bytes);
	for (struct item_walk w = {0}; copies && n < MAX_BY && (column = args_item(args, "by", &w, &len));
	     p += len + 1) {
		memcpy(p, column, len);
		p[len] = '\0';
		items[n++] = p;
	}
	*ret = items;
	return n;
}

static void read_group(const struct args *args, struct hsfeed_plan *plan)
{
	const char *group = args_text(args, "group", NULL);
	if (group && groups_duplicates(args))
		plan->duplicates = args_share(args, "similarity", USUAL_SIMILARITY);
	else if (group)
		plan->group = strncmp(group, "column:", 7) == 0 ? group + 7 : group;
}

struct hsfeed_plan plan_of(const struct args *args)
{
	struct hsfeed_plan plan = {
		.size = sizeof(struct hsfeed_plan),
		.kind = args_text(args, "kind", NULL),
		.folds = (uint32_t)args_number(args, "folds", 0),
		.has_fold_seed = args_has(args, "fold-seed"),
		.fold_seed = (uint32_t)args_number(args, "fold-seed", 0),
		.no_shuffle = args_has(args, "no-shuffle"),
		.rule = args_text(args, "rule", NULL),
		.column = args_text(args, "fold-column", NULL),
		.test_share = args_share(args, "test-size", 0),
		.test_rows = args_number(args, "test-size", 0),
		.train_share = args_share(args, "train-size", 0),
		.train_rows = args_number(args, "train-size", 0),
		.name = args_text(args, "plan", NULL),
	};
	plan.nby = split_by(args, &plan.by);
	read_group(args, &plan);
	return plan;
}

// ---- what was resolved ----

static void put_size(FILE *out, const hsfeed_value *plan, const char *key, const char *what)
{
	const hsfeed_value *size = hsfeed_value_get(plan, key);
	if (hsfeed_value_type(size) == HSFEED_F64)
		fprintf(out, ", %.12g of the rows %s", hsfeed_value_f64(size, 0), what);
	else if (hsfeed_value_type(size) == HSFEED_UINT)
		fprintf(out, ", %s rows %s", fmt_count(hsfeed_value_uint(size, 0)), what);
}

static void put_word(FILE *out, const hsfeed_value *plan, const char *key, const char *what)
{
	const char *text = hsfeed_value_str(hsfeed_value_get(plan, key), NULL, NULL);
	if (!text)
		return;
	fprintf(out, ", %s ", what);
	put_cstr(out, text);
}

// By hsfeed: in the other kinds somebody else has said where each row goes, and no seed plays a part.
static bool is_dealt(const hsfeed_value *plan)
{
	const char *kind = get_str(plan, "kind");
	return strcmp(kind, "predefined") != 0 && strcmp(kind, "rows") != 0;
}

void put_plan(FILE *out, const hsfeed_value *plan)
{
	uint64_t folds = get_uint(plan, "folds");
	const hsfeed_value *by = hsfeed_value_get(plan, "by"), *similarity = hsfeed_value_get(plan, "duplicates");
	fprintf(out, "%llu fold%s, ", (unsigned long long)folds, folds == 1 ? "" : "s");
	put_cstr(out, get_str(plan, "kind"));
	if (is_dealt(plan) && hsfeed_value_bool(hsfeed_value_get(plan, "shuffle"), 1))
		fprintf(out, ", fold seed %llu", (unsigned long long)get_uint(plan, "fold_seed"));
	else if (is_dealt(plan))
		fputs(", not shuffled", out);
	if (hsfeed_value_len(by)) {
		fputs(", by ", out);
		put_list(out, by);
	}
	put_word(out, plan, "group", "groups by column");
	if (hsfeed_value_type(similarity) == HSFEED_F64)
		fprintf(out, ", groups of duplicates from similarity %.12g on", hsfeed_value_f64(similarity, 0));
	put_word(out, plan, "rule", "rule");
	put_word(out, plan, "column", "folds of column");
	put_size(out, plan, "test_size", "tested");
	put_size(out, plan, "train_size", "trained");
	const char *rows = hsfeed_value_str(hsfeed_value_get(plan, "rows"), NULL, NULL);
	if (rows)
		fprintf(out, " %s", fmt_id(rows));
}

void put_warnings(const hsfeed_value *warnings)
{
	fflush(stdout);
	for (size_t i = 0; i < hsfeed_value_len(warnings); i++) {
		fputs("hsfeed: warning: ", stderr);
		put_cstr(stderr, hsfeed_value_str(hsfeed_value_at(warnings, i), NULL, ""));
		putc('\n', stderr);
	}
}
