/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch as the report shows it: the process, and the loops that ran in it
 *
 * Histograms are cumulative in the region, so they are read when a report is made and once more
 * when the process has ended, never in between.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"
#include "wire/check.h"

/* The shim cuts the command line at 4 KiB, and each argument takes a byte at least. */
#define WATCH_MAX_ARGS 4096

static const char *const frameworks[] = {
	[FRAMEWORK_OTHER] = "other",	 [FRAMEWORK_ASYNCIO] = "asyncio",
	[FRAMEWORK_UVLOOP] = "uvloop",	 [FRAMEWORK_TRIO] = "trio",
	[FRAMEWORK_GEVENT] = "gevent",	 [FRAMEWORK_TORNADO] = "tornado",
	[FRAMEWORK_TWISTED] = "twisted",
};

static const char *const vias[] = {
	[0] = "preload",
	[REGION_VIA_PRELOAD] = "preload",
	[REGION_VIA_INJECT] = "inject",
	[REGION_VIA_BPF] = "bpf",
};

static int process_set_argv(const struct watch *watch, struct process *process)
{
	char cmdline[POOL_MAX_STRING + 1];
	size_t length = arena_string(watch->region.arena, REGION_ARENA_BYTES,
				     watch->region.header->cmdline_str, cmdline, sizeof(cmdline));
	struct pool *pool = names_pool(watch->names);

	process->argv = calloc(WATCH_MAX_ARGS, sizeof(*process->argv));
	if (!process->argv)
		return -ENOMEM;
	for (size_t at = 0; at < length && process->n_argv < WATCH_MAX_ARGS;
	     at += strlen(cmdline + at) + 1)
		process->argv[process->n_argv++] = pool_keep_text(pool, cmdline + at);
	return 0;
}

/* Py_GetVersion(): "3.11.7 (main, Dec 4 2023, 18:10:11) [GCC 12.2.0]" */
static void process_set_python(const struct watch *watch, struct process *process)
{
	const char *whole = watch_string(watch, watch->region.header->python_str);
	struct pool *pool = names_pool(watch->names);
	size_t length;

	if (!whole)
		return;
	length = strcspn(whole, " ");
	process->version = pool_keep(pool, whole, length);
	process->implementation = pool_keep_text(pool, strstr(whole, "PyPy") ? "PyPy" : "CPython");
	process->build = pool_keep_text(pool, whole + length + strspn(whole + length, " "));
}

static void process_set_exit(const struct watch *watch, struct process *process)
{
	const struct region_header *header = watch->region.header;

	process->exit_how = EXIT_UNKNOWN;
	if (atomic_load(&header->exit_state) == REGION_EXIT_STATUS) {
		process->exit_how = EXIT_STATUS;
		process->exit_value = atomic_load(&header->exit_status) & 0xff;
	} else if (!watch->is_mapped && atomic_load(&header->exit_state) == REGION_EXIT_SIGNAL) {
		process->exit_how = EXIT_SIGNAL;
		process->exit_value = atomic_load(&header->exit_status) & 0x7f;
	}
}

/*
 * The process of a watch, as if it had ended: a caller that knows it has not says so. The caller
 * deinits it.
 *
 * Return: 0 or -ENOMEM.
 */
int watch_process(const struct watch *watch, const char *service, struct process *ret_process)
{
	const struct region_header *header = watch->region.header;
	struct process process = {
		.pid = watch->pid,
		.ppid = (int32_t)header->ppid,
		.started_at = watch->started_at,
		.service = service,
		.via = vias[header->via < ARRAY_LEN(vias) ? header->via : REGION_VIA_PRELOAD],
		.detectors = (atomic_load(&header->detectors) & ~(uint32_t)DETECTOR_CAUSES) |
			     (watch->has_schedule ? DETECTOR_CAUSES : 0),
		.is_strict = header->switches & REGION_SWITCH_STRICT,
		.n_descheduled = watch->n_descheduled,
		.n_gil = watch->n_gil,
		.complaint = watch_string(watch, header->complaint_str),
		.lost = watch->lost,
	};

	if (process_set_argv(watch, &process))
		return -ENOMEM;
	process_set_python(watch, &process);
	process_set_exit(watch, &process);
	for (unsigned int i = 0; i < LOSS_N; i++)
		process.lost.n[i] += atomic_load_explicit(&header->lost[i], memory_order_relaxed);
	process.lost.n[LOST_SAMPLES] += watch->stalls.n_dropped;
	*ret_process = process;
	return 0;
}

