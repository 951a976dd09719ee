/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log
 *
 * Errors are logged where they stop, in the daemon's own rooms only. A client that misbehaves in a
 * loop must not fill the journal: beyond LOG_MAX_A_SECOND lines are counted, and the next one that
 * is written says how many there were.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "log.h"

#define LOG_MAX_A_SECOND 20

static struct {
	const char *program;
	nsec_t second_start;
	unsigned int n_lines;
	unsigned int n_held;
} log_state = {.program = "loophound"};

/* The name each line begins with. */
void log_init(const char *program)
{
	log_state.program = program;
}

static int log_admit(void)
{
	nsec_t now = clock_monotonic();

	if (now - log_state.second_start >= NSEC_PER_SEC) {
		log_state.second_start = now;
		log_state.n_lines = 0;
	}
	if (log_state.n_lines++ < LOG_MAX_A_SECOND)
		return 1;
	log_state.n_held++;
	return 0;
}

/* Names in a line may come from a stranger: what a terminal might obey is replaced. */
static void log_clean(char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
}

/* One line, without its newline. */
void log_line(const char *format, ...)
{
	char line[1024];
	va_list ap;
	int n, m;

	if (!log_admit())
		return;
	n = snprintf(line, sizeof(line), "%s: ", log_state.program);
	va_start(ap, format);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 32, format, ap);
	va_end(ap);
	n += MIN(MAX(m, 0), (int)(sizeof(line) - (size_t)n - 33));
	if (log_state.n_held)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " (+%u held back)",
			      log_state.n_held);
	log_state.n_held = 0;
	n = MIN(n, (int)sizeof(line) - 2);
	log_clean(line, (size_t)n);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}
