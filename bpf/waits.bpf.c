/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits: why the threads of watched processes do not run, and for how long
 *
 * The scheduler's own events say when a thread stops and goes on. What it waits for, its state and
 * its saved registers say: in which system call, for a page, for a lock, for the GIL, which is a
 * futex inside _PyRuntime. For each thread the times are added up by kind (sums.bpf.h). First
 * threads, where most loops run, are told of from their start, others when the daemon has learnt
 * that they run a loop: each wait that was long by itself, short ones together. From these steps
 * the daemon knows how any stretch of a thread's time was spent (daemon/curve.c), whoever saw what
 * it was doing: a shim in the process, or the probe "loops", which keeps the same sums in its own
 * programs, since a second one at each switch would cost as much again.
 *
 * Nothing is put into the process, no system call of anybody is made slower. A child of a watched
 * process is watched as well, so what a program's workers do is known from their start.
 */
#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "registers.bpf.h"
#include "sums.bpf.h"
#include "waits-api.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* The pid namespace of the daemon. */
const volatile __u64 cfg_pidns_dev = 0;
const volatile __u64 cfg_pidns_ino = 0;

/* first thread of a watched process -> what is known of the process */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct waits_process);
} processes SEC(".maps");

/* tid in the first pid namespace -> a thread of a watched process */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WAITS_MAX_THREADS);
	__type(key, __u32);
	__type(value, struct waits_thread);
} threads SEC(".maps");

static __always_inline struct waits_process *process_of(struct task_struct *task)
{
	struct task_struct *leader = may_be_watched(task) ? task->group_leader : 0;

	return leader ? bpf_task_storage_get(&processes, leader, 0, 0) : 0;
}

static __always_inline struct waits_thread *thread_known(struct task_struct *task)
{
	__u32 tid = task->pid;

	return has_met(tid) ? bpf_map_lookup_elem(&threads, &tid) : 0;
}

/* For the running thread alone: its numbers are asked of the kernel as the daemon knows them. */
static __always_inline struct waits_thread *thread_new(struct task_struct *task, __u64 now)
{
	struct waits_thread blank = {};
	struct bpf_pidns_info ids = {};
	__u32 tid = task->pid;

	waits_begin(&blank, task, now);
	blank.our_tid = tid;
	/* It knows the numbers in the thread's own namespace only; from the first one all are seen.
	 */
	if (!bpf_get_ns_current_pid_tgid(cfg_pidns_dev, cfg_pidns_ino, &ids, sizeof(ids))) {
		blank.our_tid = ids.pid;
		blank.our_pid = ids.tgid;
	} else {
		blank.our_pid = bpf_get_current_pid_tgid() >> 32;
	}
	if (bpf_map_update_elem(&threads, &tid, &blank, BPF_NOEXIST)) {
		__sync_fetch_and_add(&waits_losses.threads_full, 1);
		return 0;
	}
	meet(tid);
	return bpf_map_lookup_elem(&threads, &tid);
}

static __always_inline void switch_out(const struct waits_process *p, struct task_struct *task,
				       bool is_preempted, __u64 now)
{
	struct call_regs regs = {.syscall = -1, .state = is_preempted ? 0 : task->__state};
	struct waits_thread *t = thread_known(task);

	if (!t && !is_ending(task))
		t = thread_new(task, now);
	if (!t)
		return;
	if (regs.state)
		call_registers(task, &regs);
	waits_leave(t, task,
		    waits_why(task, &regs, is_gil(&regs, p->runtime_raddr, p->runtime_end_raddr)),
		    now);
}

/* Most switches of a host are between others, so this comes first, and before a look at the clock.
 */
SEC("tp_btf/sched_switch")
int BPF_PROG(waits_switch, bool is_preempted, struct task_struct *prev, struct task_struct *next)
{
	const struct waits_process *p = is_of_kernel(prev) ? 0 : process_of(prev);
	struct waits_thread *t = is_of_kernel(next) ? 0 : thread_known(next);
	__u64 now;

	if (!p && !t)
		return 0;
	now = bpf_ktime_get_ns();
	if (p)
		switch_out(p, prev, is_preempted, now);
	if (t)
		waits_arrive(t, now);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(waits_wakeup, struct task_struct *task)
{
	struct waits_thread *t = is_of_kernel(task) ? 0 : thread_known(task);

	if (t && !t->woken)
		t->woken = bpf_ktime_get_ns();
	return 0;
}

/* A new process has the memory of its parent. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(waits_fork, struct task_struct *parent, struct task_struct *child)
{
	struct waits_process *p = process_of(parent);

	if (!p || child->pid != child->tgid)
		return 0;
	bpf_task_storage_get(&processes, child, p, BPF_LOCAL_STORAGE_GET_F_CREATE);
	meet_process(child->tgid);
	return 0;
}

/* Another program: where its GIL is, is not known yet. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(waits_exec, struct task_struct *task)
{
	struct waits_process *p = process_of(task);

	if (p)
		p->runtime_raddr = p->runtime_end_raddr = 0;
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(waits_exit, struct task_struct *task)
{
	struct waits_thread *t = thread_known(task);
	__u32 tid = task->pid;

	if (!t)
		return 0;
	waits_end(t);
	bpf_map_delete_elem(&threads, &tid);
	return 0;
}
