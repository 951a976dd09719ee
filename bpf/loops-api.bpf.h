/* SPDX-License-Identifier: Apache-2.0 */
/* What the probe "loops" and the daemon tell one another */
#pragma once

#include <linux/types.h>

#include "waits-api.bpf.h"
#include "wire/hist.h"

#define LOOPS_MAX_FRAMES  64
#define LOOPS_MAX_THREADS 4096
/* Threads that run loops, those that have ended included. */
#define LOOPS_MAX_LOOPS	 64
#define LOOPS_RING_BYTES (1u << 20)
/* Loops of uvloop in one process: one a thread. */
#define LOOPS_MAX_UVLOOPS 4
/* The clock of each CPU, while a turn lasts: what ends without a sleep is known to this then. */
#define LOOPS_SAMPLE_NS 1000000
/* A look at a loop's own poll goes this deep: select() of a selector, _run_once(), and one more. */
#define LOOPS_MAX_POLL_DEPTH 3

/* A Python frame: its code object and, as the frame has it, its instruction. */
struct loops_frame {
	__u64 code_raddr;
	__u64 instr;
};

/* In a uv_loop_t: ms, when libuv asked for the time last. */
#define LOOPS_UV_TIME 544

/* A loop of uvloop, which is one of libuv (uv_loop_t), found on the stack of its thread. */
struct loops_uvloop {
	__u64 thread_raddr;  /* the pthread_t of its thread; 0: none */
	__u64 uv_raddr;	     /* the uv_loop_t */
	__u64 running_raddr; /* int of the Loop object: it runs */
	__u64 count_raddr;   /* turns counted by libuv, from 1.45 on; 0 is kept there before */
	__u64 fd;	     /* the epoll descriptor it sleeps on */
};

/*
 * What is to be known of a watched process, kept with its first thread. Offsets are those of
 * common/pyframe; the daemon puts it there again whenever it has learnt more.
 */
struct loops_process {
	__u64 runtime_raddr; /* &_PyRuntime, up to the end: a futex in it is the GIL */
	__u64 runtime_end_raddr;
	__u64 run_once_raddr;  /* code object of asyncio's BaseEventLoop._run_once; 0: not yet */
	__s64 clock_offset_ns; /* its CLOCK_MONOTONIC - ours */
	__u64 call_ns;	       /* waits this long are told */
	__u64 stranger_ns;     /* likewise, outside of turns, where loops are known already */
	__u64 callback_ns, turn_ns; /* samples are told from half of these on */

	__u32 our_pid; /* in the daemon's pid namespace */
	__u32 runtime_interpreters_head;
	__u32 interp_threads_head;
	__u32 interp_next;
	__u32 thread_next;
	__u32 thread_id;
	__u32 thread_frame;
	__u32 cframe_frame;
	__u32 frame_previous;
	__u32 frame_executable;
	__u32 frame_instr;
	__u32 frame_owner;
	__u32 frame_locals;
	__u32 local_end_time; /* in _run_once, bytes from the first; 0: self, so not known */
	__u32 local_i;
	__u32 float_value; /* of a float object, and the lowest digit of an int */
	__u32 long_digit;
	__u32 is_instr_number; /* f_lasti, 4 bytes */
	__u32 has_cframe;
	__u32 owner_first_shim; /* 0: frames have no owners */
	__u32 executable_mask;
	__u32 thread_context; /* a count of contexts entered and left; 0: not known where */
	struct loops_uvloop uvloops[LOOPS_MAX_UVLOOPS];
};

enum loops_kind {
	LOOPS_CALL = 1, /* a wait is over */
	LOOPS_SAMPLE,	/* a callback that has not ended */
	LOOPS_CALLBACK, /* a callback is over of which there were samples or calls */
	LOOPS_TURN,	/* likewise; after its last callback */
	LOOPS_EXEC,	/* the process is another program now */
	LOOPS_FORK,	/* it has a new child */
	LOOPS_CLOCK,	/* a turn lasts, and the clock stands still */
};

/* Why a thread does not run. */
enum loops_wait {
	LOOPS_RUNNING = 0,
	LOOPS_RUNNABLE, /* it could run */
	LOOPS_IDLE,	/* in the poll of its loop */
	LOOPS_WAITING,	/* in a call, or for a page */
	LOOPS_GIL,	/* for CPython's lock */
	LOOPS_STOPPED,	/* by a signal, or by a tracer */
};

/* Why the stack ends where it ends. */
enum loops_end {
	LOOPS_END_COMPLETE = 0,
	LOOPS_END_DEPTH,
	LOOPS_END_UNREADABLE,
	LOOPS_END_THREAD, /* no thread state of Python was found */
};

/* Sums since the thread was first seen, ns. */
struct loops_times {
	__u64 cpu;
	__u64 run_queue;
	__u64 gil_wait;
	__u64 frozen;
};

