// SPDX-License-Identifier: Apache-2.0
// Lengths and unknown tokens, per role.
#include <stdlib.h>
#include <string.h>

#include "page.h"

const hsfeed_value *lengths_cut(const hsfeed_value *lengths, uint64_t max_length)
{
	const hsfeed_value *cuts = hsfeed_value_get(lengths, "cuts");
	for (size_t i = 0; i < hsfeed_value_len(cuts); i++) {
		const hsfeed_value *cut = hsfeed_value_at(cuts, i);
		if (get_uint(cut, "max_length") == max_length)
			return cut;
	}
	return NULL;
}

// ---- histogram ----

#define MAX_BARS 80
#define MAX_CUTS 64

// Bars drawn: buckets of the answer put together, up to where nearly all rows are.
struct bars {
	uint64_t counts[MAX_BARS], width, beyond;
	size_t n;
};

static uint64_t percentile(const hsfeed_value *lengths, double p)
{
	const hsfeed_value *percentiles = hsfeed_value_get(lengths, "percentiles");
	for (size_t i = 0; i < hsfeed_value_len(percentiles); i++) {
		const hsfeed_value *pair = hsfeed_value_at(percentiles, i);
		double at = hsfeed_value_f64(hsfeed_value_at(pair, 0), 0);
		if (at > p - 0.01 && at < p + 0.01)
			return hsfeed_value_uint(hsfeed_value_at(pair, 1), 0);
	}
	return get_uint(lengths, "max");
}

// The smallest cut that is not far beyond the longest row, for a chart that shows how far it is; else the longest row.
static uint64_t next_cut(const hsfeed_value *lengths, uint64_t most)
{
	const hsfeed_value *cuts = hsfeed_value_get(lengths, "cuts");
	for (size_t i = 0; i < hsfeed_value_len(cuts); i++) {
		uint64_t cut = get_uint(hsfeed_value_at(cuts, i), "max_length");
		if (cut >= most)
			return cut <= 2 * most ? cut + 1 : most;
	}
	return most;
}

// The first length that has no bar: past the longest row, or where a long thin tail would flatten the rest.
static uint64_t last_length(const hsfeed_value *lengths)
{
	uint64_t most = get_uint(lengths, "max"), usual = percentile(lengths, 99.9) * 5 / 4;
	usual = usual < 64 ? 64 : usual;
	return (most > usual + usual / 2 ? usual : next_cut(lengths, most)) + 1;
}

static void bars_of(const hsfeed_value *lengths, struct bars *ret)
{
	const hsfeed_value *histogram = hsfeed_value_get(lengths, "histogram"),
			   *counts = hsfeed_value_get(histogram, "counts");
	uint64_t bucket = get_uint(histogram, "width"), end = last_length(lengths), together = 1;
	bucket = bucket && bucket <= UINT32_MAX ? bucket : 1;
	end = end < UINT32_MAX ? end : UINT32_MAX;
	while (end / bucket / together >= MAX_BARS)
		together *= 2;
	*ret = (struct bars){.width = together * bucket};
	ret->n = (size_t)((end + ret->width - 1) / ret->width);
	for (size_t i = 0; i < hsfeed_value_len(counts); i++) {
		uint64_t rows = hsfeed_value_uint(hsfeed_value_at(counts, i), 0);
		if (i / together < ret->n)
			ret->counts[i / together] += rows;
		else
			ret->beyond += rows;
	}
}

static size_t cuts_of(const hsfeed_value *lengths, uint64_t ret[MAX_CUTS])
{
	const hsfeed_value *cuts = hsfeed_value_get(lengths, "cuts");
	size_t n = 0;
	for (size_t i = 0; i < hsfeed_value_len(cuts) && n < MAX_CUTS; i++)
		ret[n++] = get_uint(hsfeed_value_at(cuts, i), "max_length");
	return n;
}

static void role_table_begin(const struct page *page, const hsfeed_value *lengths, const char *what,
			     const char *const *heads)
{
	char caption[512];
	snprintf(caption, sizeof(caption), "Role %.200s: %s", get_str(lengths, "role"), what);
	table_begin(page, caption, heads);
}

