// SPDX-License-Identifier: Apache-2.0
// stream.open, stream.seek and stream.close.
#include "stream.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "file.h"
#include "plans.h"
#include "pump.h"

struct open_params {
	const char *name;
	uint64_t owner;
	struct hs_strs roles;
	struct hs_named encodings;
	struct hs_plan_params plan;
	uint64_t fold;
	int split, order, shard, dtype, transport;
	uint64_t seed, epoch, at, rank, world, batch_size, slots;
	bool drop_last, token_type_ids;
	struct hs_uint_or_named max_length;
	struct hs_uint_or_enum padding;
};

static const char *const splits[] = {"train", "val", "all", NULL};
static const char *const orders[] = {"shuffle", "sequential", NULL};
static const char *const shards[] = {"pad", "drop", "exact", NULL};
static const char *const paddings[] = {"max_length", "longest", NULL};
static const char *const dtypes[] = {"int64", "int32", NULL};
static const char *const transports[] = {"inline", "ring", NULL};

#define AT(member) .offset = offsetof(struct open_params, member)
static const struct hs_field open_fields[] = {
	{.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = 256},
	{.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "roles", .type = HS_T_STRS, AT(roles), .max = HS_FEED_MAX_ROLES},
	{.key = "encodings", .type = HS_T_NAMED_STRS, AT(encodings), .max = HS_FEED_MAX_ROLES},
	{.key = "plan", .type = HS_T_MAP, AT(plan), .sub = &hs_plan_schema},
	{.key = "fold", .type = HS_T_UINT, AT(fold), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "split", .type = HS_T_ENUM, AT(split), .names = splits, .def = HS_TRAIN},
	{.key = "order", .type = HS_T_ENUM, AT(order), .names = orders, .def = HS_UNSET},
	{.key = "seed", .type = HS_T_UINT, AT(seed), .max = INT64_MAX, .def = 42},
	{.key = "epoch", .type = HS_T_UINT, AT(epoch), .max = INT64_MAX},
	{.key = "at", .type = HS_T_UINT, AT(at), .max = INT64_MAX},
	{.key = "rank", .type = HS_T_UINT, AT(rank), .max = UINT32_MAX},
	{.key = "world", .type = HS_T_UINT, AT(world), .min = 1, .max = UINT32_MAX, .def = 1},
	{.key = "shard", .type = HS_T_ENUM, AT(shard), .names = shards, .def = HS_UNSET},
	{.key = "batch_size", .type = HS_T_UINT, AT(batch_size), .min = 1, .max = 1u << 20, .def = 32},
	{.key = "drop_last", .type = HS_T_BOOL, AT(drop_last)},
	{.key = "max_length", .type = HS_T_UINT_OR_NAMED, AT(max_length), .min = 1, .max = 1u << 20, .def = 128},
	{.key = "padding", .type = HS_T_UINT_OR_ENUM, AT(padding), .names = paddings, .min = 1, .max = 1u << 20},
	{.key = "dtype", .type = HS_T_ENUM, AT(dtype), .names = dtypes},
	{.key = "token_type_ids", .type = HS_T_BOOL, AT(token_type_ids)},
	{.key = "transport", .type = HS_T_ENUM, AT(transport), .names = transports},
	{.key = "slots", .type = HS_T_UINT, AT(slots), .max = 1024, .def = 0},
};
#undef AT
const struct hs_schema hs_stream_open_schema = HS_SCHEMA(struct open_params, open_fields);

#define AT(member) .offset = offsetof(struct hs_seek_params, member)
static const struct hs_field seek_fields[] = {
	{.key = "stream", .type = HS_T_UINT, AT(stream), .required = true, .max = UINT32_MAX},
	{.key = "epoch", .type = HS_T_UINT, AT(epoch), .required = true, .max = INT64_MAX},
	{.key = "at", .type = HS_T_UINT, AT(at), .max = INT64_MAX},
	{.key = "seed", .type = HS_T_UINT, AT(seed), .max = INT64_MAX, .def = HS_UNSET},
};
static const struct hs_field close_fields[] = {
	{.key = "stream", .type = HS_T_UINT, AT(stream), .required = true, .max = UINT32_MAX},
};
#undef AT
const struct hs_schema hs_stream_seek_schema = HS_SCHEMA(struct hs_seek_params, seek_fields);
const struct hs_schema hs_stream_close_schema = HS_SCHEMA(struct hs_seek_params, close_fields);

