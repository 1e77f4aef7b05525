// SPDX-License-Identifier: Apache-2.0
//
// hsfeed.h - libhsfeed, the C client of hsfeedd
//
// hsfeedd keeps datasets tokenized and deals them as ready batches over a Unix socket. This library speaks to it: the
// C library alone, blocking calls with timeouts, no threads, no signals, nothing printed, no global state.
//
// The shortest useful program (error handling left out):
//
//     hsfeed_client *client;
//     hsfeed_connect(NULL, &client, NULL);
//     struct hsfeed_stream_options options = {.size = sizeof(options), .name = "hate", .has_fold = 1, .fold = 0};
//     hsfeed_stream *stream;
//     hsfeed_stream_open(client, &options, &stream, NULL);
//     const struct hsfeed_batch *batch;
//     while (hsfeed_stream_next(stream, -1, &batch, NULL) == 1) {
//             use(batch->arrays[0]->data, batch->arrays[0]->shape); // input_ids, int64 [rows, length]
//             hsfeed_batch_release(batch);
//     }
//     hsfeed_stream_close(stream);
//     hsfeed_close(client);
//
// CAVEATS, read them first
//
//  - One thread at a time. A client, its streams and their batches share one connection; calls on them must not
//    overlap. Threads that want to work at once each connect: connections are cheap.
//  - A batch is a loan. Its slot is filled again only after hsfeed_batch_release: a program that forgets it stops
//    getting batches after `slots` of them (hsfeed_stream_next then returns HSFEED_ETIMEOUT, or waits for ever if told
//    to).
//  - Not across fork. In a child process every call returns HSFEED_EFORKED, and closing only lets go of the memory. The
//    child connects for itself. Batches it inherited stay readable until it releases them; those in a ring only until
//    the parent releases them, since the memory is the same.
//  - Callbacks must not call the library, except for the accessors of hsfeed_value.
//  - A call that returns HSFEED_ETIMEOUT has been given up, not undone: the daemon may still do what was asked.
//    Ingests, adds, whys, attaches and verifies are asked to stop.
//  - HSFEED_ELOST and HSFEED_EBADFRAME end a connection: every later call on it fails the same way. Close it and
//    connect again; a stream is opened again at the `at` of the last batch that was used (batch->at), and continues
//    exactly there.
//  - Strings are UTF-8 and NUL-terminated. Whatever the daemon says is checked before it is used; what texts and column
//    names contain is the data's affair: escape control characters before they reach a terminal.
//  - SIGPIPE is never raised by the library. Descriptors are close-on-exec.
//
// CONVENTIONS
//
//  - Functions return 0 (or a count) on success and a negative number on failure: an HSFEED_E* of the table below, or
//    -errno. Results (`ret...`) are untouched on failure. `reterr`, always last, may be NULL; on failure it holds the
//    sentence to show.
//  - Option structs begin with `size`, set to sizeof(the struct): a program compiled against an older, smaller struct
//    keeps working with a newer library. A zero everywhere else means the default, which each field names.
//    HSFEED_EBADARG: `size` is 0.
//  - Any call may return, beside what it lists: HSFEED_ELOST (the daemon went away; the sentence gives its parting
//    words), HSFEED_EBADFRAME (it sent something malformed), HSFEED_ETIMEOUT, HSFEED_EFORKED, HSFEED_EBADARG (an
//    argument is unusable, or the call came from a callback), -ENOMEM, -EINTR (the `interrupted` callback said so),
//    HSFEED_ESHUTDOWN (the daemon is stopping), HSFEED_EBADREQUEST (the daemon does not take a parameter; the sentence
//    names it) and HSFEED_EINTERNAL.
#ifndef HSFEED_H
#define HSFEED_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HSFEED_API __attribute__((visibility("default")))
#else
#define HSFEED_API
#endif

// Every error of hsfeed, once: constant, symbol on the wire and in --json, number, sentence. Numbers never change; new
// ones are added at the end. Functions return the negative number, or -errno.
#define HSFEED_ERRORS(X)                                                                                               \
	X(EBADFRAME, "bad_frame", -1001, "a message is not well-formed")                                               \
	X(EBADREQUEST, "bad_request", -1002, "a request's parameters are not what the method takes")                   \
	X(EUNKNOWNMETHOD, "unknown_method", -1003, "the daemon has no such method")                                    \
	X(EVERSION, "version_mismatch", -1004, "client and daemon speak no common protocol version")                   \
	X(ELIMIT, "limit", -1005, "a limit of the daemon would be exceeded")                                           \
	X(ENOTFOUND, "not_found", -1006, "there is no such dataset, version, role, stream or handle")                  \
	X(EDENIED, "denied", -1007, "the user may not do that")                                                        \
	X(EBADCSV, "bad_csv", -1008, "the source's records cannot be read")                                            \
	X(EBADCHARSET, "bad_charset", -1009, "the source is not in the stated charset")                                \
	X(EBADCOLUMN, "bad_column", -1010, "a named column is missing or ambiguous")                                   \
	X(EBADLABEL, "bad_label", -1011, "a label value cannot be used as asked")                                      \
	X(ENAWORDS, "na_words", -1012, "words that stand for missing values would drop many rows")                     \
	X(ENOTCSV, "not_csv", -1013, "the source is another kind of file")                                             \
	X(ETOOLONG, "too_long", -1014, "a text or a value is longer than the store holds")                             \
	X(ENOROWS, "no_rows", -1015, "no row is left")                                                                 \
	X(EBADFILE, "bad_file", -1016, "a file cannot be used: not a regular file, or it changed while it was read")   \
	X(EBADTOKENIZER, "bad_tokenizer", -1017, "a tokenizer's files are damaged or contradict each other")           \
	X(EUNSUPPORTED, "unsupported", -1018, "a known kind of thing that hsfeed does not support yet")                \
	X(EBADPLAN, "bad_plan", -1019, "a split plan cannot be made for these rows")                                   \
	X(ECORRUPT, "corrupt", -1020, "stored bytes differ from their checksum")                                       \
	X(ELOCKED, "locked", -1021, "another daemon holds the state folder")                                           \
	X(EFOREIGN, "foreign", -1022, "the state folder is not hsfeed's, or is of an unknown format")                  \
	X(EREMOTEFS, "remote_fs", -1023, "the state folder is on a network file system")                               \
	X(ENOCATALOG, "no_catalog", -1024, "the store has files but no catalog")                                       \
	X(ECANCELLED, "cancelled", -1025, "the work was cancelled")                                                    \
	X(ECHILD, "child_failed", -1026, "the ingest process ended without a result")                                  \
	X(ESHUTDOWN, "shutting_down", -1027, "the daemon is shutting down")                                            \
	X(EINTERNAL, "internal", -1028, "a fault of hsfeed's own")                                                     \
	X(ENODAEMON, "no_daemon", -1029, "no daemon answers")                                                          \
	X(ELOST, "connection_lost", -1030, "the connection to the daemon is gone")                                     \
	X(ETIMEOUT, "timeout", -1031, "nothing came in the time given")                                                \
	X(EFORKED, "forked", -1032, "a connection was used in a child of the process that opened it")                  \
	X(EBADARG, "bad_argument", -1033, "an argument of a library call is not usable")                               \
	X(EBADCONFIG, "bad_config", -1034, "the configuration cannot be used")                                         \
	X(EBADARRAY, "bad_array", -1035, "an array's shape or values are not what can be attached")

