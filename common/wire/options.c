/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LOOPHOUND_OPTIONS: "slow-callback=100ms,strict", the long options of `loophound run` with
 * commas between them
 *
 * It is read inside the watched process, so a bad part is left out and described, never fatal:
 * the complaint travels in the hello and whoever reads the report sees it.
 */
#include <errno.h>
#include <string.h>

#include "wire/options.h"

/* A year: beyond it a limit is a typing error, and sums of ns stay far from overflow. */
#define DURATION_MAX_NS (UINT64_C(365) * 86400 * NSEC_PER_SEC)

/* More tasks than a program has memory for. */
#define COUNT_MAX 1000000000

static nsec_t duration_unit(const char *text, size_t length)
{
	static const struct {
		char name[4];
		nsec_t unit_ns;
	} units[] = {
		{"ns", 1},
		{"us", NSEC_PER_USEC},
		{"ms", NSEC_PER_MSEC},
		{"s", NSEC_PER_SEC},
		{"m", 60 * NSEC_PER_SEC},
		{"h", 3600 * NSEC_PER_SEC},
		{"d", 86400 * NSEC_PER_SEC},
	};

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (length == strlen(units[i].name) && !memcmp(text, units[i].name, length))
			return units[i].unit_ns;
	return 0;
}

/*
 * A duration as people write it: 100ms, 1.5s, 2m, 24h; a bare 0 is nought.
 *
 * Return: 0, or -EINVAL and nothing is set.
 */
int duration_parse(const char *text, size_t length, nsec_t *ret_duration_ns)
{
	uint64_t whole = 0, fraction = 0, scale = 1;
	nsec_t unit_ns;
	size_t i = 0;

	for (; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
		whole = whole * 10 + (uint64_t)(text[i] - '0');
		if (whole > DURATION_MAX_NS)
			return -EINVAL;
	}
	if (!i)
		return -EINVAL;
	if (i < length && text[i] == '.')
		for (i++; i < length && text[i] >= '0' && text[i] <= '9' && scale < 1000000000;
		     i++) {
			fraction = fraction * 10 + (uint64_t)(text[i] - '0');
			scale *= 10;
		}
	if (i == length && !whole && !fraction) {
		*ret_duration_ns = 0;
		return 0;
	}
	unit_ns = duration_unit(text + i, length - i);
	if (!unit_ns || whole > DURATION_MAX_NS / unit_ns)
		return -EINVAL;
	*ret_duration_ns =
		whole * unit_ns + (nsec_t)((unsigned __int128)fraction * unit_ns / scale);
	return 0;
}

/* A number of things, from 1 on. Return: 0, or -EINVAL and nothing is set. */
int count_parse(const char *text, size_t length, uint32_t *ret_count)
{
	uint64_t count = 0;

	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		count = count * 10 + (uint64_t)(text[i] - '0');
		if (count > COUNT_MAX)
			return -EINVAL;
	}
	if (!count)
		return -EINVAL;
	*ret_count = (uint32_t)count;
	return 0;
}

static nsec_t *options_limit(struct options *options, const char *name, size_t length)
{
	const struct {
		const char *name;
		nsec_t *limit_ns;
	} limits[] = {
		{"slow-callback", &options->slow_callback_ns},
		{"long-turn", &options->long_turn_ns},
		{"blocking-call", &options->blocking_call_ns},
		{"stuck", &options->stuck_ns},
		{"warmup", &options->warmup_ns},
		{"cancel-grace", &options->cancel_grace_ns},
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (length == strlen(limits[i].name) && !memcmp(name, limits[i].name, length))
			return limits[i].limit_ns;
	return NULL;
}

static int options_switch(struct options *options, const char *name, size_t length)
{
	if (length != strlen("strict") ||
	    (memcmp(name, "strict", length) && memcmp(name, "native", length)))
		return -EINVAL;
	if (*name == 's')
		options->is_strict = true;
	else
		options->is_native = true;
	return 0;
}

static int options_take(struct options *options, const char *part, size_t length)
{
	const char *equals = memchr(part, '=', length);
	nsec_t *limit_ns;

	if (!equals)
		return options_switch(options, part, length);
	if (equals - part == 10 && !memcmp(part, "task-flood", 10))
		return count_parse(equals + 1, (size_t)(part + length - equals - 1),
				   &options->task_flood);
	limit_ns = options_limit(options, part, (size_t)(equals - part));
	if (!limit_ns)
		return -EINVAL;
	equals++;
	return duration_parse(equals, (size_t)(part + length - equals), limit_ns);
}

static size_t complain(const char *part, size_t length, char *complaint, size_t complaint_bytes)
{
	static const char before[] = "LOOPHOUND_OPTIONS: ignored '";
	size_t room = complaint_bytes - sizeof(before) - 1;

	if (complaint_bytes < sizeof(before) + 2)
		return 0;
	length = MIN(length, room);
	memcpy(complaint, before, sizeof(before) - 1);
	memcpy(complaint + sizeof(before) - 1, part, length);
	complaint[sizeof(before) - 1 + length] = '\'';
	complaint[sizeof(before) + length] = '\0';
	return sizeof(before) + length;
}

/*
 * Take options from a comma-separated list; what is not named stays as it is.
 *
 * Return: the length of the complaint about the first bad part; 0 when all was good.
 */
size_t options_parse(const char *text, struct options *options, char *complaint,
		     size_t complaint_bytes)
{
	size_t said = 0;

	while (*text) {
		size_t length = strcspn(text, ",");

		if (length && options_take(options, text, length) && !said)
			said = complain(text, length, complaint, complaint_bytes);
		text += length + (text[length] == ',');
	}
	return said;
}
