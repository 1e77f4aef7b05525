// SPDX-License-Identifier: Apache-2.0
// Dicts as libhsfeed's option structs: one table per struct. What a struct borrows from is kept in a list, so that
// nobody can take it away while the GIL is free.
#include <limits.h>

#include "ext.h"

enum kind {
	TEXT,
	PATH,
	UINT32,
	UINT64,
	REAL,   // double
	FLAG,   // int
	CHOICE, // enum hsfeed_choice, from a bool
	DTYPE,
	PADDING,  // a text, or a number as one
	TEXTS,    // `second` is where their number goes; None is TEXTS_NONE
	MAPS,     // structs of a table of their own; `second` is where their number goes
	MAP,      // one such struct
	BYTES,    // of the options' own buffer; `second` is where their number goes
	ROWS,     // int64 []; `second` is where their number goes
	NOT_FLAG, // int, 1 for False
	SIZE,     // a share as double, or rows as uint64_t: `second` is where these go
};

struct field {
	const char *key;
	enum kind kind;
	size_t offset;
	size_t second; // "has_..." or "n...": offset + 1; 0: none
	const struct table *table;
};

struct table {
	const char *what; // for sentences
	size_t bytes;     // of the struct, which begins with its size
	size_t nfields;
	const struct field *fields;
};

#define AT(member)     offsetof(struct STRUCT, member)
#define SECOND(member) (offsetof(struct STRUCT, member) + 1)
#define COUNT(fields)  (sizeof(fields) / sizeof((fields)[0]))

#define STRUCT hsfeed_tokenizer
static const struct field tokenizer_fields[] = {
	{"role", TEXT, AT(role), 0, NULL},           {"name", TEXT, AT(name), 0, NULL},
	{"folder", PATH, AT(folder), 0, NULL},       {"revision", TEXT, AT(revision), 0, NULL},
	{"normalize", TEXT, AT(normalize), 0, NULL},
};
static const struct table tokenizer = {"tokenizers", sizeof(struct STRUCT), COUNT(tokenizer_fields), tokenizer_fields};
#undef STRUCT

#define STRUCT hsfeed_ingest_options
static const struct field ingest_fields[] = {
	{"name", TEXT, AT(name), 0, NULL},
	{"path", PATH, AT(path), 0, NULL},
	{"data", BYTES, AT(data), SECOND(data_bytes), NULL},
	{"file_name", PATH, AT(file_name), 0, NULL},
	{"text_column", TEXT, AT(text_column), 0, NULL},
	{"labels", TEXTS, AT(labels), SECOND(nlabels), NULL},
	{"unlabelled", FLAG, AT(unlabelled), 0, NULL},
	{"delimiter", TEXT, AT(delimiter), 0, NULL},
	{"header", CHOICE, AT(header), 0, NULL},
	{"charset", TEXT, AT(charset), 0, NULL},
	{"na", TEXT, AT(na), 0, NULL},
	{"bad_rows", TEXT, AT(bad_rows), 0, NULL},
	{"clean", TEXTS, AT(clean), SECOND(nclean), NULL},
	{"drop_empty", FLAG, AT(drop_empty), 0, NULL},
	{"positive", TEXT, AT(positive), 0, NULL},
	{"label_type", TEXT, AT(label_type), 0, NULL},
	{"tokenizers", MAPS, AT(tokenizers), SECOND(ntokenizers), &tokenizer},
	{"timeout_ms", UINT32, AT(timeout_ms), 0, NULL},
};
static const struct table ingest = {"ingest", sizeof(struct STRUCT), COUNT(ingest_fields), ingest_fields};
#undef STRUCT

#define STRUCT hsfeed_attach_options
static const struct field attach_fields[] = {
	{"name", TEXT, AT(name), 0, NULL},         {"array", TEXT, AT(array), 0, NULL},
	{"path", PATH, AT(path), 0, NULL},         {"data", BYTES, AT(data), SECOND(data_bytes), NULL},
	{"offset", UINT64, AT(offset), 0, NULL},   {"file_name", PATH, AT(file_name), 0, NULL},
	{"dtype", TEXT, AT(dtype), 0, NULL},       {"rows", UINT64, AT(rows), 0, NULL},
	{"columns", UINT32, AT(columns), 0, NULL}, {"allow_nan", FLAG, AT(allow_nan), 0, NULL},
	{"replace", FLAG, AT(replace), 0, NULL},   {"timeout_ms", UINT32, AT(timeout_ms), 0, NULL},
};
static const struct table attach = {"attach", sizeof(struct STRUCT), COUNT(attach_fields), attach_fields};
#undef STRUCT

