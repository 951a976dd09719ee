/* SPDX-License-Identifier: Apache-2.0 */
/* Layout: where one CPython build keeps the fields a stack is read from */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mem;

/* Oldest and newest 3.x that are known. */
#define LAYOUT_MIN_MINOR 8
#define LAYOUT_MAX_MINOR 15

/*
 * What is read of an object in one go, up to its last field of interest. The real ones end at 112
 * (frame, 3.8), 168 (thread, 3.13) and 208 (code, 3.14); free-threaded ones a little later.
 */
#define LAYOUT_MAX_FRAME_BYTES	160
#define LAYOUT_MAX_CODE_BYTES	320
#define LAYOUT_MAX_THREAD_BYTES 512

/* How the line table is encoded. */
enum linetable_kind {
	LINETABLE_LNOTAB = 1, /* 3.8, 3.9: co_lnotab */
	LINETABLE_RANGES,     /* 3.10: pairs of a length and a line delta, PEP 626 */
	LINETABLE_LOCATIONS,  /* 3.11 on: variable-length entries, PEP 657 */
};

/* Where a suspended frame keeps what it awaits, the top of its stack. */
enum await_kind {
	AWAIT_STACKTOP_POINTER = 1, /* 3.8, 3.9: f_stacktop points behind it */
	AWAIT_STACK_DEPTH,	    /* 3.10: f_valuestack[f_stackdepth - 1] */
	AWAIT_STACKTOP,		    /* 3.11-3.13: localsplus[stacktop - 1] */
	AWAIT_STACK_POINTER,	    /* 3.14: stackpointer[-1] */
	AWAIT_STACK_POINTER_2,	    /* 3.15: stackpointer[-2], under a NULL */
};

/*
 * All offsets are in bytes from the start of the object, all of them checked to lie inside the
 * spans above before the struct is handed out. 0 where a field does not exist, unless said.
 */
struct pyframe_layout {
	uint8_t minor;
	bool is_free_threaded;
	bool has_cframe;    /* 3.11, 3.12: the thread points at a _PyCFrame, that at the frame */
	uint8_t lasti_unit; /* 3.8-3.10: f_lasti counts these bytes; 0: there is a pointer */
	uint8_t executable_mask;  /* bits of the code pointer that are a tag */
	uint8_t owner_first_shim; /* this owner up to owner_last is no Python frame; 0: no owners */
	uint8_t owner_last;	  /* above it, it is not a frame */
	uint8_t calling_states;	  /* bit n: a frame that called another may be in state n; 0: any */
	uint8_t unicode_kind_shift; /* in the state word: kind, 3 bits, then compact, then ascii */
	enum linetable_kind linetable_kind;

	uint32_t runtime_interpreters_head;
	uint32_t interp_next;
	uint32_t interp_threads_head;

	uint32_t thread_next;
	uint32_t thread_interp;
	uint32_t thread_id; /* pthread_t */
	uint32_t thread_frame;
	uint32_t cframe_frame; /* may be 0 where has_cframe */

	uint32_t frame_previous;
	uint32_t frame_executable;
	uint32_t frame_instr;
	uint32_t frame_owner;
	uint32_t frame_state;	   /* 3.8-3.10: f_executing, f_state */
	uint32_t frame_tlbc_index; /* free-threaded 3.14 on */

	uint32_t code_filename;
	uint32_t code_name;
	uint32_t code_qualname;
	uint32_t code_linetable;
	uint32_t code_firstlineno;
	uint32_t code_flags;
	uint32_t code_bytecode; /* co_code_adaptive */
	uint32_t code_tlbc;	/* free-threaded 3.14 on */

	uint32_t object_type;
	uint32_t bytes_size;
	uint32_t bytes_value;
	uint32_t unicode_length;
	uint32_t unicode_state;
	uint32_t unicode_ascii_bytes;	/* sizeof(PyASCIIObject): ASCII text begins here */
	uint32_t unicode_compact_bytes; /* sizeof(PyCompactUnicodeObject): other text begins here */

	/* What a suspended coroutine waits for: task.c. */
	enum await_kind await_kind;
	int8_t gen_executing; /* values of gen_state, from 3.11 on */
	int8_t gen_suspended; /* on a yield or, up to 3.12, on an await */
	int8_t gen_awaiting;  /* on an await; the same as gen_suspended up to 3.12 */
	int8_t gen_created;
	uint8_t await_opcodes[2]; /* the next instruction is one of these: up to 3.12 */
	uint32_t gen_state;
	uint32_t frame_is_entry;   /* 3.11: the frame was entered from C */
	uint32_t frame_stack;	   /* f_stacktop, f_valuestack, stacktop or stackpointer */
	uint32_t frame_stackdepth; /* 3.10 */
	uint32_t frame_localsplus; /* 3.11 on */
	uint32_t code_string;	   /* 3.8-3.10: co_code */
	uint32_t header_bytes;	   /* sizeof(PyObject) */
	uint32_t type_name;
	uint32_t set_table; /* 3.14 on */
	uint32_t set_mask;
	uint64_t interp_bytes; /* 3.13 on */

	/* The collector's list of callables, in the interpreter (3.8: the runtime); 0: not known.
	 */
	uint32_t gc_callbacks;

	uint32_t gen_name; /* gi_qualname is the next pointer, on every version */
	uint32_t gen_code; /* 3.8-3.11 */
	uint32_t gen_iframe;

	uint32_t frame_span_bytes;
	uint32_t thread_span_bytes;
	uint32_t code_span_bytes;
};

int layout_load(const struct mem *mem, uint64_t runtime_raddr, uint32_t version_hex,
		struct pyframe_layout *ret_layout);
