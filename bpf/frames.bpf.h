/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: the Python stack of the running thread, by the offsets given for its process */
#pragma once

#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>

#include "loops-api.bpf.h"
#include "threads.bpf.h"

/* A thread's state is one of so many in the lists of an interpreter. */
#define MAX_TSTATES	 256
#define MAX_INTERPRETERS 16
/* Each frame may come with one that stands for an entry from C. */
#define MAX_STEPS (2 * LOOPS_MAX_FRAMES)

static __always_inline int read_word(__u64 *word, __u64 raddr)
{
	return bpf_probe_read_user(word, sizeof(*word), (const void *)raddr);
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
	bool is_over; /* all lists were read to their ends */
};

static long search_step(__u32 index, void *ctx)
{
	struct search *s = ctx;
	const struct loops_process *p = s->p;
	__u64 thread_raddr = 0;

	if (!s->tstate_raddr) {
		s->is_over = !s->interp_raddr;
		if (s->is_over ||
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

/*
 * By the pthread_t, which the state of each thread holds. The one found before is asked first. A
 * thread has none when its interpreter is gone, which is known only when the lists were read.
 */
static __always_inline enum loops_end find_tstate(const struct loops_process *p,
						  struct loops_thread *t)
{
	struct search s = {.p = p};
	__u64 thread_raddr = 0;

	/* A program that has only just begun has none yet. */
	if (!t->tstate_raddr)
		t->thread_raddr = thread_pointer(bpf_get_current_task_btf());
	s.thread_raddr = t->event.thread_raddr = t->thread_raddr;
	if (t->tstate_raddr && !read_word(&thread_raddr, t->tstate_raddr + p->thread_id) &&
	    thread_raddr == t->thread_raddr)
		return LOOPS_END_COMPLETE;
	t->tstate_raddr = 0;
	if (read_word(&s.interp_raddr, p->runtime_raddr + p->runtime_interpreters_head))
		return LOOPS_END_UNREADABLE;
	bpf_loop(MAX_TSTATES + MAX_INTERPRETERS, search_step, &s, 0);
	t->tstate_raddr = s.found_raddr;
	if (s.found_raddr)
		return LOOPS_END_COMPLETE;
	return s.is_over ? LOOPS_END_THREAD : LOOPS_END_UNREADABLE;
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

/* The innermost frame of a thread, 0 for none. Return: not 0 when it cannot be read. */
static __always_inline int first_frame(const struct loops_process *p, __u64 tstate_raddr,
				       __u64 *ret_frame_raddr)
{
	__u64 frame_raddr = 0;

	if (!tstate_raddr || read_word(&frame_raddr, tstate_raddr + p->thread_frame))
		return -1;
	if (p->has_cframe && frame_raddr && read_word(&frame_raddr, frame_raddr + p->cframe_frame))
		return -1;
	*ret_frame_raddr = frame_raddr;
	return 0;
}

/*
 * What a thread in its loop did then is not known. One that computes is looked at again a
 * millisecond later, so only a second time in a row counts: there are instants at which a frame is
 * half linked. A thread that has left its loop may end as it likes: with an interpreter that is
 * gone, or as another program.
 */
static __always_inline void count_unread(struct loops_thread *t, const struct walk *w,
					 __u32 n_steps)
{
	bool is_unread = w->end == LOOPS_END_UNREADABLE || w->end == LOOPS_END_DEPTH;

	if (w->is_loop)
		t->is_in_loop = 1;
	else if (w->end == LOOPS_END_COMPLETE)
		t->is_in_loop = 0;
	if (n_steps != MAX_STEPS)
		return;
	if (is_unread && t->is_in_loop && !w->is_loop && !t->is_uvloop &&
	    (t->is_in_call || t->is_unread))
		__sync_fetch_and_add(&losses.frames_unread, 1);
	t->is_unread = is_unread && !w->is_loop;
}

/*
 * The frames of the running thread, at most so many steps of them. A function that the verifier
 * goes through by itself (Linux 5.12), not once for every state of each caller.
 */
__attribute__((noinline)) int walk(const struct loops_process *p, struct loops_thread *t,
				   __u32 n_steps)
{
	struct walk w = {.p = p, .t = t};

	if (!p || !t)
		return 0;
	w.end = find_tstate(p, t);
	if (w.end == LOOPS_END_COMPLETE) {
		w.end = LOOPS_END_UNREADABLE;
		if (!first_frame(p, t->tstate_raddr, &w.frame_raddr))
			bpf_loop(n_steps, walk_step, &w, 0);
	}
	/* A child that was forked in a turn still has that one on its stack. */
	if (w.turn_start && w.turn_start < t->born)
		w.turn_start = w.callback = w.depth = w.is_loop = 0;
	t->event.look.turn_start = w.turn_start;
	t->event.look.callback = w.callback;
	t->event.look.depth = w.depth;
	t->event.look.is_loop = w.is_loop;
	t->event.look.is_uvloop = 0;
	t->event.look.end = w.end;
	t->event.look.n_frames = w.n;
	count_unread(t, &w, n_steps);
	return 0;
}
