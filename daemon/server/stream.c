// SPDX-License-Identifier: Apache-2.0
// stream.open, stream.seek and stream.close.
#include "stream.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "asked.h"
#include "base/sha256.h"
#include "describe.h"
#include "file.h"
#include "masks.h"
#include "options.h"
#include "packed.h"
#include "plans.h"
#include "pump.h"

struct open_params {
	const char *name;
	uint64_t owner;
	struct hs_batch_params batch;
	struct hs_named encodings;
	struct hs_strs arrays;
	struct hs_named attached;
	struct hs_plan_params plan;
	uint64_t fold, at, rank, slots, rows;
	int split, dtype, transport;
	bool token_type_ids, packed;
	struct hs_mask_params mask;
};

static const char *const splits[] = {"train", "val", "all", NULL};
static const char *const dtypes[] = {"int64", "int32", NULL};
static const char *const transports[] = {"inline", "ring", NULL};

#define AT(member) .offset = offsetof(struct open_params, member)
static const struct hs_field open_fields[] = {
	{.key = "name", .type = HS_T_STR, AT(name), .required = true, .min = 1, .max = HS_NAME_MAX + 70},
	{.key = "owner", .type = HS_T_UINT, AT(owner), .max = UINT32_MAX, .def = HS_UNSET},
	HS_BATCH_FIELDS(struct open_params, batch),
	{.key = "encodings", .type = HS_T_NAMED_STRS, AT(encodings), .max = HS_FEED_MAX_ROLES},
	{.key = "arrays", .type = HS_T_STRS, AT(arrays), .max = HS_FEED_MAX_ATTACHED},
	{.key = "attached", .type = HS_T_NAMED_STRS, AT(attached), .max = HS_FEED_MAX_ATTACHED},
	{.key = "plan", .type = HS_T_MAP, AT(plan), .sub = &hs_plan_schema},
	{.key = "fold", .type = HS_T_UINT, AT(fold), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "split", .type = HS_T_ENUM, AT(split), .names = splits, .def = HS_TRAIN},
	{.key = "rows", .type = HS_T_UINT, AT(rows), .max = UINT32_MAX, .def = HS_UNSET},
	{.key = "at", .type = HS_T_UINT, AT(at), .max = INT64_MAX},
	{.key = "rank", .type = HS_T_UINT, AT(rank), .max = UINT32_MAX},
	{.key = "dtype", .type = HS_T_ENUM, AT(dtype), .names = dtypes},
	{.key = "token_type_ids", .type = HS_T_BOOL, AT(token_type_ids)},
	{.key = "mask_rows", .type = HS_T_F64, AT(mask.rows)},
	{.key = "mask_prob", .type = HS_T_F64, AT(mask.prob)},
	{.key = "mask_seed", .type = HS_T_UINT, AT(mask.seed), .max = INT64_MAX, .def = HS_UNSET},
	{.key = "mask_roles", .type = HS_T_STRS, AT(mask.roles), .max = HS_FEED_MAX_ROLES},
	{.key = "weight", .type = HS_T_NAMED_F64S, AT(mask.weight), .max = HS_WIRE_MAX_KEYS},
	{.key = "transport", .type = HS_T_ENUM, AT(transport), .names = transports},
	{.key = "packed", .type = HS_T_BOOL, AT(packed)},
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
	{.key = "rows", .type = HS_T_UINT, AT(rows), .max = UINT32_MAX, .def = HS_UNSET},
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
	struct hs_account account; // the user's
	struct hs_input *rows;     // counted; NULL: no list
	uint64_t list_bytes;       // on the account for it, unless the pump has it
};

#define INLINE_SLOTS 8
// A ring's client wakes nobody for each slot, so more of them pay: measured, up to what a cache holds.
#define RING_SLOTS_MIN   16
#define RING_SLOTS_MAX   32
#define PACKED_SLOTS_MAX 64
#define RING_BYTES       (2u << 20)

static unsigned usual_slots(const struct open_params *p, size_t slot_bytes)
{
	if (!p->transport)
		return INLINE_SLOTS;
	size_t n = RING_BYTES / slot_bytes, most = p->packed ? PACKED_SLOTS_MAX : RING_SLOTS_MAX;
	return n < RING_SLOTS_MIN ? RING_SLOTS_MIN : (unsigned)(n > most ? most : n);
}

// As many as asked for; left out, as many as pay and may be.
static unsigned slots_of(const struct open_params *p, const struct hs_limits *limits, size_t slot_bytes)
{
	unsigned usual = usual_slots(p, slot_bytes);
	return p->slots ? (unsigned)p->slots : limits->slots < usual ? (unsigned)limits->slots : usual;
}

