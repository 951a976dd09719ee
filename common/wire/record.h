/* SPDX-License-Identifier: Apache-2.0 */
/* What the shim saw, record by record: the contents of the event ring, as docs/PROTOCOL.md says */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Times are ticks of the region's clock, strings are offsets into the region's arena (0 = none).
 * A record says what was seen and decides nothing: limits are judged again by the reader.
 */

enum record_type {
	RECORD_PAD = 1,	     /* fills the ring up to its end; only the first 8 bytes are there */
	RECORD_CALL = 2,     /* a hooked call that held the loop, written when it has returned */
	RECORD_CALLBACK = 3, /* a callback past its limit, written when it has ended */
	RECORD_TURN = 4,     /* a turn past its limit, written when it has ended */
	RECORD_SAMPLE = 5,   /* where a turn, callback or call was while it had not ended */
	RECORD_PITFALL = 6,  /* something of Python went wrong, at once */
	RECORD_TASK = 7,     /* the asyncio task of a call or sample of the same callback */
	RECORD_NATIVE = 8,   /* the native frames of a call, written just before it */
	RECORD_TEST = 9,     /* the test that runs; holds for all that is written behind it */
	RECORD_PAUSE = 10, /* the loop's thread did nothing of the program's, written at its end */
};

#define RECORD_MAX_FRAMES 128
#define RECORD_MAX_BYTES  4096

struct record {
	uint32_t
		size; /* bytes with this header, a multiple of 8; 0 until the record is committed */
	uint16_t type;	/* enum record_type */
	uint16_t flags; /* RECORD_FLAG_* */
	uint64_t ticks; /* when it was written */
};

#define RECORD_FLAG_GIL_HELD  0x1 /* call: the thread held the GIL all along */
#define RECORD_FLAG_GIL_KNOWN 0x2 /* call: RECORD_FLAG_GIL_HELD means something */
#define RECORD_FLAG_SUMMED    0x4 /* call: many short calls of one callback, shown at the largest */
#define RECORD_FLAG_EARLY                                                       \
	0x8 /* sample: taken before the limit; void unless the stall gets there \
	     */
#define RECORD_FLAG_STRICT 0x10 /* call: shorter than the limit, reported since it can block */
#define RECORD_FLAG_MORE   0x20 /* pitfall: of one that was told before, of which n is news */

/* Why a stack ends where it ends; the same numbers as enum pyframe_end. */
struct record_stack {
	uint32_t n_frames; /* of struct record_frame, innermost first, behind the fixed part */
	uint32_t end;	   /* enum pyframe_end */
};

struct record_frame {
	uint32_t file_str;
	uint32_t function_str;
	int32_t line; /* 0: unknown */
	int32_t first_line;
};

struct record_call {
	struct record head;
	uint32_t slot;
	uint32_t call_str; /* the symbol, "clock_nanosleep" */
	uint64_t turn_seq;
	uint64_t callback_seq; /* 0: between two callbacks */
	uint64_t start;
	uint64_t span;	  /* SUMMED, STRICT: of all these calls together */
	uint32_t n_calls; /* SUMMED, STRICT: how many; else 1 */
	int32_t fd;	  /* -1: none */
	uint32_t target_str;
	int32_t error; /* errno of a call that failed, else 0 */
	struct record_stack stack;
};

struct record_callback {
	struct record head;
	uint32_t slot;
	uint32_t n_calls; /* hooked calls made in it, of any length */
	uint64_t turn_seq;
	uint64_t callback_seq;
	uint64_t start;
	uint64_t span;
	uint64_t reported;    /* ticks of it that RECORD_CALLs tell of */
	int64_t cpu_ns;	      /* thread on CPU during it, to one watchdog tick; -1: not measured */
	int64_t run_queue_ns; /* thread runnable but not running; likewise */
	int64_t frozen_ns;    /* the whole process not scheduled (stopped, throttled); likewise */
	uint32_t file_str;    /* the callable, so far as it has code: for want of a sample */
	uint32_t function_str;
	int32_t first_line;
	uint32_t reserved;
	int64_t gil_wait_ns; /* the thread waited for the GIL during it; exact; -1: not measured */
	int64_t gc_ns;	     /* collected garbage during it; likewise; not there in version 2 */
};

struct record_turn {
	struct record head;
	uint32_t slot;
	uint32_t n_callbacks;
	uint64_t turn_seq;
	uint64_t start;
	uint64_t span;
	uint64_t reported; /* ticks of it that RECORD_CALLs tell of */
	int64_t cpu_ns;
	int64_t run_queue_ns;
	int64_t frozen_ns;
	uint32_t n_slow;   /* RECORD_CALLBACKs of it that were past the limit without their calls */
	uint32_t file_str; /* the callable of its longest callback */
	uint32_t function_str;
	int32_t first_line;
	uint64_t max_callback; /* ticks */
	int64_t gil_wait_ns;
	int64_t gc_ns; /* not there in version 2 */
};

/* A callback and a turn of version 2 end before gc_ns. */
#define RECORD_BYTES_2 112

enum record_what {
	RECORD_WHAT_TURN = 1,
	RECORD_WHAT_CALLBACK = 2,
	RECORD_WHAT_CALL = 3,
};

struct record_sample {
	struct record head;
	uint32_t slot;
	uint32_t what; /* enum record_what: the innermost that had not ended */
	uint64_t turn_seq;
	uint64_t callback_seq;
	uint64_t start; /* of what */
	uint64_t turn_start;
	uint32_t call_str; /* RECORD_WHAT_CALL */
	int32_t fd;	   /* as struct slot's call_fd */
	struct record_stack stack;
};

