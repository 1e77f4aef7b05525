// SPDX-License-Identifier: Apache-2.0
// The connection: finding, greeting, answers, timeouts, forks, hostile daemons.
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_daemon.h"

static void without_a_daemon_the_error_says_where_it_looked_and_how_to_start_one(void **state)
{
	(void)state;
	struct hsfeed_connect_options options = {.size = sizeof(options), .socket = "/nonexistent/a.sock"};
	struct hsfeed_error error;
	hsfeed_client *client = (hsfeed_client *)&options;
	assert_int_equal(hsfeed_connect(&options, &client, &error), HSFEED_ENODAEMON);
	assert_non_null(strstr(error.message, "/nonexistent/a.sock"));
	assert_non_null(strstr(error.hint, "hsfeed start"));
	assert_string_equal(error.name, "no_daemon");
	assert_ptr_equal(client, &options); // untouched on failure
	unsetenv("HSFEED_SOCKET");
	setenv("XDG_RUNTIME_DIR", "/nonexistent/run", 1);
	setenv("STATE_DIRECTORY", "/nonexistent/state", 1);
	assert_int_equal(hsfeed_connect(NULL, &client, &error), HSFEED_ENODAEMON);
	assert_non_null(strstr(error.message, "/nonexistent/run/hsfeed.sock, /nonexistent/state/hsfeed.sock, "));
	setenv("HSFEED_SOCKET", "/nonexistent/env.sock", 1);
	assert_int_equal(hsfeed_connect(NULL, &client, &error), HSFEED_ENODAEMON);
	assert_non_null(strstr(error.message, "/nonexistent/env.sock"));
	assert_null(strstr(error.message, "run"));
	unsetenv("HSFEED_SOCKET");
	unsetenv("STATE_DIRECTORY");
}

static void a_path_too_long_for_a_socket_is_named(void **state)
{
	(void)state;
	char path[300];
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	struct hsfeed_connect_options options = {.size = sizeof(options), .socket = path};
	struct hsfeed_error error;
	hsfeed_client *client;
	assert_int_equal(hsfeed_connect(&options, &client, &error), -36); // ENAMETOOLONG
	assert_non_null(strstr(error.message, "107"));
}

static void old_protocol(struct fake *f)
{
	fake_expect(f, "hello");
	struct hs_wbuf w = fake_begin_reply(f->seq);
	hs_w_map(&w, 1);
	hs_w_cstr(&w, "protocol");
	hs_w_uint(&w, 7);
	fake_end(f, &w);
	fake_read(f);
}

static void a_daemon_of_another_protocol_version_is_refused(void **state)
{
	(void)state;
	struct fake f = {0};
	fake_start(&f, old_protocol);
	struct hsfeed_connect_options options = {.size = sizeof(options), .socket = f.path};
	struct hsfeed_error error;
	hsfeed_client *client;
	assert_int_equal(hsfeed_connect(&options, &client, &error), HSFEED_EVERSION);
	assert_non_null(strstr(error.message, "7"));
	fake_stop(&f);
}

static void refuses(struct fake *f)
{
	fake_hello(f, true);
	fake_expect(f, "show");
	fake_reply_error(f, f->seq, "not_found", "there is no dataset \"x\"", "see: hsfeed datasets");
	fake_expect(f, "show");
	fake_reply_error(f, f->seq, "of_the_future", "something new", "");
	fake_read(f);
}

static void a_refusal_keeps_its_symbol_sentence_and_hint(void **state)
{
	(void)state;
	struct fake f = {0};
	fake_start(&f, refuses);
	hsfeed_client *client = fake_connect(&f, 0);
	struct hsfeed_error error;
	hsfeed_value *value = NULL;
	assert_int_equal(hsfeed_show(client, "x", &value, &error), HSFEED_ENOTFOUND);
	assert_string_equal(error.message, "there is no dataset \"x\"");
	assert_string_equal(error.hint, "see: hsfeed datasets");
	assert_string_equal(error.name, "not_found");
	assert_null(value);
	assert_int_equal(hsfeed_show(client, "x", &value, &error), HSFEED_EINTERNAL);
	assert_string_equal(error.name, "of_the_future");
	hsfeed_close(client);
	fake_stop(&f);
}

static void answers_late(struct fake *f)
{
	fake_hello(f, true);
	fake_expect(f, "ping");
	uint64_t late = f->seq;
	fake_expect(f, "ping"); // the first was given up
	fake_reply_empty(f, late);
	fake_reply_empty(f, f->seq);
	fake_read(f);
}

