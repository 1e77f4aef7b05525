// SPDX-License-Identifier: Apache-2.0
// show: what file, when, who, options, rows, labels, roles, where on disk.
#include <string.h>

#include "cli.h"

static void print_role(const hsfeed_value *r)
{
	printf("  role ");
	put_cstr(stdout, get_str(r, "role"));
	printf("%s: ", get_bool(r, "default") ? " (default)" : "");
	put_cstr(stdout, get_str(r, "tokenizer"));
	if (*get_str(r, "revision")) {
		printf(" revision ");
		put_cstr(stdout, get_str(r, "revision"));
	}
	if (*get_str(r, "normalize") && strcmp(get_str(r, "normalize"), "none") != 0) {
		printf(", normalized ");
		put_cstr(stdout, get_str(r, "normalize"));
	}
	printf("\n    encoding %s; vocabulary %s; ids of %llu bits; ", get_str(r, "encoding"),
	       fmt_count(get_uint(r, "vocab_size")), (unsigned long long)get_uint(r, "width"));
	put_cstr(stdout, get_str(r, "path"));
	printf("\n    ");
	put_cstr(stdout, get_str(r, "settings"));
	putchar('\n');
}

static void print_attached(const hsfeed_value *a)
{
	printf("  array ");
	put_cstr(stdout, get_str(a, "array"));
	printf(": %s rows", fmt_count(get_uint(a, "rows")));
	if (get_uint(a, "dims") == 2)
		printf(" of %s numbers", fmt_count(get_uint(a, "columns")));
	printf(", float32");
	if (strcmp(get_str(a, "from"), "float32") != 0) {
		printf(" from ");
		put_cstr(stdout, get_str(a, "from"));
	}
	if (get_uint(a, "nan_rows"))
		printf("; %s rows with NaN", fmt_count(get_uint(a, "nan_rows")));
	printf("; attached %s\n    %s; %s, ", fmt_time(get_uint(a, "created_ms")), get_str(a, "id"),
	       fmt_bytes(get_uint(a, "bytes")));
	put_cstr(stdout, get_str(a, "path"));
	putchar('\n');
}

static void show_report(const hsfeed_value *answer)
{
	const hsfeed_value *version = hsfeed_value_get(answer, "version_info"),
			   *roles = hsfeed_value_get(answer, "roles");
	put_cstr(stdout, fmt_ref(get_str(answer, "name"), get_str(version, "version")));
	printf(" of %s, %s; %s open streams\n", fmt_uid(get_uint(answer, "owner")),
	       get_bool(answer, "current") ? "current" : "an older version", fmt_count(get_uint(answer, "open")));
	printf("  version    %s\n", get_str(version, "version"));
	printf("  sha256     %s\n", get_str(version, "source_sha256"));
	printf("  stored     %s, ", fmt_bytes(get_uint(version, "bytes")));
	put_cstr(stdout, get_str(version, "path"));
	putchar('\n');
	print_version(version);
	print_roles(roles);
	putchar('\n');
	for (size_t i = 0; i < hsfeed_value_len(roles); i++)
		print_role(hsfeed_value_at(roles, i));
	const hsfeed_value *arrays = hsfeed_value_get(answer, "arrays");
	for (size_t i = 0; i < hsfeed_value_len(arrays); i++)
		print_attached(hsfeed_value_at(arrays, i));
}

int show_main(const struct args *args)
{
	return ask_about(args, hsfeed_show, show_report);
}
