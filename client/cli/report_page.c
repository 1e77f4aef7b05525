// SPDX-License-Identifier: Apache-2.0
// report: asks the daemon what show, folds, lengths and leaks tell, all of one version, and makes one page of it.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "page.h"

#define MAX_PAIRS 200 // asked for: the page shows a few, --json all of these

// clang-format off
const struct option report_options[] = {
	{.name = "output", .letter = 'o', .kind = OPT_TEXT, .arg = "FILE",
	 .help = "the page to write; - is standard output"},
	{.name = "force", .kind = OPT_FLAG, .help = "overwrite FILE even when it is no earlier report"},
	{.name = "role", .kind = OPT_TEXT, .arg = "ROLE", .help = "whose lengths; default: those of every role"},
	{.name = "max-length", .kind = OPT_NUMBER, .arg = "N", .min = 1, .max = 1048576,
	 .help = "of the tokens of each fold; default 128"},
	{.name = "similarity", .kind = OPT_SHARE, .arg = "S", .min = 50, .max = 100,
	 .help = "from which on texts count as near; default 0.8"},
	OPT_END,
};
// clang-format on

// ---- the answers ----

struct answers {
	char name[512]; // with the version that show told
	hsfeed_value *show, *folds, *leaks, **lengths;
	size_t nlengths;
};

static void answers_fini(struct answers *a)
{
	for (size_t i = 0; i < a->nlengths; i++)
		hsfeed_value_free(a->lengths[i]);
	free(a->lengths);
	hsfeed_value_free(a->show);
	hsfeed_value_free(a->folds);
	hsfeed_value_free(a->leaks);
}

static uint32_t max_length_of(const struct args *args)
{
	return (uint32_t)args_number(args, "max-length", USUAL_LENGTH);
}

// The usual lengths and the one asked for, ascending, each once.
static size_t cuts_of(const struct args *args, uint32_t ret[5])
{
	static const uint32_t usual[] = {64, 128, 256, 512};
	uint32_t asked = max_length_of(args);
	size_t n = 0;
	for (size_t i = 0; i < 4; i++) {
		if (asked && asked <= usual[i]) {
			if (asked < usual[i])
				ret[n++] = asked;
			asked = 0;
		}
		ret[n++] = usual[i];
	}
	if (asked)
		ret[n++] = asked;
	return n;
}

static int ask_lengths(hsfeed_client *client, const struct args *args, struct answers *a, struct hsfeed_error *error)
{
	const hsfeed_value *roles = hsfeed_value_get(a->show, "roles");
	const char *role = args_text(args, "role", NULL);
	uint32_t cuts[5];
	struct hsfeed_lengths_options options = {.size = sizeof(options), .max_lengths = cuts};
	options.nmax_lengths = cuts_of(args, cuts);
	size_t n = role ? 1 : hsfeed_value_len(roles);
	int rc = 0;
	a->lengths = calloc(n ? n : 1, sizeof(*a->lengths));
	if (!a->lengths)
		return fail(EXIT_REFUSED, "out of memory");
	for (size_t i = 0; rc == 0 && i < n; i++) {
		options.role = role ? role : get_str(hsfeed_value_at(roles, i), "role");
		rc = hsfeed_lengths(client, a->name, &options, &a->lengths[i], error);
		a->nlengths += rc == 0;
	}
	return rc < 0 ? fail_error(error) : EXIT_DONE;
}

static int ask_folds(hsfeed_client *client, const struct args *args, struct answers *a, struct hsfeed_error *error)
{
	struct hsfeed_plan plan = plan_of(args);
	struct hsfeed_fold_table_options folds = {.size = sizeof(folds), .plan = &plan};
	struct hsfeed_leaks_options leaks = {.size = sizeof(leaks), .plan = &plan, .count = MAX_PAIRS};
	folds.role = args_text(args, "role", NULL);
	folds.max_length = max_length_of(args);
	leaks.similarity = args_share(args, "similarity", USUAL_SIMILARITY);
	if (hsfeed_leaks(client, a->name, &leaks, &a->leaks, error) < 0 || // first: its search may take long
	    hsfeed_fold_table(client, a->name, &folds, &a->folds, error) < 0)
		return fail_error(error);
	return EXIT_DONE;
}

// Everything about one version, whatever the name means meanwhile. 0 or an exit code.
static int ask(hsfeed_client *client, const struct args *args, struct answers *a)
{
	const char *name = args->words[0];
	struct hsfeed_error error;
	if (hsfeed_show(client, name, &a->show, &error) < 0)
		return fail_error(&error);
	pin_name(a->name, name, get_str(hsfeed_value_get(a->show, "version_info"), "version"));
	int rc = ask_lengths(client, args, a, &error); // a wrong role or length is told before anything is searched
	return rc ? rc : ask_folds(client, args, a, &error);
}

// ---- where the page goes ----

// A file is written beside its place under another name, and moved there when it is whole.
struct target {
	char path[PATH_MAX], temporary[PATH_MAX + 16];
	FILE *out;
};

static bool is_report(const char *path)
{
	char head[sizeof(PAGE_MARK)] = "";
	FILE *file = fopen(path, "rb");
	if (!file)
		return false;
	size_t n = fread(head, 1, sizeof(PAGE_MARK) - 1, file);
	fclose(file);
	return n == sizeof(PAGE_MARK) - 1 && memcmp(head, PAGE_MARK, n) == 0;
}

