// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const struct option common_options[] = {
	{.name = "socket", .kind = OPT_TEXT, .arg = "PATH", .help = "where the daemon listens"},
	{.name = "json", .kind = OPT_FLAG, .help = "print the answer as JSON"},
	{.name = "help", .kind = OPT_FLAG, .help = "print this"},
	OPT_END,
};

// ---- near matches ----

#define NEAR_MAX 32

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;
	return ab < c ? ab : c;
}

// Levenshtein's distance, one row at a time.
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NEAR_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);
	if (la > NEAR_MAX || lb > NEAR_MAX)
		return NEAR_MAX;
	for (unsigned j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned above = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[lb];
}

static bool nearer(const char *name, const char *candidate, unsigned *best)
{
	unsigned d = distance(name, candidate);
	if (d >= *best || d > strlen(candidate) / 2)
		return false;
	*best = d;
	return true;
}

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

const char *near_command(const char *name)
{
	const char *found = NULL;
	unsigned best = 3;
	for (const struct command *c = commands; c->name; c++) {
		if (nearer(name, c->name, &best))
			found = c->name;
	}
	return found;
}

// Walks a command's option tables, the common one last: *table and *i start at 0.
static const struct option *next_option(const struct command *command, unsigned *table, unsigned *i)
{
	for (; *table < 4; (*table)++, *i = 0) {
		const struct option *options = *table < 3 ? command->options[*table] : common_options;
		if (options && options[*i].name)
			return &options[(*i)++];
	}
	return NULL;
}

static const struct option *find_option(const struct command *command, const char *name, size_t len)
{
	unsigned table = 0, i = 0;
	const struct option *o;
	while ((o = next_option(command, &table, &i))) {
		if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
			return o;
	}
	return NULL;
}

static const struct option *find_letter(const struct command *command, char letter)
{
	unsigned table = 0, i = 0;
	const struct option *o;
	while ((o = next_option(command, &table, &i))) {
		if (o->letter == letter)
			return o;
	}
	return NULL;
}

static int unknown_option(const struct command *command, const char *word, size_t len)
{
	char name[64];
	snprintf(name, sizeof(name), "%.*s", (int)(len < 60 ? len : 60), word);
	unsigned table = 0, i = 0, best = 3;
	const struct option *o, *found = NULL;
	while ((o = next_option(command, &table, &i))) {
		if (!o->later && nearer(name, o->name, &best))
			found = o;
	}
	if (found)
		return fail(EXIT_USAGE, "%s: there is no option --%s; did you mean --%s?", command->name, name,
			    found->name);
	return fail(EXIT_USAGE, "%s: there is no option --%s; see: hsfeed help %s", command->name, name, command->name);
}

// ---- values ----

static bool is_choice(const char *choices, const char *text)
{
	size_t len = strlen(text);
	for (const char *p = choices; *p;) {
		size_t n = strcspn(p, "|");
		if (n == len && strncmp(p, text, n) == 0)
			return true;
		p += n + (p[n] == '|');
	}
	return false;
}

static int check_number(const struct option *o, const char *text, uint64_t *ret)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno)
		return fail(EXIT_USAGE, "--%s takes a number, not \"%s\"", o->name, text);
	if (n < o->min || n > (o->max ? o->max : UINT64_MAX))
		return fail(EXIT_USAGE, "--%s takes a number from %llu to %llu, not %s", o->name,
			    (unsigned long long)o->min, (unsigned long long)(o->max ? o->max : UINT64_MAX), text);
	*ret = n;
	return 0;
}

// Decimal digits alone: no "inf", no hexadecimal.
static int check_share(const struct option *o, const char *text, double *ret)
{
	char *end;
	double least = (double)o->min / 100, most = (double)o->max / 100, n = strtod(text, &end);
	if (!*text || text[strspn(text, "0123456789.eE-")] || *end)
		return fail(EXIT_USAGE, "--%s takes a decimal number, not \"%s\"", o->name, text);
	if (!(n >= least && n <= most))
		return fail(EXIT_USAGE, "--%s takes a number from %g to %g, not %s", o->name, least, most, text);
	*ret = n;
	return 0;
}

static int check_size(const struct option *o, const char *text, uint64_t *ret_number, double *ret_share)
{
	const struct option rows = {.name = o->name, .min = 1}, share = {.name = o->name, .max = 100};
	if (text[strspn(text, "0123456789")] == '\0')
		return check_number(&rows, text, ret_number);
	int rc = check_share(&share, text, ret_share);
	if (rc == 0 && !(*ret_share > 0 && *ret_share < 1))
		return fail(EXIT_USAGE, "--%s takes a number of rows, or a share between 0 and 1, not %s", o->name,
			    text);
	return rc;
}

static int check_value(const struct option *o, const char *text, uint64_t *ret_number, double *ret_share)
{
	if (o->kind == OPT_NUMBER)
		return check_number(o, text, ret_number);
	if (o->kind == OPT_SHARE)
		return check_share(o, text, ret_share);
	if (o->kind == OPT_SIZE)
		return check_size(o, text, ret_number, ret_share);
	if (o->choices && !is_choice(o->choices, text))
		return fail(EXIT_USAGE, "--%s takes one of %s, not \"%s\"", o->name, o->choices, text);
	if (o->kind != OPT_FLAG && *text == '\0')
		return fail(EXIT_USAGE, "--%s needs %s", o->name, o->arg);
	return 0;
}

