// SPDX-License-Identifier: Apache-2.0
#include "app.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "notify.h"
#include "paths.h"
#include "server/log.h"
#include "server/server.h"

static const char usage[] =
	"usage: hsfeedd [--config FILE] [--state DIR] [--socket PATH] [--log-level LEVEL] [--rebuild-catalog]\n"
	"       hsfeedd --check-config [--config FILE]\n"
	"       hsfeedd --default-config | --version | --help\n"
	"\n"
	"  --config FILE       read FILE; without it /etc/hsfeed/hsfeedd.conf is read, if it is there, for root and\n"
	"                      under systemd\n"
	"  --state DIR         where datasets are kept\n"
	"  --socket PATH       where clients connect\n"
	"  --log-level LEVEL   error, warning, info or debug\n"
	"  --rebuild-catalog   make a lost catalog anew from the files' headers, then serve\n"
	"  --foreground        nothing: it always stays in the foreground\n"
	"  --check-config      check the configuration, print each problem, and end\n"
	"  --default-config    print a configuration file with every default\n"
	"\n"
	"SIGTERM and SIGINT end it in order. See hsfeedd(8) and hsfeedd.conf(5).\n";

struct app {
	const char *config_path, *state, *socket, *log_level;
	bool rebuild, check, done; // done: printed what was asked
	struct hs_config config;
	char default_state[512], socket_texts[HS_MAX_SOCKETS][512];
	const char *sockets[HS_MAX_SOCKETS + 1];
};

enum {
	OPT_CONFIG = 256,
	OPT_STATE,
	OPT_SOCKET,
	OPT_LEVEL,
	OPT_REBUILD,
	OPT_FOREGROUND,
	OPT_CHECK,
	OPT_DEFAULT,
	OPT_VERSION,
	OPT_HELP
};
static const struct option options[] = {
	{"config", required_argument, NULL, OPT_CONFIG},
	{"state", required_argument, NULL, OPT_STATE},
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"log-level", required_argument, NULL, OPT_LEVEL},
	{"rebuild-catalog", no_argument, NULL, OPT_REBUILD},
	{"foreground", no_argument, NULL, OPT_FOREGROUND},
	{"check-config", no_argument, NULL, OPT_CHECK},
	{"default-config", no_argument, NULL, OPT_DEFAULT},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static void say_line(void *arg, const char *text)
{
	fprintf(arg, "%s\n", text);
}

static void say_problem(const char *text)
{
	fprintf(stderr, "hsfeedd: %s\n", text);
}

static int fail(const struct hs_err *err)
{
	fprintf(stderr, "hsfeedd: %s%s%s\n", err->message, err->hint[0] ? "; " : "", err->hint);
	return 1;
}

static int wrong_usage(const char *sentence)
{
	if (sentence)
		fprintf(stderr, "hsfeedd: %s\n", sentence);
	fprintf(stderr, "hsfeedd: `hsfeedd --help` lists the options\n");
	return 2;
}

static int take_option(struct app *app, int option)
{
	switch (option) {
	case OPT_CONFIG:
		app->config_path = optarg;
		return 0;
	case OPT_STATE:
		app->state = optarg;
		return 0;
	case OPT_SOCKET:
		app->socket = optarg;
		return 0;
	case OPT_LEVEL:
		app->log_level = optarg;
		return 0;
	case OPT_REBUILD:
		app->rebuild = true;
		return 0;
	case OPT_FOREGROUND:
		return 0;
	case OPT_CHECK:
		app->check = true;
		return 0;
	case OPT_DEFAULT:
		hs_config_print(say_line, stdout);
		break;
	case OPT_VERSION:
		puts("hsfeedd " HSFEED_VERSION_STRING);
		break;
	case OPT_HELP:
		fputs(usage, stdout);
		break;
	default:
		return wrong_usage(NULL); // getopt has said what
	}
	app->done = true;
	return 0;
}

