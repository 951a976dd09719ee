/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the locals of asyncio's _run_once() are
 *
 * "end_time" and "i" are in it from CPython 3.8 to 3.15 (Lib/asyncio/base_events.py), at places
 * that differ; the code object lists its locals by name, in a tuple. Where it does not, turns
 * cannot be told apart from outside and none is reported.
 */
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "process-locals.h"

/* _run_once() has 12. */
#define MAX_LOCALS 64

/* f_localsplus: 3.8 and 3.9 Include/frameobject.h, 3.10 Include/cpython/frameobject.h. */
#define FRAME_LOCALS_3_8  360
#define FRAME_LOCALS_3_10 352

static uint32_t frame_locals(const struct pyframe_layout *l)
{
	if (l->minor < 10)
		return FRAME_LOCALS_3_8;
	return l->minor == 10 ? FRAME_LOCALS_3_10 : l->frame_localsplus;
}

/*
 * PyThreadState.context_ver, which counts contexts entered and left, up to 3.15 (Include/cpython/
 * pystate.h; 3.15 as released). 0: not known.
 */
static uint32_t thread_context(const struct pyframe_layout *l)
{
	static const uint8_t offsets[] = {248, 248, 248, 232, 216, 216, 216, 240};

	if (l->is_free_threaded || l->minor < 8 || l->minor - 8U >= ARRAY_LEN(offsets))
		return 0;
	return offsets[l->minor - 8];
}

/* The layout of an interpreter, as the probe wants it. */
void process_layout(const struct interpreter *interpreter, struct loops_process *process)
{
	const struct pyframe_layout *l = &interpreter->pyframe.layout;

	process->runtime_raddr = interpreter->pyframe.runtime_raddr;
	process->runtime_end_raddr = interpreter->runtime_end_raddr;
	process->runtime_interpreters_head = l->runtime_interpreters_head;
	process->interp_threads_head = l->interp_threads_head;
	process->interp_next = l->interp_next;
	process->thread_next = l->thread_next;
	process->thread_id = l->thread_id;
	process->thread_frame = l->thread_frame;
	process->cframe_frame = l->cframe_frame;
	process->frame_previous = l->frame_previous;
	process->frame_executable = l->frame_executable;
	process->frame_instr = l->frame_instr;
	process->frame_owner = l->frame_owner;
	process->frame_locals = frame_locals(l);
	/* PyFloatObject.ob_fval follows the header, PyLongObject's first digit a word behind. */
	process->float_value = l->header_bytes;
	process->long_digit = l->header_bytes + 8;
	process->is_instr_number = l->lasti_unit != 0;
	process->has_cframe = l->has_cframe;
	process->owner_first_shim = l->owner_first_shim;
	process->executable_mask = l->executable_mask;
	process->thread_context = thread_context(l);
}

/* co_varnames: 4 pointers before co_filename up to 3.10; co_localsplusnames: 2 from 3.11 on. */
static uint32_t code_names(const struct pyframe_layout *l)
{
	return l->code_filename - (l->minor <= 10 ? 4 : 2) * 8;
}

/* The items of a tuple lie behind its length and, from 3.14 on, its hash. */
static uint32_t tuple_items(const struct pyframe_layout *l)
{
	return l->header_bytes + (l->minor >= 14 ? 16 : 8);
}

/* Learn from the code object of _run_once(). */
void process_locals(const struct interpreter *in, uint64_t run_once_raddr,
		    struct loops_process *process)
{
	const struct pyframe_layout *l = &in->pyframe.layout;
	uint64_t tuple_raddr, n_names, name_raddr;
	uint32_t end_time = 0, i_at = 0;
	char name[32];

	process->run_once_raddr = run_once_raddr;
	if (mem_read(&in->mem, run_once_raddr + code_names(l), &tuple_raddr, 8) ||
	    mem_read(&in->mem, tuple_raddr + l->header_bytes, &n_names, 8))
		return;
	for (uint32_t i = 0; i < MIN(n_names, (uint64_t)MAX_LOCALS); i++) {
		if (mem_read(&in->mem, tuple_raddr + tuple_items(l) + 8 * i, &name_raddr, 8) ||
		    pyframe_unicode(&in->pyframe, &in->mem, name_raddr, name, sizeof(name)) < 0)
			return;
		if (!strcmp(name, "end_time"))
			end_time = 8 * i;
		else if (!strcmp(name, "i"))
			i_at = 8 * i;
	}
	/* Without "i" all of a turn is one callback: self, the first local, is no int. */
	process->local_i = i_at;
	process->local_end_time = end_time;
}
