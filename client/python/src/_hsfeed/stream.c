// SPDX-License-Identifier: Apache-2.0
// The type Stream: batches as dicts of tensors.
#include <time.h>

#include "ext.h"
#include "stream.h"

#define WAIT_SLICE_MS 200 // slots whose tensors have died, and signals just before a wait, are seen this late

static PyTypeObject *stream_type;

// ---- next ----

static int check_ready(const struct stream *self)
{
	if (!self->batch_type)
		hs_py_raise_code(HSFEED_EBADARG, "the stream was not configured");
	else if (self->lost)
		hs_py_raise_code(HSFEED_EBADARG, "the batch before was lost when it was made into tensors: seek first");
	else
		return 0;
	return -1;
}

static int lock_open(struct stream *self)
{
	if (hs_py_lock(self->feed->core) < 0)
		return -1;
	if (self->feed->stream)
		return 0;
	hs_core_unlock(self->feed->core);
	hs_py_raise_code(HSFEED_EBADARG, "the stream was closed");
	return -1;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Waits without the GIL, in slices: between them signals are looked at and slots given back whose tensors have died.
static int wait_for(struct hs_feed *feed, int timeout_ms, const struct hsfeed_batch **ret, struct hsfeed_error *reterr)
{
	int64_t deadline = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
	for (;;) {
		int64_t left = deadline == INT64_MAX ? INT64_MAX : deadline - now_ms();
		int slice = left > WAIT_SLICE_MS ? WAIT_SLICE_MS : left < 0 ? 0 : (int)left, rc;
		Py_BEGIN_ALLOW_THREADS
		hs_core_drain(feed->core);
		rc = hsfeed_stream_next(feed->stream, slice, ret, reterr);
		Py_END_ALLOW_THREADS
		if (rc != HSFEED_ETIMEOUT)
			return rc;
		if (PyErr_CheckSignals() < 0)
			return -1;
		if (left <= slice) {
			snprintf(reterr->message, sizeof(reterr->message), "no batch came within %d ms", timeout_ms);
			return rc;
		}
	}
}

// What is here already is taken at once, with the GIL: letting go of it and asking for it again may take longer.
static int take(struct stream *self, int timeout_ms, struct hs_parcel *ret, struct hsfeed_error *reterr)
{
	struct hs_feed *feed = self->feed;
	const struct hsfeed_batch *batch = NULL;
	hs_core_drain(feed->core);
	int rc = hsfeed_stream_next(feed->stream, 0, &batch, reterr);
	if (rc == HSFEED_ETIMEOUT && timeout_ms != 0)
		rc = wait_for(feed, timeout_ms, &batch, reterr);
	if (rc != 1)
		return rc;
	rc = hs_parcel_pack(feed, batch, self->copied, ret);
	if (rc == 0)
		return 1;
	self->lost = true;
	PyErr_NoMemory();
	return rc;
}

static int next_timeout(PyObject *const *args, Py_ssize_t nargs, PyObject *names, int *ret)
{
	Py_ssize_t n = nargs + (names ? PyTuple_Size(names) : 0);
	if (n == 0)
		return 0;
	if (n > 1 ||
	    (names && nargs == 0 && PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "timeout_ms") != 0)) {
		PyErr_SetString(PyExc_TypeError, "next() takes timeout_ms alone");
		return -1;
	}
	long ms = PyLong_AsLong(args[0]);
	if (ms == -1 && PyErr_Occurred())
		return -1;
	*ret = ms < 0 ? -1 : ms > INT32_MAX ? INT32_MAX : (int)ms;
	return 0;
}

static PyObject *stream_next(PyObject *object, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
	struct stream *self = (struct stream *)object;
	struct hs_parcel parcel;
	struct hsfeed_error error;
	int timeout_ms = -1;
	if (next_timeout(args, nargs, names, &timeout_ms) < 0 || check_ready(self) < 0 || lock_open(self) < 0)
		return NULL;
	int rc = take(self, timeout_ms, &parcel, &error);
	hs_core_unlock(self->feed->core);
	if (rc == 1)
		return hs_py_batch_make(self, &parcel);
	if (rc < 0)
		return hs_py_raise(&error);
	Py_RETURN_NONE;
}

// ---- seek, close ----

static int optional_uint64(PyObject *value, const char *name, int *ret_has, uint64_t *ret)
{
	if (value == Py_None)
		return 0;
	PyObject *number = PyNumber_Index(value);
	if (!number)
		return -1;
	*ret = PyLong_AsUnsignedLongLong(number);
	*ret_has = 1;
	Py_DECREF(number);
	if (!PyErr_Occurred())
		return 0;
	PyErr_Format(PyExc_OverflowError, "%s must be from 0 to 2^64 - 1, not %R", name, value);
	return -1;
}

