// SPDX-License-Identifier: Apache-2.0
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "cli.h"

static const struct option rows_options[] = {
	{.name = "role",
	 .kind = OPT_TEXT,
	 .arg = "ROLE",
	 .help = "whose token ids; default: text, else the first ingested"},
	{.name = "start", .kind = OPT_NUMBER, .arg = "N", .help = "the first row; default 0"},
	{.name = "count", .kind = OPT_NUMBER, .arg = "N", .help = "how many; default: all"},
	{.name = "text", .kind = OPT_FLAG, .help = "print the cleaned texts too"},
	OPT_END,
};
static const struct option attach_options[] = {
	{.name = "nan",
	 .kind = OPT_TEXT,
	 .arg = "RULE",
	 .choices = "refuse|allow",
	 .help = "what to do with NaN; default refuse"},
	{.name = "replace", .kind = OPT_FLAG, .help = "instead of other values under that name"},
	OPT_END,
};
static const struct option folds_options[] = {
	{.name = "role",
	 .kind = OPT_TEXT,
	 .arg = "ROLE",
	 .help = "whose tokens; default: text, else the first ingested"},
	{.name = "max-length",
	 .kind = OPT_NUMBER,
	 .arg = "N",
	 .min = 1,
	 .max = 1048576,
	 .help = "in tokens, special ones counted; default 128"},
	{.name = "rows-file",
	 .kind = OPT_TEXT,
	 .arg = "FILE",
	 .help = "with --plan NAME: saves the row numbers in it, one to a line, or lines as --indices prints them"},
	{.name = "replace", .kind = OPT_FLAG, .help = "with --plan NAME and options: another plan of that name goes"},
	{.name = "indices",
	 .kind = OPT_FLAG,
	 .help = "one JSON line per fold: the row numbers of its validation split"},
	OPT_END,
};
static const struct option plans_options[] = {
	{.name = "rm", .kind = OPT_TEXT, .arg = "PLAN", .help = "remove this plan"},
	OPT_END,
};
static const struct option lengths_options[] = {
	{.name = "role",
	 .kind = OPT_TEXT,
	 .arg = "ROLE",
	 .help = "whose tokens; default: text, else the first ingested"},
	{.name = "max-length", .kind = OPT_LIST, .arg = "N,N", .help = "what to cut at; default 64,128,256,512"},
	OPT_END,
};
static const struct option weights_options[] = {
	{.name = "fold", .kind = OPT_NUMBER, .arg = "F", .max = 65533, .help = "from 0: its training rows are counted"},
	{.name = "scheme",
	 .kind = OPT_TEXT,
	 .arg = "SCHEME",
	 .choices = "ratio|sqrt|log|effective|balanced",
	 .help = "default ratio, for a column of classes balanced"},
	{.name = "beta", .kind = OPT_SHARE, .arg = "B", .max = 100, .help = "of effective; default 0.9999"},
	{.name = "cap", .kind = OPT_SHARE, .arg = "W", .max = 100000000000, .help = "no weight is more than this"},
	{.name = "pooled", .kind = OPT_FLAG, .help = "one weight for all label columns together"},
	{.name = "normalize", .kind = OPT_FLAG, .help = "of effective: positive over negative"},
	OPT_END,
};
static const struct option stream_options[] = {
	{.name = "split", .kind = OPT_TEXT, .arg = "SPLIT", .choices = "train|val|all", .help = "default train"},
	{.name = "rows-file", .kind = OPT_TEXT, .arg = "FILE", .help = "of order explicit: the row numbers"},
	{.name = "rank", .kind = OPT_NUMBER, .arg = "R", .max = UINT32_MAX, .help = "default 0"},
	{.name = "transport",
	 .kind = OPT_TEXT,
	 .arg = "T",
	 .choices = "ring|inline",
	 .help = "default ring (shared memory) where that can be, else inline (through the socket)"},
	{.name = "start-batch",
	 .kind = OPT_NUMBER,
	 .arg = "N",
	 .max = UINT32_MAX,
	 .help = "begin at batch N of the epoch; default 0"},
	{.name = "mask-rows",
	 .kind = OPT_SHARE,
	 .arg = "P",
	 .max = 100,
	 .help = "mask one token in this share of the rows"},
	{.name = "mask-prob", .kind = OPT_SHARE, .arg = "P", .max = 100, .help = "mask this share of the tokens"},
	{.name = "mask-seed", .kind = OPT_NUMBER, .arg = "S", .max = INT64_MAX, .help = "default: the order's seed"},
	{.name = "mask-roles", .kind = OPT_LIST, .arg = "A,B", .help = "which roles are masked; default: all"},
	{.name = "weight",
	 .kind = OPT_LIST,
	 .arg = "LABEL=W",
	 .help = "an array `weight`: W where this label is, or the largest of several, 1 elsewhere"},
	{.name = "arrays", .kind = OPT_LIST, .arg = "A,B", .help = "attached arrays to serve"},
	{.name = "format", .kind = OPT_TEXT, .arg = "F", .choices = "jsonl|digest|none", .help = "default jsonl"},
	OPT_END,
};
static const struct option start_options[] = {
	{.name = "state", .kind = OPT_TEXT, .arg = "DIR", .help = "where it stores; default: as hsfeedd(8)"},
	{.name = "config", .kind = OPT_TEXT, .arg = "FILE", .help = "its configuration file; default: as hsfeedd(8)"},
	OPT_END,
};
static const struct option logs_options[] = {
	{.name = "state",
	 .kind = OPT_TEXT,
	 .arg = "DIR",
	 .help = "its state folder; default: that of the daemon that answers, else as hsfeedd(8)"},
	{.name = "lines", .kind = OPT_NUMBER, .arg = "N", .help = "only the last N lines"},
	OPT_END,
};

