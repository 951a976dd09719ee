/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merge: Python frames and native frames as one stack
 *
 * Where the native stack has a frame of _PyEval_EvalFrameDefault, the interpreter runs Python code:
 * one Python frame up to CPython 3.10, from 3.11 on a frame that was entered from C together with
 * those that it has called without leaving the loop. So the native frames are walked from the
 * innermost on, and each frame of the loop is replaced by the Python frames that it runs. In the
 * end both have to be used up; where they are not, the two do not tell of the same moment, or
 * something stands in between that is not understood, and there is no merged stack.
 *
 * What is left out says nothing to people: how the interpreter calls a function, how the C library
 * starts a thread, our own shim. Of the interpreter those functions stay that a program asked for
 * (time_sleep, list_sort) or that say why it waits (take_gil, the garbage collector). An extension
 * module's functions and those of every other library stay all, but outside of the outermost Python
 * frame only what belongs to neither interpreter nor C library: the program that embeds it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "merge.h"
#include "wire/record.h"

static bool starts(const char *text, const char *start)
{
	return text && !strncmp(text, start, strlen(start));
}

static bool starts_any(const char *text, const char *const *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (starts(text, table[i]))
			return true;
	return false;
}

static bool is_shim(const struct symbol *symbol)
{
	return starts(symbol->module, "libloophound.so");
}

static bool is_libc(const struct symbol *symbol)
{
	static const char *const modules[] = {"libc.so", "libc-2.", "libpthread", "ld-linux",
					      "ld-2.",	 "ld-musl", "libc.musl"};

	return starts_any(symbol->module, modules, ARRAY_LEN(modules));
}

static bool is_loop(const struct symbol *symbol)
{
	return symbol->is_interpreter && symbol->is_named &&
	       !strcmp(symbol->function, "_PyEval_EvalFrameDefault");
}

/* An instruction of the loop, where each is a function that jumps to the next (3.14 on). */
static bool is_instruction(const struct symbol *symbol)
{
	return symbol->is_interpreter && symbol->is_named &&
	       starts(symbol->function, "_TAIL_CALL_");
}

/* Whether native frame i is that of a loop. An instruction may have its loop behind it, or, where
 * the compiler made a jump of that call as well, stand for it. */
static bool is_eval(const struct merge *merge, uint32_t i)
{
	const struct symbol *symbol = &merge->natives[i];

	if (!is_instruction(symbol))
		return is_loop(symbol);
	return i + 1 == merge->n_natives || !is_loop(symbol + 1);
}

/*
 * Functions of the interpreter that stay, by how their names begin: those that implement modules
 * and types, and the lock, the GIL and the collector. The names are the same from 3.8 to 3.15 as
 * far as they are there.
 */
static bool is_telling(const char *name)
{
	static const char *const told[] = {
		/* modules that may be built in */
		"time_",
		"pysleep",
		"_Py_read",
		"_Py_write",
		"_Py_open",
		"_Py_fstat",
		"os_",
		"sock_",
		"socket_",
		"_socket",
		"select_",
		"signal_",
		"_json",
		"scanner_",
		"scan_once",
		"_parse_object",
		"_parse_array",
		"encoder_",
		"_sre",
		"sre_",
		"pattern_",
		"zlib_",
		"_io_",
		"fileio_",
		"buffered",
		"_buffered",
		"textiowrapper_",
		"marshal_",
		"math_",
		"cmath_",
		"itertools_",
		"deque_",
		"_pickle",
		"binascii_",
		"_struct",
		"s_pack",
		"_random",
		"_bisect",
		"_heapq",
		"array_",
		"mmap_",
		"_md5",
		"_sha",
		"MD5",
		"SHA",
		"_blake2",
		"_csv",
		"pyexpat",
		"_thread",
		/* functions and types */
		"builtin_",
		"list_",
		"unicode_",
		"bytes_",
		"bytearray_",
		"dict_",
		"set_",
		"frozenset_",
		"long_",
		"k_mul",
		"k_lopsided",
		"x_mul",
		"x_divrem",
		"x_sub",
		"x_add",
		"float_",
		"tuple_",
		"stringlib_",
		"fastsearch",
		"ucs1lib_",
		"ucs2lib_",
		"ucs4lib_",
		"asciilib_",
		"binarysort",
		"count_run",
		"safe_object_compare",
		"unsafe_",
		/* why it waits, or works for itself */
		"gc_",
		"_gc",
		"PyGC_",
		"_PyGC_",
		"lock_",
		"rlock_",
		"PyThread_acquire",
		"acquire_timed",
		"take_gil",
		"_PyMutex",
		"PyMutex",
		"_PySemaphore",
	};
	/* how code is called and brought in */
	static const char *const untold[] = {"builtin_exec", "builtin_eval", "builtin___"};

	return starts_any(name, told, ARRAY_LEN(told)) &&
	       !starts_any(name, untold, ARRAY_LEN(untold)) && !strstr(name, "_dealloc");
}

