// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

static const struct {
	int code;
	const char *name, *text;
} errors[] = {
#define HS_ERROR_ROW(sym, name, value, text) {value, name, text},
	HSFEED_ERRORS(HS_ERROR_ROW)
#undef HS_ERROR_ROW
};

#define NERRORS (sizeof(errors) / sizeof(errors[0]))

const char *hsfeed_version(void)
{
	return HSFEED_VERSION_STRING;
}

const char *hsfeed_strerror(int code)
{
	for (size_t i = 0; i < NERRORS; i++) {
		if (errors[i].code == code)
			return errors[i].text;
	}
	if (code == 0)
		return "no error";
	// strerrordesc_np is thread-safe and never formats; strerror may write to a shared buffer.
	const char *text = code < 0 && code > -1000 ? strerrordesc_np(-code) : NULL;
	return text ? text : "an unknown error";
}

const char *hsfeed_error_name(int code)
{
	for (size_t i = 0; i < NERRORS; i++) {
		if (errors[i].code == code)
			return errors[i].name;
	}
	switch (code) {
	case 0:
		return "ok";
	case -ENOMEM:
		return "out_of_memory";
	case -ENOSPC:
	case -EDQUOT:
		return "no_space";
	default:
		return "io_error";
	}
}

static int code_of_name(const char *name)
{
	for (size_t i = 0; i < NERRORS; i++) {
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].code;
	}
	if (strcmp(name, "out_of_memory") == 0)
		return -ENOMEM;
	if (strcmp(name, "no_space") == 0)
		return -ENOSPC;
	if (strcmp(name, "io_error") == 0)
		return -EIO;
	return HSFEED_EINTERNAL; // of a newer daemon: its name is kept
}

// A sentence may be cut anywhere: drop a UTF-8 sequence that the cut left incomplete.
static void trim_partial(char *text)
{
	size_t len = strlen(text), back = 0;
	while (back < len && back < 3 && ((unsigned char)text[len - 1 - back] & 0xC0) == 0x80)
		back++;
	if (back == len)
		return;
	unsigned char lead = (unsigned char)text[len - 1 - back];
	size_t want = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
	if (want > back)
		text[len - 1 - back] = '\0';
}

int hs_error_set(struct hsfeed_error *reterr, int code, const char *fmt, ...)
{
	if (!reterr)
		return code;
	struct hsfeed_error e = {.code = code}; // fmt's arguments may point into reterr
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e.message, sizeof(e.message), fmt, ap);
	va_end(ap);
	trim_partial(e.message);
	snprintf(e.name, sizeof(e.name), "%s", hsfeed_error_name(code));
	*reterr = e;
	return code;
}

int hs_error_hint(struct hsfeed_error *reterr, const char *fmt, ...)
{
	if (!reterr)
		return 0;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(reterr->hint, sizeof(reterr->hint), fmt, ap);
	va_end(ap);
	trim_partial(reterr->hint);
	return reterr->code;
}

int hs_error_nomem(struct hsfeed_error *reterr)
{
	return hs_error_set(reterr, -ENOMEM, "out of memory");
}

int hs_error_copy(struct hsfeed_error *reterr, const struct hsfeed_error *from)
{
	if (reterr)
		*reterr = *from;
	return from->code;
}

int hs_error_decode(struct hsfeed_error *reterr, const hsfeed_value *map)
{
	const char *name = hsfeed_value_str(hsfeed_value_get(map, "code"), NULL, "internal");
	int code = code_of_name(name);
	const char *message = hsfeed_value_str(hsfeed_value_get(map, "message"), NULL, hsfeed_strerror(code));
	hs_error_set(reterr, code, "%s", message);
	hs_error_hint(reterr, "%s", hsfeed_value_str(hsfeed_value_get(map, "hint"), NULL, ""));
	if (reterr)
		snprintf(reterr->name, sizeof(reterr->name), "%s", name);
	return code;
}

int hs_options_read(void *ret_options, size_t bytes, const void *given, struct hsfeed_error *reterr)
{
	memset(ret_options, 0, bytes);
	if (!given)
		return 0;
	size_t size;
	memcpy(&size, given, sizeof(size));
	if (size < sizeof(size))
		return hs_error_set(reterr, HSFEED_EBADARG, "an option struct's `size` is not set");
	memcpy(ret_options, given, size < bytes ? size : bytes);
	return 0;
}

const void *hs_options_item(const void *items, size_t i)
{
	size_t size;
	memcpy(&size, items, sizeof(size));
	return (const char *)items + i * size;
}
