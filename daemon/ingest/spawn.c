// SPDX-License-Identifier: Apache-2.0
// The parent's side: starting a child, and clearing up after one that was killed.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/ingest.h"

#define CHILD_FD 3

extern char **environ;

// Order matters: the socket reaches its place before 0 and 1 are replaced, in case the daemon runs without them.
static int set_files(posix_spawn_file_actions_t *actions, int fd)
{
	int rc = posix_spawn_file_actions_adddup2(actions, fd, CHILD_FD);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(actions, CHILD_FD + 1);
#endif // elsewhere the daemon's descriptors are all close-on-exec
	return rc;
}

// The daemon blocks and ignores signals; the child starts as from a fresh login. Its own process group: ^C on a
// terminal is the daemon's to handle, which then ends the child in order.
static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(attr, &all);
	if (rc == 0)
		rc = posix_spawnattr_setflags(attr,
					      POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	return rc;
}

static int spawn_self(int fd, pid_t *ret_pid)
{
	char name[] = "hsfeedd", arg[] = HS_INGEST_ARG, number[] = "3";
	char *argv[] = {name, arg, number, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc = posix_spawn_file_actions_init(&actions);
	if (rc != 0)
		return -rc;
	rc = posix_spawnattr_init(&attr);
	if (rc == 0) {
		rc = set_files(&actions, fd);
		if (rc == 0)
			rc = set_attributes(&attr);
		if (rc == 0)
			rc = posix_spawn(ret_pid, "/proc/self/exe", &actions, &attr, argv, environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

int hs_ingest_spawn(pid_t *ret_pid, int *ret_fd, struct hs_err *reterr)
{
	int pair[2];
	pid_t pid;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return hs_err_set(reterr, -errno, "the ingest process could not be started: socketpair: %s",
				  strerror(errno));
	int rc = fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : spawn_self(pair[1], &pid);
	close(pair[1]);
	if (rc < 0) {
		close(pair[0]);
		return hs_err_set(reterr, rc, "the ingest process could not be started: %s", strerror(-rc));
	}
	*ret_pid = pid;
	*ret_fd = pair[0];
	return 0;
}

int hs_ingest_sweep(const char *tmp, const char *prefix)
{
	size_t len = strlen(prefix);
	int n = 0;
	DIR *dir = opendir(tmp);
	if (!dir)
		return -errno;
	for (struct dirent *e; (e = readdir(dir));) {
		if (strncmp(e->d_name, prefix, len) == 0 && e->d_name[len] == '-' &&
		    unlinkat(dirfd(dir), e->d_name, 0) == 0)
			n++;
	}
	closedir(dir);
	return n;
}
