/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loops: how the threads of watched processes run and wait, and where in Python
 *
 * Nothing is put into the process, and no system call of anybody is made slower: the scheduler's
 * own events say when a thread stops and goes on, its saved registers say in which system call it
 * waits, and a clock of each CPU (a software perf event) samples what does not wait.
 * No kprobe, no fentry, no kernel memory by address: a kernel in lockdown has none of these for us.
 *
 * A thread is looked at when it stops and when it is sampled. It is the running one then, so its
 * memory can be read; its frames are walked by the offsets that the daemon gave for the process.
 * What stops stands still, so the frames taken at its stop are those of its whole wait, and are
 * sent when it goes on, if the wait was long enough to matter.
 *
 * A turn of asyncio is a call of BaseEventLoop._run_once(), from where it has set its local
 * "end_time" (the time at which the poll was over) to where it returns. So a loop that polls has no
 * end_time yet, two turns differ in it, and the local "i" counts the callbacks of a turn: what
 * others must count in the process can be read from outside, though not what is shorter than the
 * distance of two looks. Names are the daemon's business.
 *
 * Everything that is followed belongs to the watched process and can be anything: each pointer goes
 * through bpf_probe_read_user(), each loop has a bound.
 */
#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "frames.bpf.h"
#include "loops-api.bpf.h"
#include "registers.bpf.h"
#include "threads.bpf.h"
#include "turns.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* linux/sched.h */
#define TASK_UNINTERRUPTIBLE   0x2
#define TASK_STOPPED_OR_TRACED (0x4 | 0x8)

/* A call that waits for a disk again so soon is still the same one. */
#define SAME_CALL_NS 200000
/* Samples of one callback, from half its limit on. */
#define SAMPLE_STEP_NS 20000000
/* Until it is known where _run_once() is, a stack now and then to find it by. */
#define SEARCH_STEP_NS 2000000

/*
 * Waits
 */

static __always_inline bool is_poll(__s32 syscall)
{
	return syscall == SYSCALL_EPOLL_WAIT || syscall == SYSCALL_EPOLL_PWAIT ||
	       syscall == SYSCALL_EPOLL_PWAIT2;
}

static __always_inline bool is_same_call(const struct loops_thread *t, const struct call_regs *regs,
					 bool is_deep, __u64 now)
{
	const struct loops_event *event = &t->event;

	return t->wait == LOOPS_RUNNING && is_deep && t->is_deep && now - t->since < SAME_CALL_NS &&
	       event->syscall == regs->syscall && event->args[0] == regs->args[0] &&
	       event->args[1] == regs->args[1] && event->args[2] == regs->args[2] &&
	       t->call_sp == regs->sp;
}

/*
 * Whether it is the poll that was the loop's own before. Between a loop and a poll in one of its
 * callbacks lie C frames of the interpreter, so the stack pointer differs; elsewhere in the program
 * the Python frame does.
 */
static __always_inline bool is_known_poll(const struct loops_process *p, struct loops_thread *t,
					  const struct call_regs *regs)
{
	__u64 frame_raddr = 0;

	return t->poll_frame_raddr && t->poll_sp == regs->sp && t->poll_fd == regs->args[0] &&
	       !first_frame(p, t->tstate_raddr, &frame_raddr) && t->poll_frame_raddr == frame_raddr;
}

/* In its own poll, a loop is no deeper than this; then there is no more to look for. */
static __always_inline bool look_idle(const struct loops_process *p, struct loops_thread *t,
				      const struct call_regs *regs, __u64 ran_from, __u64 now)
{
	if (is_known_poll(p, t, regs)) {
		t->event.look = (struct loops_look){.is_loop = 1};
	} else {
		walk(p, t, LOOPS_MAX_POLL_DEPTH);
		if (!t->event.look.is_loop || t->event.look.turn_start)
			return false;
		t->poll_sp = regs->sp;
		t->poll_fd = regs->args[0];
		t->poll_frame_raddr = 0;
		first_frame(p, t->tstate_raddr, &t->poll_frame_raddr);
	}
	look(t, ran_from, now);
	count_turn(t, now);
	t->wait = LOOPS_IDLE;
	return true;
}

