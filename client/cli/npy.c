// SPDX-License-Identifier: Apache-2.0
// A .npy file is
//   "\x93NUMPY" | u8 major | u8 minor | u16 or (from 2.0) u32 length of the rest of the head, little-endian
//   a literal of Python's: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, spaces, a newline
//   the values
// Of the literal only what numpy writes is taken: these three keys, in any order.
#include "npy.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_DIMS 32

struct head {
	const char *p, *end;
	char descr[64];
	bool have_descr, have_order, have_shape, fortran;
	unsigned dims;
	uint64_t shape[MAX_DIMS];
};

static int wrong(struct npy *ret, const char *what, const char *hint)
{
	snprintf(ret->wrong, sizeof(ret->wrong), "%s", what);
	snprintf(ret->hint, sizeof(ret->hint), "%s", hint);
	return -1;
}

// ---- the literal ----

static void skip_space(struct head *h)
{
	while (h->p < h->end && (*h->p == ' ' || *h->p == '\n' || *h->p == '\t'))
		h->p++;
}

static bool take(struct head *h, char c)
{
	skip_space(h);
	if (h->p == h->end || *h->p != c)
		return false;
	h->p++;
	return true;
}

static bool take_word(struct head *h, const char *word)
{
	size_t len = strlen(word);
	skip_space(h);
	if ((size_t)(h->end - h->p) < len || memcmp(h->p, word, len) != 0)
		return false;
	h->p += len;
	return true;
}

// 'text' or "text", nothing escaped.
static bool take_string(struct head *h, char *ret, size_t cap)
{
	char quote = take(h, '\'') ? '\'' : take(h, '"') ? '"' : '\0';
	size_t n = 0;
	if (!quote)
		return false;
	while (h->p < h->end && *h->p != quote) {
		if (*h->p == '\\' || n + 1 == cap)
			return false;
		ret[n++] = *h->p++;
	}
	ret[n] = '\0';
	return take(h, quote);
}

static bool take_number(struct head *h, uint64_t *ret)
{
	skip_space(h);
	uint64_t n = 0;
	const char *first = h->p;
	for (; h->p < h->end && isdigit((unsigned char)*h->p); h->p++) {
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*h->p - '0'), &n))
			return false;
	}
	*ret = n;
	return h->p > first;
}

// (), (3,), (3, 4), (3, 4,)
static bool take_shape(struct head *h)
{
	if (!take(h, '('))
		return false;
	while (!take(h, ')')) {
		if (h->dims == MAX_DIMS || !take_number(h, &h->shape[h->dims++]))
			return false;
		bool comma = take(h, ',');
		if (!comma && (h->dims == 1 || !take(h, ')')))
			return false; // (3) is a number
		if (!comma)
			break;
	}
	return true;
}

static bool take_pair(struct head *h)
{
	char key[16];
	if (!take_string(h, key, sizeof(key)) || !take(h, ':'))
		return false;
	if (strcmp(key, "descr") == 0 && !h->have_descr) {
		h->have_descr = true;
		skip_space(h);
		if (h->p < h->end && *h->p == '[') { // a record's fields; whatever they are, no plain numbers
			snprintf(h->descr, sizeof(h->descr), "records");
			h->p = memchr(h->p, ']', (size_t)(h->end - h->p));
			return h->p && h->p++;
		}
		return take_string(h, h->descr, sizeof(h->descr));
	}
	if (strcmp(key, "fortran_order") == 0 && !h->have_order) {
		h->have_order = true;
		h->fortran = take_word(h, "True");
		return h->fortran || take_word(h, "False");
	}
	if (strcmp(key, "shape") == 0 && !h->have_shape) {
		h->have_shape = true;
		return take_shape(h);
	}
	return false;
}

static bool read_literal(struct head *h)
{
	if (!take(h, '{'))
		return false;
	while (!take(h, '}')) {
		if (!take_pair(h))
			return false;
		bool comma = take(h, ',');
		if (!comma && !take(h, '}'))
			return false;
		if (!comma)
			break;
	}
	skip_space(h);
	return h->p == h->end && h->have_descr && h->have_order && h->have_shape;
}

// ---- what it says ----

static int judge_type(const struct head *h, struct npy *ret)
{
	static const char *const types[][2] = {{"<f4", "float32"}, {"<f8", "float64"}, {"<f2", "float16"}};
	for (size_t i = 0; i < 3; i++) {
		if (strcmp(h->descr, types[i][0]) == 0) {
			ret->dtype = types[i][1];
			return 0;
		}
	}
	char what[160];
	snprintf(what, sizeof(what), "its numbers are of dtype %s; float32, float64 and float16 can be attached",
		 h->descr);
	return wrong(ret, what, "save array.astype('<f4')");
}

static int judge_shape(const struct head *h, struct npy *ret)
{
	char what[160];
	if (h->dims < 1 || h->dims > 2) {
		snprintf(what, sizeof(what), "it has %u dimensions; [rows] or [rows, columns] can be attached",
			 h->dims);
		return wrong(ret, what, "reshape it");
	}
	if (h->fortran && h->dims == 2)
		return wrong(ret, "its values are in Fortran order", "save numpy.ascontiguousarray(array)");
	ret->dims = h->dims;
	ret->shape[0] = h->shape[0];
	ret->shape[1] = h->dims == 2 ? h->shape[1] : 1;
	if (ret->shape[0] == 0 || ret->shape[1] == 0)
		return wrong(ret, "it holds no values", "");
	return 0;
}

static int explain_magic(const uint8_t *data, size_t len, struct npy *ret)
{
	static const char save[] = "save one array with numpy.save(FILE, array)";
	if (len >= 4 && memcmp(data, "PK\3\4", 4) == 0)
		return wrong(ret, "an archive (.npz, .pt), not a .npy file", save);
	if (len >= 1 && data[0] == 0x80)
		return wrong(ret, "a pickle, which is never read: it would run as a program", save);
	return wrong(ret, len == 0 ? "an empty file" : "not a .npy file", save);
}

int npy_parse(const uint8_t *data, size_t len, struct npy *ret)
{
	*ret = (struct npy){.dtype = NULL};
	if (len < 8 || memcmp(data, "\x93NUMPY", 6) != 0)
		return explain_magic(data, len, ret);
	unsigned major = data[6], start = major == 1 ? 10 : 12;
	if (major < 1 || major > 3 || data[7] != 0)
		return wrong(ret, "a .npy file of a version that is not known", "save it again with an older numpy");
	if (len < start)
		return wrong(ret, "its head is cut off", "");
	size_t head = (size_t)data[8] | (size_t)data[9] << 8;
	if (major > 1)
		head |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
	if (head > NPY_MAX_HEAD || head > len - start)
		return wrong(ret, head > NPY_MAX_HEAD ? "its head is too long" : "its head is cut off", "");
	struct head h = {.p = (const char *)data + start, .end = (const char *)data + start + head};
	if (!read_literal(&h))
		return wrong(ret, "its head is not what numpy writes", "save it again with numpy.save(FILE, array)");
	ret->offset = start + head;
	int rc = judge_type(&h, ret);
	return rc < 0 ? rc : judge_shape(&h, ret);
}