#define STRUCT hsfeed_plan
static const struct field plan_fields[] = {
	{"kind", TEXT, AT(kind), 0, NULL},
	{"folds", UINT32, AT(folds), 0, NULL},
	{"fold_seed", UINT32, AT(fold_seed), SECOND(has_fold_seed), NULL},
	{"shuffle", NOT_FLAG, AT(no_shuffle), 0, NULL},
	{"by", TEXTS, AT(by), SECOND(nby), NULL},
	{"group", TEXT, AT(group), 0, NULL},
	{"duplicates", REAL, AT(duplicates), 0, NULL},
	{"rule", TEXT, AT(rule), 0, NULL},
	{"column", TEXT, AT(column), 0, NULL},
	{"test_size", SIZE, AT(test_share), SECOND(test_rows), NULL},
	{"train_size", SIZE, AT(train_share), SECOND(train_rows), NULL},
	{"rows", TEXT, AT(rows), 0, NULL},
	{"name", TEXT, AT(name), 0, NULL},
};
static const struct table plan = {"plan", sizeof(struct STRUCT), COUNT(plan_fields), plan_fields};
#undef STRUCT

#define STRUCT hsfeed_stream_role
static const struct field role_fields[] = {
	{"role", TEXT, AT(role), 0, NULL},
	{"max_length", UINT32, AT(max_length), 0, NULL},
	{"encoding", TEXT, AT(encoding), 0, NULL},
};
static const struct table role = {"roles", sizeof(struct STRUCT), COUNT(role_fields), role_fields};
#undef STRUCT

#define STRUCT hsfeed_weight
static const struct field weight_fields[] = {
	{"label", TEXT, AT(label), 0, NULL},
	{"weight", REAL, AT(weight), 0, NULL},
};
static const struct table weight = {"weights", sizeof(struct STRUCT), COUNT(weight_fields), weight_fields};
#undef STRUCT

#define STRUCT hsfeed_stream_array
static const struct field array_fields[] = {
	{"array", TEXT, AT(array), 0, NULL},
	{"id", TEXT, AT(id), 0, NULL},
};
static const struct table array = {"arrays", sizeof(struct STRUCT), COUNT(array_fields), array_fields};
#undef STRUCT

#define STRUCT hsfeed_stream_options
static const struct field stream_fields[] = {
	{"name", TEXT, AT(name), 0, NULL},
	{"plan", MAP, AT(plan), 0, &plan},
	{"fold", UINT32, AT(fold), SECOND(has_fold), NULL},
	{"split", TEXT, AT(split), 0, NULL},
	{"order", TEXT, AT(order), 0, NULL},
	{"seed", UINT64, AT(seed), SECOND(has_seed), NULL},
	{"epoch", UINT64, AT(epoch), 0, NULL},
	{"at", UINT64, AT(at), 0, NULL},
	{"rank", UINT32, AT(rank), 0, NULL},
	{"world", UINT32, AT(world), 0, NULL},
	{"shard", TEXT, AT(shard), 0, NULL},
	{"batch_size", UINT32, AT(batch_size), 0, NULL},
	{"drop_last", FLAG, AT(drop_last), 0, NULL},
	{"max_length", UINT32, AT(max_length), 0, NULL},
	{"padding", PADDING, AT(padding), 0, NULL},
	{"dtype", DTYPE, AT(dtype), 0, NULL},
	{"token_type_ids", FLAG, AT(token_type_ids), 0, NULL},
	{"slots", UINT32, AT(slots), 0, NULL},
	{"roles", MAPS, AT(roles), SECOND(nroles), &role},
	{"transport", TEXT, AT(transport), 0, NULL},
	{"mask_rows", REAL, AT(mask_rows), 0, NULL},
	{"mask_prob", REAL, AT(mask_prob), 0, NULL},
	{"mask_seed", UINT64, AT(mask_seed), SECOND(has_mask_seed), NULL},
	{"mask_roles", TEXTS, AT(mask_roles), SECOND(nmask_roles), NULL},
	{"weights", MAPS, AT(weights), SECOND(nweights), &weight},
	{"rows", ROWS, AT(rows), SECOND(nrows), NULL},
	{"length_batch", UINT32, AT(length_batch), 0, NULL},
	{"arrays", MAPS, AT(arrays), SECOND(narrays), &array},
};
static const struct table stream = {"stream", sizeof(struct STRUCT), COUNT(stream_fields), stream_fields};
#undef STRUCT

