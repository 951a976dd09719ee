/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread of ours that libc does not count
 *
 * As long as libc knows of one thread alone, its locks need no atomic instructions and its waiting
 * calls no note that they may be cancelled. CPython gives its GIL away and takes it back round each
 * poll, so a second thread, though asleep, makes a turn of a loop 1 to 3 % slower: more than all
 * else that we do in it. So ours is made by clone() and not by pthread_create().
 *
 * What that asks of the thread: no lock of libc's would hold it, nor keep it out, so it may take
 * none, allocate nothing and call nothing that does. Any function of libc can be that of another
 * preloaded library, which takes and allocates what it likes. So it calls the kernel itself
 * (base/kernel.h), and of libc memcpy() and its like and snprintf() of numbers. It has thread-local
 * storage as libc makes it for any thread. All its signals are blocked, libc's own too.
 *
 * What libc does to all threads passes this one by: setuid() and its like. So the thread is ended
 * before them and made again after (ids.c).
 *
 * It is one thread, made and joined by one caller at a time (fork.c has the lock). Stack and
 * storage are kept for the next time; a fork child has copies of both.
 */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <gnu/lib-names.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "thread.h"

/* The deepest frame is a sample's pyframe_stack, record frames and text: under 16 KiB. */
#define STACK_BYTES (256u << 10)
/* Below the stack, so that one that grows too far is a fault and not somebody's memory. */
#define GUARD_BYTES 4096u
/* The size of the kernel's signal set (not libc's), which its system calls want to be told. */
#define KERNEL_SIGSET_BYTES 8

/* libc's own: before another library's (a sanitizer's), a thread without its books would crash. */
static __typeof__(&clone) clone_of_libc;
/* Storage of a thread, as the loader makes it for pthread_create(). NULL: it cannot be had. */
static void *storage;
static char *stack;
static _Atomic uint32_t
	thread_tid;    /* 0: there is none, or it is through; a futex of the kernel's */
static pid_t last_tid; /* 0: there has been none since thread_await_unlisted() */

/* By the constructor: the loader is asked and memory allocated. */
_hidden_ void thread_init(void)
{
	void *(*allocate)(void *) = (void *(*)(void *))dlsym(RTLD_DEFAULT, "_dl_allocate_tls");
	void *libc = dlopen(LIBC_SO, RTLD_LAZY | RTLD_NOLOAD);

	if (libc)
		clone_of_libc = (__typeof__(&clone))dlsym(libc, "clone");
	if (clone_of_libc && allocate)
		storage = allocate(NULL);
}

static int stack_make(void)
{
	char *base;

	if (stack)
		return 0;
	base = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	mprotect(base, GUARD_BYTES, PROT_NONE);
	stack = base + GUARD_BYTES;
	return 0;
}

#if defined(__x86_64__)
/*
 * The head of a thread's control block, which libc fills for its own threads when the loader has
 * made their storage (glibc 2.36 sysdeps/x86_64/nptl/tls.h, tcbhead_t). Compiled code looks for the
 * guards there; they are the process's.
 */
struct control_block {
	void *self;
	void *dtv; /* filled by the loader */
	void *thread;
	int is_multithreaded, is_gs_in_use;
	uintptr_t sysinfo, stack_guard, pointer_guard;
};

static_assert(offsetof(struct control_block, stack_guard) == 0x28, "-fstack-protector's place");

static void storage_fill(void)
{
	const struct control_block *own = __builtin_thread_pointer();
	struct control_block *block = storage;

	block->self = block;
	block->thread = block;
	block->stack_guard = own->stack_guard;
	block->pointer_guard = own->pointer_guard;
}
#else
/* aarch64: the guards are variables of the loader's, and the block holds nothing but its dtv. */
static void storage_fill(void)
{
}
#endif

static int thread_main(void *run)
{
	((thread_fn)run)();
	return 0;
}

/* Block every signal, libc's two as well, which its own functions leave out. */
static void signals_set(uint64_t mask, uint64_t *ret_before)
{
	kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, ret_before, KERNEL_SIGSET_BYTES);
}

/*
 * Make the thread; the one before it has been joined.
 *
 * Return: 0; -errno.
 */
_hidden_ int thread_start(thread_fn run)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	uint64_t mask;
	int r;

	if (!storage)
		return -ENOSYS;
	r = stack_make();
	if (r)
		return r;
	storage_fill();
	signals_set(UINT64_MAX, &mask);
	r = clone_of_libc(thread_main, stack + STACK_BYTES, flags, (void *)run, &thread_tid,
			  storage, &thread_tid);
	if (r > 0)
		last_tid = r;
	else
		r = -errno;
	signals_set(mask, NULL);
	return MIN(r, 0);
}

/* Whether there is a thread that has not been seen gone. Also for a signal handler. */
_hidden_ bool thread_is_there(void)
{
	return last_tid;
}

/*
 * Wait until the thread is through, at most until until_ns.
 *
 * Return: false when it is not.
 */
_hidden_ bool thread_join(nsec_t until_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(until_ns % NSEC_PER_SEC),
	};
	uint32_t tid = atomic_load_explicit(&thread_tid, memory_order_acquire);

	/* The kernel clears the word and wakes it as a shared one; until is a moment to this call.
	 */
	while (tid && clock_monotonic() < until_ns) {
		kernel_call(SYS_futex, &thread_tid, FUTEX_WAIT_BITSET, tid, &until, NULL,
			    FUTEX_BITSET_MATCH_ANY);
		tid = atomic_load_explicit(&thread_tid, memory_order_acquire);
	}
	return !tid;
}

/*
 * A thread that is through has still to close its descriptors, and until it has it counts in
 * /proc/self/stat, where CPython 3.12 looks whether it forks in a process with threads, and in the
 * kernel, which looks before it gives a process another user namespace.
 */
_hidden_ void thread_await_unlisted(nsec_t until_ns)
{
	while (!kernel_call(SYS_tgkill, kernel_call(SYS_getpid), last_tid, 0) &&
	       clock_monotonic() < until_ns)
		kernel_call(SYS_sched_yield);
	last_tid = 0;
}

/* In a fork child: the thread was the parent's. */
_hidden_ void thread_forget(void)
{
	atomic_store_explicit(&thread_tid, 0, memory_order_relaxed);
	last_tid = 0;
}
