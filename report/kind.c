/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding kinds
 *
 * The table names every kind that is promised to users, so that a kind which this version does not
 * detect yet is told apart from a typing error. A kind says which of the shim's detectors it needs:
 * where one of them was not live, "none found" means "not measured".
 */
#include <errno.h>
#include <string.h>

#include "base/defs.h"
#include "kind.h"
#include "nearest.h"
#include "wire/region.h"

struct kind {
	const char *name;
	uint32_t detectors; /* enum detector; 0: not detected by this version */
	enum severity severity;
	bool is_timed; /* its size is a duration */
};

static const struct kind kinds[_KIND_N] = {
	[KIND_BLOCKING_CALL] = {"blocking-call", DETECTOR_CALLS, SEVERITY_WARNING, true},
	[KIND_SLOW_CALLBACK] = {"slow-callback", DETECTOR_CALLBACKS, SEVERITY_WARNING, true},
	[KIND_LONG_TURN] = {"long-turn", DETECTOR_TURNS, SEVERITY_WARNING, true},
	[KIND_STUCK] = {"stuck", DETECTOR_TURNS | DETECTOR_SAMPLES, SEVERITY_ERROR, true},
	[KIND_NEVER_AWAITED] = {"never-awaited", DETECTOR_NEVER_AWAITED, SEVERITY_ERROR, false},
	[KIND_EXCEPTION_NEVER_RETRIEVED] = {"exception-never-retrieved", DETECTOR_TASKS,
					    SEVERITY_ERROR, false},
	[KIND_TASK_DESTROYED_PENDING] = {"task-destroyed-pending", DETECTOR_TASKS, SEVERITY_ERROR,
					 false},
	[KIND_TASK_NEVER_FINISHED] = {"task-never-finished", DETECTOR_TASKS, SEVERITY_ERROR, false},
	[KIND_UNREFERENCED_TASK] = {"unreferenced-task", DETECTOR_TASKS, SEVERITY_NOTE, false},
	[KIND_GATHER_SIBLING_LOST] = {"gather-sibling-lost", DETECTOR_GATHER, SEVERITY_ERROR,
				      false},
	[KIND_GATHER_EXCEPTIONS_IGNORED] = {"gather-exceptions-ignored", DETECTOR_GATHER,
					    SEVERITY_NOTE, false},
	[KIND_SWALLOWED_CANCELLATION] = {"swallowed-cancellation", DETECTOR_CANCELLATION,
					 SEVERITY_WARNING, false},
	[KIND_IGNORED_CANCELLATION] = {"ignored-cancellation", DETECTOR_CANCELLATION,
				       SEVERITY_WARNING, true},
	[KIND_SWALLOWED_EXCEPTION] = {"swallowed-exception", DETECTOR_EXCEPTIONS, SEVERITY_NOTE,
				      false},
	[KIND_UNHANDLED_TIMEOUT] = {"unhandled-timeout", DETECTOR_UNHANDLED, SEVERITY_ERROR, false},
	[KIND_TASK_FLOOD] = {"task-flood", DETECTOR_TASKS, SEVERITY_WARNING, false},
	[KIND_NESTED_RUN] = {"nested-run", DETECTOR_NESTED_RUN, SEVERITY_ERROR, false},
	[KIND_RESULT_BEFORE_DONE] = {"result-before-done", DETECTOR_TASKS, SEVERITY_ERROR, false},
	[KIND_TASKGROUP_MISUSE] = {"taskgroup-misuse", DETECTOR_TASKGROUP, SEVERITY_ERROR, false},
	[KIND_UNHANDLED_GROUP] = {"unhandled-group", DETECTOR_UNHANDLED, SEVERITY_ERROR, false},
	[KIND_UNCLOSED_RESOURCE] = {"unclosed-resource", DETECTOR_RESOURCES, SEVERITY_WARNING,
				    false},
};

