// SPDX-License-Identifier: Apache-2.0
// Duplicates and leaks: of each fold, of the whole, and where to look. Texts are never shown: line numbers lead to
// them.
#include <string.h>

#include "page.h"

#define MAX_PAIRS 20 // shown; hsfeed leaks lists all

static const char *const fold_heads[] = {"Fold",      "#validation rows", "#leaking",         "#share", "#exact",
					 "#the same", "#similar",         "#labels disagree", NULL};

static void fold_row(const struct page *page, const hsfeed_value *fold)
{
	html(page->out, "<tr><th scope=\"row\">%s</th>", fmt_count(get_uint(fold, "fold")));
	cell_count(page, get_uint(fold, "val_rows"));
	cell_count(page, get_uint(fold, "leaking"));
	cell_share(page, get_uint(fold, "leaking"), get_uint(fold, "val_rows"));
	cell_count(page, get_uint(fold, "exact"));
	cell_count(page, get_uint(fold, "same"));
	cell_count(page, get_uint(fold, "near"));
	cell_count(page, get_uint(fold, "conflicting"));
	html(page->out, "</tr>\n");
}

static void fold_table(const struct page *page)
{
	const hsfeed_value *folds = hsfeed_value_get(page->leaks, "folds");
	table_begin(page, "Validation rows with a twin among the training rows of their fold", fold_heads);
	for (size_t i = 0; i < hsfeed_value_len(folds); i++)
		fold_row(page, hsfeed_value_at(folds, i));
	table_end(page);
	html(page->out,
	     "<p class=\"note\">Exact: the same bytes. The same: but for letter case, white space and Unicode normal "
	     "form. "
	     "Similar: of all runs of five characters in either text, at least %s are in both (Jaccard similarity). "
	     "Each "
	     "row counts once, under the first of these that holds. Labels disagree: the twin most like the row "
	     "carries "
	     "other labels.</p>\n",
	     share_words(get_f64(page->leaks, "similarity")));
}

static void whole_table(const struct page *page)
{
	static const char *const heads[] = {"In all rows, whatever the folds", "#number", NULL};
	static const struct {
		const char *key, *words;
		bool always;
	} rows[] = {
		{"exact_rows", "rows whose text appeared before, byte for byte", true},
		{"same_rows", "rows whose text appeared before in another case, spacing or Unicode form", true},
		{"near_pairs", "pairs of similar texts", true},
		{"groups", "groups of such texts", true},
		{"rows_in_groups", "rows in these groups", true},
		{"largest", "rows in the largest group", true},
		{"conflicting_groups", "groups whose labels disagree", true},
		{"unlisted", "similar pairs that were found and not listed", false},
		{"uncompared", "candidate pairs that were too many to compare", false},
	};
	const hsfeed_value *d = hsfeed_value_get(page->leaks, "duplicates");
	table_begin(page, "Duplicates", heads);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!rows[i].always && get_uint(d, rows[i].key) == 0)
			continue;
		html(page->out, "<tr><th scope=\"row\">%s</th>", rows[i].words);
		cell_count(page, get_uint(d, rows[i].key));
		html(page->out, "</tr>\n");
	}
	table_end(page);
}

// ---- where to look ----

static const char *how_words(const char *how)
{
	return strcmp(how, "near") == 0 ? "similar" : strcmp(how, "same") == 0 ? "the same" : how;
}

static void pair_row(const struct page *page, const hsfeed_value *pair)
{
	html(page->out, "<tr><th scope=\"row\">%s</th>", fmt_count(get_uint(pair, "fold")));
	cell_count(page, get_uint(pair, "line"));
	cell_count(page, get_uint(pair, "of_line"));
	html(page->out, "<td>%s</td>", how_words(get_str(pair, "how")));
	cell_percent(page, hsfeed_value_get(pair, "similarity"));
	html(page->out, "<td>%s</td></tr>\n", get_bool(pair, "conflict") ? "disagree" : "agree");
}

static void pair_table(const struct page *page)
{
	static const char *const heads[] = {
		"Fold", "#line in validation", "#line in training", "how", "#similarity", "labels", NULL};
	const hsfeed_value *pairs = hsfeed_value_get(page->leaks, "pairs");
	size_t n = hsfeed_value_len(pairs), shown = n < MAX_PAIRS ? n : MAX_PAIRS;
	uint64_t total = get_uint(page->leaks, "total");
	char caption[160];
	if (n == 0)
		return;
	snprintf(caption, sizeof(caption), "Where to look: %s%s leaking rows, by their lines in the file",
		 shown < total ? "the first " : "", shown < total ? fmt_count(shown) : "all");
	table_begin(page, caption, heads);
	for (size_t i = 0; i < shown; i++)
		pair_row(page, hsfeed_value_at(pairs, i));
	table_end(page);
	if (shown < total)
		html(page->out, "<p class=\"note\">hsfeed leaks lists all %s.</p>\n", fmt_count(total));
}

static void way_out(const struct page *page)
{
	if (get_uint(page->leaks, "total") == 0)
		return;
	html(page->out, "<p>Folds dealt with <code>--group duplicates</code> keep all texts of a group on one side, so "
			"that none of them leaks.</p>\n");
}

void page_leaks(const struct page *page)
{
	section(page, "leaks", "Duplicates and leaks",
		"A validation row whose text the model has trained on measures memory, not understanding. Here are the "
		"rows of each fold that have such a twin, and how often texts repeat at all.",
		"any validation row leaks, or when equal texts carry labels that disagree: no model can be right on "
		"both.");
	fold_table(page);
	whole_table(page);
	pair_table(page);
	way_out(page);
	section_end(page);
}
