// SPDX-License-Identifier: Apache-2.0
// The malformed corpus: what each bad source is told, word for word.
#include "text_help.h"

#define REFUSES(test, bytes, code, message, hint, ...)                                                                 \
	static void test(void **state)                                                                                 \
	{                                                                                                              \
		(void)state;                                                                                           \
		assert_refused(SPAN(bytes), OPTIONS(__VA_ARGS__), code, message, hint);                                \
	}

// ---- other kinds of files ----

REFUSES(source_an_xlsx_workbook_is_refused, "PK\x03\x04\x14\x00\x06\x00", HSFEED_ENOTCSV,
	"x.csv: this is a ZIP file (an .xlsx workbook is one), not CSV",
	"save the sheet as \"CSV UTF-8\", or unpack the file first", .na = HS_NA_PANDAS)
REFUSES(source_an_xls_workbook_is_refused, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\x00", HSFEED_ENOTCSV,
	"x.csv: this is an old Excel workbook (.xls), not CSV", "save the sheet as \"CSV UTF-8\"", .na = HS_NA_PANDAS)
REFUSES(source_a_gzip_file_is_refused, "\x1F\x8B\x08\x00", HSFEED_ENOTCSV, "x.csv: this is a gzip file, not CSV",
	"unpack it first, and give the file inside", .na = HS_NA_PANDAS)
REFUSES(source_a_zstd_file_is_refused, "\x28\xB5\x2F\xFD\x00", HSFEED_ENOTCSV, "x.csv: this is a zstd file, not CSV",
	"unpack it first, and give the file inside", .na = HS_NA_PANDAS)
REFUSES(source_an_xz_file_is_refused, "\xFD\x37zXZ\0\0", HSFEED_ENOTCSV, "x.csv: this is an xz file, not CSV",
	"unpack it first, and give the file inside", .na = HS_NA_PANDAS)
REFUSES(source_a_bzip2_file_is_refused, "BZh9\x31\x41\x59\x26\x53\x59\x00", HSFEED_ENOTCSV,
	"x.csv: this is a bzip2 file, not CSV", "unpack it first, and give the file inside", .na = HS_NA_PANDAS)
REFUSES(source_a_parquet_file_is_refused,
	"PAR1\x15\x04\x00\x00\x00\x00"
	"PAR1",
	HSFEED_ENOTCSV, "x.csv: this is a Parquet file, not CSV",
	"export it as CSV with UTF-8 text, for example with pandas: to_csv(\"data.csv\", index=False)",
	.na = HS_NA_PANDAS)
REFUSES(source_a_pickle_is_refused, "\x80\x04\x95\x00", HSFEED_ENOTCSV, "x.csv: this is a Python pickle, not CSV",
	"export it as CSV with UTF-8 text, for example with pandas: to_csv(\"data.csv\", index=False)",
	.na = HS_NA_PANDAS)
REFUSES(source_a_git_lfs_pointer_is_refused, "version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
	HSFEED_ENOTCSV, "x.csv: this is a Git LFS pointer, not the file it points to",
	"fetch the file with git lfs pull", .na = HS_NA_PANDAS)
REFUSES(source_a_web_page_is_refused, "<!DOCTYPE html>\n<html>", HSFEED_ENOTCSV, "x.csv: this is a web page, not CSV",
	"download the file itself, not the page that shows it", .na = HS_NA_PANDAS)

// ---- bytes and charsets ----

REFUSES(source_a_nul_byte_is_refused_with_line_and_offset, "text,label\r\nhello,1\r\nwor\0ld,0\n", HSFEED_EBADCSV,
	"x.csv: line 3: a NUL byte at offset 24",
	"a text file has none: remove them, or, if this is UTF-16, say --charset utf-16le or utf-16be",
	.na = HS_NA_PANDAS)
