// SPDX-License-Identifier: Apache-2.0
// rows: one JSON line per row, page by page, all of one version even when the name moves meanwhile.
#include <string.h>

#include "cli.h"

static void print_row(const struct hsfeed_rows *page, uint64_t i)
{
	fputs("{\"row\":", stdout);
	json_uint(stdout, page->start + i);
	fputs(",\"line\":", stdout);
	json_uint(stdout, page->lines[i]);
	fputs(",\"labels\":[", stdout);
	for (size_t c = 0; c < page->label_columns; c++) {
		size_t at = (size_t)i * page->label_columns + c;
		fputs(c ? "," : "", stdout);
		if (page->label_dtype == HSFEED_INT64)
			json_int(stdout, ((const int64_t *)page->labels)[at]);
		else
			json_f32(stdout, ((const float *)page->labels)[at]);
	}
	fputs("],\"ids\":[", stdout);
	for (uint32_t at = page->offsets[i]; at < page->offsets[i + 1]; at++) {
		if (at > page->offsets[i])
			putc_unlocked(',', stdout);
		json_uint(stdout, page->ids[at]);
	}
	putchar(']');
	if (page->texts) {
		fputs(",\"text\":", stdout);
		json_str(stdout, page->texts[i], page->text_bytes[i]);
	}
	fputs("}\n", stdout);
}

// name, or name@ID of the version that it is now. 0 or an exit code.
static int pin(hsfeed_client *client, const char *name, char ret[512])
{
	hsfeed_value *shown = NULL;
	struct hsfeed_error error;
	if (strchr(name, '@')) {
		snprintf(ret, 512, "%s", name);
		return 0;
	}
	if (hsfeed_show(client, name, &shown, &error) < 0)
		return fail_error(&error);
	pin_name(ret, name, get_str(hsfeed_value_get(shown, "version_info"), "version"));
	hsfeed_value_free(shown);
	return 0;
}

static int print_pages(hsfeed_client *client, const char *name, struct hsfeed_rows_options *o, uint64_t left)
{
	struct hsfeed_error error;
	struct hsfeed_rows *page;
	for (bool more = left > 0; more;) {
		o->count = left < 8192 ? left : 8192;
		if (hsfeed_rows_get(client, name, o, &page, &error) < 0)
			return fail_error(&error);
		for (uint64_t i = 0; i < page->count; i++)
			print_row(page, i);
		left -= page->count < left ? page->count : left;
		o->start = page->next;
		more = page->next && left > 0 && page->count > 0 && !ferror(stdout);
		hsfeed_rows_free(page);
	}
	return EXIT_DONE;
}

int rows_main(const struct args *args)
{
	hsfeed_client *client;
	char name[512];
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	struct hsfeed_rows_options options = {.size = sizeof(options), .role = args_text(args, "role", NULL)};
	options.start = args_number(args, "start", 0);
	options.text = args_has(args, "text");
	rc = pin(client, args->words[0], name);
	if (rc == 0)
		rc = print_pages(client, name, &options, args_number(args, "count", UINT64_MAX));
	hsfeed_close(client);
	return rc;
}
