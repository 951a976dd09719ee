/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to say about a finding
 *
 * The advice depends on the kind and on what the rules of advice.txt know of the library, the
 * target or the call (rule.c).
 */
#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "rule.h"
#include "stamp.h"

static const char *const by_kind[_KIND_N] = {
	[KIND_BLOCKING_CALL] = "Use the asynchronous form of the call, or await "
			       "asyncio.to_thread().",
	[KIND_SLOW_CALLBACK] =
		"Split the work with await asyncio.sleep(0), or move it to a process "
		"pool.",
	[KIND_LONG_TURN] =
		"Many short callbacks ran in one turn: start fewer at once (a semaphore, "
		"a queue).",
	[KIND_STUCK] = "It never came back: look for a deadlock or an endless loop at this line.",
	[KIND_NEVER_AWAITED] =
		"Await it, or start it with asyncio.create_task() and keep the task.",
	[KIND_EXCEPTION_NEVER_RETRIEVED] =
		"Await the task, or give it a done-callback that looks at task.exception().",
	[KIND_TASK_DESTROYED_PENDING] =
		"Keep the task: in a set, with add_done_callback(that_set.discard), or in a "
		"TaskGroup.",
	[KIND_TASK_NEVER_FINISHED] = "Await it before the end, or cancel it and await that.",
	[KIND_UNREFERENCED_TASK] =
		"Keep the task: in a set, with add_done_callback(that_set.discard), or in a "
		"TaskGroup.",
	[KIND_UNHANDLED_TIMEOUT] =
		"Catch TimeoutError where the limit is set, and say what happens then.",
	[KIND_TASK_FLOOD] =
		"Let a few workers take from an asyncio.Queue, or limit the tasks with an "
		"asyncio.Semaphore before they are made.",
	[KIND_NESTED_RUN] = "Await the coroutine; from another thread use "
			    "asyncio.run_coroutine_threadsafe().",
	[KIND_TASKGROUP_MISUSE] = "Use async with, and make the tasks inside its block.",
	[KIND_UNHANDLED_GROUP] =
		"Put except* round the async with, for each class of error that its tasks raise.",
	[KIND_RESULT_BEFORE_DONE] =
		"Await the task first (or leave its TaskGroup): the result is there then.",
	[KIND_GATHER_SIBLING_LOST] =
		"Pass return_exceptions=True and look at each result, or use asyncio.TaskGroup, "
		"which raises every failure.",
	[KIND_GATHER_EXCEPTIONS_IGNORED] =
		"Keep the list and look at each result with isinstance(), or leave "
		"return_exceptions out.",
	[KIND_SWALLOWED_EXCEPTION] =
		"Name the exceptions that are expected, and log or raise the others.",
	[KIND_UNCLOSED_RESOURCE] =
		"Close it where it was opened: with or async with (a generator: "
		"contextlib.aclosing()), or close() in finally, which also runs on cancellation.",
	[KIND_SWALLOWED_CANCELLATION] =
		"Clean up and raise it again. A task that is meant to go on says so: "
		"asyncio.current_task().uncancel() (3.11).",
	[KIND_IGNORED_CANCELLATION] =
		"Do not catch CancelledError in the loop that goes on, or raise it again after "
		"cleaning up.",
};

/*
 * Slow, but not for computing: it waited in a call that is not watched, or for a page. Waiting for
 * a CPU or for the GIL is not that. Where the time on the CPU was not measured, it counts as
 * computing.
 */
static bool is_off_cpu(const struct finding *f)
{
	uint64_t off_cpu_ns = 0;

	off_cpu_ns += f->cause.unknown_ns > 0 ? (uint64_t)f->cause.unknown_ns : 0;
	off_cpu_ns += f->cause.blocked_ns > 0 ? (uint64_t)f->cause.blocked_ns : 0;
	off_cpu_ns += f->cause.uninterruptible_ns > 0 ? (uint64_t)f->cause.uninterruptible_ns : 0;
	off_cpu_ns += f->cause.page_fault_ns > 0 ? (uint64_t)f->cause.page_fault_ns : 0;
	return f->cause.on_cpu_ns >= 0 && off_cpu_ns > 0 && off_cpu_ns * 4 > f->total_ns * 3;
}

/* Slow for what was allocated, here or elsewhere, rather than for what the code here computes. */
static bool is_collecting(const struct finding *f)
{
	return f->cause.gc_ns > 0 && (uint64_t)f->cause.gc_ns * 2 > f->total_ns;
}

static bool is_paging(const struct finding *f)
{
	return f->cause.page_fault_ns > 0 && (uint64_t)f->cause.page_fault_ns * 2 > f->total_ns;
}

