/* SPDX-License-Identifier: Apache-2.0 */
/* The memory a watched process shares with its daemon: header, slots, string arena, event ring */
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/hist.h"

/* Changes with every change of a struct in common/wire; a daemon takes its own version alone. */
#define WIRE_VERSION 3
/* Recordings from this version on are read. */
#define WIRE_OLDEST	    2

#define REGION_MAGIC	    UINT64_C(0x31444e484f4f4c00) /* "\0LOOHND1" */

#define REGION_N_SLOTS	    64
#define REGION_SLOT_BYTES   16384
#define REGION_ARENA_BYTES  (512u << 10)
#define REGION_RING_BYTES   (1u << 20)

#define REGION_SLOTS_OFFSET 4096
#define REGION_ARENA_OFFSET (REGION_SLOTS_OFFSET + REGION_N_SLOTS * REGION_SLOT_BYTES)
#define REGION_RING_OFFSET  (REGION_ARENA_OFFSET + REGION_ARENA_BYTES)
#define REGION_BYTES	    (REGION_RING_OFFSET + REGION_RING_BYTES)

/* Why something was not recorded. The names in the report stand in lost_name() of loss.c. */
enum loss {
	LOSS_RING_FULL,		/* nobody drained the ring in time */
	LOSS_ARENA_FULL,	/* no room for another string: a frame is without its name */
	LOSS_SLOTS_FULL,	/* more threads with loops at once than slots */
	LOSS_STACK_UNREADABLE,	/* a stack is missing or ends early */
	LOSS_STACK_TORN,	/* a running thread's stack changed while it was read */
	LOSS_LOOP_UNKNOWN,	/* a loop that has no epoll descriptor we can find */
	LOSS_PYTHON_UNKNOWN,	/* a CPython whose frames we cannot read */
	LOSS_HOOK_REFUSED,	/* something of Python was not as expected and was left alone */
	LOSS_RECORDING_FAILED,	/* a recording could not be written */
	LOSS_FD_CLOSED,		/* the program closed one of our descriptors */
	LOSS_WATCHDOG_MISSING,	/* no thread could be made: no samples */
	LOSS_CALLBACKS_UNTIMED, /* callbacks of this loop are not seen one by one */
	LOSS_N,
};

enum detector {
	DETECTOR_TURNS = 1u << 0,
	DETECTOR_CALLBACKS = 1u << 1,
	DETECTOR_CALLS = 1u << 2,
	DETECTOR_SAMPLES = 1u << 3,
	DETECTOR_NEVER_AWAITED = 1u << 4,
	DETECTOR_TASKS = 1u << 5, /* failed and not looked at, destroyed, unfinished, too many */
	DETECTOR_CANCELLATION = 1u << 6,
	DETECTOR_GATHER = 1u << 7,
	DETECTOR_TASKGROUP = 1u << 8,
	DETECTOR_NESTED_RUN = 1u << 9,
	DETECTOR_UNHANDLED = 1u << 10,
	DETECTOR_RESOURCES = 1u << 11,
	DETECTOR_EXCEPTIONS = 1u << 12, /* swallowed ones */
	DETECTOR_COLLECTIONS = 1u << 13,
	DETECTOR_CAUSES = 1u << 14, /* by the kernel; known to the reader alone */
};

#define DETECTOR_N 15

enum region_via {
	REGION_VIA_PRELOAD = 1,
	REGION_VIA_INJECT = 2,
	REGION_VIA_BPF = 3, /* a region of the daemon's own, for a process that has none */
};

/* The options in force in the process that are not limits. */
#define REGION_SWITCH_STRICT 0x1
#define REGION_SWITCH_NATIVE 0x2

#define REGION_EXIT_RUNNING  0
#define REGION_EXIT_STATUS   1 /* exit_status is what the process gave to exit() */
#define REGION_EXIT_SIGNAL   2 /* in recordings: exit_status is the signal that ended it */

struct region_header {
	uint64_t magic;
	uint32_t version; /* WIRE_VERSION */
	uint32_t header_bytes;
	uint32_t region_bytes;
	uint32_t n_slots;
	uint32_t slot_bytes;
	uint32_t arena_bytes;
	uint32_t ring_bytes;
	uint32_t via; /* enum region_via */

	uint32_t pid; /* in the process's own pid namespace */
	uint32_t ppid;
	uint64_t started_realtime_ns; /* of the watch: CLOCK_REALTIME */
	uint64_t started_monotonic_ns;

	/* struct clock_scale, mult refined later by one store */
	uint32_t clock_kind; /* enum clock_kind */
	uint32_t python_hex; /* PY_VERSION_HEX */
	uint64_t clock_ticks0;
	uint64_t clock_ns0;
	_Atomic uint64_t clock_mult;

	/* the limits in force in the process, ns */
	uint64_t slow_callback_ns;
	uint64_t long_turn_ns;
	uint64_t blocking_call_ns;
	uint64_t stuck_ns;
	uint64_t warmup_ns;

	uint32_t python_str;	/* Py_GetVersion(), whole */
	uint32_t cmdline_str;	/* /proc/self/cmdline, NUL-separated, at most 4 KiB */
	uint32_t complaint_str; /* what was wrong with LOOPHOUND_OPTIONS, one line; 0 = nothing */
	_Atomic uint32_t detectors; /* enum detector, those that are live */