static int check_room(struct hs_request *req)
{
	const struct open_params *p = req->params;
	const struct hs_limits *limits = &req->server->options->limits;
	if (p->packed && !p->transport)
		return hs_err_set(&req->err, HSFEED_EBADREQUEST,
				  "stream.open: packed slots are a ring's; transport is \"inline\"");
	if (req->conn->npumps >= limits->streams) {
		hs_err_set(&req->err, HSFEED_ELIMIT, "the connection has %llu streams, as many as it may",
			   (unsigned long long)limits->streams);
		return hs_err_hint(&req->err, "close some with stream.close, or use another connection");
	}
	if (p->slots > limits->slots)
		return hs_err_set(&req->err, HSFEED_ELIMIT, "stream.open: at most %llu slots",
				  (unsigned long long)limits->slots);
	const struct hs_user *user = req->conn->user;
	if (p->transport && user->handles + user->rings >= hs_user_fds_max()) {
		hs_err_set(&req->err, HSFEED_ELIMIT,
			   "the user's connections hold %llu handles and rings, as many as they may",
			   (unsigned long long)hs_user_fds_max());
		return hs_err_hint(&req->err, "close some, or open streams with the transport inline");
	}
	return 0;
}

int hs_req_stream_open_begin(struct hs_request *req)
{
	const struct open_params *p = req->params;
	struct hs_user *user = req->conn->user;
	struct hs_input *rows;
	int rc = hs_list_take(req, p->rows, &rows);
	if (rc == 0)
		rc = check_room(req);
	struct opening *o = rc == 0 ? calloc(1, sizeof(*o)) : NULL;
	if (!o) {
		hs_input_unref(rows);
		return rc < 0 ? rc : hs_err_nomem(&req->err, "opening a stream");
	}
	o->rows = rows;
	o->ring = p->transport;
	user->rings += o->ring; // given back by settle, or when the client lets go of it
	o->id = ++req->conn->next_stream;
	o->account = (struct hs_account){&user->slot_bytes, req->server->options->limits.slot_bytes_per_user};
	req->conn->npumps++; // settle gives it back when no stream comes of it
	req->state = o;
	return 0;
}

static int read_id(const char *key, const char *text, struct hs_id *ret, struct hs_err *reterr)
{
	static const struct hs_id none; // which means "not pinned" further on
	if (strlen(text) == 64 && hs_unhex(text, 32, ret->bytes) == 0 && !hs_id_eq(ret, &none))
		return 0;
	return hs_err_set(reterr, HSFEED_EBADREQUEST, "stream.open: %s: \"%.80s\" is not an id of 64 hex digits", key,
			  text);
}

static int pin_encoding(struct hs_source_request *source, const struct hs_named_item *item, struct hs_err *reterr)
{
	for (size_t i = 0; i < source->nroles; i++) {
		if (strcmp(source->roles[i], item->name) == 0)
			return read_id("encodings", item->s, &source->encodings[i], reterr);
	}
	return hs_err_set(reterr, HSFEED_EBADREQUEST,
			  "stream.open: encodings names the role \"%.128s\", which is not among "
			  "roles",
			  item->name);
}

static int add_array(struct hs_source_request *source, const char *name, struct hs_err *reterr)
{
	for (size_t i = 0; i < source->narrays; i++)
		if (strcmp(source->arrays[i], name) == 0)
			return hs_err_set(reterr, HSFEED_EBADREQUEST,
					  "stream.open: the array \"%.128s\" is named twice", name);
	if (!hs_attached_name_ok(name))
		return hs_err_set(reterr, HSFEED_EBADREQUEST,
				  "stream.open: \"%.128s\" cannot be the name of an attached array", name);
	source->arrays[source->narrays++] = name;
	return 0;
}

static int pin_array(struct hs_source_request *source, const struct hs_named_item *item, struct hs_err *reterr)
{
	for (size_t i = 0; i < source->narrays; i++) {
		if (strcmp(source->arrays[i], item->name) == 0)
			return read_id("attached", item->s, &source->array_ids[i], reterr);
	}
	return hs_err_set(reterr, HSFEED_EBADREQUEST,
			  "stream.open: attached names the array \"%.128s\", which is not among arrays", item->name);
}

// The attached arrays asked for, or those of the pinned ids.
static int read_arrays(const struct open_params *p, struct hs_source_request *ret, struct hs_err *reterr)
{
	int rc = 0;
	for (size_t i = 0; i < p->arrays.n && rc == 0; i++)
		rc = add_array(ret, p->arrays.items[i], reterr);
	for (size_t i = 0; i < p->attached.n && rc == 0; i++) {
		if (p->arrays.n == 0)
			rc = add_array(ret, p->attached.items[i].name, reterr);
		if (rc == 0)
			rc = pin_array(ret, &p->attached.items[i], reterr);
	}
	return rc;
}

