// SPDX-License-Identifier: Apache-2.0
#include "paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *absolute_env(const char *name)
{
	const char *value = getenv(name);
	return value && value[0] == '/' ? value : NULL;
}

int hs_default_state(char *ret, size_t cap)
{
	const char *path;
	int n;
	if ((path = absolute_env("STATE_DIRECTORY")))
		n = snprintf(ret, cap, "%.*s", (int)strcspn(path, ":"), path); // systemd: a list; the first is ours
	else if (geteuid() == 0)
		n = snprintf(ret, cap, "/var/lib/hsfeed");
	else if ((path = absolute_env("XDG_STATE_HOME")))
		n = snprintf(ret, cap, "%s/hsfeed", path);
	else if ((path = absolute_env("HOME")))
		n = snprintf(ret, cap, "%s/.local/state/hsfeed", path);
	else
		return -ENOENT;
	return n > 0 && (size_t)n < cap ? 0 : -ENAMETOOLONG;
}

int hs_default_config(char *ret, size_t cap)
{
	const char *folder = absolute_env("CONFIGURATION_DIRECTORY");
	if (!folder && geteuid() != 0)
		return -ENOENT;
	int n = folder ? snprintf(ret, cap, "%.*s/hsfeedd.conf", (int)strcspn(folder, ":"), folder)
		       : snprintf(ret, cap, "/etc/hsfeed/hsfeedd.conf");
	return n > 0 && (size_t)n < cap ? 0 : -ENAMETOOLONG;
}

void hs_default_sockets(const char *ret[HS_MAX_SOCKETS + 1], char texts[HS_MAX_SOCKETS][512])
{
	const char *socket = absolute_env("HSFEED_SOCKET"), *runtime = absolute_env("XDG_RUNTIME_DIR");
	char state[400];
	size_t n = 0;
	if (socket)
		snprintf(texts[n++], 512, "%s", socket);
	if (!socket && runtime)
		snprintf(texts[n++], 512, "%s/hsfeed.sock", runtime);
	if (!socket && hs_default_state(state, sizeof(state)) == 0)
		snprintf(texts[n++], 512, "%s/hsfeed.sock", state);
	if (!socket)
		snprintf(texts[n++], 512, "/run/hsfeed/hsfeed.sock");
	for (size_t i = 0; i < n; i++)
		ret[i] = texts[i];
	ret[n] = NULL;
}

int hs_make_parents(const char *path)
{
	char dir[4096];
	if (strlen(path) >= sizeof(dir))
		return -ENAMETOOLONG;
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		memcpy(dir, path, (size_t)(slash - path));
		dir[slash - path] = '\0';
		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}
