// SPDX-License-Identifier: Apache-2.0
// start: a daemon of one's own, detached, with a log in its state folder. It is there when this returns, or it is not
// running and the log's new lines have been shown.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define START_SECONDS 30
#define PATH_BYTES    4096

// ---- where hsfeedd is ----

static bool is_program(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool in_folder(const char *folder, size_t len, const char *file, char *ret)
{
	int n = snprintf(ret, PATH_BYTES, "%.*s/%s", (int)len, folder, file);
	return n > 0 && n < PATH_BYTES && is_program(ret);
}

// Beside this program: installed (bin and sbin), or in the build tree.
static bool beside_us(char *ret)
{
	static const char *const places[] = {"hsfeedd", "../sbin/hsfeedd", "../daemon/hsfeedd"};
	char self[PATH_BYTES];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return false;
	self[n] = '\0';
	char *slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < 3; i++) {
		if (in_folder(self, (size_t)(slash - self), places[i], ret))
			return true;
	}
	return false;
}

static bool in_search_path(char *ret)
{
	const char *path = getenv("PATH");
	for (const char *p = path ? path : ""; *p;) {
		size_t len = strcspn(p, ":");
		if (len && in_folder(p, len, "hsfeedd", ret))
			return true;
		p += len + (p[len] == ':');
	}
	return in_folder("/usr/local/sbin", 15, "hsfeedd", ret) || in_folder("/usr/sbin", 9, "hsfeedd", ret);
}

static int find_daemon(char *ret)
{
	const char *named = getenv("HSFEED_HSFEEDD");
	if (named && *named) {
		snprintf(ret, PATH_BYTES, "%s", named);
		return is_program(ret) ? 0 : fail(EXIT_REFUSED, "$HSFEED_HSFEEDD is %s, which is no program", named);
	}
	if (beside_us(ret) || in_search_path(ret))
		return 0;
	return fail(EXIT_REFUSED, "hsfeedd is neither beside hsfeed nor in $PATH; name it in $HSFEED_HSFEEDD");
}

// ---- its log ----

static int make_folders(char *path)
{
	for (char *p = path + 1;; p++) {
		if (*p && *p != '/')
			continue;
		char was = *p;
		*p = '\0';
		int rc = mkdir(path, 0700);
		*p = was;
		if (rc != 0 && errno != EEXIST)
			return fail(EXIT_REFUSED, "%s: cannot be made: %s", path, strerror(errno));
		if (!was)
			return 0;
	}
}

struct start {
	char program[PATH_BYTES], state[PATH_BYTES], log[PATH_BYTES + 16];
	char socket[PATH_BYTES]; // empty: it is searched for
	int log_fd;
	off_t log_begin;
	pid_t pid;
};

// Where the daemon will listen and store, as options, environment and configuration say.
static int find_places(const struct args *args, struct start *s)
{
	const char *config = args_text(args, "config", geteuid() == 0 ? "/etc/hsfeed/hsfeedd.conf" : "");
	const char *socket = args_text(args, "socket", getenv("HSFEED_SOCKET"));
	const char *state = args_text(args, "state", NULL);
	if (socket && *socket)
		snprintf(s->socket, sizeof(s->socket), "%s", socket);
	else
		conf_value(config, "socket", s->socket, sizeof(s->socket));
	if (state)
		snprintf(s->state, sizeof(s->state), "%s", state);
	else if (!conf_value(config, "state", s->state, sizeof(s->state)) &&
		 hsfeed_state_path(s->state, sizeof(s->state)) < 0)
		return fail(EXIT_REFUSED, "no home folder is known; give --state DIR");
	return 0;
}

static int open_log(struct start *s)
{
	int rc = make_folders(s->state);
	if (rc)
		return rc;
	snprintf(s->log, sizeof(s->log), "%s/hsfeedd.log", s->state);
	s->log_fd = open(s->log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->log_fd < 0)
		return fail(EXIT_REFUSED, "%s: %s", s->log, strerror(errno));
	s->log_begin = lseek(s->log_fd, 0, SEEK_END);
	return 0;
}

static void show_log(const struct start *s)
{
	char text[4096];
	off_t end = lseek(s->log_fd, 0, SEEK_END), at = s->log_begin;
	if (end - at > (off_t)sizeof(text))
		at = end - (off_t)sizeof(text);
	ssize_t n = pread(s->log_fd, text, sizeof(text), at);
	for (ssize_t i = 0; i < n;) {
		ssize_t len = 0;
		while (i + len < n && text[i + len] != '\n')
			len++;
		fputs("  ", stderr);
		put_text(stderr, text + i, (size_t)len);
		putc('\n', stderr);
		i += len + 1;
	}
}

