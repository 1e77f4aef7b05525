// SPDX-License-Identifier: Apache-2.0
// Labels in each fold: a small chart per label value, one table over all, and every number behind.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"

// ---- counts ----

size_t indicators_of(const struct page *page, struct indicator ret[MAX_INDICATORS])
{
	const hsfeed_value *labels = hsfeed_value_get(page->folds, "labels");
	size_t n = 0;
	for (size_t c = 0; c < hsfeed_value_len(labels); c++) {
		const hsfeed_value *label = hsfeed_value_at(labels, c);
		size_t nvalues = hsfeed_value_len(hsfeed_value_get(label, "values"));
		bool binary = strcmp(get_str(label, "type"), "float") == 0;
		for (size_t v = binary ? 1 : 0; v < nvalues; v++, n++) {
			if (n < MAX_INDICATORS)
				ret[n] = (struct indicator){label, c, v};
		}
	}
	return n;
}

void put_indicator(const struct page *page, const struct indicator *i)
{
	html_name(page->out, get_str(i->label, "name"));
	if (strcmp(get_str(i->label, "type"), "float") == 0)
		return;
	html(page->out, " = ");
	html_name(page->out,
		  hsfeed_value_str(hsfeed_value_at(hsfeed_value_get(i->label, "values"), i->value), NULL, ""));
}

uint64_t fold_count(const hsfeed_value *fold, const char *split, const struct indicator *i)
{
	const hsfeed_value *counts = hsfeed_value_get(hsfeed_value_get(fold, split), "counts");
	return hsfeed_value_uint(hsfeed_value_at(hsfeed_value_at(counts, i->column), i->value), 0);
}

uint64_t part_rows(const hsfeed_value *fold, const char *split)
{
	return get_uint(hsfeed_value_get(fold, split), "rows");
}

const hsfeed_value *fold_at(const struct page *page, size_t i)
{
	return hsfeed_value_at(hsfeed_value_get(page->folds, "folds"), i);
}

size_t nfolds(const struct page *page)
{
	return hsfeed_value_len(hsfeed_value_get(page->folds, "folds"));
}

uint64_t used_count(const struct page *page, const struct indicator *i)
{
	return fold_count(fold_at(page, 0), "train", i) + fold_count(fold_at(page, 0), "val", i);
}

uint64_t used_rows(const struct page *page)
{
	return part_rows(fold_at(page, 0), "train") + part_rows(fold_at(page, 0), "val");
}

