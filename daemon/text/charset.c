// SPDX-License-Identifier: Apache-2.0
#include "text/charset.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "text/csv.h"
#include "text/scan.h"

#define CONVERT_AT_ONCE ((size_t)64 << 10)

struct kind {
	const char *magic;
	size_t len;
	const char *what, *hint;
};

#define KIND(bytes, what, hint)                                                                                        \
	{                                                                                                              \
		bytes, sizeof(bytes) - 1, what, hint                                                                   \
	}

static const char unpack[] = "unpack it first, and give the file inside";
static const char export[] =
	"export it as CSV with UTF-8 text, for example with pandas: to_csv(\"data.csv\", index=False)";

// Files that people give by mistake. All of these begin in a way that no text does, save the last two.
static const struct kind kinds[] = {
	KIND("PK\x03\x04", "a ZIP file (an .xlsx workbook is one), not CSV",
	     "save the sheet as \"CSV UTF-8\", or unpack the file first"),
	KIND("PK\x05\x06", "an empty ZIP file, not CSV", unpack),
	KIND("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old Excel workbook (.xls), not CSV",
	     "save the sheet as \"CSV UTF-8\""),
	KIND("\x1F\x8B", "a gzip file, not CSV", unpack),
	KIND("\x28\xB5\x2F\xFD", "a zstd file, not CSV", unpack),
	KIND("\xFD\x37zXZ\0", "an xz file, not CSV", unpack),
	KIND("ARROW1\0\0", "an Arrow file, not CSV", export),
	KIND("\x89HDF\r\n\x1A\n", "an HDF5 file, not CSV", export),
	KIND("SQLite format 3\0", "an SQLite database, not CSV", export),
	KIND("\x93NUMPY", "a NumPy array file, not CSV", export),
	KIND("\x80\x04\x95", "a Python pickle, not CSV", export),
	KIND("\x80\x05\x95", "a Python pickle, not CSV", export),
	KIND("%PDF-1.", "a PDF file, not CSV", "export the table as CSV with UTF-8 text"),
	KIND("version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file it points to",
	     "fetch the file with git lfs pull"),
	KIND("<!DOCTYPE html", "a web page, not CSV", "download the file itself, not the page that shows it"),
};

static bool begins_with(struct hs_span data, const char *magic, size_t len)
{
	return data.len >= len && memcmp(data.ptr, magic, len) == 0;
}

static int not_csv(const char *file_name, const char *what, const char *hint, struct hs_err *reterr)
{
	hs_err_set(reterr, HSFEED_ENOTCSV, "%s: this is %s", file_name, what);
	return hs_err_hint(reterr, "%s", hint);
}

static int refuse_other_kinds(struct hs_span data, const char *file_name, struct hs_err *reterr)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (begins_with(data, kinds[i].magic, kinds[i].len))
			return not_csv(file_name, kinds[i].what, kinds[i].hint, reterr);
	if (begins_with(data, "PAR1", 4) && data.len >= 12 && memcmp(data.ptr + data.len - 4, "PAR1", 4) == 0)
		return not_csv(file_name, "a Parquet file, not CSV", export, reterr);
	if (begins_with(data, "BZh", 3) && data.len >= 10 && memcmp(data.ptr + 4, "\x31\x41\x59\x26\x53\x59", 6) == 0)
		return not_csv(file_name, "a bzip2 file, not CSV", unpack, reterr);
	return 0;
}

static int refuse_utf16(struct hs_span data, const char *file_name, struct hs_err *reterr)
{
	const char *name = NULL;
	if (begins_with(data, "\xFF\xFE", 2) || begins_with(data, "\xFE\xFF", 2))
		name = "utf-16";
	if (begins_with(data, "\xFF\xFE\0\0", 4) || begins_with(data, "\0\0\xFE\xFF", 4))
		name = "utf-32";
	if (!name)
		return 0;
	hs_err_set(reterr, HSFEED_EBADCHARSET, "%s: this is %s text, not UTF-8 (offset 0)", file_name,
		   name[4] == '1' ? "UTF-16" : "UTF-32");
	return hs_err_hint(reterr, "say --charset %s", name);
}

