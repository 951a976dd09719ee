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

#include "loops-api.bpf.h"
#include "registers.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* linux/sched.h */
#define TASK_UNINTERRUPTIBLE   0x2
#define TASK_STOPPED_OR_TRACED (0x4 | 0x8)

/* A thread's state is one of so many in the lists of an interpreter. */
#define MAX_TSTATES	 256
#define MAX_INTERPRETERS 16
/* Each frame may come with one that stands for an entry from C. */
#define MAX_STEPS (2 * LOOPS_MAX_FRAMES)
/* A call that waits for a disk again so soon is still the same one. */
#define SAME_CALL_NS 200000
/* Samples of one callback, from half its limit on. */
#define SAMPLE_STEP_NS 20000000
/* Until it is known where _run_once() is, a stack now and then to find it by. */
#define SEARCH_STEP_NS 2000000

/* The pid namespace of the daemon. */
const volatile __u64 cfg_pidns_dev = 0;
const volatile __u64 cfg_pidns_ino = 0;

struct loops_losses losses;
__u32 n_loops;

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

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, LOOPS_RING_BYTES);
} events SEC(".maps");

static __always_inline int read_word(__u64 *word, __u64 raddr)
{
	return bpf_probe_read_user(word, sizeof(*word), (const void *)raddr);
}

static __always_inline struct loops_process *process_of(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	return leader ? bpf_task_storage_get(&processes, leader, 0, 0) : 0;
}

/* Only for the running thread: its numbers are asked of the kernel as the daemon knows them. */
static __always_inline struct loops_thread *thread_of(const struct loops_process *p,
						      struct task_struct *task, __u64 now)
{
	__u32 tid = task->pid, zero = 0;
	struct loops_thread *t = bpf_map_lookup_elem(&threads, &tid);
	struct bpf_pidns_info ids = {};

	if (t)
		return t;
	t = bpf_map_lookup_elem(&blanks, &zero);
	if (!t || bpf_map_update_elem(&threads, &tid, t, BPF_NOEXIST)) {
		__sync_fetch_and_add(&losses.threads_full, 1);
		return 0;
	}
	t = bpf_map_lookup_elem(&threads, &tid);
	if (!t)
		return 0;
	t->event.tid = t->event.our_tid = tid;
	/* It knows the number in the thread's own namespace only; from the first one all are seen.
	 */
	if (!bpf_get_ns_current_pid_tgid(cfg_pidns_dev, cfg_pidns_ino, &ids, sizeof(ids)))
		t->event.our_tid = ids.pid;
	t->event.our_pid = p->our_pid;
	t->thread_raddr = thread_pointer(task);
	t->since = now;
	return t;
}

/*
 * The thread's state
 */

struct search {
	const struct loops_process *p;
	__u64 interp_raddr;
	__u64 tstate_raddr;
	__u64 thread_raddr;
	__u64 found_raddr;
};

static long search_step(__u32 index, void *ctx)
{
	struct search *s = ctx;
	const struct loops_process *p = s->p;
	__u64 thread_raddr = 0;

	if (!s->tstate_raddr) {
		if (!s->interp_raddr ||
		    read_word(&s->tstate_raddr, s->interp_raddr + p->interp_threads_head) ||
		    read_word(&s->interp_raddr, s->interp_raddr + p->interp_next))
			return 1;
		return 0;
	}
	if (read_word(&thread_raddr, s->tstate_raddr + p->thread_id))
		return 1;
	if (thread_raddr == s->thread_raddr) {
		s->found_raddr = s->tstate_raddr;
		return 1;
	}
	return read_word(&s->tstate_raddr, s->tstate_raddr + p->thread_next) ? 1 : 0;
}

/* By the pthread_t, which the state of each thread holds. The one found before is asked first. */
static __always_inline __u64 find_tstate(const struct loops_process *p, struct loops_thread *t)
{
	struct search s = {.p = p, .thread_raddr = t->thread_raddr};
	__u64 thread_raddr = 0;

	if (t->tstate_raddr && !read_word(&thread_raddr, t->tstate_raddr + p->thread_id) &&
	    thread_raddr == t->thread_raddr)
		return t->tstate_raddr;
	t->tstate_raddr = 0;
	if (read_word(&s.interp_raddr, p->runtime_raddr + p->runtime_interpreters_head))
		return 0;
	bpf_loop(MAX_TSTATES + MAX_INTERPRETERS, search_step, &s, 0);
	t->tstate_raddr = s.found_raddr;
	return s.found_raddr;
}