static void bar_table(const struct page *page, const hsfeed_value *lengths, const struct bars *bars)
{
	static const char *const heads[] = {"#From", "#to tokens", "#rows", NULL};
	details_begin(page, false, "Numbers of the chart");
	role_table_begin(page, lengths, "rows of each length, special tokens counted", heads);
	for (size_t i = 0; i < bars->n; i++) {
		if (bars->counts[i] == 0)
			continue;
		html(page->out, "<tr>");
		cell_count(page, i * bars->width);
		cell_count(page, (i + 1) * bars->width - 1);
		cell_count(page, bars->counts[i]);
		html(page->out, "</tr>\n");
	}
	if (bars->beyond) {
		html(page->out, "<tr>");
		cell_count(page, bars->n * bars->width);
		html(page->out, "<td class=\"n\">more</td>");
		cell_count(page, bars->beyond);
		html(page->out, "</tr>\n");
	}
	table_end(page);
	details_end(page);
}

static void histogram(const struct page *page, const hsfeed_value *lengths)
{
	struct bars bars;
	uint64_t cuts[MAX_CUTS];
	bars_of(lengths, &bars);
	struct length_chart chart = {
		.title = "Rows by length in tokens",
		.what = get_str(lengths, "role"),
		.counts = bars.counts,
		.n = bars.n,
		.width = bars.width,
		.beyond = bars.beyond,
		.cuts = cuts,
		.ncuts = cuts_of(lengths, cuts),
	};
	html(page->out, "<figure>\n");
	chart_lengths(page->out, &chart);
	html(page->out, "</figure>\n");
}

// ---- tables ----

static void cut_row(const struct page *page, const hsfeed_value *lengths, const hsfeed_value *cut)
{
	uint64_t lost = get_uint(cut, "lost_tokens"), kept = get_uint(cut, "kept_tokens");
	html(page->out, "<tr><th scope=\"row\">%s</th>", fmt_count(get_uint(cut, "max_length")));
	cell_count(page, get_uint(cut, "truncated_rows"));
	cell_share(page, get_uint(cut, "truncated_rows"), get_uint(lengths, "rows"));
	cell_count(page, lost);
	cell_share(page, lost, lost + kept);
	cell_count(page, kept);
	cell_percent(page, hsfeed_value_get(cut, "padding_share"));
	html(page->out, "</tr>\n");
}

static void cut_table(const struct page *page, const hsfeed_value *lengths)
{
	static const char *const heads[] = {"Maximum length", "#rows cut short", "#share",   "#tokens lost",
					    "#share",         "#tokens kept",    "#padding", NULL};
	const hsfeed_value *cuts = hsfeed_value_get(lengths, "cuts");
	role_table_begin(page, lengths,
			 "what each maximum length costs, in text that is lost and padding computed for nothing",
			 heads);
	for (size_t i = 0; i < hsfeed_value_len(cuts); i++)
		cut_row(page, lengths, hsfeed_value_at(cuts, i));
	table_end(page);
}

static void percentile_table(const struct page *page, const hsfeed_value *lengths)
{
	const hsfeed_value *percentiles = hsfeed_value_get(lengths, "percentiles");
	char words[16][24];
	const char *heads[20] = {"#Shortest", "#mean", NULL};
	size_t n = hsfeed_value_len(percentiles) < 16 ? hsfeed_value_len(percentiles) : 16, at = 2;
	for (size_t i = 0; i < n; i++) {
		double p = hsfeed_value_f64(hsfeed_value_at(hsfeed_value_at(percentiles, i), 0), 0);
		snprintf(words[i], sizeof(words[i]), "#%g %% up to", p);
		heads[at++] = words[i];
	}
	heads[at] = "#longest";
	heads[at + 1] = NULL;
	role_table_begin(page, lengths, "lengths in tokens, special tokens counted", heads);
	html(page->out, "<tr>");
	cell_count(page, get_uint(lengths, "min"));
	html(page->out, "<td class=\"n\">");
	snprintf(words[15], sizeof(words[15]), "%.1f", get_f64(lengths, "mean"));
	html_number(page->out, get_f64(lengths, "mean"), words[15]);
	html(page->out, "</td>");
	for (size_t i = 0; i < n; i++)
		cell_count(page, hsfeed_value_uint(hsfeed_value_at(hsfeed_value_at(percentiles, i), 1), 0));
	cell_count(page, get_uint(lengths, "max"));
	html(page->out, "</tr>\n");
	table_end(page);
}

