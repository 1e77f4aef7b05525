// SPDX-License-Identifier: Apache-2.0
// The options that say what batches are: those that stream.open and estimate share, with the same meanings, defaults
// and errors.
#ifndef HS_SERVER_OPTIONS_H
#define HS_SERVER_OPTIONS_H

#include "decode/decode.h"
#include "feed/feed.h"

struct hs_batch_params {
	struct hs_strs roles;
	int order, shard; // -1: by the split
	uint64_t seed, epoch, world, batch_size, length_batch;
	bool drop_last;
	struct hs_uint_or_named max_length;
	struct hs_uint_or_enum padding;
};
extern const char *const hs_option_paddings[];

// The rows of a method's table for the hs_batch_params that is `m` of its struct `s`.
// clang-format off
#define HS_BATCH_AT(s, m, field) .offset = offsetof(s, m.field)
#define HS_BATCH_FIELDS(s, m)                                                                                          \
	{.key = "roles", .type = HS_T_STRS, HS_BATCH_AT(s, m, roles), .max = HS_FEED_MAX_ROLES},                       \
	{.key = "order", .type = HS_T_ENUM, HS_BATCH_AT(s, m, order), .names = hs_order_names, .def = HS_UNSET},       \
	{.key = "shard", .type = HS_T_ENUM, HS_BATCH_AT(s, m, shard), .names = hs_shard_names, .def = HS_UNSET},       \
	{.key = "seed", .type = HS_T_UINT, HS_BATCH_AT(s, m, seed), .max = INT64_MAX, .def = 42},                      \
	{.key = "epoch", .type = HS_T_UINT, HS_BATCH_AT(s, m, epoch), .max = INT64_MAX},                               \
	{.key = "world", .type = HS_T_UINT, HS_BATCH_AT(s, m, world), .min = 1, .max = UINT32_MAX, .def = 1},          \
	{.key = "batch_size", .type = HS_T_UINT, HS_BATCH_AT(s, m, batch_size), .min = 1, .max = 1u << 20, .def = 32}, \
	{.key = "length_batch", .type = HS_T_UINT, HS_BATCH_AT(s, m, length_batch), .min = 1, .max = UINT32_MAX,       \
	 .def = HS_UNSET},                                                                                             \
	{.key = "drop_last", .type = HS_T_BOOL, HS_BATCH_AT(s, m, drop_last)},                                         \
	{.key = "max_length", .type = HS_T_UINT_OR_NAMED, HS_BATCH_AT(s, m, max_length), .min = 1, .max = 1u << 20,    \
	 .def = 128},                                                                                                  \
	{.key = "padding", .type = HS_T_UINT_OR_ENUM, HS_BATCH_AT(s, m, padding), .names = hs_option_paddings,         \
	 .min = 1, .max = 1u << 20}
// clang-format on

// hs_batch_params_roles adds the roles asked for to a source's request. `method` begins the sentences of errors.
int hs_batch_params_roles(const struct hs_batch_params *p, const char *method, struct hs_source_request *ret,
			  struct hs_err *reterr);
int hs_source_add_role(struct hs_source_request *source, const char *method, const char *role, struct hs_err *reterr);
// hs_batch_params_spec sets what these options say of a split's batches: everything of *ret that they name, and the
// split; the rest is zero. HSFEED_EBADREQUEST where max_length names a role that the source was not opened with.
int hs_batch_params_spec(const struct hs_batch_params *p, const char *method, const struct hs_feed_source *source,
			 enum hs_split split, struct hs_stream_spec *ret, struct hs_err *reterr);
void hs_write_padding(struct hs_wbuf *w, const struct hs_stream_spec *spec); // key and value

#endif