REFUSES(source_utf16_is_refused_and_its_charset_named, "\xFF\xFEt\0e\0", HSFEED_EBADCHARSET,
	"x.csv: this is UTF-16 text, not UTF-8 (offset 0)", "say --charset utf-16", .na = HS_NA_PANDAS)
REFUSES(source_big_endian_utf16_is_refused_and_its_charset_named, "\xFE\xFF\0t\0e", HSFEED_EBADCHARSET,
	"x.csv: this is UTF-16 text, not UTF-8 (offset 0)", "say --charset utf-16", .na = HS_NA_PANDAS)
REFUSES(source_utf32_is_refused_and_its_charset_named, "\xFF\xFE\0\0t\0\0\0", HSFEED_EBADCHARSET,
	"x.csv: this is UTF-32 text, not UTF-8 (offset 0)", "say --charset utf-32", .na = HS_NA_PANDAS)
REFUSES(source_bytes_that_are_not_utf8_are_refused_with_their_offset, "text,label\ncaf\xE9,1\n", HSFEED_EBADCHARSET,
	"x.csv: line 2: byte 0xE9 at offset 14 is not UTF-8",
	"name the file's charset with --charset; for Western European text it may be --charset latin-1",
	.na = HS_NA_PANDAS)
REFUSES(source_windows_quotes_suggest_cp1252, "text,label\r\nit\x92s,1\r\n", HSFEED_EBADCHARSET,
	"x.csv: line 2: byte 0x92 at offset 14 is not UTF-8",
	"name the file's charset with --charset; for Western European text it may be --charset cp1252",
	.na = HS_NA_PANDAS)
REFUSES(source_bytes_of_no_western_charset_suggest_none, "text,label\n\x81\x8D,1\n", HSFEED_EBADCHARSET,
	"x.csv: line 2: byte 0x81 at offset 11 is not UTF-8",
	"name the file's charset with --charset, or convert the file to UTF-8", .na = HS_NA_PANDAS)
REFUSES(source_the_offset_counts_the_byte_order_mark, "\xEF\xBB\xBFtext,label\n\xFF,1\n", HSFEED_EBADCHARSET,
	"x.csv: line 2: byte 0xFF at offset 14 is not UTF-8",
	"name the file's charset with --charset; for Western European text it may be --charset latin-1",
	.na = HS_NA_PANDAS)
REFUSES(source_a_file_cut_off_inside_a_character_is_refused, "text,label\nhello \xE0\xA6", HSFEED_EBADCHARSET,
	"x.csv: line 2: byte 0xE0 at offset 17 is not UTF-8",
	"the file may be cut off: its last character is incomplete", .na = HS_NA_PANDAS)
REFUSES(source_surrogates_are_not_utf8, "text,label\n\xED\xA0\x80,1\n", HSFEED_EBADCHARSET,
	"x.csv: line 2: byte 0xED at offset 11 is not UTF-8",
	"name the file's charset with --charset; for Western European text it may be --charset cp1252",
	.na = HS_NA_PANDAS)
REFUSES(source_an_unknown_charset_is_refused, "text,label\nhello,1\n", HSFEED_EBADCHARSET,
	"charset: \"klingon\" is not known here",
	"iconv -l lists the names; common ones are cp1252, latin-1, utf-16, gb18030", .charset = "klingon")
REFUSES(source_a_charset_cannot_smuggle_an_order_to_drop_text, "text,label\nhello,1\n", HSFEED_EBADCHARSET,
	"charset: \"ascii//IGNORE\" is not known here",
	"iconv -l lists the names; common ones are cp1252, latin-1, utf-16, gb18030", .charset = "ascii//IGNORE")
REFUSES(source_a_byte_outside_the_given_charset_is_refused_with_its_offset, "text,label\r\nok,1\r\n\x81,0\r\n",
	HSFEED_EBADCHARSET, "x.csv: line 3: byte 0x81 at offset 18 is not cp1252",
	"name another charset with --charset, or convert the file to UTF-8", .charset = "cp1252")
