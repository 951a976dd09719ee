/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was not recorded
 *
 * "Nothing seen" and "could not see" are different: each reason has a counter, and the report
 * names them all. The text is for the last lines of the text report.
 */
#include "base/defs.h"
#include "lost.h"

static const char *const own_names[] = {
	[LOST_RING_CORRUPT - LOSS_N] = "ring-corrupt",
	[LOST_RECORD_CORRUPT - LOSS_N] = "record-corrupt",
	[LOST_RING_CUT - LOSS_N] = "ring-cut",
	[LOST_SAMPLES - LOSS_N] = "samples-dropped",
	[LOST_FINDINGS - LOSS_N] = "too-many-findings",
	[LOST_NAMES - LOSS_N] = "too-many-names",
	[LOST_PROCESSES - LOSS_N] = "processes-dropped",
	[LOST_WATCHES - LOSS_N] = "process-refused",
	[LOST_VERSIONS - LOSS_N] = "version-refused",
	[LOST_RECORDING_TRUNCATED - LOSS_N] = "recording-truncated",
	[LOST_RECORDING_CORRUPT - LOSS_N] = "recording-corrupt",
	[LOST_STACK_UNMERGED - LOSS_N] = "stack-unmerged",
	[LOST_NATIVE_OFF - LOSS_N] = "native-off",
	[LOST_TRACE_REFUSED - LOSS_N] = "trace-refused",
	[LOST_NATIVE_MISSED - LOSS_N] = "native-missed",
	[LOST_WAITS - LOSS_N] = "waits-dropped",
};

static const char *const texts[] = {
	[LOSS_RING_FULL] = "events, since nobody read them in time",
	[LOSS_ARENA_FULL] = "names, since the process ran out of room for them",
	[LOSS_SLOTS_FULL] = "loops, since more ran at once than are watched",
	[LOSS_STACK_UNREADABLE] = "stacks that could not be read to their end",
	[LOSS_STACK_TORN] = "stacks that changed while they were read",
	[LOSS_LOOP_UNKNOWN] = "loops whose poll could not be found",
	[LOSS_PYTHON_UNKNOWN] = "interpreters whose stacks cannot be read",
	[LOSS_HOOK_REFUSED] = "hooks, since something in Python was not as expected",
	[LOSS_RECORDING_FAILED] = "recordings that could not be written",
	[LOSS_FD_CLOSED] = "descriptors that the program closed",
	[LOSS_WATCHDOG_MISSING] = "watchdog threads that could not be started: no samples",
	[LOSS_CALLBACKS_UNTIMED] = "loops whose callbacks are not seen one by one",
	[LOST_RING_CORRUPT] = "event rings that made no sense and were given up",
	[LOST_RECORD_CORRUPT] = "events that made no sense",
	[LOST_RING_CUT] = "processes that died while they wrote an event",
	[LOST_SAMPLES] = "stack samples, since too many were waiting",
	[LOST_FINDINGS] = "events at more sites than are kept",
	[LOST_NAMES] = "names, since too many are kept",
	[LOST_PROCESSES] = "ended processes that are no longer listed",
	[LOST_WATCHES] = "processes that were refused",
	[LOST_VERSIONS] = "processes whose shim speaks another version",
	[LOST_RECORDING_TRUNCATED] = "recordings that end too early",
	[LOST_RECORDING_CORRUPT] = "recordings with parts that make no sense",
	[LOST_STACK_UNMERGED] = "native stacks that do not fit their Python ones",
	[LOST_NATIVE_OFF] = "native stacks: of a recording, or no --native here",
	[LOST_TRACE_REFUSED] = "processes that may not be traced: no native samples",
	[LOST_NATIVE_MISSED] = "calls that were over before their native frames were seen",
	[LOST_WAITS] = "waits that the kernel told of too fast: causes are less exact",
};

/* The reason as it stands under "lost" in a report. */
const char *lost_name(enum lost lost)
{
	return (unsigned int)lost < LOSS_N ? loss_name((enum loss)lost)
					   : own_names[(unsigned int)lost - LOSS_N];
}

/* The reason in words, to follow a number. */
const char *lost_text(enum lost lost)
{
	return texts[lost];
}

void losses_add(struct losses *losses, const struct losses *more)
{
	for (unsigned int i = 0; i < _LOST_N; i++)
		losses->n[i] += more->n[i];
}

uint64_t losses_sum(const struct losses *losses)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < _LOST_N; i++)
		sum += losses->n[i];
	return sum;
}
