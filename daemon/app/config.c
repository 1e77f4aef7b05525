// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/log.h"

#define MAX_FILE_BYTES 65536

enum type { PATH, NUMBER, BYTES, MILLISECONDS, MODE, LEVEL, YES_NO };

struct key {
	const char *section, *name;
	enum type type;
	size_t offset;
	uint64_t def, min, max;
	const char *doc;
};

#define MIB           (1024u * 1024u)
#define LIMIT(member) offsetof(struct hs_config, limits.member)
static const struct key keys[] = {
	{"daemon", "state", PATH, offsetof(struct hs_config, state), 0, 0, 0,
	 "Where datasets are kept. Default: $STATE_DIRECTORY, else /var/lib/hsfeed for root,\n"
	 "else ${XDG_STATE_HOME:-~/.local/state}/hsfeed. A local disk, not a network file system."},
	{"daemon", "socket", PATH, offsetof(struct hs_config, socket), 0, 0, 0,
	 "Where clients connect. Default: the first that can be written to of $XDG_RUNTIME_DIR/hsfeed.sock,\n"
	 "hsfeed.sock in the default state folder, /run/hsfeed/hsfeed.sock."},
	{"daemon", "socket_mode", MODE, offsetof(struct hs_config, socket_mode), 0, 0, 0777,
	 "Permissions of the socket, octal. Default (0): 0660 for root and under systemd, else 0600."},
	{"daemon", "log_level", LEVEL, offsetof(struct hs_config, log_level), HS_LOG_INFO, 0, 0,
	 "error, warning, info or debug; lines go to standard error."},
	{"daemon", "threads", NUMBER, offsetof(struct hs_config, threads), 0, 0, 256,
	 "Threads that make batches, and as many that answer requests. 0: the cores, at least 2, at most 4."},
	{"daemon", "ingest_threads", NUMBER, offsetof(struct hs_config, ingest_threads), 0, 0, 1024,
	 "Threads of an ingest. 0: all cores (at low priority)."},
	{"daemon", "search_duplicates", YES_NO, offsetof(struct hs_config, search_duplicates), 1, 0, 0,
	 "yes or no: whether near duplicates of what was ingested are searched in advance, while the processors have\n"
	 "nothing else to do, and kept, so that leaks and plans that keep duplicates together need not wait for them."},
	{"limits", "connections", NUMBER, LIMIT(connections), 16384, 1, 1000000, "Connections in all."},
	{"limits", "connections_per_user", NUMBER, LIMIT(connections_per_user), 8192, 1, 1000000,
	 "Connections of one user."},
	{"limits", "requests", NUMBER, LIMIT(requests), 32, 1, 4096,
	 "Unanswered requests of one connection; more are left unread until some are answered."},
	{"limits", "handles", NUMBER, LIMIT(handles), 32, 1, 1024,
	 "Files that one connection holds for its next requests."},
	{"limits", "streams", NUMBER, LIMIT(streams), 64, 1, 4096, "Open streams of one connection."},
	{"limits", "slots", NUMBER, LIMIT(slots), 64, 1, 1024, "Slots of one stream."},
	{"limits", "slot_bytes_per_user", BYTES, LIMIT(slot_bytes_per_user), 1024ull * MIB, 1, INT64_MAX,
	 "Memory for slots of all streams of one user, with some KiB for each stream, and 4 bytes for each row of an\n"
	 "explicit order."},
	{"limits", "ingests", NUMBER, LIMIT(ingests), 2, 1, 1024, "Ingest processes at once; more wait."},
	{"limits", "ingests_per_user", NUMBER, LIMIT(ingests_per_user), 1, 1, 1024,
	 "Ingest processes at once of one user."},
	{"limits", "waiting_per_user", NUMBER, LIMIT(waiting_per_user), 32, 1, 4096, "Ingests of one user that wait."},
	{"limits", "upload_bytes", BYTES, LIMIT(upload_bytes), 2048ull * MIB, 1, INT64_MAX,
	 "Size of a file that comes over the socket instead of as a descriptor."},
	{"limits", "queue_bytes", BYTES, LIMIT(queue_bytes), 4 * MIB, 65536, INT64_MAX,
	 "Answers that a connection may leave unread. Above half, its requests wait; above all, it is cut off\n"
	 "(one answer may always be larger than this)."},
	{"limits", "hello_ms", MILLISECONDS, LIMIT(hello_ms), 5000, 10, 3600000, "Time from connecting to hello."},
	{"limits", "stall_ms", MILLISECONDS, LIMIT(stall_ms), 30000, 10, 86400000,
	 "How long a connection may leave more than half of queue_bytes unread."},
};
#define NKEYS (sizeof(keys) / sizeof(keys[0]))

// Keys whose value is one of a few words; kept is which.
struct words {
	size_t n;
	const char *words[4], *all;
};
static const struct words levels = {4, {"error", "warning", "info", "debug"}, "error, warning, info or debug"};
static const struct words yes_no = {2, {"no", "yes"}, "yes or no"};

