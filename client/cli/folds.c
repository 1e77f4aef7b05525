// SPDX-License-Identifier: Apache-2.0
// folds: the table, or the row numbers.
#include <string.h>

#include "cli.h"

#define MAX_COLUMNS 48
#define KEYS        6 // columns before the labels'

// Which label values have a column of their own: the first ones.
struct columns {
	size_t n, left_out, label[MAX_COLUMNS], value[MAX_COLUMNS];
	char heads[MAX_COLUMNS][64];
};

static const char *str_at(const hsfeed_value *list, size_t i)
{
	return hsfeed_value_str(hsfeed_value_at(list, i), NULL, "?");
}

// "label = value", long ones cut at a character.
static void put_value(char ret[64], const char *label, const char *value)
{
	snprintf(ret, 64, "%.*s = %.*s", (int)text_cut(label, 40), label, (int)text_cut(value, 16), value);
}

static void choose_columns(const hsfeed_value *labels, struct columns *c)
{
	for (size_t l = 0; l < hsfeed_value_len(labels); l++) {
		const hsfeed_value *label = hsfeed_value_at(labels, l), *values = hsfeed_value_get(label, "values");
		bool binary = strcmp(get_str(label, "type"), "float") == 0;
		for (size_t v = binary ? 1 : 0; v < hsfeed_value_len(values); v++) {
			if (c->n == MAX_COLUMNS) {
				c->left_out++;
				continue;
			}
			c->label[c->n] = l;
			c->value[c->n] = v;
			put_value(c->heads[c->n++], get_str(label, "name"), str_at(values, v));
		}
	}
}

// ---- the splits ----

static void split_row(struct table *t, const hsfeed_value *fold, const char *split, const struct columns *c)
{
	const hsfeed_value *part = hsfeed_value_get(fold, split), *counts = hsfeed_value_get(part, "counts");
	const hsfeed_value *padding = hsfeed_value_get(part, "padding_share");
	uint64_t rows = get_uint(part, "rows");
	table_cell(t, strcmp(split, "train") == 0 ? fmt_count(get_uint(fold, "fold")) : "");
	table_cell(t, split);
	table_cell(t, fmt_count(rows));
	if (padding) {
		table_cell(t, fmt_count(get_uint(part, "tokens")));
		table_share(t, get_uint(part, "truncated_rows"), rows);
		table_cell(t, fmt_percent(hsfeed_value_f64(padding, 0)));
	}
	for (size_t i = 0; i < c->n; i++)
		table_share(t, hsfeed_value_uint(hsfeed_value_at(hsfeed_value_at(counts, c->label[i]), c->value[i]), 0),
			    rows);
}

static void put_splits(const hsfeed_value *answer, const struct columns *c)
{
	char cut[32];
	const char *heads[KEYS + MAX_COLUMNS] = {"fold", "split", "rows", "tokens", cut, "padding"};
	char align[KEYS + MAX_COLUMNS + 1] = "rlrrrr";
	const hsfeed_value *folds = hsfeed_value_get(answer, "folds");
	bool tokens = hsfeed_value_get(answer, "max_length") != NULL;
	size_t n = tokens ? KEYS : 3;
	snprintf(cut, sizeof(cut), "cut at %s", fmt_count(get_uint(answer, "max_length")));
	for (size_t i = 0; i < c->n; i++) {
		heads[n + i] = c->heads[i];
		align[n + i] = 'r';
	}
	struct table *t = table_create(heads, n + c->n, align);
	for (size_t i = 0; i < hsfeed_value_len(folds); i++) {
		split_row(t, hsfeed_value_at(folds, i), "train", c);
		split_row(t, hsfeed_value_at(folds, i), "val", c);
	}
	table_print_blocks(t, "  ", 2);
	table_destroy(t);
}

// ---- how even the folds are, and their weights ----

static double weight_of(const hsfeed_value *fold, const struct columns *c, size_t i)
{
	const hsfeed_value *weights = hsfeed_value_at(hsfeed_value_get(fold, "weights"), c->label[i]);
	size_t n = hsfeed_value_len(weights);
	return hsfeed_value_f64(hsfeed_value_at(weights, n == 1 ? 0 : c->value[i]), 0);
}

static void percent_cell(struct table *t, const hsfeed_value *share)
{
	char text[32];
	snprintf(text, sizeof(text), "%.3f %%", 100 * hsfeed_value_f64(share, 0));
	table_cell(t, share ? text : "");
}

static void weight_cell(struct table *t, double weight)
{
	char text[32];
	snprintf(text, sizeof(text), "%.5g", weight);
	table_cell(t, text);
}

