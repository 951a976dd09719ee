/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loops: how the threads of watched processes run and wait, and where in Python
 *
 * Nothing is put into the process, and no system call of anybody is made slower: the scheduler's
 * own events say when a thread stops and goes on, its saved registers say in which system call it
 * waits, and what does not wait is looked at when a timer of the kernel comes round: its tick, and,
 * while a turn lasts, a clock of each CPU (a software perf event).
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
 * A turn of uvloop is one of libuv, which is found in the thread's memory once it has slept in its
 * poll (daemon/uvloop.c): it counts its turns, or notes the time of each, and the thread's state
 * counts the contexts that callbacks run in. See uvloop.bpf.h.
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
#include "sums.bpf.h"
#include "threads.bpf.h"
#include "turns.bpf.h"
#include "uvloop.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* A call that waits for a disk again so soon is still the same one. */
#define SAME_CALL_NS 200000
/* A turn that lasts. Many that take a millisecond or two each are a busy loop, not a slow one. */
#define LASTING_TURN_NS 3000000
/* Samples of one callback, from half its limit on. */
#define SAMPLE_STEP_NS 20000000
/* Until it is known where _run_once() is, a stack now and then to find it by: often at first, and
 * always before a callback is a slow one. A worker that never runs a loop is not to keep the daemon
 * busy with 500 stacks a second. */
#define SEARCH_STEP_NS	    2000000
#define SEARCH_N_DENSE	    100
#define SEARCH_RARE_STEP_NS 200000000
/* No descriptor. */
#define NO_POLL (~0ULL)

/*
 * Looks
 */

static __always_inline bool is_poll(__s32 syscall)
{
	return syscall == SYSCALL_EPOLL_WAIT || syscall == SYSCALL_EPOLL_PWAIT ||
	       syscall == SYSCALL_EPOLL_PWAIT2;
}

/* What its memory shows then may be the old program's or the new one's. */
static __always_inline bool is_exec(__s32 syscall)
{
	return syscall == SYSCALL_EXECVE || syscall == SYSCALL_EXECVEAT;
}

/* What the running thread is doing: its frames, and in which turn. */
static __always_inline void see(const struct loops_process *p, struct loops_thread *t,
				const struct call_regs *regs, __u64 ran_from, __u64 now)
{
	if (is_exec(regs->syscall))
		return;
	t->event.sp = regs->sp;
	t->is_in_call = regs->syscall >= 0;
	walk(p, t, MAX_STEPS);
	/* It says nothing of the turn either, which goes on. */
	if (!t->is_in_call && t->event.look.end == LOOPS_END_UNREADABLE && !t->is_uvloop)
		return;
	t->is_polling =
		uvloop_look(p, t, is_poll(regs->syscall) ? regs->args[0] : NO_POLL, ran_from, now);
	look(t, ran_from, now);
}

/*
 * Waits
 */

