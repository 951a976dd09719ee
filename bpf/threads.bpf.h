/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: the maps of what is known of processes and threads, and what could not be told */
#pragma once

#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>

#include "loops-api.bpf.h"
#include "registers.bpf.h"
#include "sums.bpf.h"

/* The pid namespace of the daemon. */
const volatile __u64 cfg_pidns_dev = 0;
const volatile __u64 cfg_pidns_ino = 0;

struct loops_losses losses;
__u32 n_loops;
/* The daemon has the clocks run; and when that was last worth it. */
bool has_clock;
__u64 clock_asked;

/* first thread of a watched process -> what is known of the process */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct loops_process);
} processes SEC(".maps");

/* tid in the first pid namespace -> a thread of a watched process */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LOOPS_MAX_THREADS);
	__type(key, __u32);
	__type(value, struct loops_thread);
} threads SEC(".maps");

/* what a new thread starts as: too large for the stack */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct loops_thread);
} blanks SEC(".maps");

/* number of a loop -> its figures */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOOPS_MAX_LOOPS);
	__type(key, __u32);
	__type(value, struct loops_figures);
} figures SEC(".maps");

/* numbers of loops that have ended, whose figures the daemon has */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, LOOPS_MAX_LOOPS);
	__type(value, __u32);
} free_loops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, LOOPS_RING_BYTES);
} events SEC(".maps");

static __always_inline struct loops_thread *thread_known(struct task_struct *task)
{
	__u32 tid = task->pid;

	return has_met(tid) ? bpf_map_lookup_elem(&threads, &tid) : 0;
}

static __always_inline struct loops_process *process_of(struct task_struct *task)
{
	struct task_struct *leader = may_be_watched(task) ? task->group_leader : 0;

	return leader ? bpf_task_storage_get(&processes, leader, 0, 0) : 0;
}

/*
 * Only for the running thread: its numbers are asked of the kernel as the daemon knows them. One
 * that ends has been told to have ended, and goes through the scheduler some more times: it stays
 * unknown.
 */
static __always_inline struct loops_thread *thread_of(const struct loops_process *p,
						      struct task_struct *task, __u64 now)
{
	__u32 tid = task->pid, zero = 0;
	struct loops_thread *t = thread_known(task);
	struct bpf_pidns_info ids = {};

	if (t || is_ending(task))
		return t;
	t = bpf_map_lookup_elem(&blanks, &zero);
	if (!t || bpf_map_update_elem(&threads, &tid, t, BPF_NOEXIST)) {
		__sync_fetch_and_add(&losses.threads_full, 1);
		return 0;
	}
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t)
		return 0;
	meet(tid);
	t->event.tid = t->event.our_tid = tid;
	/* It knows the number in the thread's own namespace only; from the first one all are seen.
	 */
	if (!bpf_get_ns_current_pid_tgid(cfg_pidns_dev, cfg_pidns_ino, &ids, sizeof(ids)))
		t->event.our_tid = ids.pid;
	t->event.our_pid = p->our_pid;
	t->waits.our_tid = t->event.our_tid;
	t->waits.our_pid = p->our_pid;
	t->since = now;
	if (task->group_leader)
		t->born = task->group_leader->start_time;
	return t;
}
