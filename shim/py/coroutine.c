/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Coroutine: made, and dropped without having run
 *
 * The finaliser of such a coroutine calls warnings._warn_unawaited_coroutine(), whatever the
 * warning filters say, while the code that dropped it is on the stack. That Python function stays
 * where it is; only the entry by which C code calls it (vectorcall) is exchanged, so identity,
 * signature and the warning's own stack level do not change. Python code that calls it on 3.11
 * would pass us by, but nobody does: it is the interpreter's own.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "fork.h"
#include "intern.h"
#include "py/callee.h"
#include "py/coroutine.h"
#include "py/method.h"
#include "py/origin.h"
#include "py/frame.h"
#include "py/refusal.h"

static vectorcall_fn warn_unawaited;

static uint32_t coroutine_name(PyObject *coroutine)
{
	PyObject *name = py_get(coroutine, "__qualname__");
	char text[PYFRAME_MAX_NAME];
	int length = -1;

	if (name && watch.is_frames_ok)
		length = pyframe_unicode(&watch.pyframe, &watch.self, (uint64_t)(uintptr_t)name,
					 text, sizeof(text));
	if (name)
		py.Py_DecRef(name);
	return length > 0 ? intern(text, (size_t)length) : ARENA_NONE;
}

static void dropped(PyObject *coroutine)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_NEVER_AWAITED};
	struct stack_buf stack, origin;
	uint64_t tstate_raddr;

	/* A coroutine may be dropped before any loop has run: asyncio.run() was forgotten too. */
	tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	if (!tstate_raddr || refusal_took(coroutine))
		return;
	callee_of_coroutine(coroutine, &facts.code);
	facts.name_str = coroutine_name(coroutine);
	emit_own_stack(tstate_raddr, &stack);
	facts.stack = &stack;
	if (origin_stack(coroutine, &origin))
		facts.origin = &origin;
	else
		origin_missed(facts.name_str);
	emit_pitfall(&facts);
}

static PyObject *on_warn_unawaited(PyObject *callable, PyObject *const *args, size_t n_args,
				   PyObject *names)
{
	PyObject *type, *value, *traceback, *hidden = NULL, *result;
	int saved_errno = errno;

	py.PyErr_Fetch(&type, &value, &traceback);
	if (VECTORCALL_N_ARGS(n_args) >= 1) {
		dropped(args[0]);
		hidden = origin_hide(args[0]);
	}
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
	result = warn_unawaited(callable, args, n_args, names);
	if (hidden) {
		py.PyErr_Fetch(&type, &value, &traceback);
		origin_show(args[0], hidden);
		py.PyErr_Restore(type, value, traceback);
	}
	return result;
}

/* Needs the GIL, no exception set. */
_hidden_ void coroutine_install(PyObject *warnings_module)
{
	PyObject *function =
		py.PyObject_GetAttrString(warnings_module, "_warn_unawaited_coroutine");

	if (!function) {
		py.PyErr_Clear();
		watch_lost(LOSS_HOOK_REFUSED);
		return;
	}
	if (py_type(function) != py.PyFunction_Type ||
	    !function_replace(function, on_warn_unawaited, &warn_unawaited))
		watch_lost(LOSS_HOOK_REFUSED);
	else
		watch_detects(DETECTOR_NEVER_AWAITED);
	origin_install();
	py.Py_DecRef(function);
}
