// SPDX-License-Identifier: Apache-2.0
// The command `hsfeed`: a table of commands, each a handler with its own table of options.
#ifndef HS_CLI_CLI_H
#define HS_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "hsfeed.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NO_DAEMON = 3 };

#define USUAL_SIMILARITY 0.8 // of near duplicates
#define USUAL_LENGTH     128 // max_length

// ---- options.c: one parser for all commands ----

enum option_kind {
	OPT_FLAG,
	OPT_TEXT,
	OPT_NUMBER,
	OPT_SHARE, // a decimal number
	OPT_SIZE,  // a share, or a whole number
	OPT_LIST,  // may be given several times, and keeps its order
};

struct option {
	const char *name; // without the dashes; NULL ends a table
	char letter;      // 'o': -o is the same; 0: none
	enum option_kind kind;
	const char *arg;     // what stands for its argument in help
	const char *help;    // one line
	const char *choices; // "a|b|c", or NULL: anything
	uint64_t min, max;   // of a number; of a share in hundredths
	bool later;          // known, not there yet: absent from help
};

#define OPT_END                                                                                                        \
	{                                                                                                              \
		.name = NULL                                                                                           \
	}
#define MAX_GIVEN 256
#define MAX_WORDS 3

struct args {
	const struct command *command;
	const char *words[MAX_WORDS]; // what is no option
	unsigned nwords;
	struct {
		const struct option *option;
		const char *text;
		uint64_t number; // also a size in rows
		double share;    // 0: a size is in rows
	} given[MAX_GIVEN];
	unsigned ngiven;
	bool help;
};

struct command {
	const char *name;
	int (*run)(const struct args *args);
	unsigned min_words, max_words;
	const char *usage;               // the words after the name
	const char *help;                // one line for the list
	const char *more;                // what `help COMMAND` adds; may be NULL
	const struct option *options[3]; // tables, NULL-terminated
};

extern const struct command commands[]; // main.c; ends with a NULL name
extern const struct option common_options[];
extern const struct option plan_options[];   // plan.c
extern const struct option epoch_options[];  // epoch.c
extern const struct option ingest_options[]; // ingest.c
extern const struct option add_options[];
extern const struct option leaks_options[];  // leaks.c
extern const struct option report_options[]; // report_page.c

// args_parse fills *ret from the words after the command's name. 0 or EXIT_USAGE, with the sentence printed.
int args_parse(const struct command *command, int argc, char **argv, struct args *ret);
bool args_has(const struct args *args, const char *name);
const char *args_text(const struct args *args, const char *name, const char *fallback);
uint64_t args_number(const struct args *args, const char *name, uint64_t fallback);
double args_share(const struct args *args, const char *name, double fallback);
// args_each walks a list option in order: *i starts at 0. NULL at the end.
const char *args_each(const struct args *args, const char *name, unsigned *i);
// args_item goes through the items of an option "A,B" that may be given more than once. w is zeroed before the first.
struct item_walk {
	unsigned i;
	const char *given, *rest; // the argument that the last item is of, and what follows the item there
};
const char *args_item(const struct args *args, const char *name, struct item_walk *w, size_t *ret_len);
const struct command *command_find(const char *name);
// near gives the name closest to a mistyped one, or NULL when none is close.
const char *near_command(const char *name);

// ---- help.c ----

int help_main(const struct args *args);
void help_command(FILE *out, const struct command *command);
void help_list(FILE *out);

// ---- print.c: to people ----

extern bool json_asked; // --json

// fail prints "hsfeed: SENTENCE" to stderr and returns `code`; fail_error does so for the library's, with its hint.
int fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int fail_error(const struct hsfeed_error *error);
// finish flushes standard output: code, or EXIT_REFUSED when it could not be written.
int finish(int code);
void put_text(FILE *out, const char *text, size_t len); // control characters escaped
void put_cstr(FILE *out, const char *text);
void put_bar(FILE *out, double share, unsigned width); // 0..1; blocks, or # where the screen has none

