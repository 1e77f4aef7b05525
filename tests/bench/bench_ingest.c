// SPDX-License-Identifier: Apache-2.0
// usage: bench_ingest [-n RUNS] [-l LABEL_COLUMN] [-N nfc|nfkc] [-d TMP_DIR] CSV TOKENIZER_DIR...
//
// From a source file to finished files of the store, synced and read back, in a child process that is started anew for
// each run; publishing is the daemon's part and not in here. One JSON line per run: wall_ms (as the parent's clock
// sees it, with the start of the child), cpu_ms (all threads of the child: what a busy machine does not blur), the
// child's own phases (they overlap), the files' sizes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "ingest_parent.h"
#include "store/file.h"

struct bench {
	const char *labels, *normalize, *tmp, *csv;
	char **folders;
	int nfolders;
};

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double children_ms(void)
{
	struct rusage u;
	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void write_job(const struct bench *b, struct pn_job *job)
{
	pn_begin(job, "ingest");
	pn_str(job, "tmp", b->tmp);
	pn_str(job, "prefix", "bench");
	pn_str(job, "name", "bench");
	pn_str(job, "file_name", b->csv);
	hs_w_uint(pn_key(job, "owner"), (uint64_t)getuid());
	hs_w_uint(pn_key(job, "source"), pn_attach(job, b->csv));
	if (b->labels) {
		hs_w_map(pn_key(job, "options"), 1);
		hs_w_cstr(&job->w, "labels");
		hs_w_array(&job->w, 1);
		hs_w_cstr(&job->w, b->labels);
	}
	hs_w_array(pn_key(job, "tokenizers"), (uint32_t)b->nfolders);
	for (int i = 0; i < b->nfolders; i++) {
		char role[16];
		snprintf(role, sizeof(role), "role%d", i);
		pn_tokenizer(job, role, b->folders[i], b->normalize);
	}
}

static void print_timings(struct hs_rbuf map)
{
	struct hs_wire_value head, key, value;
	hs_r_next(&map, &head);
	for (uint32_t i = 0; i < head.as.count; i++) {
		hs_r_next(&map, &key);
		hs_r_next(&map, &value);
		printf("%s\"%.*s\": %.1f", i > 0 ? ", " : "", (int)key.as.str.len, key.as.str.ptr, value.as.f);
	}
}

static void print_encoding(struct hs_rbuf made)
{
	struct hs_span path = pn_text(made, "path");
	struct hs_file *file;
	struct hs_err err;
	char name[4096];
	snprintf(name, sizeof(name), "%.*s", (int)path.len, path.ptr);
	if (hs_file_open(name, 0, &file, &err) < 0) {
		fprintf(stderr, "bench_ingest: %s\n", err.message);
		exit(1);
	}
	struct hs_span header = hs_file_header(file);
	struct hs_rbuf map = {.p = (const uint8_t *)header.ptr, .end = (const uint8_t *)header.ptr + header.len};
	printf("{\"bytes\": %llu, \"width\": %llu, \"tokens\": %llu, \"unknown\": %llu",
	       (unsigned long long)pn_uint(made, "bytes"), (unsigned long long)pn_uint(map, "width"),
	       (unsigned long long)pn_uint(map, "tokens"), (unsigned long long)pn_uint(map, "unknown"));
	struct hs_rbuf advice;
	if (hs_r_find(map, "advice", &advice))
		printf(", \"unknown_share\": %.5f, \"with_nfc\": %.5f", pn_f64(advice, "unknown_share"),
		       pn_f64(advice, "with"));
	printf("}");
	hs_file_close(file);
}

static void print_result(struct hs_rbuf result, double wall, double cpu)
{
	struct hs_rbuf version = pn_get(result, "version"), encodings = pn_get(result, "encodings");
	printf("{\"wall_ms\": %.1f, \"cpu_ms\": %.1f, \"rows\": %llu, \"version_bytes\": %llu, \"phases_ms\": {", wall,
	       cpu, (unsigned long long)pn_uint(version, "rows"), (unsigned long long)pn_uint(version, "bytes"));
	print_timings(pn_get(result, "timings_ms"));
	printf("}, \"encodings\": [");
	for (uint32_t i = 0; i < pn_count(encodings); i++) {
		if (i > 0)
			printf(", ");
		print_encoding(pn_item(encodings, i));
	}
	printf("]}\n");
	fflush(stdout);
}

static int run(const struct bench *b)
{
	struct pn_job job;
	struct pn_answer a = {.pid = 0};
	double start = now_ms(), cpu = children_ms();
	write_job(b, &job);
	pn_run(&a, &job);
	double wall = now_ms() - start;
	int rc = a.result.p ? 0 : 1;
	if (rc == 0)
		print_result(a.result, wall, children_ms() - cpu);
	else if (a.error.p)
		fprintf(stderr, "bench_ingest: %.*s\n", (int)pn_text(a.error, "message").len,
			pn_text(a.error, "message").ptr);
	else
		fprintf(stderr, "bench_ingest: no answer\n");
	pn_fini(&a);
	hs_ingest_sweep(b->tmp, "bench");
	return rc;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], HS_INGEST_ARG) == 0)
		return hs_ingest_child_main(atoi(argv[2]));
	struct bench b = {.labels = NULL};
	char tmp[] = "/tmp/bench_ingest.XXXXXX";
	int runs = 1;
	for (int c; (c = getopt(argc, argv, "n:l:N:d:")) != -1;) {
		if (c == 'n')
			runs = atoi(optarg);
		else if (c == 'l')
			b.labels = optarg;
		else if (c == 'N')
			b.normalize = optarg;
		else if (c == 'd')
			b.tmp = optarg;
		else
			return 2;
	}
	if (argc - optind < 1) {
		fprintf(stderr, "usage: bench_ingest [-n RUNS] [-l LABELS] [-N nfc] [-d TMP] CSV TOKENIZER_DIR...\n");
		return 2;
	}
	bool own = !b.tmp;
	b.tmp = own ? mkdtemp(tmp) : b.tmp;
	b.csv = argv[optind];
	b.folders = argv + optind + 1;
	b.nfolders = argc - optind - 1;
	int rc = 0;
	while (runs-- > 0 && rc == 0)
		rc = run(&b);
	if (own)
		rmdir(tmp);
	return rc;
}