static __always_inline void wait_begin(const struct loops_process *p, struct loops_thread *t,
				       struct task_struct *task, __u32 state, __u64 ran_from,
				       __u64 now)
{
	struct call_regs regs = {};
	bool is_deep = state & TASK_UNINTERRUPTIBLE;

	call_registers(task, &regs);
	if (regs.syscall == SYSCALL_FUTEX && regs.args[0] >= p->runtime_raddr &&
	    regs.args[0] < p->runtime_end_raddr) {
		t->wait = LOOPS_GIL;
		return;
	}
	if (p->run_once_raddr && is_poll(regs.syscall) && look_idle(p, t, &regs, ran_from, now))
		return;
	if (!is_same_call(t, &regs, is_deep, now)) {
		walk(p, t, MAX_STEPS);
		look(t, ran_from, now);
		t->call_start = now;
	}
	t->event.turn_start = t->turn_start;
	t->event.callback_start = t->callback_start;
	t->event.turn_seq = t->n_turns;
	t->event.callback_seq = t->n_callbacks;
	t->call_ns = p->run_once_raddr && !t->turn_start ? ~0ULL : p->call_ns;
	t->event.syscall = regs.syscall;
	t->event.args[0] = regs.args[0];
	t->event.args[1] = regs.args[1];
	t->event.args[2] = regs.args[2];
	t->call_sp = regs.sp;
	t->is_deep = is_deep;
	t->wait = LOOPS_WAITING;
}

static __always_inline void wait_end(struct loops_thread *t, __u64 queued, __u64 now)
{
	t->event.run_queue_ns = queued;
	t->event.is_deep = t->is_deep;
	if (now - t->call_start < t->call_ns)
		return;
	t->is_told = t->turn_start != 0;
	send(t, LOOPS_CALL, now, t->call_start, t->event.look.n_frames);
}

static __always_inline void idle_end(struct loops_thread *t, __u64 span, __u64 now)
{
	struct loops_figures *f = figures_of(t);

	if (f)
		f->idle_ns += span;
	t->began = now;
	t->n_turns++;
	t->is_new_turn = 1;
}

/* It goes on. */
static __always_inline void arrive(struct loops_thread *t, __u64 now)
{
	__u64 span = now - t->since, queued;

	queued = t->woken > t->since && now > t->woken ? now - t->woken : 0;
	if (t->wait == LOOPS_RUNNABLE) {
		t->times.run_queue += span;
	} else if (t->wait == LOOPS_STOPPED) {
		t->times.frozen += span;
	} else {
		t->times.run_queue += queued;
		if (t->wait == LOOPS_GIL)
			t->times.gil_wait += span - queued;
		else if (t->wait == LOOPS_IDLE)
			idle_end(t, span, now);
		else if (t->wait == LOOPS_WAITING)
			wait_end(t, queued, now);
	}
	t->wait = LOOPS_RUNNING;
	t->since = t->looked = now;
}

/*
 * It is running, and nobody said that it went on. A switch is told in the context of the task that
 * stops, and there are kernels that never tell those of some tasks: on a Linux 6.18 they were
 * threads of pid 1 and an idle task, 87 switches of 32406. So what comes next on that CPU is not
 * told to go on. It was not before it was woken, and it has run for so long. A function that the
 * verifier goes through by itself (Linux 5.12), not once for every state before it.
 */
__attribute__((noinline)) int arrive_unseen(struct loops_thread *t, __u64 ran_ns, __u64 now)
{
	__u64 at = ran_ns < now ? now - ran_ns : now;

	if (!t)
		return 0;
	if (at < t->woken)
		at = t->woken;
	if (at < t->since)
		at = t->since;
	arrive(t, at);
	return 0;
}