REFUSES(source_a_charset_that_ends_inside_a_character_is_refused, "text,label\nok,1\n\x83", HSFEED_EBADCHARSET,
	"x.csv: line 3: byte 0x83 at offset 16 is not shift_jis: the last character is incomplete",
	"the file may be cut off", .charset = "shift_jis")
REFUSES(source_a_nul_in_converted_text_is_refused, "t\0e\0x\0t\0\n\0\0\0", HSFEED_EBADCSV,
	"x.csv: line 2: a NUL byte at offset 5 of the converted text", "remove the NUL characters from the file",
	.charset = "utf-16le")

// ---- records ----

REFUSES(source_an_empty_file_is_refused, "", HSFEED_ENOROWS, "x.csv: the file is empty", "", .na = HS_NA_PANDAS)
REFUSES(source_a_file_of_blank_lines_is_refused, "\n \r\n\t\n", HSFEED_ENOROWS, "x.csv: the file is empty", "",
	.na = HS_NA_PANDAS)
REFUSES(source_a_header_alone_is_refused, "text,label\n", HSFEED_ENOROWS,
	"x.csv: there is a header but no row below it", "", .na = HS_NA_PANDAS)
REFUSES(csv_an_unclosed_quote_names_its_line, "text,label\n\"one\ntwo\",1\n\nhello,1\n\"never,0\nmore,1\n",
	HSFEED_EBADCSV, "x.csv: line 6, column \"text\": a quoted field opens here and is never closed",
	"close the quote there; a quote that belongs to the text is written twice, in a quoted field; or the file is "
	"cut off",
	.na = HS_NA_PANDAS)
REFUSES(csv_an_unclosed_quote_in_the_header_names_its_column, "text,\"label\nhello,1\n", HSFEED_EBADCSV,
	"x.csv: line 1, column 2: a quoted field opens here and is never closed",
	"close the quote there; a quote that belongs to the text is written twice, in a quoted field; or the file is "
	"cut off",
	.na = HS_NA_PANDAS)
REFUSES(csv_a_row_with_too_many_fields_names_its_line, "text,label\r\n\"a\r\nb\",1\r\nhello,1\r\na,b,c,1\r\n",
	HSFEED_EBADCSV, "x.csv: line 5: expected 2 fields, saw 4",
	"quote a field that has a comma in it, or name the further columns in the first line; --bad-rows skip drops "
	"such rows",
	.na = HS_NA_PANDAS)
REFUSES(csv_a_first_row_longer_than_the_header_is_refused_where_pandas_makes_an_index, "text,label\na,b,1\nc,d,0\n",
	HSFEED_EBADCSV, "x.csv: line 2: expected 2 fields, saw 3",
	"quote a field that has a comma in it, or name the further columns in the first line; --bad-rows skip drops "
	"such rows",
	.na = HS_NA_PANDAS)
REFUSES(csv_lone_carriage_returns_are_line_ends, "text,label\rhello,1\ra,b,1\r", HSFEED_EBADCSV,
	"x.csv: line 3: expected 2 fields, saw 3",
	"quote a field that has a comma in it, or name the further columns in the first line; --bad-rows skip drops "
	"such rows",
	.na = HS_NA_PANDAS)
REFUSES(source_a_header_full_of_tabs_names_the_delimiter_option, "text\tlabel\nhello\t1\n", HSFEED_EBADCSV,
	"x.csv: line 1: with the delimiter comma the first line is one column, \"text\\x09label\", which has a tab in "
	"it",
	"say --delimiter tab, or --delimiter comma if it is one column", .na = HS_NA_PANDAS)
REFUSES(source_a_header_full_of_semicolons_names_the_delimiter_option, "text;label\nhello;1\n", HSFEED_EBADCSV,
	"x.csv: line 1: with the delimiter comma the first line is one column, \"text;label\", which has a semicolon "
	"in it",
	"say --delimiter semicolon, or --delimiter comma if it is one column", .na = HS_NA_PANDAS)
