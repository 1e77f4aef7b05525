// SPDX-License-Identifier: Apache-2.0
// The limit that batches over a socket have: frames of one size, written by one process and read by another that sums
// every byte; nothing is computed, ordered or padded.
//   bench_socket [FRAME_BYTES [FRAMES [RUNS]]]
// prints one JSON line with the median over runs. The default frame is a batch of 32 x 128: two int64 arrays, labels,
// index.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void write_frames(int fd, const uint8_t *frame, size_t bytes, size_t frames)
{
	for (size_t i = 0; i < frames; i++)
		for (size_t done = 0; done < bytes;) {
			ssize_t n = write(fd, frame + done, bytes - done);
			if (n <= 0)
				_exit(1);
			done += (size_t)n;
		}
	_exit(0);
}

static uint64_t read_frame(int fd, uint8_t *frame, size_t bytes)
{
	uint64_t sum = 0;
	for (size_t done = 0; done < bytes;) {
		ssize_t n = read(fd, frame + done, bytes - done);
		if (n <= 0)
			exit(1);
		done += (size_t)n;
	}
	for (size_t i = 0; i + 4 <= bytes; i += 4) {
		uint32_t word;
		memcpy(&word, frame + i, 4);
		sum += word;
	}
	return sum;
}

static double one_run(uint8_t *frame, size_t bytes, size_t frames, uint64_t *sum)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		exit(1);
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		write_frames(fds[1], frame, bytes, frames);
	}
	close(fds[1]);
	double begin = now();
	for (size_t i = 0; i < frames; i++)
		*sum += read_frame(fds[0], frame, bytes);
	double seconds = now() - begin;
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return (double)frames / seconds;
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 2 * 32 * 128 * 8 + 32 * 4 + 32 * 8;
	size_t frames = argc > 2 ? strtoul(argv[2], NULL, 10) : 1100, runs = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;
	runs = runs < 1 ? 1 : runs > 64 ? 64 : runs;
	uint8_t *frame = calloc(1, bytes ? bytes : 1);
	double rates[64];
	uint64_t sum = 0;
	if (!frame)
		return 1;
	for (size_t i = 0; i < runs; i++)
		rates[i] = one_run(frame, bytes, frames, &sum);
	qsort(rates, runs, sizeof(*rates), ascending);
	printf("{\"bench\":\"socket\",\"frame_bytes\":%zu,\"frames_per_s\":%.0f,\"sum\":%" PRIu64 "}\n", bytes,
	       rates[runs / 2], sum);
	free(frame);
	return 0;
}
