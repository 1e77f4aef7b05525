// SPDX-License-Identifier: Apache-2.0
// What was read: the file, every row's fate, and what was made of odd cells.
#include <string.h>

#include "page.h"

static void fact_begin(const struct page *page, const char *term)
{
	html(page->out, "<dt>%s</dt><dd>", term);
}

static void fact_end(const struct page *page)
{
	html(page->out, "</dd>\n");
}

#define MAX_NAMES 24

// A list of names, or of maps with a name.
static void put_names(const struct page *page, const hsfeed_value *names)
{
	size_t n = hsfeed_value_len(names), shown = n < MAX_NAMES ? n : MAX_NAMES;
	for (size_t i = 0; i < shown; i++) {
		const hsfeed_value *name = hsfeed_value_at(names, i);
		html(page->out, "%s", i ? ", " : "");
		html_name(page->out, hsfeed_value_str(name, NULL, get_str(name, "name")));
	}
	if (shown < n)
		html(page->out, " and %s more", fmt_count(n - shown));
	if (n == 0)
		html(page->out, "none");
}

static void facts(const struct page *page)
{
	const hsfeed_value *version = version_of(page);
	html(page->out, "<dl>\n");
	fact_begin(page, "File");
	html_name(page->out, get_str(version, "file_name"));
	html(page->out, ", %s (%s bytes)", fmt_bytes(get_uint(version, "source_bytes")),
	     fmt_count(get_uint(version, "source_bytes")));
	fact_end(page);
	fact_begin(page, "Its SHA-256");
	html(page->out, "<span class=\"id\">%s</span>", get_str(version, "source_sha256"));
	fact_end(page);
	fact_begin(page, "Read on");
	html(page->out, "%s", fmt_time(get_uint(version, "created_ms")));
	fact_end(page);
	fact_begin(page, "Columns");
	put_names(page, hsfeed_value_get(version, "columns"));
	fact_end(page);
	fact_begin(page, "Text");
	html_name(page->out, get_str(version, "text_column"));
	fact_end(page);
	fact_begin(page, "Labels");
	put_names(page, hsfeed_value_get(version, "labels"));
	fact_end(page);
	html(page->out, "</dl>\n");
}

#define MAX_LINES 10

// "3, 17, 40 and 12 more"
static void lines_cell(const struct page *page, const hsfeed_value *what)
{
	const hsfeed_value *lines = hsfeed_value_get(what, "lines");
	size_t n = hsfeed_value_len(lines), shown = n < MAX_LINES ? n : MAX_LINES;
	uint64_t total = get_uint(what, "rows");
	html(page->out, "<td>");
	for (size_t i = 0; i < shown; i++)
		html(page->out, "%s%llu", i ? ", " : "",
		     (unsigned long long)hsfeed_value_uint(hsfeed_value_at(lines, i), 0));
	if (shown && total > shown)
		html(page->out, " and %s more", fmt_count(total - shown));
	html(page->out, "</td></tr>\n");
}

static void fate(const struct page *page, const char *words, const hsfeed_value *what, uint64_t read)
{
	html(page->out, "<tr><th scope=\"row\">%s</th>", words);
	cell_count(page, get_uint(what, "rows"));
	cell_share(page, get_uint(what, "rows"), read);
	lines_cell(page, what);
}

static void sum(const struct page *page, const char *words, uint64_t rows, uint64_t read)
{
	html(page->out, "<tr class=\"sum\"><th scope=\"row\">%s</th>", words);
	cell_count(page, rows);
	cell_share(page, rows, read);
	html(page->out, "<td></td></tr>\n");
}

static void fates(const struct page *page)
{
	static const char *const heads[] = {"Rows", "#number", "#of those read", "first lines", NULL};
	const hsfeed_value *report = hsfeed_value_get(version_of(page), "report");
	const hsfeed_value *dropped = hsfeed_value_get(report, "dropped");
	uint64_t read = get_uint(report, "rows_read"), rows = get_uint(version_of(page), "rows");
	table_begin(page, "Every row that was read, and what became of it", heads);
	sum(page, "read", read, read);
	for (size_t i = 0; i < hsfeed_value_len(dropped); i++) {
		const hsfeed_value *d = hsfeed_value_at(dropped, i);
		char words[96];
		snprintf(words, sizeof(words), "dropped %.80s", reason_words(get_str(d, "reason")));
		if (get_uint(d, "rows") > 0)
			fate(page, words, d, read);
	}
	sum(page, "kept", rows, read);
	if (get_uint(hsfeed_value_get(report, "short_rows"), "rows") > 0)
		fate(page, "of these, too few fields: the rest counts as missing",
		     hsfeed_value_get(report, "short_rows"), read);
	if (get_uint(hsfeed_value_get(report, "empty_texts"), "rows") > 0)
		fate(page, "of these, an empty text", hsfeed_value_get(report, "empty_texts"), read);
	table_end(page);
}

static void na_words(const struct page *page)
{
	static const char *const heads[] = {"Word", "#cells", "#of rows read", "first lines", NULL};
	const hsfeed_value *report = hsfeed_value_get(version_of(page), "report"),
			   *words = hsfeed_value_get(report, "na_words");
	if (hsfeed_value_len(words) == 0)
		return;
	table_begin(page, "Words that count as missing values, as pandas reads them (--na empty keeps them as text)",
		    heads);
	for (size_t i = 0; i < hsfeed_value_len(words); i++) {
		const hsfeed_value *w = hsfeed_value_at(words, i);
		html(page->out, "<tr>");
		cell_name(page, get_str(w, "word"));
		cell_count(page, get_uint(w, "rows"));
		cell_share(page, get_uint(w, "rows"), get_uint(report, "rows_read"));
		lines_cell(page, w);
	}
	table_end(page);
}

void page_source(const struct page *page)
{
	section(page, "source", "What was read",
		"The file, and what became of each of its rows: kept, or dropped for a reason, with the lines where to "
		"look.",
		"rows were dropped that you cannot account for, or when texts such as “None” were taken for missing.");
	facts(page);
	fates(page);
	na_words(page);
	section_end(page);
}
