// SPDX-License-Identifier: Apache-2.0
// Charts: few marks, from zero, each with its numbers in a table of the page. A series is one path, so that a chart of
// thousands of bars stays small.
//
//   left      top                        A bar chart: one reference value at the left, folds below.
//   4.90 % - -|- - - - - - - - - -       A histogram: lengths below, cuts as vertical lines with their number on top.
//             | # ## ## ## ## ##
//          ---+------------------
//      fold      0  1  2  3  4
#include <math.h>

#include "cli.h"
#include "html.h"

#define LEFT   64.0
#define RIGHT  10.0
#define TOP    20.0 // cuts have their number here
#define BOTTOM 24.0

struct frame {
	FILE *out;
	double width, height, top; // top: the value at the upper edge
};

static double plot_width(const struct frame *f)
{
	return f->width - LEFT - RIGHT;
}

static double y_of(const struct frame *f, double value)
{
	double plot = f->height - TOP - BOTTOM, share = f->top > 0 ? value / f->top : 0;
	return TOP + plot * (1 - (share > 1 ? 1 : share));
}

// ---- parts ----

static void begin(const struct frame *f, const char *title, const char *what)
{
	html(f->out, "<svg role=\"img\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\">\n", f->width,
	     f->height, f->width, f->height);
	html(f->out, "<title>%s%s%s</title>\n", title, what ? ": " : "", what ? what : "");
}

static void bar(const struct frame *f, double x, double width, double value)
{
	if (value > 0)
		html(f->out, "M%.1f %.1fV%.1fh%.1fV%.1fz", x, y_of(f, 0), y_of(f, value), width, y_of(f, 0));
}

