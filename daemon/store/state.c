// SPDX-License-Identifier: Apache-2.0
#include "store/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/sha256.h"
#include "store/disk.h"

#define LOCK_LINE  "hsfeed state 1\n" // the number is the layout's of the whole folder
#define LOST_TRIES 1000

static const char *const folders[] = {"catalog", "versions", "encodings", "arrays", "near", "tmp", "lost"};

void hs_state_log(const struct hs_state *state, const char *fmt, ...)
{
	char line[1024];
	if (!state->log)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	state->log(state->log_arg, line);
}

// ---- whose folder is it? ----

static bool name_is_known(const char *name)
{
	// The socket, logs and pid files of hsfeed live here too; lost+found is a file system's own.
	if (strncmp(name, "hsfeed", 6) == 0 || strcmp(name, "lost+found") == 0 || strcmp(name, "lock") == 0 ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return true;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (strcmp(name, folders[i]) == 0)
			return true;
	}
	return false;
}

static int foreign(const char *path, const char *what, const char *name, struct hs_err *reterr)
{
	hs_err_set(reterr, HSFEED_EFOREIGN, "%s: %s%s", path, what, name);
	hs_err_hint(reterr, "name an empty or a new folder with --state, so that nothing of anybody else's is touched");
	return HSFEED_EFOREIGN;
}

static int look_for_strangers(const char *path, struct hs_err *reterr)
{
	DIR *dir = opendir(path);
	if (!dir)
		return hs_disk_fail(reterr, -errno, path, "look into it");
	int rc = 0;
	for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
		if (!name_is_known(e->d_name))
			rc = foreign(path, "it is not a state folder of hsfeedd: it holds ", e->d_name, reterr);
	}
	closedir(dir);
	return rc;
}

static int refuse_remote(const char *path, struct hs_err *reterr)
{
	struct statfs fs;
	if (statfs(path, &fs) < 0)
		return hs_disk_fail(reterr, -errno, path, "look at its file system");
	const char *name = hs_disk_remote_name((long)fs.f_type);
	if (!name)
		return 0;
	hs_err_set(reterr, HSFEED_EREMOTEFS,
		   "%s: it is on a remote file system (%s); maps and locks cannot be trusted there", path, name);
	hs_err_hint(reterr, "name a folder on a local disk: --state /local/disk/hsfeed");
	return HSFEED_EREMOTEFS;
}

// ---- the lock ----

static int locked_by_other(int fd, const char *path, struct hs_err *reterr)
{
	char text[64] = {0}, *pid = NULL;
	if (pread(fd, text, sizeof(text) - 1, 0) > 0)
		pid = strstr(text, "pid ");
	if (pid)
		hs_err_set(reterr, HSFEED_ELOCKED, "%s: another hsfeedd (process %ld) holds it", path,
			   strtol(pid + 4, NULL, 10));
	else
		hs_err_set(reterr, HSFEED_ELOCKED, "%s: another hsfeedd holds it", path);
	hs_err_hint(reterr, "use that daemon, stop it first, or name another folder with --state");
	return HSFEED_ELOCKED;
}

static int write_lock_line(int fd)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "%spid %ld\n", LOCK_LINE, (long)getpid());
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	int rc = hs_disk_write(fd, text, (size_t)len);
	return rc < 0 ? rc : ftruncate(fd, len) < 0 ? -errno : 0;
}

// A lock file that begins with our line makes the folder ours, whatever else lies there.
static int judge_lock(int fd, const char *path, struct hs_err *reterr)
{
	char text[sizeof(LOCK_LINE)] = {0};
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return hs_disk_fail(reterr, -errno, path, "read its lock");
	if (strcmp(text, LOCK_LINE) == 0)
		return 0;
	if (n > 0 && strncmp(text, "hsfeed state ", 13) == 0 && strncmp(LOCK_LINE, text, (size_t)n) != 0) {
		hs_err_set(reterr, HSFEED_EFOREIGN, "%s: it is a state folder of an hsfeedd with another layout", path);
		hs_err_hint(reterr, "use the hsfeedd that wrote it, or a newer one");
		return HSFEED_EFOREIGN;
	}
	return look_for_strangers(path, reterr);
}