// ---- stream.open ----

struct opening {
	struct hs_pump *pump;
	uint32_t id;
	unsigned slots;
	bool ring;
	uint64_t *slot_bytes; // the user's account
};

#define INLINE_SLOTS 8
// A ring's client wakes nobody for each slot, so more of them pay: measured, up to what a cache holds.
#define RING_SLOTS_MIN 16
#define RING_SLOTS_MAX 32
#define RING_BYTES     (2u << 20)

static unsigned usual_slots(const struct open_params *p, size_t slot_bytes)
{
	if (!p->transport)
		return INLINE_SLOTS;
	size_t n = RING_BYTES / slot_bytes;
	return n < RING_SLOTS_MIN ? RING_SLOTS_MIN : n > RING_SLOTS_MAX ? RING_SLOTS_MAX : (unsigned)n;
}

// As many as asked for; left out, as many as pay and may be.
static unsigned slots_of(const struct open_params *p, const struct hs_limits *limits, size_t slot_bytes)
{
	unsigned usual = usual_slots(p, slot_bytes);
	return p->slots ? (unsigned)p->slots : limits->slots < usual ? (unsigned)limits->slots : usual;
}

int hs_req_stream_open_begin(struct hs_request *req)
{
	const struct open_params *p = req->params;
	const struct hs_limits *limits = &req->server->options->limits;
	if (req->conn->npumps >= limits->streams) {
		hs_err_set(&req->err, HSFEED_ELIMIT, "the connection has %llu streams, as many as it may",
			   (unsigned long long)limits->streams);
		return hs_err_hint(&req->err, "close some with stream.close, or use another connection");
	}
	if (p->slots > limits->slots)
		return hs_err_set(&req->err, HSFEED_ELIMIT, "stream.open: at most %llu slots",
				  (unsigned long long)limits->slots);
	struct hs_user *user = req->conn->user;
	if (p->transport && user->handles + user->rings >= hs_user_fds_max()) {
		hs_err_set(&req->err, HSFEED_ELIMIT,
			   "the user's connections hold %llu handles and rings, as many as they may",
			   (unsigned long long)hs_user_fds_max());
		return hs_err_hint(&req->err, "close some, or open streams with the transport inline");
	}
	struct opening *o = calloc(1, sizeof(*o));
	if (!o)
		return hs_err_nomem(&req->err, "opening a stream");
	o->ring = p->transport;
	user->rings += o->ring; // given back by settle, or when the client lets go of it
	o->id = ++req->conn->next_stream;
	o->slot_bytes = &user->slot_bytes;
	req->conn->npumps++; // settle gives it back when no stream comes of it
	req->state = o;
	return 0;
}

static int add_role(struct hs_source_request *source, const char *role, struct hs_err *reterr)
{
	for (size_t i = 0; i < source->nroles; i++)
		if (strcmp(source->roles[i], role) == 0)
			return hs_err_set(reterr, HSFEED_EBADREQUEST, "stream.open: the role \"%.128s\" is named twice",
					  role);
	source->roles[source->nroles++] = role;
	return 0;
}

static int pin_encoding(struct hs_source_request *source, const struct hs_named_item *item, struct hs_err *reterr)
{
	static const struct hs_id none; // which means "not pinned" further on
	for (size_t i = 0; i < source->nroles; i++) {
		if (strcmp(source->roles[i], item->name) != 0)
			continue;
		if (strlen(item->s) == 64 && hs_unhex(item->s, 32, source->encodings[i].bytes) == 0 &&
		    !hs_id_eq(&source->encodings[i], &none))
			return 0;
		return hs_err_set(reterr, HSFEED_EBADREQUEST,
				  "stream.open: encodings: \"%.80s\" is not an id of 64 hex digits", item->s);
	}
	return hs_err_set(reterr, HSFEED_EBADREQUEST,
			  "stream.open: encodings names the role \"%.128s\", which is not among "
			  "roles",
			  item->name);
}