static int read_place(PyObject *args, PyObject *kwargs, const char *format, struct hsfeed_seek_options *ret,
		      PyObject **ret_rows)
{
	static char *names[] = {"epoch", "at", "seed", "rows", NULL};
	PyObject *epoch, *at = Py_None, *seed = Py_None;
	int has;
	*ret = (struct hsfeed_seek_options){.size = sizeof(*ret)};
	*ret_rows = Py_None;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &epoch, &at, &seed, ret_rows) ||
	    optional_uint64(epoch, "epoch", &has, &ret->epoch) < 0 || optional_uint64(at, "at", &has, &ret->at) < 0)
		return -1;
	return optional_uint64(seed, "seed", &ret->has_seed, &ret->seed);
}

static PyObject *seek(struct stream *self, const struct hsfeed_seek_options *options)
{
	hsfeed_value *value = NULL;
	struct hsfeed_error error;
	int rc;
	if (lock_open(self) < 0)
		return NULL;
	Py_BEGIN_ALLOW_THREADS
	hs_core_drain(self->feed->core);
	rc = hsfeed_stream_seek(self->feed->stream, options, &value, &error);
	Py_END_ALLOW_THREADS
	hs_core_unlock(self->feed->core);
	if (rc == 0)
		self->lost = false;
	return hs_py_answer(rc, value, &error);
}

static PyObject *stream_seek(PyObject *object, PyObject *args, PyObject *kwargs)
{
	struct hsfeed_seek_options options;
	PyObject *rows;
	Py_buffer buffer = {0};
	if (read_place(args, kwargs, "O|OOO:seek", &options, &rows) < 0 ||
	    (rows != Py_None && hs_py_rows(rows, &buffer, &options.rows, &options.nrows) < 0))
		return NULL;
	PyObject *answer = seek((struct stream *)object, &options);
	if (buffer.obj)
		PyBuffer_Release(&buffer);
	return answer;
}

static PyObject *stream_seek_ahead(PyObject *object, PyObject *args, PyObject *kwargs)
{
	struct stream *self = (struct stream *)object;
	struct hsfeed_seek_options options;
	PyObject *rows;
	if (read_place(args, kwargs, "O|OOO:seek_ahead", &options, &rows) < 0)
		return NULL;
	if (rows != Py_None)
		return PyErr_Format(PyExc_TypeError, "seek_ahead() takes no rows");
	if (lock_open(self) < 0)
		return NULL;
	struct hsfeed_error error;
	int rc;
	Py_BEGIN_ALLOW_THREADS
	hs_core_drain(self->feed->core);
	rc = hsfeed_stream_seek_ahead(self->feed->stream, &options, &error);
	Py_END_ALLOW_THREADS
	hs_core_unlock(self->feed->core);
	return hs_py_answer(rc, NULL, &error);
}

static PyObject *stream_close(PyObject *object, PyObject *unused)
{
	(void)unused;
	struct hs_feed *feed = ((struct stream *)object)->feed;
	if (atomic_load(&feed->closed))
		Py_RETURN_NONE;
	if (!hs_core_forked(feed->core)) {
		if (hs_py_lock(feed->core) < 0)
			return NULL;
	} else if (!hs_core_try_lock(feed->core)) {
		Py_RETURN_NONE;
	}
	hs_feed_close(feed);
	hs_core_unlock(feed->core);
	Py_RETURN_NONE;
}

// ---- slots that are given back by hand ----

static PyObject *stream_set_auto_release(PyObject *object, PyObject *value)
{
	struct stream *self = (struct stream *)object;
	int on = PyObject_IsTrue(value);
	if (on < 0 || lock_open(self) < 0)
		return NULL;
	hs_core_drain(self->feed->core);
	self->feed->auto_release = on;
	while (on && self->feed->waiting)
		hs_feed_give_back(self->feed, self->feed->waiting->number);
	hs_core_unlock(self->feed->core);
	Py_RETURN_NONE;
}