/*
 * The frames
 */

/* A double as ns, for want of floating point; 0 for what is no time. */
static __always_inline __u64 seconds_to_ns(__u64 bits)
{
	__u32 exponent = bits >> 52, shift = 1075 - exponent;
	__u64 mantissa = (bits & ((1ULL << 52) - 1)) | 1ULL << 52, whole, part;

	/* From 1 s to 2^31 s, and not negative. */
	if (exponent < 1023 || exponent > 1023 + 31)
		return 0;
	shift &= 63;
	whole = mantissa >> shift;
	part = mantissa & ((1ULL << shift) - 1);
	if (shift > 34) {
		part >>= (shift - 34) & 63;
		shift = 34;
	}
	return whole * 1000000000 + (part * 1000000000 >> shift);
}

struct walk {
	const struct loops_process *p;
	struct loops_thread *t;
	__u64 frame_raddr;
	__u64 turn_start;
	__u32 n;
	__u32 end;
	__u32 depth;
	__u32 callback;
	__u32 is_loop;
};

/* The locals of _run_once(): in which turn, and in which of its callbacks. */
static __always_inline void walk_turn(struct walk *w, const struct loops_process *p,
				      __u64 frame_raddr)
{
	__u64 locals_raddr = frame_raddr + p->frame_locals, end_time = 0, bits = 0, i = 0;
	__u32 digit = 0;

	w->is_loop = 1;
	w->depth = w->n;
	if (!p->local_end_time)
		return;
	if (read_word(&end_time, locals_raddr + p->local_end_time) ||
	    (end_time & ~7ULL && read_word(&bits, (end_time & ~7ULL) + p->float_value))) {
		__sync_fetch_and_add(&losses.frames_unread, 1);
		return;
	}
	if (!(end_time & ~7ULL))
		return;
	w->turn_start = seconds_to_ns(bits) - p->clock_offset_ns;
	if (read_word(&i, locals_raddr + p->local_i) || !(i & ~7ULL))
		return;
	bpf_probe_read_user(&digit, sizeof(digit), (const void *)((i & ~7ULL) + p->long_digit));
	w->callback = digit;
}

static long walk_step(__u32 index, void *ctx)
{
	struct walk *w = ctx;
	const struct loops_process *p = w->p;
	__u64 frame_raddr = w->frame_raddr, code_raddr = 0, instr = 0;
	__u32 n = w->n;
	__s32 lasti = 0;
	__u8 owner = 0;

	if (!frame_raddr) {
		w->end = LOOPS_END_COMPLETE;
		return 1;
	}
	w->end = LOOPS_END_UNREADABLE;
	if (read_word(&w->frame_raddr, frame_raddr + p->frame_previous))
		return 1;
	if (p->owner_first_shim) {
		if (bpf_probe_read_user(&owner, 1, (const void *)(frame_raddr + p->frame_owner)))
			return 1;
		if (owner >= p->owner_first_shim)
			return 0;
	}
	if (read_word(&code_raddr, frame_raddr + p->frame_executable))
		return 1;
	if (p->is_instr_number) {
		bpf_probe_read_user(&lasti, 4, (const void *)(frame_raddr + p->frame_instr));
		instr = (__u64)(__s64)lasti;
	} else {
		read_word(&instr, frame_raddr + p->frame_instr);
	}
	w->end = LOOPS_END_DEPTH;
	if (n >= LOOPS_MAX_FRAMES)
		return 1;
	code_raddr &= ~(__u64)p->executable_mask;
	w->t->event.frames[n].code_raddr = code_raddr;
	w->t->event.frames[n].instr = instr;
	if (code_raddr == p->run_once_raddr && !w->is_loop)
		walk_turn(w, p, frame_raddr);
	w->n = n + 1;
	return 0;
}

