// SPDX-License-Identifier: Apache-2.0
// datasets, versions, rm, verify.
#include <string.h>

#include "cli.h"

static void list_cell(struct table *t, const hsfeed_value *strings)
{
	char text[512] = "";
	for (size_t i = 0; i < hsfeed_value_len(strings); i++) {
		size_t used = strlen(text);
		snprintf(text + used, sizeof(text) - used, "%s%s", i ? ", " : "",
			 hsfeed_value_str(hsfeed_value_at(strings, i), NULL, "?"));
	}
	table_cell(t, *text ? text : "-");
}

static void datasets_report(const hsfeed_value *answer)
{
	static const char *const heads[] = {"dataset", "owner", "versions", "rows",
					    "labels",  "roles", "stored",   "made"};
	const hsfeed_value *list = hsfeed_value_get(answer, "datasets");
	if (hsfeed_value_len(list) == 0) {
		printf("no datasets yet; make one with: hsfeed ingest NAME FILE --tokenizer DIR --labels COLUMN\n");
		return;
	}
	struct table *t = table_create(heads, 8, "llrrllrl");
	for (size_t i = 0; i < hsfeed_value_len(list); i++) {
		const hsfeed_value *d = hsfeed_value_at(list, i);
		table_cell(t, fmt_ref(get_str(d, "name"), get_str(d, "version")));
		table_cell(t, fmt_uid(get_uint(d, "owner")));
		table_cell(t, fmt_count(get_uint(d, "versions")));
		table_cell(t, fmt_count(get_uint(d, "rows")));
		list_cell(t, hsfeed_value_get(d, "labels"));
		list_cell(t, hsfeed_value_get(d, "roles"));
		table_cell(t, fmt_bytes(get_uint(d, "bytes")));
		table_cell(t, fmt_time(get_uint(d, "created_ms")));
	}
	table_print(t, "");
	table_destroy(t);
}

int datasets_main(const struct args *args)
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = hsfeed_datasets(client, &answer, &error);
	return done(client, rc, answer, &error, datasets_report);
}

static void versions_report(const hsfeed_value *answer)
{
	static const char *const heads[] = {"", "version", "rows", "made", "stored", "roles", "open streams", "file"};
	const hsfeed_value *list = hsfeed_value_get(answer, "versions");
	struct table *t = table_create(heads, 8, "llrlrlrl");
	for (size_t i = 0; i < hsfeed_value_len(list); i++) {
		const hsfeed_value *v = hsfeed_value_at(list, i);
		table_cell(t, get_bool(v, "current") ? "*" : "");
		table_cell(t, fmt_id(get_str(v, "version")));
		table_cell(t, fmt_count(get_uint(v, "rows")));
		table_cell(t, fmt_time(get_uint(v, "created_ms")));
		table_cell(t, fmt_bytes(get_uint(v, "bytes")));
		list_cell(t, hsfeed_value_get(v, "roles"));
		table_cell(t, fmt_count(get_uint(v, "open")));
		table_cell(t, get_str(v, "file_name"));
	}
	table_print(t, "");
	table_destroy(t);
}

int versions_main(const struct args *args)
{
	return ask_about(args, hsfeed_versions, versions_report);
}

static void rm_report(const hsfeed_value *answer)
{
	const hsfeed_value *removed = hsfeed_value_get(answer, "removed");
	printf("removed %zu version%s (%s):", hsfeed_value_len(removed), hsfeed_value_len(removed) == 1 ? "" : "s",
	       fmt_bytes(get_uint(answer, "bytes")));
	for (size_t i = 0; i < hsfeed_value_len(removed); i++)
		printf(" %s", fmt_id(hsfeed_value_str(hsfeed_value_at(removed, i), NULL, "?")));
	putchar('\n');
	if (get_uint(answer, "plans"))
		printf("and the dataset's saved plans: %s\n", fmt_count(get_uint(answer, "plans")));
	if (get_uint(answer, "pending"))
		printf("%s files are still open in streams and go when the last one closes\n",
		       fmt_count(get_uint(answer, "pending")));
}

int rm_main(const struct args *args)
{
	return ask_about(args, hsfeed_rm, rm_report);
}

static void verify_report(const hsfeed_value *answer)
{
	const hsfeed_value *files = hsfeed_value_get(answer, "files");
	uint64_t bytes = 0;
	for (size_t i = 0; i < hsfeed_value_len(files); i++) {
		const hsfeed_value *f = hsfeed_value_at(files, i);
		bytes += get_uint(f, "bytes");
		if (get_bool(f, "ok"))
			continue;
		printf("damaged: ");
		put_cstr(stdout, fmt_ref(get_str(f, "dataset"), get_str(f, "version")));
		printf(" %s ", get_str(f, "kind"));
		put_cstr(stdout, *get_str(f, "array") ? get_str(f, "array") : get_str(f, "role"));
		printf("\n  ");
		put_cstr(stdout, get_str(f, "file"));
		printf(": ");
		put_cstr(stdout, get_str(f, "problem"));
		putchar('\n');
	}
	printf("%zu files, %s: %s\n", hsfeed_value_len(files), fmt_bytes(bytes),
	       get_bool(answer, "ok") ? "every checksum matches"
				      : "NOT all sound; rm the damaged versions and ingest them again");
}

int verify_main(const struct args *args)
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	struct progress progress;
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	progress_begin(&progress);
	struct hsfeed_verify_options options = {.size = sizeof(options), .name = args->nwords ? args->words[0] : NULL};
	options.progress = progress_show;
	options.arg = &progress;
	rc = hsfeed_verify(client, &options, &answer, &error);
	progress_end(&progress);
	bool sound = rc == 0 && get_bool(answer, "ok");
	int code = done(client, rc, answer, &error, verify_report);
	return code == EXIT_DONE && !sound ? EXIT_REFUSED : code;
}