// clang-format off
const struct command commands[] = {
	{.name = "ingest", .run = ingest_main, .min_words = 2, .max_words = 2, .options = {ingest_options},
	 .usage = "NAME FILE --tokenizer [ROLE=]DIR_OR_HUB_NAME ... --labels A,B|none [options]",
	 .help = "make a version of a dataset from a CSV or TSV file"},
	{.name = "add", .run = add_main, .min_words = 1, .max_words = 1, .options = {add_options},
	 .usage = "NAME --tokenizer ROLE=DIR_OR_HUB_NAME ... [--normalize FORM]",
	 .help = "make another encoding, from the stored texts"},
	{.name = "datasets", .run = datasets_main,
	 .usage = "",
	 .help = "list datasets"},
	{.name = "versions", .run = versions_main, .min_words = 1, .max_words = 1,
	 .usage = "NAME",
	 .help = "list the versions of a dataset"},
	{.name = "show", .run = show_main, .min_words = 1, .max_words = 1,
	 .usage = "NAME[@VERSION]",
	 .help = "print everything known about a version"},
	{.name = "why", .run = why_main, .min_words = 2, .max_words = 2, .options = {ingest_options},
	 .usage = "NAME FILE [ingest's options]",
	 .help = "say what an ingest would change; stores nothing"},
	{.name = "rm", .run = rm_main, .min_words = 1, .max_words = 1,
	 .usage = "NAME[@VERSION]",
	 .help = "remove a version or a whole dataset"},
	{.name = "verify", .run = verify_main, .max_words = 1,
	 .usage = "[NAME]",
	 .help = "read stored files and compare checksums"},
	{.name = "attach", .run = attach_main, .min_words = 3, .max_words = 3, .options = {attach_options},
	 .usage = "NAME[@VERSION] ARRAY FILE.npy [--nan allow] [--replace]",
	 .help = "attach an array of numbers, one row for each row of a version",
	 .more = "FILE.npy is what numpy.save writes: float32, float64 or float16, [rows] or [rows, columns].\n"
		 "stream --arrays ARRAY serves it with each batch, as float32."},
	{.name = "detach", .run = detach_main, .min_words = 2, .max_words = 2,
	 .usage = "NAME[@VERSION] ARRAY",
	 .help = "remove an attached array"},
	{.name = "rows", .run = rows_main, .min_words = 1, .max_words = 1, .options = {rows_options},
	 .usage = "NAME [--role R] [--start N] [--count N] [--text]",
	 .help = "print rows and token ids as JSON lines",
	 .more = "{\"row\":0,\"line\":2,\"labels\":[1],\"ids\":[...]}: ids are untruncated and without the\n"
		 "template's special tokens."},
	{.name = "folds", .run = folds_main, .min_words = 1, .max_words = 1,
	 .options = {plan_options, folds_options},
	 .usage = "NAME [plan] [--role R] [--max-length N] [--indices]",
	 .help = "print the fold table; with --plan and a plan's options, save it",
	 .more = "hsfeed folds NAME --plan cv5 --folds 5 --kind plain saves the plan cv5 of the dataset and uses it;\n"
		 "hsfeed folds NAME --plan cv5, and stream and others with --plan cv5, use it."},
	{.name = "plans", .run = plans_main, .min_words = 1, .max_words = 1, .options = {plans_options},
	 .usage = "NAME [--rm PLAN]",
	 .help = "list the saved plans of a dataset, or remove one"},
	{.name = "weights", .run = weights_main, .min_words = 1, .max_words = 1,
	 .options = {plan_options, weights_options},
	 .usage = "NAME [plan] --fold F [--scheme S] [--beta B] [--cap W] [--pooled] [--normalize]",
	 .help = "weigh labels or classes against imbalance"},
	{.name = "lengths", .run = lengths_main, .min_words = 1, .max_words = 1, .options = {lengths_options},
	 .usage = "NAME [--role R] [--max-length 64,128,256,512]",
	 .help = "tell how long rows are, and what a max length cuts"},
	{.name = "estimate", .run = estimate_main, .min_words = 1, .max_words = 1,
	 .options = {plan_options, epoch_options},
	 .usage = "NAME [plan] [--fold F] [options]",
	 .help = "count batches, tokens and padding of an epoch",
	 .more = "The options are those of stream. Without --fold every fold is counted."},
	{.name = "leaks", .run = leaks_main, .min_words = 1, .max_words = 1,
	 .options = {leaks_options, plan_options}, // its --similarity is not the plan's alone
	 .usage = "NAME [plan] [--similarity S] [--pairs] [--fail-on-leak]",
	 .help = "find validation rows with a copy among the training rows",
	 .more = "--similarity is also that of --group duplicates."},
	{.name = "report", .run = report_main, .min_words = 1, .max_words = 1,
	 .options = {report_options, plan_options}, // its --similarity is not the plan's alone
	 .usage = "NAME [plan] -o FILE [options]",
	 .help = "write a page about rows, labels, folds, lengths and leaks",
	 .more = "FILE is one HTML page that loads nothing; - is standard output. --similarity is also that\n"
		 "of --group duplicates. --json prints the answers that the page is made of."},
	{.name = "stream", .run = stream_main, .min_words = 1, .max_words = 1,
	 .options = {plan_options, epoch_options, stream_options},
	 .usage = "NAME [plan] --fold F [options]",
	 .help = "take the batches of an epoch",
	 .more = "jsonl prints {\"batch\":i,\"index\":[...],\"input_ids\":[[...]],...} per batch;\n"
		 "digest the SHA-256 of all arrays: batches in order, arrays by name, raw little-endian;\n"
		 "none only how fast it went."},
	{.name = "start", .run = start_main, .options = {start_options},
	 .usage = "[--state DIR] [--config FILE]",
	 .help = "start a daemon of one's own, without root"},
	{.name = "stop", .run = stop_main,
	 .usage = "",
	 .help = "stop it"},
	{.name = "logs", .run = logs_main, .options = {logs_options},
	 .usage = "[--state DIR] [--lines N]",
	 .help = "print its log"},
	{.name = "status", .run = status_main,
	 .usage = "",
	 .help = "say what the daemon is doing"},
	{.name = "help", .run = help_main, .max_words = 1,
	 .usage = "[COMMAND]",
	 .help = "explain a command"},
	{.name = NULL},
};
// clang-format on

