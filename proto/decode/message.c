// SPDX-License-Identifier: Apache-2.0
#include "decode.h"

#include <errno.h>
#include <msgpack.h>
#include <string.h>

// Most requests fit one chunk; a bigger one costs what its values need: at most 4,096 of them, see hs_wire_check.
#define ZONE_CHUNK 1024

static const struct hs_wire_limits limits = {.max_depth = HS_WIRE_MAX_DEPTH, .max_items = HS_WIRE_MAX_ITEMS};

static int prepare_zone(struct hs_message *m)
{
	if (m->zone)
		msgpack_zone_clear(m->zone);
	else
		m->zone = msgpack_zone_new(ZONE_CHUNK);
	return m->zone ? 0 : -ENOMEM;
}

static const char *take_name(struct hs_message *m, const msgpack_object *name, const msgpack_object *params)
{
	if (name->type != MSGPACK_OBJECT_STR)
		return "the name is not a str";
	if (params->type != MSGPACK_OBJECT_MAP)
		return "the parameters are not a map";
	m->name = name->via.str.ptr;
	m->name_len = name->via.str.size;
	m->object = params;
	return NULL;
}

static const char *take_shape(struct hs_message *m, const msgpack_object *frame)
{
	if (frame->type != MSGPACK_OBJECT_ARRAY || frame->via.array.size == 0)
		return "not an array";
	const msgpack_object *items = frame->via.array.ptr;
	if (items[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return "the first value is not a number";
	if (items[0].via.u64 == HS_WIRE_NOTICE && frame->via.array.size == 3) {
		m->kind = HS_WIRE_NOTICE;
		return take_name(m, &items[1], &items[2]);
	}
	if (items[0].via.u64 != HS_WIRE_REQUEST || frame->via.array.size != 4)
		return "neither a request nor a notice";
	if (items[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER || items[1].via.u64 > UINT32_MAX)
		return "seq is not an unsigned 32-bit number";
	m->kind = HS_WIRE_REQUEST;
	m->seq = (uint32_t)items[1].via.u64;
	return take_name(m, &items[2], &items[3]);
}

// The parameters are the frame's last value: skip what stands before them.
static struct hs_rbuf find_params(const void *data, size_t len, int kind)
{
	struct hs_rbuf r = {data, (const uint8_t *)data + len};
	struct hs_wire_value v;
	hs_r_next(&r, &v);
	for (int skip = kind == HS_WIRE_REQUEST ? 3 : 2; skip > 0; skip--)
		hs_r_skip(&r);
	return r;
}

int hs_message_open(struct hs_message *m, const void *data, size_t len, const char **ret_wrong)
{
	size_t offset;
	const char *wrong = hs_wire_check(data, len, &limits, &offset);
	if (!wrong) {
		if (prepare_zone(m) < 0)
			return -ENOMEM;
		msgpack_object frame;
		size_t used = 0;
		// The checker proved the bytes whole, so that only memory can fail here.
		if (msgpack_unpack(data, len, &used, m->zone, &frame) != MSGPACK_UNPACK_SUCCESS)
			return -ENOMEM;
		wrong = take_shape(m, &frame);
	}
	if (wrong) {
		*ret_wrong = wrong;
		return HSFEED_EBADFRAME;
	}
	m->params = find_params(data, len, m->kind);
	return 0;
}

void hs_message_close(struct hs_message *m)
{
	if (m->zone)
		msgpack_zone_free(m->zone);
	memset(m, 0, sizeof(*m));
}
