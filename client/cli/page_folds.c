// SPDX-License-Identifier: Apache-2.0
// Folds: sizes, tokens, how far each is from the whole; what keeps groups together; weights.
#include <stdlib.h>
#include <string.h>

#include "page.h"

// ---- sizes ----

static void size_chart(const struct page *page)
{
	size_t n = nfolds(page);
	double *rows = calloc(n ? n : 1, sizeof(*rows)), sum = 0;
	if (!rows || n < 2) {
		free(rows);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		rows[i] = (double)part_rows(fold_at(page, i), "val");
		sum += rows[i];
	}
	struct bar_chart chart = {
		.title = "Validation rows of each fold",
		.width = CHART_WIDTH,
		.height = 150,
		.n = n,
		.val = rows,
		.line = sum / (double)n,
		.line_words = fmt_count((uint64_t)(sum / (double)n + 0.5)),
	};
	html(page->out, "<figure><figcaption>Validation rows of each fold <span>the dashed line is their mean</span>"
			"</figcaption>\n");
	chart_bars(page->out, &chart);
	html(page->out, "</figure>\n");
	free(rows);
}

// Two decimals: what differs between folds often is no more.
static void put_fine_percent(const struct page *page, double share)
{
	char words[32];
	snprintf(words, sizeof(words), "%.2f %%", 100 * share);
	html_number(page->out, share, words);
}

static void deviation_cell(const struct page *page, const hsfeed_value *d)
{
	html(page->out, "<td>");
	if (hsfeed_value_type(d) == HSFEED_MAP) {
		html_name(page->out, get_str(d, "label"));
		html(page->out, " = ");
		html_name(page->out, get_str(d, "value"));
		html(page->out, ": ");
		put_fine_percent(page, get_f64(d, "val"));
		html(page->out, ", in all rows ");
		put_fine_percent(page, get_f64(d, "all"));
	}
	html(page->out, "</td>");
}

static void fold_row(const struct page *page, const hsfeed_value *fold, bool labels)
{
	html(page->out, "<tr><th scope=\"row\">%s</th>", fmt_count(get_uint(fold, "fold")));
	cell_count(page, part_rows(fold, "train"));
	cell_count(page, part_rows(fold, "val"));
	if (labels) {
		deviation_cell(page, hsfeed_value_get(fold, "deviation"));
		cell_percent(page, hsfeed_value_get(fold, "drift"));
	}
	html(page->out, "</tr>\n");
}

static void sizes(const struct page *page)
{
	static const char *const plain_heads[] = {"Fold", "#training rows", "#validation rows", NULL};
	static const char *const heads[] = {
		"Fold", "#training rows", "#validation rows", "label farthest from the whole", "#drift", NULL};
	bool labels = hsfeed_value_len(hsfeed_value_get(page->folds, "labels")) > 0;
	table_begin(page, "Rows of each fold", labels ? heads : plain_heads);
	for (size_t i = 0; i < nfolds(page); i++)
		fold_row(page, fold_at(page, i), labels);
	table_end(page);
	if (!labels)
		return;
	html(page->out,
	     "<p class=\"note\">Drift is the share of validation rows that would have to change their combination of "
	     "labels to match all rows (total variation distance): 0 %% is a perfect copy. Where there "
	     "are many labels, most combinations are rare, and drift is large however the folds are dealt.</p>\n");
}

// ---- tokens ----

static void token_row(const struct page *page, const hsfeed_value *fold, const char *split, const char *words)
{
	const hsfeed_value *part = hsfeed_value_get(fold, split);
	html(page->out, "<tr><th scope=\"row\">%s</th><td>%s</td>", fmt_count(get_uint(fold, "fold")), words);
	cell_count(page, get_uint(part, "rows"));
	cell_count(page, get_uint(part, "tokens"));
	cell_count(page, get_uint(part, "truncated_rows"));
	cell_share(page, get_uint(part, "truncated_rows"), get_uint(part, "rows"));
	cell_percent(page, hsfeed_value_get(part, "padding_share"));
	html(page->out, "</tr>\n");
}

static void tokens(const struct page *page)
{
	static const char *const heads[] = {"Fold",   "split",    "#rows", "#tokens", "#truncated rows",
					    "#share", "#padding", NULL};
	char caption[512];
	if (!hsfeed_value_get(hsfeed_value_get(fold_at(page, 0), "train"), "tokens"))
		return;
	snprintf(caption, sizeof(caption), "Tokens of each fold: role %.200s, at a maximum length of %s",
		 get_str(page->folds, "role"), fmt_count(get_uint(page->folds, "max_length")));
	details_begin(page, nfolds(page) <= 10, "Tokens of each fold");
	table_begin(page, caption, heads);
	for (size_t i = 0; i < nfolds(page); i++) {
		token_row(page, fold_at(page, i), "train", "training");
		token_row(page, fold_at(page, i), "val", "validation");
	}
	table_end(page);
	details_end(page);
}

// ---- groups ----

static void group_row(const struct page *page, const char *words, const hsfeed_value *n, const hsfeed_value *bound)
{
	html(page->out, "<tr><th scope=\"row\">%s</th>", words);
	if (hsfeed_value_type(n) == HSFEED_UINT)
		cell_count(page, hsfeed_value_uint(n, 0));
	else
		html(page->out, "<td class=\"n\"></td>");
	if (hsfeed_value_type(bound) == HSFEED_UINT)
		cell_count(page, hsfeed_value_uint(bound, 0));
	else
		html(page->out, "<td class=\"n\"></td>");
	html(page->out, "</tr>\n");
}