// ---- values ----

static int fill(PyObject *dict, const struct table *table, void *ret, struct hs_py_options *options);

// Memory that lives as long as the options: a bytes object that nobody else sees.
static void *allocate(struct hs_py_options *options, size_t bytes)
{
	PyObject *memory = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bytes);
	int rc = memory ? PyList_Append(options->keep, memory) : -1;
	void *data = rc == 0 ? memset(PyBytes_AsString(memory), 0, bytes) : NULL;
	Py_XDECREF(memory);
	return data;
}

static const char *text_of(PyObject *value, const char *key, struct hs_py_options *options)
{
	Py_ssize_t len;
	if (!PyUnicode_Check(value))
		return PyErr_Format(PyExc_TypeError, "%s must be str, not %R", key, Py_TYPE(value)), NULL;
	const char *s = PyUnicode_AsUTF8AndSize(value, &len);
	if (!s || PyList_Append(options->keep, value) < 0)
		return NULL;
	if (strlen(s) != (size_t)len)
		return PyErr_Format(PyExc_ValueError, "%s must not have NUL characters", key), NULL;
	return s;
}

static const char *path_of(PyObject *value, struct hs_py_options *options)
{
	PyObject *bytes;
	if (!PyUnicode_FSConverter(value, &bytes)) // refuses NUL
		return NULL;
	int rc = PyList_Append(options->keep, bytes);
	const char *path = PyBytes_AsString(bytes);
	Py_DECREF(bytes);
	return rc == 0 ? path : NULL;
}

static const char *padding_of(PyObject *value, struct hs_py_options *options)
{
	if (PyUnicode_Check(value) || !PyIndex_Check(value) || PyBool_Check(value))
		return text_of(value, "padding", options);
	PyObject *number = PyNumber_Index(value), *text = number ? PyObject_Str(number) : NULL;
	const char *s = text ? text_of(text, "padding", options) : NULL;
	Py_XDECREF(number);
	Py_XDECREF(text);
	return s;
}

static unsigned long long number_of(PyObject *value, const char *key, unsigned long long most)
{
	PyObject *number = PyNumber_Index(value);
	unsigned long long n = number ? PyLong_AsUnsignedLongLong(number) : 0;
	bool wrong_type = !number && PyErr_ExceptionMatches(PyExc_TypeError);
	Py_XDECREF(number);
	if (wrong_type)
		PyErr_Format(PyExc_TypeError, "%s must be int, not %R", key, Py_TYPE(value));
	else if (PyErr_Occurred() || n > most)
		PyErr_Format(PyExc_OverflowError, "%s must be from 0 to %llu, not %R", key, most, value);
	return n;
}

static double real_of(PyObject *value, const char *key)
{
	double real = PyBool_Check(value) ? -1 : PyFloat_AsDouble(value);
	if (PyBool_Check(value) || (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_TypeError)))
		PyErr_Format(PyExc_TypeError, "%s must be a number, not %R", key, Py_TYPE(value));
	return real;
}

static enum hsfeed_dtype dtype_of(PyObject *value, struct hs_py_options *options)
{
	const char *name = text_of(value, "dtype", options);
	for (enum hsfeed_dtype d = HSFEED_INT64; name && d <= HSFEED_INT32; d++) {
		if (strcmp(name, hsfeed_dtype_name(d)) == 0)
			return d;
	}
	if (name)
		PyErr_Format(PyExc_ValueError, "dtype must be \"int64\" or \"int32\", not %R", value);
	return 0;
}