/* The innermost frame of a thread; 0 for none, and when it cannot be read. */
static __always_inline __u64 first_frame(const struct loops_process *p, __u64 tstate_raddr)
{
	__u64 frame_raddr = 0;

	if (!tstate_raddr || read_word(&frame_raddr, tstate_raddr + p->thread_frame))
		return 0;
	if (p->has_cframe && frame_raddr && read_word(&frame_raddr, frame_raddr + p->cframe_frame))
		return 0;
	return frame_raddr;
}

/* The frames of the running thread, at most so many steps of them. */
static __always_inline void walk(const struct loops_process *p, struct loops_thread *t,
				 __u32 n_steps)
{
	struct walk w = {.p = p, .t = t, .end = LOOPS_END_THREAD};
	__u64 tstate_raddr = find_tstate(p, t);

	w.frame_raddr = first_frame(p, tstate_raddr);
	if (tstate_raddr)
		bpf_loop(n_steps, walk_step, &w, 0);
	t->event.look.turn_start = w.turn_start;
	t->event.look.callback = w.callback;
	t->event.look.depth = w.depth;
	t->event.look.is_loop = w.is_loop;
	t->event.look.end = w.end;
	t->event.look.n_frames = w.n;
	if (t->is_loop && !w.is_loop && w.end != LOOPS_END_COMPLETE && n_steps == MAX_STEPS)
		__sync_fetch_and_add(&losses.frames_unread, 1);
}

/*
 * Figures
 */

static __always_inline struct loops_figures *figures_of(struct loops_thread *t)
{
	__u32 index;

	if (!t->loop && t->is_loop)
		t->loop = __sync_fetch_and_add(&n_loops, 1) + 1;
	index = t->loop - 1;
	return t->loop ? bpf_map_lookup_elem(&figures, &index) : 0;
}

/* hist_bucket(), for want of an instruction that counts leading zeros. */
static __always_inline __u32 bucket_of(__u64 span)
{
	__u64 rest;
	__u32 shift = 0;

	if (span < 1ULL << HIST_MIN_SHIFT)
		return 0;
	if (span >= 1ULL << (HIST_MAX_SHIFT + 1))
		return HIST_N_BUCKETS - 1;
	rest = span;
	if (rest >> 32) {
		rest >>= 32;
		shift += 32;
	}
	if (rest >> 16) {
		rest >>= 16;
		shift += 16;
	}
	if (rest >> 8) {
		rest >>= 8;
		shift += 8;
	}
	if (rest >> 4) {
		rest >>= 4;
		shift += 4;
	}
	if (rest >> 2) {
		rest >>= 2;
		shift += 2;
	}
	shift += rest >> 1;
	return 1 + (shift - HIST_MIN_SHIFT) * HIST_SUB +
	       (__u32)((span >> ((shift - HIST_SUB_BITS) & 63)) & (HIST_SUB - 1));
}

static __always_inline void count_turn(struct loops_thread *t, __u64 end)
{
	struct loops_figures *f = t->began ? figures_of(t) : 0;
	__u64 span = end - t->began;
	__u32 bucket;

	t->began = 0;
	if (!f || (__s64)span < 0)
		return;
	bucket = bucket_of(span);
	if (bucket < HIST_N_BUCKETS)
		f->turn.n[bucket]++;
	f->turn.sum += span;
	if (span > f->turn.max)
		f->turn.max = span;
	f->n_turns = t->n_turns;
}

/*
 * Turns
 */

static __always_inline void send(struct loops_thread *t, __u32 kind, __u64 at, __u64 start,
				 __u32 n_frames)
{
	struct loops_event *event = &t->event;

	event->kind = kind;
	event->at = at;
	event->start = start;
	event->turn_start = t->turn_start;
	event->callback_start = t->callback_start;
	event->turn_seq = t->n_turns;
	event->callback_seq = t->n_callbacks;
	if (n_frames > LOOPS_MAX_FRAMES)
		n_frames = LOOPS_MAX_FRAMES;
	if (bpf_ringbuf_output(&events, event,
			       offsetof(struct loops_event, frames) +
				       n_frames * sizeof(struct loops_frame),
			       0))
		__sync_fetch_and_add(&losses.ring_full, 1);
}

