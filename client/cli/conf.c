// SPDX-License-Identifier: Apache-2.0
// What `start` must know of hsfeedd.conf(5) before the daemon has read it: where it will listen and store. Everything
// else in the file, and whether it is right at all, is the daemon's affair.
#include <string.h>

#include "cli.h"

#define SPACE " \t\r\n"

// "key = value ; remark" as the daemon's parser takes it: the value, its end cut, or NULL when the key is another.
static char *value_of(char *line, const char *key)
{
	size_t len = strlen(key);
	if (strncmp(line, key, len) != 0)
		return NULL;
	char *p = line + len + strspn(line + len, SPACE);
	if (*p != '=' && *p != ':')
		return NULL;
	p += 1 + strspn(p + 1, SPACE);
	for (char *remark = p; (remark = strchr(remark, ';')); remark++) {
		if (remark == p || strchr(SPACE, remark[-1])) {
			*remark = '\0';
			break;
		}
	}
	for (size_t n = strlen(p); n && strchr(SPACE, p[n - 1]); n--)
		p[n - 1] = '\0';
	return *p ? p : NULL;
}

bool conf_value(const char *path, const char *key, char *ret, size_t bytes)
{
	char line[4200];
	bool found = false, ours = false;
	FILE *in = fopen(path, "re");
	while (in && !found && fgets(line, sizeof(line), in)) {
		if (line[0] == '[')
			ours = strncmp(line, "[daemon]", 8) == 0;
		const char *value = ours ? value_of(line, key) : NULL;
		found = value && snprintf(ret, bytes, "%s", value) < (int)bytes;
	}
	if (in)
		fclose(in);
	return found;
}
