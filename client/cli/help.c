// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cli.h"

void help_list(FILE *out)
{
	fputs("usage: hsfeed COMMAND ...\n\n", out);
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, "  %-9s %s\n", c->name, c->help);
	}
	fputs("\nhsfeed help COMMAND explains one; hsfeed(1) is the manual. --json and --socket PATH go with every "
	      "command.\n",
	      out);
}

static void option_line(FILE *out, const struct option *o)
{
	char left[64];
	char letter[8] = "";
	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	fprintf(out, "  %-24s %s", left, o->help);
	if (o->choices)
		fprintf(out, " (%s)", o->choices);
	putc('\n', out);
}

// Whether an earlier table of the command has an option of that name, which is then the one that counts.
static bool is_hidden(const struct command *command, unsigned table, const char *name)
{
	for (unsigned i = 0; i < table; i++)
		for (const struct option *o = command->options[i]; o && o->name; o++)
			if (strcmp(o->name, name) == 0)
				return true;
	return false;
}

static void option_lines(FILE *out, const struct command *command, unsigned table)
{
	for (const struct option *o = command->options[table]; o && o->name; o++) {
		if (!o->later && !is_hidden(command, table, o->name))
			option_line(out, o);
	}
}

void help_command(FILE *out, const struct command *command)
{
	fprintf(out, "usage: hsfeed %s %s\n\n%s.\n", command->name, command->usage, command->help);
	if (command->more)
		fprintf(out, "%s\n", command->more);
	putc('\n', out);
	for (unsigned i = 0; i < 3; i++)
		option_lines(out, command, i);
	for (const struct option *o = common_options; o->name; o++)
		option_line(out, o);
}

int help_main(const struct args *args)
{
	if (args->nwords == 0) {
		help_list(stdout);
		return EXIT_DONE;
	}
	const struct command *command = command_find(args->words[0]);
	if (!command)
		return fail(EXIT_USAGE, "there is no command \"%s\"; see: hsfeed help", args->words[0]);
	help_command(stdout, command);
	return EXIT_DONE;
}