static void role_lengths(const struct page *page, const hsfeed_value *lengths)
{
	struct bars bars;
	bars_of(lengths, &bars);
	html(page->out, "<h3>");
	html_name(page->out, get_str(lengths, "role"));
	html(page->out, "</h3>\n<p class=\"note\">");
	html_name(page->out, get_str(lengths, "tokenizer"));
	html(page->out, ": %s tokens in %s rows, of which %s in each row %s special.</p>\n",
	     fmt_count(get_uint(lengths, "tokens")), fmt_count(get_uint(lengths, "rows")),
	     fmt_count(get_uint(lengths, "specials")), plural(get_uint(lengths, "specials"), "is", "are"));
	histogram(page, lengths);
	cut_table(page, lengths);
	percentile_table(page, lengths);
	bar_table(page, lengths, &bars);
}

void page_lengths(const struct page *page)
{
	section(page, "lengths", "Lengths",
		"How many tokens the texts become, and what a maximum length costs: what is longer is cut at its end, "
		"what is shorter is padded. The dashed lines are maximum lengths to choose from.",
		"the length you train with cuts a share of rows you would not throw away, or when most of a batch is "
		"padding.");
	for (size_t i = 0; i < page->nlengths; i++)
		role_lengths(page, page->lengths[i]);
	if (page->nlengths == 0)
		html(page->out, "<p>There is no encoding yet: hsfeed add makes one from the stored texts.</p>\n");
	section_end(page);
}

// ---- unknown tokens ----

static void unknown_row(const struct page *page, const hsfeed_value *role)
{
	html(page->out, "<tr>");
	cell_name(page, get_str(role, "role"));
	cell_name(page, get_str(role, "tokenizer"));
	cell_count(page, get_uint(role, "vocab_size"));
	cell_count(page, get_uint(role, "tokens"));
	cell_count(page, get_uint(role, "unknown"));
	cell_share(page, get_uint(role, "unknown"), get_uint(role, "tokens"));
	html(page->out, "</tr>\n");
}

static void advice(const struct page *page, const hsfeed_value *role)
{
	const hsfeed_value *a = hsfeed_value_get(role, "advice");
	if (!a)
		return;
	html(page->out, "<p><b class=\"look\">▲</b> ");
	html_name(page->out, get_str(role, "role"));
	html(page->out,
	     ": writing the same characters in one way (<code>--normalize %s</code>) would bring unknown "
	     "tokens from ",
	     get_str(a, "normalize"));
	html_percent(page->out, get_f64(a, "unknown_share"));
	html(page->out, " to ");
	html_percent(page->out, get_f64(a, "with"));
	html(page->out, ", measured on %s sampled rows.</p>\n", fmt_count(get_uint(a, "sampled_rows")));
}

void page_unknown(const struct page *page)
{
	static const char *const heads[] = {"Role", "tokenizer", "#vocabulary", "#tokens", "#unknown", "#share", NULL};
	const hsfeed_value *roles = hsfeed_value_get(page->show, "roles");
	section(page, "unknown", "Unknown tokens",
		"Pieces of text that a tokenizer has no entry for all become the same token: the model cannot tell "
		"them "
		"apart.",
		"more than one token in a hundred is unknown: the tokenizer was made for other texts, or the same "
		"characters are written in two ways.");
	if (hsfeed_value_len(roles) == 0)
		html(page->out, "<p>There is no encoding yet.</p>\n");
	else {
		table_begin(page, "Unknown tokens of each role, special tokens not counted", heads);
		for (size_t i = 0; i < hsfeed_value_len(roles); i++)
			unknown_row(page, hsfeed_value_at(roles, i));
		table_end(page);
	}
	for (size_t i = 0; i < hsfeed_value_len(roles); i++)
		advice(page, hsfeed_value_at(roles, i));
	section_end(page);
}
