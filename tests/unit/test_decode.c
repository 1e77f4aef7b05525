// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decode/decode.h"

struct inner {
	uint64_t n;
	bool flag;
};

struct outer {
	uint64_t number;
	bool yes;
	const char *text;
	struct hs_bytes data;
	int word;
	struct hs_uint_or_enum either;
	struct hs_strs list;
	struct hs_pairs pairs;
	struct hs_uints lengths;
	struct hs_named uints, strs, reals;
	struct hs_uint_or_named per;
	struct inner inner;
	struct hs_maps many;
	double real;
	struct hs_uint_or_f64 size;
};

static const char *const words[] = {"one", "two", NULL};
static const struct hs_field inner_fields[] = {
	{.key = "n", .type = HS_T_UINT, .offset = offsetof(struct inner, n), .required = true, .max = 9, .def = 4},
	{.key = "flag", .type = HS_T_BOOL, .offset = offsetof(struct inner, flag), .def = 1},
};
static const struct hs_schema inner_schema = HS_SCHEMA(struct inner, inner_fields);

#define AT(member) .offset = offsetof(struct outer, member)
static const struct hs_field outer_fields[] = {
	{.key = "number", .type = HS_T_UINT, AT(number), .min = 2, .max = 10, .def = 7},
	{.key = "yes", .type = HS_T_BOOL, AT(yes)},
	{.key = "text", .type = HS_T_STR, AT(text), .min = 1, .max = 5},
	{.key = "data", .type = HS_T_BIN, AT(data), .max = 4},
	{.key = "word", .type = HS_T_ENUM, AT(word), .names = words, .def = HS_UNSET},
	{.key = "either", .type = HS_T_UINT_OR_ENUM, AT(either), .names = words, .min = 1, .max = 8},
	{.key = "list", .type = HS_T_STRS, AT(list), .max = 2},
	{.key = "lengths", .type = HS_T_UINTS, AT(lengths), .min = 2, .max = 512},
	{.key = "pairs", .type = HS_T_PAIRS, AT(pairs), .max = 2},
	{.key = "uints", .type = HS_T_NAMED_UINTS, AT(uints), .max = 2},
	{.key = "strs", .type = HS_T_NAMED_STRS, AT(strs), .max = 2},
	{.key = "reals", .type = HS_T_NAMED_F64S, AT(reals), .max = 2},
	{.key = "per", .type = HS_T_UINT_OR_NAMED, AT(per), .min = 1, .max = 512, .def = 128},
	{.key = "inner", .type = HS_T_MAP, AT(inner), .sub = &inner_schema},
	{.key = "many", .type = HS_T_MAPS, AT(many), .max = 2, .sub = &inner_schema},
	{.key = "real", .type = HS_T_F64, AT(real)},
	{.key = "size", .type = HS_T_UINT_OR_F64, AT(size), .max = 9},
};
#undef AT
static const struct hs_schema outer_schema = HS_SCHEMA(struct outer, outer_fields);

// A request (or notice) `m` whose parameters are one encoded map; decoded into *ret.
struct fixture {
	struct hs_message m;
	struct hs_wbuf w;
	struct hs_fault fault;
	struct outer out;
};

static int decode(struct fixture *f, int kind, const char *map, size_t len)
{
	const char *wrong = NULL;
	hs_w_reset(&f->w);
	hs_w_array(&f->w, kind == HS_WIRE_REQUEST ? 4 : 3);
	hs_w_uint(&f->w, (uint64_t)kind);
	if (kind == HS_WIRE_REQUEST)
		hs_w_uint(&f->w, 7);
	hs_w_cstr(&f->w, "m");
	hs_w_raw(&f->w, map, len);
	assert_int_equal(hs_message_open(&f->m, f->w.data, f->w.len, &wrong), 0);
	return hs_message_decode(&f->m, &outer_schema, &f->out, &f->fault);
}

#define REQUEST(f, map) decode((f), HS_WIRE_REQUEST, map, sizeof(map) - 1)
#define NOTICE(f, map)  decode((f), HS_WIRE_NOTICE, map, sizeof(map) - 1)

static int setup(void **state)
{
	static struct fixture f;
	memset(&f, 0, sizeof(f));
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	hs_message_close(&f->m);
	hs_w_fini(&f->w);
	return 0;
}

static void what_is_left_out_or_nil_has_its_default(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(REQUEST(f, "\x81\xa6number\xc0"), 0);
	assert_int_equal(f->out.number, 7);
	assert_null(f->out.text);
	assert_int_equal(f->out.word, -1);
	assert_int_equal(f->out.per.u, 128);
	assert_int_equal(f->out.inner.n, 4);
	assert_true(f->out.inner.flag);
	assert_true(isnan(f->out.real));
	assert_int_equal(f->out.size.given, HS_NUMBER_UNSET);
}

