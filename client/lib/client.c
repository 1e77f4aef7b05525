// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define DEFAULT_TIMEOUT_MS 60000
#define HELLO_REPLY_BYTES  1048576u // until hello says more

static uint32_t limit_of(const hsfeed_value *hello, const char *key, uint32_t fallback, uint32_t most)
{
	uint64_t v = hsfeed_value_uint(hsfeed_value_get(hsfeed_value_get(hello, "limits"), key), fallback);
	return v > most ? most : (uint32_t)v;
}

static bool has_feature(const hsfeed_value *hello, const char *feature)
{
	const hsfeed_value *features = hsfeed_value_get(hello, "features");
	for (size_t i = 0; i < hsfeed_value_len(features); i++) {
		if (strcmp(hsfeed_value_str(hsfeed_value_at(features, i), NULL, ""), feature) == 0)
			return true;
	}
	return false;
}

static bool is_set(const char *variable)
{
	const char *value = secure_getenv(variable);
	return value && *value && strcmp(value, "0") != 0;
}

static int take_hello(hsfeed_client *client, struct hsfeed_error *reterr)
{
	const hsfeed_value *hello = client->hello;
	uint64_t protocol = hsfeed_value_uint(hsfeed_value_get(hello, "protocol"), 0);
	if (protocol != HS_WIRE_PROTOCOL)
		return hs_error_set(reterr, HSFEED_EVERSION,
				    "the daemon at %s speaks protocol version %llu, this library %d", client->peer.path,
				    (unsigned long long)protocol, HS_WIRE_PROTOCOL);
	client->max_request = limit_of(hello, "max_request", HS_WIRE_MAX_REQUEST, HS_LIB_MAX_FRAME);
	client->max_reply = limit_of(hello, "max_reply", HS_WIRE_MAX_REPLY, HS_LIB_MAX_FRAME);
	client->fdpass = has_feature(hello, "fdpass") && !is_set("HSFEED_NO_FDPASS");
	client->rings = client->fdpass && has_feature(hello, "ring");
	client->packs = client->rings && has_feature(hello, "packed") && !is_set("HSFEED_NO_PACKED");
	return 0;
}

static int greet(hsfeed_client *client, const char *who, struct hsfeed_error *reterr)
{
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return hs_error_nomem(reterr);
	hsfeed_params_uint(params, "protocol", HS_WIRE_PROTOCOL);
	hsfeed_params_str(params, "client", who ? who : "libhsfeed " HSFEED_VERSION_STRING);
	struct hs_call call = {.method = "hello", .params = params, .fd = -1};
	int rc = hs_call(client, &call, &client->hello, reterr);
	hsfeed_params_destroy(params);
	return rc < 0 ? rc : take_hello(client, reterr);
}

static hsfeed_client *create(const struct hsfeed_connect_options *options)
{
	hsfeed_client *client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->fd = client->out_fd = -1;
	client->owner_pid = getpid();
	client->timeout_ms = options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
	client->on_notice = options->on_notice;
	client->interrupted = options->interrupted;
	client->arg = options->arg;
	client->max_request = HS_WIRE_MAX_REQUEST;
	client->max_reply = HELLO_REPLY_BYTES;
	client->next_seq = 1;
	return client;
}

int hsfeed_connect(const struct hsfeed_connect_options *options, hsfeed_client **ret_client,
		   struct hsfeed_error *reterr)
{
	struct hsfeed_connect_options o;
	int rc = hs_options_read(&o, sizeof(o), options, reterr);
	if (rc < 0)
		return rc;
	hsfeed_client *client = create(&o);
	if (!client)
		return hs_error_nomem(reterr);
	rc = hs_socket_connect(o.socket, client->timeout_ms, &client->fd, &client->peer, reterr);
	if (rc == 0)
		rc = greet(client, o.client, reterr);
	if (rc < 0) {
		hsfeed_close(client);
		return rc;
	}
	*ret_client = client;
	return 0;
}

static void destroy(hsfeed_client *client)
{
	if (client->fd >= 0)
		close(client->fd); // in a fork this lets go of the child's copy only
	hs_conn_close_fds(client);
	hs_w_fini(&client->out);
	hsfeed_value_free(client->hello);
	free(client->late);
	free(client->in);
	free(client);
}

void hs_client_unlend(hsfeed_client *client)
{
	if (--client->lent == 0)
		destroy(client);
}

void hsfeed_close(hsfeed_client *client)
{
	if (!client || client->closed)
		return;
	client->closed = true;
	hsfeed_stream *next, *s = client->streams;
	for (; s; s = next) {
		next = s->next;
		if (s->ring && s->nheld > 0 && client->fd >= 0)
			client->lent++; // the daemon may take the ring back when the connection ends
		else
			hs_stream_orphan(s);
	}
	if (client->lent == 0)
		destroy(client);
}

int hsfeed_fd(const hsfeed_client *client)
{
	return client && !client->closed ? client->fd : -1;
}

const hsfeed_value *hsfeed_hello(const hsfeed_client *client)
{
	return client->hello;
}

const char *hsfeed_peer(const hsfeed_client *client, int *ret_pid, unsigned *ret_uid)
{
	if (ret_pid)
		*ret_pid = client->peer.pid;
	if (ret_uid)
		*ret_uid = client->peer.uid;
	return client->peer.path;
}

void hsfeed_free(void *memory)
{
	free(memory);
}