REFUSES(source_a_quote_is_no_delimiter, "text,label\nhello,1\n", HSFEED_EBADREQUEST,
	"the delimiter must be one ASCII character other than a quote or a line end",
	"say --delimiter comma, tab, semicolon, or the character itself", .delimiter = '"')

// ---- columns ----

REFUSES(source_a_missing_text_column_is_refused_with_the_columns_there_are, "body,label\nhello,1\n", HSFEED_EBADCOLUMN,
	"x.csv: there is no text column \"comment\"; the columns are \"body\", \"label\"",
	"name the text's column with --text; the delimiter is comma (--delimiter)", .text_column = "comment")
REFUSES(source_a_text_column_that_cannot_be_guessed_names_what_was_looked_for, "body,label\nhello,1\n",
	HSFEED_EBADCOLUMN,
	"x.csv: which column is the text? None is named Comments, comments, Comment, comment, text, Text, content, "
	"comment_text; the columns are \"body\", \"label\"",
	"name the text's column with --text", .na = HS_NA_PANDAS)
REFUSES(source_a_missing_label_column_is_refused_with_the_columns_there_are, "text,Label\nhello,1\n", HSFEED_EBADCOLUMN,
	"x.csv: there is no label column \"label\"; the columns are \"text\", \"Label\"",
	"name the label columns with --labels A,B, or say --labels none", .na = HS_NA_PANDAS)
REFUSES(source_a_name_that_two_columns_have_is_refused, "text,label,text\nhello,1,x\n", HSFEED_EBADCOLUMN,
	"x.csv: 2 columns are named \"text\"", "rename one in the file; column 3 can be named as \"text.1\"",
	.na = HS_NA_PANDAS)
REFUSES(source_the_text_cannot_be_a_label_too, "text,label\nhello,1\n", HSFEED_EBADCOLUMN,
	"x.csv: the column \"label\" cannot be both the text and a label",
	"name the text's column with --text, the label columns with --labels", .text_column = "label")

static const char *const twice[] = {"label", "label"};
REFUSES(source_a_label_column_named_twice_is_refused, "text,label\nhello,1\n", HSFEED_EBADCOLUMN,
	"x.csv: the label column \"label\" is named twice", "", .label_columns = twice, .nlabel_columns = 2)

// ---- labels ----

static const char *const two_labels[] = {"label", "other"};
REFUSES(labels_of_several_columns_must_be_numbers, "text,label,other\nhello,1,0\nworld,0,\"no\nway\"\n",
	HSFEED_EBADLABEL, "x.csv: line 3, column \"other\": the label \"no\\x0Away\" is not a number",
	"several label columns must hold numbers; name one for classes, or mend the file", .label_columns = two_labels,
	.nlabel_columns = 2)
REFUSES(labels_forced_to_floats_must_be_numbers, "text,label\nhello,1\nworld,good\n", HSFEED_EBADLABEL,
	"x.csv: line 3, column \"label\": the label \"good\" is not a number",
	"leave out --label-type float to number the values as classes", .label_type = HS_LABEL_FLOAT)
REFUSES(labels_must_fit_into_32_bit_floats, "text,label\nhello,1\nworld,1e39\n", HSFEED_EBADLABEL,
	"x.csv: line 3, column \"label\": the label \"1e+39\" is not a finite 32-bit number",
	"leave out --label-type float to number the values as classes", .label_type = HS_LABEL_FLOAT)
REFUSES(labels_without_the_positive_value_are_refused_with_the_values_there_are, "text,label\nhello,yes\nworld,no\n",
	HSFEED_EBADLABEL, "x.csv: no label in column \"label\" is \"hate\"; the values are \"yes\", \"no\"",
	"name one of them with --positive", .positive = "hate")
REFUSES(labels_positive_takes_one_column, "text,label,other\nhello,1,0\n", HSFEED_EBADLABEL,
	"--positive takes one label column, not 2", "", .positive = "1", .label_columns = two_labels,
	.nlabel_columns = 2)
