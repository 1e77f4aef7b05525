// SPDX-License-Identifier: Apache-2.0
// The type Client: a connection. Every call of the library goes through `begin` and `end`, which hold the connection
// for one thread and let go of the GIL.
#include "ext.h"

#define LOCK_SLICE_MS 100 // how long a signal may wait while another thread has the connection

PyTypeObject *hs_py_client_type;

struct client {
	PyObject_HEAD
	struct hs_core *core;
	PyObject *hello, *peer, *on_notice;
};

// ---- taking turns ----

static int wait_turn(struct hs_core *core)
{
	for (;;) {
		bool locked;
		Py_BEGIN_ALLOW_THREADS
		locked = hs_core_wait_lock(core, LOCK_SLICE_MS);
		Py_END_ALLOW_THREADS
		if (locked)
			return 0;
		if (PyErr_CheckSignals() < 0)
			return -1;
	}
}

int hs_py_lock(struct hs_core *core)
{
	const char *wrong = NULL;
	int code = HSFEED_EBADARG;
	if (hs_core_forked(core)) {
		code = HSFEED_EFORKED;
		wrong = "this connection belongs to the process that opened it; a child must connect for itself";
	} else if (hs_core_is_user(core)) {
		wrong = "a connection cannot be used from its own callbacks";
	} else if (!hs_core_try_lock(core) && wait_turn(core) < 0) {
		return -1;
	} else if (!core->client) {
		hs_core_unlock(core);
		code = HSFEED_ELOST;
		wrong = "the connection was closed";
	}
	if (wrong)
		hs_py_raise_code(code, wrong);
	return wrong ? -1 : 0;
}

struct turn {
	struct hs_core *core;
	PyThreadState *thread;
};

static int begin(struct client *self, struct turn *turn)
{
	if (!self->core) {
		hs_py_raise_code(HSFEED_ELOST, "the connection was never made");
		return -1;
	}
	if (hs_py_lock(self->core) < 0)
		return -1;
	turn->core = self->core;
	turn->thread = PyEval_SaveThread();
	return 0;
}

static void end(struct turn *turn)
{
	PyEval_RestoreThread(turn->thread);
	hs_core_unlock(turn->core);
}

// ---- callbacks: in the calling thread, which has let go of the GIL or not ----

static int on_interrupted(void *arg)
{
	(void)arg;
	PyGILState_STATE gil = PyGILState_Ensure();
	int stop = PyErr_Occurred() || PyErr_CheckSignals() < 0;
	PyGILState_Release(gil);
	return stop;
}

static void on_notice(void *arg, const char *name, const hsfeed_value *params)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	struct client *self = arg;
	if (self->on_notice && !PyErr_Occurred()) {
		PyObject *callable = Py_NewRef(self->on_notice), *dict = hs_py_value(params);
		PyObject *done = dict ? PyObject_CallFunction(callable, "sO", name, dict) : NULL;
		if (!done)
			PyErr_WriteUnraisable(callable);
		Py_XDECREF(done);
		Py_XDECREF(dict);
		Py_DECREF(callable);
	}
	PyGILState_Release(gil);
}

static int on_progress(void *arg, const char *stage, uint64_t done, uint64_t total)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	int cancel = PyErr_Occurred() != NULL;
	PyObject *said = NULL;
	if (!cancel)
		said = PyObject_CallFunction(arg, "sKK", stage, (unsigned long long)done, (unsigned long long)total);
	if (!cancel)
		cancel = said ? PyObject_IsTrue(said) != 0 : 1;
	Py_XDECREF(said);
	PyGILState_Release(gil);
	return cancel;
}

// ---- life ----

static int greet(struct client *self)
{
	int pid;
	unsigned uid;
	const char *path = hsfeed_peer(self->core->client, &pid, &uid);
	self->hello = hs_py_value(hsfeed_hello(self->core->client));
	if (self->hello)
		self->peer = Py_BuildValue("(NiI)", PyUnicode_DecodeFSDefault(path), pid, uid);
	return self->peer ? 0 : -1;
}

static int connect_to(struct client *self, const struct hsfeed_connect_options *options)
{
	hsfeed_client *client = NULL;
	struct hsfeed_error error;
	int rc;
	Py_BEGIN_ALLOW_THREADS
	rc = hsfeed_connect(options, &client, &error);
	Py_END_ALLOW_THREADS
	if (rc < 0) {
		hs_py_raise(&error);
		return -1;
	}
	self->core = hs_core_create(client);
	if (!self->core) {
		PyErr_NoMemory();
		return -1;
	}
	return greet(self);
}

static PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"socket", "client", "timeout_ms", "on_notice", NULL};
	PyObject *socket = Py_None, *notice = Py_None;
	const char *who = NULL;
	unsigned timeout_ms = 0;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OzIO:Client", names, &socket, &who, &timeout_ms, &notice))
		return NULL;
	if (notice != Py_None && !PyCallable_Check(notice))
		return PyErr_Format(PyExc_TypeError, "on_notice must be callable or None");
	PyObject *path = NULL;
	if (socket != Py_None && !PyUnicode_FSConverter(socket, &path))
		return NULL;
	struct client *self = (struct client *)PyType_GenericAlloc(type, 0);
	if (self) {
		self->on_notice = notice == Py_None ? NULL : Py_NewRef(notice);
		struct hsfeed_connect_options options = {.size = sizeof(options),
							 .socket = path ? PyBytes_AsString(path) : NULL,
							 .client = who,
							 .timeout_ms = timeout_ms,
							 .on_notice = on_notice,
							 .interrupted = on_interrupted,
							 .arg = self};
		if (connect_to(self, &options) < 0)
			Py_CLEAR(self);
	}
	Py_XDECREF(path);
	return (PyObject *)self;
}

static int client_clear(PyObject *object)
{
	struct client *self = (struct client *)object;
	Py_CLEAR(self->on_notice);
	return 0;
}

// Nobody can be in a call any more; in a fork a thread of the parent's may seem to be: then the memory is left alone.
static void client_dealloc(PyObject *object)
{
	struct client *self = (struct client *)object;
	PyTypeObject *type = Py_TYPE(object);
	PyObject_GC_UnTrack(object);
	if (self->core && hs_core_try_lock(self->core)) {
		hs_core_close(self->core);
		hs_core_unlock(self->core);
	}
	hs_core_unref(self->core);
	client_clear(object);
	Py_CLEAR(self->hello);
	Py_CLEAR(self->peer);
	PyObject_GC_Del(object);
	Py_DECREF(type);
}

static int client_traverse(PyObject *object, visitproc visit, void *arg)
{
	struct client *self = (struct client *)object;
	Py_VISIT(Py_TYPE(object));
	Py_VISIT(self->on_notice);
	Py_VISIT(self->hello);
	Py_VISIT(self->peer);
	return 0;
}

static PyObject *client_close(PyObject *object, PyObject *unused)
{
	(void)unused;
	struct hs_core *core = ((struct client *)object)->core;
	if (hs_core_forked(core)) {
		if (!hs_core_try_lock(core))
			Py_RETURN_NONE;
	} else if (hs_core_is_user(core)) {
		return hs_py_raise_code(HSFEED_EBADARG, "a connection cannot be closed from its own callbacks");
	} else if (!hs_core_try_lock(core) && wait_turn(core) < 0) {
		return NULL;
	}
	hs_core_close(core);
	hs_core_unlock(core);
	Py_RETURN_NONE;
}

// ---- calls ----

static PyObject *client_call(PyObject *object, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"method", "params", "timeout_ms", NULL};
	const char *method;
	PyObject *dict = Py_None;
	int timeout_ms = 0;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|Oi:call", names, &method, &dict, &timeout_ms))
		return NULL;
	hsfeed_params *params = hsfeed_params_create();
	if (!params)
		return PyErr_NoMemory();
	PyObject *answer = NULL;
	struct turn turn;
	if ((dict == Py_None || hs_py_params(dict, params) == 0) && begin((struct client *)object, &turn) == 0) {
		hsfeed_value *value = NULL;
		struct hsfeed_error error;
		int rc = hsfeed_call(turn.core->client, method, params, timeout_ms, &value, &error);
		end(&turn);
		answer = hs_py_answer(rc, value, &error);
	}
	hsfeed_params_destroy(params);
	return answer;
}

typedef int job_fn(hsfeed_client *client, const struct hsfeed_ingest_options *options, hsfeed_value **ret,
		   struct hsfeed_error *reterr);

static int check_progress(PyObject *progress)
{
	if (progress == Py_None || PyCallable_Check(progress))
		return 0;
	PyErr_SetString(PyExc_TypeError, "progress must be callable or None");
	return -1;
}

