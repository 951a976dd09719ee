/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of its own making, past the C library, as Go and Rust's rustix make them */
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <string.h>
#include <sys/syscall.h>

static long raw(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

long raw_sleep(long ns)
{
	struct __kernel_timespec span = {.tv_nsec = ns};

	return raw(SYS_nanosleep, (long)&span, 0, 0, 0, 0, 0);
}

long raw_ring(void)
{
	struct io_uring_params params;

	memset(&params, 0, sizeof(params));
	return raw(SYS_io_uring_setup, 8, (long)&params, 0, 0, 0, 0);
}

/* Waits for something to complete, which nothing does. */
long raw_enter(long ring, long ns)
{
	struct __kernel_timespec span = {.tv_nsec = ns};
	struct io_uring_getevents_arg arg = {.ts = (unsigned long)&span};

	return raw(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
		   (long)&arg, sizeof(arg));
}
