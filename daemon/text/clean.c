// SPDX-License-Identifier: Apache-2.0
// Cleaning steps, as the Python that they replace does them:
//
//   urls         re.sub(r'http\S+', '', text)         latin    re.sub('[a-zA-Z]', '', text)
//   whitespace   ' '.join(text.split())               remove   text.replace(TEXT, '')
//
// in the order given, and when any was given text.strip() at the end. Every step only shortens a text, so all work in
// place, in one copy; and a step looks first where it would begin to change anything, because most texts need no copy.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/clean.h"
#include "text/scan.h"

size_t hs_clean_space(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t left = (size_t)(end - p);
	if (u[0] < 0x80)
		return u[0] == ' ' || (u[0] >= 0x09 && u[0] <= 0x0D) || (u[0] >= 0x1C && u[0] <= 0x1F);
	if (u[0] == 0xC2)
		return left >= 2 && (u[1] == 0x85 || u[1] == 0xA0) ? 2 : 0;
	if (left < 3)
		return 0;
	if (u[0] == 0xE1)
		return u[1] == 0x9A && u[2] == 0x80 ? 3 : 0; // U+1680
	if (u[0] == 0xE3)
		return u[1] == 0x80 && u[2] == 0x80 ? 3 : 0; // U+3000
	if (u[0] != 0xE2)
		return 0;
	if (u[1] == 0x81)
		return u[2] == 0x9F ? 3 : 0;                                                           // U+205F
	return u[1] == 0x80 && (u[2] <= 0x8A || u[2] == 0xA8 || u[2] == 0xA9 || u[2] == 0xAF) ? 3 : 0; // U+2000..
}

static const char *next_space(const char *p, const char *end)
{
	for (p = hs_scan_space(p, end); p < end && !hs_clean_space(p, end); p = hs_scan_space(p + 1, end))
		;
	return p;
}

static struct hs_span strip(struct hs_span s)
{
	const char *p = s.ptr, *end = s.ptr + s.len;
	for (size_t n; p < end && (n = hs_clean_space(p, end)) > 0;)
		p += n;
	while (end > p) {
		const char *q = end - 1;
		while (q > p && ((unsigned char)*q & 0xC0) == 0x80)
			q--;
		if (!hs_clean_space(q, end))
			break;
		end = q;
	}
	return (struct hs_span){p, (size_t)(end - p)};
}

// The first "http" with something other than white space behind it.
static const char *next_url(const char *p, const char *end)
{
	for (p = hs_scan_pair(p, end, 'h', 't'); end - p > 4; p = hs_scan_pair(p + 1, end, 'h', 't'))
		if (p[2] == 't' && p[3] == 'p' && !hs_clean_space(p + 4, end))
			return p;
	return end;
}

