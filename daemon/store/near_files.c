// SPDX-License-Identifier: Apache-2.0
#include "store/near_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "store/disk.h"
#include "store/near.h"

#define FOLDER      "near"
#define SUFFIX      ".near"
#define ID_DIGITS   (HS_ID_HEX - 1)
#define NAME_LENGTH (ID_DIGITS + 1 + 16 + sizeof(SUFFIX) - 1)

// ---- names ----

char *hs_near_path(const struct hs_state *state, uint32_t owner, const struct hs_id *version, double similarity)
{
	char hex[HS_ID_HEX];
	uint64_t bits;
	hs_id_hex(version, hex);
	memcpy(&bits, &similarity, sizeof(bits));
	return hs_disk_path("%s/" FOLDER "/%u/%s-%016llx" SUFFIX, state->path, owner, hex, (unsigned long long)bits);
}

int hs_near_owner_folder(const struct hs_state *state, uint32_t owner, char **ret, struct hs_err *reterr)
{
	return hs_state_owner_folder(state, owner, FOLDER, ret, reterr);
}

static bool parse_name(const char *name, struct hs_id *ret)
{
	char again[HS_ID_HEX];
	if (strlen(name) != NAME_LENGTH || hs_unhex(name, sizeof(ret->bytes), ret->bytes) != 0)
		return false;
	hs_id_hex(ret, again);
	return memcmp(name, again, ID_DIGITS) == 0 && name[ID_DIGITS] == '-' &&
	       strspn(name + ID_DIGITS + 1, "0123456789abcdef") == 16 &&
	       strcmp(name + NAME_LENGTH - (sizeof(SUFFIX) - 1), SUFFIX) == 0;
}

// ---- all results of one version ----

struct kin {
	const char *name; // its first 64 characters are the version's id
	bool unlink_all;
	unsigned n; // others that are there
	char *oldest;
	struct timespec oldest_time;
};

static bool is_older(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

static void take_oldest(struct kin *kin, char *path)
{
	struct stat st;
	char *other = path;
	kin->n++;
	if (stat(path, &st) == 0 && (!kin->oldest || is_older(st.st_mtim, kin->oldest_time))) {
		other = kin->oldest;
		kin->oldest = path;
		kin->oldest_time = st.st_mtim;
	}
	free(other);
}

static int visit_kin(void *arg, const char *folder, const char *name, struct hs_err *reterr)
{
	struct kin *kin = arg;
	if (strncmp(name, kin->name, ID_DIGITS) != 0 || (!kin->unlink_all && strcmp(name, kin->name) == 0))
		return 0;
	char *path = hs_disk_path("%s/%s", folder, name);
	if (!path)
		return hs_err_nomem(reterr, "tidying near duplicates");
	if (!kin->unlink_all) {
		take_oldest(kin, path);
		return 0;
	}
	unlink(path);
	free(path);
	return 0;
}

void hs_near_keep_few(const char *folder, const char *name)
{
	struct hs_err ignored; // one too many does no harm; the next one that is kept looks again
	for (bool again = true; again;) {
		struct kin kin = {.name = name};
		int rc = hs_disk_each(folder, visit_kin, &kin, &ignored);
		again = rc == 0 && kin.n >= HS_NEAR_KEPT && kin.oldest && unlink(kin.oldest) == 0;
		free(kin.oldest);
	}
}

void hs_near_unlink(const struct hs_state *state, uint32_t owner, const struct hs_id *version)
{
	struct hs_err ignored; // what stays, the next start removes
	char hex[HS_ID_HEX];
	hs_id_hex(version, hex);
	struct kin kin = {.name = hex, .unlink_all = true};
	char *folder = hs_disk_path("%s/" FOLDER "/%u", state->path, owner);
	if (folder)
		hs_disk_each(folder, visit_kin, &kin, &ignored);
	free(folder);
}

// ---- start ----

struct tidying {
	const struct hs_store *store;
	uint32_t owner;
	unsigned removed;
};

static bool is_wanted(const struct tidying *t, const struct hs_id *version)
{
	const struct hs_cat_file *f = hs_catalog_find_file(&t->store->catalog, t->owner, HS_FILE_VERSION, version);
	return f && !f->doomed;
}

static int tidy_path(struct tidying *t, const char *path, const char *name, struct hs_err *reterr)
{
	struct hs_id version;
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : hs_disk_fail(reterr, -errno, path, "look at it");
	if (!S_ISREG(st.st_mode) || !parse_name(name, &version))
		return hs_state_lose(&t->store->state, path, "hsfeedd does not know it", reterr);
	if (is_wanted(t, &version))
		return 0;
	t->removed++;
	return unlink(path) < 0 ? hs_disk_fail(reterr, -errno, path, "remove it") : 0;
}

static int tidy_file(void *arg, const char *folder, const char *name, struct hs_err *reterr)
{
	char *path = hs_disk_path("%s/%s", folder, name);
	int rc = path ? tidy_path(arg, path, name, reterr) : hs_err_nomem(reterr, "tidying near duplicates");
	free(path);
	return rc;
}

static int tidy_owner(void *arg, const char *folder, const char *name, struct hs_err *reterr)
{
	struct tidying *t = arg;
	struct stat st;
	char *path = hs_disk_path("%s/%s", folder, name);
	if (!path)
		return hs_err_nomem(reterr, "tidying near duplicates");
	int rc = hs_state_parse_owner(name, &t->owner) && lstat(path, &st) == 0 && S_ISDIR(st.st_mode)
			 ? hs_disk_each(path, tidy_file, t, reterr)
			 : hs_state_lose(&t->store->state, path, "hsfeedd does not know it", reterr);
	free(path);
	return rc;
}

void hs_near_tidy(const struct hs_store *store)
{
	struct tidying t = {.store = store};
	struct hs_err err = {0};
	char *folder = hs_disk_path("%s/" FOLDER, store->state.path);
	int rc = folder ? hs_disk_each(folder, tidy_owner, &t, &err) : hs_err_nomem(&err, "tidying near duplicates");
	if (rc < 0)
		hs_state_log(&store->state, "%s", err.message);
	else if (t.removed > 0)
		hs_state_log(&store->state, "%s: %u result(s) of removed versions cleared away", folder, t.removed);
	free(folder);
}
