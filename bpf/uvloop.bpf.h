/* SPDX-License-Identifier: Apache-2.0 */
/* Uvloop: in which turn, and in which of its callbacks, a loop of libuv is */
#pragma once

#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>

#include "frames.bpf.h"
#include "loops-api.bpf.h"
#include "registers.bpf.h"
#include "threads.bpf.h"

/* struct uv_loop_s, the same in all of libuv 1.x on 64 bits of Linux. */
#define UV_BACKEND_FD	 64
#define UV_TIMER_COUNTER 536 /* timers started */

/* A time in ms that was asked for just now is no older. */
#define UV_TIME_NS 1000000
/* libuv's time is cut to whole ms: on average a turn begins so much later. */
#define UV_TIME_CUT_NS 500000
/* Seen so soon after its turn has begun, a callback is its first. */
#define UV_SOON_NS 4000000
/* To the first callback of a turn lead two contexts: that of the idle handle, and its own. */
#define FIRST_CALLBACK_CONTEXTS 2

struct uvloop_sight {
	__u64 turn; /* a number; or, when is_time, when libuv last asked for the time, in ms */
	__u64 time; /* that time, in ns of our clock */
	__u64 timers;
	__u64 context;
	__u32 is_time;
};

static __always_inline const struct loops_uvloop *uvloop_of(const struct loops_process *p,
							    const struct loops_thread *t)
{
	for (int i = 0; i < LOOPS_MAX_UVLOOPS; i++)
		if (p->uvloops[i].thread_raddr == t->thread_raddr)
			return &p->uvloops[i];
	return 0;
}

/* uvloop is there. */
static __always_inline bool may_run_uvloop(const struct loops_process *p)
{
	return p->stranger_ns != ~0ULL;
}

/* Its memory still says that it is the one, and that it runs. */
static __always_inline bool uvloop_runs(const struct loops_uvloop *u)
{
	__u32 running = 0, fd = 0;

	return !bpf_probe_read_user(&running, 4, (const void *)u->running_raddr) && running == 1 &&
	       !bpf_probe_read_user(&fd, 4, (const void *)(u->uv_raddr + UV_BACKEND_FD)) &&
	       fd == u->fd;
}

static __always_inline __u64 context_of(const struct loops_process *p, const struct loops_thread *t)
{
	__u64 context = 0;

	if (p->thread_context && t->tstate_raddr)
		read_word(&context, t->tstate_raddr + p->thread_context);
	return context;
}

static __always_inline void uvloop_see(const struct loops_process *p, const struct loops_thread *t,
				       const struct loops_uvloop *u, struct uvloop_sight *ret_sight)
{
	__u64 time = 0;

	read_word(&ret_sight->turn, u->count_raddr);
	read_word(&time, u->uv_raddr + LOOPS_UV_TIME);
	read_word(&ret_sight->timers, u->uv_raddr + UV_TIMER_COUNTER);
	ret_sight->context = context_of(p, t);
	ret_sight->time = time * 1000000 - p->clock_offset_ns;
	ret_sight->is_time = !ret_sight->turn;
	if (ret_sight->is_time)
		ret_sight->turn = time;
}

/*
 * The daemon finds a loop after it has slept in its poll for the first time, which may take long on
 * a busy host. So that the callback it is in by then is known to have begun when it did, the
 * contexts of threads that may be such loops are followed until then.
 */
static __always_inline void follow_context(const struct loops_process *p, struct loops_thread *t,
					   __u64 ran_from, __u64 now)
{
	__u64 context = context_of(p, t), start = t->looked ? t->looked + (now - t->looked) / 2 : 0;

	if (context == t->uv_context)
		return;
	t->uv_context = context;
	t->context_start = start;
	times_at(t, &t->context_times, start, ran_from, now);
}

/*
 * Whether it is the turn that was open at the last look or, when there is none, the first after the
 * poll it slept in. Where turns are not counted their time tells them apart, which a turn may
 * change when it starts a timer: then it is the same one if its callback is.
 */
