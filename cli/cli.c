/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all verbs say: one line on stderr, what and why
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

static void say(const char *format, va_list ap)
{
	fputs("loophound: ", stderr);
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