enum hsfeed_error_code {
#define HSFEED_ERROR_CODE(sym, name, value, text) HSFEED_##sym = (value),
	HSFEED_ERRORS(HSFEED_ERROR_CODE)
#undef HSFEED_ERROR_CODE
};

// ---- errors and versions ----------------------------------------------------------------------------------

struct hsfeed_error {
	int code;           // negative: HSFEED_E* or -errno
	char name[32];      // its stable symbol: "bad_csv"; one unknown to this library comes with EINTERNAL
	char message[1024]; // one sentence: what, where (file, line, column, key); no final newline
	char hint[512];     // the way out; may be empty
};

// hsfeed_strerror gives the sentence of an error code (strerror's for an -errno). Never NULL, never freed. The text of
// hsfeed_error.message is better: it says where.
HSFEED_API const char *hsfeed_strerror(int code);

// hsfeed_error_name gives the stable symbol of a code: "bad_csv", "not_found"; for errno values "out_of_memory"
// (ENOMEM), "no_space" (ENOSPC, EDQUOT) or "io_error". Never NULL, never freed.
HSFEED_API const char *hsfeed_error_name(int code);

// hsfeed_version gives the version of the library in use, as "0.1.0".
HSFEED_API const char *hsfeed_version(void);

// ---- connecting -------------------------------------------------------------------------------------------

typedef struct hsfeed_client hsfeed_client; // one connection
typedef struct hsfeed_stream hsfeed_stream; // one client's window on the batches of an epoch
typedef struct hsfeed_value hsfeed_value;   // what the daemon answered: a tree of maps, arrays and scalars
typedef struct hsfeed_params hsfeed_params; // what a request says

struct hsfeed_connect_options {
	size_t size;
	const char *socket;  // path; NULL: $HSFEED_SOCKET, else the search order of hsfeed_socket_path
	const char *client;  // who is calling, for the daemon's log; NULL: "libhsfeed VERSION"
	unsigned timeout_ms; // for connecting and for every call that has no timeout of its own; 0: 60,000
	// Told of notices ("dataset.moved", "bye", ...); params are borrowed for the call; may be NULL.
	void (*on_notice)(void *arg, const char *name, const hsfeed_value *params);
	// Asked when a signal interrupts a wait, and every 200 ms or so of a longer one, since a signal may come just
	// before it; non-zero ends the call with -EINTR. Not while hsfeed_connect connects. May be NULL.
	int (*interrupted)(void *arg);
	void *arg; // for both
};

// hsfeed_connect finds the daemon, greets it, and checks that both speak one protocol. options may be NULL (all
// defaults). Without `socket` and $HSFEED_SOCKET the daemon at a searched path must run as this user, as root or as the
// user hsfeed: another's is passed over. *ret_client is the caller's, for hsfeed_close.
//   HSFEED_ENODAEMON   nothing answers; the sentence lists where it was looked for, the hint how to start one
//   HSFEED_EVERSION    the daemon speaks no protocol version of this library's
//   -ENAMETOOLONG      the path does not fit in a Unix socket address (107 bytes)
//   -EACCES, ...       the path given is there but cannot be connected to
HSFEED_API int hsfeed_connect(const struct hsfeed_connect_options *options, hsfeed_client **ret_client,
			      struct hsfeed_error *reterr);

// hsfeed_close ends the connection and its streams; the daemon cancels work that only this client waits for. Streams
// must still be closed, and batches still held stay readable until released (while some lie in a ring, the socket stays
// open behind the caller's back). NULL is allowed.
HSFEED_API void hsfeed_close(hsfeed_client *client);

// hsfeed_fd gives the connection's descriptor, to wait for notices and for the daemon's end with poll or epoll, for
// reading. It is the library's: never read, write or close it. -1 after the connection was lost. For batches, wait on
// hsfeed_stream_fd.
HSFEED_API int hsfeed_fd(const hsfeed_client *client);

// hsfeed_hello gives the daemon's greeting: protocol, daemon (its version), features, instance, pid, uid, limits.
// Borrowed until hsfeed_close. Never NULL.
HSFEED_API const hsfeed_value *hsfeed_hello(const hsfeed_client *client);

// hsfeed_peer gives who the kernel says listens: *ret_pid (0 where it is not visible from here) and *ret_uid; either
// may be NULL. Returns the path of the socket, borrowed until hsfeed_close.
HSFEED_API const char *hsfeed_peer(const hsfeed_client *client, int *ret_pid, unsigned *ret_uid);

// hsfeed_socket_path writes the i-th path (from 0) where hsfeed_connect looks: $HSFEED_SOCKET alone if it is set, else
// $XDG_RUNTIME_DIR/hsfeed.sock, STATE/hsfeed.sock, /run/hsfeed/hsfeed.sock. Returns 1; 0 when there is no i-th;
// -ENAMETOOLONG.
HSFEED_API int hsfeed_socket_path(unsigned i, char *ret_path, size_t path_bytes);

// hsfeed_state_path writes the default state folder: $STATE_DIRECTORY, else /var/lib/hsfeed for root, else
// ${XDG_STATE_HOME:-~/.local/state}/hsfeed. Returns 0; -ENOENT when no home folder is known; -ENAMETOOLONG.
HSFEED_API int hsfeed_state_path(char *ret_path, size_t path_bytes);

// ---- values -----------------------------------------------------------------------------------------------
//
// A result owns everything below it. Accessors take NULL and any type and then give "nothing", so that chains need one
// check at the end: hsfeed_value_uint(hsfeed_value_get(hsfeed_value_get(v, "version_info"), "rows"), 0).

