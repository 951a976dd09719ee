/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native: the native frames of the calling thread, as they go into a record
 *
 * A frame is a module and an offset, which the daemon makes names and lines of. The walk begins in
 * here; our own frames up to the wrapper of the hooked call are left out. A module's path is looked
 * at anew for each stack, once: what lay there before may have been unloaded.
 *
 * Called on the slow path of a thread that runs a loop, never in a vfork child or on a signal stack
 * (call.c). Needs 3 KB of stack.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "intern.h"
#include "native.h"
#include "unwind.h"
#include "watch.h"

/* What the loader calls "": the program itself. */
static char program_path[PATH_MAX];

_hidden_ void native_init(void)
{
	unwind_init();
}

_hidden_ bool native_open(void)
{
	ssize_t n;

	if (!unwind_is_available())
		return false;
	n = readlink("/proc/self/exe", program_path, sizeof(program_path) - 1);
	program_path[n > 0 ? n : 0] = '\0';
	return true;
}

_hidden_ void native_forget(void)
{
	unwind_forget();
}

static uint32_t module_str(struct unwind_module *module)
{
	const char *name = *module->name ? module->name : program_path;

	if (!module->name_str)
		module->name_str = intern(name, strnlen(name, PATH_MAX));
	return module->name_str;
}

static struct record_native_frame frame_at(const struct unwind *u)
{
	uint64_t rip = u->regs[CFI_RIP];
	uint32_t name_str = u->module ? module_str(u->module) : 0;

	/* Without a name an offset says nothing. */
	return (struct record_native_frame){
		.module_str = name_str,
		.offset = name_str ? rip - u->module->load_raddr : rip,
	};
}

_hidden_ __attribute__((noinline)) void native_walk(struct native_stack *ret_stack)
{
	struct unwind u = {.mem = watch.remote};
	struct record_stack *stack = &ret_stack->stack;
	enum pyframe_end end = PYFRAME_END_UNREADABLE;
	uint64_t own_begin;
	bool is_own = true;

	*stack = (struct record_stack){.end = PYFRAME_END_DEPTH};
	unwind_capture(u.regs);
	if (!unwind_begin(&u)) {
		stack->end = end;
		return;
	}
	own_begin = u.module->begin;
	while (stack->n_frames < RECORD_MAX_FRAMES) {
		if (!unwind_step(&u, &end)) {
			stack->end = end;
			break;
		}
		is_own = is_own && u.module && u.module->begin == own_begin;
		/* The last of ours is the one that stays. */
		if (is_own)
			stack->n_frames = 0;
		ret_stack->frames[stack->n_frames++] = frame_at(&u);
	}
}
