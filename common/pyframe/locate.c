/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locate: from the interpreter's runtime to the state of one thread
 *
 * _PyRuntime lists interpreters, each lists its threads. Both lists change while the program runs
 * and are not ours to lock, so they are read through the kernel and the number of steps is bounded;
 * a list that changes meanwhile gives at worst "no such thread", and the caller asks again.
 */
#include <string.h>

#include "pyframe/pyframe.h"

/* A torn list could lead in circles: no program has this many. */
#define LOCATE_MAX_THREADS	16384
#define LOCATE_MAX_INTERPRETERS 256

static uint64_t locate_word(const uint8_t *bytes, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

static int locate_in_interp(const struct pyframe_layout *l, const struct mem *mem,
			    uint64_t tstate_raddr, uint64_t thread, uint64_t *ret_tstate_raddr)
{
	uint8_t bytes[LAYOUT_MAX_THREAD_BYTES];
	int r;

	for (int i = 0; tstate_raddr && i < LOCATE_MAX_THREADS; i++) {
		r = mem_read(mem, tstate_raddr, bytes, l->thread_span_bytes);
		if (r < 0)
			return r;
		if (locate_word(bytes, l->thread_id) == thread) {
			*ret_tstate_raddr = tstate_raddr;
			return 0;
		}
		tstate_raddr = locate_word(bytes, l->thread_next);
	}
	return PYFRAME_E_THREAD;
}

/**
 * pyframe_init() - Learn where this interpreter keeps things
 *
 * Reads and follows pointers before anything is known to be right: use MEM_REMOTE also on the own
 * process. Before Py_Initialize() only part of it can be checked.
 *
 * Return: 0, -errno, PYFRAME_E_VERSION or PYFRAME_E_OFFSETS.
 */
int pyframe_init(const struct mem *mem, uint64_t runtime_raddr, uint32_t version_hex,
		 uint64_t code_type_raddr, struct pyframe *ret_pyframe)
{
	struct pyframe p = {.runtime_raddr = runtime_raddr, .code_type_raddr = code_type_raddr};
	int r;

	r = layout_load(mem, runtime_raddr, version_hex, &p.layout);
	if (r)
		return r;
	*ret_pyframe = p;
	return 0;
}

/**
 * pyframe_find_thread() - The thread state of a thread, by its pthread_t
 *
 * The lists are those of a running interpreter: use MEM_REMOTE also on the own process, unless
 * the GIL is held. A thread with states in several interpreters gives the first one found.
 *
 * Return: 0, -errno, or PYFRAME_E_THREAD.
 */
int pyframe_find_thread(const struct pyframe *p, const struct mem *mem, uint64_t thread,
			uint64_t *ret_tstate_raddr)
{
	const struct pyframe_layout *l = &p->layout;
	uint64_t interp_raddr, tstate_raddr;
	int r;

	r = mem_read(mem, p->runtime_raddr + l->runtime_interpreters_head, &interp_raddr, 8);
	for (int i = 0; r == 0 && interp_raddr && i < LOCATE_MAX_INTERPRETERS; i++) {
		r = mem_read(mem, interp_raddr + l->interp_threads_head, &tstate_raddr, 8);
		if (r < 0)
			return r;
		r = locate_in_interp(l, mem, tstate_raddr, thread, ret_tstate_raddr);
		if (r != PYFRAME_E_THREAD)
			return r;
		r = mem_read(mem, interp_raddr + l->interp_next, &interp_raddr, 8);
	}
	return r < 0 ? r : PYFRAME_E_THREAD;
}