/* What it waited for mostly, where the kernel has told. */
static const char *waited_for(const struct finding *f)
{
	if (is_paging(f))
		return " for pages of its memory";
	if (f->cause.uninterruptible_ns > 0 &&
	    (uint64_t)f->cause.uninterruptible_ns * 2 > f->total_ns)
		return " for a disk, or where else no signal can end it";
	if (f->cause.blocked_ns > 0 && (uint64_t)f->cause.blocked_ns * 2 > f->total_ns)
		return " in system calls";
	return "";
}

/* The import system is what runs just inside the line to blame. */
static bool is_import(const struct finding *f)
{
	const struct frame *inside = finding_inside(f);

	return inside && inside->file && !strncmp(inside->file, "<frozen importlib", 17);
}

/* Up to CPython 3.10 time.sleep() is a select() of nothing (Modules/timemodule.c, pysleep()). */
static bool is_select_sleep(const struct finding *f)
{
	return f->call.name && !strcmp(f->call.name, "select") && f->call.fd < 0 &&
	       !f->call.target && !finding_inside(f);
}

/* What to do about it, one sentence. */
const char *advice_text(const struct finding *finding)
{
	const char *text = NULL;

	if (finding->kind == KIND_BLOCKING_CALL || finding->kind == KIND_SLOW_CALLBACK)
		text = rules_find(finding);
	if (finding->kind == KIND_BLOCKING_CALL && is_select_sleep(finding))
		text = "Use await asyncio.sleep().";
	if (finding->kind == KIND_SLOW_CALLBACK && is_import(finding))
		text = "Import it before the loop starts. For a server's own start see --warmup.";
	else if (finding->kind == KIND_SLOW_CALLBACK && is_collecting(finding))
		text = "Call gc.freeze() once the application has started, so that what stays is "
		       "not looked at again, and raise gc.set_threshold().";
	else if (finding->kind == KIND_SLOW_CALLBACK && is_paging(finding))
		text = "Its memory comes back from a disk: keep enough of it free, or read mapped "
		       "files in asyncio.to_thread().";
	else if (finding->kind == KIND_SLOW_CALLBACK && !text && is_off_cpu(finding))
		text = "It waits in a call that is not told apart yet (a file, a pipe, a name "
		       "look-up, os.system): use its asynchronous form, or await "
		       "asyncio.to_thread().";
	return text ? text : by_kind[finding->kind];
}

static const char *or_unknown(const char *text)
{
	return text && *text ? text : "something";
}

/* A call that the user's code made without a library, as people write it. */
static const char *call_words(const struct finding *f)
{
	static const struct {
		const char *name, *words;
	} calls[] = {
		{"clock_nanosleep", "time.sleep (clock_nanosleep)"},
		{"sem_wait", "a lock (sem_wait)"},
		{"sem_clockwait", "a lock (sem_clockwait)"},
		{"sem_timedwait", "a lock (sem_timedwait)"},
	};

	if (is_select_sleep(f))
		return "time.sleep (select)";
	for (size_t i = 0; f->call.name && !finding_inside(f) && i < ARRAY_LEN(calls); i++)
		if (!strcmp(f->call.name, calls[i].name))
			return calls[i].words;
	return or_unknown(f->call.name);
}

static void message_call(const struct finding *f, const char *longest, char *buf, size_t n)
{
	const struct frame *inside = finding_inside(f);
	/* The address of a lock says nothing to people; that it is one, the words say. */
	bool has_target = f->call.target && strncmp(f->call.target, "lock 0x", 7) != 0;
	const char *on = has_target && *f->call.target ? " on " : "";
	const char *target = *on ? f->call.target : "";

	/* "a lock (sem_wait) of thread 7" */
	if (!strncmp(call_words(f), "a lock", 6) && !strncmp(target, "lock of ", 8)) {
		on = " of ";
		target += 8;
	}
	if (f->call.n_calls > 1)
		snprintf(buf, n, "up to %u calls of %s%s%s in one callback held the loop for %s%s",
			 f->call.n_calls, call_words(f), on, target, f->count > 1 ? "up to " : "",
			 longest);
	else if (inside && inside->module && inside->function)
		snprintf(buf, n, "%s.%s waited in %s%s%s and held the loop for %s%s",
			 inside->module, inside->function, or_unknown(f->call.name), on, target,
			 f->count > 1 ? "up to " : "", longest);
	else
		snprintf(buf, n, "%s%s%s held the loop for %s%s", call_words(f), on, target,
			 f->count > 1 ? "up to " : "", longest);
}