static uint32_t line_at(struct hs_span text, size_t offset)
{
	uint32_t line = 1 + hs_csv_count_lines(text.ptr, offset);
	if (offset > 0 && offset < text.len && text.ptr[offset - 1] == '\r' && text.ptr[offset] == '\n')
		line--; // in the middle of one line end
	return line;
}

static int refuse_nul(struct hs_span text, bool converted, const char *file_name, struct hs_err *reterr)
{
	const char *nul = memchr(text.ptr, '\0', text.len);
	if (!nul)
		return 0;
	size_t offset = (size_t)(nul - text.ptr);
	hs_err_set(reterr, HSFEED_EBADCSV, "%s: line %u: a NUL byte at offset %zu%s", file_name, line_at(text, offset),
		   offset, converted ? " of the converted text" : "");
	if (converted)
		return hs_err_hint(reterr, "remove the NUL characters from the file");
	return hs_err_hint(
		reterr, "a text file has none: remove them, or, if this is UTF-16, say --charset utf-16le or utf-16be");
}

// Windows' Western charset leaves these five bytes unused; Latin-1 has no printable character in 0x80..0x9F.
static const char *guess_charset(struct hs_span data)
{
	bool windows = false, unused = false;
	for (size_t i = 0; i < data.len; i++) {
		unsigned char c = (unsigned char)data.ptr[i];
		windows |= c >= 0x80 && c < 0xA0;
		unused |= c == 0x81 || c == 0x8D || c == 0x8F || c == 0x90 || c == 0x9D;
	}
	return unused ? NULL : windows ? "cp1252" : "latin-1";
}

static int refuse_bad_utf8(struct hs_span data, const char *file_name, struct hs_err *reterr)
{
	size_t bad = hs_scan_utf8(data.ptr, data.len);
	if (bad == data.len)
		return 0;
	hs_err_set(reterr, HSFEED_EBADCHARSET, "%s: line %u: byte 0x%02X at offset %zu is not UTF-8", file_name,
		   line_at(data, bad), (unsigned char)data.ptr[bad], bad);
	if (data.len - bad < 4 && hs_utf8_check(data.ptr, bad) == bad && ((unsigned char)data.ptr[bad] & 0xC0) == 0xC0)
		return hs_err_hint(reterr, "the file may be cut off: its last character is incomplete");
	const char *guess = guess_charset(data);
	if (!guess)
		return hs_err_hint(reterr, "name the file's charset with --charset, or convert the file to UTF-8");
	return hs_err_hint(reterr,
			   "name the file's charset with --charset; for Western European text it may be --charset %s",
			   guess);
}

// Names as Python and HTML write them, where glibc's iconv has another. NULL: UTF-8, which needs no conversion.
static const char *iconv_name(const char *charset)
{
	static const char *const aliases[][2] = {
		{"utf-8", NULL},
		{"utf8", NULL},
		{"utf_8", NULL},
		{"utf-8-sig", NULL},
		{"utf_8_sig", NULL},
		{"latin-1", "ISO-8859-1"},
		{"latin_1", "ISO-8859-1"},
		{"ascii", "US-ASCII"},
		{"utf_16", "UTF-16"},
		{"utf_16_le", "UTF-16LE"},
		{"utf_16_be", "UTF-16BE"},
		{"utf_32", "UTF-32"},
		{"shift_jis", "SHIFT_JIS"},
		{"x-sjis", "SHIFT_JIS"},
		{"euc_jp", "EUC-JP"},
		{"euc_kr", "EUC-KR"},
	};
	if (!charset)
		return NULL;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcasecmp(charset, aliases[i][0]) == 0)
			return aliases[i][1];
	return charset;
}

static int open_converter(const char *charset, iconv_t *ret, struct hs_err *reterr)
{
	const char *name = iconv_name(charset);
	// iconv takes "//IGNORE" and "//TRANSLIT" as orders to lose text silently, and "" as the locale's charset
	bool sane = name[0] != '\0' && !strpbrk(name, "/,") && strlen(name) < 64;
	*ret = sane ? iconv_open("UTF-8", name) : (iconv_t)-1;
	if (*ret != (iconv_t)-1)
		return 0;
	if (sane && errno == ENOMEM)
		return hs_err_nomem(reterr, "converting to UTF-8");
	hs_err_set(reterr, HSFEED_EBADCHARSET, "charset: \"%.63s\" is not known here", charset);
	return hs_err_hint(reterr, "iconv -l lists the names; common ones are cp1252, latin-1, utf-16, gb18030");
}