enum hsfeed_type {
	HSFEED_NIL,
	HSFEED_BOOL,
	HSFEED_INT,  // a negative integer
	HSFEED_UINT, // any other integer, up to 2^64 - 1
	HSFEED_F64,
	HSFEED_STR,
	HSFEED_BIN,
	HSFEED_ARRAY,
	HSFEED_MAP
};

// hsfeed_value_free releases a result and everything borrowed from it. Only for results a call returned. NULL is
// allowed.
HSFEED_API void hsfeed_value_free(hsfeed_value *value);

// hsfeed_value_type gives the type; HSFEED_NIL for NULL.
HSFEED_API enum hsfeed_type hsfeed_value_type(const hsfeed_value *value);

// hsfeed_value_len gives the items of an array, the pairs of a map, the bytes of a str or bin; 0 for all else.
HSFEED_API size_t hsfeed_value_len(const hsfeed_value *value);

// hsfeed_value_get gives a map's value for a key; NULL when there is none or this is no map. Borrowed.
HSFEED_API const hsfeed_value *hsfeed_value_get(const hsfeed_value *map, const char *key);

// hsfeed_value_at gives the i-th item of an array, or the value of the i-th pair of a map, in constant time; NULL
// beyond the end. Borrowed.
HSFEED_API const hsfeed_value *hsfeed_value_at(const hsfeed_value *value, size_t i);

// hsfeed_value_key gives the key of the i-th pair of a map; NULL beyond the end. Borrowed.
HSFEED_API const char *hsfeed_value_key(const hsfeed_value *map, size_t i);

// Scalars; the fallback is returned when the value is missing, of another type, or does not fit. _f64 takes integers
// too.
HSFEED_API int64_t hsfeed_value_int(const hsfeed_value *value, int64_t fallback);
HSFEED_API uint64_t hsfeed_value_uint(const hsfeed_value *value, uint64_t fallback);
HSFEED_API double hsfeed_value_f64(const hsfeed_value *value, double fallback);
HSFEED_API int hsfeed_value_bool(const hsfeed_value *value, int fallback);

// hsfeed_value_str gives a text, NUL-terminated; ret_len (may be NULL) tells of NULs inside. fallback when it is no
// str. Borrowed.
HSFEED_API const char *hsfeed_value_str(const hsfeed_value *value, size_t *ret_len, const char *fallback);

// hsfeed_value_bin gives the bytes of a bin (of any alignment); NULL when it is none. Borrowed.
HSFEED_API const void *hsfeed_value_bin(const hsfeed_value *value, size_t *ret_len);

// ---- requests of any kind ---------------------------------------------------------------------------------
//
// Parameters are built in order; the first failure sticks and is reported by hsfeed_call. `key` is NULL inside an
// array. A text that is NULL is left out together with its key.

// hsfeed_params_create begins an empty map; NULL when out of memory. hsfeed_params_destroy frees it; NULL is allowed.
HSFEED_API hsfeed_params *hsfeed_params_create(void);
HSFEED_API void hsfeed_params_destroy(hsfeed_params *params);
HSFEED_API void hsfeed_params_str(hsfeed_params *params, const char *key, const char *text);
HSFEED_API void hsfeed_params_int(hsfeed_params *params, const char *key, int64_t number);
HSFEED_API void hsfeed_params_uint(hsfeed_params *params, const char *key, uint64_t number);
HSFEED_API void hsfeed_params_f64(hsfeed_params *params, const char *key, double number);
HSFEED_API void hsfeed_params_bool(hsfeed_params *params, const char *key, int truth);
HSFEED_API void hsfeed_params_bin(hsfeed_params *params, const char *key, const void *data, size_t bytes);
// _map and _array open a container (at most 6 deep), _end closes the innermost.
HSFEED_API void hsfeed_params_map(hsfeed_params *params, const char *key);
HSFEED_API void hsfeed_params_array(hsfeed_params *params, const char *key);
HSFEED_API void hsfeed_params_end(hsfeed_params *params);

// hsfeed_call sends any request of PROTOCOL.md and waits for its answer. params may be NULL (an empty map) and are not
// consumed. timeout_ms: 0 the client's, < 0 no limit. *ret_value is the caller's, for hsfeed_value_free; ret_value may
// be NULL. Not for stream.* and file.attach, which the library must know about: HSFEED_EBADARG.
//   HSFEED_EUNKNOWNMETHOD  the daemon has no such method
//   HSFEED_ELIMIT          the request is larger than the daemon takes
//   ...                    whatever the method refuses with
HSFEED_API int hsfeed_call(hsfeed_client *client, const char *method, const hsfeed_params *params, int timeout_ms,
			   hsfeed_value **ret_value, struct hsfeed_error *reterr);

// ---- datasets ---------------------------------------------------------------------------------------------
//
// A dataset is named `name`, `name@prefix` (at least 4 hex digits of a version id) or `user:name` (another's shared
// one; a user name or a uid). Results are the maps of PROTOCOL.md; each is the caller's, for hsfeed_value_free. Any of
// these may return HSFEED_ENOTFOUND: there is no such dataset or version, or it is not this user's to see; the
// sentence names what there is.

// hsfeed_datasets -> {datasets: [{name, owner, version, versions, rows, labels, roles, bytes, created_ms}]}
HSFEED_API int hsfeed_datasets(hsfeed_client *client, hsfeed_value **ret_value, struct hsfeed_error *reterr);

// hsfeed_versions -> {name, versions: [{version, current, rows, created_ms, bytes, file_name, roles, open}]}
HSFEED_API int hsfeed_versions(hsfeed_client *client, const char *name, hsfeed_value **ret_value,
			       struct hsfeed_error *reterr);

// hsfeed_show -> {name, owner, current, version_info, roles, arrays, open}: everything known about one version.
HSFEED_API int hsfeed_show(hsfeed_client *client, const char *name, hsfeed_value **ret_value,
			   struct hsfeed_error *reterr);

// hsfeed_rm removes one version (`name@prefix`) or a whole dataset -> {removed, pending, bytes, plans}. Files that a
// stream has open are deleted when the last one closes. HSFEED_EDENIED: it is another user's.
HSFEED_API int hsfeed_rm(hsfeed_client *client, const char *name, hsfeed_value **ret_value,
			 struct hsfeed_error *reterr);