static void message_stuck(const struct finding *f, const char *longest, char *buf, size_t n)
{
	const char *how = f->is_provisional ? "has not ended for" : "never ended; last seen after";

	if (f->call.name && f->call.target && !strncmp(f->call.target, "lock of ", 8))
		snprintf(buf, n, "%s of %s %s %s", call_words(f), f->call.target + 8, how, longest);
	else if (f->call.name)
		snprintf(buf, n, "%s %s %s", call_words(f), how, longest);
	else
		snprintf(buf, n, "%s %s %s", or_unknown(f->culprit.function), how, longest);
}

/* An exception's class and text say more than its class. */
static bool is_told_by_detail(enum finding_kind kind)
{
	return kind == KIND_EXCEPTION_NEVER_RETRIEVED || kind == KIND_UNHANDLED_TIMEOUT ||
	       kind == KIND_UNHANDLED_GROUP;
}

/* Kinds that need no more than the name of what went wrong. */
static void message_pitfall(const struct finding *f, char *buf, size_t n)
{
	const char *name =
		is_told_by_detail(f->kind) && f->detail ? f->detail : or_unknown(f->name);
	static const struct {
		const char *before, *after;
	} words[_KIND_N] = {
		[KIND_NEVER_AWAITED] = {"coroutine ", " was made and never awaited"},
		[KIND_EXCEPTION_NEVER_RETRIEVED] = {"",
						    " ended a task or future, and nobody looked"},
		[KIND_TASK_DESTROYED_PENDING] = {"task ", " was collected before it had finished"},
		[KIND_TASK_NEVER_FINISHED] = {"task ",
					      " had not finished when its loop was closed"},
		[KIND_UNREFERENCED_TASK] = {"task ", " is held by nothing but what it waits for"},
		[KIND_UNHANDLED_TIMEOUT] = {"", " ended a task or the program: nobody caught it"},
		[KIND_UNHANDLED_GROUP] = {"", " of a TaskGroup ended a task or the program"},
		[KIND_TASKGROUP_MISUSE] = {"", ": its tasks are made inside its async with"},
		[KIND_NESTED_RUN] = {"", " was called while a loop runs in this thread"},
		[KIND_RESULT_BEFORE_DONE] = {"the result of ", " was read before it was done"},
		[KIND_GATHER_SIBLING_LOST] = {"gather() had failed already: the failure of ",
					      " was lost"},
		[KIND_GATHER_EXCEPTIONS_IGNORED] = {"gather() returned failures, and ",
						    " does not look at the results"},
		[KIND_SWALLOWED_EXCEPTION] = {"", " was caught by a broad except and dropped"},
		[KIND_UNCLOSED_RESOURCE] = {"", " was left open and never closed"},
		[KIND_SWALLOWED_CANCELLATION] = {"", " was cancelled and ended as if it had not"},
		[KIND_IGNORED_CANCELLATION] = {"", " was cancelled and goes on"},
	};

	if (f->kind == KIND_TASK_FLOOD)
		snprintf(buf, n, "%u tasks %s", f->n,
			 f->detail ? "made here were live at once" : "were made here in one turn");
	else if (words[f->kind].before)
		snprintf(buf, n, "%s%s%s", words[f->kind].before, name, words[f->kind].after);
	else
		snprintf(buf, n, "%s", kind_name(f->kind));
}

/* What happened, one sentence without a full stop. Return: buf */
const char *advice_message(const struct finding *finding, char *buf, size_t buf_bytes)
{
	const char *up_to = finding->count > 1 ? "up to " : "";
	char longest[STAMP_BYTES];

	stamp_span(finding->max_ns, longest);
	if (finding->kind == KIND_BLOCKING_CALL)
		message_call(finding, longest, buf, buf_bytes);
	else if (finding->kind == KIND_STUCK)
		message_stuck(finding, longest, buf, buf_bytes);
	else if (finding->kind == KIND_SLOW_CALLBACK && is_import(finding))
		snprintf(buf, buf_bytes, "an import here held the loop for %s%s", up_to, longest);
	else if (finding->kind == KIND_SLOW_CALLBACK && is_off_cpu(finding))
		snprintf(buf, buf_bytes, "%s held the loop for %s%s, mostly waiting%s",
			 or_unknown(finding->culprit.function), up_to, longest,
			 waited_for(finding));
	else if (finding->kind == KIND_SLOW_CALLBACK)
		snprintf(buf, buf_bytes,
			 is_collecting(finding)
				 ? "%s held the loop for %s%s, mostly collecting garbage"
				 : "%s kept the loop busy for %s%s",
			 or_unknown(finding->culprit.function), up_to, longest);
	else if (finding->kind == KIND_LONG_TURN)
		snprintf(buf, buf_bytes, "one turn of the loop took %s%s, no single callback did",
			 up_to, longest);
	else
		message_pitfall(finding, buf, buf_bytes);
	utf8_cut(buf);
	return buf;
}
