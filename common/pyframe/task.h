/* SPDX-License-Identifier: Apache-2.0 */
/* Task: an asyncio task, its name, what its coroutine waits for, and who waits for it */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pyframe/pyframe.h"

/* Deeper chains of awaits are cut: a stack has no room for more either. */
#define TASK_MAX_CHAIN 64
/* "Task-" and a number; names people give are longer, and are cut. */
#define TASK_MAX_NAME 128
/* Who waits for a task: a gather or a group waits once for many, and not many for one. */
#define TASK_MAX_AWAITERS 16

/* Where the C accelerator of asyncio (_asyncio.Task) keeps things: set once by task_init(). */
struct task_layout {
	uint32_t task_bytes; /* tp_basicsize */
	uint32_t coro;
	uint32_t name;
	bool has_awaiters; /* 3.14 on, as thread_task */
	uint32_t awaited_by;
	uint32_t awaited_by_is_set;
	uint32_t thread_task; /* in the thread state: the task it runs */
};

enum task_end {
	TASK_END_WAITS = 0,  /* for awaited_raddr, which is no coroutine; 0: for its caller */
	TASK_END_RUNS,	     /* the last one runs: what it calls is on its thread's stack */
	TASK_END_NEW,	     /* the last one has not begun */
	TASK_END_OVER,	     /* the last one has ended */
	TASK_END_DEPTH,	     /* more than TASK_MAX_CHAIN: the innermost are missing */
	TASK_END_UNREADABLE, /* the innermost are missing */
	TASK_END_INVALID,    /* it made no sense: the innermost are missing */
};

/* A coroutine, generator or async generator, and where it stands. */
struct task_link {
	uint64_t coro_raddr;
	struct pyframe_addr addr;
};

struct task_chain {
	uint32_t n_links;
	enum task_end end;
	uint64_t awaited_raddr; /* a future, a task, or anything else that can be awaited */
	struct task_link links[TASK_MAX_CHAIN]; /* outermost first: the task's own coroutine */
};

/* Each returns 0 or more, -errno when memory cannot be read or is not what it should be, or
 * PYFRAME_E_*; out parameters are written on success only. Use MEM_REMOTE on the own process too,
 * unless the GIL is held. */

/* Up to 3.13 from tables, and range is not looked at. From 3.14 on asyncio's description of itself
 * is searched for in the n_bytes at range_raddr: the writable data of the module _asyncio or, where
 * it is built in, of the interpreter. PYFRAME_E_OFFSETS: it is not there. */
int task_init(const struct pyframe *p, const struct mem *mem, uint64_t range_raddr,
	      uint64_t n_bytes, struct task_layout *ret_layout);

/* -EINVAL when it is no _asyncio.Task: one written in Python, or anything else. */
int task_coroutine(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		   uint64_t task_raddr, uint64_t *ret_coro_raddr);

/* Return: the length of the name. */
int task_name(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
	      uint64_t task_raddr, char *buf, size_t size_bytes);

/* The task whose step or wake-up a loop is about to call, by the callable. */
int task_of_callable(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		     uint64_t callable_raddr, uint64_t *ret_task_raddr);

/* The task a thread runs: 3.14 on. 0: none; -ENOSYS before. */
int task_of_thread(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		   uint64_t tstate_raddr, uint64_t *ret_task_raddr);

/* The task a loop runs: up to 3.13, from the dict asyncio keeps of them (_asyncio._current_tasks,
 * from loop to task). 0: none. -ENOSYS from 3.14 on; -EINVAL when it is none of the accelerator or
 * of another loop. */
int task_of_loop(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		 uint64_t tasks_raddr, uint64_t loop_raddr, uint64_t *ret_task_raddr);

/* The tasks that wait for this one: 3.14 on; -ENOSYS before. Return: how many, at most max. */
int task_awaiters(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		  uint64_t task_raddr, uint64_t *task_raddrs, uint32_t max);

/* Where a coroutine that runs is in the stack of its thread: places of frames in there. */
struct task_place {
	uint32_t outer; /* the coroutine itself */
	uint32_t inner; /* the last one of the chain of awaits, not above outer */
};

/* stack is one taken of the thread just before. -ESRCH: the coroutine is not in it. With MEM_SELF
 * the thread must be the calling one. */
int task_find_place(const struct pyframe *p, const struct mem *mem, uint64_t tstate_raddr,
		    uint64_t coro_raddr, const struct pyframe_stack *stack,
		    struct task_place *ret_place);

/* From a coroutine down to the innermost await. What was read before an end is kept. */
void task_follow(const struct pyframe *p, const struct mem *mem, uint64_t coro_raddr,
		 struct task_chain *ret_chain);
