// SPDX-License-Identifier: Apache-2.0
// Finding the daemon: each place is tried until one answers. A socket in a place that others might write to proves
// nothing, so the kernel is asked who listens there; only a path that the user named is taken as it is.
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

int64_t hs_now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t hs_deadline(int64_t timeout_ms)
{
	return timeout_ms < 0 ? INT64_MAX : hs_now_ms() + timeout_ms;
}

// A listening socket whose backlog is full answers EAGAIN to a non-blocking connect: try again until the deadline.
static int connect_until(int fd, const struct sockaddr_un *addr, int64_t deadline)
{
	for (;;) {
		if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (hs_now_ms() >= deadline)
			return HSFEED_ETIMEOUT;
		if (errno == EAGAIN)
			poll(NULL, 0, 10);
	}
}

static int peer_of(int fd, struct hs_peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return -errno;
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	return 0;
}

static int try_path(const char *path, int64_t deadline, int *ret_fd, struct hs_peer *ret_peer)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	struct hs_peer peer = {.pid = 0};
	int rc = connect_until(fd, &addr, deadline);
	if (rc == 0)
		rc = peer_of(fd, &peer);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	memcpy(peer.path, path, strlen(path) + 1);
	*ret_peer = peer;
	*ret_fd = fd;
	return 0;
}

static bool is_trusted(uid_t uid)
{
	if (uid == 0 || uid == geteuid())
		return true;
	struct passwd pw, *found = NULL;
	char buf[4096];
	return getpwnam_r("hsfeed", &pw, buf, sizeof(buf), &found) == 0 && found && found->pw_uid == uid;
}

static int no_daemon(const char *looked, struct hsfeed_error *reterr)
{
	hs_error_set(reterr, HSFEED_ENODAEMON, "no daemon answers; looked at %s", looked);
	hs_error_hint(reterr, "start one of your own with: hsfeed start");
	return HSFEED_ENODAEMON;
}

static int connect_named(const char *path, int64_t deadline, int *ret_fd, struct hs_peer *ret_peer,
			 struct hsfeed_error *reterr)
{
	int rc = try_path(path, deadline, ret_fd, ret_peer);
	if (rc == 0)
		return 0;
	if (rc == -ENOENT || rc == -ECONNREFUSED) {
		no_daemon(path, reterr);
		hs_error_hint(reterr, "start one of your own with: hsfeed start --socket %s", path);
		return HSFEED_ENODAEMON;
	}
	if (rc == -ENAMETOOLONG)
		return hs_error_set(reterr, rc, "%s: longer than a Unix socket's path may be (107 bytes)", path);
	return hs_error_set(reterr, rc, "%s: cannot connect: %s", path, hsfeed_strerror(rc));
}

static void note(char *list, size_t bytes, const char *path, const char *why)
{
	size_t used = strlen(list);
	snprintf(list + used, bytes - used, "%s%.200s%s", used ? ", " : "", path, why);
}

static int connect_searched(int64_t deadline, int *ret_fd, struct hs_peer *ret_peer, struct hsfeed_error *reterr)
{
	char looked[1024] = "", path[4096];
	int more;
	for (unsigned i = 0; (more = hsfeed_socket_path(i, path, sizeof(path))) != 0; i++) {
		if (more < 0)
			continue;
		int fd, rc = try_path(path, deadline, &fd, ret_peer);
		if (rc == 0 && is_trusted(ret_peer->uid)) {
			*ret_fd = fd;
			return 0;
		}
		if (rc == 0) {
			close(fd);
			note(looked, sizeof(looked), path, " (another user's: not used)");
		} else if (rc == -ENAMETOOLONG) {
			note(looked, sizeof(looked), path, " (too long for a socket)");
		} else {
			note(looked, sizeof(looked), path, rc == -EACCES ? " (no permission)" : "");
		}
	}
	return no_daemon(looked, reterr);
}

int hs_socket_connect(const char *path, unsigned timeout_ms, int *ret_fd, struct hs_peer *ret_peer,
		      struct hsfeed_error *reterr)
{
	int64_t deadline = hs_deadline(timeout_ms);
	if (!path)
		path = secure_getenv("HSFEED_SOCKET");
	if (path && *path)
		return connect_named(path, deadline, ret_fd, ret_peer, reterr);
	struct hs_peer peer;
	int rc = connect_searched(deadline, ret_fd, &peer, reterr);
	if (rc == 0)
		*ret_peer = peer;
	return rc;
}
