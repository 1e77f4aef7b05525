// SPDX-License-Identifier: Apache-2.0
#include "page.h"

#include <string.h>

// ---- parts ----

double get_f64(const hsfeed_value *map, const char *key)
{
	return hsfeed_value_f64(hsfeed_value_get(map, key), 0);
}

const hsfeed_value *version_of(const struct page *page)
{
	return hsfeed_value_get(page->show, "version_info");
}

const char *plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

void section(const struct page *page, const char *id, const char *heading, const char *what, const char *worry)
{
	html(page->out, "<section id=\"%s\">\n<h2>%s</h2>\n<p class=\"what\">%s", id, heading, what);
	if (worry)
		html(page->out, " <em>Worry when</em> %s", worry);
	html(page->out, "</p>\n");
}

void section_end(const struct page *page)
{
	html(page->out, "</section>\n");
}

void table_begin(const struct page *page, const char *caption, const char *const *heads)
{
	html(page->out, "<div class=\"scroll\" role=\"region\" aria-label=\"%s\" tabindex=\"0\">\n", caption);
	html(page->out, "<table>\n<caption>%s</caption>\n<thead><tr>", caption);
	for (; *heads; heads++)
		html(page->out, "<th scope=\"col\" class=\"%s\">%s</th>", **heads == '#' ? "n" : "t",
		     *heads + (**heads == '#'));
	html(page->out, "</tr></thead>\n<tbody>\n");
}

void table_end(const struct page *page)
{
	html(page->out, "</tbody>\n</table>\n</div>\n");
}

void details_begin(const struct page *page, bool open, const char *summary)
{
	fputs(open ? "<details open=\"\">" : "<details>", page->out);
	html(page->out, "<summary>%s</summary>\n", summary);
}

void details_end(const struct page *page)
{
	html(page->out, "</details>\n");
}

void cell_count(const struct page *page, uint64_t n)
{
	html(page->out, "<td class=\"n\">%s</td>", fmt_count(n));
}

void cell_share(const struct page *page, uint64_t part, uint64_t whole)
{
	html(page->out, "<td class=\"n\">%s</td>", fmt_share(part, whole));
}

void cell_percent(const struct page *page, const hsfeed_value *share)
{
	html(page->out, "<td class=\"n\">");
	if (hsfeed_value_type(share) != HSFEED_NIL)
		html_percent(page->out, hsfeed_value_f64(share, 0));
	html(page->out, "</td>");
}

void cell_name(const struct page *page, const char *name)
{
	html(page->out, "<td>");
	html_name(page->out, name);
	html(page->out, "</td>");
}

// ---- the whole ----

static const struct part {
	const char *id, *word;
	void (*write)(const struct page *page);
} parts[] = {
	{"glance", "At a glance", page_glance},         {"source", "What was read", page_source},
	{"labels", "Labels in each fold", page_labels}, {"folds", "Folds", page_folds},
	{"weights", "Weights", page_weights},           {"lengths", "Lengths", page_lengths},
	{"unknown", "Unknown tokens", page_unknown},    {"leaks", "Duplicates and leaks", page_leaks},
	{"repeat", "The same again", page_repeat},
};

static void head(const struct page *page)
{
	fputs(PAGE_MARK, page->out);
	html(page->out, "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
	html(page->out, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
			"'unsafe-inline'\"/>\n");
	html(page->out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
	html(page->out, "<meta name=\"color-scheme\" content=\"light dark\"/>\n");
	html(page->out, "<meta name=\"generator\" content=\"hsfeed %s\"/>\n", HSFEED_VERSION_STRING);
	html(page->out, "<title>%s: data report</title>\n<style>\n", get_str(page->show, "name"));
	for (const char *const *line = page_style; *line; line++)
		fputs(*line, page->out);
	html(page->out, "</style>\n</head>\n");
}

static void title(const struct page *page)
{
	const hsfeed_value *version = version_of(page);
	const char *file = get_str(version, "file_name"), *slash = strrchr(file, '/');
	char date[16];
	html(page->out, "<header>\n<p class=\"kicker\">Data report</p>\n<h1>");
	html_name(page->out, get_str(page->show, "name"));
	snprintf(date, sizeof(date), "%.10s", fmt_time(get_uint(version, "created_ms")));
	html(page->out, "</h1>\n<p class=\"lede\">%s texts from ", fmt_count(get_uint(version, "rows")));
	html_name(page->out, slash && slash[1] ? slash + 1 : file);
	html(page->out, ", read on %s,", date);
	html(page->out, " as a model will see them: what was kept, how it was dealt into folds, what each tokenizer "
			"made of it, and whether validation rows can be trusted.</p>\n</header>\n");
}

static void contents(const struct page *page)
{
	html(page->out, "<nav aria-label=\"Sections\"><ul>\n");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		html(page->out, "<li><a href=\"#%s\">%s</a></li>\n", parts[i].id, parts[i].word);
	html(page->out, "</ul></nav>\n");
}

void page_write(const struct page *page)
{
	head(page);
	html(page->out, "<body>\n");
	title(page);
	contents(page);
	html(page->out, "<main>\n");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		parts[i].write(page);
	html(page->out, "</main>\n");
	page_colophon(page);
	html(page->out, "</body>\n</html>\n");
}
