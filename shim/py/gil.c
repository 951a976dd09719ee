/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the calling thread holds the GIL
 *
 * Until 3.11 the interpreter knows one current thread state, that of the GIL's holder; from 3.12 on
 * each thread knows its own, NULL while it is detached. On both the thread that holds the GIL is
 * the one whose current state is its own. Neither function needs the GIL.
 */
#include "base/defs.h"
#include "py/api.h"
#include "py/gil.h"
#include "wire/record.h"

/* As flags of a record: held, and whether that could be known. */
_hidden_ uint16_t gil_record_flags(void)
{
	PyThreadState *(*current)(void) = py.PyThreadState_GetUnchecked
						  ? py.PyThreadState_GetUnchecked
						  : py._PyThreadState_UncheckedGet;
	PyThreadState *own;

	if (!current || !py.PyGILState_GetThisThreadState)
		return 0;
	own = py.PyGILState_GetThisThreadState();
	if (own && current() == own)
		return RECORD_FLAG_GIL_KNOWN | RECORD_FLAG_GIL_HELD;
	return RECORD_FLAG_GIL_KNOWN;
}

/* The interpreter marks its end long before it frees a thread's state. */
_hidden_ bool gil_is_ending(void)
{
	int (*is_finalizing)(void) = py.Py_IsFinalizing ? py.Py_IsFinalizing : py._Py_IsFinalizing;

	return !py.Py_IsInitialized() || !is_finalizing || is_finalizing();
}

/* Whether tstate_raddr is surely the calling thread's state, and alive. No GIL needed. */
_hidden_ bool gil_owns_tstate(uint64_t tstate_raddr)
{
	return !gil_is_ending() &&
	       (uint64_t)(uintptr_t)py.PyGILState_GetThisThreadState() == tstate_raddr;
}