/* Ticks that a loop has slept in the poll it is in now, which slot.idle gets when it returns. */
static uint64_t slot_sleeps_for(const struct watch *watch, const struct slot *slot)
{
	uint64_t since = atomic_load_explicit(&slot->idle_since, memory_order_relaxed), now;

	if (!watch->is_mapped || !since ||
	    atomic_load_explicit(&slot->turn_start, memory_order_acquire))
		return 0;
	now = clock_ticks(watch->region.header->clock_kind);
	return now > since ? now - since : 0;
}

/* Ticks that an open turn has lasted: of a loop that is stuck nothing else tells. */
static uint64_t slot_turn_lasts(const struct watch *watch, const struct slot *slot)
{
	uint64_t start = atomic_load_explicit(&slot->turn_start, memory_order_acquire), now;

	if (!watch->is_mapped || !start)
		return 0;
	now = clock_ticks(watch->region.header->clock_kind);
	return now > start ? now - start : 0;
}

static int loop_measure(const struct watch *watch, const struct slot *slot, struct loop *loop)
{
	struct clock_scale scale = watch_scale(watch);
	nsec_t open_ns = clock_span_ns(&scale, slot_turn_lasts(watch, slot));
	int r;

	loop->busy_ns = clock_span_ns(&scale, slot->turn.sum) + open_ns;
	loop->idle_ns =
		clock_span_ns(&scale, atomic_load_explicit(&slot->idle, memory_order_relaxed) +
					      slot_sleeps_for(watch, slot));
	r = figure_init(&loop->turn, &slot->turn, &scale);
	if (!r)
		r = figure_init(&loop->callback, &slot->callback, &scale);
	if (!r)
		r = figure_init(&loop->lag, &slot->lag, &scale);
	loop->turn.max_ns = MAX(loop->turn.max_ns, open_ns);
	if (r)
		loop_deinit(loop);
	return r;
}

static int loop_init(const struct watch *watch, const struct slot *slot, struct loop *loop)
{
	uint32_t framework = slot->framework;
	char thread[sizeof(slot->thread_name) + 1] = "";

	memcpy(thread, slot->thread_name, sizeof(slot->thread_name));
	loop->pid = watch->pid;
	loop->tid = slot->tid;
	loop->started_at = watch->started_at;
	loop->thread = pool_keep_text(names_pool(watch->names), thread);
	loop->framework = frameworks[framework < ARRAY_LEN(frameworks) ? framework : 0];
	loop->turns = atomic_load_explicit(&slot->turn_seq, memory_order_relaxed);
	loop->callbacks = atomic_load_explicit(&slot->callback_seq, memory_order_relaxed);
	loop->is_warming = atomic_load_explicit(&slot->is_warming, memory_order_relaxed);
	return loop->is_warming ? 0 : loop_measure(watch, slot, loop);
}

static bool slot_has_run(const struct slot *slot)
{
	return atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_FREE &&
	       atomic_load_explicit(&slot->turn_seq, memory_order_relaxed);
}

/*
 * The loops that ran so far. The array and the loops are the caller's.
 *
 * Return: 0 or -ENOMEM.
 */
int watch_loops(const struct watch *watch, struct loop **ret_loops, uint32_t *ret_n_loops)
{
	struct loop *loops = calloc(REGION_N_SLOTS, sizeof(*loops));
	uint32_t n = 0;
	int r = loops ? 0 : -ENOMEM;

	for (unsigned int i = 0; !r && i < REGION_N_SLOTS; i++) {
		const struct slot *slot = region_slot(&watch->region, i);

		if (!slot_has_run(slot))
			continue;
		r = loop_init(watch, slot, &loops[n]);
		n += !r;
	}
	if (r) {
		while (n)
			loop_deinit(&loops[--n]);
		free(loops);
		return r;
	}
	*ret_loops = loops;
	*ret_n_loops = n;
	return 0;
}
