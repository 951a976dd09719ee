/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native cost: what the native frames of a slow call cost, printed as "NAME N frames: X ns"
 *
 * The same 30 frames are unwound by ours and, with --symbol unw_backtrace in a library that was
 * loaded, by another; the best of many rounds counts, since everything else is the machine's noise.
 * "first" is with no rules remembered, as for the first call that blocks at a place.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "unwind.h"

#define N_FRAMES 30
#define N_ROUNDS 200
#define N_WALKS	 100

static volatile int sink;
static int (*other)(void **rips, int n);
static uint32_t n_taken;

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static __attribute__((noinline)) void walk_ours(void)
{
	struct unwind u = {.mem = {.kind = MEM_REMOTE, .pid = getpid()}};
	uint64_t rips[128];
	enum pyframe_end end;

	unwind_capture(u.regs);
	n_taken = 0;
	if (unwind_begin(&u))
		while (n_taken < N_FRAMES && unwind_step(&u, &end))
			rips[n_taken++] = u.regs[CFI_RIP];
	sink += (int)rips[n_taken - 1];
}

static __attribute__((noinline)) void walk_other(void)
{
	void *rips[N_FRAMES];

	n_taken = (uint32_t)other(rips, N_FRAMES);
}

static double best_ns(void (*walk)(void), int n_walks, int n_rounds, int is_first)
{
	double best = 1e12;

	for (int round = 0; round < n_rounds; round++) {
		double started, ns;

		if (is_first)
			unwind_forget();
		started = now_ns();
		for (int i = 0; i < n_walks; i++)
			walk();
		ns = (now_ns() - started) / n_walks;
		best = ns < best ? ns : best;
	}
	return best;
}

static void measure(void)
{
	printf("unwind first %d frames: %.0f ns\n", N_FRAMES, best_ns(walk_ours, 1, N_ROUNDS, 1));
	printf("unwind %u frames: %.0f ns\n", n_taken, best_ns(walk_ours, N_WALKS, N_ROUNDS, 0));
	if (!other)
		return;
	walk_other();
	printf("other %u frames: %.0f ns\n", n_taken, best_ns(walk_other, N_WALKS, N_ROUNDS, 0));
}

/* Three shapes in turn, so that not one and the same rule serves all. */
static __attribute__((noinline)) void deep(int depth);

static __attribute__((noinline)) void deep_with_room(int depth)
{
	volatile char room[200];

	room[0] = 1;
	deep(depth);
	sink += room[0];
}

static __attribute__((noinline)) void deep_with_frame(int depth)
{
	volatile char *room = __builtin_alloca((size_t)depth + 16);

	room[0] = 1;
	deep_with_room(depth);
	sink += room[0];
}

static __attribute__((noinline)) void deep(int depth)
{
	if (!depth)
		measure();
	else if (depth % 3)
		deep(depth - 1);
	else
		deep_with_frame(depth - 1);
	sink++;
}

int main(int argc, char **argv)
{
	if (argc == 3)
		other = (int (*)(void **, int))dlsym(dlopen(argv[1], RTLD_NOW), argv[2]);
	unwind_init();
	deep(40);
	return 0;
}