/* What happened, in one sentence. */
const char *kind_summary(enum finding_kind kind)
{
	static const char *const texts[_KIND_N] = {
		[KIND_BLOCKING_CALL] =
			"A call that waits in the kernel or on a lock held the event loop.",
		[KIND_SLOW_CALLBACK] = "One callback or task step kept the event loop on the CPU.",
		[KIND_LONG_TURN] = "One pass of the event loop was too long, though no single "
				   "callback was.",
		[KIND_STUCK] = "A turn of the event loop never ended.",
		[KIND_NEVER_AWAITED] = "A coroutine was made and dropped without running.",
		[KIND_EXCEPTION_NEVER_RETRIEVED] = "A task or future failed and nobody looked.",
		[KIND_TASK_DESTROYED_PENDING] = "A task was garbage collected before it finished.",
		[KIND_TASK_NEVER_FINISHED] = "The event loop was closed over a pending task.",
		[KIND_UNREFERENCED_TASK] = "A suspended task is held by nothing but what it waits "
					   "for.",
		[KIND_GATHER_SIBLING_LOST] =
			"gather() raised its first failure and lost a later one.",
		[KIND_GATHER_EXCEPTIONS_IGNORED] =
			"gather() returned failures and nobody looked at them.",
		[KIND_SWALLOWED_CANCELLATION] = "A task was cancelled and ended with a result.",
		[KIND_IGNORED_CANCELLATION] = "A task was cancelled and went on running.",
		[KIND_SWALLOWED_EXCEPTION] = "A broad except in a coroutine ate an exception.",
		[KIND_UNHANDLED_TIMEOUT] = "A TimeoutError that nobody caught ended a task or the "
					   "program.",
		[KIND_TASK_FLOOD] = "Thousands of tasks were made at one place at once.",
		[KIND_NESTED_RUN] = "An event loop was run inside a running one.",
		[KIND_RESULT_BEFORE_DONE] = "The result of a task was asked for before it was "
					    "done.",
		[KIND_TASKGROUP_MISUSE] = "A task was made in a TaskGroup that is closed or was "
					  "not entered.",
		[KIND_UNHANDLED_GROUP] = "An ExceptionGroup that nobody caught ended a task or "
					 "the program.",
		[KIND_UNCLOSED_RESOURCE] = "A session, transport, socket, loop, file or async "
					   "generator was dropped while open.",
	};

	return texts[kind];
}

const char *kind_name(enum finding_kind kind)
{
	return kinds[kind].name;
}

enum severity kind_severity(enum finding_kind kind)
{
	return kinds[kind].severity;
}

/* Whether this version can find it at all. */
bool kind_is_detected(enum finding_kind kind)
{
	return kinds[kind].detectors;
}

/* KIND_MASK of all that this version can find. */
uint32_t kinds_detected(void)
{
	uint32_t mask = 0;

	for (unsigned int i = 0; i < _KIND_N; i++)
		if (kinds[i].detectors)
			mask |= KIND_MASK(i);
	return mask;
}

/* KIND_MASK of all that are looked for in strict mode only. */
uint32_t kinds_strict(void)
{
	return KIND_MASK(KIND_UNREFERENCED_TASK) | KIND_MASK(KIND_GATHER_EXCEPTIONS_IGNORED) |
	       KIND_MASK(KIND_SWALLOWED_EXCEPTION);
}

/* Whether its size is a number of things. */
bool kind_is_sized(enum finding_kind kind)
{
	return kind == KIND_TASK_FLOOD;
}

bool kind_is_timed(enum finding_kind kind)
{
	return kinds[kind].is_timed;
}

/* The detectors of the shim, enum detector, without which the kind cannot be seen. */
uint32_t kind_detectors(enum finding_kind kind)
{
	return kinds[kind].detectors;
}

/* Return: 0, or -ENOENT for what is no kind's name. */
int kind_parse(const char *text, size_t length, enum finding_kind *ret_kind)
{
	for (unsigned int i = 0; i < _KIND_N; i++)
		if (strlen(kinds[i].name) == length && !memcmp(kinds[i].name, text, length)) {
			*ret_kind = (enum finding_kind)i;
			return 0;
		}
	return -ENOENT;
}

/* Of a name that is none, the kind that may be meant. Return: NULL when none is near. */
const char *kind_nearest(const char *text, size_t length)
{
	unsigned int best = nearest_limit(length) + 1;
	const char *nearest = NULL;

	for (unsigned int i = 0; i < _KIND_N; i++) {
		unsigned int distance = nearest_distance(text, length, kinds[i].name);

		if (distance < best) {
			best = distance;
			nearest = kinds[i].name;
		}
	}
	for (unsigned int i = 0; !nearest && i < _KIND_N; i++)
		if (nearest_is_meant(text, length, kinds[i].name))
			nearest = kinds[i].name;
	return nearest;
}

/* The name of the detector of that bit, below DETECTOR_N. */
const char *detector_name(unsigned int bit)
{
	static const char *const names[DETECTOR_N] = {
		"turns",     "callbacks",    "calls",	   "samples",	  "never-awaited",
		"tasks",     "cancellation", "gather",	   "taskgroup",	  "nested-run",
		"unhandled", "resources",    "exceptions", "collections", "causes",
	};

	return names[bit];
}

const char *severity_name(enum severity severity)
{
	static const char *const names[] = {
		[SEVERITY_ERROR] = "error",
		[SEVERITY_WARNING] = "warning",
		[SEVERITY_NOTE] = "note",
	};

	return names[severity];
}
