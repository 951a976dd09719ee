/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing the clock and finding its rate
 *
 * The counter is used only where it runs at one rate through every power state and on every core
 * ("invariant"), and where the kernel itself trusts it. The rate is not asked of the hardware: it
 * is measured between two points that both clocks know. The error of one point is the time of a
 * system call (100 ns), so a base of 1 ms is good to 1e-4 and one of 1 s to 1e-7.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/clock.h"

#define CLOCK_SOURCE_FILE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

#if defined(__x86_64__)
/* Intel SDM vol. 3 "Invariant TSC": CPUID.80000007H:EDX[8]. AMD APM says the same of that bit. */
static bool tsc_is_invariant(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
}

/*
 * The kernel takes another source when it has seen the TSCs of two cores disagree. kvm-clock and
 * the Hyper-V page are themselves read off the TSC and mean a trusted one.
 */
static bool tsc_is_trusted(void)
{
	char name[32] = "";
	int fd = open(CLOCK_SOURCE_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, name, sizeof(name) - 1);
	close(fd);
	return n > 0 && (!strncmp(name, "tsc", 3) || !strncmp(name, "kvm-clock", 9));
}
#endif

/* The cheapest clock of this machine that can be trusted. Opens and closes one file in /sys. */
enum clock_kind clock_best_kind(void)
{
#if defined(__x86_64__)
	return tsc_is_invariant() && tsc_is_trusted() ? CLOCK_KIND_TSC : CLOCK_KIND_MONOTONIC;
#elif defined(__aarch64__)
	return CLOCK_KIND_CNTVCT;
#else
	return CLOCK_KIND_MONOTONIC;
#endif
}

/* Take the point from which clock_scale_rate() measures. The rate is that of ns until then. */
void clock_scale_start(enum clock_kind kind, struct clock_scale *ret_scale)
{
	uint64_t before = clock_ticks_kernel(kind);
	uint64_t ns = clock_monotonic();
	uint64_t after = clock_ticks_kernel(kind);

	ret_scale->ticks0 = before + (after - before) / 2;
	ret_scale->ns0 = ns;
	ret_scale->mult = UINT64_C(1) << 32;
	if (kind == CLOCK_KIND_MONOTONIC)
		ret_scale->ticks0 = ns;
}

/* The rate since clock_scale_start(), as a new mult; the old one while no time has passed. */
uint64_t clock_scale_rate(enum clock_kind kind, const struct clock_scale *scale)
{
	struct clock_scale now;

	if (kind == CLOCK_KIND_MONOTONIC)
		return UINT64_C(1) << 32;
	clock_scale_start(kind, &now);
	if (now.ticks0 <= scale->ticks0 || now.ns0 <= scale->ns0)
		return scale->mult;
	return (uint64_t)(((unsigned __int128)(now.ns0 - scale->ns0) << 32) /
			  (now.ticks0 - scale->ticks0));
}