static const struct words *words_of(const struct key *key) // NULL: other keys
{
	return key->type == LEVEL ? &levels : key->type == YES_NO ? &yes_no : NULL;
}

static void *member(struct hs_config *c, const struct key *key)
{
	return (char *)c + key->offset;
}

void hs_config_init(struct hs_config *c)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < NKEYS; i++)
		if (keys[i].type != PATH)
			*(uint64_t *)member(c, &keys[i]) = keys[i].def;
}

void hs_config_fini(struct hs_config *c)
{
	free(c->state);
	free(c->socket);
	memset(c, 0, sizeof(*c));
}

// ---- values ----

static int set_path(struct hs_config *c, const struct key *key, const char *value, struct hs_err *reterr)
{
	if (value[0] != '/')
		return hs_err_set(reterr, HSFEED_EBADCONFIG, "%s: must be an absolute path, not \"%.100s\"", key->name,
				  value);
	char *copy = strdup(value);
	if (!copy)
		return hs_err_nomem(reterr, "reading the configuration");
	char **at = member(c, key);
	free(*at);
	*at = copy;
	return 0;
}

static int set_word(struct hs_config *c, const struct key *key, const char *value, struct hs_err *reterr)
{
	const struct words *words = words_of(key);
	for (size_t i = 0; i < words->n; i++)
		if (strcmp(value, words->words[i]) == 0) {
			*(uint64_t *)member(c, key) = i;
			return 0;
		}
	return hs_err_set(reterr, HSFEED_EBADCONFIG, "%s: must be %s, not \"%.100s\"", key->name, words->all, value);
}

static uint64_t unit_of(const struct key *key, const char *suffix)
{
	static const struct {
		const char *suffix;
		enum type type;
		uint64_t factor;
	} units[] = {
		{"K", BYTES, 1024},      {"M", BYTES, MIB},         {"G", BYTES, 1024ull * MIB},
		{"ms", MILLISECONDS, 1}, {"s", MILLISECONDS, 1000},
	};
	if (suffix[0] == '\0')
		return 1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].type == key->type && strcmp(units[i].suffix, suffix) == 0)
			return units[i].factor;
	return 0;
}

static int set_number(struct hs_config *c, const struct key *key, const char *value, struct hs_err *reterr)
{
	char *rest = NULL;
	bool digits = value[0] >= '0' && value[0] <= '9'; // strtoull takes signs and spaces
	errno = 0;
	unsigned long long n = digits ? strtoull(value, &rest, key->type == MODE ? 8 : 10) : 0;
	uint64_t unit = digits && errno == 0 ? unit_of(key, rest) : 0;
	if (unit == 0)
		return hs_err_set(reterr, HSFEED_EBADCONFIG, "%s: must be a%s number%s, not \"%.100s\"", key->name,
				  key->type == MODE ? "n octal" : "",
				  key->type == BYTES          ? " (K, M, G may follow)"
				  : key->type == MILLISECONDS ? " (ms or s may follow)"
							      : "",
				  value);
	if (n > key->max / unit || n * unit < key->min)
		return hs_err_set(reterr, HSFEED_EBADCONFIG,
				  key->type == MODE ? "%s: must be from %llo to %llo" : "%s: must be from %llu to %llu",
				  key->name, (unsigned long long)key->min, (unsigned long long)key->max);
	*(uint64_t *)member(c, key) = n * unit;
	return 0;
}

