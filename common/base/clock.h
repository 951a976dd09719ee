/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of the watched process: ticks of the CPU's counter, and how to read them as time */
#pragma once

#include <stdint.h>
#include <time.h>

#include "base/defs.h"
#include "base/kernel.h"

enum clock_kind {
	CLOCK_KIND_MONOTONIC = 1, /* ticks are nanoseconds of clock_gettime(CLOCK_MONOTONIC) */
	CLOCK_KIND_TSC = 2,	  /* x86-64: the invariant time stamp counter */
	CLOCK_KIND_CNTVCT = 3,	  /* aarch64: the virtual counter */
};

/*
 * One point both clocks know, and the rate between them: ns = ns0 + (ticks - ticks0) * mult / 2^32.
 * mult alone changes later (refined once), with one aligned store, so that a reader in another
 * process never sees half of it.
 */
struct clock_scale {
	uint64_t ticks0;
	uint64_t ns0;
	uint64_t mult;
};

static inline nsec_t clock_ns(const struct timespec *ts)
{
	return (nsec_t)ts->tv_sec * NSEC_PER_SEC + (nsec_t)ts->tv_nsec;
}

/* Asked of the kernel itself: in a watched program libc's may be another library's. */
static inline nsec_t clock_monotonic(void)
{
	struct timespec ts = {0};

	kernel_call(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return clock_ns(&ts);
}

/* The same by libc, which needs no system call. */
static inline nsec_t clock_monotonic_quick(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return clock_ns(&ts);
}

/* 9.6 ns on the machine where clock_gettime() costs 23.5 ns; not ordered with the code around it.
 */
static inline uint64_t clock_counter(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
	return clock_monotonic();
#endif
}

static inline uint64_t clock_ticks(enum clock_kind kind)
{
	return likely(kind != CLOCK_KIND_MONOTONIC) ? clock_counter() : clock_monotonic_quick();
}

/* The same where libc must not be asked, and where a system call more does not matter. */
static inline uint64_t clock_ticks_kernel(enum clock_kind kind)
{
	return likely(kind != CLOCK_KIND_MONOTONIC) ? clock_counter() : clock_monotonic();
}

/* A span of ticks in ns. */
static inline nsec_t clock_span_ns(const struct clock_scale *scale, uint64_t ticks)
{
	return (nsec_t)(((unsigned __int128)ticks * scale->mult) >> 32);
}

/* A point in ticks as ns of CLOCK_MONOTONIC; points before ticks0 saturate at ns0. */
static inline nsec_t clock_point_ns(const struct clock_scale *scale, uint64_t ticks)
{
	return scale->ns0 +
	       (ticks > scale->ticks0 ? clock_span_ns(scale, ticks - scale->ticks0) : 0);
}

/* ns as ticks; mult must not be 0. */
static inline uint64_t clock_span_ticks(const struct clock_scale *scale, nsec_t span_ns)
{
	return (uint64_t)(((unsigned __int128)span_ns << 32) / scale->mult);
}

enum clock_kind clock_best_kind(void);
void clock_scale_start(enum clock_kind kind, struct clock_scale *ret_scale);
uint64_t clock_scale_rate(enum clock_kind kind, const struct clock_scale *scale);