REFUSES(labels_classes_take_one_column, "text,label,other\nhello,1,0\n", HSFEED_EBADLABEL,
	"--label-type class takes one label column, not 2", "", .label_type = HS_LABEL_CLASS,
	.label_columns = two_labels, .nlabel_columns = 2)
REFUSES(labels_are_not_both_positive_and_classes, "text,label\nhello,1\n", HSFEED_EBADLABEL,
	"--positive makes 0 and 1, --label-type class makes classes: say one", "", .positive = "1",
	.label_type = HS_LABEL_CLASS)

// ---- rows ----

REFUSES(source_words_that_would_drop_many_rows_are_refused_with_both_ways_out,
	"text,label\nhello,None\n\"wo\nrld\",Some\nNA,None\n,None\n", HSFEED_ENAWORDS,
	"x.csv: line 2: \"None\" means a missing value to pandas; such words would drop 2 of 4 rows: \"None\" (1), "
	"\"NA\" (1)",
	"say --na empty to keep these rows, or --na pandas to drop them as pandas does", .na = HS_NA_PANDAS)
REFUSES(source_without_any_row_left_says_why, "text,label\n,1\nhello,\n", HSFEED_ENOROWS,
	"x.csv: no row is left of 2: 1 without text, 1 without a label, 0 with too many fields",
	"if the texts are in another column, name it with --text", .na = HS_NA_PANDAS)
REFUSES(source_without_any_label_names_the_other_way, "text,label\nhello,\nthere,\n", HSFEED_ENOROWS,
	"x.csv: no row is left of 2: 0 without text, 2 without a label, 0 with too many fields",
	"name other label columns with --labels A,B, or say --labels none", .na = HS_NA_PANDAS)

static const struct hs_clean_step whitespace = {HS_CLEAN_WHITESPACE, {NULL, 0}};
REFUSES(source_without_any_text_left_says_why, "text,label\n\" \",1\n", HSFEED_ENOROWS,
	"x.csv: no row is left: all 1 texts are empty after cleaning", "", .steps = &whitespace, .nsteps = 1,
	.drop_empty = true)

static void source_a_text_over_one_mebibyte_names_its_line(void **state)
{
	(void)state;
	static const char head[] = "text,label\n\"a\nb\",1\n";
	size_t head_len = sizeof(head) - 1, len = head_len + HS_TEXT_MAX_BYTES + 1 + 3;
	char *data = malloc(len);
	assert_non_null(data);
	memset(data, 'x', len);
	memcpy(data, head, head_len);
	memcpy(data + len - 3, ",1\n", 3);
	struct hs_source_options options = OPTIONS(.na = HS_NA_PANDAS);
	assert_refused((struct hs_span){data, len}, options, HSFEED_ETOOLONG,
		       "x.csv: line 4, column \"text\": a text of 1048577 bytes; the longest may have 1048576",
		       "shorten the text; if it should be many rows, look for a quote that is never closed before it");
	memcpy(data + len - 4, ",1\n\n", 4); // one byte less is well
	struct fixture f = read_source((struct hs_span){data, len}, options);
	assert_int_equal(f.s.texts[1].len, HS_TEXT_MAX_BYTES);
	fixture_fini(&f);
	free(data);
}

static void source_short_rows_cannot_blow_up_a_small_file(void **state)
{
	(void)state;
	size_t n = 20000;
	char *data = malloc(4 * n), *p = data;
	assert_non_null(data);
	for (size_t i = 0; i < n; i++, p += 2)
		memcpy(p, "a,", 2);
	p[-1] = '\n';
	for (size_t i = 0; i < n; i++, p += 2)
		memcpy(p, "x\n", 2);
	assert_refused((struct hs_span){data, 4 * n}, OPTIONS(.na = HS_NA_PANDAS), HSFEED_EBADCSV,
		       "x.csv: line 258: expected 20000 fields, saw 1, as in 256 rows before it",
		       "is the first line the header, and the delimiter comma?");
	free(data);
}