/* What a walk over the frames shows. */
struct loops_look {
	__u64 turn_start; /* when the turn began, CLOCK_MONOTONIC as we have it; 0: in no turn */
	__u32 callback;	  /* which of the turn's, from 0 */
	__u32 depth;	  /* how many frames are within _run_once(); only with is_loop */
	__u8 is_loop;	  /* _run_once() is on the stack, or the thread's uvloop runs */
	__u8 end;	  /* enum loops_end */
	__u16 n_frames;
	__u32 is_uvloop;
};

/* All of it in multiples of 8, and no padding. */
struct loops_event {
	__u32 kind;		/* enum loops_kind */
	__u32 tid;		/* in the first pid namespace */
	__u32 our_tid, our_pid; /* in that of the daemon */
	__u64 at;		/* ns of CLOCK_MONOTONIC, as all times */
	__u64 start;		/* of the call, callback or turn */
	__u64 turn_start, callback_start;
	__u64 turn_seq, callback_seq; /* count up; turns that were never looked at share one */
	struct loops_times times;     /* in what is over: callback, turn */
	__u64 run_queue_ns;	      /* of the call: it was over, and its thread did not run yet */
	__u64 args[3];		      /* of the system call */
	__u64 sp;		      /* the stack pointer at it */
	__u64 thread_raddr;	      /* the pthread_t */
	__s32 syscall;		      /* -1: none, it waited for a page */
	__u32 is_deep;		      /* the call waited for a disk, and may go on */
	struct loops_look look;
	struct loops_frame frames[LOOPS_MAX_FRAMES]; /* look.n_frames of them are sent */
};

/*
 * A thread of a watched process; the daemon reads those of loops as they stand. First what a loop
 * that sleeps and goes on needs, so that it lies together.
 */
struct loops_thread {
	__u64 since;	  /* it waits, or runs */
	__u64 ran_ns;	  /* as the kernel counts it, up to when it stopped last */
	__u64 switches;	  /* of the thread, likewise */
	__u64 looked;	  /* when the frames were last looked at */
	__u64 began;	  /* the turn it is in, as it is counted; 0: in none */
	__u64 turn_start; /* of the open turn, as it was first seen; 0: there is none */
	/* the first pause since the last look that was not looked at; 0: there was none */
	__u64 pause_at;
	/* by which the loop's own poll is known again: descriptor, stack pointer, Python frame */
	__u64 poll_fd, poll_sp, poll_frame_raddr;
	__u64 tstate_raddr; /* 0: not found */
	__u64 thread_raddr; /* the pthread_t */
	__u64 n_turns;
	__u32 loop; /* its figures are those of loop - 1; 0: it has none */
	__u8 wait;  /* enum loops_wait */
	__u8 is_loop;
	__u8 is_uvloop;
	__u8 is_told;	  /* an event was sent of the turn */
	__u8 is_new_turn; /* it has left its poll, and is counted */
	__u8 is_polling;  /* it was in its own poll when last looked at, and did not sleep */
	__u8 is_in_loop;  /* as far as its stack was seen to the end last */
	__u8 is_in_call;  /* it is in a system call, and its frames hold still */
	__u8 is_unread;	  /* its stack could not be read last */
	__u8 is_deep;	  /* the last wait could not be interrupted: for a disk */
	struct loops_times times;
	struct waits_thread waits; /* why it did not run; when it was woken, for us as well */
	struct loops_times turn_times, callback_times, pause_times; /* at their beginnings */
	__u64 born; /* its process; turns that began before were its parent's */
	__u64 callback_start;
	__u64 n_callbacks;
	__u64 sampled; /* when it was found running last */
	__u64 sample_due;
	__u64 call_start; /* first of several waits of one call */
	/* of a uvloop, when it was last looked at: its turn, timers it had started; and the count
	 * of contexts at the first look of a turn */
	__u64 uv_turn, uv_timers, uv_context;
	/* of a thread whose uvloop is not known yet: it has been in its context since about then;
	 * 0: that is not known. And what was measured up to then. When it has last left a poll, and
	 * which. */
	__u64 context_start;
	struct loops_times context_times;
	__u64 left_poll, left_poll_fd;
	__u64 call_ns; /* of the process */
	__u32 callback;
	__u32 n_searched;	  /* stacks that were sent for want of a known loop */
	struct loops_event event; /* the last look, with its frames */
};

/* What is counted of a thread that runs a loop; stays when it has ended. */
struct loops_figures {
	__u64 idle_ns;
	__u64 n_turns;
	struct hist turn; /* those that are not told apart count as one */
};

struct loops_losses {
	__u64 ring_full;
	__u64 threads_full;
	__u64 switches_missed; /* the kernel counts them too */
	__u64 frames_unread;   /* of a thread with a loop: what it did then is not known */
};
