// SPDX-License-Identifier: Apache-2.0
// Where a tokenizer's files are: a folder, or a hub name in the local Hugging Face cache, which keeps
//   <cache>/models--ORG--NAME/refs/main -> a commit;   <cache>/models--ORG--NAME/snapshots/<commit>/tokenizer.json, ...
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

#define MAX_PATH 4096

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int join(char *ret, const char *a, const char *b, const char *c)
{
	int n = snprintf(ret, MAX_PATH, "%s%s%s", a, b, c);
	return n < 0 || n >= MAX_PATH ? -ENAMETOOLONG : 0;
}

// $HF_HUB_CACHE, else $HF_HOME/hub, else ~/.cache/huggingface/hub: the first that is set, as the hub's own library
// does.
static int cache_folder(char *ret)
{
	const char *hub = secure_getenv("HF_HUB_CACHE"), *home = secure_getenv("HF_HOME");
	const char *cache = secure_getenv("XDG_CACHE_HOME"), *user = secure_getenv("HOME");
	if (hub && *hub)
		return join(ret, hub, "", "");
	if (home && *home)
		return join(ret, home, "/hub", "");
	if (cache && *cache)
		return join(ret, cache, "/huggingface/hub", "");
	return user && *user ? join(ret, user, "/.cache/huggingface/hub", "") : -ENOENT;
}

// org/model -> CACHE/models--org--model. A name that could climb out of the cache is none.
static int model_folder(const char *name, const char *cache, char *ret)
{
	char model[256];
	size_t n = 0;
	for (const char *p = name; *p; p++) {
		if (n + 3 > sizeof(model))
			return -ENAMETOOLONG;
		if (*p == '/') {
			model[n++] = '-';
			model[n++] = '-';
		} else {
			model[n++] = *p;
		}
	}
	model[n] = '\0';
	return join(ret, cache, "/models--", model);
}

static bool read_revision(const char *model, char ret[128])
{
	char path[MAX_PATH], text[128];
	if (join(path, model, "/refs/main", "") < 0)
		return false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\r\n \t")] = '\0';
	if (!*text || strspn(text, "0123456789abcdefABCDEF") != strlen(text))
		return false;
	memcpy(ret, text, sizeof(text));
	return true;
}

static int not_found(const char *name, const char *model, bool have_model, struct hsfeed_error *reterr)
{
	if (have_model)
		hs_error_set(reterr, HSFEED_ENOTFOUND, "tokenizer %s: %s has no snapshot of refs/main", name, model);
	else if (model)
		hs_error_set(reterr, HSFEED_ENOTFOUND,
			     "tokenizer %s: no such folder, and not in the local cache: there is no %s", name, model);
	else
		hs_error_set(reterr, HSFEED_ENOTFOUND, "tokenizer %s: no such folder", name);
	hs_error_hint(reterr,
		      "give the folder that holds tokenizer.json or vocab.txt, or fetch the model once with the hub's "
		      "own tools");
	return HSFEED_ENOTFOUND;
}

int hsfeed_tokenizer_find(const char *name, char ret_folder[4096], char ret_revision[128], struct hsfeed_error *reterr)
{
	char cache[MAX_PATH], model[MAX_PATH], folder[MAX_PATH], revision[128];
	if (!name || !*name)
		return hs_error_set(reterr, HSFEED_EBADARG, "a tokenizer's name is missing");
	if (is_folder(name)) {
		if (join(folder, name, "", "") < 0)
			return hs_error_set(reterr, -ENAMETOOLONG, "tokenizer %.200s...: the path is too long", name);
		memcpy(ret_folder, folder, sizeof(folder));
		*ret_revision = '\0';
		return 0;
	}
	const char *slash = strchr(name, '/');
	bool hub = *name != '/' && *name != '.' && !(slash && strchr(slash + 1, '/'));
	if (!hub || cache_folder(cache) < 0 || model_folder(name, cache, model) < 0)
		return not_found(name, NULL, false, reterr);
	if (!is_folder(model))
		return not_found(name, model, false, reterr);
	if (!read_revision(model, revision) || join(folder, model, "/snapshots/", revision) < 0 || !is_folder(folder))
		return not_found(name, model, true, reterr);
	memcpy(ret_folder, folder, sizeof(folder));
	memcpy(ret_revision, revision, sizeof(revision));
	return 0;
}
