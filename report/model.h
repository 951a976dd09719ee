/* SPDX-License-Identifier: Apache-2.0 */
/* The report as plain structs: what the daemon fills in and the formats write */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/defs.h"
#include "figure.h"
#include "kind.h"
#include "lost.h"
#include "pool.h"

/*
 * Strings belong to a pool and may be NULL: not known. Times that end in _at are ns of
 * CLOCK_REALTIME. A part of a cause is -1 where it could not be measured.
 */
#define MODEL_MAX_STACKS   8 /* distinct stacks kept of a finding */
#define MODEL_MAX_PIDS	   64
#define MODEL_MAX_AWAITERS 16
#define MODEL_MAX_TESTS	   16

enum frame_kind {
	FRAME_PYTHON,
	FRAME_NATIVE,
	FRAME_KERNEL,
};

struct frame {
	const char *file;
	const char *function;
	const char *module;
	int32_t line; /* 0: unknown */
	enum frame_kind kind;
	bool is_own; /* of the user's own code */
};

/* Innermost first. */
struct stack {
	uint64_t count;
	uint32_t n_frames;
	struct frame frames[];
};

/* A task that waits for another one, and where its own coroutine does. */
struct awaiter {
	const char *name;
	const char *coro;
	const char *file;
	int32_t line; /* 0: unknown */
};

/* The task that something happened in: one block, for free(). */
struct task {
	nsec_t span_ns; /* of what happened in it */
	const char *name;
	const char *coro;
	uint32_t n_awaiters; /* the nearest first */
	struct awaiter awaiters[MODEL_MAX_AWAITERS];
	uint32_t n_chain; /* outermost first: the task's coroutine, what it awaits, and so on */
	struct frame chain[];
};

struct call {
	const char *name;
	const char *target;
	int32_t fd;	  /* -1: none, or not always the same */
	int32_t gil_held; /* -1: not known, else 0 or 1 */
	uint32_t
		n_calls; /* in the largest incident; more than 1: many short ones of one callback */
};

struct cause {
	int64_t on_cpu_ns;
	int64_t run_queue_ns;
	int64_t unknown_ns;
	int64_t gil_wait_ns;
	int64_t page_fault_ns;
	int64_t blocked_ns;
	int64_t uninterruptible_ns; /* likewise, where no signal could end it: for a disk, mostly */
	int64_t gc_ns;
};

/* What a baseline says of a finding. */
enum baseline_state {
	BASELINE_NONE, /* no baseline was given */
	BASELINE_NEW,
	BASELINE_KNOWN,
	BASELINE_WORSE,
};

struct finding {
	enum finding_kind kind;
	char fingerprint[17];
	bool is_provisional; /* has not ended yet */
	uint64_t count;
	nsec_t total_ns, max_ns, p50_ns, p99_ns;
	uint64_t first_seen_at, last_seen_at;
	int32_t pids[MODEL_MAX_PIDS];
	uint32_t n_pids;
	struct frame culprit;
	const char *name;
	const char *detail;   /* of one of its incidents, for people */
	uint32_t n;	      /* task-flood: the most tasks at once */
	struct stack *origin; /* where it was made; NULL: not known */
	struct call call;
	struct cause cause;
	struct task *task; /* of the longest incident that was in one; NULL: none */
	struct stack *stacks[MODEL_MAX_STACKS];
	uint32_t n_stacks;
	const char *tests[MODEL_MAX_TESTS]; /* the pytest nodes that ran */
	uint32_t n_tests;		    /* of them kept */
	bool has_more_tests;
	const char *allowed_by; /* the reason; NULL: nobody allows it */
	enum baseline_state baseline;
	const char *worse; /* in what way; NULL unless it is */
	uint32_t twin;	   /* counts the findings of one fingerprint from 0, by line */
	bool is_accepted;  /* --accept-new: from now on it is in the baseline */
};

enum slice_what {
	SLICE_TURN,
	SLICE_CALLBACK,
	SLICE_CALL,
	SLICE_PITFALL,
	SLICE_COLLECTION,
	SLICE_GIL,
};

/* One thing that was reported, by itself, with its moment. */
struct slice {
	enum slice_what what;
	uint32_t n; /* calls of a call, callbacks of a turn, waits for the GIL; the generation */
	int32_t pid, tid;
	uint64_t started_at; /* of its process */
	uint64_t at;	     /* ns of CLOCK_REALTIME, of its start */
	nsec_t span_ns;
	const char *name; /* of the call, or of what went wrong; NULL: that of the place */
	struct frame place;
	const char *test;
	int64_t gil_wait_ns, run_queue_ns, gc_ns; /* 0 or less: none, or not measured */
};

