// SPDX-License-Identifier: Apache-2.0
// Values, parameters, errors: what needs no stream.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_daemon.h"

// Answers the request "echo" with its own parameters.
static void echo(struct fake *f)
{
	fake_hello(f, true);
	while (fake_read(f)) {
		struct hs_wbuf w = fake_begin_reply(f->seq);
		hs_w_raw(&w, f->params.p, (size_t)(f->params.end - f->params.p));
		fake_end(f, &w);
	}
}

static hsfeed_value *echoed(hsfeed_client *client, hsfeed_params *params)
{
	hsfeed_value *value = NULL;
	struct hsfeed_error error = {0};
	if (hsfeed_call(client, "echo", params, 0, &value, &error) < 0)
		print_message("%s\n", error.message);
	hsfeed_params_destroy(params);
	assert_non_null(value);
	return value;
}

static void every_type_comes_back_as_it_was_sent(void **state)
{
	(void)state;
	struct fake f = {0};
	fake_start(&f, echo);
	hsfeed_client *client = fake_connect(&f, 0);
	hsfeed_params *p = hsfeed_params_create();
	hsfeed_params_str(p, "text", "বাংলা");
	hsfeed_params_str(p, "absent", NULL);
	hsfeed_params_uint(p, "big", UINT64_MAX);
	hsfeed_params_int(p, "negative", INT64_MIN);
	hsfeed_params_f64(p, "half", 0.5);
	hsfeed_params_bool(p, "yes", 1);
	hsfeed_params_bin(p, "bytes", "a\0b", 3);
	hsfeed_params_array(p, "list");
	for (int i = 0; i < 100; i++)
		hsfeed_params_uint(p, NULL, (uint64_t)i);
	hsfeed_params_end(p);
	hsfeed_params_map(p, "map");
	hsfeed_params_str(p, "last", "text");
	hsfeed_params_end(p);
	hsfeed_value *v = echoed(client, p);
	size_t len = 0;
	assert_string_equal(hsfeed_value_str(hsfeed_value_get(v, "text"), &len, ""), "বাংলা");
	assert_int_equal(len, strlen("বাংলা"));
	assert_null(hsfeed_value_get(v, "absent"));
	assert_true(hsfeed_value_uint(hsfeed_value_get(v, "big"), 0) == UINT64_MAX);
	assert_true(hsfeed_value_int(hsfeed_value_get(v, "negative"), 0) == INT64_MIN);
	assert_true(hsfeed_value_f64(hsfeed_value_get(v, "half"), 0) == 0.5);
	assert_int_equal(hsfeed_value_bool(hsfeed_value_get(v, "yes"), 0), 1);
	assert_memory_equal(hsfeed_value_bin(hsfeed_value_get(v, "bytes"), &len), "a\0b", 3);
	assert_int_equal(len, 3);
	assert_int_equal(hsfeed_value_len(hsfeed_value_get(v, "list")), 100);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(hsfeed_value_uint(hsfeed_value_at(hsfeed_value_get(v, "list"), i), 999), i);
	assert_string_equal(hsfeed_value_key(v, 0), "text");
	assert_string_equal(hsfeed_value_str(hsfeed_value_get(hsfeed_value_get(v, "map"), "last"), NULL, ""), "text");
	hsfeed_value_free(v);
	hsfeed_close(client);
	fake_stop(&f);
}

static void accessors_give_the_fallback_for_what_is_not_there(void **state)
{
	(void)state;
	struct fake f = {0};
	fake_start(&f, echo);
	hsfeed_client *client = fake_connect(&f, 0);
	hsfeed_params *p = hsfeed_params_create();
	hsfeed_params_str(p, "text", "x");
	hsfeed_params_int(p, "negative", -1);
	hsfeed_params_uint(p, "big", UINT64_MAX);
	hsfeed_value *v = echoed(client, p);
	const hsfeed_value *text = hsfeed_value_get(v, "text");
	assert_null(hsfeed_value_get(text, "key"));
	assert_null(hsfeed_value_get(NULL, "key"));
	assert_null(hsfeed_value_at(v, 3));
	assert_null(hsfeed_value_at(text, 0));
	assert_null(hsfeed_value_key(text, 0));
	assert_int_equal(hsfeed_value_uint(text, 7), 7);
	assert_int_equal(hsfeed_value_uint(hsfeed_value_get(v, "negative"), 7), 7);
	assert_int_equal(hsfeed_value_int(hsfeed_value_get(v, "big"), -7), -7);
	assert_null(hsfeed_value_bin(text, NULL));
	assert_string_equal(hsfeed_value_str(NULL, NULL, "none"), "none");
	assert_int_equal(hsfeed_value_type(NULL), HSFEED_NIL);
	hsfeed_value_free(v);
	hsfeed_value_free(NULL);
	hsfeed_close(client);
	fake_stop(&f);
}

