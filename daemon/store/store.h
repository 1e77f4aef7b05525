// SPDX-License-Identifier: Apache-2.0
// The store: a state folder with a lock, a catalog, and immutable files of versions, encodings and attached arrays.
// FORMAT.md has the bytes.
//
// Threads: the functions marked (store thread) change the catalog and may block on the disk; one thread calls them.
// All others may be called from any thread at any time; they read the in-memory copy under a short lock.
#ifndef HS_STORE_STORE_H
#define HS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/file.h"

#define HS_NAME_MAX 128 // dataset and role names: [A-Za-z0-9][A-Za-z0-9._-]{0,127}

struct hs_store;

struct hs_store_options {
	const char *state;                        // folder; created 0700 when missing (one level)
	bool rebuild_catalog;                     // make the catalog anew from the files' headers
	bool allow_remote_fs;                     // for tests of the refusal only
	void (*log)(void *arg, const char *line); // what start-up found and did: lost files, doomed ones; may be NULL
	void *log_arg;
};

// hs_store_open locks the state folder, opens or creates the catalog, empties tmp/, unlinks doomed files, moves unknown
// files to lost/. HSFEED_ELOCKED, EFOREIGN, EREMOTEFS, ENOCATALOG, ECORRUPT, -errno, each with the way out in the hint.
int hs_store_open(const struct hs_store_options *options, struct hs_store **ret, struct hs_err *reterr);
void hs_store_close(struct hs_store *store); // all files must have been released

const char *hs_store_state(const struct hs_store *store); // the folder's absolute path
const char *hs_store_tmp(const struct hs_store *store);   // <state>/tmp
bool hs_name_valid(const char *name, size_t len);

// ---- looking up (any thread) ----

// A dataset's version as the catalog knows it: a copy, so that nothing is held.
struct hs_role_entry {
	char role[HS_NAME_MAX + 1];
	struct hs_id encoding;
	uint64_t bytes;
};

struct hs_array_entry { // an attached array
	char array[HS_NAME_MAX + 1];
	struct hs_id id;
	uint64_t bytes;
};

struct hs_version_entry {
	uint32_t owner;
	char name[HS_NAME_MAX + 1];
	struct hs_id version;
	bool current;       // the one the name points at
	int64_t created_ms; // when it was published under this name
	uint64_t bytes;     // of the version's file
	uint64_t rows;
	size_t nroles;               // roles[0] was ingested first
	struct hs_role_entry *roles; // heap
	size_t narrays;
	struct hs_array_entry *arrays; // heap; in the order they were attached
};
void hs_version_entry_fini(struct hs_version_entry *entry);

// hs_store_find resolves "name" or "name@prefix" (>= 4 hex digits) for an owner; uid is who asks. Somebody else's
// private dataset is HSFEED_ENOTFOUND, as one that does not exist; so is an ambiguous prefix (the sentence says which).
int hs_store_find(struct hs_store *store, uint32_t uid, uint32_t owner, const char *spec, struct hs_version_entry *ret,
		  struct hs_err *reterr);

// hs_store_list gives all versions uid may see, sorted by owner, name, age (newest last); name NULL for all names.
int hs_store_list(struct hs_store *store, uint32_t uid, const char *name, struct hs_version_entry **ret, size_t *ret_n,
		  struct hs_err *reterr);
void hs_version_entries_free(struct hs_version_entry *entries, size_t n);

// Is the file of this kind and id published for this owner? (identity is per owner: sharing never crosses users)
bool hs_store_has(struct hs_store *store, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id);

struct hs_store_sums {
	uint64_t datasets, versions, encodings, bytes;
};
void hs_store_sums(struct hs_store *store, uint32_t uid, struct hs_store_sums *ret); // uid (uint32_t)-1: everybody's

// ---- saved split plans (any thread) ----

// A plan belongs to a dataset's name, whichever version that points at.
struct hs_plan_ref {
	uint32_t uid, owner; // who asks, and whose
	const char *name;    // "name" or "name@prefix"
	const char *plan;
};

struct hs_plan_entry { // a copy
	char plan[HS_NAME_MAX + 1];
	int64_t created_ms;
	uint8_t *options; // heap: the msgpack map that was saved
	size_t options_len;
};
void hs_plan_entry_fini(struct hs_plan_entry *entry);

// hs_store_find_plan: HSFEED_ENOTFOUND names the plans that there are, or says that there is no such dataset.
int hs_store_find_plan(struct hs_store *store, const struct hs_plan_ref *ref, struct hs_plan_entry *ret,
		       struct hs_err *reterr);
// hs_store_list_plans gives all plans of a dataset, sorted by name; ref->plan is not used.
int hs_store_list_plans(struct hs_store *store, const struct hs_plan_ref *ref, struct hs_plan_entry **ret,
			size_t *ret_n, struct hs_err *reterr);
void hs_plan_entries_free(struct hs_plan_entry *entries, size_t n);

// hs_plan_rows_digest tells plans of row numbers apart: SHA-256 over the version's id and u16 fold_of_row[nrows]. 0 or
// -ENOMEM.
int hs_plan_rows_digest(const struct hs_id *version, const uint16_t *fold_of_row, size_t nrows, struct hs_id *ret);

