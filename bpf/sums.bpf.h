/* SPDX-License-Identifier: Apache-2.0 */
/* Sums: why a thread did not run, added up by kind and told in steps; for whoever sees it switch */
#pragma once

#include "kernel.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "registers.bpf.h"
#include "waits-api.bpf.h"

/* linux/sched.h */
#define TASK_UNINTERRUPTIBLE   0x2
#define TASK_STOPPED_OR_TRACED (0x4 | 0x8)
#define TASK_FROZEN	       0x8000
#define PF_EXITING	       0x4
#define PF_KTHREAD	       0x200000

/* A wait this long is told of by itself; all others together once in so many ns. */
#define WAITS_LONG_NS	100000
#define WAITS_GATHER_NS 1000000

/* It runs. */
#define WAITS_NOT WAITS_RAN

/* Native stacks are wanted. */
const volatile bool cfg_has_registers = false;

struct waits_losses waits_losses;

/* tid in the pid namespace of the daemon -> anything: it is told of */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WAITS_MAX_WANTED);
	__type(key, __u32);
	__type(value, __u32);
} wanted SEC(".maps");

/* tid in the pid namespace of the daemon -> where it waited last, for native stacks */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WAITS_MAX_WANTED);
	__type(key, __u32);
	__type(value, struct waits_registers);
} registers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WAITS_RING_BYTES);
} steps SEC(".maps");

struct pt_regs___kept {
	unsigned long r15, r14, r13, r12, bp, bx, ip, sp;
} __attribute__((preserve_access_index));

/* Linux 6.18 takes throttled tasks out of the run queue one by one (kernel/sched/fair.c). */
struct task_struct___throttled {
	bool throttled;
} __attribute__((preserve_access_index));

/* Before that, all of a queue at once: throttle_count is how many of its levels are. */
struct cfs_rq___throttled {
	int throttle_count;
} __attribute__((preserve_access_index));

struct sched_entity___throttled {
	struct cfs_rq___throttled *cfs_rq;
} __attribute__((preserve_access_index));

struct task_struct___entity {
	struct sched_entity___throttled se;
} __attribute__((preserve_access_index));

struct task_struct___iowait {
	unsigned int in_iowait : 1;
} __attribute__((preserve_access_index));

/*
 * Of what numbers there are threads, at most: a bit that most others' numbers do not share. So a
 * switch and a wake-up of others end here, by one load. Bits stay.
 */
__u64 met[WAITS_N_MET_BITS / 64];

/* Likewise of processes, by the daemon and as they are forked. */
__u64 met_processes[WAITS_N_MET_BITS / 64];

static __always_inline bool may_be_watched(struct task_struct *task)
{
	__u32 pid = task->tgid;

	return met_processes[pid % WAITS_N_MET_BITS / 64] & 1ULL << pid % 64;
}

static __always_inline void meet_process(__u32 pid)
{
	__sync_fetch_and_or(&met_processes[pid % WAITS_N_MET_BITS / 64], 1ULL << pid % 64);
}

static __always_inline bool has_met(__u32 tid)
{
	return met[tid % WAITS_N_MET_BITS / 64] & 1ULL << tid % 64;
}

static __always_inline void meet(__u32 tid)
{
	__sync_fetch_and_or(&met[tid % WAITS_N_MET_BITS / 64], 1ULL << tid % 64);
}

static __always_inline bool is_throttled(struct task_struct *task)
{
	struct task_struct___throttled *one = (void *)task;
	struct task_struct___entity *queued = (void *)task;
	struct cfs_rq___throttled *queue = 0;

	if (bpf_core_field_exists(one->throttled))
		return one->throttled;
	if (!bpf_core_field_exists(queue->throttle_count))
		return false;
	queue = queued->se.cfs_rq;
	return queue && queue->throttle_count > 0;
}

/* It ends, and has been told to have ended: it goes through the scheduler some more times. */
static __always_inline bool is_ending(struct task_struct *task)
{
	return task->flags & PF_EXITING;
}

/* No process's, such as what a CPU does when there is nothing to do: never watched, and one of the
 * two in most switches of a service that waits for its peers. */
static __always_inline bool is_of_kernel(struct task_struct *task)
{
	return task->flags & PF_KTHREAD;
}

static __always_inline bool is_in_iowait(struct task_struct *task)
{
	struct task_struct___iowait *waiting = (void *)task;

	return BPF_CORE_READ_BITFIELD(waiting, in_iowait);
}

static __always_inline __u32 waits_why(struct task_struct *task, const struct call_regs *regs,
				       bool is_for_gil)
{
	if (!regs->state)
		return is_throttled(task) ? WAITS_FROZEN : WAITS_RUN_QUEUE;
	if (regs->state & (TASK_STOPPED_OR_TRACED | TASK_FROZEN))
		return WAITS_FROZEN;
	if (regs->syscall < 0)
		return WAITS_PAGE;
	if (regs->syscall == SYSCALL_FUTEX)
		return is_for_gil ? WAITS_GIL : WAITS_LOCK;
	return regs->state & TASK_UNINTERRUPTIBLE || is_in_iowait(task) ? WAITS_DISK
									: WAITS_BLOCKED;
}

