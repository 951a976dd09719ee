/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusal: what asyncio refuses to do, by the exception it makes
 *
 * A loop that is run inside a running one, a task for a TaskGroup that is over, `with` instead of
 * `async with`: each ends in a RuntimeError or TypeError that asyncio, uvloop or the interpreter
 * makes with a text of its own. So the two classes are asked when one is made (tp_init, and
 * tp_vectorcall where the class has one); Python code, Cython and C all come through there, no
 * function of asyncio is touched, and one that was patched to allow what it refused (nest_asyncio)
 * makes no exception. The text alone proves nothing: the code that makes it must be asyncio's, or
 * uvloop's, which has no Python frame, while a loop of uvloop runs in the thread.
 *
 * On 3.11 the interpreter makes its own exceptions late, in the frame that handles them. Then the
 * line cannot be told here, and is told by the traceback where the exception ends (unhandled.c).
 *
 * The coroutine that was refused is dropped without having run. It is among the variables of the
 * frames of asyncio's that refuse it, and is not told as never awaited as well. uvloop makes a task
 * of it before it refuses: that is the last one that the thread has made.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "fork.h"
#include "intern.h"
#include "py/frame.h"
#include "py/refusal.h"
#include "py/tell.h"

/* CPython 3.8-3.15 Include/cpython/object.h. */
#define TYPE_INIT_OFFSET       296
#define TYPE_VECTORCALL_OFFSET 400

/* Refused coroutines whose exceptions, which hold them, are still alive: more are forgotten. */
#define REFUSED_N 64
#define TOLD_N	  64
/* run() > run_until_complete() > run_forever() > _check_running(), and one to spare. */
#define REFUSED_MAX_FRAMES 5

typedef int (*init_fn)(PyObject *self, PyObject *args, PyObject *names);

enum refuser {
	BY_ASYNCIO = 1, /* a function of asyncio's own, or trio's, is the innermost frame */
	BY_UVLOOP = 2,	/* or of uvloop's loop, which is no frame */
	BY_PYTHON = 4,	/* the interpreter itself */
};

struct refusal {
	const char *begin, *end; /* of the text */
	const char *name;	 /* what was called; NULL: by its text */
	enum pitfall pitfall;
	unsigned int by; /* enum refuser */
};

static const struct refusal runtime_errors[] = {
	{"asyncio.run() cannot be called from a running event loop", "", "asyncio.run()",
	 PITFALL_NESTED_RUN, BY_ASYNCIO},
	{"Runner.run() cannot be called from a running event loop", "", "asyncio.Runner.run()",
	 PITFALL_NESTED_RUN, BY_ASYNCIO},
	{"This event loop is already running", "", "a running loop", PITFALL_NESTED_RUN,
	 BY_ASYNCIO},
	{"Cannot run the event loop while another loop is running", "", "another loop",
	 PITFALL_NESTED_RUN, BY_ASYNCIO | BY_UVLOOP},
	{"this event loop is already running.", "", "a running loop", PITFALL_NESTED_RUN,
	 BY_UVLOOP},
	{"TaskGroup <", "> has not been entered", "a TaskGroup that was not entered",
	 PITFALL_TASKGROUP_MISUSE, BY_ASYNCIO},
	{"TaskGroup <", "> is finished", "a TaskGroup that is closed", PITFALL_TASKGROUP_MISUSE,
	 BY_ASYNCIO},
	{"Attempted to call run() from inside a run()", "", "trio.run()", PITFALL_NESTED_RUN,
	 BY_ASYNCIO},
	/* No misuse: a sibling has failed meanwhile. But the coroutine is not forgotten either. */
	{"TaskGroup <", "> is shutting down", NULL, 0, BY_ASYNCIO},
};

static const struct refusal type_errors[] = {
	{"'TaskGroup' object does not support the context manager protocol", "", "with TaskGroup()",
	 PITFALL_TASKGROUP_MISUSE, BY_PYTHON},
	{"'asyncio.taskgroups.TaskGroup' object does not support the context manager protocol", "",
	 "with TaskGroup()", PITFALL_TASKGROUP_MISUSE, BY_PYTHON},
};

