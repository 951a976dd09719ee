/* SPDX-License-Identifier: Apache-2.0 */
/* The watched process as a whole: its region, limits, clock, and what it could not see */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/fd.h"
#include "pyframe/task.h"
#include "real.h"
#include "wire/options.h"
#include "wire/region.h"

/* Limits in ticks of the clock in force. */
struct limits {
	uint64_t slow_callback;
	uint64_t long_turn;
	uint64_t blocking_call;
	uint64_t call_floor; /* shorter calls are not looked at */
	uint64_t cancel_grace;
	uint64_t short_call; /* shorter ones are not summed up */
	uint64_t pause;	     /* a shorter one is told of in sums alone */
	uint64_t sleepless;  /* a poll shorter than this did not sleep */
	uint64_t warm;	     /* the tick from which on is judged; 0: from the start */
	uint64_t notable;    /* a shorter callback is looked at only for what it called */
	bool is_tick_enough; /* nothing reaches a limit without a watchdog's tick in it */
};

struct watch {
	_Atomic bool is_open; /* the region is there; set last, cleared first */

	bool is_frames_ok; /* pyframe reads this interpreter right */
	bool is_frames_tried;
	bool is_native;		     /* native frames are wanted and can be had */
	uint64_t runtime_raddr;	     /* &_PyRuntime */
	uint64_t runtime_bytes;	     /* its size; 0: not known */
	uintptr_t interpreter_start; /* of the object that _PyRuntime is in */
	size_t interpreter_bytes;
	uint64_t code_type_raddr;
	const char *python_version; /* Py_GetVersion(), static */
	pid_t pid;
	enum clock_kind clock_kind;
	struct clock_scale scale;
	struct options options;
	struct limits limits;
	struct region region;
	struct fd_mark region_mark;	 /* the memfd */
	uint32_t call_str[HOOK_N_NAMES]; /* hook_names in the arena */
	struct pyframe pyframe;
	_Atomic bool is_tasks_ok; /* and tasks of asyncio; set after tasks */
	struct task_layout tasks;
	struct mem self;   /* the calling thread's own frames: plain loads */
	struct mem remote; /* any memory of this process, unreadable ones included */
};

extern struct watch watch;

void watch_init(void);
bool watch_open(void);
void watch_forget(void);
void watch_refine_clock(void);
void watch_lost(enum loss loss);
void watch_detects(uint32_t detectors); /* enum detector, or-ed */
bool watch_frames_ready(uint64_t tstate_raddr, uint64_t code_raddr, int32_t line);
void watch_exited(int status);

static inline bool watch_is_open(void)
{
	return atomic_load_explicit(&watch.is_open, memory_order_acquire);
}