static void fold_row(struct table *t, const hsfeed_value *fold, const struct columns *c)
{
	const hsfeed_value *d = hsfeed_value_get(fold, "deviation");
	char text[96];
	bool has = hsfeed_value_type(d) == HSFEED_MAP;
	table_cell(t, fmt_count(get_uint(fold, "fold")));
	snprintf(text, sizeof(text), "%.5f", hsfeed_value_f64(hsfeed_value_get(fold, "drift"), 0));
	table_cell(t, text);
	put_value(text, get_str(d, "label"), get_str(d, "value"));
	table_cell(t, has ? text : "-");
	percent_cell(t, hsfeed_value_get(d, "val"));
	percent_cell(t, hsfeed_value_get(d, "all"));
	if (c->n == 1)
		weight_cell(t, weight_of(fold, c, 0));
}

static void put_figures(const hsfeed_value *answer, const struct columns *c)
{
	static const char *const heads[] = {"fold", "drift", "furthest off", "in val", "in all", "weight"};
	const hsfeed_value *folds = hsfeed_value_get(answer, "folds");
	struct table *t = table_create(heads, c->n == 1 ? 6 : 5, "rrlrrr");
	for (size_t i = 0; i < hsfeed_value_len(folds); i++)
		fold_row(t, hsfeed_value_at(folds, i), c);
	table_print_blocks(t, "  ", 1);
	table_destroy(t);
}

static void put_weights(const hsfeed_value *answer, const struct columns *c)
{
	const char *heads[1 + MAX_COLUMNS] = {"weight of"};
	char align[1 + MAX_COLUMNS + 1] = "r";
	const hsfeed_value *folds = hsfeed_value_get(answer, "folds");
	for (size_t i = 0; i < c->n; i++) {
		heads[1 + i] = c->heads[i];
		align[1 + i] = 'r';
	}
	struct table *t = table_create(heads, 1 + c->n, align);
	for (size_t f = 0; f < hsfeed_value_len(folds); f++) {
		char text[32];
		snprintf(text, sizeof(text), "fold %zu", f);
		table_cell(t, text);
		for (size_t i = 0; i < c->n; i++)
			weight_cell(t, weight_of(hsfeed_value_at(folds, f), c, i));
	}
	table_print_blocks(t, "  ", 1);
	table_destroy(t);
}

// ---- the page ----

static void put_gap(const hsfeed_value *groups, const char *before, const char *gap, const char *bound)
{
	const hsfeed_value *n = hsfeed_value_get(groups, gap), *most = hsfeed_value_get(groups, bound);
	if (hsfeed_value_type(n) != HSFEED_UINT)
		return;
	printf("%s%s", before, fmt_count(hsfeed_value_uint(n, 0)));
	if (hsfeed_value_type(most) == HSFEED_UINT)
		printf(" (never more than %s)", fmt_count(hsfeed_value_uint(most, 0)));
}

static void put_groups(const hsfeed_value *groups)
{
	printf("%s groups, the largest of %s rows; %s rows are in groups of two and more.\n",
	       fmt_count(get_uint(groups, "count")), fmt_count(get_uint(groups, "largest")),
	       fmt_count(get_uint(groups, "rows_in_groups")));
	put_gap(groups, "Sizes of folds differ by ", "size_gap", "size_bound");
	put_gap(groups, ", counts of a label by ", "label_gap", "label_bound");
	fputs(".\n", stdout);
}

static void put_head(const hsfeed_value *answer)
{
	uint64_t rows = get_uint(answer, "rows"), used = get_uint(answer, "used_rows");
	put_cstr(stdout, fmt_ref(get_str(answer, "name"), get_str(answer, "version")));
	printf(": %s rows in ", fmt_count(rows));
	put_plan(stdout, hsfeed_value_get(answer, "plan"));
	if (used < rows)
		printf("; %s rows are in no split", fmt_count(rows - used));
	putchar('\n');
	if (hsfeed_value_get(answer, "groups"))
		put_groups(hsfeed_value_get(answer, "groups"));
	if (hsfeed_value_get(answer, "role")) {
		printf("Tokens of role ");
		put_cstr(stdout, get_str(answer, "role"));
		printf(", padded to a max length of %s.\n", fmt_count(get_uint(answer, "max_length")));
	}
	putchar('\n');
}

static void folds_report(const hsfeed_value *answer)
{
	struct columns c = {0};
	const hsfeed_value *folds = hsfeed_value_get(answer, "folds");
	choose_columns(hsfeed_value_get(answer, "labels"), &c);
	put_head(answer);
	put_splits(answer, &c);
	bool has_figures = hsfeed_value_get(hsfeed_value_at(folds, 0), "drift") &&
			   hsfeed_value_len(hsfeed_value_get(answer, "labels"));
	if (has_figures) {
		putchar('\n');
		put_figures(answer, &c);
		printf("\nDrift: how far val's label combinations are from those of all rows, 0 to 1.\n");
	}
	if (has_figures && c.n > 1) {
		putchar('\n');
		put_weights(answer, &c);
	}
	if (c.left_out)
		printf("%s more label values have no column here; --json tells of all.\n", fmt_count(c.left_out));
}