static int take_lock(struct hs_state *s, struct hs_err *reterr)
{
	char *name = hs_disk_path("%s/lock", s->path);
	if (!name)
		return hs_err_nomem(reterr, "opening the state folder");
	bool was_there = access(name, F_OK) == 0;
	int rc = was_there ? 0 : look_for_strangers(s->path, reterr); // before anything of ours is put there
	if (rc == 0) {
		s->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (s->lock_fd < 0)
			rc = hs_disk_fail(reterr, -errno, name, "open the lock");
	}
	if (rc == 0 && flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		rc = errno == EWOULDBLOCK ? locked_by_other(s->lock_fd, s->path, reterr)
					  : hs_disk_fail(reterr, -errno, name, "lock it");
	if (rc == 0)
		rc = judge_lock(s->lock_fd, s->path, reterr);
	int written = rc < 0 ? 0 : write_lock_line(s->lock_fd);
	if (written < 0)
		rc = hs_disk_fail(reterr, written, name, "write the lock");
	free(name);
	return rc;
}

// ---- folders ----

static int mend_mode(const struct hs_state *s, const char *path, const struct stat *st, struct hs_err *reterr)
{
	if (st->st_uid != geteuid()) {
		hs_err_set(reterr, -EPERM, "%s: it belongs to user %u, and hsfeedd runs as user %u", path, st->st_uid,
			   geteuid());
		hs_err_hint(reterr, "start hsfeedd as that user, or name another folder with --state");
		return -EPERM;
	}
	if ((st->st_mode & 07777) == 0700)
		return 0;
	if (chmod(path, 0700) < 0)
		return hs_disk_fail(reterr, -errno, path, "set its mode");
	if (st->st_mode & 0077)
		hs_state_log(s, "%s: others could enter it (mode %03o); its mode is 0700 now", path,
			     st->st_mode & 0777);
	return 0;
}

static int make_folder(const struct hs_state *s, const char *path, struct hs_err *reterr)
{
	struct stat st;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return hs_disk_fail(reterr, -errno, path, "make the folder");
	if (lstat(path, &st) < 0)
		return hs_disk_fail(reterr, -errno, path, "look at it");
	if (!S_ISDIR(st.st_mode))
		return foreign(path, "it is not a folder", "", reterr);
	return mend_mode(s, path, &st, reterr);
}

static int make_folders(const struct hs_state *s, struct hs_err *reterr)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof(folders) / sizeof(folders[0]); i++) {
		char *path = hs_disk_path("%s/%s", s->path, folders[i]);
		rc = path ? make_folder(s, path, reterr) : hs_err_nomem(reterr, "opening the state folder");
		free(path);
	}
	if (rc < 0)
		return rc;
	rc = hs_disk_sync_folder(s->path);
	return rc < 0 ? hs_disk_fail(reterr, rc, s->path, "sync it") : 0;
}

static int find_folder(const struct hs_store_options *o, struct hs_state *s, bool *ret_made, struct hs_err *reterr)
{
	if (mkdir(o->state, 0700) == 0)
		*ret_made = true;
	else if (errno != EEXIST)
		return hs_disk_fail(reterr, -errno, o->state, "make the state folder");
	s->path = realpath(o->state, NULL);
	if (!s->path)
		return hs_disk_fail(reterr, -errno, o->state, "open the state folder");
	s->tmp = hs_disk_path("%s/tmp", s->path);
	struct stat st;
	if (!s->tmp)
		return hs_err_nomem(reterr, "opening the state folder");
	if (stat(s->path, &st) < 0 || !S_ISDIR(st.st_mode))
		return foreign(s->path, "it is not a folder", "", reterr);
	return o->allow_remote_fs ? 0 : refuse_remote(s->path, reterr);
}

