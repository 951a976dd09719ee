/* SPDX-License-Identifier: Apache-2.0 */
/* Watch: one process under observation, by the region it shares */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "judge.h"
#include "model.h"
#include "named.h"
#include "names.h"
#include "native.h"
#include "own-code.h"
#include "stall.h"
#include "tape.h"
#include "trace.h"
#include "wire/region.h"

/* The thread of a slot, by the number that it says and the one that we know it by. */
struct watch_thread {
	int32_t their_tid;
	int32_t our_tid; /* 0: not to be found */
	uint64_t opened; /* ticks: another one may have the same number */
};

/* How calls that are reported by themselves were scheduled, in the turn and callback of a slot. */
struct watch_calls {
	uint64_t turn_seq, callback_seq;
	struct schedule of_turn, of_callback;
};

struct watch {
	struct watch *next;
	struct names *names; /* the daemon's */
	uint64_t id;	     /* from 1, of no other watch of these names */
	struct region region;
	void *base;
	bool is_mapped;	 /* else base is from the heap: a recording */
	bool is_probed;	 /* a probe writes it, and says when it ends */
	bool is_corrupt; /* its ring made no sense and is not read any more */
	bool has_loop;
	bool is_orphan;	   /* its connection is gone, it is not */
	bool has_our_root; /* its file system is ours */
	int root_fd;	   /* of one that is not, held for its modules; -1: none */
	uint64_t inode;	   /* of the memfd */
	int pidfd;
	int32_t pid; /* as we see it */
	uint32_t uid;
	uint64_t started_at; /* CLOCK_REALTIME */
	nsec_t started_ns;   /* CLOCK_MONOTONIC */
	char cwd[256];
	struct own_code own;
	struct losses lost;
	uint64_t n_descheduled;
	uint64_t n_gil;	  /* stalls that waited for a thread to let go of the GIL */
	const char *test; /* that runs now; NULL: none */
	uint64_t mult;	  /* of its clock, as measured here; 0: not yet */
	struct stall_table stalls;
	struct native_table natives;
	struct named_table named; /* of a recording */
	struct trace_table trace;
	struct tape *tape; /* NULL: no recording is asked for */
	bool has_schedule; /* the kernel tells how its threads were scheduled */
	struct watch_thread threads[REGION_N_SLOTS];
	struct watch_calls calls[REGION_N_SLOTS];
};

enum watch_result {
	_WATCH_E_OK = 0,
	WATCH_E_UNSEALED, /* its memory could shrink under us */
	WATCH_E_SIZE,
	WATCH_E_VERSION,
	WATCH_E_MAGIC,
};

int watch_new_map(struct names *names, int region_fd, struct watch **ret_watch);
int watch_new_take_heap(struct names *names, void *base, struct watch **ret_watch);
struct watch *watch_free(struct watch *watch);
void watch_freep(struct watch **watch);
void watch_identify(struct watch *watch, int32_t pid, const struct own_code *own);

void watch_calibrate(struct watch *watch);
struct clock_scale watch_scale(const struct watch *watch);
struct limits watch_limits(const struct watch *watch, uint32_t kinds);
uint64_t watch_realtime(const struct watch *watch, nsec_t monotonic_ns);
const char *watch_string(const struct watch *watch, uint32_t offset);
struct stack *watch_stack(const struct watch *watch, const struct record *record);
void watch_frame_named(const struct watch *watch, const char *file, const char *function,
		       int32_t line, struct frame *ret_frame);
void watch_set_test(struct watch *watch, const struct record_test *record);
void watch_frame(const struct watch *watch, const struct record_frame *raw,
		 struct frame *ret_frame);

int watch_process(const struct watch *watch, const char *service, struct process *ret_process);
int watch_loops(const struct watch *watch, struct loop **ret_loops, uint32_t *ret_n_loops);
