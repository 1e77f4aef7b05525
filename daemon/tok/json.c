// SPDX-License-Identifier: Apache-2.0
#include "tok/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static int refuse(const struct hs_json_place *place, int code, const char *fmt,
							va_list ap)
{
	char text[768];
	vsnprintf(text, sizeof(text), fmt, ap);
	return hs_err_set(place->reterr, code, "%s: %s: %s", place->name, place->file, text);
}

int hs_json_bad(const struct hs_json_place *place, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int rc = refuse(place, HSFEED_EBADTOKENIZER, fmt, ap);
	va_end(ap);
	return rc;
}

int hs_json_unsupported(const struct hs_json_place *place, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int rc = refuse(place, HSFEED_EUNSUPPORTED, fmt, ap);
	va_end(ap);
	return rc;
}

struct hs_json_shown hs_json_shown(const char *text)
{
	struct hs_json_shown shown;
	snprintf(shown.text, sizeof(shown.text), "%s", text);
	for (char *p = shown.text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7F)
			*p = '?';
	size_t len = strlen(shown.text); // a cut may have split a character
	if (len == sizeof(shown.text) - 1)
		while (len > 0 && ((unsigned char)shown.text[len - 1] & 0x80))
			shown.text[--len] = '\0';
	return shown;
}

// model_max_length is often 1e30 written out in full, which only a real can hold; reals are exact up to 2^53, more than
// any id. The big vocabulary files are read with integers, which is faster.
static json_t *parse_once(struct hs_span bytes, json_error_t *error)
{
	json_t *root = json_loadb(bytes.ptr, bytes.len, JSON_REJECT_DUPLICATES, error);
	if (!root && json_error_code(error) == json_error_numeric_overflow)
		root = json_loadb(bytes.ptr, bytes.len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, error);
	return root;
}

// Jansson reports most failed allocations as an invalid token. A second try tells them apart: what is wrong with the
// bytes is wrong again at the same place.
static json_t *parse(struct hs_span bytes, json_error_t *error)
{
	json_error_t again;
	json_t *root = parse_once(bytes, error);
	if (root || error->text[0] == '\0')
		return root;
	root = parse_once(bytes, &again);
	if (!root && (again.position != error->position || strcmp(again.text, error->text) != 0))
		error->text[0] = '\0';
	return root;
}

int hs_json_parse(const struct hs_json_place *place, struct hs_span bytes, json_t **ret)
{
	json_error_t error = {.text = ""};
	if (bytes.len == 0)
		return hs_json_bad(place, "the file is empty");
	json_t *root = parse(bytes, &error);
	if (!root && error.text[0] == '\0')
		return hs_err_nomem(place->reterr, "reading a tokenizer's JSON");
	if (!root)
		return hs_json_bad(place, "line %d, column %d: %s", error.line, error.column,
				   hs_json_shown(error.text).text);
	if (!json_is_object(root)) {
		json_decref(root);
		return hs_json_bad(place, "the file holds no JSON object");
	}
	*ret = root;
	return 0;
}

static const json_t *lookup(const json_t *object, const char *path)
{
	const char *dot = strrchr(path, '.');
	const json_t *value = json_object_get(object, dot ? dot + 1 : path);
	return json_is_null(value) ? NULL : value;
}

int hs_json_get_bool(const struct hs_json_place *place, const json_t *object, const char *path, bool *ret)
{
	const json_t *value = lookup(object, path);
	if (!value)
		return 0;
	if (!json_is_boolean(value))
		return hs_json_bad(place, "\"%s\" must be true or false", path);
	*ret = json_is_true(value);
	return 1;
}

int hs_json_get_string(const struct hs_json_place *place, const json_t *object, const char *path, const char **ret)
{
	const json_t *value = lookup(object, path);
	if (!value)
		return 0;
	if (!json_is_string(value))
		return hs_json_bad(place, "\"%s\" must be a string", path);
	*ret = json_string_value(value);
	return 1;
}

bool hs_json_u64(const json_t *value, uint64_t *ret)
{
	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*ret = (uint64_t)json_integer_value(value);
		return true;
	}
	if (!json_is_real(value))
		return false;
	double real = json_real_value(value);
	if (!(real >= 0 && real < 9007199254740992.0) || real != (double)(uint64_t)real)
		return false;
	*ret = (uint64_t)real;
	return true;
}

int hs_json_get_u64(const struct hs_json_place *place, const json_t *object, const char *path, uint64_t *ret)
{
	const json_t *value = lookup(object, path);
	if (!value)
		return 0;
	if (!hs_json_u64(value, ret))
		return hs_json_bad(place, "\"%s\" must be a whole number of at least 0", path);
	return 1;
}

struct hs_span hs_json_span(const json_t *string)
{
	return (struct hs_span){json_string_value(string), json_string_length(string)};
}