// hsfeed_status -> {daemon, pid, instance, uptime_ms, socket, state, connections, streams, ingests, datasets, versions,
// encodings, store_bytes, batches, rows}; hsfeed_ping only asks whether the daemon answers.
HSFEED_API int hsfeed_status(hsfeed_client *client, hsfeed_value **ret_value, struct hsfeed_error *reterr);
HSFEED_API int hsfeed_ping(hsfeed_client *client, struct hsfeed_error *reterr);

// ---- ingest, add, why, verify -----------------------------------------------------------------------------

// A progress callback hears of a stage ("read", "parse", "tokenize", "write", "publish", "verify") about ten times a
// second. It returns 0 to go on; anything else cancels the work, and the call returns HSFEED_ECANCELLED.
typedef int hsfeed_progress_fn(void *arg, const char *stage, uint64_t done, uint64_t total);

enum hsfeed_choice { HSFEED_DEFAULT = 0, HSFEED_YES = 1, HSFEED_NO = 2 };

// One tokenizer: a folder as Hugging Face saves it. In an array of these all must have the same `size`.
struct hsfeed_tokenizer {
	size_t size;
	const char *role;      // how requests name its encoding; NULL: "text"
	const char *name;      // a folder, or a hub name ("org/model") in the local Hugging Face cache; required
	const char *folder;    // where its files are; NULL: found from name by hsfeed_tokenizer_find
	const char *revision;  // NULL: the cache's, or none
	const char *normalize; // "nfc" or "nfkc"; NULL: only what the tokenizer's own files say
};

struct hsfeed_ingest_options {
	size_t size;
	const char *name;          // of the dataset; required
	const char *path;          // the source file; or
	const void *data;          // ... its bytes in memory, when path is NULL; and
	size_t data_bytes;         // ... how many
	const char *file_name;     // for sentences and `show`; NULL: path. ".tsv" makes tab the default delimiter
	const char *text_column;   // NULL: found by the daemon; an error when it is not clear
	const char *const *labels; // label columns
	size_t nlabels;
	int unlabelled;            // non-zero: no labels, nlabels is 0
	const char *delimiter;     // "auto", "comma", "tab", "semicolon" or one byte; NULL: by the file's name
	enum hsfeed_choice header; // HSFEED_NO: columns are named 0, 1, ...; default yes
	const char *charset;       // NULL: "utf-8"
	const char *na;            // "pandas", "pandas1" or "empty"; NULL: "pandas", but see ENAWORDS
	const char *bad_rows;      // "error" or "skip"; NULL: "error"
	const char *const *clean;  // steps in order: "urls", "whitespace", "latin", "remove:TEXT", "data.py"
	size_t nclean;
	int drop_empty;         // drop rows whose cleaned text is empty
	const char *positive;   // the string label that counts as 1
	const char *label_type; // "class" or "float"; NULL: by the values
	const struct hsfeed_tokenizer *tokenizers;
	size_t ntokenizers;
	hsfeed_progress_fn *progress; // may be NULL
	void *arg;                    // for progress
	unsigned timeout_ms;          // for the work itself; 0: no limit
};

// hsfeed_ingest makes a version of a dataset from a source and tokenizers -> {dataset, version, state: "new" | "known"
// | "added", previous, roles, version_info}. Ingesting the same again does nothing and says "known". The file's
// descriptor is passed to the daemon, which needs no right of its own to it; where descriptors cannot pass (or
// HSFEED_NO_FDPASS=1 is set) its bytes are sent.
//   -ENOENT, -EACCES, ...  the source or a tokenizer's file cannot be opened; the sentence names it
//   HSFEED_ENOTFOUND       a tokenizer is neither a folder nor in the local cache; the sentence says where it was
//                          looked for
//   HSFEED_EBADFILE        the source is not a regular file, or changed while it was read
//   HSFEED_EBADCSV, HSFEED_ENOTCSV, HSFEED_EBADCHARSET, HSFEED_EBADCOLUMN, HSFEED_EBADLABEL, HSFEED_ENAWORDS,
//   HSFEED_ETOOLONG,
//   HSFEED_ENOROWS         what is wrong with the source: file, line, column, and the way out in the hint
//   HSFEED_EBADTOKENIZER, HSFEED_EUNSUPPORTED   a tokenizer's files are damaged, or of a model that is not supported
//                                               yet
//   HSFEED_ECANCELLED, HSFEED_ECHILD            it was cancelled, or its process died
//   -ENOSPC                                     the store is full. In every case nothing was stored
HSFEED_API int hsfeed_ingest(hsfeed_client *client, const struct hsfeed_ingest_options *options,
			     hsfeed_value **ret_value, struct hsfeed_error *reterr);

// hsfeed_add makes more encodings of a stored dataset, from its stored texts; uses name, tokenizers, progress, arg and
// timeout_ms. Answers and errors as hsfeed_ingest; HSFEED_ECORRUPT: the stored texts do not match their checksums.
HSFEED_API int hsfeed_add(hsfeed_client *client, const struct hsfeed_ingest_options *options, hsfeed_value **ret_value,
			  struct hsfeed_error *reterr);

// hsfeed_why compares what hsfeed_ingest would make with what is stored, and stores nothing -> {version, current, same,
// changes: [{what, stored, given}], roles: [{role, encoding, current, same, changes}]}. Errors as hsfeed_ingest.
HSFEED_API int hsfeed_why(hsfeed_client *client, const struct hsfeed_ingest_options *options, hsfeed_value **ret_value,
			  struct hsfeed_error *reterr);

struct hsfeed_verify_options {
	size_t size;
	const char *name;             // NULL: every dataset of this user
	hsfeed_progress_fn *progress; // may be NULL
	void *arg;
	unsigned timeout_ms; // 0: no limit
};

// hsfeed_verify reads stored files and compares checksums -> {files: [{file, kind, dataset, version, role, bytes, ok,
// problem}], ok}. Damage is an answer, not an error: look at `ok`. options may be NULL.
HSFEED_API int hsfeed_verify(hsfeed_client *client, const struct hsfeed_verify_options *options,
			     hsfeed_value **ret_value, struct hsfeed_error *reterr);

// ---- attached arrays --------------------------------------------------------------------------------------