static double share_of(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static double fold_share(const hsfeed_value *fold, const char *split, const struct indicator *i)
{
	return share_of(fold_count(fold, split, i), part_rows(fold, split));
}

// ---- charts ----

static void swatch(const struct page *page, const char *markup, const char *words)
{
	html(page->out, "<li><svg width=\"14\" height=\"11\" viewBox=\"0 0 14 11\" aria-hidden=\"true\">");
	fputs(markup, page->out);
	html(page->out, "</svg>%s</li>\n", words);
}

static void legend(const struct page *page)
{
	html(page->out, "<ul class=\"legend\">\n");
	swatch(page, "<path class=\"train\" d=\"M.5 .5h13v10h-13z\"/>", "training rows of the fold");
	swatch(page, "<path class=\"val\" d=\"M0 0h14v11h-14z\"/>", "validation rows of the fold");
	swatch(page, "<path class=\"ref\" d=\"M0 5.5h14\"/>", "all rows");
	html(page->out, "</ul>\n");
}

static void share_chart(const struct page *page, const struct indicator *i, unsigned width, unsigned height)
{
	size_t n = nfolds(page);
	double *shares = calloc(2 * n, sizeof(*shares));
	if (!shares)
		return; // the table has the numbers
	for (size_t f = 0; f < n; f++) {
		shares[f] = fold_share(fold_at(page, f), "train", i);
		shares[n + f] = fold_share(fold_at(page, f), "val", i);
	}
	uint64_t count = used_count(page, i);
	struct bar_chart chart = {
		.title = "Share of rows with this label in each fold",
		.what = get_str(i->label, "name"),
		.width = width,
		.height = height,
		.n = n,
		.train = shares,
		.val = shares + n,
		.line = share_of(count, used_rows(page)),
		.line_words = fmt_share(count, used_rows(page)),
	};
	chart_bars(page->out, &chart);
	free(shares);
}

static void label_figure(const struct page *page, const struct indicator *i, unsigned width, unsigned height)
{
	html(page->out, "<figure><figcaption>");
	put_indicator(page, i);
	html(page->out, " <span>%s rows</span></figcaption>\n", fmt_count(used_count(page, i)));
	share_chart(page, i, width, height);
	html(page->out, "</figure>\n");
}

// Few labels get wide charts, many get small ones beside each other.
static void figures(const struct page *page, const struct indicator *all, size_t n)
{
	bool wide = n <= 2, small = n > 12;
	if (!wide)
		html(page->out, "<div class=\"panels%s\">\n", small ? " small" : "");
	for (size_t i = 0; i < n; i++)
		label_figure(page, &all[i], wide ? CHART_WIDTH : small ? 245 : 387, wide ? 190 : small ? 104 : 132);
	if (!wide)
		html(page->out, "</div>\n");
}

// ---- tables ----

struct extremes {
	double least, most, gap; // validation shares; the largest distance from all rows' share
	uint64_t gap_fold;
};

static struct extremes extremes_of(const struct page *page, const struct indicator *indicator)
{
	struct extremes e = {.least = 1};
	double all = share_of(used_count(page, indicator), used_rows(page));
	for (size_t i = 0; i < nfolds(page); i++) {
		double share = fold_share(fold_at(page, i), "val", indicator);
		e.least = fmin(e.least, share);
		e.most = fmax(e.most, share);
		if (fabs(share - all) <= e.gap)
			continue;
		e.gap = fabs(share - all);
		e.gap_fold = get_uint(fold_at(page, i), "fold");
	}
	return e;
}

static void overview_row(const struct page *page, const struct indicator *i)
{
	struct extremes e = extremes_of(page, i);
	html(page->out, "<tr><th scope=\"row\">");
	put_indicator(page, i);
	html(page->out, "</th>");
	cell_count(page, used_count(page, i));
	cell_share(page, used_count(page, i), used_rows(page));
	html(page->out, "<td class=\"n\">%s</td><td class=\"n\">%s</td>", share_words(e.least), share_words(e.most));
	html(page->out, "<td class=\"n\">%.2f pp</td>", 100 * e.gap);
	if (e.gap > 0)
		html(page->out, "<td class=\"n\">%s</td></tr>\n", fmt_count(e.gap_fold));
	else
		html(page->out, "<td class=\"n\">–</td></tr>\n");
}

static void overview(const struct page *page, const struct indicator *all, size_t n)
{
	static const char *const heads[] = {"Label",         "#rows",        "#share",   "#lowest fold",
					    "#highest fold", "#largest gap", "#in fold", NULL};
	table_begin(page,
		    "Share of each label in the validation rows; the gap is to its share in all rows, in "
		    "percentage points (pp)",
		    heads);
	for (size_t i = 0; i < n; i++)
		overview_row(page, &all[i]);
	table_end(page);
}

static void fold_row(const struct page *page, const struct indicator *indicator, const hsfeed_value *fold)
{
	static const char *const splits[] = {"train", "val"};
	html(page->out, "<tr><th scope=\"row\">");
	put_indicator(page, indicator);
	html(page->out, "</th>");
	cell_count(page, get_uint(fold, "fold"));
	for (size_t s = 0; s < 2; s++) {
		cell_count(page, fold_count(fold, splits[s], indicator));
		cell_share(page, fold_count(fold, splits[s], indicator), part_rows(fold, splits[s]));
	}
	html(page->out, "</tr>\n");
}

#define MAX_OPEN_ROWS 25   // of a table that is shown without a click, and printed
#define MAX_FOLD_ROWS 5000 // of all: beyond, the page would be larger than is of use

static void every_fold(const struct page *page, const struct indicator *all, size_t n)
{
	static const char *const heads[] = {"Label",  "#fold", "#training rows with it", "#share", "#validation",
					    "#share", NULL};
	size_t rows = n * nfolds(page);
	if (rows > MAX_FOLD_ROWS) {
		html(page->out, "<p class=\"note\">The numbers of each fold are more than this page can hold; hsfeed "
				"folds --json prints them.</p>\n");
		return;
	}
	details_begin(page, rows <= MAX_OPEN_ROWS, "Numbers of each fold");
	table_begin(page, "Rows with each label, in each fold", heads);
	for (size_t i = 0; i < n; i++) {
		for (size_t f = 0; f < nfolds(page); f++)
			fold_row(page, &all[i], fold_at(page, f));
	}
	table_end(page);
	details_end(page);
}

static void no_labels(const struct page *page)
{
	bool labels = hsfeed_value_len(hsfeed_value_get(page->folds, "labels")) > 0;
	html(page->out,
	     labels ? "<p>The labels are numbers other than 0 and 1, so they have no shares to compare.</p>\n"
		    : "<p>This dataset has no labels.</p>\n");
}

void page_labels(const struct page *page)
{
	struct indicator all[MAX_INDICATORS];
	size_t total = indicators_of(page, all), n = total < MAX_INDICATORS ? total : MAX_INDICATORS;
	section(page, "labels", "Labels in each fold",
		"How large a share of the rows carries each label: in all rows, and in the training and validation "
		"rows "
		"of each fold. Bars of one chart that reach the dashed line show folds that resemble the whole.",
		n ? "a validation bar is far from the line: that fold’s score answers another question than the "
		    "others’."
		  : NULL);
	if (n == 0)
		no_labels(page);
	else
		legend(page);
	if (n > 0) {
		figures(page, all, n);
		overview(page, all, n);
		every_fold(page, all, n);
	}
	if (total > n)
		html(page->out,
		     "<p class=\"note\">These are the first %zu of %zu label values; hsfeed folds --json "
		     "prints all.</p>\n",
		     n, total);
	section_end(page);
}
