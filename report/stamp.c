/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stamps
 *
 * Points in time are RFC 3339 in UTC with microseconds. Lengths are rounded to three digits, as
 * in "1.23 s": a reader compares them, and the exact figure is in the JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "stamp.h"

/* "2026-11-21T01:47:41.123456Z" */
const char *stamp_utc(uint64_t realtime_ns, char buf[STAMP_BYTES])
{
	time_t seconds = (time_t)(realtime_ns / NSEC_PER_SEC);
	unsigned int us = (unsigned int)(realtime_ns % NSEC_PER_SEC / NSEC_PER_USEC);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buf, STAMP_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, STAMP_BYTES - n, ".%06uZ", us);
	return buf;
}

/* "01:47:41.123", local time, for a line that is read as it comes */
const char *stamp_clock(uint64_t realtime_ns, char buf[STAMP_BYTES])
{
	time_t seconds = (time_t)(realtime_ns / NSEC_PER_SEC);
	unsigned int ms = (unsigned int)(realtime_ns % NSEC_PER_SEC / NSEC_PER_MSEC);
	struct tm tm;
	size_t n;

	localtime_r(&seconds, &tm);
	n = strftime(buf, STAMP_BYTES, "%H:%M:%S", &tm);
	snprintf(buf + n, STAMP_BYTES - n, ".%03u", ms);
	return buf;
}

/* What stamp_utc() wrote. Return: 0 or -EINVAL. */
int stamp_parse(const char *text, uint64_t *ret_realtime_ns)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned int us = 0;
	int n = 0;
	time_t seconds;

	if (!end || sscanf(end, ".%6uZ%n", &us, &n) != 1 || !n || end[n])
		return -EINVAL;
	seconds = timegm(&tm);
	if (seconds < 0)
		return -EINVAL;
	*ret_realtime_ns = (uint64_t)seconds * NSEC_PER_SEC + us * NSEC_PER_USEC;
	return 0;
}

/* "151 ms", "1.23 s", "2 m 05 s" */
const char *stamp_span(nsec_t span_ns, char buf[STAMP_BYTES])
{
	double us = (double)span_ns / 1e3, ms = (double)span_ns / 1e6;
	double s = (double)span_ns / 1e9;
	uint64_t whole = span_ns / NSEC_PER_SEC;

	if (span_ns < 1000)
		snprintf(buf, STAMP_BYTES, "%u ns", (unsigned int)span_ns);
	else if (us < 999.5)
		snprintf(buf, STAMP_BYTES, "%.*f us", us < 9.995 ? 2 : us < 99.95 ? 1 : 0, us);
	else if (ms < 999.5)
		snprintf(buf, STAMP_BYTES, "%.*f ms", ms < 9.995 ? 2 : ms < 99.95 ? 1 : 0, ms);
	else if (s < 119.5)
		snprintf(buf, STAMP_BYTES, "%.*f s", s < 9.995 ? 2 : s < 99.95 ? 1 : 0, s);
	else if (whole < 7200)
		snprintf(buf, STAMP_BYTES, "%" PRIu64 " m %02u s", whole / 60,
			 (unsigned int)(whole % 60));
	else
		snprintf(buf, STAMP_BYTES, "%" PRIu64 " h %02u m", whole / 3600,
			 (unsigned int)(whole / 60 % 60));
	return buf;
}

uint64_t stamp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}