struct loop {
	int32_t pid, tid;
	uint64_t started_at; /* of its process: a pid alone may be that of several */
	const char *thread;
	const char *framework;
	bool is_warming; /* it never left its warm-up: nothing was measured */
	uint64_t turns, callbacks;
	nsec_t busy_ns, idle_ns;
	struct figure turn, callback, lag;
};

enum exit_how {
	EXIT_RUNNING, /* has not ended */
	EXIT_UNKNOWN,
	EXIT_STATUS,
	EXIT_SIGNAL,
};

struct process {
	int32_t pid, ppid;
	uint64_t started_at;
	const char **argv;
	uint32_t n_argv;
	const char *service;
	const char *version, *implementation, *build;
	const char *via;
	uint32_t detectors; /* enum detector */
	bool is_strict;	    /* not in the JSON, which has it of all */
	enum exit_how exit_how;
	int32_t exit_value;
	uint64_t n_descheduled; /* stalls not blamed on anybody: the process was not scheduled */
	uint64_t n_gil;		/* likewise: another thread of it held the GIL */
	const char *complaint;	/* about the options it was given */
	struct losses lost;
};

/* What became of an entry of the allow list. */
struct allowance {
	const char *reason;
	const char *origin; /* the file it stands in */
	unsigned int line;
	uint32_t n_findings; /* it allowed */
	bool is_expired;
};

/* Of the baseline, what was looked for and not found. */
struct gone {
	char fingerprint[17];
	char *site; /* kind, site and call, for people */
};

struct report_baseline {
	const char *path; /* NULL: no baseline was given */
	struct gone *gone;
	uint32_t n_gone;
};

struct gate {
	const char *expr;
	bool is_measured;
	double value, limit;
	bool is_ok;
};

struct report_options {
	nsec_t slow_callback_ns, long_turn_ns, blocking_call_ns, stuck_ns, warmup_ns;
	nsec_t cancel_grace_ns;
	bool is_strict;
	bool is_native; /* native frames too */
	uint32_t kinds; /* KIND_MASK of each that is judged */
	const char *own_code;
};

struct report;

/* What a recording is written from; the daemon, that knows how, outlives the report. */
struct report_recording {
	/* The report says how processes have ended. NULL: none was kept. */
	int (*write)(const void *from, const struct report *report, FILE *out);
	const void *from;
};

struct report {
	const char *root_dir; /* of the repository, from which files are named; NULL: none */
	const char *(*kind_help)(enum finding_kind kind); /* may be NULL, and return NULL */
	const char *host;
	const char *tool_version;
	uint64_t started_at, ended_at;
	struct report_options options;
	struct process *processes;
	uint32_t n_processes;
	struct loop *loops;
	uint32_t n_loops;
	struct finding **findings; /* worst first */
	uint32_t n_findings;
	struct slice *slices; /* only where a time line is asked for; nested, by start */
	uint32_t n_slices;
	uint64_t n_slices_lost;
	struct gate *gates;
	uint32_t n_gates;
	struct allowance *allowances;
	uint32_t n_allowances;
	struct report_baseline baseline;
	struct report_recording recording;
	struct losses lost;
};

#define REPORT_INIT \
	{           \
		0   \
	}

void report_deinit(struct report *report);
void report_sort(struct report *report);
int report_number_twins(const struct report *report);
bool report_has_loops(const struct report *report);
bool report_is_of_kernel(const struct report *report);
const char *report_unmeasured(const struct report *report);
const char *report_damaged(const struct report *report);
bool report_has_lag(const struct report *report);
bool report_has_detector(const struct report *report, enum finding_kind kind);

bool finding_counts(const struct finding *finding);
bool text_ends(const char *text, const char *end);
bool frame_is_comprehension(const struct frame *frame);
const char *frame_kind_name(enum frame_kind kind);
const char *baseline_state_name(enum baseline_state state);
struct task *task_new(uint32_t n_chain);
struct task *task_copy(const struct task *task);
struct stack *stack_copy(const struct stack *stack);
struct finding *finding_free(struct finding *finding);
const struct frame *finding_inside(const struct finding *finding);
bool process_is(const struct process *process, int32_t pid, uint64_t started_at);
bool process_has_loop(const struct process *process, const struct loop *loop);
double loop_utilisation(const struct loop *loop);
void loop_deinit(struct loop *loop);
void process_deinit(struct process *process);
