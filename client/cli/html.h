// SPDX-License-Identifier: Apache-2.0
// Writing HTML that is also well-formed XML. Whatever comes from data, files or the daemon goes through the escapes
// here; only literals of the program are markup.
#ifndef HS_CLI_HTML_H
#define HS_CLI_HTML_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// html_text writes text for an element or a quoted attribute: & < > " ' become entities; control characters and the
// marks that reorder text are shown as \xNN, byte by byte, as on the terminal; bytes that are no UTF-8, and characters
// that XML has no place for, become U+FFFD.
void html_text(FILE *out, const char *text, size_t len);
void html_cstr(FILE *out, const char *text);

// html writes markup. fmt is a literal; of printf's conversions it knows %s, which goes through html_text, %u, %zu,
// %llu, %.Nf and %%. No other conversion, flag or width may stand in it.
void html(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// html_name writes a name from the data, apart from the direction of the text around it, cut after 160 bytes.
void html_name(FILE *out, const char *text);
// html_number writes a number as people read it, with the exact one, the fewest digits that read back, beside it for
// programs: <data value="0.0123456">1.23 %</data>.
void html_number(FILE *out, double exact, const char *words);
// html_percent is html_number of a share from 0 to 1.
void html_percent(FILE *out, double share);
// share_words gives 0.0123 as "1.23 %", as fmt_share does, in one of a few buffers that take turns.
const char *share_words(double share);

// ---- html_chart.c: charts as inline SVG, titled and described, coloured by the page's classes ----

#define CHART_WIDTH 800 // px: as wide as the page's text

// Bars per fold: `val` solid, before it `train` outlined where there is one, and a dashed line across all of them.
struct bar_chart {
	const char *title, *what; // what: the name that the title is about; may be NULL
	unsigned width, height;   // px
	size_t n;                 // folds
	const double *train, *val;
	double line;
	const char *line_words; // at the line
};
void chart_bars(FILE *out, const struct bar_chart *chart);

// A histogram of lengths with a vertical line at each cut.
struct length_chart {
	const char *title, *what;
	const uint64_t *counts; // [n], bar i holds lengths i * width .. (i + 1) * width - 1
	size_t n;
	uint64_t width, beyond; // beyond: rows longer than the last bar
	const uint64_t *cuts;   // ascending
	size_t ncuts;
};
void chart_lengths(FILE *out, const struct length_chart *chart);

#endif