static int read_command_line(struct app *app, int argc, char **argv)
{
	int option, rc = 0;
	while (rc == 0 && !app->done && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
		rc = take_option(app, option);
	if (rc == 0 && !app->done && optind < argc)
		rc = wrong_usage("it takes options only");
	return rc;
}

// ---- configuration ----

// A file that was named must be there; the default one may be missing.
static int read_config(struct app *app, struct hs_err *reterr)
{
	char standard[512];
	const char *path = app->config_path;
	if (!path && hs_default_config(standard, sizeof(standard)) == 0 && access(standard, F_OK) == 0)
		path = standard;
	return path ? hs_config_read(&app->config, path, app->check ? say_problem : NULL, reterr) : 0;
}

static int set_absolute(char **at, const char *path, struct hs_err *reterr)
{
	char cwd[2048], full[4096];
	if (path[0] == '/')
		snprintf(full, sizeof(full), "%s", path);
	else if (getcwd(cwd, sizeof(cwd)))
		snprintf(full, sizeof(full), "%s/%s", cwd, path);
	else
		return hs_err_set(reterr, -errno, "the current folder is gone: %s", strerror(errno));
	free(*at);
	*at = strdup(full);
	return *at ? 0 : hs_err_nomem(reterr, "starting");
}

static int override(struct app *app, struct hs_err *reterr)
{
	int rc = 0;
	if (app->log_level)
		rc = hs_config_set(&app->config, "daemon", "log_level", app->log_level, reterr);
	if (rc == 0 && app->state)
		rc = set_absolute(&app->config.state, app->state, reterr);
	if (rc == 0 && app->socket)
		rc = set_absolute(&app->config.socket, app->socket, reterr);
	return rc;
}

static int choose_state(struct app *app, struct hs_err *reterr)
{
	if (!app->config.state) {
		int rc = hs_default_state(app->default_state, sizeof(app->default_state));
		if (rc < 0) {
			hs_err_set(reterr, rc,
				   "there is no default state folder: neither XDG_STATE_HOME nor HOME is set");
			return hs_err_hint(reterr, "name one: --state DIR");
		}
		rc = hs_make_parents(app->default_state);
		if (rc < 0)
			return hs_err_set(reterr, rc, "cannot make the folders above %s: %s", app->default_state,
					  strerror(-rc));
	}
	if (app->config.socket)
		app->sockets[0] = app->config.socket;
	else
		hs_default_sockets(app->sockets, app->socket_texts);
	return 0;
}

// ---- serving ----

static void on_ready(void *arg, const char *socket)
{
	(void)arg;
	(void)socket;
	hs_notify("READY=1");
}

// The loop beats: it hangs only if a handler does. Threads may rightly be busy for long (a large file's checksums).
static void on_beat(void *arg)
{
	(void)arg;
	hs_notify("WATCHDOG=1");
}

static void on_stopping(void *arg)
{
	(void)arg;
	hs_notify("STOPPING=1");
}

static unsigned socket_mode(const struct app *app)
{
	if (app->config.socket_mode)
		return (unsigned)app->config.socket_mode;
	return geteuid() == 0 || getenv("STATE_DIRECTORY") ? 0660 : 0600;
}

static int serve(struct app *app)
{
	struct hs_err err = {0};
	int listen_fd = hs_notify_listen_fd();
	if (listen_fd == -2) {
		hs_err_set(&err, HSFEED_EBADCONFIG, "the service manager passed several sockets; hsfeedd takes one");
		return fail(&err);
	}
	struct hs_server_options server = {
		.state = app->config.state ? app->config.state : app->default_state,
		.rebuild_catalog = app->rebuild,
		.sockets = app->sockets,
		.socket_mode = socket_mode(app),
		.listen_fd = listen_fd,
		.threads = (unsigned)app->config.threads,
		.ingest_threads = (unsigned)app->config.ingest_threads,
		.search_duplicates = app->config.search_duplicates != 0,
		.limits = app->config.limits,
		.on_ready = on_ready,
		.on_beat = on_beat,
		.on_stopping = on_stopping,
		.beat_ms = hs_notify_watchdog_ms(),
		.arg = app,
	};
	hs_log_set_level((enum hs_log_level)app->config.log_level);
	return hs_server_run(&server, &err) < 0 ? fail(&err) : 0;
}

static int run(struct app *app)
{
	struct hs_err err = {0};
	int rc = read_config(app, &err);
	if (rc < 0 && app->check)
		return 1; // each problem was printed
	if (rc == 0)
		rc = override(app, &err);
	if (rc == 0 && app->check)
		return 0;
	if (rc == 0)
		rc = choose_state(app, &err);
	return rc < 0 ? fail(&err) : serve(app);
}

int hs_app_run(int argc, char **argv)
{
	struct app *app = calloc(1, sizeof(*app));
	if (!app)
		return 1;
	umask(0077);
	hs_config_init(&app->config);
	int rc = read_command_line(app, argc, argv);
	if (rc == 0 && !app->done)
		rc = run(app);
	hs_config_fini(&app->config);
	free(app);
	return rc;
}
