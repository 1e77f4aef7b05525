// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

// A sentence may quote hostile bytes, and be cut anywhere, also in its middle by a precision ("%.64s"): what is no
// whole character is dropped, since a client refuses an answer that is not UTF-8.
static void drop_partial(char *text)
{
	size_t len = strlen(text), at = 0, kept = 0;
	while (at < len) {
		size_t n = hs_utf8_check(text + at, len - at);
		memmove(text + kept, text + at, n);
		kept += n;
		at += n + 1;
	}
	text[kept] = '\0';
}

int hs_err_set(struct hs_err *reterr, int code, const char *fmt, ...)
{
	if (!reterr)
		return code;
	va_list ap;
	va_start(ap, fmt);
	char message[sizeof(reterr->message)]; // fmt's arguments may point into reterr
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	drop_partial(message);
	memcpy(reterr->message, message, sizeof(message));
	reterr->code = code;
	reterr->hint[0] = '\0';
	return code;
}

int hs_err_hint(struct hs_err *reterr, const char *fmt, ...)
{
	if (!reterr)
		return HSFEED_EINTERNAL;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(reterr->hint, sizeof(reterr->hint), fmt, ap);
	va_end(ap);
	drop_partial(reterr->hint);
	return reterr->code;
}

int hs_err_context(struct hs_err *reterr, const char *fmt, ...)
{
	if (!reterr)
		return HSFEED_EINTERNAL;
	char context[512], message[sizeof(reterr->message)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(message, reterr->message, sizeof(message));
	size_t used = (size_t)snprintf(reterr->message, sizeof(reterr->message), "%s: ", context);
	if (used < sizeof(reterr->message))
		snprintf(reterr->message + used, sizeof(reterr->message) - used, "%.*s",
			 (int)(sizeof(reterr->message) - used - 1), message);
	drop_partial(reterr->message);
	return reterr->code;
}

int hs_err_nomem(struct hs_err *reterr, const char *what)
{
	return hs_err_set(reterr, -ENOMEM, "out of memory while %s", what);
}

const char *hs_err_name(int code)
{
	switch (code) {
	case 0:
		return "ok";
	case -ENOMEM:
		return "out_of_memory";
	case -ENOSPC:
	case -EDQUOT:
		return "no_space";
#define HS_ERR_NAME(sym, name, value, text)                                                                            \
	case HSFEED_##sym:                                                                                             \
		return name;
		HSFEED_ERRORS(HS_ERR_NAME)
#undef HS_ERR_NAME
	default:
		return "io_error";
	}
}
