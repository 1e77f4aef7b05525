// SPDX-License-Identifier: Apache-2.0
// The extension module hsfeed._hsfeed: libhsfeed for Python, and batches as tensors over its memory.
#include "ext.h"

static PyObject *version(PyObject *module, PyObject *unused)
{
	(void)module;
	(void)unused;
	return PyUnicode_FromString(hsfeed_version());
}

static PyObject *errors(PyObject *module, PyObject *unused)
{
	(void)module;
	(void)unused;
	PyObject *dict = PyDict_New();
	static const struct {
		int code;
		const char *name;
	} table[] = {
#define ROW(symbol, name, number, sentence) {number, name},
		HSFEED_ERRORS(ROW)
#undef ROW
	};
	for (size_t i = 0; dict && i < sizeof(table) / sizeof(table[0]); i++) {
		PyObject *number = PyLong_FromLong(table[i].code);
		if (!number || PyDict_SetItemString(dict, table[i].name, number) < 0)
			Py_CLEAR(dict);
		Py_XDECREF(number);
	}
	return dict;
}

static PyMethodDef methods[] = {
	{"version", version, METH_NOARGS, "version() -> str: libhsfeed's."},
	{"errors", errors, METH_NOARGS, "errors() -> dict: the number of each error's name."},
	{"set_error_factory", hs_py_set_error_factory, METH_O,
	 "set_error_factory(f): f(number, name, message, hint) makes every error's exception; None: RuntimeError."},
	{0},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "hsfeed._hsfeed",
	.m_doc = "libhsfeed for Python: connections, and batches as tensors over its memory.",
	.m_size = -1, // one interpreter
	.m_methods = methods,
};

PyMODINIT_FUNC PyInit__hsfeed(void);

PyMODINIT_FUNC PyInit__hsfeed(void)
{
	PyObject *module = PyModule_Create(&definition);
	if (module && (PyModule_AddObjectRef(module, "Capsule", (PyObject *)&PyCapsule_Type) < 0 ||
		       hs_py_client_init(module) < 0 || hs_py_stream_init(module) < 0))
		Py_CLEAR(module);
	return module;
}