static __always_inline bool is_same_call(const struct loops_thread *t, const struct call_regs *regs,
					 __u64 now)
{
	const struct loops_event *event = &t->event;
	bool is_deep = regs->state & TASK_UNINTERRUPTIBLE;

	return t->wait == LOOPS_RUNNING && is_deep && t->is_deep && now - t->since < SAME_CALL_NS &&
	       event->syscall == regs->syscall && event->args[0] == regs->args[0] &&
	       event->args[1] == regs->args[1] && event->args[2] == regs->args[2] &&
	       event->sp == regs->sp;
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

static __always_inline bool look_uvloop_idle(const struct loops_process *p, struct loops_thread *t,
					     const struct call_regs *regs, __u64 ran_from,
					     __u64 now)
{
	if (!uvloop_look(p, t, regs->args[0], ran_from, now))
		return false;
	look(t, ran_from, now);
	count_turn(t, now);
	t->wait = LOOPS_IDLE;
	return true;
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
	/* Of most turns that end so nothing was seen: that is all a look would find. */
	if (t->is_loop && !t->turn_start) {
		t->looked = now;
		t->pause_at = 0;
	} else {
		look(t, ran_from, now);
	}
	count_turn(t, now);
	t->wait = LOOPS_IDLE;
	return true;
}

/*
 * It stops for what is nobody's fault. Where it is then has to be known as well: what a callback
 * that nobody had looked at before was kept from would be counted as its own. A look at each such
 * stop is dear where they come with every message; while it runs it is looked at every millisecond
 * anyway, so the sums are kept as they stand until then.
 */
static __always_inline void pause_begin(struct loops_thread *t, enum loops_wait wait, __u64 now)
{
	if (!t->pause_at) {
		t->pause_at = now;
		t->pause_times = t->times;
	}
	t->wait = wait;
}

/* Likewise, for as long as somebody likes. */
static __always_inline void stop_begin(const struct loops_process *p, struct loops_thread *t,
				       const struct call_regs *regs, __u64 ran_from, __u64 now)
{
	see(p, t, regs, ran_from, now);
	t->wait = LOOPS_STOPPED;
}

/* Its loops are known by what is in its memory, and need not be told by names. */
static __always_inline bool knows_loops(const struct loops_process *p)
{
	return p->run_once_raddr || p->uvloops[0].thread_raddr;
}

static __always_inline void wait_begin(const struct loops_process *p, struct loops_thread *t,
				       const struct call_regs *regs, __u64 ran_from, __u64 now)
{
	if (is_exec(regs->syscall)) {
		t->call_ns = ~0ULL;
		t->wait = LOOPS_WAITING;
		return;
	}
	if (is_poll(regs->syscall) && p->uvloops[0].thread_raddr &&
	    look_uvloop_idle(p, t, regs, ran_from, now))
		return;
	if (p->run_once_raddr && is_poll(regs->syscall) && look_idle(p, t, regs, ran_from, now))
		return;
	if (!is_same_call(t, regs, now)) {
		see(p, t, regs, ran_from, now);
		t->call_start = now;
	}
	t->event.turn_start = t->turn_start;
	t->event.callback_start = t->callback_start;
	t->event.turn_seq = t->n_turns;
	t->event.callback_seq = t->n_callbacks;
	t->call_ns = knows_loops(p) && !t->turn_start ? p->stranger_ns : p->call_ns;
	t->event.syscall = regs->syscall;
	t->event.args[0] = regs->args[0];
	t->event.args[1] = regs->args[1];
	t->event.args[2] = regs->args[2];
	t->event.sp = regs->sp;
	t->is_deep = (regs->state & TASK_UNINTERRUPTIBLE) != 0;
	t->wait = LOOPS_WAITING;
}

static __always_inline void wait_end(struct loops_thread *t, __u64 queued, __u64 now)
{
	t->event.run_queue_ns = queued;
	t->event.is_deep = t->is_deep;
	if (is_poll(t->event.syscall)) {
		t->left_poll = now;
		t->left_poll_fd = t->event.args[0];
	}
	if (now - t->call_start < t->call_ns)
		return;
	t->is_told = t->turn_start != 0;
	/* A callback that is found to have been in a turn later is not told with this call. */
	if (!t->turn_start)
		t->context_start = 0;
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
	__u64 span = now - t->since, woken = t->waits.woken, queued;

	queued = woken > t->since && now > woken ? now - woken : 0;
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
	/* It had left the sleep of its poll, and not yet the poll. */
	if (t->is_polling && t->is_new_turn)
		t->began = now;
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
	if (at < t->waits.woken)
		at = t->waits.woken;
	if (at < t->since)
		at = t->since;
	arrive(t, at);
	return 0;
}

/* What it does not run for, by kind, whatever it was doing. */
static __always_inline void add_up(struct loops_thread *t, struct task_struct *task, __u32 why,
				   __u64 now)
{
	if (!t->waits.born)
		waits_begin(&t->waits, task, now);
	waits_leave(&t->waits, task, why, now);
}

static __always_inline void switch_out(const struct loops_process *p, struct task_struct *task,
				       bool is_preempted, __u64 now)
{
	struct call_regs regs = {.syscall = -1, .state = is_preempted ? 0 : task->__state};
	struct loops_thread *t = thread_of(p, task, now);
	__u64 ran_from, switches;
	__u32 why;

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
	if (regs.state)
		call_registers(task, &regs);
	why = waits_why(task, &regs, is_gil(&regs, p->runtime_raddr, p->runtime_end_raddr));
	add_up(t, task, why, now);
	if (!regs.state)
		pause_begin(t, LOOPS_RUNNABLE, now);
	else if (regs.state & TASK_STOPPED_OR_TRACED)
		stop_begin(p, t, &regs, ran_from, now);
	else if (why == WAITS_GIL)
		pause_begin(t, LOOPS_GIL, now);
	else
		wait_begin(p, t, &regs, ran_from, now);
	t->since = now;
}

/* Most switches of a host are between others, so this comes first, and before a look at the clock.
 */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool is_preempted, struct task_struct *prev, struct task_struct *next)
{
	const struct loops_process *p = is_of_kernel(prev) ? 0 : process_of(prev);
	struct loops_thread *t = is_of_kernel(next) ? 0 : thread_known(next);
	__u64 now;

	if (!p && !t)
		return 0;
	now = bpf_ktime_get_ns();
	if (p)
		switch_out(p, prev, is_preempted, now);
	if (t) {
		waits_arrive(&t->waits, now);
		arrive(t, now);
	}
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	struct loops_thread *t = is_of_kernel(task) ? 0 : thread_known(task);

	if (t && !t->waits.woken)
		t->waits.woken = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct loops_thread *t = thread_known(task);
	__u32 tid = task->pid;

	if (!t)
		return 0;
	/* What it waited for last is told when it goes on, and nobody may have said that it did. */
	if (t->wait != LOOPS_RUNNING)
		arrive_unseen(t, task->se.sum_exec_runtime - t->ran_ns, bpf_ktime_get_ns());
	waits_end(&t->waits);
	bpf_map_delete_elem(&threads, &tid);
	return 0;
}