static __always_inline void switch_out(struct task_struct *task, bool is_preempted, __u64 now)
{
	__u32 tid = task->pid, state = task->__state;
	struct loops_thread *t = bpf_map_lookup_elem(&threads, &tid);
	struct loops_process *p;
	__u64 ran_from, switches;

	if (t && (is_preempted || !state)) {
		p = 0;
	} else {
		p = process_of(task);
		if (!p)
			return;
		t = t ? t : thread_of(p, task, now);
	}
	if (!t)
		return;
	if (t->wait != LOOPS_RUNNING)
		arrive_unseen(t, task->se.sum_exec_runtime - t->ran_ns, now);
	t->ran_ns = task->se.sum_exec_runtime;
	ran_from = t->since;
	switches = task->nvcsw + task->nivcsw;
	if (t->switches && switches > t->switches + 1)
		__sync_fetch_and_add(&losses.switches_missed, switches - t->switches - 1);
	t->switches = switches;
	t->times.cpu += now - ran_from;
	t->woken = 0;
	if (is_preempted || !state)
		t->wait = LOOPS_RUNNABLE;
	else if (state & TASK_STOPPED_OR_TRACED)
		t->wait = LOOPS_STOPPED;
	else if (p)
		wait_begin(p, t, task, state, ran_from, now);
	t->since = now;
}

static __always_inline void switch_in(struct task_struct *task, __u64 now)
{
	__u32 tid = task->pid;
	struct loops_thread *t = bpf_map_lookup_elem(&threads, &tid);

	if (t)
		arrive(t, now);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool is_preempted, struct task_struct *prev, struct task_struct *next)
{
	__u64 now = bpf_ktime_get_ns();

	switch_out(prev, is_preempted, now);
	switch_in(next, now);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	__u32 tid = task->pid;
	struct loops_thread *t = bpf_map_lookup_elem(&threads, &tid);

	if (t && !t->woken)
		t->woken = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 tid = task->pid;

	bpf_map_delete_elem(&threads, &tid);
	return 0;
}

/* The memory that was read is gone, and with it all that is known of it. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_tid)
{
	__u32 tid = old_tid;
	struct loops_thread *t = bpf_map_lookup_elem(&threads, &tid);
	struct task_struct *leader = task->group_leader;

	if (!t)
		return 0;
	send(t, LOOPS_EXEC, bpf_ktime_get_ns(), 0, 0);
	bpf_map_delete_elem(&threads, &tid);
	if (leader)
		bpf_task_storage_delete(&processes, leader);
	return 0;
}

/* The clock of this CPU has come round once more. */
SEC("perf_event")
int on_sample(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct loops_process *p = process_of(task);
	__u64 now = bpf_ktime_get_ns(), ran_from;
	struct loops_thread *t;

	if (!p)
		return 0;
	t = thread_of(p, task, now);
	if (!t)
		return 0;
	/* The clock before found another thread here. */
	if (t->wait != LOOPS_RUNNING)
		arrive_unseen(t, LOOPS_SAMPLE_NS, now);
	ran_from = t->since;
	t->times.cpu += now - ran_from;
	t->since = now;
	walk(p, t, MAX_STEPS);
	look(t, ran_from, now);
	if (now < t->sample_due)
		return 0;
	if (!p->run_once_raddr && t->event.look.n_frames) {
		t->sample_due = now + SEARCH_STEP_NS;
	} else if (t->turn_start && (now - t->callback_start >= p->callback_ns / 2 ||
				     now - t->turn_start >= p->turn_ns / 2)) {
		t->sample_due = now + SAMPLE_STEP_NS;
		t->is_told = 1;
	} else {
		return 0;
	}
	send(t, LOOPS_SAMPLE, now, t->callback_start, t->event.look.n_frames);
	return 0;
}
