// SPDX-License-Identifier: Apache-2.0
// The catalog: what changes. On disk one small LMDB environment of checksummed records, in memory sorted arrays of the
// same. A change is a list of record operations, committed as one synced transaction; the memory follows only after
// that.
#ifndef HS_STORE_CATALOG_H
#define HS_STORE_CATALOG_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/store.h"

#define HS_CATALOG_FORMAT 1

struct hs_cat_file { // a file of versions/, encodings/ or arrays/
	enum hs_file_kind kind;
	uint32_t owner, crc_root;
	struct hs_id id, version; // version: of an encoding or an array
	uint64_t bytes, rows;
	bool doomed; // no dataset needs it; unlinked when its last user is gone
	// Of the running daemon, under the store's lock:
	struct hs_file *open;
	unsigned users;
	bool opening;   // one thread opens it, the others wait
	bool reviving;  // doomed, and being published again: not to be unlinked
	bool unlinked;  // doomed, and gone from the disk
	bool forgotten; // ... and from the catalog's file
	bool listed;    // scratch of hs_store_verify_list
};

struct hs_cat_link { // a role and its encoding, or an attached array's name and file
	char name[HS_NAME_MAX + 1];
	struct hs_id id;
};

struct hs_cat_links {
	size_t n;
	struct hs_cat_link *items; // heap
};

struct hs_cat_version { // a version under a name
	uint32_t owner;
	char name[HS_NAME_MAX + 1];
	struct hs_id id;
	int64_t created_ms;
	uint64_t seq; // of publication under this name: ages compare by it, clocks may step back
	bool current;
	struct hs_cat_links links[HS_FILE_LAST_KIND + 1]; // by the kind of what is linked: encodings and arrays
};

struct hs_cat_plan { // a saved split plan
	uint32_t owner;
	char name[HS_NAME_MAX + 1], plan[HS_NAME_MAX + 1]; // the dataset's and its own
	int64_t created_ms;
	struct hs_buf options;        // a msgpack map
	uint16_t *folds;              // heap, [nrows]: a plan of row numbers; else NULL
	size_t nrows;                 // 0 without folds
	struct hs_id version, digest; // whose rows they count; hs_plan_rows_digest
};

struct hs_catalog {
	char *path; // the environment's data file
	MDB_env *env;
	MDB_dbi dbi;
	size_t map_bytes;
	uint64_t txn, sum, nrecords; // of the last transaction: its number, the sum over all records, their number
	uint64_t seq;                // the highest of all versions
	int64_t created_ms;
	bool broken;                // a write's outcome is unknown: no further change
	struct hs_cat_file **files; // sorted by owner, kind, id
	size_t nfiles, files_cap;
	struct hs_cat_version **versions; // sorted by owner, name, seq
	size_t nversions, versions_cap;
	struct hs_cat_plan **plans; // sorted by owner, name, plan
	size_t nplans, plans_cap;
};

// hs_catalog_load reads and checks <folder>/data.mdb into memory without LMDB. 0; 1: there is no catalog yet;
// ECORRUPT, EFOREIGN (a newer format), -errno. On failure fini cleans up.
int hs_catalog_load(struct hs_catalog *c, const char *folder, struct hs_err *reterr);
// hs_catalog_start opens the environment for writing.
int hs_catalog_start(struct hs_catalog *c, struct hs_err *reterr);
void hs_catalog_fini(struct hs_catalog *c);
// hs_catalog_forget_note removes the note of the last transaction: the next catalog begins anew.
void hs_catalog_forget_note(const struct hs_catalog *c);

// ---- changes ----