struct conversion {
	struct hs_span data;
	const char *charset, *file_name;
	struct hs_buf *out;
};

static int bad_byte(const struct conversion *c, size_t offset, bool cut, struct hs_err *reterr)
{
	uint32_t line = 1 + hs_csv_count_lines((const char *)c->out->data, c->out->len);
	hs_err_set(reterr, HSFEED_EBADCHARSET, "%s: line %u: byte 0x%02X at offset %zu is not %s%s", c->file_name, line,
		   (unsigned char)c->data.ptr[offset], offset, c->charset,
		   cut ? ": the last character is incomplete" : "");
	if (cut)
		return hs_err_hint(reterr, "the file may be cut off");
	return hs_err_hint(reterr, "name another charset with --charset, or convert the file to UTF-8");
}

static int convert(iconv_t cd, const struct conversion *c, struct hs_err *reterr)
{
	char *in = (char *)(uintptr_t)c->data.ptr; // iconv's prototype lacks the const that it keeps
	size_t in_left = c->data.len;
	for (bool flushing = false;;) {
		if (hs_buf_reserve(c->out, CONVERT_AT_ONCE + in_left) < 0)
			return hs_err_nomem(reterr, "converting to UTF-8");
		char *to = (char *)c->out->data + c->out->len;
		size_t room = c->out->cap - c->out->len;
		size_t rc = flushing ? iconv(cd, NULL, NULL, &to, &room) : iconv(cd, &in, &in_left, &to, &room);
		c->out->len = c->out->cap - room;
		if (rc != (size_t)-1 && flushing)
			return 0;
		flushing = rc != (size_t)-1;
		if (!flushing && errno != E2BIG)
			return bad_byte(c, (size_t)(in - c->data.ptr), errno == EINVAL, reterr);
	}
}

static int decode_other(struct hs_span data, const char *charset, const char *file_name, struct hs_decoded *d,
			struct hs_err *reterr)
{
	iconv_t cd;
	struct conversion conversion = {data, charset, file_name, &d->converted};
	int rc = open_converter(charset, &cd, reterr);
	if (rc < 0)
		return rc;
	rc = convert(cd, &conversion, reterr);
	iconv_close(cd);
	if (rc < 0)
		return rc;
	d->text = (struct hs_span){(const char *)d->converted.data, d->converted.len};
	size_t bad = hs_scan_utf8(d->text.ptr, d->text.len); // trust is good: some converters let surrogates through
	if (bad < d->text.len)
		return hs_err_set(reterr, HSFEED_EBADCHARSET, "%s: line %u: a character of %s that is not Unicode",
				  file_name, line_at(d->text, bad), charset);
	return refuse_nul(d->text, true, file_name, reterr);
}

static int decode_utf8(struct hs_span data, const char *file_name, struct hs_decoded *d, struct hs_err *reterr)
{
	int rc = refuse_utf16(data, file_name, reterr);
	if (rc == 0)
		rc = refuse_nul(data, false, file_name, reterr);
	if (rc == 0)
		rc = refuse_bad_utf8(data, file_name, reterr);
	d->text = data;
	return rc;
}

int hs_charset_decode(struct hs_span data, const char *charset, const char *file_name, struct hs_decoded *ret,
		      struct hs_err *reterr)
{
	struct hs_decoded d = {0};
	int rc = data.len ? 0 : hs_err_set(reterr, HSFEED_ENOROWS, "%s: the file is empty", file_name);
	if (rc == 0)
		rc = refuse_other_kinds(data, file_name, reterr);
	if (rc == 0 && iconv_name(charset))
		rc = decode_other(data, charset, file_name, &d, reterr);
	else if (rc == 0)
		rc = decode_utf8(data, file_name, &d, reterr);
	if (rc < 0) {
		hs_decoded_fini(&d);
		return rc;
	}
	if (begins_with(d.text, "\xEF\xBB\xBF", 3)) {
		d.bom = true;
		d.text = (struct hs_span){d.text.ptr + 3, d.text.len - 3};
	}
	*ret = d;
	return 0;
}

void hs_decoded_fini(struct hs_decoded *d)
{
	hs_buf_fini(&d->converted);
	*d = (struct hs_decoded){0};
}
