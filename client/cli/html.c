// SPDX-License-Identifier: Apache-2.0
#include "html.h"

#include <stdarg.h>
#include <string.h>

#include "cli.h"

#define NAME_BYTES 160

// ---- text ----

// The bytes of the character at p, or 0: not UTF-8 (RFC 3629: no overlong form, no surrogate, nothing over U+10FFFF).
static unsigned char_bytes(const unsigned char *p, size_t left, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
	if (n == 0 || n > left)
		return 0;
	uint32_t c = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3Fu);
	}
	*ret = c;
	return c < least[n] || (c >= 0xD800 && c < 0xE000) || c > 0x10FFFF ? 0 : n;
}

// C0, DEL, C1 and the marks that reorder text: what put_text escapes too.
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static const char *entity(uint32_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return c == 0xFFFE || c == 0xFFFF ? "\xEF\xBF\xBD" : NULL;
	}
}

static void put_char(FILE *out, uint32_t c, const unsigned char *p, unsigned n)
{
	const char *other = entity(c);
	if (other)
		fputs(other, out);
	else if (is_control(c))
		for (unsigned i = 0; i < n; i++)
			fprintf(out, "\\x%02x", p[i]);
	else
		fwrite(p, 1, n, out);
}

void html_text(FILE *out, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	while (p < end) {
		uint32_t c = 0xFFFE;
		unsigned n = char_bytes(p, (size_t)(end - p), &c);
		put_char(out, n ? c : 0xFFFE, p, n);
		p += n ? n : 1;
	}
}

void html_cstr(FILE *out, const char *text)
{
	html_text(out, text, strlen(text));
}

// ---- markup ----

struct values {
	va_list ap;
};

// Writes the conversion at p, which follows a "%"; returns what comes after it.
static const char *convert(FILE *out, const char *p, struct values *v)
{
	int decimals = 0;
	if (*p == '.') {
		decimals = p[1] - '0';
		p += 2;
	}
	if (strncmp(p, "llu", 3) == 0)
		return fprintf(out, "%llu", va_arg(v->ap, unsigned long long)), p + 3;
	if (strncmp(p, "zu", 2) == 0)
		return fprintf(out, "%zu", va_arg(v->ap, size_t)), p + 2;
	if (*p == 's')
		html_cstr(out, va_arg(v->ap, const char *));
	else if (*p == 'u')
		fprintf(out, "%u", va_arg(v->ap, unsigned));
	else if (*p == 'f')
		fprintf(out, "%.*f", decimals, va_arg(v->ap, double));
	else
		putc('%', out);
	return p + 1;
}

void html(FILE *out, const char *fmt, ...)
{
	struct values v;
	va_start(v.ap, fmt);
	while (*fmt) {
		size_t n = strcspn(fmt, "%");
		fwrite(fmt, 1, n, out);
		fmt += n;
		if (*fmt)
			fmt = convert(out, fmt + 1, &v);
	}
	va_end(v.ap);
}

void html_name(FILE *out, const char *text)
{
	size_t cut = text_cut(text, NAME_BYTES);
	fputs("<bdi>", out);
	html_text(out, text, cut);
	fputs(text[cut] ? "…</bdi>" : "</bdi>", out);
}

// ---- numbers ----

const char *share_words(double share)
{
	static char buffers[8][32];
	static unsigned turn;
	char *words = buffers[turn++ % 8];
	double percent = 100 * share;
	if (share > 0 && percent < 0.005)
		return "< 0.01 %";
	snprintf(words, sizeof(buffers[0]), percent < 10 ? "%.2f %%" : "%.1f %%", percent);
	return words;
}

void html_number(FILE *out, double exact, const char *words)
{
	fputs("<data value=\"", out);
	json_f64(out, exact);
	html(out, "\">%s</data>", words);
}

void html_percent(FILE *out, double share)
{
	html_number(out, share, share_words(share));
}
