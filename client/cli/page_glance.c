// SPDX-License-Identifier: Apache-2.0
// At a glance: one line per question, with what deserves a look pointed out.
#include <string.h>

#include "page.h"

static void finding(const struct page *page, bool look)
{
	html(page->out, "<li class=\"%s\"><b>%s</b><span>", look ? "look" : "fine", look ? "▲ look" : "✓ fine");
}

static void finding_end(const struct page *page, const char *id, const char *word)
{
	html(page->out, " <a href=\"#%s\">%s</a></span></li>\n", id, word);
}

static void rows_finding(const struct page *page)
{
	uint64_t read = get_uint(hsfeed_value_get(version_of(page), "report"), "rows_read");
	uint64_t rows = get_uint(version_of(page), "rows"), dropped = read > rows ? read - rows : 0;
	finding(page, (double)dropped > WORRY_DROPPED * (double)read);
	if (dropped == 0)
		html(page->out, "All %s rows that were read were kept.", fmt_count(read));
	else
		html(page->out, "%s of %s rows were kept; %s (%s) dropped, each for a stated reason.", fmt_count(rows),
		     fmt_count(read), fmt_count(dropped), fmt_share(dropped, read));
	finding_end(page, "source", "What was read");
}

// ---- labels ----

// The fold whose validation rows are least like the whole; NULL: there are no labels.
static const hsfeed_value *worst_fold(const struct page *page)
{
	const hsfeed_value *folds = hsfeed_value_get(page->folds, "folds"), *worst = NULL;
	double most = -1;
	for (size_t i = 0; i < hsfeed_value_len(folds); i++) {
		const hsfeed_value *fold = hsfeed_value_at(folds, i), *d = hsfeed_value_get(fold, "deviation");
		double gap = get_f64(d, "val") - get_f64(d, "all");
		gap = gap < 0 ? -gap : gap;
		if (hsfeed_value_type(d) != HSFEED_MAP || gap <= most)
			continue;
		most = gap;
		worst = fold;
	}
	return worst;
}

static void deviation_finding(const struct page *page)
{
	const hsfeed_value *fold = worst_fold(page), *d = hsfeed_value_get(fold, "deviation");
	if (!fold)
		return;
	double gap = 100 * (get_f64(d, "val") - get_f64(d, "all"));
	gap = gap < 0 ? -gap : gap;
	finding(page, gap > 100 * WORRY_DEVIATION);
	if (gap > 100 * WORRY_DEVIATION)
		html(page->out, "A fold’s labels are %.2f percentage points from those of the whole: ", gap);
	else
		html(page->out, "Each fold holds the labels as the whole does, to %.2f percentage points: ", gap);
	html_name(page->out, get_str(d, "label"));
	html(page->out, " = ");
	html_name(page->out, get_str(d, "value"));
	html(page->out, " is %s of all rows and %s of fold %s’s validation rows.", share_words(get_f64(d, "all")),
	     share_words(get_f64(d, "val")), fmt_count(get_uint(fold, "fold")));
	finding_end(page, "labels", "Labels in each fold");
}

// A label value that some split of some fold has no row of cannot be learnt, or not be measured, there.
static bool is_missing(const struct page *page, const struct indicator *indicator)
{
	const hsfeed_value *folds = hsfeed_value_get(page->folds, "folds");
	for (size_t i = 0; i < hsfeed_value_len(folds); i++) {
		const hsfeed_value *fold = hsfeed_value_at(folds, i);
		if (fold_count(fold, "train", indicator) == 0 || fold_count(fold, "val", indicator) == 0)
			return true;
	}
	return false;
}

static void missing_finding(const struct page *page)
{
	struct indicator all[MAX_INDICATORS];
	size_t n = indicators_of(page, all), missing = 0, first = 0;
	for (size_t i = 0; i < n && i < MAX_INDICATORS; i++) {
		if (!is_missing(page, &all[i]))
			continue;
		first = missing++ ? first : i;
	}
	if (missing == 0)
		return;
	finding(page, true);
	html(page->out, "%s label %s no training or no validation row in some fold: ", fmt_count(missing),
	     plural(missing, "value has", "values have"));
	put_indicator(page, &all[first]);
	if (missing > 1)
		html(page->out, " and %s more", fmt_count(missing - 1));
	html(page->out, ".");
	finding_end(page, "labels", "Labels in each fold");
}