// Numbers for people, into one of a few buffers that take turns.
const char *fmt_count(uint64_t n);                    // 12,345
const char *fmt_bytes(uint64_t n);                    // 1.7 MB
const char *fmt_share(uint64_t part, uint64_t whole); // 4.90 %
const char *fmt_percent(double share);                // 4.90 %
const char *fmt_bar(double share, unsigned width);    // put_bar's, at most 60 wide
const char *fmt_time(uint64_t ms_since_1970);         // 2025-03-04 12:34:56, local
const char *fmt_seconds(double seconds);
const char *fmt_id(const char *id);                    // its first 12 digits
const char *fmt_ref(const char *name, const char *id); // name@2f3a9c
const char *fmt_uid(uint64_t uid);                     // a user's name, or digits

// Shorthands into a result.
uint64_t get_uint(const hsfeed_value *map, const char *key);
const char *get_str(const hsfeed_value *map, const char *key); // never NULL
bool get_bool(const hsfeed_value *map, const char *key);
// put_list prints strings as "a, b, c".
void put_list(FILE *out, const hsfeed_value *strings);
// put_lines prints line numbers as "3, 17, 40 and 12 more"; total is how many there are in all.
void put_lines(FILE *out, const hsfeed_value *lines, uint64_t total);
double now_seconds(void);
// text_cut: how many bytes of a text are at most `most` and end at a character.
size_t text_cut(const char *text, size_t most);
// pin_name writes "name@version", whatever version the name was asked for with.
void pin_name(char ret[512], const char *name, const char *version);

// ---- json.c: to programs ----

void json_str(FILE *out, const char *text, size_t len);
void json_value(FILE *out, const hsfeed_value *value);
void json_line(const hsfeed_value *value); // and a newline, to stdout
void json_uint(FILE *out, uint64_t n);     // fast
void json_int(FILE *out, int64_t n);
void json_f64(FILE *out, double v);
void json_f32(FILE *out, float v); // shortest; integral ones as integers

// ---- table.c: aligned columns ----

struct table;
struct table *table_create(const char *const *heads, size_t ncolumns, const char *align); // 'l' or 'r' per column
void table_share(struct table *t, uint64_t n, uint64_t of);                               // a cell "12 (3.4 %)"
void table_cell(struct table *t, const char *text); // copied; cells fill rows from left to right
void table_print(struct table *t, const char *indent);
// table_print_blocks prints columns that do not fit the screen in further blocks, each with the first nkeys columns.
void table_print_blocks(struct table *t, const char *indent, size_t nkeys);
void table_destroy(struct table *t);
unsigned text_width(const char *text); // columns on a terminal

// ---- screen.c ----

extern bool ascii_only; // no blocks for bars: the locale is not UTF-8, or the terminal has no font for them
void screen_init(void); // before the locale's character set is changed
unsigned screen_width(void);

// ---- connect.c ----

// conf_value finds a key of section [daemon] in a configuration file. False: it is not there.
bool conf_value(const char *path, const char *key, char *ret, size_t bytes);

// daemon_open connects as --socket says. 0, or an exit code with the sentence printed.
int daemon_open(const struct args *args, hsfeed_client **ret);
// done prints an answer: as JSON with --json, else by `human`; frees it, closes the client, returns the exit code.
int done(hsfeed_client *client, int rc, hsfeed_value *answer, const struct hsfeed_error *error,
	 void (*human)(const hsfeed_value *answer));

// ask_about is a whole command that asks one question about the dataset it names: open, ask, print, close.
typedef int ask_fn(hsfeed_client *client, const char *name, hsfeed_value **ret_answer, struct hsfeed_error *reterr);
int ask_about(const struct args *args, ask_fn *ask, void (*human)(const hsfeed_value *answer));

// ---- progress.c ----

struct progress {
	char stage[24];
	unsigned told; // stages, one bit each
	double began, shown;
	bool terminal, drawn;
};
void progress_begin(struct progress *p);
int progress_show(void *progress, const char *stage, uint64_t done, uint64_t total); // a hsfeed_progress_fn
void progress_end(struct progress *p);                                               // clears the bar

// ---- digest.c ----

