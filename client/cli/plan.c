// SPDX-License-Identifier: Apache-2.0
// Split plans: the options that folds and stream share.
#include <string.h>

#include "cli.h"

const struct option plan_options[] = {
	{.name = "folds", .kind = OPT_NUMBER, .arg = "K", .min = 1, .max = 65534, .help = "how many folds; default 5"},
	{.name = "kind",
	 .kind = OPT_TEXT,
	 .arg = "KIND",
	 .choices = "stratified|multiclass|plain|binary",
	 .help = "default stratified for one label column, multiclass for several, plain for none"},
	{.name = "fold-seed", .kind = OPT_NUMBER, .arg = "S", .max = UINT32_MAX, .help = "default 42"},
	{.name = "no-shuffle", .kind = OPT_FLAG, .help = "folds from the rows in their order"},
	{.name = "plan", .kind = OPT_TEXT, .arg = "NAME", .later = true},
	{.name = "group", .kind = OPT_TEXT, .arg = "COLUMN", .later = true},
	{.name = "by", .kind = OPT_LIST, .arg = "LABELS", .later = true},
	OPT_END,
};

struct hsfeed_plan plan_of(const struct args *args)
{
	return (struct hsfeed_plan){
		.size = sizeof(struct hsfeed_plan),
		.kind = args_text(args, "kind", NULL),
		.folds = (uint32_t)args_number(args, "folds", 0),
		.has_fold_seed = args_has(args, "fold-seed"),
		.fold_seed = (uint32_t)args_number(args, "fold-seed", 0),
		.no_shuffle = args_has(args, "no-shuffle"),
	};
}

void put_plan(FILE *out, const hsfeed_value *plan)
{
	fprintf(out, "%llu folds, ", (unsigned long long)get_uint(plan, "folds"));
	put_cstr(out, get_str(plan, "kind"));
	if (hsfeed_value_bool(hsfeed_value_get(plan, "shuffle"), 1))
		fprintf(out, ", fold seed %llu", (unsigned long long)get_uint(plan, "fold_seed"));
	else
		fputs(", not shuffled", out);
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
