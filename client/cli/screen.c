// SPDX-License-Identifier: Apache-2.0
// What standard output can show: its width, and whether it has blocks for bars.
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

#define USUAL_WIDTH 80

// Terminals by their names: what they show is not what the locale says.
static bool has_no_blocks(const char *term)
{
	return !term || strcmp(term, "dumb") == 0 || strcmp(term, "linux") == 0 || strncmp(term, "vt", 2) == 0;
}

void screen_init(void)
{
	setlocale(LC_CTYPE, "");
	ascii_only = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	if (isatty(STDOUT_FILENO) == 1 && has_no_blocks(getenv("TERM")))
		ascii_only = true;
}

unsigned screen_width(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");
	unsigned long n = 0;
	if (isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	else if (columns)
		n = strtoul(columns, NULL, 10);
	return n >= 20 && n <= 10000 ? (unsigned)n : USUAL_WIDTH;
}
