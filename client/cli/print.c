// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "cli.h"

bool json_asked, ascii_only;

double now_seconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

// What data, files and daemons say must not drive the terminal: C0, DEL, C1 and the marks that reorder text are
// escaped.
static unsigned control_bytes(const unsigned char *p, size_t left)
{
	if (p[0] < 0x20 || p[0] == 0x7F)
		return 1;
	if (left >= 2 && p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0)
		return 2;
	if (left >= 3 && p[0] == 0xE2 && p[1] == 0x80 && p[2] >= 0xAA && p[2] <= 0xAE) // U+202A..202E
		return 3;
	if (left >= 3 && p[0] == 0xE2 && p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9) // U+2066..2069
		return 3;
	return 0;
}

void put_text(FILE *out, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	while (p < end) {
		unsigned n = control_bytes(p, (size_t)(end - p));
		if (n == 0)
			putc(*p++, out);
		for (; n > 0; n--)
			fprintf(out, "\\x%02x", *p++);
	}
}

void put_cstr(FILE *out, const char *text)
{
	put_text(out, text, strlen(text));
}

int fail(int code, const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fflush(stdout);
	fputs("hsfeed: ", stderr);
	put_cstr(stderr, text);
	putc('\n', stderr);
	return code;
}

int fail_error(const struct hsfeed_error *error)
{
	fail(EXIT_REFUSED, "%s", error->message);
	if (*error->hint) {
		fputs("  ", stderr);
		put_cstr(stderr, error->hint);
		putc('\n', stderr);
	}
	return error->code == HSFEED_ENODAEMON ? EXIT_NO_DAEMON : EXIT_REFUSED;
}

int finish(int code)
{
	errno = 0;
	bool bad = fflush(stdout) != 0 || ferror(stdout);
	if (!bad)
		return code;
	return fail(code ? code : EXIT_REFUSED, "standard output cannot be written: %s",
		    errno ? strerror(errno) : "I/O error");
}

void put_bar(FILE *out, double share, unsigned width)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned n = share <= 0 ? 0 : (unsigned)(share * width * 8 + 0.5);
	if (n > width * 8)
		n = width * 8;
	if (ascii_only) {
		for (unsigned i = 0; i < (n + 4) / 8; i++)
			putc('#', out);
		return;
	}
	for (unsigned i = 0; i < n / 8; i++)
		fputs("█", out);
	fputs(eighths[n % 8], out);
}

// ---- numbers ----

static char *buffer(void)
{
	static char buffers[16][256];
	static unsigned turn;
	return buffers[turn++ % 16];
}

const char *fmt_count(uint64_t n)
{
	char digits[24], *out = buffer(), *p = out;
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	for (int i = 0; i < len; i++) {
		*p++ = digits[i];
		if ((len - i) % 3 == 1 && i + 1 < len)
			*p++ = ',';
	}
	*p = '\0';
	return out;
}

const char *fmt_bytes(uint64_t n)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	double v = (double)n;
	unsigned unit = 0;
	while (v >= 999.5 && unit < 5) {
		v /= 1000;
		unit++;
	}
	char *out = buffer();
	snprintf(out, 96, unit && v < 99.95 ? "%.1f %s" : "%.0f %s", v, units[unit]);
	return out;
}

const char *fmt_share(uint64_t part, uint64_t whole)
{
	char *out = buffer();
	double share = whole ? 100.0 * (double)part / (double)whole : 0;
	if (part && share < 0.005)
		snprintf(out, 96, "< 0.01 %%");
	else
		snprintf(out, 96, share < 10 ? "%.2f %%" : "%.1f %%", share);
	return out;
}

const char *fmt_percent(double share)
{
	char *out = buffer();
	snprintf(out, 96, share < 0.1 ? "%.2f %%" : "%.1f %%", 100 * share);
	return out;
}

const char *fmt_bar(double share, unsigned width)
{
	char *out = buffer();
	FILE *memory = fmemopen(out, 255, "w");
	*out = '\0';
	if (memory) {
		put_bar(memory, share, width < 60 ? width : 60);
		fclose(memory);
	}
	return out;
}

const char *fmt_time(uint64_t ms_since_1970)
{
	time_t t = (time_t)(ms_since_1970 / 1000);
	struct tm tm;
	char *out = buffer();
	if (!localtime_r(&t, &tm) || strftime(out, 96, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(out, 96, "?");
	return out;
}

const char *fmt_seconds(double seconds)
{
	char *out = buffer();
	if (seconds < 100)
		snprintf(out, 96, "%.2f s", seconds);
	else if (seconds < 5400)
		snprintf(out, 96, "%.1f min", seconds / 60);
	else
		snprintf(out, 96, seconds < 172800 ? "%.1f h" : "%.1f days",
			 seconds / (seconds < 172800 ? 3600 : 86400));
	return out;
}

const char *fmt_id(const char *id)
{
	char *out = buffer();
	snprintf(out, 96, "%.12s", id);
	return out;
}

const char *fmt_ref(const char *name, const char *id)
{
	char *out = buffer();
	snprintf(out, 256, "%.200s@%.6s", name, id);
	return out;
}

const char *fmt_uid(uint64_t uid)
{
	char *out = buffer();
	struct passwd *pw = getpwuid((uid_t)uid);
	if (pw)
		snprintf(out, 96, "%.90s", pw->pw_name);
	else
		snprintf(out, 96, "%llu", (unsigned long long)uid);
	return out;
}

// ---- into results ----

uint64_t get_uint(const hsfeed_value *map, const char *key)
{
	return hsfeed_value_uint(hsfeed_value_get(map, key), 0);
}

const char *get_str(const hsfeed_value *map, const char *key)
{
	return hsfeed_value_str(hsfeed_value_get(map, key), NULL, "");
}

bool get_bool(const hsfeed_value *map, const char *key)
{
	return hsfeed_value_bool(hsfeed_value_get(map, key), 0) != 0;
}

void put_list(FILE *out, const hsfeed_value *strings)
{
	for (size_t i = 0; i < hsfeed_value_len(strings); i++) {
		fputs(i ? ", " : "", out);
		put_cstr(out, hsfeed_value_str(hsfeed_value_at(strings, i), NULL, "?"));
	}
}

void put_lines(FILE *out, const hsfeed_value *lines, uint64_t total)
{
	size_t n = hsfeed_value_len(lines), shown = n > 10 ? 10 : n;
	if (n == 0)
		return;
	fputs(n == 1 ? "line " : "lines ", out);
	for (size_t i = 0; i < shown; i++)
		fprintf(out, "%s%llu", i ? ", " : "",
			(unsigned long long)hsfeed_value_uint(hsfeed_value_at(lines, i), 0));
	if (total > shown)
		fprintf(out, " and %s more", fmt_count(total - shown));
}

size_t text_cut(const char *text, size_t most)
{
	size_t len = strlen(text);
	if (len <= most)
		return len;
	while (most > 0 && ((unsigned char)text[most] & 0xC0) == 0x80)
		most--;
	return most;
}

void pin_name(char ret[512], const char *name, const char *version)
{
	snprintf(ret, 512, "%.*s@%s", (int)strcspn(name, "@"), name, version);
}