static void fill_texts(PyObject *value, const struct field *f, char *base, struct hs_py_options *options)
{
	if (PyUnicode_Check(value)) {
		PyErr_Format(PyExc_TypeError, "%s must be a list of str, not one str", f->key);
		return;
	}
	PyObject *list = PySequence_List(value);
	size_t n = list ? (size_t)PyList_Size(list) : 0;
	const char **texts = list ? allocate(options, (n + 1) * sizeof(*texts)) : NULL;
	for (size_t i = 0; texts && i < n; i++) {
		texts[i] = text_of(PyList_GetItem(list, (Py_ssize_t)i), f->key, options);
		if (!texts[i])
			texts = NULL;
	}
	Py_XDECREF(list);
	if (!texts)
		return;
	*(const char ***)(void *)(base + f->offset) = texts;
	*(size_t *)(void *)(base + f->second - 1) = n;
}

static void *map_of(PyObject *value, const struct table *table, struct hs_py_options *options)
{
	void *map = allocate(options, table->bytes);
	return map && fill(value, table, map, options) == 0 ? map : NULL;
}

static void fill_maps(PyObject *value, const struct field *f, char *base, struct hs_py_options *options)
{
	PyObject *list = PySequence_List(value);
	size_t n = list ? (size_t)PyList_Size(list) : 0;
	char *maps = list ? allocate(options, n * f->table->bytes + 1) : NULL;
	for (size_t i = 0; maps && i < n; i++) {
		if (fill(PyList_GetItem(list, (Py_ssize_t)i), f->table, maps + i * f->table->bytes, options) < 0)
			maps = NULL;
	}
	Py_XDECREF(list);
	if (!maps)
		return;
	*(void **)(void *)(base + f->offset) = maps;
	*(size_t *)(void *)(base + f->second - 1) = n;
}

static void fill_bytes(PyObject *value, const struct field *f, char *base, struct hs_py_options *options)
{
	if (PyUnicode_Check(value)) {
		PyErr_SetString(PyExc_TypeError, "data must be bytes, not str: encode it");
		return;
	}
	if (PyObject_GetBuffer(value, &options->data, PyBUF_SIMPLE) < 0)
		return;
	*(const void **)(void *)(base + f->offset) = options->data.buf ? options->data.buf : "";
	*(size_t *)(void *)(base + f->second - 1) = (size_t)options->data.len;
}

int hs_py_rows(PyObject *value, Py_buffer *ret_buffer, const int64_t **ret_rows, size_t *ret_n)
{
	static const int64_t none;
	if (PyObject_GetBuffer(value, ret_buffer, PyBUF_SIMPLE) < 0)
		return -1;
	if ((size_t)ret_buffer->len % sizeof(int64_t) || (uintptr_t)ret_buffer->buf % sizeof(int64_t)) {
		PyBuffer_Release(ret_buffer);
		PyErr_SetString(PyExc_ValueError, "rows must be an array of int64");
		return -1;
	}
	*ret_rows = ret_buffer->len ? ret_buffer->buf : &none;
	*ret_n = (size_t)ret_buffer->len / sizeof(int64_t);
	return 0;
}

// ---- fields ----

static void fill_text(PyObject *value, const struct field *f, const char **to, struct hs_py_options *options)
{
	const char *s = f->kind == PATH      ? path_of(value, options)
			: f->kind == PADDING ? padding_of(value, options)
					     : text_of(value, f->key, options);
	if (s)
		*to = s;
}

static void fill_number(PyObject *value, const struct field *f, char *base)
{
	void *to = base + f->offset;
	if (f->kind == UINT64)
		*(uint64_t *)to = number_of(value, f->key, UINT64_MAX);
	else
		*(uint32_t *)to = (uint32_t)number_of(value, f->key, UINT32_MAX);
	if (f->second)
		*(int *)(void *)(base + f->second - 1) = 1;
}

// By the type, as train_test_split tells them apart.
static void fill_size(PyObject *value, const struct field *f, char *base)
{
	if (PyFloat_Check(value))
		*(double *)(void *)(base + f->offset) = real_of(value, f->key);
	else
		*(uint64_t *)(void *)(base + f->second - 1) = number_of(value, f->key, INT64_MAX);
}