static void warning_findings(const struct page *page)
{
	const hsfeed_value *warnings = hsfeed_value_get(page->folds, "warnings");
	for (size_t i = 0; i < hsfeed_value_len(warnings); i++) {
		finding(page, true);
		html(page->out, "The split plan says: %s", hsfeed_value_str(hsfeed_value_at(warnings, i), NULL, ""));
		finding_end(page, "folds", "Folds");
	}
}

// ---- tokens ----

static void length_finding(const struct page *page, const hsfeed_value *lengths)
{
	uint64_t max_length = hsfeed_value_uint(hsfeed_value_get(page->folds, "max_length"), USUAL_LENGTH);
	const hsfeed_value *cut = lengths_cut(lengths, max_length);
	uint64_t rows = get_uint(lengths, "rows"), truncated = get_uint(cut, "truncated_rows");
	finding(page, (double)truncated > WORRY_TRUNCATED * (double)rows);
	html(page->out, "At a maximum length of %s tokens, ", fmt_count(max_length));
	if (truncated)
		html(page->out, "%s rows (%s) of the role ", fmt_count(truncated), fmt_share(truncated, rows));
	else
		html(page->out, "no row of the role ");
	html_name(page->out, get_str(lengths, "role"));
	html(page->out, " %s cut short, and padding fills %s of each batch padded to it.",
	     plural(truncated ? truncated : 1, "is", "are"), share_words(get_f64(cut, "padding_share")));
	finding_end(page, "lengths", "Lengths");
}

static void unknown_finding(const struct page *page)
{
	const hsfeed_value *roles = hsfeed_value_get(page->show, "roles"), *worst = NULL;
	double most = -1;
	for (size_t i = 0; i < hsfeed_value_len(roles); i++) {
		const hsfeed_value *role = hsfeed_value_at(roles, i);
		uint64_t tokens = get_uint(role, "tokens");
		double share = tokens ? (double)get_uint(role, "unknown") / (double)tokens : 0;
		if (share <= most)
			continue;
		most = share;
		worst = role;
	}
	if (!worst)
		return;
	finding(page, most > WORRY_UNKNOWN);
	html(page->out, "%s of the tokens of the role ",
	     fmt_share(get_uint(worst, "unknown"), get_uint(worst, "tokens")));
	html_name(page->out, get_str(worst, "role"));
	html(page->out, " are unknown to its tokenizer%s.",
	     hsfeed_value_len(roles) > 1 ? ", the most of all roles" : "");
	finding_end(page, "unknown", "Unknown tokens");
}

// ---- duplicates ----

static void leak_finding(const struct page *page)
{
	const hsfeed_value *folds = hsfeed_value_get(page->leaks, "folds");
	uint64_t leaking = 0, rows = 0;
	for (size_t i = 0; i < hsfeed_value_len(folds); i++) {
		leaking += get_uint(hsfeed_value_at(folds, i), "leaking");
		rows += get_uint(hsfeed_value_at(folds, i), "val_rows");
	}
	finding(page, leaking > 0);
	if (leaking)
		html(page->out,
		     "%s of %s validation rows (%s) have an equal or very similar text among the training "
		     "rows of their fold: scores will look better than they are.",
		     fmt_count(leaking), fmt_count(rows), fmt_share(leaking, rows));
	else
		html(page->out, "No validation row has an equal or very similar text among the training rows of its "
				"fold.");
	finding_end(page, "leaks", "Duplicates and leaks");
}

static void conflict_finding(const struct page *page)
{
	const hsfeed_value *duplicates = hsfeed_value_get(page->leaks, "duplicates");
	uint64_t groups = get_uint(duplicates, "conflicting_groups");
	if (get_uint(duplicates, "groups") == 0 || hsfeed_value_len(hsfeed_value_get(page->folds, "labels")) == 0)
		return;
	finding(page, groups > 0);
	if (groups)
		html(page->out, "%s %s of similar texts %s labels that disagree.", fmt_count(groups),
		     plural(groups, "group", "groups"), plural(groups, "carries", "carry"));
	else
		html(page->out, "Similar texts carry the same labels.");
	finding_end(page, "leaks", "Duplicates and leaks");
}

void page_glance(const struct page *page)
{
	section(page, "glance", "At a glance",
		"The questions to ask before training, answered. Each line leads to the section with its numbers.",
		NULL);
	html(page->out, "<ul class=\"glance\">\n");
	rows_finding(page);
	deviation_finding(page);
	missing_finding(page);
	warning_findings(page);
	for (size_t i = 0; i < page->nlengths; i++)
		length_finding(page, page->lengths[i]);
	unknown_finding(page);
	leak_finding(page);
	conflict_finding(page);
	html(page->out, "</ul>\n");
	section_end(page);
}