/* Addresses alone, no references; guarded by the GIL. */
static PyObject *refused[REFUSED_N];
static unsigned int refused_next;
/* How many of them there are. */
_hidden_ uint32_t refusal_n;
/* The same of tasks. */
static PyObject *refused_tasks[REFUSED_N];
static unsigned int refused_tasks_next;
_hidden_ uint32_t refusal_n_tasks;
/* The last task that this thread has made, which may be gone: it is only compared. */
_hidden_ __thread PyObject *refusal_newest_task __attribute__((tls_model("initial-exec")));
/* Exceptions that are told of: their end tells nothing more. */
static PyObject *told[TOLD_N];
static unsigned int told_next;

static init_fn runtime_init, type_init;
static vectorcall_fn runtime_vectorcall, type_vectorcall;

/* The coroutine will be dropped, and why is told already. */
_hidden_ void refusal_add(PyObject *coroutine)
{
	PyObject **place = &refused[refused_next++ % REFUSED_N];

	refusal_n += !*place;
	*place = coroutine;
}

/*
 * Whether the coroutine that is dropped now was refused; not any more after that. Also called when
 * one has died that was closed with care: another will live at its address.
 */
_hidden_ bool refusal_took(PyObject *coroutine)
{
	uint32_t n_before = refusal_n;

	for (unsigned int i = 0; refusal_n && i < REFUSED_N; i++)
		if (refused[i] == coroutine) {
			refused[i] = NULL;
			refusal_n--;
		}
	return refusal_n != n_before;
}

static void task_add(PyObject *task)
{
	PyObject **place = &refused_tasks[refused_tasks_next++ % REFUSED_N];

	refusal_n_tasks += !*place;
	*place = task;
}

/* Whether the task that is finalised now was made of what was refused; not any more after that. */
_hidden_ bool refusal_took_task(PyObject *task)
{
	uint32_t n_before = refusal_n_tasks;

	for (unsigned int i = 0; refusal_n_tasks && i < REFUSED_N; i++)
		if (refused_tasks[i] == task) {
			refused_tasks[i] = NULL;
			refusal_n_tasks--;
		}
	return refusal_n_tasks != n_before;
}

/* Whether the exception is told of; not any more after that. */
static bool told_take(PyObject *exception)
{
	for (unsigned int i = 0; i < TOLD_N; i++)
		if (told[i] == exception) {
			told[i] = NULL;
			return true;
		}
	return false;
}

static bool text_ends(const char *text, size_t length, const char *end)
{
	size_t end_length = strlen(end);

	return length >= end_length && !memcmp(text + length - end_length, end, end_length);
}

static const struct refusal *refusal_find(const struct refusal *refusals, size_t n, PyObject *text)
{
	char buf[TELL_MAX_TEXT];
	size_t length = tell_copy(text, buf, sizeof(buf));

	for (size_t i = 0; length && i < n; i++)
		if (!strncmp(buf, refusals[i].begin, strlen(refusals[i].begin)) &&
		    text_ends(buf, length, refusals[i].end))
			return &refusals[i];
	return NULL;
}

/* Whether a frame is of what may refuse: not of a program that uses the same words. */
static bool is_frameworks(const struct record_frame *frame)
{
	static const char *const files[] = {
		"/asyncio/base_events.py", "/asyncio/runners.py", "/asyncio/taskgroups.py",
		"/uvloop/__init__.py",	   "/trio/_core/_run.py",
	};
	size_t length;
	const char *file = intern_text(frame->file_str, &length);

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (text_ends(file, length, files[i]))
			return true;
	return false;
}

/*
 * Whether the innermost frame is just entering a `with`: on 3.11 alone it may be another, outer one
 * (Python/ceval.c makes the exception when its handler is reached). Opcode 53 there: BEFORE_WITH.
 */
