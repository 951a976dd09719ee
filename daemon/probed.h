/* SPDX-License-Identifier: Apache-2.0 */
/* Probed: a process that is watched by probes, and what they tell of it */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loops-api.bpf.h"
#include "scribe.h"
#include "wire/options.h"

struct symbols;
struct syscall_name;
struct waits;
struct watch;

/* The call that was told of last and may not be over, and the short ones of the open callback. */
struct probed_call {
	bool is_there;
	struct record_call record;
	struct scribe_stack stack;
};

/* The native frames of a wait, as they go into the region. */
struct probed_native {
	struct record_native record; /* start 0: there are none */
	struct record_native_frame frames[RECORD_MAX_FRAMES];
};

/* A thread of it that runs a loop: slot INDEX of its region. */
struct probed_thread {
	uint32_t tid;	    /* in the first pid namespace; 0: none */
	uint32_t loop;	    /* the probe's number of it; 0: not known yet */
	uint64_t looked_ns; /* when the probe knew it last */
	uint64_t turn_seq, callback_seq;
	uint64_t turn_reported, callback_reported; /* ns of calls told of */
	uint32_t n_slow;
	uint64_t named_call; /* start of the wait whose stack got its names while it lasted */
	struct scribe_stack named_stack;
	struct probed_native native;
	uint64_t sampled_call; /* start of the wait that was sampled while it lasted */
	struct probed_call last;
	struct probed_call longest_short;
	uint64_t short_ns;
	uint32_t n_short;
};

/* When a thread was searched last, for a loop of uvloop. */
struct probed_search {
	uint64_t thread_raddr;
	uint64_t at_ns, step_ns;
	uint64_t start_ns; /* of the wait in which it was */
	uint64_t found_ns; /* 0: none */
	uint64_t found_raddr, found_fd, poll_fd;
};

struct probed {
	struct probed *next;
	struct watch *watch; /* the daemon's */
	int32_t pid;
	int pidfd;
	struct waits *waits;	 /* the daemon's; NULL: there are none */
	struct symbols *symbols; /* likewise, where native frames are asked for */
	bool has_symbols;	 /* what most stacks have in common has been looked up */
	struct options limits;
	struct loops_process process; /* as the probe knows it */
	bool is_changed;	      /* the probe does not know all of it yet */
	bool has_execed;
	bool has_ended;
	bool has_loops;		  /* one ran */
	bool has_uvloop;	  /* its module is loaded */
	uint64_t asked_uvloop_ns; /* when it was not, last */
	bool has_found_uvloop;
	struct probed_search searches[16];
	struct scribe scribe;
	struct probed_thread threads[REGION_N_SLOTS];
};

bool probed_is_poll(const struct syscall_name *name);
void probed_search_threads(struct probed *probed);
void probed_take_event(struct probed *probed, const struct loops_event *event);
void probed_take_thread(struct probed *probed, const struct loops_thread *thread, uint64_t now_ns);
void probed_take_figures(struct probed *probed, uint32_t loop, const struct loops_figures *figures);
bool probed_close_ended(struct probed *probed, uint64_t before_ns, uint32_t *ret_loop);
void probed_flush(struct probed *probed);

/* probed-uvloop.c */
void probed_search_sleepers(struct probed *probed);
bool probed_search_uvloop(struct probed *probed, const struct loops_event *event,
			  uint64_t start_ns);

/* probed-native.c */
void probed_open_native(struct probed *probed);
void probed_prepare_native(struct probed *probed, const struct loops_thread *seen);
void probed_take_native(struct probed *probed, const struct loops_thread *seen,
			struct probed_native *native);
void probed_write_native(struct probed *probed, struct probed_native *native,
			 const struct record_call *call);