static int print_fold(hsfeed_client *client, const char *name, const struct hsfeed_plan *plan, uint32_t fold)
{
	struct hsfeed_fold_rows_options options = {.size = sizeof(options), .plan = plan, .fold = fold, .split = "val"};
	struct hsfeed_error error;
	int64_t *rows;
	size_t n;
	if (hsfeed_fold_rows(client, name, &options, &rows, &n, &error) < 0)
		return fail_error(&error);
	printf("{\"fold\":%u,\"val\":[", fold);
	for (size_t i = 0; i < n; i++) {
		if (i)
			putc_unlocked(',', stdout);
		json_int(stdout, rows[i]);
	}
	fputs("]}\n", stdout);
	hsfeed_free(rows);
	return EXIT_DONE;
}

// The version that the table was made of, whatever the name means by now.
static int print_indices(hsfeed_client *client, const char *name, const struct hsfeed_plan *plan,
			 const hsfeed_value *folds)
{
	char pinned[512];
	int rc = EXIT_DONE;
	uint64_t n = get_uint(hsfeed_value_get(folds, "plan"), "folds");
	pin_name(pinned, name, get_str(folds, "version"));
	for (uint64_t fold = 0; rc == EXIT_DONE && fold < n && !ferror(stdout); fold++)
		rc = print_fold(client, pinned, plan, (uint32_t)fold);
	return rc;
}

// ---- saving ----

static int check_saving(const struct args *args)
{
	const char *given = plan_given(args);
	bool named = args_has(args, "plan"), rows = args_has(args, "rows-file");
	if (rows && !named)
		return fail(EXIT_USAGE, "folds: --rows-file needs --plan NAME, under which the row numbers are saved");
	if (rows && given)
		return fail(EXIT_USAGE, "folds: --rows-file and --%s do not go together", given);
	if (args_has(args, "replace") && !(named && (rows || given)))
		return fail(EXIT_USAGE, "folds: --replace needs --plan NAME and the options that it is to have");
	return 0;
}

// Told on stderr, so that the table or the row numbers can be piped on.
static int save_plan(hsfeed_client *client, const struct args *args, struct hsfeed_plan options)
{
	struct hsfeed_plan_save_options save = {
		.size = sizeof(save), .plan = options.name, .replace = args_has(args, "replace")};
	struct hsfeed_error error;
	hsfeed_value *answer;
	options.name = NULL;
	save.rows_path = args_text(args, "rows-file", NULL);
	save.options = save.rows_path ? NULL : &options;
	if (hsfeed_plan_save(client, args->words[0], &save, &answer, &error) < 0)
		return fail_error(&error);
	const char *state = get_str(answer, "state");
	fputs("plan ", stderr);
	put_cstr(stderr, get_str(answer, "plan"));
	fputs(" of ", stderr);
	put_cstr(stderr, get_str(answer, "name"));
	fprintf(stderr, ": %s: ",
		strcmp(state, "known") == 0 ? "saved already"
		: strcmp(state, "new") == 0 ? "saved"
					    : "replaced");
	put_plan(stderr, hsfeed_value_get(answer, "options"));
	putc('\n', stderr);
	hsfeed_value_free(answer);
	return EXIT_DONE;
}

static int print_folds(hsfeed_client *client, const struct args *args, const struct hsfeed_plan *plan)
{
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	const struct hsfeed_fold_table_options options = {.size = sizeof(options),
							  .plan = plan,
							  .role = args_text(args, "role", NULL),
							  .max_length = (uint32_t)args_number(args, "max-length", 0)};
	int rc = hsfeed_fold_table(client, args->words[0], &options, &answer, &error);
	put_warnings(hsfeed_value_get(answer, "warnings"));
	if (rc < 0 || !args_has(args, "indices"))
		return done(client, rc, answer, &error, folds_report);
	rc = print_indices(client, args->words[0], plan, answer);
	hsfeed_value_free(answer);
	hsfeed_close(client);
	return rc;
}

int folds_main(const struct args *args)
{
	hsfeed_client *client;
	struct hsfeed_plan plan = plan_of(args);
	const struct hsfeed_plan saved = {.size = sizeof(saved), .name = plan.name};
	bool saving = plan.name && (plan_given(args) || args_has(args, "rows-file"));
	int rc = check_saving(args);
	if (rc == 0)
		rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = saving ? save_plan(client, args, plan) : EXIT_DONE;
	if (rc == EXIT_DONE)
		return print_folds(client, args, saving ? &saved : &plan);
	hsfeed_close(client);
	return rc;
}
