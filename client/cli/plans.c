// SPDX-License-Identifier: Apache-2.0
// plans: the saved plans of a dataset.
#include <stdlib.h>

#include "cli.h"

// A table's cell holds what put_plan prints.
static void plan_cell(struct table *t, const hsfeed_value *plan)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	if (out) {
		put_plan(out, plan);
		fclose(out);
	}
	table_cell(t, text ? text : "?");
	free(text);
}

static void plans_report(const hsfeed_value *answer)
{
	static const char *const heads[] = {"plan", "saved", "what"};
	const hsfeed_value *list = hsfeed_value_get(answer, "plans");
	if (hsfeed_value_len(list) == 0) {
		printf("no plans yet; save one with: hsfeed folds NAME --plan PLAN and a plan's options\n");
		return;
	}
	struct table *t = table_create(heads, 3, "lll");
	for (size_t i = 0; i < hsfeed_value_len(list); i++) {
		const hsfeed_value *plan = hsfeed_value_at(list, i);
		table_cell(t, get_str(plan, "plan"));
		table_cell(t, fmt_time(get_uint(plan, "created_ms")));
		plan_cell(t, hsfeed_value_get(plan, "options"));
	}
	table_print(t, "");
	table_destroy(t);
}

static void removed_report(const hsfeed_value *answer)
{
	printf("%s\n", get_bool(answer, "removed") ? "removed" : "there was no such plan");
}

static int remove_plan(const struct args *args)
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = hsfeed_plan_remove(client, args->words[0], args_text(args, "rm", NULL), &answer, &error);
	bool removed = get_bool(answer, "removed");
	int code = done(client, rc, answer, &error, removed_report);
	return code == EXIT_DONE && !removed ? EXIT_REFUSED : code;
}

int plans_main(const struct args *args)
{
	return args_has(args, "rm") ? remove_plan(args) : ask_about(args, hsfeed_plan_list, plans_report);
}
