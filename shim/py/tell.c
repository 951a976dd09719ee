/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tell: exceptions, tasks and coroutines in words
 *
 * Nothing here runs code of the program: no __str__, no __repr__, no property. What an exception
 * says is its class and its first argument, when that is a str and nothing derived from it; what
 * cannot be had so is left out. Long texts are cut: a task may be named with a megabyte.
 *
 * Called with the GIL held and no exception set, on slow paths alone; sets no exception.
 */
#include <string.h>

#include "intern.h"
#include "py/callee.h"
#include "py/error.h"
#include "py/frame.h"
#include "py/tell.h"

/* The class of an exception comes before its text. */
#define TELL_MAX_DETAIL (PYFRAME_MAX_NAME + TELL_MAX_TEXT)
/* Coroutines that await each other: as deep as a stack that is shown. */
#define TELL_MAX_AWAITS RECORD_MAX_FRAMES
/* A traceback of sys.getrecursionlimit() is read to its end; of an endless one no more is. */
#define TELL_MAX_TRACE 100000

_hidden_ void tell_unref(PyObject *object)
{
	if (object)
		py.Py_DecRef(object);
}

/* Return: the length in buf, 0 for what is no plain str. */
_hidden_ size_t tell_copy(PyObject *text, char *buf, size_t buf_bytes)
{
	int length;

	if (!text || !watch.is_frames_ok || (void *)py_type(text) != py.PyUnicode_Type)
		return 0;
	length = pyframe_unicode(&watch.pyframe, &watch.self, (uint64_t)(uintptr_t)text, buf,
				 buf_bytes);
	return length > 0 ? (size_t)length : 0;
}

_hidden_ uint32_t tell_text(PyObject *text)
{
	char buf[TELL_MAX_TEXT];

	return intern(buf, tell_copy(text, buf, sizeof(buf)));
}

/* Whether a str is this short one. */
_hidden_ bool tell_is(PyObject *text, const char *expected)
{
	char buf[32];

	return tell_copy(text, buf, sizeof(buf)) == strlen(expected) &&
	       !memcmp(buf, expected, strlen(expected));
}

/* A file's name: as long as those of frames. */
_hidden_ uint32_t tell_path(PyObject *text)
{
	char buf[PYFRAME_MAX_FILE];

	return intern(buf, tell_copy(text, buf, sizeof(buf)));
}