static __always_inline bool is_same_turn(const struct loops_thread *t, const struct uvloop_sight *s)
{
	__u64 contexts = s->context - t->uv_context;

	if (!t->turn_start && !t->is_new_turn)
		return false;
	if (!s->is_time)
		return s->turn == t->uv_turn;
	if (!t->turn_start && s->time <= t->began + UV_TIME_NS)
		return true;
	if (s->turn == t->uv_turn)
		return true;
	return s->timers != t->uv_timers &&
	       contexts <= (t->turn_start ? 0 : FIRST_CALLBACK_CONTEXTS);
}

/* By libuv's own time, which is before now. */
static __always_inline __u64 uvloop_turn_start(const struct uvloop_sight *s, __u64 now)
{
	return s->time + UV_TIME_CUT_NS < now ? s->time + UV_TIME_CUT_NS : now;
}

static __always_inline void uvloop_enter(struct loops_thread *t, const struct uvloop_sight *s,
					 __u64 poll_fd, __u64 now)
{
	struct loops_look *look = &t->event.look;

	/* It has left its poll, and libuv has not looked at the clock yet. */
	if (!t->uv_turn && !t->turn_start && t->left_poll_fd == poll_fd &&
	    s->time + UV_TIME_NS < t->left_poll)
		return;
	if (!t->uv_turn && !t->turn_start && s->time < now) {
		/* In the middle of a turn of a loop that was not known until now: it has begun when
		 * libuv says it has. */
		bool is_first = t->context_start && t->context_start <= s->time + UV_SOON_NS;

		look->turn_start = uvloop_turn_start(s, now);
		t->uv_context = s->context - !is_first;
	} else if (!is_same_turn(t, s)) {
		look->turn_start = s->time > t->looked && s->time < now ? uvloop_turn_start(s, now)
									: t->looked;
		t->uv_context = s->context;
	} else if (t->turn_start) {
		look->turn_start = t->turn_start;
	} else {
		look->turn_start = t->began;
		t->uv_context = s->context;
	}
	look->callback = (__u32)(s->context - t->uv_context);
	t->uv_turn = s->turn;
	t->uv_timers = s->timers;
}

/* Between two turns: the loop is in its own poll. */
static __always_inline void uvloop_poll(const struct loops_process *p, struct loops_thread *t,
					const struct loops_uvloop *u)
{
	struct uvloop_sight sight = {};

	uvloop_see(p, t, u, &sight);
	t->uv_turn = sight.turn;
	t->uv_timers = sight.timers;
	t->uv_context = sight.context;
	t->event.look = (struct loops_look){.is_loop = 1, .is_uvloop = 1};
	t->is_uvloop = 1;
	t->context_start = 0;
}

/*
 * What the memory of its uvloop shows of the running thread, besides its frames. Return: whether it
 * is in the loop's own poll.
 */
__attribute__((noinline)) int uvloop_look(const struct loops_process *p, struct loops_thread *t,
					  __u64 poll_fd, __u64 ran_from, __u64 now)
{
	const struct loops_uvloop *u;
	struct uvloop_sight sight = {};

	if (!p || !t)
		return 0;
	t->is_uvloop = 0;
	u = uvloop_of(p, t);
	if (!u || !uvloop_runs(u)) {
		if (may_run_uvloop(p))
			follow_context(p, t, ran_from, now);
		return 0;
	}
	if (!t->uv_turn)
		follow_context(p, t, ran_from, now);
	if (poll_fd == u->fd) {
		uvloop_poll(p, t, u);
		return 1;
	}
	uvloop_see(p, t, u, &sight);
	/* Of the parent, of which this is a copy. */
	if (sight.time < t->born)
		return 0;
	t->event.look.is_loop = 1;
	t->event.look.is_uvloop = 1;
	t->event.look.depth = t->event.look.n_frames;
	t->is_uvloop = 1;
	uvloop_enter(t, &sight, u->fd, now);
	return 0;
}
