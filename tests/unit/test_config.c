// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/config.h"
#include "app/notify.h"
#include "app/paths.h"
#include "base/buf.h"

static char path[64];
static struct hs_buf problems;

static void say(const char *text)
{
	assert_int_equal(hs_buf_printf(&problems, "%s\n", text), 0);
}

static int read_bytes(const char *text, size_t len, struct hs_config *c, struct hs_err *err)
{
	strcpy(path, "/tmp/hsfeed-config-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
	hs_config_init(c);
	hs_buf_fini(&problems);
	int rc = hs_config_read(c, path, say, err);
	unlink(path);
	return rc;
}

static int read_text(const char *text, struct hs_config *c, struct hs_err *err)
{
	return read_bytes(text, strlen(text), c, err);
}

static void every_value_has_a_default(void **state)
{
	struct hs_config c;
	(void)state;
	hs_config_init(&c);
	assert_int_equal(c.limits.handles, 32);
	assert_int_equal(c.limits.hello_ms, 5000);
	assert_int_equal(c.limits.queue_bytes, 4 << 20);
	assert_int_equal(c.search_duplicates, 1);
	assert_null(c.state);
	hs_config_fini(&c);
}

static void a_file_sets_keys_with_units(void **state)
{
	struct hs_config c;
	struct hs_err err = {0};
	(void)state;
	assert_int_equal(read_text("; a comment\n[daemon]\nstate = /srv/x\nsocket_mode = 0660 ; why\nlog_level=debug\n"
				   "search_duplicates = no\n\n"
				   "[limits]\nqueue_bytes = 16M\nhello_ms = 3s\nstall_ms = 1500ms\nslots=9",
				   &c, &err),
			 0);
	assert_string_equal(c.state, "/srv/x");
	assert_int_equal(c.socket_mode, 0660);
	assert_int_equal(c.log_level, 3);
	assert_int_equal(c.search_duplicates, 0);
	assert_int_equal(c.limits.queue_bytes, 16 << 20);
	assert_int_equal(c.limits.hello_ms, 3000);
	assert_int_equal(c.limits.stall_ms, 1500);
	assert_int_equal(c.limits.slots, 9);
	hs_config_fini(&c);
}

static void each_problem_is_told_with_file_line_and_key(void **state)
{
	struct hs_config c;
	struct hs_err err = {0};
	char want[2048];
	(void)state;
	assert_int_equal(
		read_text("[daemon]\nstate = relative\nnonsense = 1\nslots = 1\n[limits]\nslots = 0\nslots = 1K\n"
			  "streams = -1\nstreams = 99999999999999999999\nhello_ms = 5 s\nhandles = 4\nhandles = 5\n"
			  "[daemon]\nsearch_duplicates = true\nlog_level = loud\n",
			  &c, &err),
		HSFEED_EBADCONFIG);
	snprintf(want, sizeof(want),
		 "%1$s:2: state: must be an absolute path, not \"relative\"\n"
		 "%1$s:3: nonsense: there is no such key (hsfeedd.conf(5) lists them)\n"
		 "%1$s:4: slots: belongs under [limits], not under [daemon]\n"
		 "%1$s:6: slots: must be from 1 to 1024\n"
		 "%1$s:7: slots: must be a number, not \"1K\"\n"
		 "%1$s:8: streams: must be a number, not \"-1\"\n"
		 "%1$s:9: streams: must be a number, not \"99999999999999999999\"\n"
		 "%1$s:10: hello_ms: must be a number (ms or s may follow), not \"5 s\"\n"
		 "%1$s:12: handles: is set twice\n"
		 "%1$s:14: search_duplicates: must be yes or no, not \"true\"\n"
		 "%1$s:15: log_level: must be error, warning, info or debug, not \"loud\"\n",
		 path);
	assert_int_equal(hs_buf_append(&problems, "", 1), 0);
	assert_string_equal((const char *)problems.data, want);
	assert_non_null(strstr(err.message, ":2: state"));
	hs_config_fini(&c);
}

static void a_line_that_is_nothing_is_a_problem(void **state)
{
	struct hs_config c;
	struct hs_err err = {0};
	(void)state;
	assert_int_equal(read_text("[limits]\njust words\n", &c, &err), HSFEED_EBADCONFIG);
	assert_non_null(strstr(err.message, ":2: neither"));
	hs_config_fini(&c);
	assert_int_equal(read_text("[limit]\n[limits]\nslots = 0\njust words\n", &c, &err), HSFEED_EBADCONFIG);
	assert_int_equal(hs_buf_append(&problems, "", 1), 0);
	assert_non_null(strstr((const char *)problems.data, ":1: [limit]: there is no such section"));
	assert_non_null(strstr((const char *)problems.data, ":3: slots"));
	assert_non_null(strstr((const char *)problems.data, ":4: neither"));
	hs_config_fini(&c);
	assert_int_equal(hs_config_read(&c, "/nonexistent/hsfeedd.conf", NULL, &err), HSFEED_EBADCONFIG);
	assert_non_null(strstr(err.message, "cannot be read"));
}

static void gather(void *arg, const char *text)
{
	hs_buf_printf(arg, "%s\n", text);
}

static void the_shipped_file_is_what_the_table_prints(void **state)
{
	struct hs_buf text = {0};
	char *file = calloc(1, 65536);
	(void)state;
	hs_config_print(gather, &text);
	FILE *f = fopen(HSFEED_SOURCE_DIR "/config/hsfeedd.conf", "r");
	assert_non_null(f);
	size_t n = fread(file, 1, 65535, f);
	fclose(f);
	assert_int_equal(n, text.len);
	assert_memory_equal(file, text.data, n);
	free(file);
	hs_buf_fini(&text);
}

// Its commented-out defaults, taken literally, are valid: the units and words it shows can be used.
static void the_defaults_can_be_uncommented(void **state)
{
	struct hs_buf text = {0};
	struct hs_config c;
	struct hs_err err = {0};
	(void)state;
	hs_config_print(gather, &text);
	assert_int_equal(hs_buf_append(&text, "", 1), 0);
	char *out = calloc(1, text.len), *save = NULL;
	for (char *line = strtok_r((char *)text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		bool path_key = strncmp(line, "#state =", 8) == 0 || strncmp(line, "#socket =", 9) == 0;
		bool key = line[0] == '#' && line[1] != ' ' && !path_key;
		if (key || line[0] == '[')
			sprintf(out + strlen(out), "%s\n", line + (line[0] == '#'));
	}
	assert_non_null(strstr(out, "upload_bytes"));
	assert_int_equal(read_text(out, &c, &err), 0);
	struct hs_config fresh;
	hs_config_init(&fresh);
	assert_memory_equal(&c, &fresh, sizeof(c));
	free(out);
	hs_buf_fini(&text);
}

static void the_state_folder_follows_the_environment(void **state)
{
	char text[512];
	(void)state;
	unsetenv("STATE_DIRECTORY");
	setenv("XDG_STATE_HOME", "/x", 1);
	assert_int_equal(hs_default_state(text, sizeof(text)), 0);
	assert_string_equal(text, geteuid() == 0 ? "/var/lib/hsfeed" : "/x/hsfeed");
	setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two", 1);
	assert_int_equal(hs_default_state(text, sizeof(text)), 0);
	assert_string_equal(text, "/var/lib/one");
	unsetenv("STATE_DIRECTORY");
}

static void the_configuration_is_the_service_managers_or_roots(void **state)
{
	char text[512];
	(void)state;
	setenv("CONFIGURATION_DIRECTORY", "/etc/hsfeed:/etc/other", 1);
	assert_int_equal(hs_default_config(text, sizeof(text)), 0);
	assert_string_equal(text, "/etc/hsfeed/hsfeedd.conf");
	unsetenv("CONFIGURATION_DIRECTORY");
	assert_int_equal(hs_default_config(text, sizeof(text)), geteuid() == 0 ? 0 : -ENOENT);
}

static void the_socket_is_looked_for_in_order(void **state)
{
	char texts[HS_MAX_SOCKETS][512];
	const char *sockets[HS_MAX_SOCKETS + 1];
	(void)state;
	unsetenv("HSFEED_SOCKET");
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	setenv("STATE_DIRECTORY", "/s", 1);
	hs_default_sockets(sockets, texts);
	assert_string_equal(sockets[0], "/run/user/1/hsfeed.sock");
	assert_string_equal(sockets[1], "/s/hsfeed.sock");
	assert_string_equal(sockets[2], "/run/hsfeed/hsfeed.sock");
	assert_null(sockets[3]);
	setenv("HSFEED_SOCKET", "/here.sock", 1);
	hs_default_sockets(sockets, texts);
	assert_string_equal(sockets[0], "/here.sock");
	assert_null(sockets[1]);
	unsetenv("HSFEED_SOCKET");
	unsetenv("STATE_DIRECTORY");
}

static void descriptors_and_watchdog_are_taken_only_when_meant_for_this_process(void **state)
{
	char pid[32];
	(void)state;
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", "1", 1);
	assert_int_equal(hs_notify_listen_fd(), -1);
	setenv("LISTEN_PID", pid, 1);
	assert_int_equal(hs_notify_listen_fd(), 3);
	setenv("LISTEN_FDS", "2", 1);
	assert_int_equal(hs_notify_listen_fd(), -2);
	setenv("WATCHDOG_USEC", "2000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(hs_notify_watchdog_ms(), 0);
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(hs_notify_watchdog_ms(), 1000);
}

static void a_nul_byte_does_not_hide_the_rest_of_the_file(void **state)
{
	static const char text[] = "[limits]\nslots = 9\0\nno_such_key = 1\n";
	struct hs_config c;
	struct hs_err err = {0};
	(void)state;
	assert_int_equal(read_bytes(text, sizeof(text) - 1, &c, &err), HSFEED_EBADCONFIG);
	assert_non_null(strstr(err.message, "NUL byte"));
	assert_non_null(strstr((const char *)problems.data, "NUL byte"));
	hs_config_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_has_a_default),
		cmocka_unit_test(a_nul_byte_does_not_hide_the_rest_of_the_file),
		cmocka_unit_test(a_file_sets_keys_with_units),
		cmocka_unit_test(each_problem_is_told_with_file_line_and_key),
		cmocka_unit_test(a_line_that_is_nothing_is_a_problem),
		cmocka_unit_test(the_shipped_file_is_what_the_table_prints),
		cmocka_unit_test(the_defaults_can_be_uncommented),
		cmocka_unit_test(the_state_folder_follows_the_environment),
		cmocka_unit_test(the_configuration_is_the_service_managers_or_roots),
		cmocka_unit_test(the_socket_is_looked_for_in_order),
		cmocka_unit_test(descriptors_and_watchdog_are_taken_only_when_meant_for_this_process),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	hs_buf_fini(&problems);
	return rc;
}
