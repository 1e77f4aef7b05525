// SPDX-License-Identifier: Apache-2.0
// A stream's ring (proto/RING.md): the mapped memory, and the news of full slots. What the daemon says of it is checked
// against the mapping before anything is read there.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

// Memory that could still shrink would end us with SIGBUS.
static const char *check_file(int fd, uint64_t bytes)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return "its memory is not sealed";
	if (fstat(fd, &st) < 0 || st.st_size < 0 || (uint64_t)st.st_size < bytes)
		return "its memory is smaller than its slots";
	return NULL;
}

int hs_ring_map(hsfeed_stream *s, int fd, struct hsfeed_error *reterr)
{
	uint64_t bytes = s->nslots * s->layout.slot_bytes; // <= 64 * 2^28
	const char *wrong = fd < 0 ? "no descriptor came with it" : bytes == 0 ? "it has no bytes" : check_file(fd, bytes);
	if (wrong)
		return hs_error_set(reterr, HSFEED_EBADFRAME, "the daemon opened a ring that cannot be used: %s",
				    wrong);
	void *memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return hs_error_set(reterr, -errno, "the ring cannot be mapped: %s", hsfeed_strerror(-errno));
	s->ring = memory;
	s->ring_bytes = (size_t)bytes;
	return 0;
}

void hs_ring_unmap(hsfeed_stream *s)
{
	if (s->ring)
		munmap(s->ring, s->ring_bytes);
	s->ring = NULL;
}

// One of stream.ready's batches: [slot, fill, batch, at, rows, length of each role].
static const char *read_batch(struct hs_rbuf *r, const struct hs_layout *layout, struct hs_arrival *ret)
{
	uint64_t *const numbers[] = {&ret->slot, &ret->fill, &ret->batch, &ret->at, &ret->rows};
	struct hs_wire_value v;
	if (!hs_r_next(r, &v) || v.type != HS_WIRE_ARRAY || v.as.count != 5 + layout->nroles)
		return "it is no list of numbers";
	for (size_t i = 0; i < 5 + layout->nroles; i++) {
		if (!hs_r_next(r, &v) || v.type != HS_WIRE_UINT)
			return "it is no list of numbers";
		if (i < 5)
			*numbers[i] = v.as.u;
		else
			ret->lengths[i - 5] = v.as.u;
	}
	return NULL;
}

int hs_stream_on_ready(hsfeed_client *client, struct hs_rbuf params)
{
	hsfeed_stream *s = hs_stream_find(client, params);
	struct hs_arrival a = {.data = NULL};
	struct hs_rbuf r;
	struct hs_wire_value v;
	if (!s)
		return 0; // of a stream that was closed while they were on their way
	if (!s->ring || !hs_r_get_uint(params, "generation", &a.generation) || !hs_r_find(params, "batches", &r) ||
	    !hs_r_next(&r, &v) || v.type != HS_WIRE_ARRAY)
		return hs_stream_bad_batch(client, "a key is missing");
	for (uint32_t i = 0; i < v.as.count; i++) {
		const char *wrong = read_batch(&r, &s->layout, &a);
		int rc = wrong ? hs_stream_bad_batch(client, wrong) : hs_stream_accept(s, &a);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int hsfeed_stream_ring(const hsfeed_stream *stream, void **ret_memory, size_t *ret_bytes)
{
	if (!stream || !stream->ring)
		return 0;
	*ret_memory = stream->ring;
	*ret_bytes = stream->ring_bytes;
	return 1;
}
