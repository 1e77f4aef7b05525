// SPDX-License-Identifier: Apache-2.0
// estimate: what the epochs of a plan's folds will hold.
#include <string.h>

#include "cli.h"

#define BAR_WIDTH 10

static void put_head(const hsfeed_value *answer)
{
	const hsfeed_value *padding = hsfeed_value_get(answer, "padding"), *all = hsfeed_value_get(answer, "all");
	uint64_t world = get_uint(answer, "world");
	put_cstr(stdout, fmt_ref(get_str(answer, "name"), get_str(answer, "version")));
	printf(": %s rows in ", fmt_count(get_uint(all, "rows")));
	put_plan(stdout, hsfeed_value_get(answer, "plan"));
	printf("\nepoch %s, batches of %s%s, ", fmt_count(get_uint(answer, "epoch")),
	       fmt_count(get_uint(answer, "batch_size")),
	       get_bool(answer, "drop_last") ? " (a short last one dropped)" : "");
	if (hsfeed_value_type(padding) == HSFEED_STR)
		printf("padded to %s",
		       strcmp(hsfeed_value_str(padding, NULL, ""), "longest") == 0 ? "the longest row" : "max length");
	else
		printf("padded to a multiple of %s", fmt_count(hsfeed_value_uint(padding, 0)));
	printf(", order seed %llu", (unsigned long long)get_uint(answer, "seed"));
	if (world > 1)
		printf(", %s ranks together", fmt_count(world));
	putchar('\n');
}

static void put_part(struct table *t, const char *fold, const char *split, const hsfeed_value *part, size_t role)
{
	const hsfeed_value *r = hsfeed_value_at(hsfeed_value_get(part, "roles"), role);
	double padding = hsfeed_value_f64(hsfeed_value_get(r, "padding_share"), 0);
	uint64_t real = get_uint(r, "real_tokens"), lost = get_uint(r, "lost_tokens");
	table_cell(t, fold);
	table_cell(t, split);
	table_cell(t, fmt_count(get_uint(part, "samples")));
	table_cell(t, fmt_count(get_uint(part, "batches")));
	table_cell(t, fmt_count(real));
	table_cell(t, fmt_count(get_uint(r, "padded_tokens")));
	table_cell(t, fmt_percent(padding));
	table_cell(t, fmt_bar(padding, BAR_WIDTH));
	table_share(t, get_uint(r, "truncated_rows"), get_uint(part, "samples"));
	table_share(t, lost, real + lost);
}

static void put_role(const hsfeed_value *answer, size_t role)
{
	static const char *const heads[] = {"fold",   "split",   "samples", "batches",  "tokens",
					    "places", "padding", "",        "rows cut", "tokens lost"};
	const hsfeed_value *folds = hsfeed_value_get(answer, "folds"), *all = hsfeed_value_get(answer, "all");
	const hsfeed_value *r = hsfeed_value_at(hsfeed_value_get(all, "roles"), role);
	printf("\nrole ");
	put_cstr(stdout, get_str(r, "role"));
	printf(", max length %s\n\n", fmt_count(get_uint(r, "max_length")));
	struct table *t = table_create(heads, 10, "rlrrrrrlrr");
	for (size_t i = 0; i < hsfeed_value_len(folds); i++) {
		const hsfeed_value *fold = hsfeed_value_at(folds, i);
		put_part(t, fmt_count(get_uint(fold, "fold")), "train", hsfeed_value_get(fold, "train"), role);
		put_part(t, "", "val", hsfeed_value_get(fold, "val"), role);
	}
	put_part(t, "", "all", all, role);
	table_print_blocks(t, "  ", 2);
	table_destroy(t);
}

static void estimate_report(const hsfeed_value *answer)
{
	const hsfeed_value *all = hsfeed_value_get(answer, "all");
	size_t nroles = hsfeed_value_len(hsfeed_value_get(all, "roles"));
	put_head(answer);
	for (size_t role = 0; role < nroles; role++)
		put_role(answer, role);
	if (nroles == 0)
		printf("There is no encoding to count tokens of: %s rows, %s batches in all.\n",
		       fmt_count(get_uint(all, "rows")), fmt_count(get_uint(all, "batches")));
}

int estimate_main(const struct args *args)
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	struct epoch_request r;
	int rc = epoch_read(args, &r);
	if (rc == 0)
		rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = hsfeed_estimate(client, &r.options, &answer, &error);
	put_warnings(hsfeed_value_get(answer, "warnings"));
	return done(client, rc, answer, &error, estimate_report);
}
