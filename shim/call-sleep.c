/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that do nothing but sleep */
#include "call.h"

_export_ unsigned int sleep(unsigned int seconds)
{
	return CALL(sleep, -1, false, (seconds));
}

_export_ int usleep(useconds_t span_us)
{
	return CALL(usleep, -1, false, (span_us));
}

_export_ int nanosleep(const struct timespec *span, struct timespec *rest)
{
	return CALL(nanosleep, -1, false, (span, rest));
}

_export_ int clock_nanosleep(clockid_t clock, int flags, const struct timespec *span,
			     struct timespec *rest)
{
	return CALL(clock_nanosleep, -1, false, (clock, flags, span, rest));
}