static void baseline(const struct frame *f)
{
	html(f->out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", LEFT, y_of(f, 0) + 0.5, f->width - RIGHT);
}

static void tick(const struct frame *f, double x, uint64_t n)
{
	html(f->out, "<text class=\"mid\" x=\"%.1f\" y=\"%.1f\">%llu</text>\n", x, f->height - 8,
	     (unsigned long long)n);
}

// The least of 1, 2, 5, 10, 20, 50, ... that is at least this.
static uint64_t nice_step(double least)
{
	uint64_t step = 1;
	for (unsigned i = 0; (double)step < least; i++)
		step = i % 3 == 1 ? step / 2 * 5 : step * 2;
	return step;
}

static void left_word(const struct frame *f, double y, const char *words)
{
	html(f->out, "<text class=\"end\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", LEFT - 8, y, words);
}

// ---- bars per fold ----

static double highest(const double *values, size_t n, double most)
{
	for (size_t i = 0; values && i < n; i++)
		most = fmax(most, values[i]);
	return most;
}

// Bars of one series: `part` of the parts that a fold's place is cut into, as 0 .. parts - 1.
static void series(const struct frame *f, const struct bar_chart *c, const double *values, unsigned part)
{
	double place = plot_width(f) / (double)c->n, used = fmin(place * 0.78, c->train ? 72 : 44);
	double width = c->train ? used / 2 : used, gap = fmin(width * 0.06, 1.5);
	html(f->out, "<path class=\"%s\" d=\"", values == c->val ? "val" : width < 3 ? "train thin" : "train");
	for (size_t i = 0; i < c->n; i++)
		bar(f, LEFT + place * ((double)i + 0.5) - used / 2 + part * width + gap, width - 2 * gap, values[i]);
	html(f->out, "\"/>\n");
}

static void fold_ticks(const struct frame *f, size_t n)
{
	double place = plot_width(f) / (double)n;
	uint64_t step = nice_step(24 / place);
	left_word(f, f->height - 8, "fold");
	for (size_t i = 0; i < n; i += step)
		tick(f, LEFT + place * ((double)i + 0.5), i);
}

static void reference(const struct frame *f, double value, const char *words)
{
	double y = y_of(f, value);
	html(f->out, "<path class=\"ref\" d=\"M%.1f %.1fH%.1f\"/>\n", LEFT, y, f->width - RIGHT);
	left_word(f, fmin(y + 4, f->height - BOTTOM - 3), words);
}

static void bars_described(const struct frame *f, const struct bar_chart *c)
{
	html(f->out, "<desc>%zu folds from 0 at the left; %s; the dashed line is at %s.</desc>\n", c->n,
	     c->train ? "for each an outlined bar for training and a solid one for validation" : "a bar for each",
	     c->line_words);
}

void chart_bars(FILE *out, const struct bar_chart *c)
{
	struct frame f = {.out = out, .width = c->width, .height = c->height};
	f.top = 1.12 * highest(c->train, c->n, highest(c->val, c->n, c->line));
	begin(&f, c->title, c->what);
	bars_described(&f, c);
	if (c->train)
		series(&f, c, c->train, 0);
	series(&f, c, c->val, c->train ? 1 : 0);
	baseline(&f);
	reference(&f, c->line, c->line_words);
	fold_ticks(&f, c->n);
	html(out, "</svg>\n");
}

// ---- lengths ----

#define LENGTHS_HEIGHT 232
#define BEYOND_WIDTH   26.0

// The length at the right edge; rows beyond it have a bar of their own after a gap.
static double x_of(const struct frame *f, const struct length_chart *c, uint64_t length)
{
	double plot = plot_width(f) - (c->beyond ? BEYOND_WIDTH : 0);
	return LEFT + plot * (double)length / (double)(c->n * c->width);
}

static void length_bars(const struct frame *f, const struct length_chart *c)
{
	double width = x_of(f, c, c->width) - LEFT, gap = fmin(width * 0.12, 1);
	html(f->out, "<path class=\"val\" d=\"");
	for (size_t i = 0; i < c->n; i++)
		bar(f, x_of(f, c, i * c->width) + gap / 2, width - gap, (double)c->counts[i]);
	if (c->beyond)
		bar(f, f->width - RIGHT - 14, 14, (double)c->beyond);
	html(f->out, "\"/>\n");
}

static void length_ticks(const struct frame *f, const struct length_chart *c)
{
	uint64_t end = c->n * c->width, step = nice_step((double)end / 9);
	for (uint64_t at = 0; at <= end; at += step)
		tick(f, x_of(f, c, at), at);
	left_word(f, f->height - 8, "tokens");
	if (c->beyond)
		html(f->out, "<text class=\"mid\" x=\"%.1f\" y=\"%.1f\">more</text>\n", f->width - RIGHT - 10,
		     f->height - 8);
}

// A cut that comes too close to the one before has its line, and no number.
static void cut_lines(const struct frame *f, const struct length_chart *c)
{
	double last = 0;
	for (size_t i = 0; i < c->ncuts; i++) {
		if (c->cuts[i] >= c->n * c->width)
			continue;
		double x = x_of(f, c, c->cuts[i] + 1);
		html(f->out, "<path class=\"ref\" d=\"M%.1f %.1fV%.1f\"/>\n", x, TOP, y_of(f, 0));
		if (x - last > 30)
			html(f->out, "<text class=\"mid cut\" x=\"%.1f\" y=\"%.1f\">%llu</text>\n", x, TOP - 4,
			     (unsigned long long)c->cuts[i]);
		last = x;
	}
}

static uint64_t most_rows(const struct length_chart *c)
{
	uint64_t most = c->beyond;
	for (size_t i = 0; i < c->n; i++)
		most = c->counts[i] > most ? c->counts[i] : most;
	return most;
}

void chart_lengths(FILE *out, const struct length_chart *c)
{
	uint64_t most = most_rows(c);
	struct frame f = {.out = out, .width = CHART_WIDTH, .height = LENGTHS_HEIGHT, .top = 1.04 * (double)most};
	char words[48];
	begin(&f, c->title, c->what);
	html(out,
	     "<desc>%zu bars, each of %llu lengths in tokens, from 0 at the left; the highest has %llu rows; dashed "
	     "lines stand at maximum lengths.</desc>\n",
	     c->n, (unsigned long long)c->width, (unsigned long long)most);
	length_bars(&f, c);
	baseline(&f);
	cut_lines(&f, c);
	length_ticks(&f, c);
	snprintf(words, sizeof(words), "%s rows", fmt_count(most));
	left_word(&f, y_of(&f, (double)most) + 9, words);
	html(out, "</svg>\n");
}
