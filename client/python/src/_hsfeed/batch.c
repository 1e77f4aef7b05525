// SPDX-License-Identifier: Apache-2.0
// A batch as a dict of tensors with attributes. This runs for every batch of every epoch: beside batch_type() and
// from_dlpack(), nothing of it runs Python code, looks a name up or makes a string.
#include "stream.h"

// The attributes that every batch has.
enum { NUMBER, EPOCH, POSITION, ROWS, COPIED, NATTRIBUTES };
static const char *const attribute_names[NATTRIBUTES] = {"number", "epoch", "at", "rows", "copied"};
static PyObject *attributes[NATTRIBUTES]; // interned

int hs_py_batch_init(void)
{
	for (int i = 0; i < NATTRIBUTES; i++) {
		attributes[i] = PyUnicode_InternFromString(attribute_names[i]);
		if (!attributes[i])
			return -1;
	}
	return 0;
}

// A capsule that nobody took over lets go of its tensor.
static void on_capsule_end(PyObject *capsule)
{
	if (!PyCapsule_IsValid(capsule, HS_DL_CAPSULE))
		return;
	struct hs_dl_managed *tensor = PyCapsule_GetPointer(capsule, HS_DL_CAPSULE);
	tensor->deleter(tensor);
}

static PyObject *make_capsule(struct hs_parcel *parcel, size_t i)
{
	PyObject *capsule = PyCapsule_New(&parcel->tensors[i]->dl, HS_DL_CAPSULE, on_capsule_end);
	if (capsule)
		parcel->tensors[i] = NULL; // the capsule's
	return capsule;
}

static PyObject *make_tensor(PyObject *from_dlpack, struct hs_parcel *parcel, size_t i)
{
	PyObject *capsule = make_capsule(parcel, i);
	if (!capsule)
		return NULL;
	PyObject *made = PyObject_CallFunctionObjArgs(from_dlpack, capsule, NULL);
	Py_DECREF(capsule);
	return made;
}

static int put_array(struct stream *self, PyObject *from_dlpack, PyObject *batch, struct hs_parcel *parcel, size_t i)
{
	bool lazy = self->lazy[i] != NULL;
	PyObject *made = lazy ? make_capsule(parcel, i) : make_tensor(from_dlpack, parcel, i);
	if (!made)
		return -1;
	int rc;
	if (lazy)
		rc = PyObject_SetAttr(batch, self->lazy[i], made);
	else if (self->unkeyed >> i & 1)
		rc = PyObject_SetAttr(batch, self->names[i], made);
	else
		rc = PyDict_SetItem(batch, self->names[i], made);
	Py_DECREF(made);
	return rc;
}

static int put_arrays(struct stream *self, PyObject *from_dlpack, PyObject *batch, struct hs_parcel *parcel)
{
	for (size_t i = 0; i < parcel->narrays; i++) {
		if (put_array(self, from_dlpack, batch, parcel, i) < 0)
			return -1;
	}
	return 0;
}

static int put_number(PyObject *batch, int attribute, uint64_t n)
{
	PyObject *number = PyLong_FromUnsignedLongLong(n);
	int rc = number ? PyObject_SetAttr(batch, attributes[attribute], number) : -1;
	Py_XDECREF(number);
	return rc;
}

static int put_attributes(PyObject *batch, const struct hs_parcel *parcel)
{
	if (put_number(batch, NUMBER, parcel->number) < 0 || put_number(batch, EPOCH, parcel->epoch) < 0 ||
	    put_number(batch, POSITION, parcel->at) < 0 || put_number(batch, ROWS, parcel->rows) < 0)
		return -1;
	return PyObject_SetAttr(batch, attributes[COPIED], parcel->copied ? Py_True : Py_False);
}

static int tell_of_copies(struct stream *self)
{
	PyObject *f = self->on_copies;
	self->on_copies = NULL;
	PyObject *said = PyObject_CallFunctionObjArgs(f, NULL);
	Py_DECREF(f);
	Py_XDECREF(said);
	return said ? 0 : -1;
}

PyObject *hs_py_batch_make(struct stream *self, struct hs_parcel *parcel)
{
	PyObject *batch_type = Py_NewRef(self->batch_type), *from_dlpack = Py_NewRef(self->from_dlpack);
	PyObject *batch = PyObject_CallNoArgs(batch_type);
	if (batch && (put_arrays(self, from_dlpack, batch, parcel) < 0 || put_attributes(batch, parcel) < 0 ||
		      (parcel->copied && self->on_copies && tell_of_copies(self) < 0)))
		Py_CLEAR(batch);
	hs_parcel_unpack(parcel, 0); // what no tensor took
	Py_DECREF(batch_type);
	Py_DECREF(from_dlpack);
	if (!batch)
		self->lost = true;
	return batch;
}
