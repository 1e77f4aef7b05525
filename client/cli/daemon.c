// SPDX-License-Identifier: Apache-2.0
// status, stop, logs: a daemon that runs.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli.h"

#define STOP_MS 30000

static void status_report(const hsfeed_value *s)
{
	printf("%s, pid %llu, up %s\n", get_str(s, "daemon"), (unsigned long long)get_uint(s, "pid"),
	       fmt_seconds((double)get_uint(s, "uptime_ms") / 1000));
	printf("  socket     ");
	put_cstr(stdout, get_str(s, "socket"));
	if (*get_str(s, "state")) {
		printf("\n  state      ");
		put_cstr(stdout, get_str(s, "state"));
	}
	printf("\n  now        %s connections, %s streams, %s ingests\n", fmt_count(get_uint(s, "connections")),
	       fmt_count(get_uint(s, "streams")), fmt_count(get_uint(s, "ingests")));
	printf("  stored     %s datasets, %s versions, %s encodings, %s\n", fmt_count(get_uint(s, "datasets")),
	       fmt_count(get_uint(s, "versions")), fmt_count(get_uint(s, "encodings")),
	       fmt_bytes(get_uint(s, "store_bytes")));
	if (hsfeed_value_get(s, "batches")) // told to the daemon's own user and to root
		printf("  served     %s batches, %s rows\n", fmt_count(get_uint(s, "batches")),
		       fmt_count(get_uint(s, "rows")));
}

int status_main(const struct args *args)
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = hsfeed_status(client, &answer, &error);
	return done(client, rc, answer, &error, status_report);
}

// ---- stop ----

// A pidfd names this very process: a number could be another's by the time the signal is sent.
static int stop_process(int pid, const char *socket_path)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return fail(EXIT_REFUSED, "the daemon at %s (pid %d) cannot be signalled: %s", socket_path, pid,
			    strerror(errno));
	int rc = (int)syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (rc < 0)
		rc = fail(EXIT_REFUSED, "the daemon at %s (pid %d) cannot be signalled: %s", socket_path, pid,
			  strerror(errno));
	else if (poll(&p, 1, STOP_MS) != 1)
		rc = fail(EXIT_REFUSED, "the daemon (pid %d) was told to stop and still runs after %d s", pid,
			  STOP_MS / 1000);
	close(fd);
	return rc;
}

int stop_main(const struct args *args)
{
	hsfeed_client *client;
	int pid, rc = daemon_open(args, &client);
	unsigned uid;
	char path[256];
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s", hsfeed_peer(client, &pid, &uid));
	uint64_t says = get_uint(hsfeed_hello(client), "pid");
	hsfeed_close(client);
	if (uid != geteuid() && geteuid() != 0)
		return fail(EXIT_REFUSED,
			    "the daemon at %s runs as %s; a system's daemon is stopped with: systemctl stop hsfeedd",
			    path, fmt_uid(uid));
	if (says != (uint64_t)pid && pid > 0) // a service manager opened the socket: its process is not ours to end
		return fail(EXIT_REFUSED,
			    "the daemon at %s belongs to a service manager; stop it with: systemctl stop hsfeedd",
			    path);
	if (pid <= 0)
		return fail(EXIT_REFUSED, "the daemon at %s runs where its process cannot be seen from here", path);
	rc = stop_process(pid, path);
	if (rc == 0 && json_asked)
		printf("{\"stopped\":true,\"pid\":%d}\n", pid);
	else if (rc == 0)
		printf("stopped hsfeedd (pid %d)\n", pid);
	return rc;
}

// ---- logs ----

// Where the last n lines begin.
static long last_lines(FILE *in, uint64_t n)
{
	long at = 0;
	if (fseek(in, 0, SEEK_END) != 0 || (at = ftell(in)) <= 0)
		return 0;
	for (uint64_t seen = 0; at > 0; at--) {
		fseek(in, at - 1, SEEK_SET);
		seen += getc(in) == '\n';
		if (seen > n)
			break;
	}
	return at;
}

static int copy_log(FILE *in, const char *path)
{
	char line[8192];
	const char *before = "";
	if (json_asked)
		printf("{\"lines\":[");
	while (fgets(line, sizeof(line), in) && !ferror(stdout)) {
		size_t len = strlen(line);
		bool whole = len && line[len - 1] == '\n';
		if (json_asked) {
			printf("%s", before);
			json_str(stdout, line, whole ? len - 1 : len);
			before = ",";
			continue;
		}
		put_text(stdout, line, whole ? len - 1 : len);
		if (whole)
			putchar('\n');
	}
	if (json_asked)
		printf("]}\n");
	return ferror(in) ? fail(EXIT_REFUSED, "%s: %s", path, strerror(errno)) : EXIT_DONE;
}

// The state folder of the daemon that answers; false when none does, or when it is another user's.
static bool state_of_daemon(const struct args *args, char *ret, size_t bytes)
{
	struct hsfeed_connect_options options = {.size = sizeof(options), .timeout_ms = 5000};
	options.socket = args_text(args, "socket", NULL);
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	bool found = false;
	if (hsfeed_connect(&options, &client, NULL) < 0)
		return false;
	if (hsfeed_status(client, &answer, NULL) == 0 && *get_str(answer, "state"))
		found = snprintf(ret, bytes, "%s", get_str(answer, "state")) < (int)bytes;
	hsfeed_value_free(answer);
	hsfeed_close(client);
	return found;
}

static int find_log(const struct args *args, char *ret, size_t bytes)
{
	char state[4096];
	const char *given = args_text(args, "state", NULL);
	if (given)
		snprintf(state, sizeof(state), "%s", given);
	else if (!state_of_daemon(args, state, sizeof(state)) && hsfeed_state_path(state, sizeof(state)) < 0)
		return fail(EXIT_REFUSED, "no home folder is known; give --state DIR");
	snprintf(ret, bytes, "%s/hsfeedd.log", state);
	return 0;
}

int logs_main(const struct args *args)
{
	char path[4200];
	int rc = find_log(args, path, sizeof(path));
	if (rc)
		return rc;
	FILE *in = fopen(path, "re");
	if (!in)
		return fail(EXIT_REFUSED, "%s: %s (a system's daemon logs to the journal: journalctl -u hsfeedd)", path,
			    strerror(errno));
	if (args_has(args, "lines"))
		fseek(in, last_lines(in, args_number(args, "lines", 0)), SEEK_SET);
	rc = copy_log(in, path);
	fclose(in);
	return rc;
}