/* The daemon looks every 20 ms; a ring that fills up sooner wakes it. */
static __always_inline __u64 wake_flags(void)
{
	return bpf_ringbuf_query(&steps, BPF_RB_AVAIL_DATA) > WAITS_RING_BYTES / 2
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

static __always_inline bool waits_is_told(const struct waits_thread *t)
{
	__u32 tid = t->our_tid;

	return tid == t->our_pid || bpf_map_lookup_elem(&wanted, &tid);
}

/* A function that the verifier goes through by itself (Linux 5.12). */
__attribute__((noinline)) int waits_tell(struct waits_thread *t, __u64 to)
{
	struct waits_event *event;

	if (!t)
		return 0;
	if (waits_is_told(t)) {
		event = bpf_ringbuf_reserve(&steps, sizeof(*event), 0);
		if (event) {
			event->our_tid = t->our_tid;
			event->our_pid = t->our_pid;
			event->born = t->born;
			event->from = t->told_from;
			event->to = to;
			__builtin_memcpy(event->before, t->told, sizeof(event->before));
			__builtin_memcpy(event->after, t->ns, sizeof(event->after));
			bpf_ringbuf_submit(event, wake_flags());
		} else {
			__sync_fetch_and_add(&waits_losses.ring_full, 1);
		}
	}
	t->told_from = 0;
	return 0;
}

/* It goes on. Calls cost more than what is done here: returns are slow where they are guarded. */
static __always_inline void waits_arrive(struct waits_thread *t, __u64 now)
{
	__u64 span, queued = 0;
	__u32 why;

	if (!t->born || t->why == WAITS_NOT || now < t->since)
		return;
	why = t->why;
	span = now - t->since;
	if (why != WAITS_RUN_QUEUE && t->woken > t->since && now > t->woken)
		queued = now - t->woken;
	if (span >= WAITS_LONG_NS && t->told_from)
		waits_tell(t, t->since);
	if (!t->told_from) {
		t->told_from = t->since;
		__builtin_memcpy(t->told, t->ns, sizeof(t->told));
	}
	if (why < WAITS_RAN)
		t->ns[why] += span - queued;
	t->ns[WAITS_RUN_QUEUE] += queued;
	if (span >= WAITS_LONG_NS || now - t->told_from >= WAITS_GATHER_NS)
		waits_tell(t, now);
	t->why = WAITS_NOT;
	t->since = now;
}

/*
 * It stops, and nobody said that it had gone on: some switches are never told (loops.bpf.c). It has
 * run as long as the kernel counts, and not before it was woken. A function that the verifier goes
 * through by itself.
 */
__attribute__((noinline)) int waits_arrive_unseen(struct waits_thread *t, __u64 ran_ns, __u64 now)
{
	__u64 at = ran_ns < now ? now - ran_ns : now;

	if (!t)
		return 0;
	if (at < t->woken)
		at = t->woken;
	if (at < t->since)
		at = t->since;
	waits_arrive(t, at);
	return 0;
}

/* A function of its own, for its stack. */
__attribute__((noinline)) int keep_registers(struct waits_thread *t)
{
	struct waits_registers kept = {};
	struct pt_regs___kept *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u32 tid;

	if (!t || !regs)
		return 0;
	kept.since = t->since;
	kept.regs[3] = regs->bx;
	kept.regs[6] = regs->bp;
	kept.regs[7] = regs->sp;
	kept.regs[12] = regs->r12;
	kept.regs[13] = regs->r13;
	kept.regs[14] = regs->r14;
	kept.regs[15] = regs->r15;
	kept.regs[16] = regs->ip;
	tid = t->our_tid;
	bpf_map_update_elem(&registers, &tid, &kept, BPF_ANY);
	return 0;
}

/* It is seen for the first time, while it stops: only then the kernel's count of its time is up to
 * date. */
static __always_inline void waits_begin(struct waits_thread *t, struct task_struct *task, __u64 now)
{
	t->born = t->since = now;
	t->ran0_ns = task->se.sum_exec_runtime;
	t->why = WAITS_NOT;
}

/* It stops: why is an enum waits_why. */
static __always_inline void waits_leave(struct waits_thread *t, struct task_struct *task, __u32 why,
					__u64 now)
{
	__u64 ran_ns = task->se.sum_exec_runtime - t->ran0_ns;

	if (t->why != WAITS_NOT)
		waits_arrive_unseen(t, ran_ns - t->ns[WAITS_RAN], now);
	t->ns[WAITS_RAN] = ran_ns;
	t->woken = 0;
	t->why = why;
	t->since = now;
	if (cfg_has_registers && why != WAITS_RUN_QUEUE && waits_is_told(t))
		keep_registers(t);
}

/* It has ended. */
static __always_inline void waits_end(struct waits_thread *t)
{
	__u32 our_tid = t->our_tid;

	if (!t->born)
		return;
	waits_tell(t, 0);
	bpf_map_delete_elem(&registers, &our_tid);
}