// Known, not there yet: absent from help, each with its place.
static const char *const later[] = {
	"diff", "share", "top", "metrics", NULL,
};

static int unknown_command(const char *name)
{
	for (size_t i = 0; later[i]; i++) {
		if (strcmp(later[i], name) == 0)
			return fail(EXIT_USAGE, "%s is not supported yet", name);
	}
	const char *near = near_command(name);
	if (near)
		return fail(EXIT_USAGE, "there is no command \"%s\"; did you mean %s?", name, near);
	return fail(EXIT_USAGE, "there is no command \"%s\"; see: hsfeed help", name);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct args args;
	int rc = args_parse(command, argc, argv, &args);
	if (rc == 0 && !args.help)
		rc = plan_check(&args);
	if (rc)
		return rc;
	json_asked = args_has(&args, "json");
	if (!args.help)
		return finish(command->run(&args));
	help_command(stdout, command);
	return finish(EXIT_DONE);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); // a closed pipe is an error of write
	setlocale(LC_TIME, "");
	screen_init();
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "");
	if (argc < 2) {
		help_list(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("hsfeed %s\n", HSFEED_VERSION_STRING);
		return finish(EXIT_DONE);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help_list(stdout);
		return finish(EXIT_DONE);
	}
	if (argv[1][0] == '-')
		return fail(EXIT_USAGE, "a command comes first, not %s; see: hsfeed help", argv[1]);
	const struct command *command = command_find(argv[1]);
	return command ? run(command, argc - 2, argv + 2) : unknown_command(argv[1]);
}
