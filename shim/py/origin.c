/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Origin: the line that made a coroutine which was dropped, or that of a task which came to nothing
 *
 * CPython keeps it in the coroutine when it is told to (sys.set_coroutine_origin_tracking_depth()),
 * for a few percent of a task switch. In strict mode that is from the start of a loop to its end.
 * Otherwise it is switched on for a while when something is told of a coroutine whose origin is not
 * known yet: who drops one once does it again, and who never does pays nothing.
 *
 * The program does not see it: the depth it asks for is its own, and once it has set one we keep
 * out of its way. And cr_origin, by which the interpreter's own warning grows a paragraph, is taken
 * out of the coroutine while that is written, where it is ours: one frame, and nobody else tracks.
 *
 * The depth belongs to a thread, and so do these flags. Called with the GIL held, no exception set.
 */
#include <string.h>

#include "intern.h"
#include "py/callback.h"
#include "py/method.h"
#include "py/origin.h"
#include "py/tell.h"

#define ORIGIN_ON_NS (30 * NSEC_PER_SEC)
/* Coroutine functions whose origin has been told; more of them are asked for again. */
#define ORIGIN_N_KNOWN	  64
#define ORIGIN_MAX_FRAMES 16
/* CPython 3.8-3.15: PyCFunctionObject.m_ml; PyMemberDescrObject.d_member. */
#define CFUNCTION_DEF_OFFSET  16
#define DESCRIPTOR_OWN_OFFSET 40

/* CPython 3.8-3.15 Include/structmember.h, from 3.12 on Include/descrobject.h. */
struct member_def {
	const char *name;
	int type;
	ssize_t offset;
	int flags;
	const char *doc;
};

static method_fast_fn set_depth;
static method_o_fn get_depth;
static PyObject *sys_module; /* borrowed */
static bool is_installed, was_on;
static uint32_t known[ORIGIN_N_KNOWN], n_known;

/* This thread tracks since we have told it to; the program thinks that it does not. */
static __thread bool is_on __attribute__((tls_model("initial-exec")));
/* And no longer than until then; 0: as long as its loop runs. */
static __thread uint64_t until __attribute__((tls_model("initial-exec")));

static long depth_now(void)
{
	PyObject *depth = get_depth(sys_module, NULL);
	long n = depth ? py.PyLong_AsLong(depth) : -1;

	py.PyErr_Clear();
	if (depth)
		py.Py_DecRef(depth);
	return n;
}

static void depth_set(long depth)
{
	PyObject *argument = py.PyLong_FromLong(depth), *result;

	result = argument ? set_depth(sys_module, &argument, 1, NULL) : NULL;
	py.PyErr_Clear();
	if (result)
		py.Py_DecRef(result);
	if (argument)
		py.Py_DecRef(argument);
}

static void switch_on(uint64_t span)
{
	if (!is_installed || is_on || depth_now() != 0)
		return;
	depth_set(1);
	is_on = was_on = true;
	until = span ? clock_ticks(watch.clock_kind) + span : 0;
	callback_work += until != 0;
}

static void forget_on(void)
{
	callback_work -= until != 0;
	is_on = false;
	until = 0;
}

static void switch_off(void)
{
	if (!is_on)
		return;
	depth_set(0);
	forget_on();
}

static PyObject *on_get_depth(PyObject *module, PyObject *unused)
{
	return is_on ? py.PyLong_FromLong(0) : get_depth(module, unused);
}

static PyObject *on_set_depth(PyObject *module, PyObject *const *args, ssize_t n_args,
			      PyObject *names)
{
	PyObject *result = set_depth(module, args, n_args, names);

	if (result && is_on)
		forget_on();
	return result;
}

_hidden_ void origin_loop_starts(void)
{
	if (watch.options.is_strict)
		switch_on(0);
}

_hidden_ void origin_loop_stops(void)
{
	switch_off();
}

/* Between two callbacks of a thread, while some thread tracks for a while. */
_hidden_ void origin_edge(void)
{
	if (until && clock_ticks(watch.clock_kind) >= until)
		switch_off();
}

/* Something is told of a coroutine, and where it was made is not known. */
_hidden_ void origin_missed(uint32_t name_str)
{
	for (uint32_t i = 0; i < MIN(n_known, ORIGIN_N_KNOWN); i++)
		if (known[i] == name_str)
			return;
	known[n_known++ % ORIGIN_N_KNOWN] = name_str;
	if (thread_loop)
		switch_on(clock_span_ticks(&watch.scale, ORIGIN_ON_NS));
}