	_Atomic uint32_t exit_state; /* REGION_EXIT_* */
	_Atomic int32_t exit_status;
	_Atomic uint64_t other_polls; /* epoll waits that belong to no known loop; approximate */
	_Atomic uint32_t park; /* futex: 1 while the watchdog sleeps until somebody wakes it */
	uint32_t switches;     /* REGION_SWITCH_* */

	/* for a reader of its Python frames from outside; 0: unknown */
	uint64_t runtime_raddr;	  /* &_PyRuntime */
	uint64_t code_type_raddr; /* &PyCode_Type */

	_Atomic uint64_t lost[LOSS_N]; /* by enum loss */
};

enum framework {
	FRAMEWORK_OTHER = 0,
	FRAMEWORK_ASYNCIO = 1,
	FRAMEWORK_UVLOOP = 2,
	FRAMEWORK_TRIO = 3,
	FRAMEWORK_GEVENT = 4,
	FRAMEWORK_TORNADO = 5,
	FRAMEWORK_TWISTED = 6,
};

enum slot_state {
	SLOT_FREE = 0,
	SLOT_USED = 1, /* its thread lives */
	SLOT_LEFT =
		2, /* its thread has ended; the figures stay until another thread takes it over */
};

/*
 * One thread that runs loops. Written by that thread alone and read by the watchdog and the
 * daemon. The first cache line is all that a turn writes besides the histograms.
 */
struct slot {
	_Atomic uint64_t turn_start;	 /* 0: no turn is open */
	_Atomic uint64_t callback_start; /* 0: between two callbacks */
	_Atomic uint64_t call_start;	 /* 0: in no hooked call */
	_Atomic uint64_t turn_seq;	 /* counts turns from 1; also the number of turns */
	_Atomic uint64_t callback_seq;	 /* counts callbacks from 1; also their number */
	_Atomic uint64_t idle;		 /* ticks slept in the loop's own poll */
	_Atomic uint32_t call_str;
	_Atomic int32_t call_fd; /* -1: none; -1 - T: none, but a lock that thread T has */
	_Atomic uint64_t
		idle_since; /* ticks: since when the loop sleeps; old while a turn is open */

	_Atomic uint32_t state; /* enum slot_state */
	uint32_t framework;	/* enum framework */
	int32_t tid;
	int32_t epoll_fd;	     /* of the loop that runs now or ran last; -1: unknown */
	_Atomic uint32_t generation; /* counts the loops that ran here, since fds are reused */
	_Atomic uint32_t
		is_warming; /* its figures are of the warm-up, and nobody is held to them */
	uint64_t opened;    /* ticks */
	char thread_name[16];
	_Atomic uint64_t tstate_raddr; /* of the thread that runs the loop; 0: not to be read */
	uint64_t reserved2;

	struct hist turn;     /* span of a turn */
	struct hist callback; /* span of a callback */
	struct hist lag;      /* how late a ready handle started, at most */
};

#define ARENA_NONE 0

/* Append-only. A string is {uint16 length, bytes, NUL}, at an offset that is a multiple of 4. */
struct arena {
	_Atomic uint32_t used_bytes; /* with this header; past the size when the arena is full */
	uint32_t reserved;
	unsigned char bytes[];
};

/* head and tail count bytes since the start and never wrap; each has a cache line to itself. */
struct ring_control {
	_Atomic uint64_t head; /* producers */
	uint64_t reserved0[7];
	_Atomic uint64_t tail; /* the consumer */
	uint64_t reserved1[7];
};

/* The ring's control is part of its bytes; the records get the rest: not a power of two. */
#define RING_CONTROL_BYTES 4096
#define RING_DATA_BYTES	   (REGION_RING_BYTES - RING_CONTROL_BYTES)

static_assert(sizeof(struct region_header) <= REGION_SLOTS_OFFSET, "header");
static_assert(offsetof(struct slot, state) == 64, "the hot cache line");
static_assert(sizeof(struct slot) <= REGION_SLOT_BYTES, "slot");
static_assert(sizeof(struct ring_control) <= RING_CONTROL_BYTES, "ring_control");
static_assert(REGION_BYTES <= 4u << 20, "at most 4 MiB a process");
static_assert(RING_DATA_BYTES % 8 == 0, "records are multiples of 8");

/* A mapped region taken apart; the pointers are into the mapping and own nothing. */
struct region {
	struct region_header *header;
	unsigned char *slots;
	struct arena *arena;
	struct ring_control *ring;
	unsigned char *ring_data;
};

static inline struct region region_at(void *base)
{
	unsigned char *p = base;

	return (struct region){
		.header = base,
		.slots = p + REGION_SLOTS_OFFSET,
		.arena = (struct arena *)(p + REGION_ARENA_OFFSET),
		.ring = (struct ring_control *)(p + REGION_RING_OFFSET),
		.ring_data = p + REGION_RING_OFFSET + RING_CONTROL_BYTES,
	};
}

static inline struct slot *region_slot(const struct region *region, unsigned int index)
{
	return (struct slot *)(region->slots + (size_t)index * REGION_SLOT_BYTES);
}

int region_check(const struct region_header *header);
const char *loss_name(enum loss loss);
