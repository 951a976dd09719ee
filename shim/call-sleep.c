/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that do nothing but sleep, or wait for a signal
 *
 * A sleep of nought gives way and no more; one until a moment that has passed is one of nought
 * (time.sleep(0), CPython 3.11 and 3.12).
 */
#include "call.h"

static bool is_nought(const struct timespec *span)
{
	return !span->tv_sec && !span->tv_nsec;
}

static bool is_past(clockid_t clock, const struct timespec *moment)
{
	struct timespec now;

	if (clock_gettime(clock, &now))
		return true;
	return moment->tv_sec < now.tv_sec ||
	       (moment->tv_sec == now.tv_sec && moment->tv_nsec <= now.tv_nsec);
}

/* The span may lead anywhere, and the clock be none. Changes errno. */
static enum call_nature span_nature(clockid_t clock, int flags, const struct timespec *span)
{
	struct timespec copy;

	if (mem_read(&watch.remote, (uint64_t)(uintptr_t)span, &copy, sizeof(copy)))
		return CALL_QUICK;
	if (flags & TIMER_ABSTIME)
		return is_past(clock, &copy) ? CALL_QUICK : CALL_WAITS;
	return is_nought(&copy) ? CALL_QUICK : CALL_WAITS;
}

/* Only strict has to know, and then only on a thread with a loop. */
static enum call_nature sleep_nature(clockid_t clock, int flags, const struct timespec *span)
{
	int saved_errno = errno;
	enum call_nature nature;

	if (likely(!thread_loop) || !watch.options.is_strict)
		return CALL_WAITS;
	nature = span_nature(clock, flags, span);
	errno = saved_errno;
	return nature;
}

_export_ unsigned int sleep(unsigned int seconds)
{
	return CALL(sleep, seconds ? CALL_WAITS : CALL_QUICK, (seconds));
}

_export_ int usleep(useconds_t span_us)
{
	return CALL_ABOUT(usleep, span_us ? CALL_WAITS : CALL_QUICK, -1, (span_us),
			  .subject = SUBJECT_SLEEP, .more = span_us);
}

_export_ int nanosleep(const struct timespec *span, struct timespec *rest)
{
	return CALL_ABOUT(nanosleep, sleep_nature(CLOCK_MONOTONIC, 0, span), -1, (span, rest),
			  .subject = SUBJECT_SLEEP, .what = span);
}

_export_ int clock_nanosleep(clockid_t clock, int flags, const struct timespec *span,
			     struct timespec *rest)
{
	return CALL(clock_nanosleep, sleep_nature(clock, flags, span), (clock, flags, span, rest));
}

_export_ int pause(void)
{
	return CALL(pause, CALL_WAITS, ());
}

_export_ int sigsuspend(const sigset_t *mask)
{
	return CALL(sigsuspend, CALL_WAITS, (mask));
}

_export_ int sigwait(const sigset_t *restrict wanted, int *restrict found)
{
	return CALL(sigwait, CALL_WAITS, (wanted, found));
}

_export_ int sigwaitinfo(const sigset_t *restrict wanted, siginfo_t *restrict found)
{
	return CALL(sigwaitinfo, CALL_WAITS, (wanted, found));
}

_export_ int sigtimedwait(const sigset_t *restrict wanted, siginfo_t *restrict found,
			  const struct timespec *restrict timeout)
{
	return CALL(sigtimedwait, timeout ? sleep_nature(CLOCK_MONOTONIC, 0, timeout) : CALL_WAITS,
		    (wanted, found, timeout));
}
