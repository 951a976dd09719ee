/* SPDX-License-Identifier: Apache-2.0 */
/* Probed: a process that is watched by probes, and what they tell of it */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loops-api.bpf.h"
#include "scribe.h"
#include "wire/options.h"

struct watch;

/* The call that was told of last and may not be over, and the short ones of the open callback. */
struct probed_call {
	bool is_there;
	struct record_call record;
	struct scribe_stack stack;
};

/* A thread of it that runs a loop: slot INDEX of its region. */
struct probed_thread {
	uint32_t tid;  /* in the first pid namespace; 0: none */
	uint32_t loop; /* the probe's number of it; 0: not known yet */
	uint64_t turn_seq, callback_seq;
	uint64_t turn_reported, callback_reported; /* ns of calls told of */
	uint32_t n_slow;
	uint64_t named_call; /* start of the wait whose stack got its names while it lasted */
	struct scribe_stack named_stack;
	uint64_t sampled_call; /* start of the wait that was sampled while it lasted */
	struct probed_call last;
	struct probed_call longest_short;
	uint64_t short_ns;
	uint32_t n_short;
};

struct probed {
	struct probed *next;
	struct watch *watch; /* the daemon's */
	int32_t pid;
	int pidfd;
	struct options limits;
	struct loops_process process; /* as the probe knows it */
	bool is_changed;	      /* the probe does not know all of it yet */
	bool has_execed;
	bool has_uvloop;
	struct scribe scribe;
	struct probed_thread threads[REGION_N_SLOTS];
};

void probed_search_threads(struct probed *probed);
void probed_take_event(struct probed *probed, const struct loops_event *event);
void probed_take_thread(struct probed *probed, const struct loops_thread *thread, uint64_t now_ns);
void probed_take_figures(struct probed *probed, uint32_t loop, const struct loops_figures *figures);
void probed_flush(struct probed *probed);