static bool is_at_with(void)
{
	PyObject *frame = py.PyEval_GetFrame();
	PyObject *code = frame ? (PyObject *)(uintptr_t)frame_code(frame) : NULL;
	PyObject *bytes = code ? py_get(code, "co_code") : NULL;
	PyObject *lasti = frame ? py_get(frame, "f_lasti") : NULL;
	PyObject *opcode = NULL;
	long number;

	if (bytes && lasti)
		opcode = py.PyObject_GetItem(bytes, lasti);
	number = opcode ? py.PyLong_AsLong(opcode) : -1;
	py.PyErr_Clear();
	tell_unref(opcode);
	tell_unref(lasti);
	tell_unref(bytes);
	return number == 53;
}

static bool is_late(void)
{
	return !strncmp(watch.python_version, "3.11.", 5);
}

static bool is_refusal(const struct refusal *refusal, const struct stack_buf *stack)
{
	bool is_by_framework = stack->stack.n_frames && is_frameworks(&stack->frames[0]);

	if (refusal->pitfall == PITFALL_NESTED_RUN && !thread_loop)
		return false;
	if (refusal->by & BY_ASYNCIO && is_by_framework)
		return true;
	if (refusal->by & BY_UVLOOP && thread_loop && thread_loop->framework == FRAMEWORK_UVLOOP)
		return true;
	return refusal->by & BY_PYTHON && (!is_late() || is_at_with());
}

/* The coroutines among the variables of a frame that asyncio calls them by. */
static void add_variables(PyObject *frame)
{
	static const char *const names[] = {"main", "coro", "future"};
	PyObject *variables = py.PyObject_GetAttrString(frame, "f_locals"), *value;

	for (size_t i = 0; variables && i < ARRAY_LEN(names); i++) {
		value = py.PyMapping_GetItemString(variables, names[i]);
		if (value && (void *)py_type(value) == py.PyCoro_Type)
			refusal_add(value);
		py.PyErr_Clear();
		tell_unref(value);
	}
	py.PyErr_Clear();
	tell_unref(variables);
}

static void add_coroutines(const struct stack_buf *stack)
{
	PyObject *frame = py.PyEval_GetFrame(), *outer;

	py.Py_IncRef(frame);
	for (uint32_t i = 0; frame && i < MIN(stack->stack.n_frames, REFUSED_MAX_FRAMES) &&
			     is_frameworks(&stack->frames[i]);
	     i++) {
		add_variables(frame);
		outer = py_get(frame, "f_back");
		py.Py_DecRef(frame);
		frame = outer;
	}
	tell_unref(frame);
}

static void refusal_emit(const struct refusal *refusal, const struct stack_buf *stack)
{
	struct pitfall_facts facts = {.pitfall = refusal->pitfall, .stack = stack};

	facts.name_str = intern(refusal->name, strlen(refusal->name));
	emit_pitfall(&facts);
}

static void made(const struct refusal *refusals, size_t n, PyObject *text, PyObject *exception)
{
	const struct refusal *refusal = refusal_find(refusals, n, text);
	uint64_t tstate_raddr;
	struct stack_buf stack;

	if (!refusal || !fork_watch_open())
		return;
	told_take(exception); /* another one lived at this address before */
	tstate_raddr = frame_tstate();
	emit_own_stack(tstate_raddr, &stack);
	if (!is_refusal(refusal, &stack))
		return;
	if (refusal->by & BY_ASYNCIO)
		add_coroutines(&stack);
	if (refusal->by & BY_UVLOOP && refusal_newest_task &&
	    !(stack.stack.n_frames && is_frameworks(&stack.frames[0])))
		task_add(refusal_newest_task);
	if (!refusal->pitfall)
		return;
	refusal_emit(refusal, &stack);
	told[told_next++ % TOLD_N] = exception;
}

/*
 * A first look at what may be one of our texts, since TypeErrors are made by the thousand: length
 * and two letters.
 */
static bool is_candidate(PyObject *text, const char *first, const char *second)
{
	return text && (void *)py_type(text) == py.PyUnicode_Type &&
	       py.PyUnicode_GetLength(text) > 20 &&
	       memchr(first, (int)py.PyUnicode_ReadChar(text, 0), strlen(first)) &&
	       memchr(second, (int)py.PyUnicode_ReadChar(text, 1), strlen(second));
}