struct hsfeed_attach_options {
	size_t size;
	const char *name;  // of the dataset: the version it is now, or name@version; required
	const char *array; // what streams call it, as a role: "teacher_logits"; required
	// The values, one of these three: little-endian, C order.
	const char *path; // a file that holds them
	const void *data; // ... memory, when path is NULL; and
	size_t data_bytes;
	int has_fd; // ... non-zero: fd, which stays the caller's, when both are NULL. A regular file open for reading
	int fd;
	uint64_t offset;              // where in the file they begin; nothing may stand behind them
	const char *file_name;        // for sentences; NULL: path, or the array's name
	const char *dtype;            // "float32", "float64" or "float16"; required. What is stored is float32
	uint64_t rows;                // as many as the version has
	uint32_t columns;             // 1 to 4096; 0: one number per row, an array of one dimension
	int allow_nan;                // non-zero: rows may hold NaN, for example those that have no value
	int replace;                  // non-zero: instead of other values under that name
	hsfeed_progress_fn *progress; // may be NULL
	void *arg;                    // for progress
	unsigned timeout_ms;          // for the work itself; 0: no limit
};

// hsfeed_attach attaches an array of numbers to a version of a dataset, one row of it for each row: a teacher's logits,
// computed once, come with every batch of every student -> {name, version, array, id, state: "new" | "known" |
// "replaced", rows, columns, nan_rows}. float16 is stored exactly, float64 rounded to the nearest float32. The same
// values again do nothing and say "known".
//   HSFEED_EBADARRAY    shape or bytes do not fit the version; a value is NaN, infinite or beyond float32: the sentence
//                       names row and column
//   HSFEED_EBADREQUEST  that name has other values already (and replace is 0), or cannot be an array's name
//   HSFEED_EBADFILE     the file is no regular file, or changed while it was read
//   HSFEED_EDENIED      the dataset is another user's
//   -ENOENT, -EACCES, ...  path cannot be opened
//   HSFEED_ECANCELLED, HSFEED_ECHILD, -ENOSPC   as hsfeed_ingest. In every case nothing was stored
HSFEED_API int hsfeed_attach(hsfeed_client *client, const struct hsfeed_attach_options *options,
			     hsfeed_value **ret_value, struct hsfeed_error *reterr);

// hsfeed_detach removes an attached array -> {detached, pending, bytes}; `detached` is false where there was none.
// Streams that have it open keep it. HSFEED_EDENIED as above.
HSFEED_API int hsfeed_detach(hsfeed_client *client, const char *name, const char *array, hsfeed_value **ret_value,
			     struct hsfeed_error *reterr);

// hsfeed_tokenizer_find finds a tokenizer's folder: name itself when that is a folder, else a hub name in the local
// cache ($HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub). ret_revision gets the snapshot's commit, or "".
// Nothing is downloaded.
//   HSFEED_ENOTFOUND  neither; the sentence says where it was looked for.   -ENAMETOOLONG  a buffer is too small
HSFEED_API int hsfeed_tokenizer_find(const char *name, char ret_folder[4096], char ret_revision[128],
				     struct hsfeed_error *reterr);

// ---- rows and folds ---------------------------------------------------------------------------------------

// Numbers are little-endian, which is native on every machine hsfeed runs on.
enum hsfeed_dtype { HSFEED_INT64 = 1, HSFEED_INT32 = 2, HSFEED_FLOAT32 = 3 };

// hsfeed_dtype_name gives "int64", "int32" or "float32"; hsfeed_dtype_bytes 8 or 4. NULL and 0 for anything else.
HSFEED_API const char *hsfeed_dtype_name(enum hsfeed_dtype dtype);
HSFEED_API size_t hsfeed_dtype_bytes(enum hsfeed_dtype dtype);

struct hsfeed_rows_options {
	size_t size;
	const char *role; // NULL: the default role
	uint64_t start;   // first row
	uint64_t count;   // at most so many; 0: as many as fit in one page
	int text;         // non-zero: the cleaned texts too
};

// One page of rows, made by the library; fields may be added at the end.
struct hsfeed_rows {
	uint64_t start, count;         // the rows of this page: start .. start + count - 1
	uint64_t rows;                 // of the whole dataset
	uint64_t next;                 // where the next page starts; 0: this was the last
	const uint32_t *lines;         // [count]: the line of the source where each row began, from 1
	enum hsfeed_dtype label_dtype; // FLOAT32: labels [count, label_columns]; INT64: [count], classes
	size_t label_columns;          // 0: unlabelled
	const void *labels;
	const uint32_t *offsets;  // [count + 1]: row i's ids are ids[offsets[i]] .. ids[offsets[i + 1] - 1]
	const uint32_t *ids;      // untruncated, without the template's special tokens
	const char *const *texts; // [count], NUL-terminated; NULL unless asked for
	const size_t *text_bytes; // [count]: a text may contain NUL
};

// hsfeed_rows_get reads one page. options may be NULL. *ret_rows is the caller's, for hsfeed_rows_free. A name without
// version may move between pages: ask for `name@version` to read one version whole.
HSFEED_API int hsfeed_rows_get(hsfeed_client *client, const char *name, const struct hsfeed_rows_options *options,
			       struct hsfeed_rows **ret_rows, struct hsfeed_error *reterr);
HSFEED_API void hsfeed_rows_free(struct hsfeed_rows *rows); // NULL is allowed

// How rows are dealt into folds: PLAN of PROTOCOL.md.
struct hsfeed_plan {
	size_t size;
	const char *kind;  // "stratified", "multiclass", "multilabel", "plain", "binary", "group", "stratified-group",
			   // "holdout", "stratified-holdout", "predefined"; NULL: by what else is given, and the labels
	uint32_t folds;    // 0: 5
	int has_fold_seed; // non-zero: fold_seed counts (a seed may be 0)
	uint32_t fold_seed;    // default 42
	int no_shuffle;        // non-zero: folds from the rows in their order, no seed
	const char *const *by; // label columns that the split goes by; none: all
	size_t nby;
	const char *group;  // rows whose cells of this source column are equal stay together
	double duplicates;  // 0.5 to 1: so do exact and near duplicates, texts that are so similar; 0: no
	const char *rule;   // "current" or "older": which scikit-learn's, of the group kinds; NULL: "current"
	const char *column; // "predefined": the source column that holds the folds' numbers
	double test_share;  // hold-outs: the share that is tested, below 1; or
	uint64_t test_rows; // ... how many rows. Both 0: what is left of the training rows, or a quarter
	double train_share; // the same of the rows that train. Both 0: all that are not tested
	uint64_t train_rows;
	const char *rows; // 64 hex digits: the plan of row numbers that was saved with them; kind is "rows"
	const char *name; // a saved plan; everything else is then zero
};

