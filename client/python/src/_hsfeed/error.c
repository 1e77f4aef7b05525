// SPDX-License-Identifier: Apache-2.0
#include "ext.h"

static PyObject *factory; // f(number, name, message, hint) -> exception; NULL: RuntimeError

PyObject *hs_py_set_error_factory(PyObject *module, PyObject *given)
{
	(void)module;
	if (given != Py_None && !PyCallable_Check(given)) {
		PyErr_SetString(PyExc_TypeError, "the error factory must be callable or None");
		return NULL;
	}
	PyObject *old = factory;
	factory = given == Py_None ? NULL : Py_NewRef(given);
	Py_XDECREF(old);
	Py_RETURN_NONE;
}

static PyObject *text(const char *s)
{
	return PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "replace"); // a long sentence may end inside a letter
}

static PyObject *make(const struct hsfeed_error *error)
{
	PyObject *message = text(error->message), *hint = text(error->hint), *exception = NULL;
	if (message && hint && factory) {
		PyObject *f = Py_NewRef(factory);
		exception = PyObject_CallFunction(f, "isOO", error->code, error->name, message, hint);
		Py_DECREF(f);
	} else if (message && hint) {
		PyObject *whole = *error->hint ? PyUnicode_FromFormat("%U: %U", message, hint) : Py_NewRef(message);
		if (whole)
			exception = PyObject_CallFunctionObjArgs(PyExc_RuntimeError, whole, NULL);
		Py_XDECREF(whole);
	}
	Py_XDECREF(message);
	Py_XDECREF(hint);
	return exception;
}

PyObject *hs_py_raise(const struct hsfeed_error *error)
{
	if (PyErr_Occurred())
		return NULL;
	PyObject *exception = make(error);
	if (!exception)
		return NULL;
	if (PyExceptionInstance_Check(exception))
		PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
	else
		PyErr_SetString(PyExc_TypeError, "the error factory must return an exception");
	Py_DECREF(exception);
	return NULL;
}

PyObject *hs_py_raise_code(int code, const char *sentence)
{
	struct hsfeed_error error = {.code = code};
	snprintf(error.name, sizeof(error.name), "%s", hsfeed_error_name(code));
	snprintf(error.message, sizeof(error.message), "%s", sentence);
	return hs_py_raise(&error);
}