static PyObject *stream_take_returned(PyObject *object, PyObject *unused)
{
	(void)unused;
	struct hs_feed *feed = ((struct stream *)object)->feed;
	unsigned numbers[HS_EXT_MAX_SLOTS], n = 0;
	if (lock_open((struct stream *)object) < 0)
		return NULL;
	hs_core_drain(feed->core);
	for (struct hs_hold *hold = feed->waiting; hold && n < HS_EXT_MAX_SLOTS; hold = hold->next) {
		if (!hold->told)
			numbers[n++] = hold->number;
		hold->told = true;
	}
	hs_core_unlock(feed->core);
	PyObject *list = PyList_New((Py_ssize_t)n);
	for (unsigned i = 0; list && i < n; i++) {
		PyObject *number = PyLong_FromUnsignedLong(numbers[i]);
		if (!number || PyList_SetItem(list, (Py_ssize_t)i, number) < 0)
			Py_CLEAR(list);
	}
	return list;
}

static int read_numbers(PyObject *slots, unsigned *ret, Py_ssize_t *ret_n)
{
	PyObject *list = PySequence_List(slots);
	Py_ssize_t n = list ? PyList_Size(list) : 0;
	if (n > HS_EXT_MAX_SLOTS)
		PyErr_SetString(PyExc_ValueError, "give_back: more slots than a stream has");
	for (Py_ssize_t i = 0; i < n && !PyErr_Occurred(); i++) {
		unsigned long number = PyLong_AsUnsignedLong(PyList_GetItem(list, i));
		ret[i] = number > UINT32_MAX ? UINT32_MAX : (unsigned)number;
	}
	*ret_n = n;
	Py_XDECREF(list);
	return PyErr_Occurred() ? -1 : 0;
}

static PyObject *stream_give_back(PyObject *object, PyObject *slots)
{
	struct stream *self = (struct stream *)object;
	unsigned numbers[HS_EXT_MAX_SLOTS], wrong = 0;
	Py_ssize_t n;
	if (read_numbers(slots, numbers, &n) < 0 || lock_open(self) < 0)
		return NULL;
	hs_core_drain(self->feed->core);
	for (Py_ssize_t i = 0; i < n; i++)
		wrong += !hs_feed_give_back(self->feed, numbers[i]);
	hs_core_unlock(self->feed->core);
	if (wrong)
		return PyErr_Format(PyExc_ValueError, "give_back: %u of these slots wait for nothing", wrong);
	Py_RETURN_NONE;
}

// ---- configure ----

static int array_bits(struct stream *self, PyObject *names, uint64_t *ret)
{
	PyObject *list = PySequence_List(names);
	uint64_t bits = 0;
	for (Py_ssize_t i = 0; list && i < PyList_Size(list); i++) {
		for (size_t k = 0; k < self->narrays; k++) {
			int same = PyObject_RichCompareBool(PyList_GetItem(list, i), self->names[k], Py_EQ);
			bits |= (uint64_t)(same > 0) << k;
		}
	}
	Py_XDECREF(list);
	*ret = bits;
	return list && !PyErr_Occurred() ? 0 : -1;
}

static void replace(PyObject **to, PyObject *by)
{
	PyObject *old = *to;
	*to = by == Py_None || !by ? NULL : Py_NewRef(by);
	Py_XDECREF(old);
}

// The arrays whose tensors somebody else makes, of capsules. NULL: none.
static int set_lazy(struct stream *self, PyObject *names)
{
	uint64_t bits = 0;
	if (names && array_bits(self, names, &bits) < 0)
		return -1;
	for (size_t i = 0; i < self->narrays; i++) {
		replace(&self->lazy[i], NULL);
		if (!(bits >> i & 1))
			continue;
		self->lazy[i] = PyUnicode_FromFormat("_%U", self->names[i]);
		if (!self->lazy[i])
			return -1;
		PyUnicode_InternInPlace(&self->lazy[i]);
	}
	return 0;
}

static int check_makers(PyObject *batch_type, PyObject *from_dlpack, PyObject *on_copies)
{
	if (!PyType_Check(batch_type) || !PyType_IsSubtype((PyTypeObject *)batch_type, &PyDict_Type) ||
	    batch_type == (PyObject *)&PyDict_Type)
		PyErr_SetString(PyExc_TypeError, "batch_type must be a subclass of dict");
	else if (!PyCallable_Check(from_dlpack))
		PyErr_SetString(PyExc_TypeError, "from_dlpack must be callable");
	else if (on_copies != Py_None && !PyCallable_Check(on_copies))
		PyErr_SetString(PyExc_TypeError, "on_copies must be callable or None");
	else
		return 0;
	return -1;
}