// hsfeed_folds -> {name, version, plan, rows, labels, warnings, folds: [{fold, train: {rows, counts}, val: {rows,
// counts}}]}. plan may be NULL.
//   HSFEED_EBADPLAN  scikit-learn would refuse too, with this sentence (more folds than rows, ...)
HSFEED_API int hsfeed_folds(hsfeed_client *client, const char *name, const struct hsfeed_plan *plan,
			    hsfeed_value **ret_value, struct hsfeed_error *reterr);

struct hsfeed_fold_table_options {
	size_t size;
	const struct hsfeed_plan *plan; // may be NULL
	const char *role;               // whose tokens; NULL: the default role
	uint32_t max_length;            // special tokens counted; 0: 128
};

// hsfeed_fold_table is hsfeed_folds with a role and a max_length -> as hsfeed_folds, and {role, max_length, used_rows,
// groups}, {tokens, truncated_rows, padding_share} of each train and val, {deviation, drift, weights} of each fold:
// see PROTOCOL.md. options may be NULL. Errors as hsfeed_folds.
HSFEED_API int hsfeed_fold_table(hsfeed_client *client, const char *name,
				 const struct hsfeed_fold_table_options *options, hsfeed_value **ret_value,
				 struct hsfeed_error *reterr);

struct hsfeed_lengths_options {
	size_t size;
	const char *role; // NULL: the default role
	const uint32_t *max_lengths;
	size_t nmax_lengths; // at most 64; 0: 64, 128, 256 and 512
};

// hsfeed_lengths tells how long the rows are, in tokens, and what each max_length would cut and pad -> {name, version,
// role, encoding, tokenizer, rows, tokens, specials, min, max, mean, percentiles, histogram: {width, counts}, cuts:
// [{max_length, truncated_rows, lost_tokens, kept_tokens, padding_share}]}. options may be NULL.
//   HSFEED_EBADREQUEST  a max_length leaves no room beside the special tokens
HSFEED_API int hsfeed_lengths(hsfeed_client *client, const char *name, const struct hsfeed_lengths_options *options,
			      hsfeed_value **ret_value, struct hsfeed_error *reterr);

struct hsfeed_weights_options {
	size_t size;
	const struct hsfeed_plan *plan; // may be NULL
	uint32_t fold;                  // from 0: its training rows are counted
	const char *scheme;             // "ratio", "sqrt", "log", "effective", "balanced"; NULL: ratio for labels of 0
					// and 1, balanced for classes
	int has_beta;                   // non-zero: beta counts
	double beta;                    // of effective: 0 <= beta < 1, default 0.9999
	int has_cap;                    // non-zero: no weight is more than cap
	double cap;
	int pooled;    // non-zero: one weight for all label columns together
	int normalize; // non-zero: of effective, positive over negative
};

// hsfeed_weights gives weights against imbalance -> {name, version, plan, fold, rows, scheme, beta, cap, pooled,
// normalize, weights: [{label, value, positives, negatives, weight}], warnings}; each weight is a float32 exactly.
// options may be NULL (fold 0).
//   HSFEED_EBADLABEL    there are no labels, or numbers other than 0 and 1
//   HSFEED_EBADREQUEST  there is no such fold, or options that do not go together
HSFEED_API int hsfeed_weights(hsfeed_client *client, const char *name, const struct hsfeed_weights_options *options,
			      hsfeed_value **ret_value, struct hsfeed_error *reterr);

struct hsfeed_stream_options; // below

// hsfeed_estimate counts what the streams of an epoch will hold, without opening any -> {name, version, plan, ...,
// folds: [{fold, train: PART, val: PART}], all: PART}, PART: {rows, batches, samples, order, shard, roles: [{role,
// max_length, real_tokens, padded_tokens, truncated_rows, lost_tokens, padding_share}]}: exact, over all ranks. Takes
// what hsfeed_stream_open takes; without has_fold every fold is counted. Of no influence, and not looked at: split, at,
// rank, dtype, token_type_ids, slots, transport, masks, weights, rows, arrays. HSFEED_EBADARG: a role names an
// encoding. The order "explicit" is refused. Errors as hsfeed_stream_open;
//   HSFEED_ELIMIT  too much work for one request: ask for one fold
HSFEED_API int hsfeed_estimate(hsfeed_client *client, const struct hsfeed_stream_options *options,
			       hsfeed_value **ret_value, struct hsfeed_error *reterr);

struct hsfeed_fold_rows_options {
	size_t size;
	const struct hsfeed_plan *plan; // may be NULL
	uint32_t fold;                  // from 0
	const char *split;              // "train" or "val"; NULL: "val"
};

// hsfeed_fold_rows gives the row numbers of one split of one fold, ascending (of a hold-out in its order), all of them:
// int64 [*ret_nrows], the caller's, for hsfeed_free. options may be NULL (fold 0's validation rows). HSFEED_EBADPLAN as
// hsfeed_folds; HSFEED_EBADREQUEST: there is no such fold.
HSFEED_API int hsfeed_fold_rows(hsfeed_client *client, const char *name, const struct hsfeed_fold_rows_options *options,
				int64_t **ret_rows, size_t *ret_nrows, struct hsfeed_error *reterr);

// Saved plans: a plan's options under a name, which belongs to the dataset's name and stays while that moves between
// versions. `hsfeed_plan.name` then stands for all of them.
struct hsfeed_plan_save_options {
	size_t size;
	const char *plan;                  // its name, letters, digits, '.', '_', '-'; required
	const struct hsfeed_plan *options; // what is saved, without a name; NULL: all defaults, or the rows below
	const char *rows_path;             // a file of row numbers: one to a line (these are validated, all others
					   // train), or a line {"fold":0,"val":[...]} for each fold; or
	const void *rows;                  // ... such bytes in memory, when rows_path is NULL; and
	size_t rows_bytes;                 // ... how many
	int replace;                       // non-zero: another plan of that name gives way
};

// hsfeed_plan_save saves a plan -> {name, plan, options: as resolved, state: "new" | "known" | "replaced"}. It is made
// once, of the version that is named, so that one that cannot be made is refused. Row numbers count the rows of that
// version, and the plan is of no use for others.
//   HSFEED_EBADREQUEST  another plan has that name, and replace is 0: the sentence says what differs
//   HSFEED_EBADPLAN     it cannot be made, or the row numbers cannot be read: file and line
//   HSFEED_ELIMIT       too many plans
//   HSFEED_EBADFILE     rows_path is no regular file, or has more than 512 MiB
//   -ENOENT, ...        rows_path cannot be opened
HSFEED_API int hsfeed_plan_save(hsfeed_client *client, const char *name, const struct hsfeed_plan_save_options *options,
				hsfeed_value **ret_value, struct hsfeed_error *reterr);

