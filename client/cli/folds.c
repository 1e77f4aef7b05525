// SPDX-License-Identifier: Apache-2.0
// folds: the table, or the row numbers.
#include <string.h>

#include "cli.h"

#define MAX_COLUMNS 12

// Which values have a column of their own: of labels with few values, as many as fit.
struct columns {
	size_t n, label[MAX_COLUMNS], value[MAX_COLUMNS];
	char heads[MAX_COLUMNS][64];
};

static void choose_columns(const hsfeed_value *labels, struct columns *c)
{
	for (size_t l = 0; l < hsfeed_value_len(labels); l++) {
		const hsfeed_value *label = hsfeed_value_at(labels, l), *values = hsfeed_value_get(label, "values");
		bool binary = strcmp(get_str(label, "type"), "float") == 0;
		for (size_t v = binary ? 1 : 0; v < hsfeed_value_len(values) && c->n < MAX_COLUMNS; v++) {
			c->label[c->n] = l;
			c->value[c->n] = v;
			snprintf(c->heads[c->n++], sizeof(c->heads[0]), "%.40s = %.16s", get_str(label, "name"),
				 hsfeed_value_str(hsfeed_value_at(values, v), NULL, "?"));
		}
	}
}

static void split_row(struct table *t, const hsfeed_value *fold, const char *split, const struct columns *c)
{
	const hsfeed_value *part = hsfeed_value_get(fold, split), *counts = hsfeed_value_get(part, "counts");
	uint64_t rows = get_uint(part, "rows");
	table_cell(t, strcmp(split, "train") == 0 ? fmt_count(get_uint(fold, "fold")) : "");
	table_cell(t, split);
	table_cell(t, fmt_count(rows));
	for (size_t i = 0; i < c->n; i++) {
		char text[64];
		uint64_t n = hsfeed_value_uint(hsfeed_value_at(hsfeed_value_at(counts, c->label[i]), c->value[i]), 0);
		snprintf(text, sizeof(text), "%s (%s)", fmt_count(n), fmt_share(n, rows));
		table_cell(t, text);
	}
}

static void folds_report(const hsfeed_value *answer)
{
	struct columns c = {0};
	const char *heads[3 + MAX_COLUMNS] = {"fold", "split", "rows"};
	const hsfeed_value *folds = hsfeed_value_get(answer, "folds");
	choose_columns(hsfeed_value_get(answer, "labels"), &c);
	for (size_t i = 0; i < c.n; i++)
		heads[3 + i] = c.heads[i];
	put_cstr(stdout, fmt_ref(get_str(answer, "name"), get_str(answer, "version")));
	printf(": %s rows in ", fmt_count(get_uint(answer, "rows")));
	put_plan(stdout, hsfeed_value_get(answer, "plan"));
	printf("\n\n");
	struct table *t = table_create(heads, 3 + c.n, "rlrrrrrrrrrrrrr");
	for (size_t i = 0; i < hsfeed_value_len(folds); i++) {
		split_row(t, hsfeed_value_at(folds, i), "train", &c);
		split_row(t, hsfeed_value_at(folds, i), "val", &c);
	}
	table_print(t, "  ");
	table_destroy(t);
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
	snprintf(pinned, sizeof(pinned), "%.*s@%s", (int)strcspn(name, "@"), name, get_str(folds, "version"));
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
	int rc = hsfeed_folds(client, args->words[0], plan, &answer, &error);
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
