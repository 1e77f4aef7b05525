// SPDX-License-Identifier: Apache-2.0
// The ring: slots in memory shared with one client, and the news of full ones (proto/RING.md).
//
// Nothing in that memory steers us. Its client may write what it likes into it: we write each batch in full, never read,
// and keep all indices here. It cannot shrink the memory (sealed), and all pages are there from the beginning, so that
// no write of ours can fail.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pump.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

// ---- memory ----

static int make_file(void)
{
	int fd = memfd_create("hsfeed-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) // before Linux 6.3
		fd = memfd_create("hsfeed-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

static int size_file(int fd, size_t bytes)
{
	if (ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	int rc = posix_fallocate(fd, 0, (off_t)bytes);
	if (rc != 0)
		return -rc;
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ? -errno : 0;
}

int hs_ring_create(size_t bytes, void **ret_memory, int *ret_fd)
{
	int fd = make_file();
	if (fd < 0)
		return -errno;
	int rc = size_file(fd, bytes);
	if (rc == 0) {
		void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
		if (memory != MAP_FAILED) {
			*ret_memory = memory;
			*ret_fd = fd;
			return 0;
		}
		rc = -errno;
	}
	close(fd);
	return rc;
}

void hs_ring_destroy(void *memory, size_t bytes, bool pages)
{
	if (pages)
		madvise(memory, bytes, MADV_REMOVE); // otherwise a client could keep more than it is charged for
	munmap(memory, bytes);
}

// ---- news ----

static void write_news(struct hs_pump *pump)
{
	struct hs_news *news = &pump->news;
	struct hs_wbuf *w = &news->frame;
	size_t nroles = hs_feed_source_nroles(hs_stream_get_source(pump->stream));
	hs_w_reset(w);
	size_t mark = hs_notice_begin(w, "stream.ready", 3);
	hs_w_cstr(w, "stream");
	hs_w_uint(w, pump->id);
	hs_w_cstr(w, "generation");
	hs_w_uint(w, pump->generation);
	hs_w_cstr(w, "batches");
	hs_w_array(w, news->nready);
	for (unsigned i = 0; i < news->nready; i++) {
		const struct hs_slot *slot = &pump->slots[news->ready[i]];
		hs_w_array(w, (uint32_t)(5 + nroles));
		hs_w_uint(w, news->ready[i]);
		hs_w_uint(w, slot->fill);
		hs_w_uint(w, slot->info.batch);
		hs_w_uint(w, slot->info.at);
		hs_w_uint(w, slot->info.rows);
		for (size_t r = 0; r < nroles; r++)
			hs_w_uint(w, slot->info.lengths[r]);
	}
	hs_w_frame_end(w, mark, 0);
}

static void on_told(struct hs_out *out, bool whole)
{
	struct hs_news *news = (struct hs_news *)out;
	struct hs_pump *pump = news->pump;
	unsigned n = news->nsending;
	news->nsending = 0;
	for (unsigned i = 0; i < n; i++) {
		if (whole)
			pump->slots[news->ready[i]].state = HS_SLOT_OUT;
		else
			hs_pump_free_slot(pump, news->ready[i]);
	}
	news->nready -= n;
	memmove(news->ready, news->ready + n, news->nready * sizeof(*news->ready));
	pump->queued--;
	if (pump->dead)
		hs_pump_end_when_unused(pump);
	else if (whole)
		hs_news_send(pump); // what became full meanwhile
}

int hs_news_init(struct hs_pump *pump)
{
	pump->news.pump = pump;
	pump->news.out.done = on_told;
	pump->news.ready = calloc(pump->nslots, sizeof(*pump->news.ready));
	return pump->news.ready ? 0 : -ENOMEM;
}

void hs_news_fini(struct hs_pump *pump)
{
	free(pump->news.ready);
	hs_w_fini(&pump->news.frame);
}

void hs_news_add(struct hs_pump *pump, unsigned index)
{
	pump->news.ready[pump->news.nready++] = index;
}

void hs_news_send(struct hs_pump *pump)
{
	struct hs_news *news = &pump->news;
	if (news->nsending > 0 || news->nready == 0 || pump->conn->doomed)
		return;
	write_news(pump);
	if (news->frame.failed) {
		hs_conn_doom(pump->conn, "out of memory");
		return;
	}
	news->nsending = news->nready;
	news->piece = (struct iovec){news->frame.data, news->frame.len};
	news->out.pieces = &news->piece;
	news->out.npieces = 1;
	news->out.len = news->frame.len;
	pump->queued++;
	hs_conn_push(pump->conn, &news->out);
}

void hs_news_drop(struct hs_pump *pump)
{
	struct hs_news *news = &pump->news;
	for (unsigned i = news->nsending; i < news->nready; i++)
		hs_pump_free_slot(pump, news->ready[i]);
	news->nready = news->nsending;
}

bool hs_news_match(const struct hs_out *out, const void *pump)
{
	return out->done == on_told && ((const struct hs_news *)out)->pump == pump;
}