/* Machinery of the standard library's C modules that runs the user's code. */
static bool is_loop_machinery(const struct symbol *symbol)
{
	static const char *const modules[] = {"_asyncio.", "_contextvars.", "_functools."};

	return starts_any(symbol->module, modules, ARRAY_LEN(modules));
}

/* Whether a native frame is shown; is_outside: it called the outermost Python frame. */
static bool is_shown(const struct symbol *symbol, bool is_outside)
{
	if (is_shim(symbol) || !strcmp(symbol->function, "_start") || is_loop_machinery(symbol))
		return false;
	if (symbol->is_interpreter)
		return !is_outside && symbol->is_named && is_telling(symbol->function);
	return !is_outside || !is_libc(symbol);
}

static void put_native(struct stack *stack, const struct symbol *symbol)
{
	stack->frames[stack->n_frames++] = (struct frame){
		.file = symbol->file,
		.function = symbol->function,
		.module = symbol->module,
		.line = symbol->line,
		.kind = FRAME_NATIVE,
	};
}

static bool is_entry(const struct merge *merge, uint32_t i)
{
	return i < RECORD_MAX_FRAMES && merge->entries[i / 64] >> i % 64 & 1;
}

/* Return: the Python frame behind those of one run, n_frames + 1 where none ends it. */
static uint32_t put_run(const struct merge *merge, uint32_t from, struct stack *stack)
{
	uint32_t n = merge->python->n_frames;

	for (uint32_t i = from; i < n; i++) {
		stack->frames[stack->n_frames++] = merge->python->frames[i];
		if (is_entry(merge, i))
			return i + 1;
	}
	return n + 1;
}

/* The wrapper that the call went through, under the name it has for the program. */
static uint32_t put_call(const struct merge *merge, struct stack *stack)
{
	const struct symbol call = {.function = merge->call, .module = merge->libc};
	uint32_t n = 0;

	if (!merge->call)
		return 0;
	put_native(stack, &call);
	while (n < merge->n_natives && is_shim(&merge->natives[n]))
		n++;
	return n;
}

/*
 * Take as many of both as there are. Return: whether they came out even, or one of them ends for
 * want of room.
 */
static bool merge_all(const struct merge *merge, struct stack *stack)
{
	uint32_t n_python = merge->python->n_frames, at = 0;

	for (uint32_t i = put_call(merge, stack); i < merge->n_natives; i++) {
		if (!is_eval(merge, i)) {
			if (is_shown(&merge->natives[i], at == n_python))
				put_native(stack, &merge->natives[i]);
			continue;
		}
		if (at == n_python && merge->is_python_cut)
			return true;
		at = put_run(merge, at, stack);
		if (at > n_python)
			return merge->is_python_cut && at == n_python + 1 && n_python;
	}
	while (merge->is_native_cut && at < n_python)
		stack->frames[stack->n_frames++] = merge->python->frames[at++];
	return at == n_python && n_python;
}

/*
 * Merge the frames of one moment. The stack is for free(), and its strings are those of the frames.
 *
 * Return: 0, MERGE_E_COUNT or -ENOMEM.
 */
int merge_stacks(const struct merge *merge, struct stack **ret_stack)
{
	size_t room = (size_t)merge->python->n_frames + merge->n_natives + 1;
	struct stack *stack = calloc(1, sizeof(*stack) + room * sizeof(stack->frames[0]));

	if (!stack)
		return -ENOMEM;
	stack->count = merge->python->count;
	if (!merge_all(merge, stack)) {
		free(stack);
		return MERGE_E_COUNT;
	}
	*ret_stack = stack;
	return 0;
}