struct hs_cat_op {
	struct hs_buf key, value; // value with its checksum; empty: delete
};
struct hs_cat_ops {
	struct hs_cat_op *items;
	size_t n, cap;
	bool failed; // out of memory; commit says so
};
void hs_cat_put_file(struct hs_cat_ops *ops, const struct hs_cat_file *f);
void hs_cat_delete_file(struct hs_cat_ops *ops, const struct hs_cat_file *f);
void hs_cat_put_version(struct hs_cat_ops *ops, const struct hs_cat_version *v);
void hs_cat_delete_version(struct hs_cat_ops *ops, const struct hs_cat_version *v);
void hs_cat_put_name(struct hs_cat_ops *ops, uint32_t owner, const char *name, const struct hs_id *current);
void hs_cat_delete_name(struct hs_cat_ops *ops, uint32_t owner, const char *name);
void hs_cat_put_plan(struct hs_cat_ops *ops, const struct hs_cat_plan *p);
void hs_cat_delete_plan(struct hs_cat_ops *ops, const struct hs_cat_plan *p);
void hs_cat_ops_fini(struct hs_cat_ops *ops);

// hs_catalog_commit makes all operations durable, or none. *ret_landed (may be NULL): on failure, whether the
// transaction may be on the disk all the same; then the catalog is broken until the daemon is started again.
int hs_catalog_commit(struct hs_catalog *c, const struct hs_cat_ops *ops, bool *ret_landed, struct hs_err *reterr);

// ---- the memory (callers hold the store's lock where other threads may look) ----

struct hs_cat_file *hs_catalog_find_file(const struct hs_catalog *c, uint32_t owner, enum hs_file_kind kind,
					 const struct hs_id *id);
struct hs_cat_version *hs_catalog_find_version(const struct hs_catalog *c, uint32_t owner, const char *name,
					       const struct hs_id *id);
struct hs_cat_version *hs_catalog_current(const struct hs_catalog *c, uint32_t owner, const char *name);
// hs_catalog_reserve makes room for so many more, so that insert cannot fail.
int hs_catalog_reserve(struct hs_catalog *c, size_t nfiles, size_t nversions);
void hs_catalog_insert_file(struct hs_catalog *c, struct hs_cat_file *f);
void hs_catalog_insert_version(struct hs_catalog *c, struct hs_cat_version *v);
void hs_catalog_drop_file(struct hs_catalog *c, struct hs_cat_file *f);       // frees it
void hs_catalog_drop_version(struct hs_catalog *c, struct hs_cat_version *v); // frees it
void hs_cat_version_free(struct hs_cat_version *v);
const struct hs_cat_link *hs_cat_find_link(const struct hs_cat_links *links, const char *name);
// hs_cat_needs: does the version (under its name) need the file?
bool hs_cat_needs(const struct hs_cat_version *v, const struct hs_cat_file *f);

// hs_catalog_plans gives the place and number of a dataset's plans.
void hs_catalog_plans(const struct hs_catalog *c, uint32_t owner, const char *name, size_t *ret_first, size_t *ret_n);
int hs_catalog_reserve_plan(struct hs_catalog *c);
void hs_catalog_insert_plan(struct hs_catalog *c, struct hs_cat_plan *p); // in the place of one of the same name
void hs_catalog_drop_plans(struct hs_catalog *c, size_t first, size_t n); // frees them
void hs_cat_plan_free(struct hs_cat_plan *p);
// hs_cat_set_rows gives a plan its folds, u16 [bytes / 2]. NULL, or what is wrong.
const char *hs_cat_set_rows(struct hs_cat_plan *p, const struct hs_id *version, const void *folds, size_t bytes);

// ---- between catalog.c and records.c ----

// hs_cat_read_record decodes one record into the memory. NULL, or what is wrong.
struct hs_cat_loading { // gathered while reading, resolved at the end
	struct hs_catalog *catalog;
	struct hs_cat_name {
		uint32_t owner;
		char name[HS_NAME_MAX + 1];
		struct hs_id current;
	} * names;
	size_t nnames, names_cap;
	uint64_t sum, nrecords, stated_txn, stated_sum, stated_records, format;
	bool have_main;
};
extern const char hs_cat_newer_format[]; // the fault that means EFOREIGN
const char *hs_cat_read_record(struct hs_cat_loading *l, struct hs_span key, struct hs_span value);
uint64_t hs_cat_record_hash(struct hs_span key, struct hs_span value);
int hs_cat_write_main(struct hs_cat_op *op, const struct hs_catalog *c, uint64_t txn, uint64_t sum, uint64_t nrecords);
void hs_cat_op_fini(struct hs_cat_op *op);

#endif
