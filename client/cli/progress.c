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

static void new_stage(struct progress *p, const char *stage, uint64_t total)
{
	snprintf(p->stage, sizeof(p->stage), "%s", stage);
	p->began = now_seconds();
	if (!p->terminal && !json_asked)
		fprintf(stderr, "%s: %s\n", p->stage, fmt_count(total));
}

static void draw(struct progress *p, uint64_t done_, uint64_t total)
{
	double spent = now_seconds() - p->began, share = total ? (double)done_ / (double)total : 0;
	bool bytes = strcmp(p->stage, "tokenize") != 0;
	char bar[BAR_WIDTH * 3 + 4] = "";
	FILE *memory = fmemopen(bar, sizeof(bar), "w");
	if (memory) {
		put_bar(memory, share, BAR_WIDTH);
		fclose(memory);
	}
	fprintf(stderr, "\r\033[K%-9s %s%*s %s", p->stage, bar, (int)(BAR_WIDTH - text_width(bar)), "",
		bytes ? fmt_bytes(done_) : fmt_count(done_));
	if (total)
		fprintf(stderr, " of %s", bytes ? fmt_bytes(total) : fmt_count(total));
	if (spent > 0.3 && done_ > 0) {
		double rate = (double)done_ / spent;
		fprintf(stderr, "  %s/s", bytes ? fmt_bytes((uint64_t)rate) : fmt_count((uint64_t)rate));
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