static PyObject *stream_configure(PyObject *object, PyObject *args, PyObject *kwargs)
{
	static char *names[] = {"batch_type",   "from_dlpack", "copied", "unkeyed",
				"auto_release", "on_copies",   "lazy",   NULL};
	struct stream *self = (struct stream *)object;
	PyObject *batch_type, *from_dlpack, *copied = NULL, *unkeyed = NULL, *lazy = NULL;
	PyObject *on_copies = Py_None, *automatic = Py_True;
	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OOOOO:configure", names, &batch_type, &from_dlpack, &copied,
					 &unkeyed, &automatic, &on_copies, &lazy) ||
	    check_makers(batch_type, from_dlpack, on_copies) < 0)
		return NULL;
	PyObject *labels = Py_BuildValue("(s)", "labels"), *index = Py_BuildValue("(s)", "index");
	int rc = labels && index ? 0 : -1;
	if (rc == 0)
		rc = array_bits(self, copied ? copied : labels, &self->copied);
	if (rc == 0)
		rc = array_bits(self, unkeyed ? unkeyed : index, &self->unkeyed);
	if (rc == 0)
		rc = set_lazy(self, lazy);
	Py_XDECREF(labels);
	Py_XDECREF(index);
	if (rc < 0)
		return NULL;
	replace(&self->batch_type, batch_type);
	replace(&self->from_dlpack, from_dlpack);
	replace(&self->on_copies, on_copies);
	return stream_set_auto_release(object, automatic);
}

// Of two streams with the same arrays.
void hs_py_stream_configure_as(PyObject *object, PyObject *other)
{
	struct stream *to = (struct stream *)object;
	const struct stream *from = (const struct stream *)other;
	replace(&to->batch_type, from->batch_type);
	replace(&to->from_dlpack, from->from_dlpack);
	replace(&to->on_copies, from->on_copies);
	for (size_t i = 0; i < to->narrays; i++)
		replace(&to->lazy[i], from->lazy[i]);
	to->copied = from->copied;
	to->unkeyed = from->unkeyed;
	to->feed->auto_release = from->feed->auto_release;
}

struct hs_feed *hs_py_stream_feed(PyObject *object)
{
	if (!PyObject_TypeCheck(object, stream_type)) {
		PyErr_Format(PyExc_TypeError, "a Stream is needed, not %R", Py_TYPE(object));
		return NULL;
	}
	struct stream *self = (struct stream *)object;
	if (self->lost)
		hs_py_raise_code(HSFEED_EBADARG,
				 "a batch was lost when it was made into tensors: where to go on is not known");
	return self->lost ? NULL : self->feed;
}

// ---- life ----

static int read_names(struct stream *self)
{
	PyObject *arrays = PyDict_GetItemString(self->info, "arrays"); // borrowed, and a list: the library has checked
	for (size_t i = 0; i < self->feed->narrays; i++) {
		PyObject *name = PyDict_GetItemString(PyList_GetItem(arrays, (Py_ssize_t)i), "name");
		if (!name)
			return -1;
		self->names[i] = Py_NewRef(name);
		PyUnicode_InternInPlace(&self->names[i]);
		self->narrays++;
	}
	return 0;
}

PyObject *hs_py_stream_new(PyObject *client, struct hs_feed *feed, PyObject *info)
{
	struct stream *self = (struct stream *)PyType_GenericAlloc(stream_type, 0);
	if (!self) {
		hs_feed_drop(feed);
		return NULL;
	}
	self->client = Py_NewRef(client);
	self->feed = feed;
	self->info = Py_NewRef(info);
	if (read_names(self) == 0)
		return (PyObject *)self;
	Py_DECREF(self);
	return hs_py_raise_code(HSFEED_EBADFRAME, "the daemon opened a stream whose arrays have no names");
}

static int stream_clear(PyObject *object)
{
	struct stream *self = (struct stream *)object;
	Py_CLEAR(self->client);
	Py_CLEAR(self->batch_type);
	Py_CLEAR(self->from_dlpack);
	Py_CLEAR(self->on_copies);
	return 0;
}

static void stream_dealloc(PyObject *object)
{
	struct stream *self = (struct stream *)object;
	PyTypeObject *type = Py_TYPE(object);
	PyObject_GC_UnTrack(object);
	if (self->feed)
		hs_feed_drop(self->feed);
	stream_clear(object);
	Py_CLEAR(self->info);
	for (size_t i = 0; i < self->narrays; i++) {
		Py_CLEAR(self->names[i]);
		Py_CLEAR(self->lazy[i]);
	}
	PyObject_GC_Del(object);
	Py_DECREF(type);
}

static int stream_traverse(PyObject *object, visitproc visit, void *arg)
{
	struct stream *self = (struct stream *)object;
	Py_VISIT(Py_TYPE(object));
	Py_VISIT(self->client);
	Py_VISIT(self->info);
	Py_VISIT(self->batch_type);
	Py_VISIT(self->from_dlpack);
	Py_VISIT(self->on_copies);
	return 0;
}