struct digest;
struct digest *digest_create(void); // NULL: no memory
void digest_add(struct digest *d, const void *data, size_t bytes);
void digest_finish(struct digest *d, char ret_hex[65]); // and destroys

// ---- plan.c ----

// plan_check refuses plan options that do not go together: 0 or EXIT_USAGE, with the sentence printed. All is well
// where there are none.
int plan_check(const struct args *args);
const char *plan_given(const struct args *args);     // the first option that makes a plan, --plan apart; NULL: none
struct hsfeed_plan plan_of(const struct args *args); // what passed plan_check; lists live until the next call
void put_plan(FILE *out, const hsfeed_value *plan);  // every key of a resolved one
void put_warnings(const hsfeed_value *warnings);     // to stderr

// ---- epoch.c ----

#define EPOCH_MAX_ROLES 8

struct epoch_request { // options.plan and options.roles point into it: it must not move
	struct hsfeed_stream_options options;
	struct hsfeed_plan plan;
	struct hsfeed_stream_role roles[EPOCH_MAX_ROLES];
	char names[EPOCH_MAX_ROLES][160];
	size_t nnamed; // by --roles
};
// epoch_read fills *r from epoch_options and plan_options. 0, or EXIT_USAGE with the sentence printed.
int epoch_read(const struct args *args, struct epoch_request *r);

// ---- masks.c: what is masked, and what samples weigh ----

struct mask_request { // the options point into it: it must not move
	const char *roles[EPOCH_MAX_ROLES];
	char names[EPOCH_MAX_ROLES][160];
	struct hsfeed_weight weights[MAX_GIVEN];
	char labels[MAX_GIVEN][1024];
};
// masks_read fills those fields of *ret. r is zeroed. 0, or EXIT_USAGE with the sentence printed.
int masks_read(const struct args *args, struct mask_request *r, struct hsfeed_stream_options *ret);
void masks_announce(const hsfeed_value *info); // to stderr; nothing where nothing was asked for

// ---- attach.c: which attached arrays ----

#define MAX_ARRAYS 8
struct array_request { // the options point into it: it must not move
	struct hsfeed_stream_array arrays[MAX_ARRAYS];
	char names[MAX_ARRAYS][160];
};
// arrays_read fills those fields of *ret. r is zeroed. 0, or EXIT_USAGE with the sentence printed.
int arrays_read(const struct args *args, struct array_request *r, struct hsfeed_stream_options *ret);
void arrays_announce(const hsfeed_value *info); // as masks_announce

// ---- report.c ----

void ingest_report(const hsfeed_value *answer);
const char *reason_words(const char *reason); // why a row was dropped: "without text"
void print_version(const hsfeed_value *version);
void print_roles(const hsfeed_value *roles);

// ---- rowlist.c ----

struct row_list {
	int64_t *rows; // free() it, also after a failure
	size_t n, cap;
};
// row_list_read reads the row numbers of a text file. 0, or an exit code with the sentence printed.
int row_list_read(const char *path, struct row_list *ret);

// ---- batches.c: what `stream` does with each batch ----

struct sink {
	enum { SINK_JSONL, SINK_DIGEST, SINK_NONE } format;
	struct digest *digest;
	uint64_t batches, rows, bytes;
};
void sink_take(struct sink *sink, const struct hsfeed_batch *batch);

// ---- commands ----

int ingest_main(const struct args *args);
int add_main(const struct args *args);
int why_main(const struct args *args);
int datasets_main(const struct args *args);
int versions_main(const struct args *args);
int show_main(const struct args *args);
int rm_main(const struct args *args);
int verify_main(const struct args *args);
int attach_main(const struct args *args);
int detach_main(const struct args *args);
int rows_main(const struct args *args);
int folds_main(const struct args *args);
int plans_main(const struct args *args);
int weights_main(const struct args *args);
int lengths_main(const struct args *args);
int estimate_main(const struct args *args);
int leaks_main(const struct args *args);
int report_main(const struct args *args);
int stream_main(const struct args *args);
int start_main(const struct args *args);
int stop_main(const struct args *args);
int logs_main(const struct args *args);
int status_main(const struct args *args);

#endif
