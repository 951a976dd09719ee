/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Own stack: how far the stack of the calling thread may be read by plain loads
 *
 * A return address is looked for where the unwind rules say, and rules can be wrong. On the stack a
 * thread was started with, all from the stack pointer to its end is there as long as the thread is;
 * that each page can be read is asked of the kernel once, and again when the thread is deeper than
 * ever. A coroutine's stack is never taken for it, since a page that cannot be read lies below
 * every thread's stack.
 */
#include <pthread.h>
#include <stdbool.h>
#include <sys/auxv.h>

#include "own-stack.h"

/* Of the stack that is in use: 16 MiB. Deeper ones are read through the kernel. */
#define STACK_MAX_PAGES	 4096
#define STACK_PAGE_BYTES UINT64_C(4096)

/* As far down as it has been seen: every page of it was readable. */
static __thread uint64_t own_begin;
static __thread uint64_t own_end;

/* The program's own: its control block is not on its stack. */
static uint64_t first_thread;

_hidden_ void own_stack_init(void)
{
	first_thread = (uint64_t)pthread_self();
}

/* Whether each page from begin to end can be read. */
static bool stack_is_readable(const struct mem *mem, uint64_t begin, uint64_t end)
{
	struct iovec ranges[32];
	char bytes[32];
	size_t n, n_read;

	if ((end - begin) / STACK_PAGE_BYTES > STACK_MAX_PAGES)
		return false;
	while (begin < end) {
		for (n = 0; n < ARRAY_LEN(ranges) && begin < end; begin += STACK_PAGE_BYTES)
			ranges[n++] = (struct iovec){(void *)(uintptr_t)begin, 1};
		if (mem_read_ranges_remote(mem, ranges, n, bytes, &n_read) || n_read != n)
			return false;
	}
	return true;
}

/*
 * Where the thread's own stack ends: a thread's is below its control block, the first one's below
 * the program's arguments, with the random bytes the kernel gave it. pthread_getattr_np() would
 * know, and allocates.
 */
static uint64_t stack_top(void)
{
	uint64_t of_thread = (uint64_t)pthread_self();

	return of_thread == first_thread ? getauxval(AT_RANDOM) : of_thread;
}

/*
 * The first time, and when the stack is deeper than ever: is what lies between here and its end
 * one readable piece? A coroutine's stack is not, since a page that cannot be read lies below the
 * stack of each thread.
 */
static __attribute__((noinline)) bool stack_grow(const struct mem *mem, uint64_t rsp)
{
	uint64_t begin = rsp & ~(STACK_PAGE_BYTES - 1), end = own_end ? own_begin : stack_top();

	if (end <= rsp || !stack_is_readable(mem, begin, end))
		return false;
	/* Whole words only. */
	if (!own_end)
		own_end = end & ~UINT64_C(7);
	own_begin = begin;
	return true;
}

_hidden_ uint64_t own_stack_end(const struct mem *mem, uint64_t rsp)
{
	if (likely(rsp >= own_begin && rsp < own_end))
		return own_end;
	if ((!own_end || rsp < own_begin) && stack_grow(mem, rsp))
		return own_end;
	return 0;
}
