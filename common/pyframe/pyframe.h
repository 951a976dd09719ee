/* SPDX-License-Identifier: Apache-2.0 */
/* Python stack: the frames of a CPython 3.8 to 3.15 thread, read without running Python */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pyframe/layout.h"
#include "pyframe/mem.h"

/* The innermost frames are the ones that block; a record must have room for all that is kept. */
#define PYFRAME_MAX_FRAMES 128
/* PATH_MAX is 4096, but a site is printed, compared and interned: 1 KB tells any two apart. */
#define PYFRAME_MAX_FILE 1024
#define PYFRAME_MAX_NAME 256

/* What is known of one interpreter: filled once by pyframe_init(), read only afterwards. */
struct pyframe {
	struct pyframe_layout layout;
	uint64_t runtime_raddr;	  /* &_PyRuntime */
	uint64_t code_type_raddr; /* &PyCode_Type; 0 = unknown, then not checked */
};

enum {
	_PYFRAME_E_OK = 0,
	PYFRAME_E_VERSION, /* not 3.8 to 3.15, or a pre-release whose layout is not known */
	PYFRAME_E_OFFSETS, /* the interpreter's own description of itself makes no sense */
	PYFRAME_E_THREAD,  /* no Python thread of that pthread_t */
	PYFRAME_E_MISREAD, /* what was read is not what the interpreter says */
};

/* One frame, as addresses: enough to find its names later, as long as its code object lives. */
struct pyframe_addr {
	uint64_t code_raddr;
	uint64_t lasti; /* byte offset of the current instruction in the code's bytecode */
};

/* lasti of a frame that has not begun to run: its line is the first line. */
#define PYFRAME_LASTI_NONE UINT64_MAX

/* Why the list of frames ends where it ends. */
enum pyframe_end {
	PYFRAME_END_COMPLETE = 0,
	PYFRAME_END_DEPTH,	/* deeper than PYFRAME_MAX_FRAMES: the outer frames are missing */
	PYFRAME_END_UNREADABLE, /* an address could not be read: the outer frames are missing */
	PYFRAME_END_INVALID, /* not a code object, bad owner, cycle, a generator with no caller: the
			      * outer frames are missing */
	PYFRAME_END_TORN,    /* it moved while it was read: the inner frames are missing */
};

#define PYFRAME_N_ENTRY_WORDS (PYFRAME_MAX_FRAMES / 64)

struct pyframe_stack {
	uint32_t n_frames;
	enum pyframe_end end;
	/* bit i: frame i was entered from C, so that one native frame of the evaluation loop runs
	 * it and the frames it called without C in between */
	uint64_t entries[PYFRAME_N_ENTRY_WORDS];
	struct pyframe_addr frames[PYFRAME_MAX_FRAMES]; /* innermost first */
};

struct pyframe_trail;

/* A frame for people. UTF-8, NUL-terminated, cut at a character; lone surrogates are U+FFFD. */
struct pyframe_text {
	int32_t line; /* 0: the instruction has no line */
	int32_t first_line;
	uint16_t file_len;
	uint16_t function_len;
	char file[PYFRAME_MAX_FILE];
	char function[PYFRAME_MAX_NAME]; /* qualified name from 3.11 on, the plain name before */
};

static inline bool pyframe_is_entry(const struct pyframe_stack *stack, uint32_t frame)
{
	return stack->entries[frame / 64] >> frame % 64 & 1;
}

/* Each returns 0, -errno when memory cannot be read, or PYFRAME_E_*; the out parameter is written
 * on 0 only. version_hex is PY_VERSION_HEX; raddrs are addresses in the process mem reads. */
int pyframe_init(const struct mem *mem, uint64_t runtime_raddr, uint32_t version_hex,
		 uint64_t code_type_raddr, struct pyframe *ret_pyframe);

/* thread is what pthread_self() is in that thread; the same on every version. */
int pyframe_find_thread(const struct pyframe *p, const struct mem *mem, uint64_t thread,
			uint64_t *ret_tstate_raddr);

/* One pass. What was read before an end other than COMPLETE is kept, and 0 is returned. */
int pyframe_walk(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
		 struct pyframe_stack *ret_stack);

/* For the stack of a thread that may run: passes until three are equal but for the innermost
 * instruction, at most 6 (10 with those that lose their way); then keeps the common outer part of
 * the last three, with PYFRAME_END_TORN. Such an end may leave no frame at all. */
int pyframe_walk_stable(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
			struct pyframe_stack *ret_stack);

/* As pyframe_walk_stable(), with what the last sample of a thread taught (trail.h): one read a pass
 * where that still holds, as it does for a thread that is stuck. MEM_REMOTE; without use of the
 * trail otherwise. */
int pyframe_sample(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
		   struct pyframe_trail *trail, struct pyframe_stack *ret_stack);

/* How many inner frames of a sampled stack are gone by now. Names found since it was taken are true
 * for the others only: nobody held the code objects of a thread that runs on. */
int pyframe_confirm(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
		    struct pyframe_trail *trail, const struct pyframe_stack *stack,
		    uint32_t *ret_n_gone);

/* Whether the innermost frame of the calling thread is what PyEval_GetFrame() says: its code object
 * and line (0: not compared). MEM_REMOTE on the own process. PYFRAME_E_MISREAD: do not use it. */
int pyframe_check(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
		  uint64_t code_raddr, int32_t line);

/* co_qualname where it exists (3.11), else co_name; line from the line table. */
int pyframe_describe(const struct pyframe *p, const struct mem *mem,
		     const struct pyframe_addr *frame, struct pyframe_text *ret_text);

/* As pyframe_describe(), with line = first_line. */
int pyframe_describe_code(const struct pyframe *p, const struct mem *mem, uint64_t code_raddr,
			  struct pyframe_text *ret_text);

/* A str object as UTF-8, NUL-terminated, cut to size_bytes. Return: its length, or -errno. */
int pyframe_unicode(const struct pyframe *p, const struct mem *mem, uint64_t str_raddr, char *buf,
		    size_t size_bytes);

/* The code object of a coroutine, generator or async generator; -EINVAL when there is none. */
int pyframe_coroutine_code(const struct pyframe *p, const struct mem *mem, uint64_t coro_raddr,
			   uint64_t *ret_code_raddr);

/* The qualified name of the same, which code lacks before 3.11. Return: its length, or -errno. */
int pyframe_coroutine_name(const struct pyframe *p, const struct mem *mem, uint64_t coro_raddr,
			   char *buf, size_t size_bytes);