static void a_call_given_up_does_not_disturb_the_next_one(void **state)
{
	(void)state;
	struct fake f = {0};
	fake_start(&f, answers_late);
	hsfeed_client *client = fake_connect(&f, 50);
	struct hsfeed_error error;
	assert_int_equal(hsfeed_ping(client, &error), HSFEED_ETIMEOUT);
	assert_non_null(strstr(error.message, "ping"));
	assert_int_equal(hsfeed_call(client, "ping", NULL, 10000, NULL, &error), 0);
	hsfeed_close(client);
	fake_stop(&f);
}

static void opens_late(struct fake *f)
{
	fake_hello(f, true);
	fake_expect(f, "stream.open");
	uint64_t late = f->seq;
	fake_expect(f, "ping");
	struct hs_wbuf w = fake_begin_reply(late);
	hs_w_map(&w, 1);
	hs_w_cstr(&w, "stream");
	hs_w_uint(&w, 9);
	fake_end(f, &w);
	fake_reply_empty(f, f->seq);
	fake_expect(f, "stream.close");
	fake_check(fake_param(f, "stream") == 9);
	fake_read(f);
}

static void a_stream_that_opens_after_the_timeout_is_closed_again(void **state)
{
	(void)state;
	struct fake f = {0};
	fake_start(&f, opens_late);
	hsfeed_client *client = fake_connect(&f, 50);
	struct hsfeed_stream_options options = {.size = sizeof(options), .name = "x", .split = "all"};
	hsfeed_stream *stream;
	assert_int_equal(hsfeed_stream_open(client, &options, &stream, NULL), HSFEED_ETIMEOUT);
	assert_int_equal(hsfeed_call(client, "ping", NULL, 10000, NULL, NULL), 0);
	hsfeed_close(client);
	fake_stop(&f);
}

static void says_bye(struct fake *f)
{
	fake_hello(f, true);
	fake_expect(f, "ping");
	struct hs_wbuf w = fake_begin_notice("bye");
	hs_w_map(&w, 2);
	hs_w_cstr(&w, "code");
	hs_w_cstr(&w, "shutting_down");
	hs_w_cstr(&w, "message");
	hs_w_cstr(&w, "the daemon stops");
	fake_end(f, &w);
}

static void note_notice(void *arg, const char *name, const hsfeed_value *params)
{
	snprintf(arg, 64, "%s:%s", name, hsfeed_value_str(hsfeed_value_get(params, "code"), NULL, "?"));
}

static void a_lost_connection_repeats_the_daemons_parting_words(void **state)
{
	(void)state;
	struct fake f = {0};
	char seen[64] = "";
	fake_start(&f, says_bye);
	struct hsfeed_connect_options options = {.size = sizeof(options), .socket = f.path, .on_notice = note_notice};
	options.arg = seen;
	hsfeed_client *client;
	struct hsfeed_error error;
	assert_int_equal(hsfeed_connect(&options, &client, NULL), 0);
	for (int i = 0; i < 2; i++) { // and again: it is sticky
		assert_int_equal(hsfeed_ping(client, &error), HSFEED_ELOST);
		assert_non_null(strstr(error.message, "the daemon stops"));
	}
	assert_string_equal(seen, "bye:shutting_down");
	assert_int_equal(hsfeed_fd(client), -1);
	hsfeed_close(client);
	fake_stop(&f);
}

static void never_answers(struct fake *f)
{
	fake_hello(f, true);
	fake_expect(f, "ping");
	while (fake_read(f)) // what it is told of the call given up
		continue;
}

static void tells_without_end(struct fake *f)
{
	fake_hello(f, true);
	fake_expect(f, "ping");
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	while (poll(&p, 1, 5) == 0) {
		struct hs_wbuf w = fake_begin_notice("dataset.moved");
		hs_w_map(&w, 0);
		fake_end(f, &w);
	}
	while (fake_read(f))
		continue;
}

static void a_signal_before_a_wait_ends_it_too(void **state)
{
	(void)state;
	for (int talks = 0; talks < 2; talks++) {
		struct fake f = {0};
		int asked = 0;
		fake_start(&f, talks ? tells_without_end : never_answers);
		hsfeed_client *client = fake_connect(&f, 0);
		struct hsfeed_error error;
		fake_interrupt(client, &asked);
		assert_int_equal(hsfeed_ping(client, &error), -EINTR); // nobody signals anything here
		assert_int_equal(asked, 2);
		hsfeed_close(client);
		fake_stop(&f);
	}
}