static void assert_refused(hsfeed_client *client, hsfeed_params *p)
{
	struct hsfeed_error error;
	assert_int_equal(hsfeed_call(client, "echo", p, 0, NULL, &error), HSFEED_EBADARG);
	assert_non_null(strstr(error.message, "echo"));
	hsfeed_params_destroy(p);
}

static void parameters_that_cannot_be_sent_are_refused_before_they_are(void **state)
{
	(void)state;
	struct fake f = {0};
	fake_start(&f, echo);
	hsfeed_client *client = fake_connect(&f, 0);
	hsfeed_params *p = hsfeed_params_create();
	hsfeed_params_str(p, "text", "\xff\xfe"); // not UTF-8
	assert_refused(client, p);
	p = hsfeed_params_create();
	hsfeed_params_str(p, NULL, "no key");
	assert_refused(client, p);
	p = hsfeed_params_create();
	hsfeed_params_array(p, "never closed");
	assert_refused(client, p);
	p = hsfeed_params_create();
	hsfeed_params_end(p);
	assert_refused(client, p);
	p = hsfeed_params_create();
	hsfeed_params_uint(p, "twice", 1);
	hsfeed_params_uint(p, "twice", 2);
	assert_refused(client, p);
	p = hsfeed_params_create();
	for (int i = 0; i < 8; i++)
		hsfeed_params_map(p, "deep");
	assert_refused(client, p);
	hsfeed_value_free(echoed(client, hsfeed_params_create())); // the connection is as good as before
	hsfeed_close(client);
	fake_stop(&f);
}

static void a_request_larger_than_the_daemon_takes_is_not_sent(void **state)
{
	(void)state;
	struct fake f = {0};
	fake_start(&f, echo);
	hsfeed_client *client = fake_connect(&f, 0);
	struct hsfeed_error error;
	char *big = calloc(1, HS_WIRE_MAX_REQUEST);
	hsfeed_params *p = hsfeed_params_create();
	hsfeed_params_bin(p, "data", big, HS_WIRE_MAX_REQUEST);
	assert_int_equal(hsfeed_call(client, "echo", p, 0, NULL, &error), HSFEED_ELIMIT);
	hsfeed_params_destroy(p);
	free(big);
	hsfeed_value_free(echoed(client, hsfeed_params_create()));
	hsfeed_close(client);
	fake_stop(&f);
}

static void every_error_has_its_symbol_and_its_sentence(void **state)
{
	(void)state;
#define CHECK(sym, name, value, text)                                                                                  \
	assert_string_equal(hsfeed_error_name(HSFEED_##sym), name);                                                    \
	assert_string_equal(hsfeed_strerror(HSFEED_##sym), text);
	HSFEED_ERRORS(CHECK)
#undef CHECK
	assert_string_equal(hsfeed_error_name(-12), "out_of_memory");
	assert_string_equal(hsfeed_error_name(-28), "no_space");
	assert_string_equal(hsfeed_error_name(-5), "io_error");
	assert_string_equal(hsfeed_strerror(-2), "No such file or directory");
	assert_non_null(hsfeed_strerror(-99999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_comes_back_as_it_was_sent),
		cmocka_unit_test(accessors_give_the_fallback_for_what_is_not_there),
		cmocka_unit_test(parameters_that_cannot_be_sent_are_refused_before_they_are),
		cmocka_unit_test(a_request_larger_than_the_daemon_takes_is_not_sent),
		cmocka_unit_test(every_error_has_its_symbol_and_its_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