static __always_inline void times_since(struct loops_times *to, const struct loops_times *now,
					const struct loops_times *then)
{
	to->cpu = now->cpu - then->cpu;
	to->run_queue = now->run_queue - then->run_queue;
	to->gil_wait = now->gil_wait - then->gil_wait;
	to->frozen = now->frozen - then->frozen;
}

static __always_inline void end_callback(struct loops_thread *t, __u64 end)
{
	if (!t->is_told || end < t->callback_start)
		return;
	times_since(&t->event.times, &t->times, &t->callback_times);
	send(t, LOOPS_CALLBACK, end, t->callback_start, 0);
}

static __always_inline void end_turn(struct loops_thread *t, __u64 end)
{
	if (!t->turn_start)
		return;
	end_callback(t, end);
	if (t->is_told && end >= t->turn_start) {
		times_since(&t->event.times, &t->times, &t->turn_times);
		send(t, LOOPS_TURN, end, t->turn_start, 0);
	}
	t->turn_start = 0;
	t->is_told = 0;
}

/* What was measured up to the start of something, when it is first seen at now: the thread has run
 * since it last went on, or since that start, if that was later. */
static __always_inline void times_at(struct loops_thread *t, struct loops_times *to, __u64 start,
				     __u64 ran_from, __u64 now)
{
	__u64 from = start > ran_from ? start : ran_from;

	*to = t->times;
	if (from < now && now - from <= to->cpu)
		to->cpu -= now - from;
}

/* Compare what the frames show with what was open; ran_from: the thread has run since then. */
static __always_inline void look(struct loops_thread *t, __u64 ran_from, __u64 now)
{
	__u64 turn_start = t->event.look.turn_start, end = now;
	__u32 callback = t->event.look.callback;

	t->is_loop |= t->event.look.is_loop;
	if (t->turn_start && turn_start != t->turn_start) {
		/* The next turn began when this one was over, if there was none between. */
		if (turn_start > t->looked && turn_start < now)
			end = turn_start;
		end_turn(t, end);
		count_turn(t, end);
	}
	/* The loop has been left: at what moment is not known, but not before the last look. */
	if (!t->event.look.is_loop)
		count_turn(t, t->looked > t->began ? t->looked : now);
	if (turn_start && !t->turn_start) {
		t->turn_start = t->callback_start = turn_start;
		t->callback = callback;
		t->n_turns += !t->is_new_turn;
		t->is_new_turn = 0;
		t->n_callbacks++;
		if (!t->began)
			t->began = turn_start;
		/* The first one begins with its turn; of others it was not seen when. */
		if (callback)
			t->callback_start = now;
		t->sample_due = 0;
		times_at(t, &t->turn_times, turn_start, ran_from, now);
		times_at(t, &t->callback_times, t->callback_start, ran_from, now);
	} else if (turn_start && callback != t->callback) {
		end = t->looked + (now - t->looked) / 2;
		end_callback(t, end);
		t->callback = callback;
		t->n_callbacks++;
		t->callback_start = end;
		t->sample_due = 0;
		times_at(t, &t->callback_times, end, ran_from, now);
	}
	t->looked = now;
}

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
	return t->poll_frame_raddr && t->poll_sp == regs->sp && t->poll_fd == regs->args[0] &&
	       t->poll_frame_raddr == first_frame(p, t->tstate_raddr);
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
		t->poll_frame_raddr = first_frame(p, t->tstate_raddr);
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

static __always_inline void switch_in(struct task_struct *task, __u64 now)
{
	__u32 tid = task->pid;
	struct loops_thread *t = bpf_map_lookup_elem(&threads, &tid);
	__u64 span, queued;

	if (!t)
		return;
	span = now - t->since;
	queued = t->woken > t->since ? now - t->woken : 0;
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
	/* It is on its way out, or this is not the process it was measured for. */
	if (!t || t->wait != LOOPS_RUNNING)
		return 0;
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