static int add_option(struct args *args, const struct option *o, const char *text)
{
	if (o->later)
		return fail(EXIT_USAGE, "%s: --%s is not supported yet", args->command->name, o->name);
	if (o->kind != OPT_LIST && args_has(args, o->name) && o->kind != OPT_FLAG)
		return fail(EXIT_USAGE, "%s: --%s is given twice", args->command->name, o->name);
	if (args->ngiven == MAX_GIVEN)
		return fail(EXIT_USAGE, "%s: more than %d options", args->command->name, MAX_GIVEN);
	uint64_t number = 0;
	double share = 0;
	int rc = check_value(o, text, &number, &share);
	if (rc)
		return rc;
	args->given[args->ngiven].option = o;
	args->given[args->ngiven].text = text;
	args->given[args->ngiven].share = share;
	args->given[args->ngiven++].number = number;
	args->help = args->help || strcmp(o->name, "help") == 0;
	return 0;
}

// One "--name", "--name=value" or "--name value" at argv[0]. Returns words used, or -EXIT_USAGE.
static int take_option(struct args *args, int argc, char **argv)
{
	const char *name = argv[0] + 2;
	size_t len = strcspn(name, "=");
	const struct option *o = find_option(args->command, name, len);
	const char *value = name[len] == '=' ? name + len + 1 : NULL;
	if (!o)
		return -unknown_option(args->command, name, len);
	if (o->kind == OPT_FLAG && value)
		return -fail(EXIT_USAGE, "%s: --%s takes no argument", args->command->name, o->name);
	if (o->kind == OPT_FLAG)
		return add_option(args, o, "") ? -EXIT_USAGE : 1;
	if (!value && argc < 2)
		return -fail(EXIT_USAGE, "%s: --%s needs %s", args->command->name, o->name, o->arg);
	return add_option(args, o, value ? value : argv[1]) ? -EXIT_USAGE : value ? 1 : 2;
}

// One "-o value" or "-ovalue" at argv[0]; only options with a value have a letter.
static int take_letter(struct args *args, int argc, char **argv)
{
	const struct option *o = find_letter(args->command, argv[0][1]);
	const char *value = argv[0][2] ? argv[0] + 2 : NULL;
	if (!o)
		return -fail(EXIT_USAGE, "%s: there is no option %s", args->command->name, argv[0]);
	if (!value && argc < 2)
		return -fail(EXIT_USAGE, "%s: -%c needs %s", args->command->name, o->letter, o->arg);
	return add_option(args, o, value ? value : argv[1]) ? -EXIT_USAGE : value ? 1 : 2;
}

static int take_word(struct args *args, const char *word)
{
	if (args->nwords == args->command->max_words)
		return fail(EXIT_USAGE, "%s: one word too many: \"%s\"; usage: hsfeed %s %s", args->command->name, word,
			    args->command->name, args->command->usage);
	args->words[args->nwords++] = word;
	return 0;
}

int args_parse(const struct command *command, int argc, char **argv, struct args *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->command = command;
	bool options = true;
	for (int i = 0; i < argc;) {
		int used = 1;
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (options && strcmp(argv[i], "-h") == 0)
			ret->help = true;
		else if (options && strncmp(argv[i], "--", 2) == 0)
			used = take_option(ret, argc - i, argv + i);
		else if (options && argv[i][0] == '-' && argv[i][1])
			used = take_letter(ret, argc - i, argv + i);
		else
			used = take_word(ret, argv[i]) ? -EXIT_USAGE : 1;
		if (used < 0)
			return EXIT_USAGE;
		i += used;
	}
	if (ret->nwords < command->min_words && !ret->help)
		return fail(EXIT_USAGE, "%s: something is missing; usage: hsfeed %s %s", command->name, command->name,
			    command->usage);
	return 0;
}

// ---- what was given ----

static int find_given(const struct args *args, const char *name, unsigned from)
{
	for (unsigned i = from; i < args->ngiven; i++) {
		if (strcmp(args->given[i].option->name, name) == 0)
			return (int)i;
	}
	return -1;
}

bool args_has(const struct args *args, const char *name)
{
	return find_given(args, name, 0) >= 0;
}

const char *args_text(const struct args *args, const char *name, const char *fallback)
{
	int i = find_given(args, name, 0);
	return i < 0 ? fallback : args->given[i].text;
}

uint64_t args_number(const struct args *args, const char *name, uint64_t fallback)
{
	int i = find_given(args, name, 0);
	return i < 0 ? fallback : args->given[i].number;
}

double args_share(const struct args *args, const char *name, double fallback)
{
	int i = find_given(args, name, 0);
	return i < 0 ? fallback : args->given[i].share;
}

const char *args_each(const struct args *args, const char *name, unsigned *i)
{
	int found = find_given(args, name, *i);
	if (found < 0)
		return NULL;
	*i = (unsigned)found + 1;
	return args->given[found].text;
}

const char *args_item(const struct args *args, const char *name, struct item_walk *w, size_t *ret_len)
{
	const char *item = w->rest ? w->rest : (w->given = args_each(args, name, &w->i));
	if (!item)
		return NULL;
	*ret_len = strcspn(item, ",");
	w->rest = item[*ret_len] ? item + *ret_len + 1 : NULL;
	return item;
}
