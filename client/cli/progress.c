// SPDX-License-Identifier: Apache-2.0
// Progress on stderr: a bar that is redrawn on a terminal, one line per stage elsewhere.
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define BAR_WIDTH 24

void progress_begin(struct progress *p)
{
	*p = (struct progress){.terminal = isatty(STDERR_FILENO) == 1};
}

// What a stage counts.
static const struct {
	const char *stage;
	enum { BYTES, TEXTS, NOTHING } unit;
} stages[] = {
	{"read", BYTES},    {"parse", BYTES},     {"tokenize", TEXTS},
	{"write", NOTHING}, {"publish", NOTHING}, {"verify", BYTES},
};
#define NSTAGES (sizeof(stages) / sizeof(stages[0]))

static size_t stage_of(const char *name)
{
	size_t i = 0;
	while (i < NSTAGES && strcmp(stages[i].stage, name) != 0)
		i++;
	return i;
}

static const char *amount(const char *stage, uint64_t n)
{
	size_t i = stage_of(stage);
	return i < NSTAGES && stages[i].unit == BYTES ? fmt_bytes(n) : fmt_count(n);
}

// Several tokenizers take turns, so a stage may come again: without a terminal it is told of once.
static void new_stage(struct progress *p, const char *stage, uint64_t total)
{
	size_t i = stage_of(stage);
	snprintf(p->stage, sizeof(p->stage), "%s", stage);
	p->began = now_seconds();
	bool told = i < NSTAGES && (p->told & 1u << i);
	if (p->terminal || json_asked || told)
		return;
	if (i < NSTAGES)
		p->told |= 1u << i;
	put_cstr(stderr, stage);
	if (i < NSTAGES && stages[i].unit != NOTHING)
		fprintf(stderr, " %s%s", amount(stage, total), stages[i].unit == TEXTS ? " texts" : "");
	putc('\n', stderr);
}

static void draw(struct progress *p, uint64_t done_, uint64_t total)
{
	double spent = now_seconds() - p->began, share = total ? (double)done_ / (double)total : 0;
	char bar[BAR_WIDTH * 3 + 4] = "";
	FILE *memory = fmemopen(bar, sizeof(bar), "w");
	if (memory) {
		put_bar(memory, share, BAR_WIDTH);
		fclose(memory);
	}
	fprintf(stderr, "\r\033[K%-9s %s%*s %s", p->stage, bar, (int)(BAR_WIDTH - text_width(bar)), "",
		amount(p->stage, done_));
	if (total)
		fprintf(stderr, " of %s", amount(p->stage, total));
	if (spent > 0.3 && done_ > 0) {
		double rate = (double)done_ / spent;
		fprintf(stderr, "  %s/s", amount(p->stage, (uint64_t)rate));
		if (total > done_)
			fprintf(stderr, "  %s left", fmt_seconds((double)(total - done_) / rate));
	}
	fflush(stderr);
	p->drawn = true;
}

int progress_show(void *progress, const char *stage, uint64_t done_, uint64_t total)
{
	struct progress *p = progress;
	bool fresh = strncmp(p->stage, stage, sizeof(p->stage) - 1) != 0;
	if (fresh)
		new_stage(p, stage, total);
	double now = now_seconds();
	if (p->terminal && (fresh || now - p->shown > 0.05)) {
		p->shown = now;
		draw(p, done_, total);
	}
	return 0;
}

void progress_end(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}