// hsfeed_plan_list -> {plans: [{plan, options, created_ms}]}, by name.
HSFEED_API int hsfeed_plan_list(hsfeed_client *client, const char *name, hsfeed_value **ret_value,
				struct hsfeed_error *reterr);

// hsfeed_plan_remove -> {removed: bool}: whether it was there. Open streams and options as resolved stay as they are,
// but those of row numbers need some saved plan that has them.
HSFEED_API int hsfeed_plan_remove(hsfeed_client *client, const char *name, const char *plan, hsfeed_value **ret_value,
				  struct hsfeed_error *reterr);

struct hsfeed_leaks_options {
	size_t size;
	const struct hsfeed_plan *plan; // may be NULL
	double similarity;              // 0.5 to 1; 0: 0.8
	uint64_t start;                 // the first pair of the page
	uint32_t count;                 // of its pairs, at most 10,000; 0: 1,000
	unsigned timeout_ms;            // 0: no limit; the first call for a version takes a search
};

// hsfeed_leaks finds validation rows whose text is among the training rows of their fold, exactly, but for case, spaces
// and normal form, or nearly so -> {name, owner, version, plan, similarity, rows, folds: [{fold, val_rows, leaking,
// exact, same, near, conflicting}], duplicates: {exact_rows, same_rows, near_pairs, groups, rows_in_groups, largest,
// conflicting_groups, unlisted, uncompared}, total, next?, pairs: [{fold, row, line, of_row, of_line, how, similarity,
// conflict}]}: PROTOCOL.md explains each. Further pages start at `next`; a name without version may move between them.
// options may be NULL.
//   HSFEED_EBADPLAN  as hsfeed_folds   HSFEED_ELIMIT  a search would take too much memory
HSFEED_API int hsfeed_leaks(hsfeed_client *client, const char *name, const struct hsfeed_leaks_options *options,
			    hsfeed_value **ret_value, struct hsfeed_error *reterr);

// hsfeed_free releases plain memory that the library gave away. NULL is allowed.
HSFEED_API void hsfeed_free(void *memory);

// ---- streams ----------------------------------------------------------------------------------------------

// One role of a stream. In an array of these all must have the same `size`.
struct hsfeed_stream_role {
	size_t size;
	const char *role;     // required
	uint32_t max_length;  // 0: the stream's
	const char *encoding; // 64 hex digits: exactly this encoding (of a saved state); NULL: what the role is now
};

// What samples with a label weigh. In an array of these all must have the same `size`.
struct hsfeed_weight {
	size_t size;
	const char *label; // required: a label column, meaning its rows that are not 0; of classes one's value
	double weight;     // above 0, finite also as float32
};

// One attached array of a stream. In an array of these all must have the same `size`.
struct hsfeed_stream_array {
	size_t size;
	const char *array; // required
	const char *id;    // 64 hex digits: exactly these values (of a saved state); NULL: what the name is now
};

struct hsfeed_stream_options {
	size_t size;
	const char *name;               // required
	const struct hsfeed_plan *plan; // may be NULL; unused with split "all"
	int has_fold;                   // needed unless split is "all"
	uint32_t fold;                  // from 0
	const char *split;              // "train", "val", "all"; NULL: "train"
	const char *order;              // "shuffle", "sequential", "length", "explicit"; NULL: shuffle for train, else
					// sequential
	int has_seed;                   // non-zero: seed counts (a seed may be 0)
	uint64_t seed;                  // default 42; epoch e is torch.randperm with seed + e; of length too
	uint64_t epoch;
	uint64_t at;          // samples already dealt, to all ranks: a batch's `at`
	uint32_t rank, world; // world 0: 1
	const char *shard;    // "pad", "drop", "exact", as DistributedSampler deals samples; "even", "batches", as
			      // accelerate deals whole batches, with even_batches and without; NULL: pad for train,
			      // exact else
	uint32_t batch_size;  // 0: 32
	int drop_last;
	uint32_t max_length;     // special tokens counted; 0: 128
	const char *padding;     // "max_length", "longest", or a number: longest, rounded up to its multiple; NULL:
				 // "max_length"
	enum hsfeed_dtype dtype; // of ids and masks: HSFEED_INT64 or HSFEED_INT32; 0: HSFEED_INT64
	int token_type_ids;      // non-zero: that array too
	uint32_t slots; // batches that may be ahead or held (packed: ahead, and as many held), at most 64; 0: the
			// daemon's choice
	const struct hsfeed_stream_role *roles; // the first one's arrays have no prefix; none: the default role
	size_t nroles;
	const char *transport; // "ring": shared memory, packed where the daemon can (HSFEED_NO_PACKED=1: not);
			       // "inline": copied through the socket; NULL: a ring where the daemon has one to give
			       // and descriptors can pass (HSFEED_NO_FDPASS=1 says they cannot), else inline;
			       // hsfeed_stream_info tells which
	double mask_rows;      // share of rows of which one real token is masked; 0: none
	double mask_prob;      // share of real tokens that are masked; 0: none. Not both
	int has_mask_seed;     // non-zero: mask_seed counts
	uint64_t mask_seed;    // default: the order's seed
	const char *const *mask_roles; // which of the roles are masked; none: all, which then must share one encoding
	size_t nmask_roles;
	const struct hsfeed_weight *weights; // none: batches have no array "weight"
	size_t nweights;
	const int64_t *rows;   // order "explicit": the rows of an epoch in order, all of the split, repeats allowed
	size_t nrows;          // ... how many; rows is not NULL even for none. The stream keeps a copy
	uint32_t length_batch; // order "length": transformers' train batch size times its accumulation steps; 0:
			       // batch_size
	const struct hsfeed_stream_array *arrays; // attached arrays to serve, at most 8, each under its name
	size_t narrays;
};

// One array of a batch: C order, aligned to 64 bytes.
struct hsfeed_array {
	const char *name; // "input_ids", "attention_mask", "student_input_ids", "labels", "weight", "index", ..., or
			  // an attached array's own
	enum hsfeed_dtype dtype;
	unsigned ndim;   // 1 or 2
	size_t shape[2]; // shape[1] is 1 where ndim is 1
	const void *data;
	size_t bytes;
};

