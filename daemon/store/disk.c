// SPDX-License-Identifier: Apache-2.0
#include "store/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NEARLY_FULL_BYTES (1u << 20) // a file system with less room than this is why a short write was short

int hs_disk_read(int fd, void *data, size_t len, uint64_t offset)
{
	uint8_t *p = data;
	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int hs_disk_write(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;
	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int hs_disk_sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

void hs_disk_unlink_pair(const char *path)
{
	char *crc = hs_disk_path("%s.crc", path);
	unlink(path);
	if (crc)
		unlink(crc);
	free(crc);
}

int hs_disk_each(const char *folder, hs_disk_entry *fn, void *arg, struct hs_err *reterr)
{
	DIR *dir = opendir(folder);
	if (!dir)
		return hs_disk_fail(reterr, -errno, folder, "look into it");
	int rc = 0;
	for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = fn(arg, folder, e->d_name, reterr);
	}
	closedir(dir);
	return rc;
}

char *hs_disk_path(const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, ap);
	char *text = len < 0 ? NULL : malloc((size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return text;
}

static bool disk_is_full(const char *path)
{
	struct statvfs vfs;
	char *folder = hs_disk_path("%s", path), *slash = folder ? strrchr(folder, '/') : NULL;
	if (slash && slash != folder)
		*slash = '\0';
	bool known = folder && (statvfs(path, &vfs) == 0 || statvfs(folder, &vfs) == 0);
	free(folder);
	if (!known)
		return false;
	uint64_t blocks = geteuid() == 0 ? vfs.f_bfree : vfs.f_bavail;
	return blocks * vfs.f_frsize < NEARLY_FULL_BYTES;
}

int hs_disk_fail(struct hs_err *reterr, int code, const char *path, const char *doing)
{
	if (code == -ENOMEM)
		return hs_err_set(reterr, code, "%s: cannot %s: out of memory", path, doing);
	if (code == -EIO && disk_is_full(path))
		code = -ENOSPC;
	hs_err_set(reterr, code, "%s: cannot %s: %s", path, doing, strerror(-code));
	if (code == -ENOSPC || code == -EDQUOT)
		hs_err_hint(reterr, "make room on that file system, or start hsfeedd with --state on a larger one");
	else if (code == -EIO)
		hs_err_hint(reterr, "the disk may be failing: see the kernel's log (dmesg), then run hsfeed verify");
	return code;
}

int hs_disk_fail_mdb(struct hs_err *reterr, int mdb_rc, const char *path, const char *doing)
{
	if (mdb_rc > 0)
		return hs_disk_fail(reterr, -mdb_rc, path, doing);
	int code = mdb_rc == MDB_INVALID || mdb_rc == MDB_CORRUPTED || mdb_rc == MDB_PAGE_NOTFOUND ? HSFEED_ECORRUPT
												   : HSFEED_EINTERNAL;
	return hs_err_set(reterr, code, "%s: cannot %s: %s", path, doing, mdb_strerror(mdb_rc));
}

const char *hs_disk_remote_name(long f_type)
{
	// Magic numbers of linux/magic.h and of the file systems' own sources; LMDB needs coherent maps and working
	// locks.
	static const struct {
		uint32_t type;
		const char *name;
	} remote[] = {
		{0x6969, "NFS"},
		{0x517B, "SMB"},
		{0xFF534D42, "CIFS"},
		{0xFE534D42, "SMB2"},
		{0x65735546, "FUSE"},
		{0x01021997, "9P"},
		{0x5346414F, "AFS"},
		{0x6B414653, "AFS"},
		{0x73757245, "Coda"},
		{0x00C36400, "Ceph"},
		{0x564C, "NCP"},
		{0x7461636F, "OCFS2"},
		{0x01161970, "GFS2"},
		{0x0BD00BD0, "Lustre"},
		{0x47504653, "GPFS"},
		{0x19830326, "BeeGFS"},
		{0x786F4256, "a VirtualBox shared folder"},
		{0xBACBACBC, "a VMware shared folder"},
		{0xAAD7AAEA, "PanFS"},
		{0x20030528, "OrangeFS"},
	};
	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++) {
		if ((uint32_t)f_type == remote[i].type)
			return remote[i].name;
	}
	return NULL;
}
