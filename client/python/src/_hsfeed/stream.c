// SPDX-License-Identifier: Apache-2.0
#include "ext.h"
int hs_py_stream_init(PyObject *module) { (void)module; return 0; }
PyObject *hs_py_stream_new(PyObject *client, struct hs_feed *feed, PyObject *info)
{
	(void)client; (void)info; hs_feed_drop(feed);
	return PyErr_Format(PyExc_NotImplementedError, "soon");
}
