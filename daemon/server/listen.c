// SPDX-License-Identifier: Apache-2.0
// The listening socket. It is bound under a name of its own, and renamed to its real one when the daemon accepts: a
// client that finds the name finds a daemon behind it.
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "conn.h"
#include "log.h"

#define BACKLOG          511
#define ACCEPTS_PER_TURN 64
#define RETRY_MS         100 // when not even the spare descriptor helps

static bool can_write_beside(const char *path)
{
	char dir[108];
	const char *slash = strrchr(path, '/');
	if (!slash || strlen(path) >= sizeof(dir))
		return false;
	size_t len = slash == path ? 1 : (size_t)(slash - path);
	memcpy(dir, path, len);
	dir[len] = '\0';
	return access(dir, W_OK | X_OK) == 0;
}

static int choose_path(struct hs_server *server, struct hs_err *reterr)
{
	const char *const *paths = server->options->sockets;
	for (size_t i = 0; paths[i]; i++)
		if (can_write_beside(paths[i])) {
			snprintf(server->listener.path, sizeof(server->listener.path), "%s", paths[i]);
			return 0;
		}
	hs_err_set(reterr, -EACCES, "no folder for the socket can be written to (tried %s%s)", paths[0],
		   paths[1] ? " and the other default places" : "");
	return hs_err_hint(reterr, "name a path of at most 90 bytes in a folder that exists: --socket PATH");
}

static int fill_address(const char *path, const char *suffix, struct sockaddr_un *ret, struct hs_err *reterr)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	int n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s%s", path, suffix);
	if (n < 0 || (size_t)n >= sizeof(ret->sun_path)) {
		hs_err_set(reterr, -ENAMETOOLONG, "the socket's path is too long: %s", path);
		return hs_err_hint(reterr, "Unix sockets allow about 100 bytes: --socket PATH");
	}
	return 0;
}

// Is a daemon alive behind the name? A file that is no socket is never replaced.
static int check_old_socket(const char *path, struct hs_err *reterr)
{
	struct stat st;
	struct sockaddr_un address;
	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return hs_err_set(reterr, -EEXIST, "%s is there already and is not a socket", path);
	int rc = fill_address(path, "", &address, reterr);
	int fd = rc < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return rc < 0 ? rc : hs_err_set(reterr, -errno, "cannot make a socket: %s", strerror(errno));
	// A full queue (EAGAIN) is alive too.
	bool alive = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
	close(fd);
	if (!alive)
		return 0;
	hs_err_set(reterr, -EADDRINUSE, "another daemon listens on %s", path);
	return hs_err_hint(reterr, "stop it (`hsfeed stop`) or give this one a socket of its own: --socket PATH");
}

static int bind_and_listen(struct hs_server *server, struct hs_err *reterr)
{
	struct hs_listener *l = &server->listener;
	struct sockaddr_un address;
	char suffix[32];
	snprintf(suffix, sizeof(suffix), ".%ld", (long)getpid());
	int rc = fill_address(l->path, suffix, &address, reterr);
	if (rc < 0)
		return rc;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return hs_err_set(reterr, -errno, "cannot make a socket: %s", strerror(errno));
	unlink(address.sun_path);
	// The mode is set before listen, so that nobody gets in under a wider one.
	if (bind(l->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, server->options->socket_mode) < 0 || listen(l->fd, BACKLOG) < 0)
		return hs_err_set(reterr, -errno, "cannot listen on %s: %s", l->path, strerror(errno));
	return 0;
}

static int take_listen_fd(struct hs_server *server, struct hs_err *reterr)
{
	struct hs_listener *l = &server->listener;
	struct sockaddr_un address = {0};
	socklen_t len = sizeof(address);
	int listening = 0;
	socklen_t option_len = sizeof(listening);
	l->fd = server->options->listen_fd;
	if (getsockname(l->fd, (struct sockaddr *)&address, &len) < 0 || address.sun_family != AF_UNIX ||
	    getsockopt(l->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &option_len) < 0 || !listening)
		return hs_err_set(reterr, HSFEED_EBADCONFIG,
				  "the service manager passed something that is not a listening Unix stream socket");
	fcntl(l->fd, F_SETFL, O_NONBLOCK);
	fcntl(l->fd, F_SETFD, FD_CLOEXEC);
	snprintf(l->path, sizeof(l->path), "%.*s", (int)sizeof(l->path) - 1, address.sun_path);
	return 0;
}