// The roles asked for; without roles those of the pinned encodings; without either the default one.
static int read_source(const struct hs_request *req, struct hs_source_request *ret, struct hs_err *reterr)
{
	const struct open_params *p = req->params;
	*ret = hs_asked_source(req, p->name, p->owner);
	int rc = hs_batch_params_roles(&p->batch, "stream.open", ret, reterr);
	for (size_t i = 0; i < p->encodings.n && rc == 0; i++) {
		if (p->batch.roles.n == 0)
			rc = hs_source_add_role(ret, "stream.open", p->encodings.items[i].name, reterr);
		if (rc == 0)
			rc = pin_encoding(ret, &p->encodings.items[i], reterr);
	}
	return rc < 0 ? rc : read_arrays(p, ret, reterr);
}

static int read_spec(struct hs_request *req, const struct hs_feed_source *source, struct hs_stream_spec *ret)
{
	const struct open_params *p = req->params;
	if (p->fold == HS_UNSET && p->split != HS_ALL) {
		hs_err_set(&req->err, HSFEED_EBADREQUEST, "stream.open: the key \"fold\" is missing");
		return hs_err_hint(&req->err, "split \"all\" needs none; folds count from 0");
	}
	enum hs_split split = (enum hs_split)p->split;
	int rc = hs_batch_params_spec(&p->batch, "stream.open", source, split, ret, &req->err);
	ret->fold = p->fold == HS_UNSET ? 0 : (uint32_t)p->fold;
	ret->at = p->at;
	ret->rank = (uint32_t)p->rank;
	ret->int32 = p->dtype == 1;
	ret->token_type_ids = p->token_type_ids;
	ret->packed = p->packed;
	if (rc == 0)
		rc = hs_plan_params_read(req, &p->plan, source, &ret->plan);
	if (rc == 0)
		rc = hs_mask_params_read(&p->mask, source, ret->seed, &ret->mask, &req->err);
	return rc < 0 ? rc : hs_weight_params_read(&p->mask, ret, &req->err);
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

static void write_attached(struct hs_wbuf *w, const struct hs_feed_source *source)
{
	hs_w_cstr(w, "attached");
	hs_w_map(w, (uint32_t)hs_feed_source_narrays(source));
	for (size_t i = 0; i < hs_feed_source_narrays(source); i++)
		hs_write_id(w, hs_feed_source_array(source, i),
			    hs_file_get_id(hs_feed_source_attached(source, i)->file));
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
	hs_write_padding(w, spec);
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

static void write_warnings(struct hs_wbuf *w, const struct hs_stream *stream)
{
	const struct hs_plan *plan = hs_stream_get_plan(stream);
	const char *const warnings[] = {plan && plan->warning[0] ? plan->warning : NULL,
					hs_mask_warning(hs_stream_get_spec(stream))};
	hs_w_cstr(w, "warnings");
	hs_w_array(w, (warnings[0] != NULL) + (warnings[1] != NULL));
	for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++)
		if (warnings[i])
			hs_w_cstr(w, warnings[i]);
}

void hs_order_digest_write(struct hs_wbuf *w, const uint8_t *digest)
{
	char hex[HS_SHA256_HEX];
	hs_hex(digest, HS_SHA256_BYTES, hex);
	hs_w_cstr(w, "order_digest");
	hs_w_cstr(w, hex);
}

// What only some orders have: returns how many keys.
static uint32_t write_order(struct hs_wbuf *w, const struct hs_stream *stream)
{
	const struct hs_stream_spec *spec = hs_stream_get_spec(stream);
	if (spec->order == HS_ORDER_EXPLICIT) {
		hs_order_digest_write(w, hs_stream_order_digest(stream));
	} else if (spec->order == HS_ORDER_LENGTH) {
		hs_w_cstr(w, "length_batch");
		hs_w_uint(w, spec->length_batch);
	}
	return spec->order == HS_ORDER_EXPLICIT || spec->order == HS_ORDER_LENGTH;
}

static void write_opened(struct hs_wbuf *w, const struct hs_stream *stream, const struct opening *o,
			 const struct open_params *p)
{
	const struct hs_plan *plan = hs_stream_get_plan(stream);
	const struct hs_layout *layout = hs_stream_get_layout(stream);
	const struct hs_version_entry *entry = hs_feed_source_entry(hs_stream_get_source(stream));
	char hex[HS_ID_HEX];
	hs_id_hex(&entry->version, hex);
	size_t mark = hs_w_map_begin(w);
	uint32_t extra = write_order(w, stream) + hs_mask_params_keys(&p->mask, hs_stream_get_spec(stream));
	write_numbers(w, stream, o->slots, o->id);
	write_words(w, hs_stream_get_spec(stream), p->transport);
	hs_mask_params_write(w, &p->mask, stream);
	write_encodings(w, stream);
	write_attached(w, hs_stream_get_source(stream));
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
	write_warnings(w, stream);
	hs_w_cstr(w, "arrays");
	hs_w_array(w, (uint32_t)layout->narrays);
	for (size_t i = 0; i < layout->narrays; i++)
		write_array(w, &layout->arrays[i]);
	if (p->packed)
		hs_packed_write(w, stream, o->slots);
	hs_w_map_end(w, mark, 15 + 7 + 8 + p->packed + extra); // numbers, words, and what follows them
}

// The stream, and its list, whose bytes are on the account where a stream came of it: otherwise the request may be run
// once more (HS_FEED_SEARCHING), and reads it anew.
static int open_stream(struct hs_request *req, struct hs_stream **ret)
{
	struct opening *o = req->state;
	struct hs_source_request request;
	struct hs_stream_spec spec;
	struct hs_feed_source *source;
	struct hs_order_list *list = NULL;
	int rc = read_source(req, &request, &req->err);
	if (rc == 0)
		rc = hs_feed_source_open(req->server->feed, &request, &source, &req->err);
	if (rc < 0)
		return rc;
	rc = read_spec(req, source, &spec);
	if (rc == 0 && o->rows) {
		rc = hs_list_read(o->rows, source, &o->account, &list, &o->list_bytes, &req->err);
		if (rc < 0)
			free((void *)spec.weights);
	}
	if (rc < 0) {
		hs_feed_source_close(source);
		return rc;
	}
	spec.list = list;
	rc = hs_stream_create(req->server->feed, source, &spec, ret, &req->err);
	free((void *)spec.weights); // the stream has its own
	if (rc < 0) {
		hs_discharge(o->account.bytes, o->list_bytes);
		o->list_bytes = 0;
	}
	return rc;
}

int hs_req_stream_open_run(struct hs_request *req)
{
	const struct open_params *p = req->params;
	struct opening *o = req->state;
	struct hs_stream *stream;
	int rc = open_stream(req, &stream);
	if (rc < 0)
		return rc;
	o->slots = slots_of(p, &req->server->options->limits, hs_stream_get_slots(stream)->slot_bytes);
	write_opened(&req->result, stream, o, p);
	const struct hs_pump_options options = {.transport = p->transport ? &hs_ring : &hs_inline,
						.id = o->id,
						.nslots = o->slots,
						.account = o->account,
						.list_bytes = o->list_bytes};
	rc = hs_pump_create(req->server, stream, &options, &o->pump, &req->err);
	if (rc < 0)
		return rc;
	o->list_bytes = 0; // the pump's
	req->passing.stream = o->id;
	for (int i = 0; i < HS_SEND_FDS; i++) {
		req->passing.fds[i] = o->pump->fds[i];
		o->pump->fds[i] = -1;
	}
	return 0;
}

int hs_req_stream_open_settle(struct hs_request *req)
{
	struct opening *o = req->state;
	struct hs_pump *pump = o->pump;
	req->state = NULL;
	int rc = req->conn->doomed || req->server->stopping ? HSFEED_ELOST : req->rc;
	if (rc < 0)
		req->conn->user->rings -= o->ring;
	hs_discharge(o->account.bytes, o->list_bytes);
	hs_input_unref(o->rows);
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
	pump->queued++; // the answer may doom the connection, which must not end it here
	hs_request_finish(req, 0);
	pump->queued--;
	hs_pump_start(pump); // now: the client, which waits for the answer, is to have a processor first
	hs_pump_end_when_unused(pump);
	return HS_LATER;
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
	const struct hs_seek_params *p = req->params;
	struct hs_pump *pump = NULL;
	struct hs_input *rows;
	int rc = hs_list_take(req, p->rows, &rows);
	if (rc == 0)
		rc = find_pump(req, &pump);
	if (rc == 0 && pump->seek)
		rc = hs_err_set(&req->err, HSFEED_EBADREQUEST,
				"stream.seek: the stream's last seek is not answered yet");
	if (rc < 0) {
		hs_input_unref(rows);
		return rc;
	}
	req->state = rows;
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
