// SPDX-License-Identifier: Apache-2.0
// weights: against imbalance, of one fold's training rows.
#include <string.h>

#include "cli.h"

#define BAR_WIDTH 16

// What each scheme computes, and where it goes in PyTorch.
static const struct {
	const char *scheme, *is;
} schemes[] = {
	{"ratio", "negatives / positives, for BCEWithLogitsLoss(pos_weight=...)"},
	{"sqrt", "root of negatives / positives, for BCEWithLogitsLoss(pos_weight=...)"},
	{"log", "log(1 + negatives / positives), for BCEWithLogitsLoss(pos_weight=...)"},
	{"effective", "(1 - beta) / (1 - beta^positives), a class weight"},
	{"balanced", "rows / (classes x rows of the class), for CrossEntropyLoss(weight=...)"},
};

static void put_head(const hsfeed_value *answer)
{
	const char *scheme = get_str(answer, "scheme");
	put_cstr(stdout, fmt_ref(get_str(answer, "name"), get_str(answer, "version")));
	printf(", %s training rows of fold %llu (", fmt_count(get_uint(answer, "rows")),
	       (unsigned long long)get_uint(answer, "fold"));
	put_plan(stdout, hsfeed_value_get(answer, "plan"));
	printf(")\n%s: ", scheme);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strcmp(schemes[i].scheme, scheme) == 0)
			fputs(schemes[i].is, stdout);
	if (strcmp(scheme, "effective") == 0)
		printf("; beta %.12g%s", hsfeed_value_f64(hsfeed_value_get(answer, "beta"), 0),
		       get_bool(answer, "normalize") ? "; positive over negative" : "");
	if (hsfeed_value_type(hsfeed_value_get(answer, "cap")) == HSFEED_F64)
		printf("; at most %.12g", hsfeed_value_f64(hsfeed_value_get(answer, "cap"), 0));
	printf("\n\n");
}

static double weight_of(const hsfeed_value *entry)
{
	return hsfeed_value_f64(hsfeed_value_get(entry, "weight"), 0);
}

static void put_entry(struct table *t, const hsfeed_value *entry, double most)
{
	char text[96];
	uint64_t positives = get_uint(entry, "positives"), negatives = get_uint(entry, "negatives");
	const char *label = get_str(entry, "label");
	table_cell(t, *label ? label : "all labels");
	table_cell(t, get_str(entry, "value"));
	snprintf(text, sizeof(text), "%s (%s)", fmt_count(positives), fmt_share(positives, positives + negatives));
	table_cell(t, text);
	table_cell(t, fmt_count(negatives));
	snprintf(text, sizeof(text), "%.6g", weight_of(entry));
	table_cell(t, text);
	table_cell(t, most > 0 ? fmt_bar(weight_of(entry) / most, BAR_WIDTH) : "");
}

static void weights_report(const hsfeed_value *answer)
{
	static const char *const heads[] = {"label", "value", "rows with it", "without", "weight", ""};
	const hsfeed_value *weights = hsfeed_value_get(answer, "weights");
	size_t n = hsfeed_value_len(weights);
	double most = 0;
	put_head(answer);
	struct table *t = table_create(heads, 6, "llrrrl");
	for (size_t i = 0; i < n; i++)
		most = weight_of(hsfeed_value_at(weights, i)) > most ? weight_of(hsfeed_value_at(weights, i)) : most;
	for (size_t i = 0; i < n; i++)
		put_entry(t, hsfeed_value_at(weights, i), n > 1 ? most : 0);
	table_print(t, "  ");
	table_destroy(t);
}

int weights_main(const struct args *args)
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	struct hsfeed_plan plan = plan_of(args);
	struct hsfeed_weights_options options = {
		.size = sizeof(options),
		.plan = &plan,
		.fold = (uint32_t)args_number(args, "fold", 0),
		.scheme = args_text(args, "scheme", NULL),
		.has_beta = args_has(args, "beta"),
		.beta = args_share(args, "beta", 0),
		.has_cap = args_has(args, "cap"),
		.cap = args_share(args, "cap", 0),
		.pooled = args_has(args, "pooled"),
		.normalize = args_has(args, "normalize"),
	};
	if (!args_has(args, "fold"))
		return fail(EXIT_USAGE, "weights needs --fold F: the rows that train are counted");
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = hsfeed_weights(client, args->words[0], &options, &answer, &error);
	put_warnings(hsfeed_value_get(answer, "warnings"));
	return done(client, rc, answer, &error, weights_report);
}