static void floats_are_read_and_whole_numbers_where_either_may_stand(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(REQUEST(f, "\x82\xa4real\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\xa4size\xca\x3e\x80\x00\x00"), 0);
	assert_true(f->out.real == 0.5 && f->out.size.given == HS_NUMBER_F64 && f->out.size.f == 0.25);
	assert_int_equal(REQUEST(f, "\x82\xa4real\xff\xa4size\x09"), 0);
	assert_true(f->out.real == -1 && f->out.size.given == HS_NUMBER_UINT && f->out.size.u == 9);
}

static void an_array_of_whole_numbers_is_bounded_and_known_from_none(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(REQUEST(f, "\x80"), 0);
	assert_null(f->out.lengths.items);
	assert_int_equal(REQUEST(f, "\x81\xa7lengths\x90"), 0);
	assert_non_null(f->out.lengths.items);
	assert_int_equal(f->out.lengths.n, 0);
	assert_int_equal(REQUEST(f, "\x81\xa7lengths\x93\x02\x40\xcd\x02\x00"), 0);
	assert_int_equal(f->out.lengths.n, 3);
	assert_int_equal(f->out.lengths.items[0], 2);
	assert_int_equal(f->out.lengths.items[2], 512);
}

static void a_map_of_names_to_numbers_takes_floats_and_whole_numbers_and_no_others(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(REQUEST(f, "\x81\xa5reals\x82\xa1x\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\xa1y\x05"), 0);
	assert_int_equal(f->out.reals.n, 2);
	assert_string_equal(f->out.reals.items[1].name, "y");
	assert_true(f->out.reals.items[0].f == 0.5 && f->out.reals.items[1].f == 5);
	static const struct {
		const char *map;
		size_t len;
	} wrong[] = {
#define MAP(text) {text, sizeof(text) - 1}
		MAP("\x81\xa5reals\x81\xa1x\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), // not a number
		MAP("\x81\xa5reals\x81\xa1x\xca\x7f\x80\x00\x00"),                 // infinite
		MAP("\x81\xa5reals\x81\xa1x\xa1y"),
		MAP("\x81\xa5reals\x81\xa1x\xc0"),
		MAP("\x81\xa5reals\x91\x05"),
		MAP("\x81\xa5reals\x81\xa2x\x00\x05"), // a NUL in a name
		MAP("\x81\xa5reals\x83\xa1x\x01\xa1y\x02\xa1z\x03"),
#undef MAP
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(decode(f, HS_WIRE_REQUEST, wrong[i].map, wrong[i].len), HSFEED_EBADREQUEST);
		assert_non_null(strstr(f->fault.message, "\"reals\""));
	}
}

static void every_type_is_read_into_its_member(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(REQUEST(f, "\x8c\xa6number\x0a\xa3yes\xc3\xa4text\xa3"
				    "abc\xa4"
				    "data\xc4\x02\x00\xff\xa4word\xa3two"
				    "\xa6"
				    "either\x05\xa4list\x92\xa1x\xa1y\xa5pairs\x91\x92\x03\xcd\x01\x00"
				    "\xa5uints\x81\xa1"
				    "a\xce\x00\x01\x00\x00\xa4strs\x81\xa1k\xa1v\xa3per\x81\xa1r\x40"
				    "\xa4many\x92\x81\xa1n\x01\x82\xa1n\x02\xa4"
				    "flag\xc2"),
			 0);
	assert_int_equal(f->out.number, 10);
	assert_true(f->out.yes);
	assert_string_equal(f->out.text, "abc");
	assert_int_equal(f->out.data.len, 2);
	assert_int_equal(f->out.data.ptr[1], 0xff);
	assert_int_equal(f->out.word, 1);
	assert_int_equal(f->out.either.e, -1);
	assert_int_equal(f->out.either.u, 5);
	assert_string_equal(f->out.list.items[1], "y");
	assert_int_equal(f->out.pairs.items[0][1], 256);
	assert_int_equal(f->out.uints.items[0].u, 65536);
	assert_string_equal(f->out.strs.items[0].s, "v");
	assert_int_equal(f->out.per.named.n, 1);
	assert_int_equal(f->out.per.named.items[0].u, 64);
	const struct inner *many = f->out.many.items;
	assert_int_equal(f->out.many.n, 2);
	assert_true(many[0].flag);
	assert_int_equal(many[1].n, 2);
	assert_false(many[1].flag);
}

static void an_unknown_key_is_named_in_a_request_and_ignored_in_a_notice(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(REQUEST(f, "\x81\xa4numb\x03"), HSFEED_EBADREQUEST);
	assert_non_null(strstr(f->fault.message, "\"numb\" is not known"));
	assert_non_null(strstr(f->fault.hint, "number, yes, text"));
	assert_int_equal(NOTICE(f, "\x81\xa4numb\x03"), 0);
}

static void a_fault_names_the_whole_path_of_its_key(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(REQUEST(f, "\x81\xa4many\x92\x81\xa1n\x01\x80"), HSFEED_EBADREQUEST);
	assert_string_equal(f->fault.message, "m: the key \"many[1].n\" is missing");
	assert_int_equal(REQUEST(f, "\x81\xa5inner\x82\xa1n\x01\xa4"
				    "flag\x01"),
			 HSFEED_EBADREQUEST);
	assert_string_equal(f->fault.message, "m: the key \"inner.flag\" must be a bool, not a whole number");
	assert_int_equal(REQUEST(f, "\x81\xa4many\x91\x82\xa1n\x01\xa1x\x01"), HSFEED_EBADREQUEST);
	assert_string_equal(f->fault.message, "m: the key \"many[0].x\" is not known");
}

// Each value is one step beyond what its key takes.
static void a_value_of_the_wrong_type_or_range_is_refused(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *map;
		size_t len;
	} wrong[] = {
#define MAP(text) {text, sizeof(text) - 1}
		MAP("\x81\xa6number\x01"),
		MAP("\x81\xa6number\x0b"),
		MAP("\x81\xa6number\xff"),
		MAP("\x81\xa6number\xcb\x40\x08\x00\x00\x00\x00\x00\x00"),
		MAP("\x81\xa6number\xc3"),
		MAP("\x81\xa3yes\x01"),
		MAP("\x81\xa4text\xa0"),
		MAP("\x81\xa4text\xa6"
		    "abcdef"),
		MAP("\x81\xa4text\xc4\x01"
		    "a"),
		MAP("\x81\xa4text\xa3"
		    "a\0b"),
		MAP("\x81\xa4"
		    "data\xa1"
		    "a"),
		MAP("\x81\xa4"
		    "data\xc4\x05"
		    "aaaaa"),
		MAP("\x81\xa7lengths\x01"),
		MAP("\x81\xa7lengths\x91\x01"),
		MAP("\x81\xa7lengths\x92\x02\xcd\x02\x01"),
		MAP("\x81\xa7lengths\x91\xff"),
		MAP("\x81\xa7lengths\x91\xa1x"),
		MAP("\x81\xa4word\xa5three"),
		MAP("\x81\xa4word\xa2on"),
		MAP("\x81\xa6"
		    "either\xa4nine"),
		MAP("\x81\xa6"
		    "either\x09"),
		MAP("\x81\xa4list\x93\xa1"
		    "a\xa1"
		    "b\xa1"
		    "c"),
		MAP("\x81\xa4list\x91\xa0"),
		MAP("\x81\xa4list\x91\x01"),
		MAP("\x81\xa4list\xa1"
		    "a"),
		MAP("\x81\xa5pairs\x91\x91\x01"),
		MAP("\x81\xa5pairs\x91\x92\x01\xff"),
		MAP("\x81\xa5uints\x81\xa1"
		    "a\xa1"
		    "b"),
		MAP("\x81\xa5uints\x83\xa1"
		    "a\x01\xa1"
		    "b\x01\xa1"
		    "c\x01"),
		MAP("\x81\xa4strs\x81\xa1"
		    "a\x01"),
		MAP("\x81\xa3per\x81\xa1"
		    "a\x00"),
		MAP("\x81\xa3per\x00"),
		MAP("\x81\xa5inner\x90"),
		MAP("\x81\xa5inner\x80"),
		MAP("\x81\xa4many\x91\x01"),
		MAP("\x81\xa4real\xa1x"),
		MAP("\x81\xa4real\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), // infinity
		MAP("\x81\xa4size\x0a"),
		MAP("\x81\xa4size\xff"),
		MAP("\x81\xa4size\xca\x7f\xc0\x00\x00"), // NaN
#undef MAP
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(decode(f, HS_WIRE_REQUEST, wrong[i].map, wrong[i].len), HSFEED_EBADREQUEST);
		assert_true(f->fault.message[0] != '\0');
	}
}

static void a_hostile_key_reaches_no_terminal(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(REQUEST(f, "\x81\xa5\x1b[2Jx\x01"), HSFEED_EBADREQUEST);
	assert_null(strchr(f->fault.message, '\x1b'));
	assert_non_null(strstr(f->fault.message, "?[2Jx"));
}

static void only_requests_and_notices_are_messages(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *frame;
		size_t len;
	} bad[] = {
#define FRAME(text) {text, sizeof(text) - 1}
		FRAME(""),
		FRAME("\x80"),
		FRAME("\x90"),
		FRAME("\x94\x01\x01\xc0\xc0"),
		FRAME("\x93\x00\x01\xa1m"),
		FRAME("\x94\x00\xff\xa1m\x80"),
		FRAME("\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa1m\x80"),
		FRAME("\x94\x00\x01\xc4\x01m\x80"),
		FRAME("\x94\x00\x01\xa1m\x90"),
		FRAME("\x93\x02\x01\x80"),
		FRAME("\x94\x02\xa1m\x80\xc0"),
		FRAME("\x94\x03\x01\xa1m\x80"),
		FRAME("\x94\xa1"
		      "0\x01\xa1m\x80"),
#undef FRAME
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *wrong = NULL;
		assert_int_equal(hs_message_open(&f->m, bad[i].frame, bad[i].len, &wrong), HSFEED_EBADFRAME);
		assert_non_null(wrong);
	}
}

