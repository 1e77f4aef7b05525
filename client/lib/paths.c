// SPDX-License-Identifier: Apache-2.0
// Where the daemon may be: the search order that hsfeedd shares.
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static const char *env(const char *name)
{
	const char *value = secure_getenv(name);
	return value && *value ? value : NULL;
}

// A folder that the environment names; relative ones do not count, as XDG's rules say and hsfeedd does.
static const char *folder(const char *name)
{
	const char *value = env(name);
	return value && *value == '/' ? value : NULL;
}

static int put(char *ret, size_t bytes, const char *dir, const char *file)
{
	int n = snprintf(ret, bytes, "%s%s", dir, file);
	return n < 0 || (size_t)n >= bytes ? -ENAMETOOLONG : 0;
}

static int home_folder(char *ret, size_t bytes)
{
	if (folder("HOME"))
		return put(ret, bytes, folder("HOME"), "");
	struct passwd pw, *found = NULL;
	char buf[4096];
	if (getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) != 0 || !found || !found->pw_dir)
		return -ENOENT;
	return put(ret, bytes, found->pw_dir, "");
}

int hsfeed_state_path(char *ret_path, size_t path_bytes)
{
	if (folder("STATE_DIRECTORY")) {
		int n = snprintf(ret_path, path_bytes, "%.*s", (int)strcspn(folder("STATE_DIRECTORY"), ":"),
				 folder("STATE_DIRECTORY")); // systemd's list: the first is ours
		return n < 0 || (size_t)n >= path_bytes ? -ENAMETOOLONG : 0;
	}
	if (geteuid() == 0)
		return put(ret_path, path_bytes, "/var/lib/hsfeed", "");
	if (folder("XDG_STATE_HOME"))
		return put(ret_path, path_bytes, folder("XDG_STATE_HOME"), "/hsfeed");
	char home[4096];
	int rc = home_folder(home, sizeof(home));
	return rc < 0 ? rc : put(ret_path, path_bytes, home, "/.local/state/hsfeed");
}

static int in_state(char *ret, size_t bytes)
{
	char state[4096];
	int rc = hsfeed_state_path(state, sizeof(state));
	return rc < 0 ? rc : put(ret, bytes, state, "/hsfeed.sock");
}

int hsfeed_socket_path(unsigned i, char *ret_path, size_t path_bytes)
{
	if (env("HSFEED_SOCKET")) {
		if (i > 0)
			return 0;
		int rc = put(ret_path, path_bytes, env("HSFEED_SOCKET"), "");
		return rc < 0 ? rc : 1;
	}
	if (!folder("XDG_RUNTIME_DIR"))
		i++;
	int rc = 0;
	if (i == 0) {
		rc = put(ret_path, path_bytes, folder("XDG_RUNTIME_DIR"), "/hsfeed.sock");
		return rc < 0 ? rc : 1;
	}
	char state[4096];
	rc = in_state(state, sizeof(state));
	if (rc < 0) // no home folder: one place less
		i++;
	if (i == 1)
		rc = put(ret_path, path_bytes, state, "");
	else if (i == 2)
		rc = put(ret_path, path_bytes, "/run/hsfeed/hsfeed.sock", "");
	else
		return 0;
	return rc < 0 ? rc : 1;
}