// ---- the type ----

static PyObject *stream_info(PyObject *object, void *unused)
{
	(void)unused;
	return Py_NewRef(((struct stream *)object)->info);
}

static PyObject *stream_transport(PyObject *object, void *unused)
{
	(void)unused;
	PyObject *transport = PyDict_GetItemString(((struct stream *)object)->info, "transport");
	return Py_NewRef(transport ? transport : Py_None);
}

static PyObject *stream_slots(PyObject *object, void *unused)
{
	(void)unused;
	return PyLong_FromUnsignedLong(((struct stream *)object)->feed->nslots);
}

static PyObject *stream_held(PyObject *object, void *unused)
{
	(void)unused;
	return PyLong_FromUnsignedLong(atomic_load(&((struct stream *)object)->feed->out));
}

static PyObject *stream_memory(PyObject *object, void *unused)
{
	(void)unused;
	struct hs_feed *feed = ((struct stream *)object)->feed;
	void *memory;
	size_t bytes;
	if (lock_open((struct stream *)object) < 0)
		return NULL;
	int there = hsfeed_stream_ring(feed->stream, &memory, &bytes);
	hs_core_unlock(feed->core);
	if (there)
		return Py_BuildValue("KK", (unsigned long long)(uintptr_t)memory, (unsigned long long)bytes);
	Py_RETURN_NONE;
}

static PyObject *stream_fileno(PyObject *object, PyObject *unused)
{
	(void)unused;
	struct hs_feed *feed = ((struct stream *)object)->feed;
	if (lock_open((struct stream *)object) < 0)
		return NULL;
	int fd = hsfeed_stream_fd(feed->stream);
	hs_core_unlock(feed->core);
	return PyLong_FromLong(fd);
}

#define KEYWORDS(f) ((PyCFunction)(void (*)(void))(f)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
	{"configure", KEYWORDS(stream_configure),
	 "configure(batch_type, from_dlpack, copied=('labels',), unkeyed=('index',), auto_release=True, "
	 "on_copies=None, lazy=())"},
	{"next", (PyCFunction)(void (*)(void))stream_next, METH_FASTCALL | METH_KEYWORDS,
	 "next(timeout_ms=-1) -> batch, or None at the end of the epoch"},
	{"seek", KEYWORDS(stream_seek), "seek(epoch, at=0, seed=None, rows=None) -> dict"},
	{"seek_ahead", KEYWORDS(stream_seek_ahead),
	 "seek_ahead(epoch, at=0, seed=None): begins a seek, whose answer the next call waits for."},
	{"fileno", stream_fileno, METH_NOARGS, "fileno() -> int: to wait on for batches, never to read; -1 once lost."},
	{"close", stream_close, METH_NOARGS, "close(): tensors stay."},
	{"set_auto_release", stream_set_auto_release, METH_O, "set_auto_release(bool)"},
	{"take_returned", stream_take_returned, METH_NOARGS,
	 "take_returned() -> list of int: slots whose last tensor died, each told once"},
	{"give_back", stream_give_back, METH_O, "give_back(slots): they may be filled again."},
	{0},
};

static PyGetSetDef getters[] = {
	{"info", stream_info, NULL, "the daemon's answer to the opening", NULL},
	{"transport", stream_transport, NULL, "\"ring\" or \"inline\"", NULL},
	{"slots", stream_slots, NULL, "how many batches may be ahead or held", NULL},
	{"held", stream_held, NULL, "slots that tensors are over now", NULL},
	{"memory", stream_memory, NULL, "(address, bytes) of the memory of a ring's batches, or None", NULL},
	{0},
};

static PyType_Slot slots[] = {
	{Py_tp_doc, "One client's window on the batches of an epoch; Client.open makes it."},
	{Py_tp_dealloc, stream_dealloc},
	{Py_tp_traverse, stream_traverse},
	{Py_tp_clear, stream_clear},
	{Py_tp_methods, methods},
	{Py_tp_getset, getters},
	{0, NULL},
};

static PyType_Spec spec = {
	"hsfeed._hsfeed.Stream", sizeof(struct stream), 0,
	Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int hs_py_stream_init(PyObject *module)
{
	if (hs_py_batch_init() < 0)
		return -1;
	stream_type = (PyTypeObject *)PyType_FromSpec(&spec);
	return stream_type ? PyModule_AddObjectRef(module, "Stream", (PyObject *)stream_type) : -1;
}