static void groups(const struct page *page)
{
	static const char *const heads[] = {"Groups", "#number", "#guaranteed at most", NULL};
	static const struct {
		const char *words, *key, *bound;
	} rows[] = {
		{"groups", "count", ""},
		{"rows of the largest", "largest", ""},
		{"rows in groups of two or more", "rows_in_groups", ""},
		{"largest fold less the smallest, in rows", "size_gap", "size_bound"},
		{"the same of rows with one label, the worst label", "label_gap", "label_bound"},
	};
	const hsfeed_value *g = hsfeed_value_get(page->folds, "groups");
	if (!g)
		return;
	table_begin(page, "Rows of one group stay in one fold, so folds cannot be quite as even", heads);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		group_row(page, rows[i].words, hsfeed_value_get(g, rows[i].key), hsfeed_value_get(g, rows[i].bound));
	table_end(page);
}

void page_folds(const struct page *page)
{
	uint64_t rows = get_uint(page->folds, "rows"), used = used_rows(page);
	section(page, "folds", "Folds",
		"How many rows each fold trains on and is measured on, and how far it is from the whole. Folds count "
		"from 0.",
		"folds differ in size without a reason such as groups, or when one fold drifts much farther than the "
		"others.");
	size_chart(page);
	sizes(page);
	if (used < rows)
		html(page->out, "<p>%s of %s rows are in neither split of this plan.</p>\n", fmt_count(rows - used),
		     fmt_count(rows));
	groups(page);
	tokens(page);
	section_end(page);
}

// ---- weights ----

// The weight of an indicator in a fold; NULL: it has none.
static const hsfeed_value *weight_of(const hsfeed_value *fold, const struct indicator *i)
{
	const hsfeed_value *column = hsfeed_value_at(hsfeed_value_get(fold, "weights"), i->column);
	bool binary = strcmp(get_str(i->label, "type"), "float") == 0;
	return hsfeed_value_at(column, binary ? 0 : i->value);
}

static void weight_cell(const struct page *page, const hsfeed_value *weight)
{
	char words[32];
	html(page->out, "<td class=\"n\">");
	if (weight) {
		double w = hsfeed_value_f64(weight, 0);
		snprintf(words, sizeof(words), w < 100 ? "%.3f" : "%.1f", w);
		html_number(page->out, w, words);
	}
	html(page->out, "</td>");
}

// From the lowest to the highest over the folds, where each has a column none would fit.
static void weight_range(const struct page *page, const struct indicator *indicator)
{
	const hsfeed_value *least = NULL, *most = NULL;
	for (size_t f = 0; f < nfolds(page); f++) {
		const hsfeed_value *w = weight_of(fold_at(page, f), indicator);
		if (!least || hsfeed_value_f64(w, 0) < hsfeed_value_f64(least, 0))
			least = w;
		if (!most || hsfeed_value_f64(w, 0) > hsfeed_value_f64(most, 0))
			most = w;
	}
	weight_cell(page, least);
	weight_cell(page, most);
}

#define MAX_WEIGHT_FOLDS 8

static void weight_table(const struct page *page, const struct indicator *all, size_t n, bool ranges)
{
	char words[MAX_WEIGHT_FOLDS][24];
	const char *heads[MAX_WEIGHT_FOLDS + 2] = {"Label", "#lowest fold", "#highest fold", NULL};
	for (size_t f = 0; !ranges && f < nfolds(page); f++) {
		snprintf(words[f], sizeof(words[f]), "#fold %s", fmt_count(get_uint(fold_at(page, f), "fold")));
		heads[1 + f] = words[f];
		heads[2 + f] = NULL;
	}
	table_begin(page, "Weight of each label, from the training rows of each fold", heads);
	for (size_t i = 0; i < n; i++) {
		html(page->out, "<tr><th scope=\"row\">");
		put_indicator(page, &all[i]);
		html(page->out, "</th>");
		for (size_t f = 0; !ranges && f < nfolds(page); f++)
			weight_cell(page, weight_of(fold_at(page, f), &all[i]));
		if (ranges)
			weight_range(page, &all[i]);
		html(page->out, "</tr>\n");
	}
	table_end(page);
}

void page_weights(const struct page *page)
{
	struct indicator all[MAX_INDICATORS];
	size_t n = indicators_of(page, all);
	bool classes = n && strcmp(get_str(all[0].label, "type"), "class") == 0;
	section(page, "weights", "Weights",
		classes ? "What a rare class counts for in the loss, so that it is not drowned out: all rows over the "
			  "class’s rows and the number of classes (scikit-learn’s “balanced”), for CrossEntropyLoss."
			: "What a row with the label counts for in the loss, so that a rare label is not drowned out: "
			  "negatives over positives of the training rows, for BCEWithLogitsLoss(pos_weight=…).",
		n ? "a weight is over a hundred: a handful of rows then steers the model." : NULL);
	if (n == 0 || !hsfeed_value_get(fold_at(page, 0), "weights"))
		html(page->out, "<p>%s</p>\n",
		     n ? "The answer had no room for weights; hsfeed weights prints them."
		       : "There are no labels with shares, so there are no weights.");
	else
		weight_table(page, all, n < MAX_INDICATORS ? n : MAX_INDICATORS, nfolds(page) > MAX_WEIGHT_FOLDS);
	section_end(page);
}
