// SPDX-License-Identifier: Apache-2.0
// What the files of libhsfeed share. The layers within, lowest first:
//
//   error, value, params   no connection needed
//   paths, socket          where the daemon may be, and whether to trust it
//   conn                   bytes in and out: the only file that reads or writes the socket
//   client, call           greeting, sequence numbers, answers
//   batch, stream, open    streams: what conn hands to them, what callers take
//   data, rows, files, lists, tokenizer, ingest, attach, plans   typed calls
#ifndef HS_LIB_CLIENT_H
#define HS_LIB_CLIENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hsfeed.h"
#include "wire/wire.h"

#define HS_LIB_MAX_SLOTS    64
#define HS_LIB_MAX_ROLES    8
#define HS_LIB_MAX_ATTACHED 8
#define HS_LIB_MAX_ARRAYS   (3 * HS_LIB_MAX_ROLES + 3 + HS_LIB_MAX_ATTACHED)
#define HS_LIB_MAX_DATA     (1u << 28) // bytes of one batch
#define HS_LIB_MAX_FRAME    (1u << 29) // whatever hello says: a frame beyond this is not believed
#define HS_LIB_MAX_FDS      8

// ---- error.c ----

// Fill *reterr (may be NULL) and return code.
int hs_error_set(struct hsfeed_error *reterr, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int hs_error_hint(struct hsfeed_error *reterr, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int hs_error_nomem(struct hsfeed_error *reterr);
int hs_error_copy(struct hsfeed_error *reterr, const struct hsfeed_error *from);
// hs_error_decode reads {code, message, hint}, wherever it came from; returns the code, always negative.
int hs_error_decode(struct hsfeed_error *reterr, const hsfeed_value *map);

// hs_options_read copies a caller's option struct (may be NULL) of any age into ours: what an older program does not
// have is zero. 0 or HSFEED_EBADARG.
int hs_options_read(void *ret_options, size_t bytes, const void *given, struct hsfeed_error *reterr);
// hs_options_item finds the i-th of a caller's array of such structs, whose size is that of the first.
const void *hs_options_item(const void *items, size_t i);

// ---- value.c ----

// hs_value_decode makes a tree of one value that passed hs_wire_check; the bytes are copied. 0 or -ENOMEM.
int hs_value_decode(const void *data, size_t len, hsfeed_value **ret);

// ---- params.c ----

const struct hs_wbuf *hs_params_finish(hsfeed_params *params); // closes the outer map; NULL after a failure
bool hs_params_nomem(const hsfeed_params *params);
// hs_params_name writes name and, for "user:name", owner. 0 or HSFEED_ENOTFOUND, HSFEED_EBADARG.
int hs_params_name(hsfeed_params *params, const char *name, struct hsfeed_error *reterr);
// hs_params_epoch writes what an epoch's batches follow from: all of a stream's options but split, position, rank, and
// how batches come. `pins`: roles may name their encodings.
int hs_params_epoch(hsfeed_params *params, const struct hsfeed_stream_options *o, bool pins,
		    struct hsfeed_error *reterr);
// hs_params_value writes a value as it is; nothing for nil and bin.
void hs_params_value(hsfeed_params *params, const char *key, const hsfeed_value *value);
// hs_params_plan writes a caller's plan; NULL writes nothing. 0 or HSFEED_EBADARG.
int hs_params_plan(hsfeed_params *params, const char *key, const struct hsfeed_plan *given,
		   struct hsfeed_error *reterr);

// ---- socket.c ----

struct hs_peer {
	char path[108];
	pid_t pid;
	uid_t uid;
};
// hs_socket_connect tries the path given, or each of the search order. *ret_fd is non-blocking and close-on-exec.
int hs_socket_connect(const char *path, unsigned timeout_ms, int *ret_fd, struct hs_peer *ret_peer,
		      struct hsfeed_error *reterr);

// ---- conn.c ----

int64_t hs_now_ms(void);
int64_t hs_deadline(int64_t timeout_ms); // < 0: never, as INT64_MAX

struct hs_late { // a call that nobody waits for, or that was given up; its answer may still come
	uint32_t seq;
	enum { HS_LATE_IGNORE, HS_LATE_CLOSE_STREAM, HS_LATE_CLOSE_FILE, HS_LATE_SOUGHT } what;
};

struct hs_wait { // the one call that is being waited for
	bool active, answered;
	uint32_t seq;
	int code; // of the answer
	struct hsfeed_error error;
	hsfeed_value *result; // owned until taken
	hsfeed_progress_fn *progress;
	void *progress_arg;
	bool cancel_sent;
};

struct hsfeed_client {
	int fd;
	pid_t owner_pid;
	bool closed;   // by hsfeed_close; lives on while `lent` > 0
	unsigned lent; // streams of which batches are held that lie in a ring
	struct hs_peer peer;
	unsigned timeout_ms;
	void (*on_notice)(void *arg, const char *name, const hsfeed_value *params);
	int (*interrupted)(void *arg);
	int64_t asked_ms; // when that was called last
	void *arg;
	bool in_callback;

	struct hsfeed_error broken; // code 0: the connection is fine
	struct hsfeed_error bye;    // the daemon's parting words

	hsfeed_value *hello;
	uint32_t max_request, max_reply;
	bool fdpass, rings, packs; // packs: rings can be packed

	uint32_t next_seq;
	struct hs_wait wait;
	struct hs_late *late;
	size_t nlate, late_cap;

	int in_fds[HS_LIB_MAX_FDS]; // came with bytes in `in`, in order: rings whose answers are not understood yet
	unsigned nin_fds;
	uint8_t *in; // received, not yet understood: in[in_start .. in_end)
	size_t in_start, in_end, in_cap;
	struct hs_wbuf out; // to be sent: out.data[out_start .. out.len)
	size_t out_start;
	int out_fd; // descriptor that goes with the next byte, -1: none

	hsfeed_stream *streams;
};

// hs_client_enter is the first thing every call does: not in a fork, not in a callback, not broken.
int hs_client_enter(hsfeed_client *client, struct hsfeed_error *reterr);
// hs_conn_break ends the connection for good and remembers why (the first reason counts). Returns the code.
int hs_conn_break(hsfeed_client *client, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
// hs_conn_flush sends what it can without waiting. hs_conn_step waits for something to happen until the deadline,
// sends, receives and dispatches: 0, HSFEED_ETIMEOUT, -EINTR, or what broke the connection.
// hs_conn_poll waits for descriptors: 1 (some are ready), 0 (look again), HSFEED_ETIMEOUT, -EINTR or -errno.
int hs_conn_flush(hsfeed_client *client);
int hs_conn_poll(hsfeed_client *client, struct pollfd *fds, unsigned nfds, int64_t deadline,
		 struct hsfeed_error *reterr);
int hs_conn_step(hsfeed_client *client, int64_t deadline, struct hsfeed_error *reterr);
int hs_conn_take_fd(hsfeed_client *client); // the oldest descriptor that came, the caller's now; -1: none
void hs_conn_close_fds(hsfeed_client *client);
// hs_conn_dispatch (call.c) takes one received frame, without its length.
int hs_conn_dispatch(hsfeed_client *client, const uint8_t *frame, size_t len);

// ---- call.c ----

struct hs_call {
	const char *method;
	hsfeed_params *params; // NULL: {}
	int64_t timeout_ms;    // 0: the client's, < 0: none
	int fd;                // -1: none
	int late;              // what to do with an answer that comes too late
	hsfeed_progress_fn *progress;
	void *progress_arg;
	bool cancel; // a call that was given up is also cancelled
};
int hs_call(hsfeed_client *client, const struct hs_call *call, hsfeed_value **ret, struct hsfeed_error *reterr);
// hs_call_simple sends method {name} (name may be NULL).
int hs_call_simple(hsfeed_client *client, const char *method, const char *name, hsfeed_value **ret,
		   struct hsfeed_error *reterr);
// hs_send_request queues a request whose answer nobody waits for. 0 or -ENOMEM.
int hs_send_request(hsfeed_client *client, const char *method, const char *key, uint64_t number);
// hs_call_ahead sends a request (small enough for any daemon) whose answer is taken when it comes, as `late` says.
int hs_call_ahead(hsfeed_client *client, const char *method, hsfeed_params *params, int late, uint32_t *ret_seq,
		  struct hsfeed_error *reterr);
// hs_write_release writes the notice that gives fills back.
void hs_write_release(struct hs_wbuf *out, uint32_t stream, const uint64_t (*fills)[2], size_t n);

// ---- batch.c, stream.c ----

struct hs_array_spec { // one entry of the opening's `arrays`
	char *name;
	enum hsfeed_dtype dtype;
	unsigned dims;
	int role; // -1: columns counts
	size_t columns;
	size_t offset, bytes; // in a slot of a ring
};

struct hs_layout {
	size_t narrays, nroles, batch_size, slot_bytes;
	struct hs_array_spec arrays[HS_LIB_MAX_ARRAYS];
};

enum hs_slot_state { HS_SLOT_FREE, HS_SLOT_WAITING, HS_SLOT_HELD };

// One slot and the memory of its batch; heap. A held one outlives its stream: release then frees it.
struct hs_slot {
	struct hsfeed_batch batch; // first: a batch is its slot
	enum hs_slot_state state;
	hsfeed_stream *stream; // NULL: orphaned
	uint32_t slot, generation;
	uint64_t fill;
	uint8_t *data;   // inline: 64-byte aligned, or NULL
	size_t data_cap; // inline
	struct hsfeed_array arrays[HS_LIB_MAX_ARRAYS];
	const struct hsfeed_array *pointers[HS_LIB_MAX_ARRAYS];
	char names[]; // copies, so that an orphan's arrays keep their names
};

// A batch as the daemon announced it.
struct hs_arrival {
	uint64_t generation, slot, fill, batch, at, rows, lengths[HS_LIB_MAX_ROLES];
	const void *data; // inline: its arrays; NULL: they lie in the ring
	size_t len;
};

struct hs_end { // an epoch's end, or a failure, that came for a generation
	bool set;
	uint32_t generation;
	struct hsfeed_error error; // code 0: the end
};

// A seek whose answer nobody waited for when it was made.
struct hs_ahead {
	enum { HS_AHEAD_NONE, HS_AHEAD_ASKED, HS_AHEAD_REFUSED, HS_AHEAD_THERE } state; // THERE: and nothing was taken
	uint32_t seq;
	struct hsfeed_seek_options place;
	struct hsfeed_error refusal; // REFUSED
	hsfeed_value *answer;        // THERE
};

// An explicit order's rows. NULL: there is none.
struct hs_list {
	int64_t *rows;
	size_t n;
};

struct hsfeed_stream {
	hsfeed_client *client; // NULL: closed before the stream
	hsfeed_stream *next;
	uint32_t id, generation, nslots;
	uint64_t epoch, at; // at: the position after the last batch that was taken
	uint64_t seed;
	uint8_t *ring; // where batches lie: the mapped ring, or our own memory where it is packed; NULL: inline
	size_t ring_bytes;
	struct hs_packed *packed;   // NULL: it is not
	struct hs_channel *channel; // with a ring
	unsigned nheld;
	bool closed; // by hsfeed_stream_close; lives on while batches are held that lie in its ring
	hsfeed_value *info;
	struct hs_layout layout;
	size_t names_bytes;
	struct hs_slot *slots[HS_LIB_MAX_SLOTS]; // NULL until first used
	uint8_t queue[HS_LIB_MAX_SLOTS];         // slots whose batch waits to be taken, in the order they came
	unsigned queue_head, queue_len;
	struct hs_end end;
	struct hs_ahead ahead;
	struct hs_list list;                    // its own
	struct hsfeed_error failed;             // sticky
	uint64_t releases[HS_LIB_MAX_SLOTS][2]; // credits not yet sent: (slot, fill)
	unsigned nreleases;
};

int hs_layout_read(const hsfeed_value *info, struct hs_layout *ret, struct hsfeed_error *reterr);
// hs_layout_fault makes an error of what is wrong with an opening (NULL: 0).
int hs_layout_fault(const char *wrong, struct hsfeed_error *reterr);
void hs_layout_fini(struct hs_layout *layout);
// What conn hands to streams; a fault of the daemon's breaks the connection.
int hs_stream_on_batch(hsfeed_client *client, struct hs_rbuf params);
int hs_stream_on_end(hsfeed_client *client, struct hs_rbuf params);
int hs_stream_on_failed(hsfeed_client *client, struct hs_rbuf params, const hsfeed_value *tree);
// hs_stream_on_sought takes the answer to a seek that was made ahead: `error` or *result, which it may keep.
int hs_stream_on_sought(hsfeed_client *client, uint32_t seq, const hsfeed_value *error, hsfeed_value **result);
// hs_stream_place gives where the stream is to go on, a seek included that is not answered yet; has_seed is set.
void hs_stream_place(const hsfeed_stream *stream, struct hsfeed_seek_options *ret);
// hs_stream_create takes info, also on failure; with a ring also the two descriptors that came with it.
int hs_stream_create(hsfeed_client *client, hsfeed_value *info, hsfeed_stream **ret, struct hsfeed_error *reterr);
bool hs_stream_is_ring(const hsfeed_value *info); // what an opening says
hsfeed_stream *hs_stream_find(hsfeed_client *client, struct hs_rbuf params);
int hs_stream_bad_batch(hsfeed_client *client, const char *wrong);
int hs_stream_accept(hsfeed_stream *stream, const struct hs_arrival *arrival);
void hs_stream_orphan(hsfeed_stream *stream); // its client goes away
void hs_stream_flush(hsfeed_stream *stream);  // sends credits
void hs_client_unlend(hsfeed_client *client); // one stream less whose ring is in use
void hs_slot_free(struct hs_slot *slot);
// hs_batch_fill checks an arrival against the layout and lays out the slot's arrays: copied, or where they lie in the
// ring. NULL, or what is wrong.
const char *hs_batch_fill(const hsfeed_stream *stream, const struct hs_arrival *arrival, struct hs_slot *slot);
struct hs_slot *hs_slot_create(hsfeed_stream *stream, uint32_t index);

// ---- packed.c ----

extern const char hs_no_memory[]; // what functions that say what is wrong say then: compared by address

// hs_packed_create reads how an opening's slots are packed; *ret stays as it is where they are not. NULL, or what is
// wrong.
const char *hs_packed_create(const hsfeed_value *info, const struct hs_layout *layout, unsigned nslots,
			     struct hs_packed **ret);
void hs_packed_free(struct hs_packed *packed); // unmaps the ring too; NULL does nothing
uint64_t hs_packed_ring_bytes(const struct hs_packed *packed, unsigned nslots);    // how large the ring must be
int hs_packed_map(struct hs_packed *packed, void *ring, size_t bytes);             // takes the mapping; 0 or -ENOMEM
void hs_packed_arrive(struct hs_packed *packed, const struct hs_arrival *arrival); // keeps a batch's numbers
bool hs_packed_has_room(const struct hs_packed *packed); // or as many batches are held as can be; NULL has
// hs_packed_take writes a slot's batch out; *ret is a slot of our own. NULL, or what is wrong.
const char *hs_packed_take(hsfeed_stream *stream, uint32_t slot, struct hs_slot **ret);
void hs_packed_release(struct hs_packed *packed, struct hs_slot *out);

// ---- ring.c ----

// hs_ring_open takes a ring's two descriptors from the connection: maps the one, keeps the other as channel.
int hs_ring_open(hsfeed_stream *stream, hsfeed_client *client, struct hsfeed_error *reterr);
void hs_ring_refuse(hsfeed_client *client); // closes them, or they would be taken for the next ring's
void hs_ring_close(hsfeed_stream *stream);
// hs_channel_step waits for something to come on the channel (or the connection) until the deadline, and takes it.
int hs_channel_step(hsfeed_stream *stream, int64_t deadline, struct hsfeed_error *reterr);
void hs_channel_release(hsfeed_stream *stream); // sends the stream's credits

// ---- files.c ----

// hs_file_attach opens a path (or takes bytes) and makes it a handle of the daemon's. `shown` is for sentences.
int hs_file_attach(hsfeed_client *client, const char *path, const char *shown, uint64_t *ret_handle,
		   struct hsfeed_error *reterr);
// hs_file_attach_fd does so with a descriptor of the caller's.
int hs_file_attach_fd(hsfeed_client *client, int fd, const char *shown, uint64_t *ret_handle,
		      struct hsfeed_error *reterr);
// hs_file_share makes a handle of memory: a copy as a file of the kernel's where descriptors can pass, else its bytes.
int hs_file_share(hsfeed_client *client, const void *data, size_t bytes, const char *shown, uint64_t *ret_handle,
		  struct hsfeed_error *reterr);
int hs_file_send(hsfeed_client *client, const void *data, size_t bytes, const char *shown, uint64_t *ret_handle,
		 struct hsfeed_error *reterr);
// hs_file_upload sends a file's bytes, at most so many, for methods that take no descriptors.
int hs_file_upload(hsfeed_client *client, const char *path, size_t max_bytes, uint64_t *ret_handle,
		   struct hsfeed_error *reterr);
void hs_file_close(hsfeed_client *client, uint64_t handle);

// ---- lists.c ----

int hs_list_copy(const int64_t *rows, size_t n, struct hs_list *ret, struct hsfeed_error *reterr);
void hs_list_fini(struct hs_list *list);
int hs_list_send(hsfeed_client *client, const struct hs_list *list, uint64_t *ret_handle, struct hsfeed_error *reterr);

#endif
