/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel: system calls made without libc
 *
 * In a watched process libc's functions may be another preloaded library's, which takes locks,
 * allocates, or has variables of a thread; they change errno, can be cancelled, and some are names
 * the shim itself stands in for. The watchdog, a thread that libc does not know of, may call none
 * of them (shim/thread.c).
 */
#pragma once

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Return: the result, or -errno, with errno untouched. */
static inline long kernel_call6(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8)
			 : "memory", "cc");
	return x0;
#else
	int saved_errno = errno;
	long ret = syscall(number, a, b, c, d, e, f);

	if (ret < 0)
		ret = -errno;
	errno = saved_errno;
	return ret;
#endif
}

/* A system call with as many arguments as it has, each a word. */
#define kernel_call(...) KERNEL_CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define KERNEL_CALL_(number, a, b, c, d, e, f, ...) \
	kernel_call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
