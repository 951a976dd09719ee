/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all verbs say: one line on stderr, what and why
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* "FILE:LINE: " while options of a file are read; empty for those of the command line. */
static char place[PATH_MAX + 32];

/* Have all that is said begin with a place in a file; path NULL: no longer. */
void cli_set_place(const char *path, unsigned int line)
{
	place[0] = '\0';
	if (path)
		snprintf(place, sizeof(place), "%s:%u: ", path, line);
}

/* What every line begins with, in characters. */
size_t cli_indent(void)
{
	return strlen("loophound: ") + strlen(place);
}

static void say(const char *format, va_list ap)
{
	fprintf(stderr, "loophound: %s", place);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
}

/* One line, without its newline. */
void cli_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
}

/* Likewise, and the command ends: it was not called as it can be. */
void cli_usage(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	exit(CLI_EXIT_USAGE);
}