static void fill_truth(PyObject *value, const struct field *f, char *base)
{
	int truth = PyObject_IsTrue(value);
	void *to = base + f->offset;
	if (truth < 0)
		return;
	if (f->kind == CHOICE)
		*(enum hsfeed_choice *)to = truth ? HSFEED_YES : HSFEED_NO;
	else
		*(int *)to = f->kind == NOT_FLAG ? !truth : truth;
}

static int fill_field(PyObject *value, const struct field *f, char *base, struct hs_py_options *options)
{
	void *to = base + f->offset;
	switch (f->kind) {
	case TEXT:
	case PATH:
	case PADDING:
		fill_text(value, f, to, options);
		break;
	case UINT32:
	case UINT64:
		fill_number(value, f, base);
		break;
	case REAL:
		*(double *)to = real_of(value, f->key);
		break;
	case FLAG:
	case NOT_FLAG:
	case CHOICE:
		fill_truth(value, f, base);
		break;
	case SIZE:
		fill_size(value, f, base);
		break;
	case DTYPE:
		*(enum hsfeed_dtype *)to = dtype_of(value, options);
		break;
	case TEXTS:
		fill_texts(value, f, base, options);
		break;
	case MAPS:
		fill_maps(value, f, base, options);
		break;
	case MAP:
		*(void **)to = map_of(value, f->table, options);
		break;
	case BYTES:
		fill_bytes(value, f, base, options);
		break;
	case ROWS:
		hs_py_rows(value, &options->data, to, (size_t *)(void *)(base + f->second - 1));
		break;
	}
	return PyErr_Occurred() ? -1 : 0;
}

static const struct field *find(const struct table *table, PyObject *key)
{
	for (size_t i = 0; PyUnicode_Check(key) && i < table->nfields; i++) {
		if (PyUnicode_CompareWithASCIIString(key, table->fields[i].key) == 0)
			return &table->fields[i];
	}
	PyErr_Format(PyExc_TypeError, "%s: the option %R is not known", table->what, key);
	return NULL;
}

// "labels" is the one option whose None says something: that there are none.
static void fill_none(const struct field *f, void *base)
{
	if (strcmp(f->key, "labels") == 0)
		((struct hsfeed_ingest_options *)base)->unlabelled = 1;
}

static int fill(PyObject *dict, const struct table *table, void *ret, struct hs_py_options *options)
{
	if (!PyDict_Check(dict)) {
		PyErr_Format(PyExc_TypeError, "%s: a dict is needed, not %R", table->what, Py_TYPE(dict));
		return -1;
	}
	PyObject *items = PyDict_Items(dict); // a copy: conversions may run code that changes the dict
	int rc = items ? 0 : -1;
	*(size_t *)ret = table->bytes;
	for (Py_ssize_t i = 0; rc == 0 && i < PyList_Size(items); i++) {
		PyObject *pair = PyList_GetItem(items, i), *value = PyTuple_GetItem(pair, 1);
		const struct field *f = find(table, PyTuple_GetItem(pair, 0));
		if (!f)
			rc = -1;
		else if (value == Py_None)
			fill_none(f, ret);
		else
			rc = fill_field(value, f, ret, options);
	}
	Py_XDECREF(items);
	return rc;
}

int hs_py_ingest_options(PyObject *dict, struct hs_py_options *ret)
{
	ret->keep = PyList_New(0);
	if (!ret->keep)
		return -1;
	int rc = fill(dict, &ingest, &ret->as.ingest, ret);
	if (rc == 0 && ret->as.ingest.labels && ret->as.ingest.nlabels == 0)
		ret->as.ingest.unlabelled = 1;
	return rc;
}

int hs_py_attach_options(PyObject *dict, struct hs_py_options *ret)
{
	ret->keep = PyList_New(0);
	return ret->keep ? fill(dict, &attach, &ret->as.attach, ret) : -1;
}

int hs_py_stream_options(PyObject *dict, struct hs_py_options *ret)
{
	ret->keep = PyList_New(0);
	return ret->keep ? fill(dict, &stream, &ret->as.stream, ret) : -1;
}

void hs_py_options_fini(struct hs_py_options *options)
{
	if (options->data.obj)
		PyBuffer_Release(&options->data);
	Py_CLEAR(options->keep);
}