static const struct key *find_key(const char *section, const char *name)
{
	for (size_t i = 0; i < NKEYS; i++)
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

// A key that stands under the wrong heading is told where it belongs.
static int unknown_key(const char *section, const char *name, struct hs_err *reterr)
{
	for (size_t i = 0; i < NKEYS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return hs_err_set(reterr, HSFEED_EBADCONFIG, "%s: belongs under [%s], not under [%.64s]", name,
					  keys[i].section, section);
	return hs_err_set(reterr, HSFEED_EBADCONFIG, "%.64s: there is no such key (hsfeedd.conf(5) lists them)", name);
}

int hs_config_set(struct hs_config *c, const char *section, const char *name, const char *value, struct hs_err *reterr)
{
	const struct key *key = find_key(section, name);
	if (!key)
		return unknown_key(section, name, reterr);
	if (key->type == PATH)
		return set_path(c, key, value, reterr);
	return words_of(key) ? set_word(c, key, value, reterr) : set_number(c, key, value, reterr);
}

// ---- files ----

struct reading {
	struct hs_config *config;
	const char *path, *text; // text: the rest, not yet given to inih
	int line;                // of what inih read last
	int nproblems;
	void (*say)(const char *problem);
	struct hs_err *err;
	uint64_t seen; // bit per key
};

static void problem(struct reading *r, int line, const char *text)
{
	char full[1400];
	snprintf(full, sizeof(full), "%s:%d: %s", r->path, line, text);
	if (r->nproblems++ == 0)
		hs_err_set(r->err, HSFEED_EBADCONFIG, "%s", full);
	if (r->say)
		r->say(full);
}

static int on_value(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *r = arg;
	struct hs_err err = {0};
	const struct key *key = find_key(section, name);
	int rc = hs_config_set(r->config, section, name, value, &err);
	if (rc == 0 && (r->seen & (UINT64_C(1) << (key - keys))))
		rc = hs_err_set(&err, HSFEED_EBADCONFIG, "%s: is set twice", name);
	if (key)
		r->seen |= UINT64_C(1) << (key - keys);
	if (rc < 0)
		problem(r, r->line, err.message);
	return 1;
}

// A section that nobody knows would be silent while it is empty.
static void check_heading(struct reading *r, const char *line)
{
	size_t len = line[0] == '[' ? strcspn(line, "]") : 0;
	if (len == 0 || line[len] != ']')
		return;
	for (size_t i = 0; i < NKEYS; i++)
		if (strlen(keys[i].section) == len - 1 && memcmp(keys[i].section, line + 1, len - 1) == 0)
			return;
	char text[128];
	snprintf(text, sizeof(text), "%.*s]: there is no such section (hsfeedd.conf(5) lists them)",
		 (int)(len < 64 ? len : 64), line);
	problem(r, r->line, text);
}

// inih's own line numbers are a compile-time option of the library, so lines are counted where they are handed out.
static char *next_line(char *into, int size, void *arg)
{
	struct reading *r = arg;
	size_t len = strcspn(r->text, "\n");
	if (r->text[0] == '\0')
		return NULL;
	r->line++;
	size_t keep = len < (size_t)size - 1 ? len : (size_t)size - 1;
	if (keep < len)
		problem(r, r->line, "the line is too long");
	memcpy(into, r->text, keep);
	into[keep] = '\0';
	check_heading(r, into);
	r->text += len + (r->text[len] == '\n');
	return into;
}

static char *slurp(const char *path, struct hs_err *reterr)
{
	char *text = malloc(MAX_FILE_BYTES + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	bool whole = false;
	if (text && fd >= 0)
		n = read(fd, text, MAX_FILE_BYTES + 1);
	if (n < 0)
		hs_err_set(reterr, HSFEED_EBADCONFIG, "%s: cannot be read: %s", path, strerror(errno));
	else if (n > MAX_FILE_BYTES)
		hs_err_set(reterr, HSFEED_EBADCONFIG, "%s: larger than %d bytes", path, MAX_FILE_BYTES);
	else if (memchr(text, '\0', (size_t)n)) // what follows would be ignored
		hs_err_set(reterr, HSFEED_EBADCONFIG, "%s: holds a NUL byte, so it is no text file", path);
	else
		whole = true;
	if (fd >= 0)
		close(fd);
	if (!whole) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

int hs_config_read(struct hs_config *c, const char *path, void (*say)(const char *problem), struct hs_err *reterr)
{
	char *text = slurp(path, reterr);
	if (!text) {
		if (say && reterr)
			say(reterr->message);
		return HSFEED_EBADCONFIG;
	}
	struct reading r = {.config = c, .path = path, .text = text, .say = say, .err = reterr};
	int rc = ini_parse_stream(next_line, &r, on_value, &r);
	if (rc > 0)
		problem(&r, rc, "neither a [section], a key = value nor a comment");
	free(text);
	return r.nproblems > 0 || rc != 0 ? HSFEED_EBADCONFIG : 0;
}

// ---- the default file ----

static void format_default(const struct key *key, char *ret, size_t cap)
{
	ret[0] = '\0';
	if (words_of(key))
		snprintf(ret, cap, "%s", words_of(key)->words[key->def]);
	else if (key->type == BYTES && key->def % MIB == 0)
		snprintf(ret, cap, "%lluM", (unsigned long long)(key->def / MIB));
	else if (key->type != PATH)
		snprintf(ret, cap, "%llu", (unsigned long long)key->def);
}

static void print_doc(const struct key *key, void (*line)(void *arg, const char *text), void *arg)
{
	char text[256];
	for (const char *p = key->doc; *p;) {
		size_t len = strcspn(p, "\n");
		snprintf(text, sizeof(text), "# %.*s", (int)len, p);
		line(arg, text);
		p += len + (p[len] == '\n');
	}
}

void hs_config_print(void (*line)(void *arg, const char *text), void *arg)
{
	const char *section = "";
	char text[256], value[64];
	line(arg, "# hsfeedd.conf: every key with its default; see hsfeedd.conf(5). `hsfeedd --check-config` checks "
		  "this file.");
	for (size_t i = 0; i < NKEYS; i++) {
		line(arg, "");
		if (strcmp(section, keys[i].section) != 0) {
			section = keys[i].section;
			snprintf(text, sizeof(text), "[%s]", section);
			line(arg, text);
		}
		print_doc(&keys[i], line, arg);
		format_default(&keys[i], value, sizeof(value));
		snprintf(text, sizeof(text), "#%s =%s%s", keys[i].name, value[0] ? " " : "", value);
		line(arg, text);
	}
}