static PyObject *run_job(PyObject *object, PyObject *args, PyObject *kwargs, job_fn *job)
{
	static char *names[] = {"options", "progress", NULL};
	PyObject *dict, *progress = Py_None, *answer = NULL;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", names, &dict, &progress) || check_progress(progress) < 0)
		return NULL;
	struct hs_py_options options = {.keep = NULL};
	struct turn turn;
	if (hs_py_ingest_options(dict, &options) == 0 && begin((struct client *)object, &turn) == 0) {
		options.as.ingest.progress = progress == Py_None ? NULL : on_progress;
		options.as.ingest.arg = progress;
		hsfeed_value *value = NULL;
		struct hsfeed_error error;
		int rc = job(turn.core->client, &options.as.ingest, &value, &error);
		end(&turn);
		answer = hs_py_answer(rc, value, &error);
	}
	hs_py_options_fini(&options);
	return answer;
}

static PyObject *client_ingest(PyObject *self, PyObject *args, PyObject *kwargs)
{
	return run_job(self, args, kwargs, hsfeed_ingest);
}

static PyObject *client_add(PyObject *self, PyObject *args, PyObject *kwargs)
{
	return run_job(self, args, kwargs, hsfeed_add);
}

static PyObject *client_why(PyObject *self, PyObject *args, PyObject *kwargs)
{
	return run_job(self, args, kwargs, hsfeed_why);
}

static PyObject *client_attach(PyObject *object, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"options", "progress", NULL};
	PyObject *dict, *progress = Py_None, *answer = NULL;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:attach", names, &dict, &progress) ||
	    check_progress(progress) < 0)
		return NULL;
	struct hs_py_options options = {.keep = NULL};
	struct turn turn;
	if (hs_py_attach_options(dict, &options) == 0 && begin((struct client *)object, &turn) == 0) {
		options.as.attach.progress = progress == Py_None ? NULL : on_progress;
		options.as.attach.arg = progress;
		hsfeed_value *value = NULL;
		struct hsfeed_error error;
		int rc = hsfeed_attach(turn.core->client, &options.as.attach, &value, &error);
		end(&turn);
		answer = hs_py_answer(rc, value, &error);
	}
	hs_py_options_fini(&options);
	return answer;
}

static PyObject *client_verify(PyObject *object, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"name", "progress", "timeout_ms", NULL};
	struct hsfeed_verify_options options = {.size = sizeof(options)};
	PyObject *progress = Py_None;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|zOI:verify", names, &options.name, &progress,
					 &options.timeout_ms) ||
	    check_progress(progress) < 0)
		return NULL;
	options.progress = progress == Py_None ? NULL : on_progress;
	options.arg = progress;
	hsfeed_value *value = NULL;
	struct hsfeed_error error;
	struct turn turn;
	if (begin((struct client *)object, &turn) < 0)
		return NULL;
	int rc = hsfeed_verify(turn.core->client, &options, &value, &error);
	end(&turn);
	return hs_py_answer(rc, value, &error);
}

// ---- streams ----

// What was opened, as a feed and the daemon's answer. With the connection and the GIL.
static int take_stream(struct hs_core *core, hsfeed_stream *stream, struct hs_feed **ret_feed, PyObject **ret_info)
{
	const hsfeed_value *info = hsfeed_stream_info(stream);
	size_t narrays = hsfeed_value_len(hsfeed_value_get(info, "arrays"));
	uint64_t nslots = hsfeed_value_uint(hsfeed_value_get(info, "slots"), 0);
	*ret_info = hs_py_value(info);
	if (!*ret_info || narrays > HS_EXT_MAX_ARRAYS || nslots > HS_EXT_MAX_SLOTS) {
		hsfeed_stream_close(stream);
		if (*ret_info)
			hs_py_raise_code(HSFEED_EBADFRAME, "the daemon opened a stream with too many arrays or slots");
		return -1;
	}
	*ret_feed = hs_feed_create(core, stream, (unsigned)nslots, (unsigned)narrays);
	if (!*ret_feed)
		PyErr_NoMemory();
	return *ret_feed ? 0 : -1;
}

// A Stream of what a call of the library's gave; ends the turn.
static PyObject *finish_open(PyObject *client, struct turn *turn, int rc, hsfeed_stream *stream,
			     const struct hsfeed_error *error)
{
	struct hs_feed *feed = NULL;
	PyObject *info = NULL, *made = NULL;
	PyEval_RestoreThread(turn->thread); // and keep the connection: what comes next is short
	if (rc == 0)
		rc = take_stream(turn->core, stream, &feed, &info);
	hs_core_unlock(turn->core);
	if (rc < 0)
		hs_py_raise(error);
	else
		made = hs_py_stream_new(client, feed, info);
	Py_XDECREF(info);
	return made;
}

