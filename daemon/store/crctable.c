// SPDX-License-Identifier: Apache-2.0
// The table: "HSFEDCRC" | u32 version | u32 chunk bytes | u64 file bytes | u32 chunks | u32 crc[chunks] | u32 crc of
// all before. The last word is also the table's root, which the catalog keeps. (A checksum over the whole table, its
// own checksum included, would be one and the same constant for every file.)
#include "store/crctable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "store/disk.h"

#define TABLE_VERSION 1u
#define TABLE_HEADER  28u
#define MAX_FILE      (1ull << 44) // 16 TiB: its table is 64 MiB
static const char magic[8] = {'H', 'S', 'F', 'E', 'D', 'C', 'R', 'C'};

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t chunks_of(uint64_t len)
{
	return (len + HS_CRC_CHUNK - 1) / HS_CRC_CHUNK;
}

static size_t chunk_len(uint64_t len, uint64_t chunk)
{
	uint64_t left = len - chunk * HS_CRC_CHUNK;
	return left < HS_CRC_CHUNK ? (size_t)left : HS_CRC_CHUNK;
}

static int fill_table(int fd, const char *path, uint64_t len, uint8_t *table, struct hs_err *reterr)
{
	uint8_t *chunk = malloc(HS_CRC_CHUNK);
	int rc = chunk ? 0 : -ENOMEM;
	for (uint64_t i = 0; rc == 0 && i < chunks_of(len); i++) {
		size_t n = chunk_len(len, i);
		rc = hs_disk_read(fd, chunk, n, i * HS_CRC_CHUNK);
		if (rc == 0)
			put32(table + TABLE_HEADER + 4 * i, hs_crc32c(0, chunk, n));
	}
	free(chunk);
	return rc < 0 ? hs_disk_fail(reterr, rc, path, "read it back") : 0;
}

static int write_table(const char *path, const uint8_t *table, size_t len, struct hs_err *reterr)
{
	char *name = hs_disk_path("%s.crc", path);
	if (!name)
		return hs_err_nomem(reterr, "writing a checksum table");
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = fd < 0 ? -errno : hs_disk_write(fd, table, len);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		rc = hs_disk_fail(reterr, rc, name, "write the checksum table");
	free(name);
	return rc;
}

int hs_crc_write(int fd, const char *path, uint64_t len, uint32_t *ret_root, struct hs_err *reterr)
{
	size_t table_len = TABLE_HEADER + 4 * (size_t)chunks_of(len) + 4;
	uint8_t *table = hs_array(table_len, 1);
	if (!table)
		return hs_err_nomem(reterr, "writing a checksum table");
	memcpy(table, magic, sizeof(magic));
	put32(table + 8, TABLE_VERSION);
	put32(table + 12, HS_CRC_CHUNK);
	put32(table + 16, (uint32_t)len);
	put32(table + 20, (uint32_t)(len >> 32));
	put32(table + 24, (uint32_t)chunks_of(len));
	int rc = fill_table(fd, path, len, table, reterr);
	uint32_t root = hs_crc32c(0, table, table_len - 4);
	put32(table + table_len - 4, root);
	if (rc == 0)
		rc = write_table(path, table, table_len, reterr);
	if (rc == 0)
		*ret_root = root;
	free(table);
	return rc;
}

// ---- checking ----

static int damaged(struct hs_err *reterr, const char *path, const char *what)
{
	hs_err_set(reterr, HSFEED_ECORRUPT, "%s: %s", path, what);
	hs_err_hint(
		reterr,
		"ingest the source again, after hsfeed rm of this version; the other files are not touched by this");
	return HSFEED_ECORRUPT;
}

static const char *judge_table(const uint8_t *table, size_t table_len, uint64_t len, uint32_t root)
{
	if (memcmp(table, magic, sizeof(magic)) != 0)
		return "the checksum table beside it is not one";
	uint32_t own = get32(table + table_len - 4);
	if (hs_crc32c(0, table, table_len - 4) != own)
		return "the checksum table beside it is damaged";
	if (get32(table + 8) != TABLE_VERSION || get32(table + 12) != HS_CRC_CHUNK)
		return "the checksum table beside it is of an unknown format";
	if ((get32(table + 16) | (uint64_t)get32(table + 20) << 32) != len)
		return "its length is not what its checksum table says";
	if (get32(table + 24) != chunks_of(len))
		return "the checksum table beside it has the wrong number of entries";
	if (root != 0 && own != root)
		return "the checksum table beside it is not the one the catalog knows";
	return NULL;
}

static int load_table(const char *path, uint64_t len, uint8_t **ret, struct hs_err *reterr)
{
	char *name = hs_disk_path("%s.crc", path);
	size_t table_len = TABLE_HEADER + 4 * (size_t)chunks_of(len) + 4;
	uint8_t *table = hs_array(table_len, 1);
	struct stat st;
	int fd = -1, rc = -ENOMEM;
	if (name && table) {
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		rc = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
	}
	if (rc == -ENOENT)
		rc = damaged(reterr, path, "its checksum table (.crc) is missing");
	else if (rc == 0 && (uint64_t)st.st_size != table_len)
		rc = damaged(reterr, path, "its length does not fit its checksum table's");
	else if (rc < 0 || (rc = hs_disk_read(fd, table, table_len, 0)) < 0)
		rc = hs_disk_fail(reterr, rc, name ? name : path, "read the checksum table");
	if (fd >= 0)
		close(fd);
	free(name);
	if (rc == 0)
		*ret = table;
	else
		free(table);
	return rc;
}

static int compare_chunks(const struct hs_crc_job *job, uint64_t len, const uint8_t *table, struct hs_err *reterr)
{
	uint8_t *chunk = malloc(HS_CRC_CHUNK);
	if (!chunk)
		return hs_err_nomem(reterr, "checking a file");
	int rc = 0;
	for (uint64_t i = 0; rc == 0 && i < chunks_of(len); i++) {
		size_t n = chunk_len(len, i);
		rc = hs_disk_read(job->fd, chunk, n, i * HS_CRC_CHUNK);
		if (rc < 0) {
			rc = hs_disk_fail(reterr, rc, job->path, "read it");
		} else if (hs_crc32c(0, chunk, n) != get32(table + TABLE_HEADER + 4 * i)) {
			char what[96];
			snprintf(what, sizeof(what), "MiB %llu differs from its checksum", (unsigned long long)i);
			rc = damaged(reterr, job->path, what);
		}
		if (rc == 0 && job->progress)
			job->progress(job->arg, i * HS_CRC_CHUNK + n);
	}
	free(chunk);
	return rc;
}

int hs_crc_check(const struct hs_crc_job *job, struct hs_crc_result *ret, struct hs_err *reterr)
{
	struct stat st;
	if (fstat(job->fd, &st) < 0)
		return hs_disk_fail(reterr, -errno, job->path, "look at it");
	uint64_t len = (uint64_t)st.st_size;
	if (len == 0 || len > MAX_FILE)
		return damaged(reterr, job->path, "it has an impossible length");
	uint8_t *table = NULL;
	int rc = load_table(job->path, len, &table, reterr);
	if (rc < 0)
		return rc;
	size_t table_len = TABLE_HEADER + 4 * (size_t)chunks_of(len) + 4;
	const char *fault = judge_table(table, table_len, len, job->root);
	rc = fault ? damaged(reterr, job->path, fault) : compare_chunks(job, len, table, reterr);
	if (rc == 0)
		*ret = (struct hs_crc_result){len, get32(table + table_len - 4)};
	free(table);
	return rc;
}