// The roles asked for; without roles those of the pinned encodings; without either the default one.
static int read_source(const struct hs_request *req, struct hs_source_request *ret, struct hs_err *reterr)
{
	const struct open_params *p = req->params;
	*ret = (struct hs_source_request){
		.uid = req->uid, .spec = p->name, .owner = p->owner == HS_UNSET ? req->uid : (uint32_t)p->owner};
	int rc = 0;
	for (size_t i = 0; i < p->roles.n && rc == 0; i++)
		rc = add_role(ret, p->roles.items[i], reterr);
	for (size_t i = 0; i < p->encodings.n && rc == 0; i++) {
		if (p->roles.n == 0)
			rc = add_role(ret, p->encodings.items[i].name, reterr);
		if (rc == 0)
			rc = pin_encoding(ret, &p->encodings.items[i], reterr);
	}
	return rc;
}

static int read_lengths(const struct open_params *p, const struct hs_feed_source *source, uint32_t *ret,
			struct hs_err *reterr)
{
	const struct hs_named *named = &p->max_length.named;
	size_t found = 0, nroles = hs_feed_source_nroles(source);
	for (size_t i = 0; i < nroles; i++) {
		ret[i] = (uint32_t)p->max_length.u;
		for (size_t k = 0; k < named->n; k++)
			if (strcmp(named->items[k].name, hs_feed_source_role(source, i)) == 0) {
				ret[i] = (uint32_t)named->items[k].u;
				found++;
			}
	}
	if (found == named->n)
		return 0;
	return hs_err_set(reterr, HSFEED_EBADREQUEST,
			  "stream.open: max_length names a role that the stream does not have");
}

static int read_spec(struct hs_request *req, const struct hs_feed_source *source, struct hs_stream_spec *ret)
{
	const struct open_params *p = req->params;
	bool train = p->split == HS_TRAIN;
	if (p->fold == HS_UNSET && p->split != HS_ALL) {
		hs_err_set(&req->err, HSFEED_EBADREQUEST, "stream.open: the key \"fold\" is missing");
		return hs_err_hint(&req->err, "split \"all\" needs none; folds count from 0");
	}
	*ret = (struct hs_stream_spec){
		.split = (enum hs_split)p->split,
		.fold = p->fold == HS_UNSET ? 0 : (uint32_t)p->fold,
		.order = p->order >= 0 ? (enum hs_order)p->order
			 : train       ? HS_ORDER_SHUFFLE
				       : HS_ORDER_SEQUENTIAL,
		.shard = p->shard >= 0 ? (enum hs_shard)p->shard
			 : train       ? HS_SHARD_PAD
				       : HS_SHARD_EXACT,
		.seed = p->seed,
		.epoch = p->epoch,
		.at = p->at,
		.rank = (uint32_t)p->rank,
		.world = (uint32_t)p->world,
		.batch_size = (uint32_t)p->batch_size,
		.drop_last = p->drop_last,
		.padding = p->padding.e < 0 ? HS_PAD_MULTIPLE : (enum hs_padding)p->padding.e,
		.multiple = (uint32_t)p->padding.u,
		.int32 = p->dtype == 1,
		.token_type_ids = p->token_type_ids,
	};
	int rc = read_lengths(p, source, ret->max_length, &req->err);
	return rc < 0 ? rc : hs_plan_params_read(req, &p->plan, source, &ret->plan);
}