static void the_parameters_are_also_there_as_they_came(void **state)
{
	struct fixture *f = *state;
	struct hs_rbuf value;
	assert_int_equal(REQUEST(f, "\x81\xa5inner\x81\xa1n\x03"), 0);
	assert_true(hs_r_find(f->m.params, "inner", &value));
	assert_memory_equal(value.p, "\x81\xa1n\x03", 4);
	assert_ptr_equal(value.p + 4, f->m.params.end);
	assert_int_equal(NOTICE(f, "\x81\xa5inner\x81\xa1n\x03"), 0);
	assert_true(hs_r_find(f->m.params, "inner", &value));
}

static int decode_map(struct fixture *f, const char *map, size_t len)
{
	const struct hs_rbuf r = {(const uint8_t *)map, (const uint8_t *)map + len};
	return hs_message_decode_map(&f->m, r, &outer_schema, &f->out, &f->fault);
}

static void a_map_that_was_kept_is_read_as_the_parameters_are(void **state)
{
	struct fixture *f = *state;
	char bytes[] = "\x82\xa4text\xa2hi\xa4list\x91\xa1z";
	assert_int_equal(REQUEST(f, "\x81\xa6number\x0a"), 0);
	assert_int_equal(decode_map(f, bytes, sizeof(bytes) - 1), 0);
	memset(bytes, 0xc1, sizeof(bytes)); // what was read does not need them any more
	assert_string_equal(f->out.text, "hi");
	assert_int_equal(f->out.list.n, 1);
	assert_string_equal(f->out.list.items[0], "z");
	assert_int_equal(f->out.number, 7);
	assert_int_equal(decode_map(f, "\x81\xa3newer\x01", 7), HSFEED_EBADREQUEST);
	assert_int_equal(decode_map(f, "\x81\xa5newer\x01", 8), HSFEED_EBADREQUEST);
	assert_non_null(strstr(f->fault.message, "\"newer\" is not known"));
	static const struct {
		const char *ptr;
		size_t len;
	} damaged[] = {{"", 0}, {"\x81", 1}, {"\xc1", 1}, {"\x80\x80", 2}, {"\x90", 1}};
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		assert_int_equal(decode_map(f, damaged[i].ptr, damaged[i].len), HSFEED_EBADREQUEST);
		assert_non_null(strstr(f->fault.message, "damaged"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(what_is_left_out_or_nil_has_its_default),
		TEST(floats_are_read_and_whole_numbers_where_either_may_stand),
		TEST(an_array_of_whole_numbers_is_bounded_and_known_from_none),
		TEST(a_map_of_names_to_numbers_takes_floats_and_whole_numbers_and_no_others),
		TEST(every_type_is_read_into_its_member),
		TEST(an_unknown_key_is_named_in_a_request_and_ignored_in_a_notice),
		TEST(a_fault_names_the_whole_path_of_its_key),
		TEST(a_value_of_the_wrong_type_or_range_is_refused),
		TEST(a_hostile_key_reaches_no_terminal),
		TEST(only_requests_and_notices_are_messages),
		TEST(the_parameters_are_also_there_as_they_came),
		TEST(a_map_that_was_kept_is_read_as_the_parameters_are),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