static PyObject **origin_field(PyObject *coroutine)
{
	PyObject *key = py.PyUnicode_InternFromString("cr_origin");
	PyObject *found = key ? py._PyType_Lookup(py_type(coroutine), key) : NULL;
	struct member_def *member;

	py.PyErr_Clear();
	if (key)
		py.Py_DecRef(key);
	if (!found || (void *)py_type(found) != py.PyMemberDescr_Type)
		return NULL;
	member = *(struct member_def **)((char *)found + DESCRIPTOR_OWN_OFFSET);
	return (PyObject **)((char *)coroutine + member->offset);
}

/* Take our origin out of a coroutine. Return: for origin_show(); NULL when there is none. */
_hidden_ PyObject *origin_hide(PyObject *coroutine)
{
	PyObject **field = was_on ? origin_field(coroutine) : NULL, *origin;

	if (!field || !*field || (void *)py_type(*field) != py.PyTuple_Type ||
	    py.PyTuple_Size(*field) != 1 || (!is_on && depth_now() != 0))
		return NULL;
	origin = *field;
	*field = NULL;
	return origin;
}

_hidden_ void origin_show(PyObject *coroutine, PyObject *origin)
{
	PyObject **field = origin ? origin_field(coroutine) : NULL;

	if (field && !*field)
		*field = origin;
	else if (origin)
		py.Py_DecRef(origin);
}

/* (file, line, function) */
static bool frame_read(PyObject *entry, struct record_frame *ret_frame)
{
	long line;

	if (!entry || (void *)py_type(entry) != py.PyTuple_Type || py.PyTuple_Size(entry) != 3)
		return false;
	line = py.PyLong_AsLong(py.PyTuple_GetItem(entry, 1));
	py.PyErr_Clear();
	*ret_frame = (struct record_frame){
		.file_str = tell_path(py.PyTuple_GetItem(entry, 0)),
		.function_str = tell_text(py.PyTuple_GetItem(entry, 2)),
		.line = line > 0 && line <= INT32_MAX ? (int32_t)line : 0,
	};
	return ret_frame->file_str != ARENA_NONE;
}

/* What the coroutine knows of who made it, innermost first. */
_hidden_ bool origin_stack(PyObject *coroutine, struct stack_buf *ret_stack)
{
	PyObject *origin = py_get(coroutine, "cr_origin");
	uint32_t n = 0;

	memset(ret_stack, 0, offsetof(struct stack_buf, frames));
	if (origin && (void *)py_type(origin) == py.PyTuple_Type)
		while (n < ORIGIN_MAX_FRAMES && n < (uint32_t)py.PyTuple_Size(origin) &&
		       frame_read(py.PyTuple_GetItem(origin, n), &ret_stack->frames[n]))
			n++;
	if (origin)
		py.Py_DecRef(origin);
	ret_stack->stack.n_frames = n;
	return n;
}

/*
 * Where the coroutine of a task was made, which is nearly always where the task was; NULL when that
 * is not known: then it will be of the next one.
 */
_hidden_ const struct stack_buf *origin_of_task(PyObject *task, uint32_t coro_str,
						struct stack_buf *buf)
{
	PyObject *coroutine = py_get(task, "_coro");
	bool is_plain = coroutine && (void *)py_type(coroutine) == py.PyCoro_Type;
	bool is_known = is_plain && origin_stack(coroutine, buf);

	if (is_plain && !is_known)
		origin_missed(coro_str);
	tell_unref(coroutine);
	return is_known ? buf : NULL;
}

static struct method_def *function_find(const char *name, int flags)
{
	PyObject *function = py_get(sys_module, name);
	struct method_def *method = NULL;

	if (function && (void *)py_type(function) == py.PyCFunction_Type)
		method = *(struct method_def **)((char *)function + CFUNCTION_DEF_OFFSET);
	if (function)
		py.Py_DecRef(function);
	return method && method->flags == flags && !strcmp(method->name, name) ? method : NULL;
}

/* Where this is not to be had there are findings without an origin. */
_hidden_ void origin_install(void)
{
	struct method_def *set, *get;

	sys_module = py_module("sys");
	set = sys_module ? function_find("set_coroutine_origin_tracking_depth", METHOD_FAST_NAMES)
			 : NULL;
	get = sys_module ? function_find("get_coroutine_origin_tracking_depth", METHOD_PLAIN)
			 : NULL;
	is_installed = set && get &&
		       py_patch_method(get, (void *)on_get_depth, (void **)&get_depth) &&
		       py_patch_method(set, (void *)on_set_depth, (void **)&set_depth);
	if (!is_installed)
		watch_lost(LOSS_HOOK_REFUSED);
}