static PyObject *client_open(PyObject *object, PyObject *dict)
{
	struct hs_py_options options = {.keep = NULL};
	PyObject *made = NULL;
	struct turn turn;
	if (hs_py_stream_options(dict, &options) == 0 && begin((struct client *)object, &turn) == 0) {
		hsfeed_stream *stream = NULL;
		struct hsfeed_error error;
		int rc = hsfeed_stream_open(turn.core->client, &options.as.stream, &stream, &error);
		made = finish_open(object, &turn, rc, stream, &error);
	}
	hs_py_options_fini(&options);
	return made;
}

// The old stream is only read, but its connection must not be in use meanwhile. It is not waited for: two threads that
// do this crosswise would wait for each other.
static PyObject *client_reopen(PyObject *object, PyObject *old)
{
	struct hs_feed *feed = hs_py_stream_feed(old);
	struct turn turn;
	if (!feed || begin((struct client *)object, &turn) < 0)
		return NULL;
	struct hsfeed_error error = {.name = "bad_argument", .message = "the stream to be opened again was closed"};
	hsfeed_stream *stream = NULL;
	struct hs_core *other = feed->core == turn.core ? NULL : feed->core;
	bool free_now = !other || hs_core_try_lock(other);
	int rc = error.code = HSFEED_EBADARG;
	if (free_now && feed->stream)
		rc = hsfeed_stream_reopen(turn.core->client, feed->stream, &stream, &error);
	else if (!free_now)
		snprintf(error.message, sizeof(error.message),
			 "the connection of the stream to be opened again is in use");
	if (free_now && other)
		hs_core_unlock(other);
	PyObject *made = finish_open(object, &turn, rc, stream, &error);
	if (made)
		hs_py_stream_configure_as(made, old);
	return made;
}

// ---- the type ----

static PyObject *client_fileno(PyObject *object, PyObject *unused)
{
	(void)unused;
	struct hs_core *core = ((struct client *)object)->core;
	if (hs_py_lock(core) < 0)
		return NULL;
	int fd = hsfeed_fd(core->client);
	hs_core_unlock(core);
	return PyLong_FromLong(fd);
}

static PyObject *client_hello(PyObject *object, void *unused)
{
	(void)unused;
	return Py_NewRef(((struct client *)object)->hello);
}

static PyObject *client_peer(PyObject *object, void *unused)
{
	(void)unused;
	return Py_NewRef(((struct client *)object)->peer);
}

#define KEYWORDS(f) ((PyCFunction)(void (*)(void))(f)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
	{"call", KEYWORDS(client_call), "call(method, params=None, timeout_ms=0) -> dict: any request."},
	{"ingest", KEYWORDS(client_ingest), "ingest(options, progress=None) -> dict"},
	{"add", KEYWORDS(client_add), "add(options, progress=None) -> dict"},
	{"why", KEYWORDS(client_why), "why(options, progress=None) -> dict"},
	{"attach", KEYWORDS(client_attach), "attach(options, progress=None) -> dict"},
	{"verify", KEYWORDS(client_verify), "verify(name=None, progress=None, timeout_ms=0) -> dict"},
	{"open", client_open, METH_O, "open(options) -> Stream"},
	{"reopen", client_reopen, METH_O,
	 "reopen(stream) -> Stream: at the position after the last batch that was taken, configured alike."},
	{"fileno", client_fileno, METH_NOARGS,
	 "fileno() -> int: to wait on for notices and the end, never to read; -1 once it was lost."},
	{"close", client_close, METH_NOARGS, "close(): ends the connection and its streams; tensors stay."},
	{0},
};

static PyGetSetDef getters[] = {
	{"hello", client_hello, NULL, "the daemon's greeting", NULL},
	{"peer", client_peer, NULL, "(path, pid, uid) of who listens", NULL},
	{0},
};

static PyType_Slot slots[] = {
	{Py_tp_doc, "Client(socket=None, client=None, timeout_ms=0, on_notice=None): a connection to hsfeedd."},
	{Py_tp_new, client_new},
	{Py_tp_dealloc, client_dealloc},
	{Py_tp_traverse, client_traverse},
	{Py_tp_clear, client_clear},
	{Py_tp_methods, methods},
	{Py_tp_getset, getters},
	{0, NULL},
};

static PyType_Spec spec = {"hsfeed._hsfeed.Client", sizeof(struct client), 0,
			   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, slots};

int hs_py_client_init(PyObject *module)
{
	hs_py_client_type = (PyTypeObject *)PyType_FromSpec(&spec);
	return hs_py_client_type ? PyModule_AddObjectRef(module, "Client", (PyObject *)hs_py_client_type) : -1;
}
