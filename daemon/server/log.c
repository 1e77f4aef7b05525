// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

static enum hs_log_level max_level = HS_LOG_INFO;
static const char *const names[] = {"error", "warning", "info", "debug"};

void hs_log_set_level(enum hs_log_level level)
{
	max_level = level;
}

// Writes text with everything that is not a printable character as \xNN; stops when ret is full.
static size_t escape(const char *text, char *ret, size_t cap)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
	size_t used = 0;
	while (p < end && used + 5 < cap) {
		uint32_t cp;
		unsigned n = hs_utf8_decode(p, end, &cp);
		if (n == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) {
			used += (size_t)snprintf(ret + used, cap - used, "\\x%02x", *p);
			p += 1;
			continue;
		}
		memcpy(ret + used, p, n);
		used += n;
		p += n;
	}
	return used;
}

void hs_log(enum hs_log_level level, const char *fmt, ...)
{
	if (level > max_level)
		return;
	char text[2048], line[4096];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t used = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	used += (size_t)snprintf(line + used, sizeof(line) - used, ".%03ldZ %s: ", now.tv_nsec / 1000000, names[level]);
	used += escape(text, line + used, sizeof(line) - used - 1);
	line[used++] = '\n';
	// One write, so that lines of several threads do not mix. A full or closed stderr loses the line, never the
	// daemon.
	if (write(STDERR_FILENO, line, used) < 0)
		return;
}
