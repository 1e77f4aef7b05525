// SPDX-License-Identifier: Apache-2.0
#include "text/say.h"

#include <stdio.h>
#include <string.h>

#define LONGEST 60 // bytes of a source shown in a sentence

static size_t cut_at_a_character(struct hs_span s)
{
	if (s.len <= LONGEST)
		return s.len;
	size_t len = LONGEST;
	while (len > 0 && ((unsigned char)s.ptr[len] & 0xC0) == 0x80)
		len--;
	return len;
}

struct hs_quoted hs_quote(struct hs_span s)
{
	struct hs_quoted q;
	size_t shown = cut_at_a_character(s), n = 0;
	size_t room = sizeof(q.text) - sizeof("...\""); // an escape takes 4 bytes
	q.text[n++] = '"';
	for (size_t i = 0; i < shown && n + 4 <= room; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c < 0x20 || c == 0x7F)
			n += (size_t)snprintf(q.text + n, 5, "\\x%02X", c);
		else
			q.text[n++] = (char)c;
	}
	snprintf(q.text + n, sizeof(q.text) - n, "%s\"", shown < s.len ? "..." : "");
	return q;
}

void hs_row_count_add(struct hs_row_count *count, uint32_t line)
{
	count->rows++;
	if (count->nlines < HS_REPORT_LINES)
		count->lines[count->nlines++] = line;
}

struct hs_quoted hs_delimiter_name(int delimiter)
{
	struct hs_quoted q = {{(char)delimiter, '\0'}};
	if (delimiter == ',')
		strcpy(q.text, "comma");
	if (delimiter == '\t')
		strcpy(q.text, "tab");
	if (delimiter == ';')
		strcpy(q.text, "semicolon");
	return q;
}
