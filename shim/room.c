/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room: whether there is stack left for what runs when something was slow
 *
 * All of it runs on the stack of the thread that was slow, which a deep recursion may have used up
 * but for what the call itself needs. Where too little is left the call is not told of.
 *
 * Below the stack pointer of a thread, and of a coroutine, lies the rest of its stack, and then a
 * page that cannot be read; below that perhaps another thread's stack: so every page is asked for.
 * The first thread's stack grows as it is used, and what it has not used yet cannot be read either:
 * there the limit says how far it may grow, as the kernel counts it, with the program's arguments
 * and environment, which end with the name it was started by (Linux 6.12, acct_stack_growth() of
 * mm/mmap.c and create_elf_tables() of fs/binfmt_elf.c).
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include "room.h"
#include "watch.h"

#define ROOM_PAGE_BYTES UINT64_C(4096)
/* 16 KiB by what the compiler says of each function (gcc 12, -fstack-usage), 10 KiB as measured;
 * and a signal may come meanwhile. */
#define ROOM_N_PAGES 5

static uint64_t first_thread;

_hidden_ void room_init(void)
{
	first_thread = (uint64_t)pthread_self();
}

/* Whether any thread has ever had a signal stack: there are none in most programs. */
static _Atomic bool has_signal_stacks;

_export_ int sigaltstack(const stack_t *restrict stack, stack_t *restrict before)
{
	if (stack)
		atomic_store_explicit(&has_signal_stacks, true, memory_order_relaxed);
	return REAL(sigaltstack)(stack, before);
}

/*
 * A handler on an alternate signal stack (8 KiB is usual) has no room for what follows. The kernel
 * knows; with SS_AUTODISARM it has forgotten, and such stacks are made large.
 */
_hidden_ bool room_is_signal_stack(void)
{
	stack_t stack;

	return atomic_load_explicit(&has_signal_stacks, memory_order_relaxed) &&
	       !REAL(sigaltstack)(NULL, &stack) && (stack.ss_flags & SS_ONSTACK);
}

static bool is_readable_below(uint64_t rsp)
{
	struct iovec ranges[ROOM_N_PAGES];
	char bytes[ROOM_N_PAGES];
	size_t n_read;

	for (size_t i = 0; i < ROOM_N_PAGES; i++)
		ranges[i] = (struct iovec){(void *)(uintptr_t)(rsp - (i + 1) * ROOM_PAGE_BYTES), 1};
	return !mem_read_ranges_remote(&watch.remote, ranges, ROOM_N_PAGES, bytes, &n_read) &&
	       n_read == ROOM_N_PAGES;
}

/* Whether rsp is on the stack that grows, and it may grow that far. */
static bool may_grow_below(uint64_t rsp)
{
	uint64_t top = getauxval(AT_EXECFN);
	struct rlimit limit;

	if ((uint64_t)pthread_self() != first_thread || rsp >= top ||
	    getrlimit(RLIMIT_STACK, &limit))
		return false;
	/* The name, and a page for where it ends. */
	return top - rsp + (ROOM_N_PAGES + 2) * ROOM_PAGE_BYTES <= limit.rlim_cur;
}

_hidden_ bool room_is_enough(void)
{
	uint64_t rsp = (uint64_t)(uintptr_t)__builtin_frame_address(0);

	return is_readable_below(rsp) || may_grow_below(rsp);
}