int hs_listen_open(struct hs_server *server, struct hs_err *reterr)
{
	server->listener.spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (server->options->listen_fd >= 0)
		return take_listen_fd(server, reterr);
	int rc = choose_path(server, reterr);
	if (rc == 0)
		rc = check_old_socket(server->listener.path, reterr);
	return rc < 0 ? rc : bind_and_listen(server, reterr);
}

// No descriptor is left: give the spare one up, take the client in, and close on it, so that it is told and epoll does
// not report it for ever. Returns false when that did not help either.
static bool refuse_one(struct hs_listener *l)
{
	if (l->spare_fd < 0)
		return false;
	close(l->spare_fd);
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && l->spare_fd >= 0;
}

static void on_connect(uv_poll_t *poll, int status, int events);

static void on_retry(uv_timer_t *timer)
{
	struct hs_listener *l = timer->data;
	if (l->spare_fd < 0)
		l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uv_poll_start(&l->poll, UV_READABLE, on_connect);
}

static void pause_accepting(struct hs_listener *l)
{
	hs_log(HS_LOG_WARNING, "out of descriptors or memory: not accepting for %d ms", RETRY_MS);
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->retry, on_retry, RETRY_MS, 0);
}

static void on_connect(uv_poll_t *poll, int status, int events)
{
	struct hs_server *server = poll->loop->data;
	struct hs_listener *l = &server->listener;
	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			hs_conn_accept(server, fd);
			continue;
		}
		if (errno == EAGAIN)
			return;
		bool full = errno == EMFILE || errno == ENFILE;
		bool passing = errno == ECONNABORTED || errno == EINTR;
		if (!passing && !(full && refuse_one(l))) {
			pause_accepting(l);
			return;
		}
	}
}

static int give_name(struct hs_listener *l, struct hs_err *reterr)
{
	struct sockaddr_un address;
	socklen_t len = sizeof(address);
	struct stat st;
	if (getsockname(l->fd, (struct sockaddr *)&address, &len) < 0 || rename(address.sun_path, l->path) < 0 ||
	    lstat(l->path, &st) < 0)
		return hs_err_set(reterr, -errno, "cannot name the socket %s: %s", l->path, strerror(errno));
	l->owned = true;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

int hs_listen_start(struct hs_server *server, struct hs_err *reterr)
{
	struct hs_listener *l = &server->listener;
	int rc = uv_poll_init(&server->loop, &l->poll, l->fd);
	if (rc < 0)
		return hs_err_set(reterr, rc, "cannot watch the listening socket: %s", uv_strerror(rc));
	uv_timer_init(&server->loop, &l->retry);
	l->retry.data = l;
	l->active = true;
	uv_poll_start(&l->poll, UV_READABLE, on_connect);
	return server->options->listen_fd >= 0 ? 0 : give_name(l, reterr);
}

// Removes the socket file, if the name still means ours and not a successor's.
static void remove_name(const struct hs_listener *l)
{
	struct stat st;
	if (l->owned && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
}

static void remove_unnamed(const struct hs_listener *l)
{
	struct sockaddr_un address;
	socklen_t len = sizeof(address);
	if (getsockname(l->fd, (struct sockaddr *)&address, &len) == 0 && len > sizeof(sa_family_t))
		unlink(address.sun_path);
}

void hs_listen_stop(struct hs_server *server)
{
	struct hs_listener *l = &server->listener;
	if (l->active) {
		uv_close((uv_handle_t *)&l->poll, NULL);
		uv_close((uv_handle_t *)&l->retry, NULL);
	}
	if (l->fd >= 0 && server->options->listen_fd < 0) {
		remove_name(l);
		if (!l->owned)
			remove_unnamed(l);
	}
	if (l->fd >= 0)
		close(l->fd);
	if (l->spare_fd >= 0)
		close(l->spare_fd);
	l->fd = l->spare_fd = -1;
	l->active = l->owned = false;
}