static void write_encodings(struct hs_wbuf *w, const struct hs_stream *stream)
{
	const struct hs_feed_source *source = hs_stream_get_source(stream);
	const struct hs_stream_spec *spec = hs_stream_get_spec(stream);
	size_t nroles = hs_feed_source_nroles(source);
	hs_w_cstr(w, "encodings");
	hs_w_array(w, (uint32_t)nroles);
	for (size_t i = 0; i < nroles; i++) {
		const struct hs_encoding *encoding = hs_feed_source_encoding(source, i);
		char hex[HS_ID_HEX];
		hs_id_hex(hs_file_get_id(encoding->file), hex);
		hs_w_map(w, 4);
		hs_w_cstr(w, "role");
		hs_w_cstr(w, hs_feed_source_role(source, i));
		hs_w_cstr(w, "encoding");
		hs_w_cstr(w, hex);
		hs_w_cstr(w, "max_length");
		hs_w_uint(w, spec->max_length[i]);
		hs_w_cstr(w, "pad_id");
		hs_w_int(w, encoding->pad_id);
	}
}

static void write_array(struct hs_wbuf *w, const struct hs_array *array)
{
	static const char *const names[] = {[HS_I64] = "int64", [HS_I32] = "int32", [HS_F32] = "float32"};
	hs_w_map(w, 7);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, array->name);
	hs_w_cstr(w, "dtype");
	hs_w_cstr(w, names[array->dtype]);
	hs_w_cstr(w, "dims");
	hs_w_uint(w, array->dims);
	hs_w_cstr(w, "columns");
	hs_w_uint(w, array->columns);
	hs_w_cstr(w, "role");
	if (array->role >= 0)
		hs_w_uint(w, (uint64_t)array->role);
	else
		hs_w_nil(w);
	hs_w_cstr(w, "offset");
	hs_w_uint(w, array->offset);
	hs_w_cstr(w, "bytes");
	hs_w_uint(w, array->bytes);
}

static void write_words(struct hs_wbuf *w, const struct hs_stream_spec *spec, int transport)
{
	const char *const words[][2] = {
		{"split", splits[spec->split]},        {"order", hs_order_name(spec->order)},
		{"shard", hs_shard_name(spec->shard)}, {"dtype", dtypes[spec->int32]},
		{"transport", transports[transport]},
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		hs_w_cstr(w, words[i][0]);
		hs_w_cstr(w, words[i][1]);
	}
	hs_w_cstr(w, "drop_last");
	hs_w_bool(w, spec->drop_last);
	hs_w_cstr(w, "padding");
	if (spec->padding == HS_PAD_MULTIPLE)
		hs_w_uint(w, spec->multiple);
	else
		hs_w_cstr(w, paddings[spec->padding]);
}

static void write_numbers(struct hs_wbuf *w, const struct hs_stream *stream, unsigned slots, uint32_t id)
{
	const struct hs_stream_spec *spec = hs_stream_get_spec(stream);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"stream", id},
		{"generation", 1},
		{"fold", spec->fold},
		{"order_algorithm", HS_ORDER_ALGORITHM},
		{"seed", spec->seed},
		{"epoch", spec->epoch},
		{"at", spec->at},
		{"rank", spec->rank},
		{"world", spec->world},
		{"batch_size", spec->batch_size},
		{"rows", hs_stream_rows(stream)},
		{"samples", hs_stream_samples(stream)},
		{"batches", hs_stream_batches(stream)},
		{"slots", slots},
		{"slot_bytes", hs_stream_get_layout(stream)->slot_bytes},
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		hs_w_cstr(w, numbers[i].key);
		hs_w_uint(w, numbers[i].value);
	}
}