#define TEST(name) cmocka_unit_test(name)

static const struct CMUnitTest tests[] = {
	TEST(source_an_xlsx_workbook_is_refused),
	TEST(source_an_xls_workbook_is_refused),
	TEST(source_a_gzip_file_is_refused),
	TEST(source_a_zstd_file_is_refused),
	TEST(source_an_xz_file_is_refused),
	TEST(source_a_bzip2_file_is_refused),
	TEST(source_a_parquet_file_is_refused),
	TEST(source_a_pickle_is_refused),
	TEST(source_a_git_lfs_pointer_is_refused),
	TEST(source_a_web_page_is_refused),
	TEST(source_a_nul_byte_is_refused_with_line_and_offset),
	TEST(source_utf16_is_refused_and_its_charset_named),
	TEST(source_big_endian_utf16_is_refused_and_its_charset_named),
	TEST(source_utf32_is_refused_and_its_charset_named),
	TEST(source_bytes_that_are_not_utf8_are_refused_with_their_offset),
	TEST(source_windows_quotes_suggest_cp1252),
	TEST(source_bytes_of_no_western_charset_suggest_none),
	TEST(source_the_offset_counts_the_byte_order_mark),
	TEST(source_a_file_cut_off_inside_a_character_is_refused),
	TEST(source_surrogates_are_not_utf8),
	TEST(source_an_unknown_charset_is_refused),
	TEST(source_a_charset_cannot_smuggle_an_order_to_drop_text),
	TEST(source_a_byte_outside_the_given_charset_is_refused_with_its_offset),
	TEST(source_a_charset_that_ends_inside_a_character_is_refused),
	TEST(source_a_nul_in_converted_text_is_refused),
	TEST(source_an_empty_file_is_refused),
	TEST(source_a_file_of_blank_lines_is_refused),
	TEST(source_a_header_alone_is_refused),
	TEST(csv_an_unclosed_quote_names_its_line),
	TEST(csv_an_unclosed_quote_in_the_header_names_its_column),
	TEST(csv_a_row_with_too_many_fields_names_its_line),
	TEST(csv_a_first_row_longer_than_the_header_is_refused_where_pandas_makes_an_index),
	TEST(csv_lone_carriage_returns_are_line_ends),
	TEST(source_a_header_full_of_tabs_names_the_delimiter_option),
	TEST(source_a_header_full_of_semicolons_names_the_delimiter_option),
	TEST(source_a_quote_is_no_delimiter),
	TEST(source_a_missing_text_column_is_refused_with_the_columns_there_are),
	TEST(source_a_text_column_that_cannot_be_guessed_names_what_was_looked_for),
	TEST(source_a_missing_label_column_is_refused_with_the_columns_there_are),
	TEST(source_a_name_that_two_columns_have_is_refused),
	TEST(source_the_text_cannot_be_a_label_too),
	TEST(source_a_label_column_named_twice_is_refused),
	TEST(labels_of_several_columns_must_be_numbers),
	TEST(labels_forced_to_floats_must_be_numbers),
	TEST(labels_must_fit_into_32_bit_floats),
	TEST(labels_without_the_positive_value_are_refused_with_the_values_there_are),
	TEST(labels_positive_takes_one_column),
	TEST(labels_classes_take_one_column),
	TEST(labels_are_not_both_positive_and_classes),
	TEST(source_words_that_would_drop_many_rows_are_refused_with_both_ways_out),
	TEST(source_without_any_row_left_says_why),
	TEST(source_without_any_label_names_the_other_way),
	TEST(source_without_any_text_left_says_why),
	TEST(source_a_text_over_one_mebibyte_names_its_line),
	TEST(source_short_rows_cannot_blow_up_a_small_file),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