// What is there must be an earlier report, or --force says that it may go. A link's end is replaced, not the link.
static int target_find(const struct args *args, const char *given, struct target *t)
{
	struct stat st;
	if (strlen(given) >= sizeof(t->path))
		return fail(EXIT_USAGE, "the path of -o is too long");
	if (!realpath(given, t->path))
		strcpy(t->path, given);
	if (stat(t->path, &st) < 0)
		return EXIT_DONE;
	if (!S_ISREG(st.st_mode))
		return fail(EXIT_REFUSED, "%s is no regular file; -o - writes to standard output", given);
	if (args_has(args, "force") || st.st_size == 0 || is_report(t->path))
		return EXIT_DONE;
	return fail(EXIT_REFUSED, "%s exists and is no report of hsfeed; --force overwrites it", given);
}

static int target_open(struct target *t)
{
	snprintf(t->temporary, sizeof(t->temporary), "%s.XXXXXX", t->path);
	int fd = mkstemp(t->temporary);
	mode_t mask = umask(0);
	umask(mask);
	if (fd >= 0 && fchmod(fd, 0666 & ~mask) == 0)
		t->out = fdopen(fd, "w");
	if (t->out)
		return EXIT_DONE;
	int code = fail(EXIT_REFUSED, "%s cannot be written: %s", t->path, strerror(errno));
	if (fd >= 0) {
		close(fd);
		unlink(t->temporary);
	}
	return code;
}

static int target_commit(struct target *t)
{
	errno = 0;
	bool bad = fflush(t->out) != 0 || ferror(t->out) || fsync(fileno(t->out)) != 0;
	int why = errno ? errno : EIO;
	if (fclose(t->out) != 0 && !bad) {
		bad = true;
		why = errno;
	}
	if (!bad && rename(t->temporary, t->path) == 0)
		return EXIT_DONE;
	why = bad ? why : errno;
	unlink(t->temporary);
	return fail(EXIT_REFUSED, "%s cannot be written: %s", t->path, strerror(why));
}

// ---- the command ----

static struct page page_of(const struct args *args, const struct answers *a, FILE *out, const char *name)
{
	return (struct page){
		.out = out,
		.name = name,
		.show = a->show,
		.folds = a->folds,
		.leaks = a->leaks,
		.lengths = (const hsfeed_value *const *)a->lengths,
		.nlengths = a->nlengths,
		.plan_name = args_text(args, "plan", NULL),
	};
}

static int write_file(const struct args *args, const struct answers *a, struct target *t, const char *name)
{
	int rc = target_open(t);
	if (rc)
		return rc;
	struct page page = page_of(args, a, t->out, name);
	page_write(&page);
	long bytes = ftell(t->out);
	rc = target_commit(t);
	if (rc || json_asked)
		return rc;
	put_cstr(stdout, t->path);
	printf(": %s, about %s\n", fmt_bytes(bytes > 0 ? (uint64_t)bytes : 0),
	       fmt_ref(get_str(a->show, "name"), get_str(hsfeed_value_get(a->show, "version_info"), "version")));
	return EXIT_DONE;
}

static void print_answers(const struct answers *a)
{
	fputs("{\"show\":", stdout);
	json_value(stdout, a->show);
	fputs(",\"folds\":", stdout);
	json_value(stdout, a->folds);
	fputs(",\"lengths\":[", stdout);
	for (size_t i = 0; i < a->nlengths; i++) {
		fputs(i ? "," : "", stdout);
		json_value(stdout, a->lengths[i]);
	}
	fputs("],\"leaks\":", stdout);
	json_value(stdout, a->leaks);
	fputs("}\n", stdout);
}

static int write_page(const struct args *args, const struct answers *a, struct target *t)
{
	const char *given = args_text(args, "output", NULL);
	char name[512];
	int rc = EXIT_DONE;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(args->words[0], "@"), args->words[0]);
	if (given && strcmp(given, "-") == 0) {
		struct page page = page_of(args, a, stdout, name);
		page_write(&page);
	} else if (given)
		rc = write_file(args, a, t, name);
	if (rc == EXIT_DONE && json_asked)
		print_answers(a);
	return rc;
}

static int run(const struct args *args, struct target *t)
{
	hsfeed_client *client;
	struct answers answers = {0};
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = ask(client, args, &answers);
	hsfeed_close(client);
	if (rc == EXIT_DONE) {
		put_warnings(hsfeed_value_get(answers.folds, "warnings"));
		rc = write_page(args, &answers, t);
	}
	answers_fini(&answers);
	return rc;
}

int report_main(const struct args *args)
{
	const char *given = args_text(args, "output", NULL);
	bool piped = given && strcmp(given, "-") == 0;
	struct target target = {0};
	int rc;
	if (!given && !json_asked)
		return fail(EXIT_USAGE, "report needs -o FILE, the page to write; -o - writes it to standard output");
	if (piped && json_asked)
		return fail(EXIT_USAGE, "report: -o - and --json both want standard output");
	rc = given && !piped ? target_find(args, given, &target) : EXIT_DONE;
	return rc ? rc : run(args, &target);
}