static void write_opened(struct hs_wbuf *w, const struct hs_stream *stream, const struct opening *o, int transport)
{
	const struct hs_plan *plan = hs_stream_get_plan(stream);
	const struct hs_layout *layout = hs_stream_get_layout(stream);
	const struct hs_version_entry *entry = hs_feed_source_entry(hs_stream_get_source(stream));
	char hex[HS_ID_HEX];
	hs_id_hex(&entry->version, hex);
	hs_w_map(w, 15 + 7 + 7); // numbers, words, and what follows
	write_numbers(w, stream, o->slots, o->id);
	write_words(w, hs_stream_get_spec(stream), transport);
	write_encodings(w, stream);
	hs_w_cstr(w, "name");
	hs_w_cstr(w, entry->name);
	hs_w_cstr(w, "owner");
	hs_w_uint(w, entry->owner);
	hs_w_cstr(w, "version");
	hs_w_cstr(w, hex);
	hs_w_cstr(w, "plan");
	if (plan)
		hs_plan_write(w, plan);
	else
		hs_w_nil(w);
	hs_w_cstr(w, "warnings");
	hs_w_array(w, plan && plan->warning[0] ? 1 : 0);
	if (plan && plan->warning[0])
		hs_w_cstr(w, plan->warning);
	hs_w_cstr(w, "arrays");
	hs_w_array(w, (uint32_t)layout->narrays);
	for (size_t i = 0; i < layout->narrays; i++)
		write_array(w, &layout->arrays[i]);
}

int hs_req_stream_open_run(struct hs_request *req)
{
	const struct open_params *p = req->params;
	const struct hs_limits *limits = &req->server->options->limits;
	struct opening *o = req->state;
	struct hs_source_request request;
	struct hs_stream_spec spec;
	struct hs_feed_source *source;
	struct hs_stream *stream;
	int rc = read_source(req, &request, &req->err);
	if (rc == 0)
		rc = hs_feed_source_open(req->server->feed, &request, &source, &req->err);
	if (rc < 0)
		return rc;
	rc = read_spec(req, source, &spec);
	if (rc < 0) {
		hs_feed_source_close(source);
		return rc;
	}
	rc = hs_stream_create(req->server->feed, source, &spec, &stream, &req->err);
	if (rc < 0)
		return rc;
	o->slots = slots_of(p, limits, hs_stream_get_layout(stream)->slot_bytes);
	write_opened(&req->result, stream, o, p->transport);
	const struct hs_pump_options options = {.transport = p->transport ? &hs_ring : &hs_inline,
						.id = o->id,
						.nslots = o->slots,
						.slot_bytes = o->slot_bytes,
						.max_bytes = limits->slot_bytes_per_user};
	rc = hs_pump_create(req->server, stream, &options, &o->pump, &req->err);
	req->passing.stream = o->id;
	for (int i = 0; rc == 0 && i < HS_SEND_FDS; i++) {
		req->passing.fds[i] = o->pump->fds[i];
		o->pump->fds[i] = -1;
	}
	return rc;
}

int hs_req_stream_open_settle(struct hs_request *req)
{
	struct opening *o = req->state;
	struct hs_pump *pump = o->pump;
	req->state = NULL;
	int rc = req->conn->doomed || req->server->stopping ? HSFEED_ELOST : req->rc;
	if (rc < 0)
		req->conn->user->rings -= o->ring;
	free(o);
	if (rc < 0) {
		req->conn->npumps--;
		if (pump) {
			hs_pump_discharge(pump, req->conn->user);
			hs_pump_kill(pump, false);
		}
		return rc;
	}
	hs_pump_attach(pump, req->conn);
	return 0;
}

// ---- stream.seek, stream.close ----

static int find_pump(struct hs_request *req, struct hs_pump **ret)
{
	const struct hs_seek_params *p = req->params;
	*ret = hs_pump_find(req->conn, p->stream);
	return *ret ? 0
		    : hs_err_set(&req->err, HSFEED_ENOTFOUND, "there is no stream %llu", (unsigned long long)p->stream);
}

int hs_req_stream_seek_begin(struct hs_request *req)
{
	struct hs_pump *pump;
	int rc = find_pump(req, &pump);
	if (rc < 0)
		return rc;
	if (pump->seek)
		return hs_err_set(&req->err, HSFEED_EBADREQUEST,
				  "stream.seek: the stream's last seek is not answered yet");
	hs_pump_seek(pump, req);
	return HS_LATER;
}

int hs_req_stream_close_begin(struct hs_request *req)
{
	struct hs_pump *pump;
	int rc = find_pump(req, &pump);
	if (rc == 0)
		hs_pump_kill(pump, true);
	return rc;
}