int hs_state_open(const struct hs_store_options *options, struct hs_state *ret, struct hs_err *reterr)
{
	struct hs_state s = {.lock_fd = -1, .log = options->log, .log_arg = options->log_arg};
	struct stat st;
	bool made = false;
	int rc = find_folder(options, &s, &made, reterr);
	if (rc < 0 && made)
		rmdir(options->state);
	if (rc == 0)
		rc = take_lock(&s, reterr);
	if (rc == 0 && stat(s.path, &st) < 0)
		rc = hs_disk_fail(reterr, -errno, s.path, "look at it");
	else if (rc == 0)
		rc = mend_mode(&s, s.path, &st, reterr);
	if (rc == 0)
		rc = make_folders(&s, reterr);
	if (rc < 0) {
		hs_state_close(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

void hs_state_close(struct hs_state *state)
{
	if (state->lock_fd >= 0)
		close(state->lock_fd);
	free(state->path);
	free(state->tmp);
	*state = (struct hs_state){.lock_fd = -1};
}

// ---- paths ----

const char *hs_state_kind_folder(enum hs_file_kind kind)
{
	static const char *const names[] = {
		[HS_FILE_VERSION] = "versions", [HS_FILE_ENCODING] = "encodings", [HS_FILE_ARRAY] = "arrays"};
	return names[kind];
}

char *hs_state_file_path(const struct hs_state *state, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id)
{
	char hex[HS_ID_HEX];
	hs_id_hex(id, hex);
	return hs_disk_path("%s/%s/%u/%s.mdb", state->path, hs_state_kind_folder(kind), owner, hex);
}

int hs_state_owner_folder(const struct hs_state *state, uint32_t owner, const char *of, char **ret,
			  struct hs_err *reterr)
{
	char *parent = hs_disk_path("%s/%s", state->path, of);
	char *path = parent ? hs_disk_path("%s/%u", parent, owner) : NULL;
	int rc = path ? 0 : hs_err_nomem(reterr, "making a folder");
	if (rc == 0 && access(path, F_OK) < 0) {
		rc = make_folder(state, path, reterr);
		int synced = rc < 0 ? 0 : hs_disk_sync_folder(parent);
		if (synced < 0)
			rc = hs_disk_fail(reterr, synced, parent, "sync it");
	}
	free(parent);
	if (rc == 0)
		*ret = path;
	else
		free(path);
	return rc;
}

// ---- what lies about ----

int hs_state_lose(const struct hs_state *state, const char *path, const char *why, struct hs_err *reterr)
{
	const char *rest = path + strlen(state->path) + 1;
	int rc = -EEXIST;
	for (int i = 0; i < LOST_TRIES && rc == -EEXIST; i++) {
		char *dest = i ? hs_disk_path("%s/lost/%s.%d", state->path, rest, i)
			       : hs_disk_path("%s/lost/%s", state->path, rest);
		if (!dest)
			return hs_err_nomem(reterr, "moving a file to lost/");
		for (char *p = dest + strlen(state->path) + 6; *p; p++)
			*p = *p == '/' ? '-' : *p;
		struct stat st;
		rc = lstat(dest, &st) == 0 ? -EEXIST : rename(path, dest) < 0 ? -errno : 0;
		if (rc == 0)
			hs_state_log(state, "%s: %s; it is now %s", path, why, dest);
		free(dest);
	}
	return rc < 0 ? hs_disk_fail(reterr, rc, path, "move it to lost/") : 0;
}

int hs_state_empty_tmp(const struct hs_state *state, struct hs_err *reterr)
{
	DIR *dir = opendir(state->tmp);
	if (!dir)
		return hs_disk_fail(reterr, -errno, state->tmp, "look into it");
	int rc = 0;
	unsigned n = 0;
	for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		if (unlinkat(dirfd(dir), e->d_name, 0) == 0 || unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR) == 0)
			continue;
		char *path = hs_disk_path("%s/%s", state->tmp, e->d_name);
		rc = path ? hs_state_lose(state, path, "hsfeedd does not make folders in tmp/", reterr)
			  : hs_err_nomem(reterr, "emptying tmp/");
		free(path);
	}
	closedir(dir);
	if (n > 0 && rc == 0)
		hs_state_log(state, "%s: %u unfinished file(s) removed", state->tmp, n);
	return rc;
}

bool hs_state_parse_owner(const char *name, uint32_t *ret)
{
	char *end, again[16];
	errno = 0;
	unsigned long value = strtoul(name, &end, 10);
	if (errno || *end || end == name || value > UINT32_MAX)
		return false;
	snprintf(again, sizeof(again), "%lu", value);
	*ret = (uint32_t)value;
	return strcmp(again, name) == 0;
}

static void parse_name(const char *name, struct hs_state_found *found)
{
	char again[HS_ID_HEX];
	bool id = strlen(name) > 64 && hs_unhex(name, 32, found->id.bytes) == 0;
	if (id)
		hs_id_hex(&found->id, again);
	found->is_table = id && strcmp(name + 64, ".mdb.crc") == 0;
	found->ours &= id && strncmp(again, name, 64) == 0 && (found->is_table || strcmp(name + 64, ".mdb") == 0);
}

struct each {
	hs_state_visit *visit;
	void *arg;
	struct hs_state_found found;
	bool owner_ok;
};

static int visit_path(struct each *each, const char *path, struct hs_err *reterr)
{
	each->found.path = path;
	return each->visit(each->arg, &each->found, reterr);
}

static int visit_file(void *arg, const char *folder, const char *name, struct hs_err *reterr)
{
	struct each *each = arg;
	char *path = hs_disk_path("%s/%s", folder, name);
	if (!path)
		return hs_err_nomem(reterr, "looking through the store");
	struct stat st;
	each->found.ours = each->owner_ok && lstat(path, &st) == 0 && S_ISREG(st.st_mode);
	parse_name(name, &each->found);
	int rc = visit_path(each, path, reterr);
	free(path);
	return rc;
}

static int visit_owner(void *arg, const char *folder, const char *name, struct hs_err *reterr)
{
	struct each *each = arg;
	char *path = hs_disk_path("%s/%s", folder, name);
	if (!path)
		return hs_err_nomem(reterr, "looking through the store");
	struct stat st;
	int rc;
	each->owner_ok = hs_state_parse_owner(name, &each->found.owner);
	if (each->owner_ok && lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		rc = hs_disk_each(path, visit_file, each, reterr);
	} else {
		each->found.ours = false;
		rc = visit_path(each, path, reterr);
	}
	free(path);
	return rc;
}

int hs_state_each(const struct hs_state *state, hs_state_visit *visit, void *arg, struct hs_err *reterr)
{
	int rc = 0;
	for (int kind = HS_FILE_VERSION; rc == 0 && kind <= HS_FILE_LAST_KIND; kind++) {
		struct each each = {.visit = visit, .arg = arg, .found = {.kind = (enum hs_file_kind)kind}};
		char *folder = hs_disk_path("%s/%s", state->path, hs_state_kind_folder(each.found.kind));
		rc = folder ? hs_disk_each(folder, visit_owner, &each, reterr)
			    : hs_err_nomem(reterr, "looking through the store");
		free(folder);
	}
	return rc;
}
