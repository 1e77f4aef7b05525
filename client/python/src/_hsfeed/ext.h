// SPDX-License-Identifier: Apache-2.0
// What the files of the extension module share that know Python. The layers within, lowest first:
//
//   core, feed, hold      no Python: the connection's mutex, slots that are lent, tensors over them (core.h)
//   error, convert        libhsfeed's errors and values as Python's, and back
//   options               dicts as option structs
//   client, stream, batch the two types, and what streams make
//   module                what the module has
#ifndef HS_EXT_EXT_H
#define HS_EXT_EXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdio.h>
#include <string.h>

#include "core.h"
#include "hsfeed.h"

// ---- error.c ----

PyObject *hs_py_set_error_factory(PyObject *module, PyObject *factory);
// hs_py_raise raises what the factory makes of an error, unless an exception is there already (a callback's, or a
// signal's: then the library only did as it was told). Returns NULL.
PyObject *hs_py_raise(const struct hsfeed_error *error);
// hs_py_raise_code raises an error of the extension's own. Returns NULL.
PyObject *hs_py_raise_code(int code, const char *sentence);

// ---- convert.c ----

// hs_py_value makes dict, list, str, int, float, bool, bytes or None; a new reference. NULL: an exception is set.
PyObject *hs_py_value(const hsfeed_value *value);
// hs_py_answer does so with what a call gave, and frees it: rc < 0 raises `error`.
PyObject *hs_py_answer(int rc, hsfeed_value *value, const struct hsfeed_error *error);
// hs_py_params fills params (an empty map) from a dict; None is left out. 0, or -1 with an exception.
int hs_py_params(PyObject *dict, hsfeed_params *params);

// ---- options.c ----

// An option struct made from a dict. What it points to lives until fini.
struct hs_py_options {
	PyObject *keep; // a list of whatever the struct borrows from
	Py_buffer data; // of the bytes to ingest or attach, or the stream's rows
	union {
		struct hsfeed_ingest_options ingest;
		struct hsfeed_stream_options stream;
		struct hsfeed_attach_options attach;
	} as;
};
// 0, or -1 with TypeError, ValueError or OverflowError that names the key. Fini is safe on a zeroed one.
int hs_py_ingest_options(PyObject *dict, struct hs_py_options *ret);
int hs_py_attach_options(PyObject *dict, struct hs_py_options *ret);
int hs_py_stream_options(PyObject *dict, struct hs_py_options *ret);
void hs_py_options_fini(struct hs_py_options *options);
// hs_py_rows borrows an array of int64, however few, from its buffer, which is the caller's to release. 0, or -1.
int hs_py_rows(PyObject *value, Py_buffer *ret_buffer, const int64_t **ret_rows, size_t *ret_n);

// ---- client.c ----

extern PyTypeObject *hs_py_client_type;
int hs_py_client_init(PyObject *module);
// hs_py_lock takes a connection for this thread, waiting without the GIL; signals are looked at. 0, or -1 with an
// exception: it is a fork's, in use by this very thread, or closed.
int hs_py_lock(struct hs_core *core);

// ---- stream.c ----

int hs_py_stream_init(PyObject *module);
// hs_py_stream_new makes a Stream of a freshly opened one, which it takes. `client` is kept alive.
PyObject *hs_py_stream_new(PyObject *client, struct hs_feed *feed, PyObject *info);
// hs_py_stream_feed gives a Stream's feed, to open it again; NULL: an exception is set. Borrowed.
struct hs_feed *hs_py_stream_feed(PyObject *object);
void hs_py_stream_configure_as(PyObject *object, PyObject *other);

#endif