/* The kinds of finding that are not measured but seen; the same names. */
enum pitfall {
	PITFALL_NEVER_AWAITED = 1,
	PITFALL_EXCEPTION_NEVER_RETRIEVED,
	PITFALL_TASK_DESTROYED_PENDING,
	PITFALL_TASK_NEVER_FINISHED,
	PITFALL_UNREFERENCED_TASK,
	PITFALL_GATHER_SIBLING_LOST,
	PITFALL_GATHER_EXCEPTIONS_IGNORED,
	PITFALL_SWALLOWED_CANCELLATION,
	PITFALL_IGNORED_CANCELLATION,
	PITFALL_SWALLOWED_EXCEPTION,
	PITFALL_UNHANDLED_TIMEOUT,
	PITFALL_TASK_FLOOD,
	PITFALL_NESTED_RUN,
	PITFALL_RESULT_BEFORE_DONE,
	PITFALL_TASKGROUP_MISUSE,
	PITFALL_UNHANDLED_GROUP,
	PITFALL_UNCLOSED_RESOURCE,
	_PITFALL_N,
};

/*
 * name_str is the same whenever the same thing goes wrong: the name of a coroutine function or of
 * an exception's class, never that of one task.
 */
struct record_pitfall {
	struct record head;
	uint32_t slot;	   /* UINT32_MAX: on a thread without a loop */
	uint32_t pitfall;  /* enum pitfall */
	uint64_t start;	   /* of what has a size, else 0 */
	uint64_t span;	   /* ticks; 0: it has no size */
	uint32_t n;	   /* task-flood: how many tasks; else 1 */
	uint32_t name_str; /* qualified name of the coroutine, class of the exception or resource */
	uint32_t detail_str; /* more of this one, for people: "ValueError: no such user" */
	uint32_t task_str;   /* name of the task concerned */
	uint32_t coro_str;   /* qualified name of its coroutine */
	uint32_t file_str;   /* where that which name_str names stands, for want of a stack */
	int32_t first_line;
	uint32_t n_origin; /* of struct record_frame, behind the others: where it was made */
	struct record_stack stack; /* of the code to blame */
};

/*
 * Which task a callback is a step of. Written before a call or a sample of that callback; the last
 * one written holds for those that follow.
 */
struct record_task {
	struct record head;
	uint32_t slot;
	uint32_t name_str; /* the task's name */
	uint64_t turn_seq;
	uint64_t callback_seq;
	uint32_t coro_str;   /* qualified name of the task's own coroutine */
	uint32_t n_awaiters; /* of struct record_awaiter, behind the frames; 3.14 on */
	/* the chain of awaits, unlike other stacks outermost first: the task's coroutine, what it
	 * awaits, and so on */
	struct record_stack stack;
};

/* A task that waits for this one, or for one that does; the nearest first. */
struct record_awaiter {
	uint32_t name_str; /* the task's name */
	uint32_t coro_str;
	uint32_t file_str; /* where its own coroutine waits */
	int32_t line;
};

/* Where a frame is in the module that holds it; the same in every process that has loaded it. */
struct record_native_frame {
	uint32_t module_str; /* path, as the dynamic loader knows it; 0: in no module */
	uint32_t reserved;
	uint64_t offset; /* address - load base, of the instruction behind the call */
};

#define RECORD_N_ENTRY_WORDS (RECORD_MAX_FRAMES / 64)

struct record_native {
	struct record head;
	uint32_t slot;
	uint32_t reserved;
	uint64_t start; /* of the call it belongs to */
	/* bit i: Python frame i of the call's stack was entered from C, so that one native frame
	 * of the interpreter's evaluation loop runs it and those inside up to the next bit */
	uint64_t entries[RECORD_N_ENTRY_WORDS];
	struct record_stack stack; /* of struct record_native_frame */
};

/* Node ids are longer where parameters are: what is over is cut off. */
#define RECORD_TEST_BYTES 496

struct record_test {
	struct record head;
	char text[RECORD_TEST_BYTES]; /* PYTEST_CURRENT_TEST, filled up with NULs; empty: none */
};

enum record_why {
	RECORD_WHY_COLLECTION = 1, /* of garbage; n is the generation */
	RECORD_WHY_GIL = 2,	   /* waits with nothing between them; n is how many */
};

/* Shorter ones are summed up in their callback and turn alone. */
struct record_pause {
	struct record head;
	uint32_t slot;
	uint32_t why; /* enum record_why */
	uint64_t start;
	uint64_t span;
	uint32_t n;
	uint32_t reserved;
};

static_assert(sizeof(struct record) == 16, "record");
static_assert(sizeof(struct record_frame) == 16, "record_frame");
static_assert(sizeof(struct record_call) == 80, "record_call");
static_assert(sizeof(struct record_callback) == 120, "record_callback");
static_assert(sizeof(struct record_turn) == 120, "record_turn");
static_assert(offsetof(struct record_callback, gc_ns) == RECORD_BYTES_2, "record_callback");
static_assert(offsetof(struct record_turn, gc_ns) == RECORD_BYTES_2, "record_turn");
static_assert(sizeof(struct record_pause) == 48, "record_pause");
static_assert(sizeof(struct record_sample) == 72, "record_sample");
static_assert(sizeof(struct record_pitfall) == 80, "record_pitfall");
static_assert(sizeof(struct record_task) == 56, "record_task");
static_assert(sizeof(struct record_awaiter) == sizeof(struct record_frame), "record_awaiter");
static_assert(sizeof(struct record_native) == 56, "record_native");
static_assert(sizeof(struct record_test) == 512, "record_test");
static_assert(sizeof(struct record_native_frame) == sizeof(struct record_frame),
	      "record_native_frame");
static_assert(sizeof(struct record_call) + RECORD_MAX_FRAMES * sizeof(struct record_frame) <=
		      RECORD_MAX_BYTES,
	      "the largest record");