/* Its children are watched too: they are for the daemon to find. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u64 now = bpf_ktime_get_ns();
	struct loops_process *p = process_of(parent);
	struct loops_thread *t = p && child->tgid != parent->tgid ? thread_of(p, parent, now) : 0;

	if (t)
		send(t, LOOPS_FORK, now, now, 0);
	return 0;
}

/* The memory that was read is gone, and with it all that is known of it. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_tid)
{
	__u32 tid = old_tid;
	__u64 now = bpf_ktime_get_ns();
	struct loops_process *p = process_of(task);
	struct loops_thread *t = bpf_map_lookup_elem(&threads, &tid);
	struct task_struct *leader = task->group_leader;

	/* It may not have waited for anything since it is watched. */
	if (!t && p)
		t = thread_of(p, task, now);
	if (!t)
		return 0;
	send(t, LOOPS_EXEC, now, 0, 0);
	bpf_map_delete_elem(&threads, &tid);
	tid = task->pid;
	bpf_map_delete_elem(&threads, &tid);
	if (leader)
		bpf_task_storage_delete(&processes, leader);
	return 0;
}

/* How long something has held its loop by its own fault. */
static __always_inline __u64 age(const struct loops_times *now_times,
				 const struct loops_times *start_times, __u64 start, __u64 now)
{
	__u64 others = now_times->run_queue - start_times->run_queue + now_times->gil_wait -
		       start_times->gil_wait + now_times->frozen - start_times->frozen;

	return now - start > others ? now - start - others : 0;
}

static __always_inline bool is_sample_due(const struct loops_process *p,
					  const struct loops_thread *t, __u64 now)
{
	return t->turn_start && now >= t->sample_due &&
	       (age(&t->times, &t->callback_times, t->callback_start, now) >= p->callback_ns / 2 ||
		age(&t->times, &t->turn_times, t->turn_start, now) >= p->turn_ns / 2);
}

/* It may run a loop that is not known: asyncio's as long as none is, uvloop's where that is there.
 */
static __always_inline bool is_searched(const struct loops_process *p, const struct loops_thread *t)
{
	return (!p->run_once_raddr || may_run_uvloop(p)) && !t->event.look.is_loop &&
	       !t->is_uvloop && t->event.look.n_frames;
}

/* The time to the next stack to find a loop by. */
static __always_inline __u64 until_next_search(const struct loops_process *p,
					       struct loops_thread *t)
{
	if (knows_loops(p))
		return SEARCH_RARE_STEP_NS;
	return ++t->n_searched < SEARCH_N_DENSE ? SEARCH_STEP_NS : SAMPLE_STEP_NS;
}

/*
 * Turns that last are looked at every millisecond; it takes a clock of the CPU, whose interrupts
 * cost everybody (1.5 % of a virtual machine, as measured), so the daemon lets it run only while
 * there are such turns. It is asked to when a timer of the kernel's own, a few milliseconds apart,
 * has found the first one.
 */
static __always_inline void ask_for_clock(struct loops_thread *t, __u64 now)
{
	if (!t->turn_start || now - t->turn_start < LASTING_TURN_NS)
		return;
	clock_asked = now;
	if (!has_clock)
		send(t, LOOPS_CLOCK, now, now, 0);
}

/*
 * A timer has come round on this CPU: the scheduler's tick, the clock, or anybody's. Each one is a
 * look at who runs here, though not too many.
 */
SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(on_timer)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct loops_process *p = is_of_kernel(task) ? 0 : process_of(task);
	struct call_regs regs = {};
	struct loops_thread *t;
	__u64 now, ran_from;

	if (!p)
		return 0;
	now = bpf_ktime_get_ns();
	t = thread_of(p, task, now);
	if (!t || now - t->sampled < LOOPS_SAMPLE_NS * 3 / 4)
		return 0;
	t->sampled = now;
	/* The last switch on this CPU was not told; it has run since it was woken, if that is
	 * known. */
	if (t->wait != LOOPS_RUNNING)
		arrive_unseen(t, t->waits.woken ? now - t->waits.woken : LOOPS_SAMPLE_NS, now);
	ran_from = t->since;
	t->times.cpu += now - ran_from;
	t->since = now;
	call_registers(task, &regs);
	see(p, t, &regs, ran_from, now);
	ask_for_clock(t, now);
	if (is_searched(p, t) && now >= t->sample_due) {
		t->sample_due = now + until_next_search(p, t);
	} else if (is_sample_due(p, t, now)) {
		t->sample_due = now + SAMPLE_STEP_NS;
		t->is_told = 1;
	} else {
		return 0;
	}
	send(t, LOOPS_SAMPLE, now, t->callback_start, t->event.look.n_frames);
	return 0;
}