// hs_store_find_plan_rows writes the folds of a plan of row numbers, fold_of_row[nrows], while any saved plan of the
// dataset holds them. HSFEED_ENOTFOUND: none does; HSFEED_EBADPLAN: they count the rows of another version.
struct hs_plan_rows_request {
	uint32_t owner;
	const char *name; // without @prefix
	struct hs_id digest, version;
	size_t nrows; // of the version
};
int hs_store_find_plan_rows(struct hs_store *store, const struct hs_plan_rows_request *request,
			    uint16_t *ret_fold_of_row, struct hs_err *reterr);

// ---- using files (any thread; opening checks CRCs by pread the first time, so not on the loop thread) ----

// hs_store_acquire opens a published file, or shares the one already open. HSFEED_ECORRUPT names the file and the MiB.
// hs_store_release gives it back; a doomed file is unlinked with its last user.
int hs_store_acquire(struct hs_store *store, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id,
		     struct hs_file **ret, struct hs_err *reterr);
void hs_store_release(struct hs_store *store, struct hs_file *file);
unsigned hs_store_users(struct hs_store *store, uint32_t owner, enum hs_file_kind kind, const struct hs_id *id);

// ---- changing (store thread) ----

struct hs_publish_file {
	struct hs_id id;
	const char *tmp_path; // finished by hs_file_writer_commit; NULL: already published (known)
	const char *role;     // of an encoding; of an array its name
};

#define HS_MAX_LINKS 1000u // roles of a version, and arrays of one

struct hs_publish {
	uint32_t owner;
	const char *name;
	struct hs_publish_file version;
	const struct hs_publish_file *encodings;
	size_t nencodings;
	const struct hs_publish_file *arrays;
	size_t narrays;
	bool attach; // the name has the version already (else HSFEED_ENOTFOUND), and stays where it points
};

struct hs_published {
	bool new_version; // the version was not known under this name before
	bool moved;       // the name pointed at `previous` before
	struct hs_id previous;
	struct hs_id *role_previous; // heap, [nencodings + narrays]; all-zero where the role is new or did not move
	unsigned pending;            // files that nothing needs any more, and that are still in use
};
void hs_published_fini(struct hs_published *p);

// hs_store_publish checks each new file (structure, header equal to what is claimed, checksums), renames it into place,
// syncs, and makes everything visible in one synced catalog transaction; on failure nothing is visible and the tmp
// files are gone.
int hs_store_publish(struct hs_store *store, const struct hs_publish *what, struct hs_published *ret,
		     struct hs_err *reterr);

struct hs_removed {
	struct hs_id *versions;
	size_t nversions, nplans; // saved plans that went with the last version
	unsigned pending;
	uint64_t bytes;
}; // versions: heap
void hs_removed_fini(struct hs_removed *r);
// hs_store_remove forgets a version ("name@v") or a whole dataset ("name") of an owner; plans go with the last one.
// Files no other name or version needs are doomed in the same transaction and unlinked, or left (pending) to their last
// user.
int hs_store_remove(struct hs_store *store, uint32_t owner, const char *spec, struct hs_removed *ret,
		    struct hs_err *reterr);
// hs_store_detach forgets an attached array of a version, as hs_store_remove does a version; its file is doomed unless
// another name of the same version has it too. Returns 1, or 0: there was no such array.
int hs_store_detach(struct hs_store *store, uint32_t owner, const char *spec, const char *array, struct hs_removed *ret,
		    struct hs_err *reterr);
// hs_store_sweep unlinks doomed files whose last user is gone (call after streams close). Returns how many.
int hs_store_sweep(struct hs_store *store, struct hs_err *reterr);

#define HS_MAX_PLANS        1000u        // of a dataset
#define HS_MAX_PLAN_BYTES   (256u << 20) // of folds, of all plans of a user
#define HS_MAX_PLAN_OPTIONS (512u << 10) // bytes of options, of all plans of a dataset: one answer lists them

struct hs_plan_save {
	struct hs_plan_ref ref;
	const void *options; // one msgpack map; equal bytes are the same plan
	size_t options_len;
	const uint16_t *fold_of_row; // [nrows]: a plan of row numbers; nrows 0: none
	size_t nrows;
	struct hs_id version; // whose rows they are
	bool replace;
};
enum hs_plan_saved { HS_PLAN_NEW, HS_PLAN_KNOWN, HS_PLAN_REPLACED, HS_PLAN_DIFFERS };
// hs_store_save_plan saves a plan under its dataset's name. KNOWN: it was there, just so. DIFFERS: another one has the
// name, and stays, since it was not to be replaced. HSFEED_ENOTFOUND, EBADREQUEST (the name), ELIMIT.
int hs_store_save_plan(struct hs_store *store, const struct hs_plan_save *what, enum hs_plan_saved *ret,
		       struct hs_err *reterr);
// hs_store_remove_plan returns whether the plan was there. Open streams keep theirs.
int hs_store_remove_plan(struct hs_store *store, const struct hs_plan_ref *ref, struct hs_err *reterr);

// What verify checks: every file uid may see (name NULL) or a dataset's. Paths are absolute.
struct hs_verify_item {
	char *path, *name, *role, *array; // heap; role of an encoding, array of an array, else NULL
	enum hs_file_kind kind;
	struct hs_id id, version;
	uint64_t bytes;
	uint32_t crc_root; // checksum of the checksum table, as the catalog has it
};
int hs_store_verify_list(struct hs_store *store, uint32_t uid, const char *name, struct hs_verify_item **ret,
			 size_t *ret_n, struct hs_err *reterr);
void hs_verify_items_free(struct hs_verify_item *items, size_t n);

#endif