// ---- starting ----

static void become_daemon(const struct args *args, const struct start *s)
{
	const char *argv[8] = {s->program};
	static const char *const passed[] = {"state", "socket", "config"};
	int n = 1, null = open("/dev/null", O_RDONLY);
	for (size_t i = 0; i < 3; i++) {
		static char flags[3][16];
		const char *value = args_text(args, passed[i], i == 1 ? getenv("HSFEED_SOCKET") : NULL);
		if (!value || !*value)
			continue;
		snprintf(flags[i], sizeof(flags[i]), "--%s", passed[i]);
		argv[n++] = flags[i];
		argv[n++] = value;
	}
	argv[n] = NULL;
	signal(SIGPIPE, SIG_DFL);
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(s->log_fd, STDOUT_FILENO);
	dup2(s->log_fd, STDERR_FILENO);
	close(null);
	execv(s->program, (char *const *)(uintptr_t)argv);
	dprintf(STDERR_FILENO, "%s: %s\n", s->program, strerror(errno));
	_exit(127);
}

static bool answers(const struct start *s, hsfeed_client **ret)
{
	struct hsfeed_connect_options options = {.size = sizeof(options), .socket = *s->socket ? s->socket : NULL};
	options.timeout_ms = 5000;
	return hsfeed_connect(&options, ret, NULL) == 0;
}

// Is the state folder another daemon's, which may not listen yet? The lock names its process, once that has come so
// far.
static bool another_begins(const struct start *s)
{
	char path[PATH_BYTES + 16], text[64] = {0};
	snprintf(path, sizeof(path), "%s/lock", s->state);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	const char *pid = n > 0 ? strstr(text, "pid ") : NULL;
	long number = pid ? strtol(pid + 4, NULL, 10) : 0;
	return n == 0 || (number > 0 && number != s->pid && kill((pid_t)number, 0) == 0);
}

static int wait_until_there(const struct start *s, hsfeed_client **ret)
{
	double deadline = now_seconds() + START_SECONDS;
	bool gone = false;
	while (now_seconds() < deadline) {
		int status;
		gone = gone || waitpid(s->pid, &status, WNOHANG) == s->pid;
		bool other = gone && another_begins(s);
		if (answers(s, ret)) // also when ours ended because another start was faster
			return 0;
		if (gone && !other) {
			fail(EXIT_REFUSED, "hsfeedd ended at once; its log, %s, says:", s->log);
			show_log(s);
			return EXIT_REFUSED;
		}
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
	if (!gone)
		kill(s->pid, SIGTERM);
	fail(EXIT_REFUSED, "hsfeedd did not answer within %d s%s; its log, %s, says:", START_SECONDS,
	     gone ? "" : " and was stopped", s->log);
	show_log(s);
	return EXIT_REFUSED;
}

static void tell(hsfeed_client *client, bool started, const struct start *s)
{
	int pid;
	const char *path = hsfeed_peer(client, &pid, NULL);
	if (json_asked) {
		printf("{\"started\":%s,\"pid\":%d,\"socket\":", started ? "true" : "false", pid);
		json_str(stdout, path, strlen(path));
		printf("}\n");
	} else if (started) {
		printf("started hsfeedd (pid %d) at %s; it logs to %s\n", pid, path, s->log);
	} else {
		printf("hsfeedd (pid %d) is there already, at %s\n", pid, path);
	}
	hsfeed_close(client);
}

int start_main(const struct args *args)
{
	hsfeed_client *client;
	static struct start s;
	int rc = find_places(args, &s);
	if (rc == 0 && answers(&s, &client)) {
		tell(client, false, &s);
		return EXIT_DONE;
	}
	if (rc == 0)
		rc = find_daemon(s.program);
	if (rc == 0)
		rc = open_log(&s);
	if (rc)
		return rc;
	fflush(NULL);
	s.pid = fork();
	if (s.pid == 0)
		become_daemon(args, &s);
	if (s.pid < 0)
		rc = fail(EXIT_REFUSED, "cannot start a process: %s", strerror(errno));
	else
		rc = wait_until_there(&s, &client);
	close(s.log_fd);
	if (rc == 0) {
		int pid;
		hsfeed_peer(client, &pid, NULL);
		tell(client, pid == s.pid || pid == 0, &s);
	}
	return rc;
}