/* The class without its module. */
static const char *class_word(PyObject *class)
{
	const char *name = py_class_name(class), *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

_hidden_ uint32_t tell_class(PyObject *class)
{
	const char *word = class_word(class);

	return intern(word, strnlen(word, PYFRAME_MAX_NAME));
}

/* The first argument of the exception: a new reference, or NULL. */
static PyObject *first_argument(PyObject *exception)
{
	PyObject *arguments = py_get(exception, "args"), *first = NULL;

	if (arguments && (void *)py_type(arguments) == py.PyTuple_Type &&
	    py.PyTuple_Size(arguments) > 0) {
		first = py.PyTuple_GetItem(arguments, 0);
		py.Py_IncRef(first);
	}
	tell_unref(arguments);
	return first;
}

/* name: its class; detail: "ValueError: no such user". */
_hidden_ void tell_exception(PyObject *exception, struct pitfall_facts *facts)
{
	const char *word = class_word(py_type(exception));
	size_t length = strnlen(word, PYFRAME_MAX_NAME - 2), text_length;
	PyObject *text = first_argument(exception);
	char buf[TELL_MAX_DETAIL];

	facts->name_str = intern(word, length);
	memcpy(buf, word, length);
	text_length = tell_copy(text, buf + length + 2, sizeof(buf) - length - 2);
	if (text_length) {
		memcpy(buf + length, ": ", 2);
		length += 2 + text_length;
	}
	facts->detail_str = intern_detail(buf, length);
	tell_unref(text);
}

static uint32_t qualified_name(PyObject *coroutine)
{
	PyObject *name = py_get(coroutine, "__qualname__");
	uint32_t name_str = tell_text(name);

	tell_unref(name);
	return name_str;
}

/* The task's name, where asking for it runs C code alone. */
static uint32_t name_of_task(PyObject *task)
{
	PyObject *method = py_get(task, "get_name");
	PyObject *name = NULL;
	char buf[TELL_MAX_TEXT];
	size_t length;

	if (method && (void *)py_type(method) == py.PyCFunction_Type)
		name = py.PyObject_CallFunctionObjArgs(method, NULL);
	else
		name = py_get(task, "_name");
	py.PyErr_Clear();
	length = tell_copy(name, buf, sizeof(buf));
	tell_unref(name);
	tell_unref(method);
	return intern_detail(buf, length);
}

/* task and coro, and the coroutine's code; of a plain future there is none of them. */
_hidden_ void tell_task(PyObject *task, struct pitfall_facts *facts)
{
	PyObject *coroutine = py_get(task, "_coro");

	if (!coroutine)
		return;
	facts->task_str = name_of_task(task);
	facts->coro_str = qualified_name(coroutine);
	callee_of_coroutine(coroutine, &facts->code);
	py.Py_DecRef(coroutine);
}

static int32_t line_of(PyObject *object, const char *name)
{
	PyObject *line = py_get(object, name);
	long number = line ? py.PyLong_AsLong(line) : 0;

	py.PyErr_Clear();
	tell_unref(line);
	return number > 0 && number <= INT32_MAX ? (int32_t)number : 0;
}

static bool frame_tell(PyObject *frame, int32_t line, struct record_frame *ret_frame)
{
	PyObject *code = (PyObject *)(uintptr_t)frame_code(frame);
	struct callee callee;

	if (!code || !callee_of_code(code, &callee))
		return false;
	*ret_frame = (struct record_frame){
		.file_str = callee.file_str,
		.function_str = callee.function_str,
		.line = line,
		.first_line = callee.first_line,
	};
	return true;
}

/* Step on: gives up the reference to object and takes one to its attribute; NULL at the end. */
static PyObject *step(PyObject *object, const char *name)
{
	PyObject *next = py_get(object, name);

	py.Py_DecRef(object);
	if (next && next == py._Py_NoneStruct) {
		py.Py_DecRef(next);
		next = NULL;
	}
	return next;
}

static void frames_reverse(struct stack_buf *stack)
{
	struct record_frame *frames = stack->frames;
	uint32_t n = stack->stack.n_frames;

	for (uint32_t i = 0; i < n / 2; i++) {
		struct record_frame frame = frames[i];

		frames[i] = frames[n - 1 - i];
		frames[n - 1 - i] = frame;
	}
}

static uint32_t trace_length(PyObject *trace)
{
	uint32_t n = 0;

	py.Py_IncRef(trace);
	for (; trace && n < TELL_MAX_TRACE; n++)
		trace = step(trace, "tb_next");
	tell_unref(trace);
	return n;
}

/* The frames an exception went through, the one that raised it first. */
_hidden_ void tell_traceback(PyObject *exception, struct stack_buf *ret_stack)
{
	PyObject *trace = py_get(exception, "__traceback__"), *frame;
	uint32_t n, n_frames = 0;

	memset(ret_stack, 0, offsetof(struct stack_buf, frames));
	if (!trace || (void *)py_type(trace) != py.PyTraceBack_Type) {
		tell_unref(trace);
		return;
	}
	n = trace_length(trace);
	for (uint32_t i = 0; trace && i < n; i++, trace = step(trace, "tb_next")) {
		if (i + RECORD_MAX_FRAMES < n)
			continue;
		frame = error_frame(trace);
		n_frames += frame && frame_tell(frame, line_of(trace, "tb_lineno"),
						&ret_stack->frames[n_frames]);
	}
	tell_unref(trace);
	ret_stack->stack.n_frames = n_frames;
	if (n > RECORD_MAX_FRAMES)
		ret_stack->stack.end = PYFRAME_END_DEPTH;
	frames_reverse(ret_stack);
}

/* An attribute that coroutines, generators and async generators have, each with its own prefix. */
static PyObject *of_any(PyObject *object, const char *of_coroutine, const char *of_generator,
			const char *of_async_generator)
{
	PyObject *found = py_get(object, of_coroutine);

	if (!found)
		found = py_get(object, of_generator);
	return found ? found : py_get(object, of_async_generator);
}

/* A chain of awaits as a stack, the innermost first. */
_hidden_ void tell_chain(const struct task_chain *chain, struct pyframe_stack *ret_found,
			 struct stack_buf *ret_stack)
{
	uint32_t n = chain->n_links;

	*ret_found = (struct pyframe_stack){.n_frames = n, .end = PYFRAME_END_COMPLETE};
	for (uint32_t i = 0; i < n; i++)
		ret_found->frames[i] = chain->links[n - 1 - i].addr;
	emit_stack_names(&watch.self, ret_found, ret_stack);
}

/* Of what CPython itself makes: its attributes are audited, so it is read. */
static bool awaits_read(PyObject *coroutine, struct stack_buf *ret_stack)
{
	struct pyframe_stack found;
	struct task_chain chain;

	task_follow(&watch.pyframe, &watch.self, (uint64_t)(uintptr_t)coroutine, &chain);
	if (chain.end == TASK_END_OVER)
		chain.n_links--;
	tell_chain(&chain, &found, ret_stack);
	if (chain.end == TASK_END_NEW && ret_stack->stack.n_frames)
		ret_stack->frames[0].line = ret_stack->frames[0].first_line;
	return ret_stack->stack.n_frames;
}

/* Of what others make, as Cython does. */
static bool awaits_ask(PyObject *coroutine, struct stack_buf *ret_stack)
{
	PyObject *next, *frame;
	uint32_t n = 0;

	memset(ret_stack, 0, offsetof(struct stack_buf, frames));
	py.Py_IncRef(coroutine);
	while (n < TELL_MAX_AWAITS) {
		frame = of_any(coroutine, "cr_frame", "gi_frame", "ag_frame");
		n += frame && frame != py._Py_NoneStruct &&
		     frame_tell(frame, line_of(frame, "f_lineno"), &ret_stack->frames[n]);
		tell_unref(frame);
		next = of_any(coroutine, "cr_await", "gi_yieldfrom", "ag_await");
		if (!next || next == py._Py_NoneStruct) {
			tell_unref(next);
			break;
		}
		py.Py_DecRef(coroutine);
		coroutine = next;
	}
	py.Py_DecRef(coroutine);
	ret_stack->stack.n_frames = n;
	frames_reverse(ret_stack);
	return n;
}

/*
 * Where a suspended coroutine waits, through all that it awaits, the innermost first; of one that
 * has not begun, its first line.
 *
 * Return: false when it has ended.
 */
_hidden_ bool tell_awaits(PyObject *coroutine, struct stack_buf *ret_stack)
{
	if (watch.is_frames_ok && callee_is_coroutine(coroutine))
		return awaits_read(coroutine, ret_stack);
	return awaits_ask(coroutine, ret_stack);
}