static bool is_latin(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *next_latin(const char *p, const char *end)
{
	while (p < end && !is_latin(*p))
		p++;
	return p;
}

// White space that split and join would change, in a text without any at its ends: all but a lone ' '.
static const char *next_odd_space(const char *p, const char *end)
{
	for (p = hs_scan_odd_space(p, end); p < end; p = hs_scan_odd_space(p + 1, end))
		if (hs_clean_space(p, end) && (*p != ' ' || hs_clean_space(p + 1, end)))
			return p;
	return end;
}

static const char *next_text(const char *p, const char *end, struct hs_span text)
{
	const char *hit = text.len ? memmem(p, (size_t)(end - p), text.ptr, text.len) : NULL;
	return hit ? hit : end;
}

static const char *first_change(const struct hs_clean_step *step, const char *p, const char *end)
{
	switch (step->kind) {
	case HS_CLEAN_URLS:
		return next_url(p, end);
	case HS_CLEAN_LATIN:
		return next_latin(p, end);
	case HS_CLEAN_WHITESPACE:
		return next_odd_space(p, end);
	case HS_CLEAN_REMOVE:
		break;
	}
	return next_text(p, end, step->text);
}

// What a step takes away at `p`, where it found something to change.
static const char *change_end(const struct hs_clean_step *step, const char *p, const char *end)
{
	switch (step->kind) {
	case HS_CLEAN_URLS:
		return next_space(p, end);
	case HS_CLEAN_LATIN:
		return p + 1;
	case HS_CLEAN_WHITESPACE:
		for (size_t n; p < end && (n = hs_clean_space(p, end)) > 0;)
			p += n;
		return p;
	case HS_CLEAN_REMOVE:
		break;
	}
	return p + step->text.len;
}

// Applies a step to bytes that are ours, from the first change on; returns the new end.
static char *apply_in_place(const struct hs_clean_step *step, char *change, char *end)
{
	char *out = change;
	for (const char *p = change; p < end;) {
		p = change_end(step, p, end);
		if (step->kind == HS_CLEAN_WHITESPACE)
			*out++ = ' ';
		const char *next = first_change(step, p, end);
		memmove(out, p, (size_t)(next - p));
		out += next - p;
		p = next;
	}
	return out;
}

struct hs_span hs_clean_text(const struct hs_clean_step *steps, size_t nsteps, struct hs_span text, char *room)
{
	bool copied = false;
	for (size_t i = 0; i < nsteps; i++) {
		if (steps[i].kind == HS_CLEAN_WHITESPACE)
			text = strip(text);
		const char *end = text.ptr + text.len, *change = first_change(&steps[i], text.ptr, end);
		if (change == end)
			continue;
		size_t offset = (size_t)(change - text.ptr);
		if (!copied) {
			memcpy(room, text.ptr, text.len);
			text.ptr = room;
			copied = true;
		}
		char *own = room + (text.ptr - room); // a strip may have moved the beginning
		text.len = (size_t)(apply_in_place(&steps[i], own + offset, own + text.len) - own);
	}
	return nsteps ? strip(text) : text;
}

int hs_clean_apply(const struct hs_clean_step *steps, size_t nsteps, struct hs_span text, struct hs_buf *out)
{
	out->len = 0;
	int rc = hs_buf_reserve(out, text.len);
	if (rc < 0 || text.len == 0)
		return rc;
	struct hs_span cleaned = hs_clean_text(steps, nsteps, text, (char *)out->data);
	memmove(out->data, cleaned.ptr, cleaned.len);
	out->len = cleaned.len;
	return 0;
}

static int add_step(struct hs_clean_step step, struct hs_clean_step **steps, size_t *nsteps, struct hs_err *reterr)
{
	if (*nsteps >= HS_CLEAN_MAX_STEPS)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "clean: more than %d steps", HS_CLEAN_MAX_STEPS);
	struct hs_clean_step *more = realloc(*steps, (*nsteps + 1) * sizeof(*more));
	if (!more)
		return hs_err_nomem(reterr, "reading cleaning steps");
	*steps = more;
	more[(*nsteps)++] = step;
	return 0;
}

static int add_named(struct hs_span name, struct hs_clean_step **steps, size_t *nsteps, struct hs_err *reterr)
{
	static const struct {
		const char *name;
		enum hs_clean_kind kinds[2];
		size_t n;
	} known[] = {
		{"urls", {HS_CLEAN_URLS}, 1},
		{"whitespace", {HS_CLEAN_WHITESPACE}, 1},
		{"latin", {HS_CLEAN_LATIN}, 1},
		{"data.py", {HS_CLEAN_URLS, HS_CLEAN_WHITESPACE}, 2},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!hs_span_is(name, known[i].name))
			continue;
		int rc = 0;
		for (size_t k = 0; k < known[i].n && rc == 0; k++)
			rc = add_step((struct hs_clean_step){.kind = known[i].kinds[k]}, steps, nsteps, reterr);
		return rc;
	}
	hs_err_set(reterr, HSFEED_EBADREQUEST, "clean: there is no step \"%.*s\"", (int)(name.len < 60 ? name.len : 60),
		   name.ptr);
	return hs_err_hint(reterr, "the steps are urls, whitespace, latin, data.py (urls,whitespace) and remove:TEXT");
}

static int add_removal(const char *text, struct hs_clean_step **steps, size_t *nsteps, struct hs_err *reterr)
{
	struct hs_clean_step step = {HS_CLEAN_REMOVE, {text, strlen(text)}};
	if (step.text.len == 0)
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "clean: remove: needs the text to remove behind it");
	if (hs_utf8_check(text, step.text.len) != step.text.len) // would cut characters in pieces
		return hs_err_set(reterr, HSFEED_EBADREQUEST, "clean: the text to remove is not UTF-8");
	return add_step(step, steps, nsteps, reterr);
}

int hs_clean_parse(const char *arg, struct hs_clean_step **steps, size_t *nsteps, struct hs_err *reterr)
{
	size_t before = *nsteps;
	int rc = 0;
	while (rc == 0) {
		if (strncmp(arg, "remove:", 7) == 0) {
			rc = add_removal(arg + 7, steps, nsteps, reterr);
			break;
		}
		size_t len = strcspn(arg, ",");
		rc = add_named((struct hs_span){arg, len}, steps, nsteps, reterr);
		if (arg[len] == '\0')
			break;
		arg += len + 1;
	}
	if (rc < 0)
		*nsteps = before;
	return rc;
}
