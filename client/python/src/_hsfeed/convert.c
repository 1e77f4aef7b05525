// SPDX-License-Identifier: Apache-2.0
#include "ext.h"

// ---- libhsfeed's values as Python's ----

static PyObject *map_value(const hsfeed_value *map)
{
	PyObject *dict = PyDict_New();
	for (size_t i = 0; dict && i < hsfeed_value_len(map); i++) {
		PyObject *item = hs_py_value(hsfeed_value_at(map, i));
		if (!item || PyDict_SetItemString(dict, hsfeed_value_key(map, i), item) < 0)
			Py_CLEAR(dict);
		Py_XDECREF(item);
	}
	return dict;
}

static PyObject *array_value(const hsfeed_value *array)
{
	PyObject *list = PyList_New((Py_ssize_t)hsfeed_value_len(array));
	for (size_t i = 0; list && i < hsfeed_value_len(array); i++) {
		PyObject *item = hs_py_value(hsfeed_value_at(array, i));
		if (!item || PyList_SetItem(list, (Py_ssize_t)i, item) < 0) // steals item
			Py_CLEAR(list);
	}
	return list;
}

PyObject *hs_py_value(const hsfeed_value *v)
{
	size_t len = 0;
	switch (hsfeed_value_type(v)) {
	case HSFEED_NIL:
		break;
	case HSFEED_BOOL:
		return PyBool_FromLong(hsfeed_value_bool(v, 0));
	case HSFEED_INT:
		return PyLong_FromLongLong(hsfeed_value_int(v, 0));
	case HSFEED_UINT:
		return PyLong_FromUnsignedLongLong(hsfeed_value_uint(v, 0));
	case HSFEED_F64:
		return PyFloat_FromDouble(hsfeed_value_f64(v, 0));
	case HSFEED_STR: {
		const char *s = hsfeed_value_str(v, &len, "");
		return PyUnicode_DecodeUTF8(s, (Py_ssize_t)len, "strict");
	}
	case HSFEED_BIN: {
		const char *bytes = hsfeed_value_bin(v, &len);
		return PyBytes_FromStringAndSize(bytes, (Py_ssize_t)len);
	}
	case HSFEED_ARRAY:
		return array_value(v);
	case HSFEED_MAP:
		return map_value(v);
	}
	Py_RETURN_NONE;
}

PyObject *hs_py_answer(int rc, hsfeed_value *value, const struct hsfeed_error *error)
{
	if (rc < 0)
		return hs_py_raise(error);
	PyObject *answer = NULL;
	if (!PyErr_Occurred()) // a callback may have raised when the work was done already
		answer = hs_py_value(value);
	hsfeed_value_free(value);
	return answer;
}

// ---- Python's values as a request's ----

static int put(hsfeed_params *params, const char *key, PyObject *value);

static const char *plain_text(PyObject *text)
{
	Py_ssize_t len;
	const char *s = PyUnicode_AsUTF8AndSize(text, &len);
	if (s && strlen(s) != (size_t)len) {
		PyErr_SetString(PyExc_ValueError, "a text of a request must not have NUL characters");
		return NULL;
	}
	return s;
}

static int put_items(hsfeed_params *params, PyObject *dict)
{
	PyObject *items = PyDict_Items(dict); // a copy: conversions may run code that changes the dict
	if (!items)
		return -1;
	int rc = 0;
	for (Py_ssize_t i = 0; rc == 0 && i < PyList_Size(items); i++) {
		PyObject *pair = PyList_GetItem(items, i), *key = PyTuple_GetItem(pair, 0);
		const char *name = PyUnicode_Check(key) ? plain_text(key) : NULL;
		if (!name && !PyErr_Occurred())
			PyErr_SetString(PyExc_TypeError, "the keys of a request must be str");
		rc = name ? put(params, name, PyTuple_GetItem(pair, 1)) : -1;
	}
	Py_DECREF(items);
	return rc;
}

static int put_map(hsfeed_params *params, const char *key, PyObject *dict)
{
	hsfeed_params_map(params, key);
	int rc = put_items(params, dict);
	hsfeed_params_end(params);
	return rc;
}

static int put_sequence(hsfeed_params *params, const char *key, PyObject *sequence)
{
	PyObject *list = PySequence_List(sequence);
	if (!list)
		return -1;
	hsfeed_params_array(params, key);
	int rc = 0;
	for (Py_ssize_t i = 0; rc == 0 && i < PyList_Size(list); i++)
		rc = put(params, NULL, PyList_GetItem(list, i));
	hsfeed_params_end(params);
	Py_DECREF(list);
	return rc;
}

static int put_integer(hsfeed_params *params, const char *key, PyObject *value)
{
	PyObject *number = PyNumber_Index(value);
	if (!number)
		return -1;
	int overflow = 0;
	long long small = PyLong_AsLongLongAndOverflow(number, &overflow);
	if (overflow > 0) {
		unsigned long long large = PyLong_AsUnsignedLongLong(number);
		if (!PyErr_Occurred())
			hsfeed_params_uint(params, key, large);
	} else if (overflow < 0) {
		PyErr_SetString(PyExc_OverflowError, "an integer of a request must not be below -2^63");
	} else if (small < 0) {
		hsfeed_params_int(params, key, small);
	} else {
		hsfeed_params_uint(params, key, (unsigned long long)small);
	}
	Py_DECREF(number);
	return PyErr_Occurred() ? -1 : 0;
}

static int put_bytes(hsfeed_params *params, const char *key, PyObject *value)
{
	Py_buffer view;
	if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) < 0)
		return -1;
	hsfeed_params_bin(params, key, view.buf, (size_t)view.len);
	PyBuffer_Release(&view);
	return 0;
}

static int put_text(hsfeed_params *params, const char *key, PyObject *value)
{
	const char *s = plain_text(value);
	if (!s)
		return -1;
	hsfeed_params_str(params, key, s);
	return 0;
}

static int put_other(hsfeed_params *params, const char *key, PyObject *value)
{
	if (PyBool_Check(value))
		hsfeed_params_bool(params, key, value == Py_True);
	else if (PyFloat_Check(value))
		hsfeed_params_f64(params, key, PyFloat_AsDouble(value));
	else if (PyUnicode_Check(value))
		return put_text(params, key, value);
	else if (PyIndex_Check(value))
		return put_integer(params, key, value);
	else if (PyObject_CheckBuffer(value))
		return put_bytes(params, key, value);
	else
		return PyErr_Format(PyExc_TypeError, "a request cannot carry %R%s%s", Py_TYPE(value),
				    key ? " under the key " : "", key ? key : ""),
		       -1;
	return 0;
}

static int put(hsfeed_params *params, const char *key, PyObject *value)
{
	if (value == Py_None && key)
		return 0;
	if (Py_EnterRecursiveCall(" in a request"))
		return -1;
	int rc;
	if (PyDict_Check(value))
		rc = put_map(params, key, value);
	else if (PyList_Check(value) || PyTuple_Check(value))
		rc = put_sequence(params, key, value);
	else
		rc = put_other(params, key, value);
	Py_LeaveRecursiveCall();
	return rc;
}

int hs_py_params(PyObject *dict, hsfeed_params *params)
{
	if (PyDict_Check(dict))
		return put_items(params, dict);
	PyErr_Format(PyExc_TypeError, "a request's parameters must be a dict, not %R", Py_TYPE(dict));
	return -1;
}