// A batch on loan. Made by the library; fields may be added at the end of both structs.
struct hsfeed_batch {
	uint64_t batch; // its number, from the epoch's start
	uint64_t epoch; // which epoch it is of
	uint64_t at;    // the position after it: open or seek there to go on behind it
	size_t rows;
	size_t narrays;
	const struct hsfeed_array *const *arrays; // [narrays], in the order of the stream's `arrays`
};

// hsfeed_stream_open opens a stream; batches begin to come at once. *ret_stream is the caller's, for
// hsfeed_stream_close.
//   HSFEED_ENOTFOUND  no such dataset, version, role, encoding, label of a weight, or attached array
//   HSFEED_EBADPLAN   the plan cannot be made, rank >= world, at is beyond the end
//   HSFEED_EBADREQUEST  there is no such fold, max_length leaves no room beside the special tokens, a list has a row
//                     that is not in the split, a share or weight is out of range, a masked role's tokenizer has no
//                     mask token, or masked roles have different ones
//   HSFEED_ELIMIT     too many streams or slots, or batches or a list too large for the daemon
//   HSFEED_ECORRUPT   stored bytes differ from their checksum
//   HSFEED_EUNSUPPORTED  transport "ring" where there can be none
HSFEED_API int hsfeed_stream_open(hsfeed_client *client, const struct hsfeed_stream_options *options,
				  hsfeed_stream **ret_stream, struct hsfeed_error *reterr);

// hsfeed_stream_reopen opens `stream` again, at the position after the last batch that was taken from it (or where a
// seek led that was made ahead and not refused): the same version, encodings and attached arrays by their ids, the
// same plan, list and options. For after the daemon was restarted: `client` is then a new connection, and the old
// stream and its connection are closed by the caller, before or after; batches held from it stay readable. Errors as
// hsfeed_stream_open; HSFEED_ENOTFOUND: the version was removed meanwhile.
HSFEED_API int hsfeed_stream_reopen(hsfeed_client *client, const hsfeed_stream *stream, hsfeed_stream **ret_stream,
				    struct hsfeed_error *reterr);

// hsfeed_stream_fd gives the descriptor to wait on for a stream's batches with poll or epoll, for reading. It is the
// library's: never read, write or close it. Something may have come when it is readable, so call
// hsfeed_stream_next(stream, 0, ...) until HSFEED_ETIMEOUT; and do so before the first wait too, and when a batch was
// released while all slots were held, since batches may be in memory already. Streams without a ring share the
// connection's, and so does one with a ring until a seek that was made ahead is answered: ask for it again before each
// wait. -1 after the connection was closed.
HSFEED_API int hsfeed_stream_fd(const hsfeed_stream *stream);

// hsfeed_stream_ring tells of the memory in which all batches of a stream with a ring lie: 1 with its address and size,
// which hold until the stream is closed and its last batch released (for registering it with a GPU's driver); 0 with
// the inline transport.
HSFEED_API int hsfeed_stream_ring(const hsfeed_stream *stream, void **ret_memory, size_t *ret_bytes);

// hsfeed_stream_info gives the daemon's answer to the opening: every option as resolved, version and encoding ids,
// rows, samples, batches, arrays, warnings. Borrowed until the stream is closed. Never NULL.
HSFEED_API const hsfeed_value *hsfeed_stream_info(const hsfeed_stream *stream);

// hsfeed_stream_next gives the next batch. timeout_ms: < 0 no limit, 0 only what is here already. Several batches may
// be held at a time. Returns 1 and *ret_batch, the caller's until hsfeed_batch_release; 0 at the end of the epoch
// (again and again, until a seek);
//   HSFEED_ETIMEOUT  nothing came in time: call again. Also when every slot is held
//   others           sticky for this stream: a reason the daemon gave, or the connection is lost
HSFEED_API int hsfeed_stream_next(hsfeed_stream *stream, int timeout_ms, const struct hsfeed_batch **ret_batch,
				  struct hsfeed_error *reterr);

// hsfeed_batch_release gives a batch back, in any order; never blocks, never fails; works also when its stream or
// client is closed. NULL is allowed.
HSFEED_API void hsfeed_batch_release(const struct hsfeed_batch *batch);

struct hsfeed_seek_options {
	size_t size;
	uint64_t epoch;
	uint64_t at;
	int has_seed; // non-zero: seed counts; else the stream keeps its own
	uint64_t seed;
	const int64_t *rows; // of a stream whose order is "explicit": another list; NULL: it keeps its own
	size_t nrows;
};

// hsfeed_stream_seek moves a stream to any place of any epoch, also after the end. Batches that were waiting are
// dropped; those that are held stay valid. ret_value (may be NULL): {generation, epoch, at, samples, batches, seed}
// and, of an explicit order, {rows, order_digest}.
//   HSFEED_EBADPLAN  at is beyond the end; the stream goes on as if nothing had been asked
//   HSFEED_EBADREQUEST, HSFEED_ELIMIT  so does it where the list has a row that is not in the split, or is too large
//   HSFEED_ETIMEOUT, -EINTR  where the stream stands is not known any more: it only fails from now on
HSFEED_API int hsfeed_stream_seek(hsfeed_stream *stream, const struct hsfeed_seek_options *options,
				  hsfeed_value **ret_value, struct hsfeed_error *reterr);

// hsfeed_stream_seek_ahead asks for a seek and does not wait for the answer: the batches there are made while the
// caller does something else, as a trainer does between two epochs. hsfeed_stream_next then waits for the answer first,
// within its timeout, and goes on there, or returns the daemon's refusal, again and again until a seek.
// hsfeed_stream_seek to the very same place, before a batch is taken, asks nothing again and returns that answer; to
// any other it takes the answer and seeks as usual, and a refusal is forgotten. Waits only for an earlier one's answer.
// options->rows must be NULL (HSFEED_EBADARG): a list is no small question.
//   HSFEED_ETIMEOUT, -EINTR  the earlier one is still not answered; it holds, and nothing was asked
HSFEED_API int hsfeed_stream_seek_ahead(hsfeed_stream *stream, const struct hsfeed_seek_options *options,
					struct hsfeed_error *reterr);

// hsfeed_stream_close closes a stream; the batches it lent stay readable until released. Never blocks: the daemon is
// told, and not waited for; with a ring it is told when the last batch is released, since it then takes the memory
// back. NULL is allowed.
HSFEED_API void hsfeed_stream_close(hsfeed_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
