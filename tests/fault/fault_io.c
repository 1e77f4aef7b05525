// SPDX-License-Identifier: Apache-2.0
#include "fault_io.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct {
	enum fault_kind kind;
	unsigned left; // calls until the one that fails
	int error;
	bool sticky, hit;
} armed;
static long forced_f_type;

void fault_arm(enum fault_kind kind, unsigned nth, int error, bool sticky)
{
	armed.left = nth;
	armed.error = error;
	armed.sticky = sticky;
	armed.hit = false;
	armed.kind = kind;
}

bool fault_disarm(void)
{
	armed.kind = FAULT_NONE;
	return armed.hit;
}

void fault_f_type(long f_type)
{
	forced_f_type = f_type;
}

static bool fails(enum fault_kind kind)
{
	if (armed.kind != kind)
		return false;
	if (armed.hit && !armed.sticky)
		return false;
	if (!armed.hit && --armed.left > 0)
		return false;
	armed.hit = true;
	errno = armed.error;
	return true;
}

// The next definition of a function after this program's: the sanitizer's or libc's.
#define REAL(name, result, ...)                                                                                        \
	static result (*real)(__VA_ARGS__);                                                                            \
	if (!real) {                                                                                                   \
		void *symbol = dlsym(RTLD_NEXT, #name);                                                                \
		memcpy(&real, &symbol, sizeof(real));                                                                  \
	}

// ---- memory ----

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
	return fails(FAULT_MALLOC) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails(FAULT_MALLOC) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails(FAULT_MALLOC) ? NULL : __real_realloc(p, size);
}

// ---- writing ----

EXPORT ssize_t write(int fd, const void *data, size_t len)
{
	REAL(write, ssize_t, int, const void *, size_t)
	if (fails(FAULT_WRITE))
		return -1;
	return real(fd, data, fails(FAULT_SHORT) ? len / 2 : len);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	REAL(pwrite, ssize_t, int, const void *, size_t, off_t)
	if (fails(FAULT_WRITE))
		return -1;
	return real(fd, data, fails(FAULT_SHORT) ? len / 2 : len, at);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
	REAL(writev, ssize_t, int, const struct iovec *, int)
	if (fails(FAULT_WRITE))
		return -1;
	return real(fd, iov, fails(FAULT_SHORT) && n > 1 ? n / 2 : n);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	REAL(pwritev, ssize_t, int, const struct iovec *, int, off_t)
	if (fails(FAULT_WRITE))
		return -1;
	return real(fd, iov, fails(FAULT_SHORT) && n > 1 ? n / 2 : n, at);
}

// ---- the rest ----

EXPORT int fsync(int fd)
{
	REAL(fsync, int, int)
	return fails(FAULT_SYNC) ? -1 : real(fd);
}

EXPORT int fdatasync(int fd)
{
	REAL(fdatasync, int, int)
	return fails(FAULT_SYNC) ? -1 : real(fd);
}

EXPORT int msync(void *p, size_t len, int flags)
{
	REAL(msync, int, void *, size_t, int)
	return fails(FAULT_SYNC) ? -1 : real(p, len, flags);
}

EXPORT int rename(const char *from, const char *to)
{
	REAL(rename, int, const char *, const char *)
	return fails(FAULT_RENAME) ? -1 : real(from, to);
}

EXPORT ssize_t pread(int fd, void *data, size_t len, off_t at)
{
	REAL(pread, ssize_t, int, void *, size_t, off_t)
	return fails(FAULT_READ) ? -1 : real(fd, data, len, at);
}

EXPORT int ftruncate(int fd, off_t len)
{
	REAL(ftruncate, int, int, off_t)
	return fails(FAULT_TRUNCATE) ? -1 : real(fd, len);
}

EXPORT int open(const char *path, int flags, ...)
{
	REAL(open, int, const char *, int, ...)
	va_list ap;
	va_start(ap, flags);
	mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return fails(FAULT_OPEN) ? -1 : real(path, flags, mode);
}

EXPORT void *mmap(void *address, size_t len, int prot, int flags, int fd, off_t at)
{
	REAL(mmap, void *, void *, size_t, int, int, int, off_t)
	return fails(FAULT_MAP) ? MAP_FAILED : real(address, len, prot, flags, fd, at);
}

EXPORT int statfs(const char *path, struct statfs *ret)
{
	REAL(statfs, int, const char *, struct statfs *)
	int rc = real(path, ret);
	if (rc == 0 && forced_f_type)
		ret->f_type = forced_f_type;
	return rc;
}