static void only_hello(struct fake *f)
{
	fake_hello(f, true);
	fake_check(!fake_read(f)); // nothing, not even from the fork, until the parent closes
}

static void a_fork_cannot_use_the_connection_but_can_close_it(void **state)
{
	(void)state;
	struct fake f = {0};
	fake_start(&f, only_hello);
	hsfeed_client *client = fake_connect(&f, 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct hsfeed_error error;
		int rc = hsfeed_ping(client, &error);
		hsfeed_close(client);
		_exit(rc == HSFEED_EFORKED && strcmp(error.name, "forked") == 0 ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	hsfeed_close(client);
	fake_stop(&f);
}

static void an_option_struct_of_an_older_program_is_read_as_far_as_it_goes(void **state)
{
	(void)state;
	struct fake f = {0};
	fake_start(&f, only_hello);
	struct {
		size_t size;
		const char *socket;
		unsigned char beyond[64]; // an older program's stack
	} old = {.size = 2 * sizeof(void *), .socket = f.path};
	memset(old.beyond, 0xAA, sizeof(old.beyond));
	hsfeed_client *client;
	struct hsfeed_error error;
	assert_int_equal(hsfeed_connect((struct hsfeed_connect_options *)(void *)&old, &client, &error), 0);
	hsfeed_close(client);
	fake_stop(&f);
	old.size = 0;
	assert_int_equal(hsfeed_connect((struct hsfeed_connect_options *)(void *)&old, &client, &error),
			 HSFEED_EBADARG);
}

// ---- a hostile daemon ----

static void lies(struct fake *f)
{
	const char *what = f->arg;
	fake_hello(f, true);
	fake_expect(f, "ping");
	struct hs_wbuf w = {0};
	if (strcmp(what, "huge") == 0) {
		fake_send(f, "\xff\xff\xff\xff", 4);
	} else if (strcmp(what, "garbage") == 0) {
		fake_send(f, "\x03\0\0\0\xc1\xc1\xc1", 7);
	} else if (strcmp(what, "empty") == 0) {
		fake_send(f, "\0\0\0\0", 4);
	} else if (strcmp(what, "counts") == 0) { // an array of 4 billion values in 5 bytes
		fake_send(f, "\x05\0\0\0\xdd\xff\xff\xff\xff", 9);
	} else if (strcmp(what, "seq") == 0) {
		fake_reply_empty(f, f->seq + 1);
	} else if (strcmp(what, "error") == 0) {
		w = fake_begin_error(f->seq);
		hs_w_uint(&w, 5);
		hs_w_nil(&w);
		fake_end(f, &w);
	} else {
		w = fake_begin_notice("progress");
		hs_w_uint(&w, 5);
		fake_end(f, &w);
	}
	fake_read(f);
}

static void a_daemon_that_breaks_the_protocol_ends_only_the_connection(void **state)
{
	(void)state;
	const char *const lies_told[] = {"huge", "garbage", "empty", "counts", "seq", "error", "notice"};
	for (size_t i = 0; i < sizeof(lies_told) / sizeof(lies_told[0]); i++) {
		struct fake f = {.arg = (void *)(uintptr_t)lies_told[i]};
		struct hsfeed_error error;
		fake_start(&f, lies);
		hsfeed_client *client = fake_connect(&f, 10000);
		assert_int_equal(hsfeed_ping(client, &error), HSFEED_EBADFRAME);
		assert_int_equal(hsfeed_ping(client, NULL), HSFEED_EBADFRAME);
		hsfeed_close(client);
		fake_stop(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_daemon_the_error_says_where_it_looked_and_how_to_start_one),
		cmocka_unit_test(a_path_too_long_for_a_socket_is_named),
		cmocka_unit_test(a_daemon_of_another_protocol_version_is_refused),
		cmocka_unit_test(a_refusal_keeps_its_symbol_sentence_and_hint),
		cmocka_unit_test(a_call_given_up_does_not_disturb_the_next_one),
		cmocka_unit_test(a_stream_that_opens_after_the_timeout_is_closed_again),
		cmocka_unit_test(a_lost_connection_repeats_the_daemons_parting_words),
		cmocka_unit_test(a_signal_before_a_wait_ends_it_too),
		cmocka_unit_test(a_fork_cannot_use_the_connection_but_can_close_it),
		cmocka_unit_test(an_option_struct_of_an_older_program_is_read_as_far_as_it_goes),
		cmocka_unit_test(a_daemon_that_breaks_the_protocol_ends_only_the_connection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
