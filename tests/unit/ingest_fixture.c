// SPDX-License-Identifier: Apache-2.0
#include "ingest_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOKENIZER HSFEED_SOURCE_DIR "/tests/fixtures/ingest/tokenizer"

char ix_tmp[64];  // where children write
char ix_work[64]; // sources

int ix_make_folders(void **state)
{
	(void)state;
	strcpy(ix_tmp, "/tmp/test_ingest_tmp.XXXXXX");
	strcpy(ix_work, "/tmp/test_ingest_work.XXXXXX");
	return mkdtemp(ix_tmp) && mkdtemp(ix_work) ? 0 : -1;
}

unsigned ix_files_in(const char *folder)
{
	unsigned n = 0;
	DIR *dir = opendir(folder);
	for (struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

int ix_remove_folders(void **state)
{
	char command[160];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s %s", ix_tmp, ix_work);
	return system(command);
}

int ix_empty_tmp(void **state)
{
	(void)state;
	hs_ingest_sweep(ix_tmp, "t");
	return ix_files_in(ix_tmp) == 0 ? 0 : -1;
}

const char *ix_source(const char *name, const char *text)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", ix_work, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

const char *const ix_six_rows = "Text,Label,id\n"
				"the river is long,1,a\n"
				"the mountain is high,0,b\n"
				"\"the river\nis long\",1,c\n"
				"the river is long,0,d\n"
				"the bird sings,,e\n"
				"the bird sings,0,f\n";

// ---- jobs ----

void ix_put_options(struct pn_job *job, const struct ix_spec *s)
{
	uint32_t n = s->labels ? 1 : 0;
	struct hs_wbuf *w = pn_key(job, "options");
	size_t map = hs_w_map_begin(w);
	if (s->labels) {
		hs_w_cstr(w, "labels");
		hs_w_array(w, 1);
		hs_w_cstr(w, s->labels);
	}
	for (const char *const(*o)[2] = s->options; o && o[0][0]; o++, n++) {
		hs_w_cstr(w, o[0][0]);
		hs_w_cstr(w, o[0][1]);
	}
	hs_w_map_end(w, map, n);
}

void ix_put_tokenizers(struct pn_job *job, const struct ix_spec *s)
{
	static const char *const usual[] = {"text", NULL};
	const char *const *roles = s->roles[0] ? s->roles : usual;
	struct hs_wbuf *w = pn_key(job, "tokenizers");
	size_t array = hs_w_array_begin(w);
	uint32_t n = 0;
	for (; roles[n]; n++)
		pn_tokenizer(job, roles[n], TOKENIZER, s->normalize);
	hs_w_array_end(w, array, n);
}

void ix_put_place(struct pn_job *job, const char *name)
{
	pn_str(job, "tmp", ix_tmp);
	pn_str(job, "prefix", "t");
	pn_str(job, "name", name);
	hs_w_uint(pn_key(job, "owner"), 1000);
}

const char *ix_long_source(unsigned nrows)
{
	struct hs_buf text = {.len = 0};
	hs_buf_printf(&text, "Text,Kind\n");
	for (unsigned i = 0; i < nrows; i++)
		hs_buf_printf(&text, "the river %s is long%s,%s\n", i % 3 ? "bird" : "mountain",
			      i % 7 ? "" : " and cold", i % 5 ? "plain" : "odd");
	assert_int_equal(hs_buf_append(&text, "", 1), 0);
	const char *path = ix_source("long.csv", (const char *)text.data);
	hs_buf_fini(&text);
	return path;
}

struct pn_job ix_ingest_job(const struct ix_spec *s)
{
	struct pn_job job;
	pn_begin(&job, "ingest");
	ix_put_place(&job, "birds");
	pn_str(&job, "file_name", s->file_name ? s->file_name : "birds.csv");
	hs_w_uint(pn_key(&job, "source"), pn_attach(&job, s->path));
	hs_w_uint(pn_key(&job, "threads"), s->threads);
	ix_put_options(&job, s);
	ix_put_tokenizers(&job, s);
	return job;
}

struct pn_answer ix_ingest(const struct ix_spec *s)
{
	struct pn_answer a = {.pid = 0};
	struct pn_job job = ix_ingest_job(s);
	pn_run(&a, &job);
	return a;
}

void ix_expect_done(const struct pn_answer *a)
{
	if (a->error.p)
		print_message("%.*s\n", (int)pn_text(a->error, "message").len, pn_text(a->error, "message").ptr);
	assert_non_null(a->result.p);
	assert_true(WIFEXITED(a->status) && WEXITSTATUS(a->status) == 0);
}

void ix_expect_refused(const struct pn_answer *a, int code, const char *part)
{
	assert_null(a->result.p);
	assert_non_null(a->error.p);
	int64_t number;
	char message[1100];
	struct hs_span text = pn_text(a->error, "message");
	snprintf(message, sizeof(message), "%.*s", (int)text.len, text.ptr);
	if (!strstr(message, part))
		print_message("%s\n", message);
	assert_non_null(strstr(message, part));
	assert_true(hs_r_get_int(a->error, "number", &number));
	assert_int_equal(number, code);
	assert_true(hs_span_is(pn_text(a->error, "code"), hs_err_name(code)));
	assert_true(WIFEXITED(a->status) && WEXITSTATUS(a->status) == 0);
	assert_int_equal(ix_files_in(ix_tmp), 0);
}

struct hs_id ix_id_of(struct hs_rbuf made)
{
	struct hs_id id;
	struct hs_span bytes = pn_text(made, "id");
	assert_int_equal(bytes.len, sizeof(id.bytes));
	memcpy(id.bytes, bytes.ptr, sizeof(id.bytes));
	return id;
}

struct hs_rbuf ix_version_of(const struct pn_answer *a)
{
	return pn_get(a->result, "version");
}

struct hs_rbuf ix_encoding_of(const struct pn_answer *a, uint32_t i)
{
	return pn_item(pn_get(a->result, "encodings"), i);
}

// ---- files ----

const char *ix_path_of(struct hs_rbuf made)
{
	static char path[2][256];
	static unsigned next;
	struct hs_span text = pn_text(made, "path");
	next = !next;
	snprintf(path[next], sizeof(path[next]), "%.*s", (int)text.len, text.ptr);
	return path[next];
}

struct hs_file *ix_open_made(struct hs_rbuf made)
{
	struct hs_file *file;
	struct hs_err err = {.code = 0};
	struct stat st;
	int rc = hs_file_open(ix_path_of(made), 0, &file, &err);
	if (rc < 0)
		print_message("%s\n", err.message);
	assert_int_equal(rc, 0);
	assert_int_equal(stat(ix_path_of(made), &st), 0);
	assert_int_equal(pn_uint(made, "bytes"), st.st_size);
	struct hs_id id = ix_id_of(made);
	assert_true(hs_id_eq(&id, hs_file_get_id(file)));
	return file;
}

struct hs_rbuf ix_header_of(const struct hs_file *file)
{
	struct hs_span h = hs_file_header(file);
	return (struct hs_rbuf){.p = (const uint8_t *)h.ptr, .end = (const uint8_t *)h.ptr + h.len};
}

struct hs_version *ix_open_version(const struct hs_file *file)
{
	struct hs_version *v;
	struct hs_err err = {.code = 0};
	int rc = hs_version_open(file, &v, &err);
	if (rc < 0)
		print_message("%s\n", err.message);
	assert_int_equal(rc, 0);
	return v;
}

struct hs_encoding *ix_open_encoding(const struct hs_file *file)
{
	struct hs_encoding *e;
	struct hs_err err = {.code = 0};
	int rc = hs_encoding_open(file, &e, &err);
	if (rc < 0)
		print_message("%s\n", err.message);
	assert_int_equal(rc, 0);
	return e;
}

uint32_t ix_id_at(const struct hs_encoding *e, size_t row, uint32_t at)
{
	uint32_t i = e->offsets[0][row] + at;
	assert_true(i < e->offsets[0][row + 1]);
	uint32_t code = e->width == 16 ? ((const uint16_t *)e->tokens[0])[i] : ((const uint32_t *)e->tokens[0])[i];
	return e->table ? e->table[code] : code;
}
