/* SPDX-License-Identifier: Apache-2.0 */
/* What the probe "waits" and the daemon tell one another */
#pragma once

#include <linux/types.h>

#define WAITS_MAX_THREADS 8192
#define WAITS_MAX_WANTED  4096
#define WAITS_RING_BYTES  (1u << 19)
/* Bits by the last digits of pids and tids: most others' are not set. */
#define WAITS_N_MET_BITS 16384

/* Why a thread does not run; and that it does, as long as the kernel counts it to. */
enum waits_why {
	WAITS_RUN_QUEUE = 0, /* it could */
	WAITS_BLOCKED,	     /* in a system call */
	WAITS_DISK,   /* likewise, and no signal could end it, or it counts as waiting for a disk */
	WAITS_LOCK,   /* in futex(), for a lock */
	WAITS_GIL,    /* in futex(), for CPython's lock */
	WAITS_PAGE,   /* for a page of its memory */
	WAITS_FROZEN, /* stopped, traced, frozen, or out of its cgroup's quota */
	WAITS_RAN,
	WAITS_N,
};

/* DWARF numbers of x86-64 registers, up to that of the instruction. */
#define WAITS_N_REGS 17

/* What a thread that waits came into the kernel with: what a callee keeps, and where it is. */
struct waits_registers {
	__u64 since; /* it waits */
	__u64 regs[WAITS_N_REGS];
};

/* Of a watched process: a futex in here is the GIL. */
struct waits_process {
	__u64 runtime_raddr;
	__u64 runtime_end_raddr;
};

/* A thread, as the programs keep it. */
struct waits_thread {
	__u64 born;	 /* when it was first seen to stop; 0: not yet */
	__u64 since;	 /* it waits, or runs */
	__u64 woken;	 /* 0: not yet */
	__u64 ran0_ns;	 /* as the kernel counts it, up to when it was first seen */
	__u64 told_from; /* of the first wait that has not been told of; 0: there is none */
	__u32 our_tid, our_pid;
	__u32 why; /* enum waits_why; WAITS_RAN: it runs */
	__u32 reserved;
	__u64 ns[WAITS_N];
	__u64 told[WAITS_N]; /* ns as it was at told_from */
};

/*
 * A thread did not run from `from` to `to`, or short times of it; sums since it was first seen, ns,
 * stood at `before` and stand at `after`. Between two events of a thread it ran, but for interrupts
 * and what a hypervisor took. No padding.
 */
struct waits_event {
	__u32 our_tid, our_pid; /* in the pid namespace of the daemon */
	__u64 born;		/* when it was first seen; CLOCK_MONOTONIC, as all times */
	__u64 from, to;		/* to 0: it has ended */
	__u64 before[WAITS_N];
	__u64 after[WAITS_N];
};

struct waits_losses {
	__u64 ring_full;
	__u64 threads_full;
};
