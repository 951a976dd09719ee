/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls by the thousand, from outside Python
 *
 * What a hooked call costs beyond the bare one is a few nanoseconds, which a loop written in Python
 * would drown. Loaded by work.py through ctypes, so its calls go where those of any extension go:
 * through the preload if there is one. Each function makes n calls and returns the ns of one.
 */
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAX_RANGES  64
#define RANGE_BYTES 112
#define PAGE_BYTES  4096

#define API	    __attribute__((visibility("default")))

double recv_nothing(int fd, int n) API;
double semaphore_free(int fd, int n) API;
double read_nothing(int fd, int n) API;
double write_ranges(int n_ranges, int n) API;

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* A system call that never waits: fd is O_NONBLOCK and nothing has come. */
double recv_nothing(int fd, int n)
{
	double started = now_ns();
	char byte;

	for (int i = 0; i < n; i++)
		recv(fd, &byte, 1, 0);
	return (now_ns() - started) / n;
}

/* A hooked call that makes no system call at all: all that is left is the hook. */
double semaphore_free(int fd, int n)
{
	double started;
	sem_t semaphore;

	(void)fd;
	sem_init(&semaphore, 0, (unsigned int)n);
	started = now_ns();
	for (int i = 0; i < n; i++)
		sem_wait(&semaphore);
	return (now_ns() - started) / n;
}

/* One that strict counts each time: a file is read, which has nothing in it. */
double read_nothing(int fd, int n)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	double started = now_ns();
	char byte;

	(void)fd;
	for (int i = 0; i < n; i++)
		if (read(null_fd, &byte, 1))
			return -1;
	started = (now_ns() - started) / n;
	close(null_fd);
	return started;
}

/*
 * What the kernel takes to copy so many ranges, each in a page of its own and as large as what a
 * walk wants of a frame, into a file in memory: the floor of a pass (common/pyframe/mem.c). The
 * best of n times a hundred.
 */
double write_ranges(int n_ranges, int n)
{
	static char pages[MAX_RANGES][PAGE_BYTES], copy[MAX_RANGES * RANGE_BYTES];
	int memory_fd = memfd_create("floor", MFD_CLOEXEC);
	struct iovec ranges[MAX_RANGES];
	double best = 1e9;

	for (int i = 0; i < n_ranges; i++) {
		pages[i][0] = 1;
		ranges[i] = (struct iovec){pages[i], RANGE_BYTES};
	}
	if (memory_fd < 0 || write(memory_fd, copy, sizeof(copy)) < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		double started = now_ns();

		for (int k = 0; k < 100; k++)
			if (pwritev(memory_fd, ranges, n_ranges, 0) < 0)
				return -1;
		started = (now_ns() - started) / 100;
		best = started < best ? started : best;
	}
	close(memory_fd);
	return best;
}