static _cold_ void made_aside(bool is_runtime, PyObject *text, PyObject *exception)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	if (is_runtime)
		made(runtime_errors, ARRAY_LEN(runtime_errors), text, exception);
	else
		made(type_errors, ARRAY_LEN(type_errors), text, exception);
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

static void runtime_made(PyObject *text, PyObject *exception)
{
	if (unlikely(is_candidate(text, "aRTtCA", "suhat")))
		made_aside(true, text, exception);
}

static void type_made(PyObject *text, PyObject *exception)
{
	if (unlikely(is_candidate(text, "'", "Ta")))
		made_aside(false, text, exception);
}

static PyObject *first_of(PyObject *args)
{
	return py.PyTuple_Size(args) == 1 ? py.PyTuple_GetItem(args, 0) : NULL;
}

static int on_runtime_init(PyObject *self, PyObject *args, PyObject *names)
{
	int r = runtime_init(self, args, names);

	if (!r)
		runtime_made(first_of(args), self);
	return r;
}

static int on_type_init(PyObject *self, PyObject *args, PyObject *names)
{
	int r = type_init(self, args, names);

	if (!r)
		type_made(first_of(args), self);
	return r;
}

static PyObject *on_runtime_vectorcall(PyObject *class, PyObject *const *args, size_t n_args,
				       PyObject *names)
{
	PyObject *exception = runtime_vectorcall(class, args, n_args, names);

	if (exception && VECTORCALL_N_ARGS(n_args) == 1)
		runtime_made(args[0], exception);
	return exception;
}

static PyObject *on_type_vectorcall(PyObject *class, PyObject *const *args, size_t n_args,
				    PyObject *names)
{
	PyObject *exception = type_vectorcall(class, args, n_args, names);

	if (exception && VECTORCALL_N_ARGS(n_args) == 1)
		type_made(args[0], exception);
	return exception;
}

/* A slot of a class of the interpreter's: they lie in memory that is written. */
static void *slot_replace(PyObject *class, size_t offset, void *function)
{
	void **slot = (void **)((char *)class + offset), *before = *slot;

	if (before)
		*slot = function;
	return before;
}

static const struct refusal *refusal_of(PyObject *exception)
{
	PyObject *args = py_get(exception, "args"), *text = NULL;
	const struct refusal *refusal = NULL;
	const char *class = py_type_name(exception);

	if (args && (void *)py_type(args) == py.PyTuple_Type)
		text = first_of(args);
	if (text && !strcmp(class, "TypeError"))
		refusal = refusal_find(type_errors, ARRAY_LEN(type_errors), text);
	else if (text && !strcmp(class, "RuntimeError"))
		refusal = refusal_find(runtime_errors, ARRAY_LEN(runtime_errors), text);
	tell_unref(args);
	return refusal;
}

/*
 * An exception ends a task, a thread or the program. Return: whether it is a refusal, which is told
 * of by now.
 */
_hidden_ bool refusal_ended(PyObject *exception, const struct stack_buf *trace)
{
	const struct refusal *refusal = refusal_of(exception);

	if (!refusal || told_take(exception))
		return refusal;
	if (!is_late() || !(refusal->by & BY_PYTHON))
		return false;
	refusal_emit(refusal, trace);
	return true;
}

/* Needs the GIL. */
_hidden_ void refusal_install(void)
{
	PyObject *runtime = *(PyObject **)py.PyExc_RuntimeError;
	PyObject *type = *(PyObject **)py.PyExc_TypeError;

	runtime_init = (init_fn)slot_replace(runtime, TYPE_INIT_OFFSET, (void *)on_runtime_init);
	type_init = (init_fn)slot_replace(type, TYPE_INIT_OFFSET, (void *)on_type_init);
	runtime_vectorcall = (vectorcall_fn)slot_replace(runtime, TYPE_VECTORCALL_OFFSET,
							 (void *)on_runtime_vectorcall);
	type_vectorcall = (vectorcall_fn)slot_replace(type, TYPE_VECTORCALL_OFFSET,
						      (void *)on_type_vectorcall);
	if (runtime_init && type_init)
		watch_detects(DETECTOR_NESTED_RUN | DETECTOR_TASKGROUP);
	else
		watch_lost(LOSS_HOOK_REFUSED);
}
