/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check: the reader's answer against the interpreter's own
 *
 * Offsets that are wrong for this build give an error nearly always, and once in a while a stack
 * that looks like one: a build with patches, a version that came after this was written. So the
 * reader is asked first for something that is known, the frame that runs while the question is put,
 * and is not used when it does not know it.
 *
 * Called once, by a thread that runs Python code and holds the GIL, so that nothing moves.
 */
#include <stdbool.h>

#include "pyframe/pyframe.h"

/* A chain that is read right ends where a stack ends. */
static bool check_is_ended(const struct pyframe_stack *stack)
{
	return stack->end == PYFRAME_END_COMPLETE || stack->end == PYFRAME_END_DEPTH;
}

/**
 * pyframe_check() - Read the frame that runs now, and compare
 *
 * Return: 0, PYFRAME_E_MISREAD, or -errno when the thread cannot be read.
 */
int pyframe_check(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
		  uint64_t code_raddr, int32_t line)
{
	struct pyframe_stack stack;
	struct pyframe_text text;
	int r;

	r = pyframe_walk(p, mem, tstate_raddr, &stack);
	if (r < 0)
		return r;
	if (!stack.n_frames || !check_is_ended(&stack) || stack.frames[0].code_raddr != code_raddr)
		return PYFRAME_E_MISREAD;
	for (uint32_t i = 0; i < stack.n_frames; i++) {
		if (pyframe_describe(p, mem, &stack.frames[i], &text) < 0)
			return PYFRAME_E_MISREAD;
		if (i == 0 && line && text.line != line)
			return PYFRAME_E_MISREAD;
	}
	return 0;
}
