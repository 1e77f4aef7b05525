// SPDX-License-Identifier: Apache-2.0
// The page that `hsfeed report` writes: sections over the daemon's answers, in reading order. It computes nothing that
// the answers do not hold; what it derives are shares and sums of their counts.
#ifndef HS_CLI_PAGE_H
#define HS_CLI_PAGE_H

#include "cli.h"
#include "html.h"

// What the page is made of; all borrowed.
struct page {
	FILE *out;
	const char *name; // as it was asked for, without a version: "hate", "user:hate"
	const hsfeed_value *show, *folds, *leaks;
	const hsfeed_value *const *lengths; // one per role
	size_t nlengths;
	const char *plan_name; // of a saved plan; NULL: none
};

// The first bytes of every page: how an earlier report is known from other files.
#define PAGE_MARK "<!DOCTYPE html>\n<!-- a report of hsfeed -->\n"

void page_write(const struct page *page);

// ---- page.c: shared ----

// A share of more than this is pointed out.
#define WORRY_DROPPED   0.01
#define WORRY_TRUNCATED 0.05
#define WORRY_UNKNOWN   0.01
#define WORRY_DEVIATION 0.02 // of a label between a fold and all rows: two percentage points

// section writes the heading and the sentences under it: what the section shows, and when to worry.
void section(const struct page *page, const char *id, const char *heading, const char *what, const char *worry);
void section_end(const struct page *page);
// table_begin opens a table in a frame that scrolls; heads are "name" for text and "#name" for numbers, NULL ends them.
void table_begin(const struct page *page, const char *caption, const char *const *heads);
void table_end(const struct page *page);
// details_begin opens what is shown on a click, or at once and in print where it is short enough to be `open`.
void details_begin(const struct page *page, bool open, const char *summary);
void details_end(const struct page *page);
void cell_count(const struct page *page, uint64_t n);
void cell_share(const struct page *page, uint64_t part, uint64_t whole);
// An empty cell where value is nil.
void cell_percent(const struct page *page, const hsfeed_value *share);
void cell_name(const struct page *page, const char *name);
double get_f64(const hsfeed_value *map, const char *key);
const hsfeed_value *version_of(const struct page *page);
const char *plural(uint64_t n, const char *one, const char *many);

// ---- page_labels.c ----

// One value of one label column that the page tells of: "1" of a 0/1 column, each of a class column.
struct indicator {
	const hsfeed_value *label;
	size_t column, value;
};
#define MAX_INDICATORS 200
// indicators_of fills ret, and returns how many there are in all.
size_t indicators_of(const struct page *page, struct indicator ret[MAX_INDICATORS]);
void put_indicator(const struct page *page, const struct indicator *indicator); // "HateSpeech" or "kind = spam"
size_t nfolds(const struct page *page);
const hsfeed_value *fold_at(const struct page *page, size_t i);
uint64_t fold_count(const hsfeed_value *fold, const char *split, const struct indicator *indicator);
uint64_t part_rows(const hsfeed_value *fold, const char *split);
// In all rows that the plan uses: every fold's two splits together are all of them.
uint64_t used_count(const struct page *page, const struct indicator *indicator);
uint64_t used_rows(const struct page *page);
void page_labels(const struct page *page);

// ---- the other sections ----

void page_glance(const struct page *page);
void page_source(const struct page *page);
void page_folds(const struct page *page);
void page_weights(const struct page *page);
void page_lengths(const struct page *page);
void page_unknown(const struct page *page);
void page_leaks(const struct page *page);
void page_repeat(const struct page *page);
void page_colophon(const struct page *page);
extern const char *const page_style[]; // page_style.c; lines, NULL ends them
// lengths_cut gives the cut of a role's lengths at max_length, or NULL.
const hsfeed_value *lengths_cut(const hsfeed_value *lengths, uint64_t max_length);

#endif
