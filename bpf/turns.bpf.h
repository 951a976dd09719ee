/* SPDX-License-Identifier: Apache-2.0 */
/* Turns: what one look shows is compared with the last; turns and callbacks that ended are told */
#pragma once

#include "kernel.bpf.h"

#include <bpf/bpf_helpers.h>

#include "loops-api.bpf.h"
#include "threads.bpf.h"

/* A tick of the scheduler, of the rarest that there are but for 100 Hz, and a bit. */
#define FIRST_TICK_NS 5000000
/* A callback as most are. */
#define USUAL_CALLBACK_NS 100000ULL

/*
 * Figures
 */

/* What has no figures is counted. A function of its own for the verifier's sake. */
__attribute__((noinline)) int loop_new(void)
{
	__u32 index;

	if (!bpf_map_pop_elem(&free_loops, &index))
		return index + 1;
	index = __sync_fetch_and_add(&n_loops, 1);
	if (index >= LOOPS_MAX_LOOPS)
		__sync_fetch_and_add(&losses.threads_full, 1);
	return index + 1;
}

static __always_inline struct loops_figures *figures_of(struct loops_thread *t)
{
	__u32 index;

	if (!t->loop && t->is_loop)
		t->loop = loop_new();
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
 * since it last went on, or since that start, if that was later. Where it has paused unseen after
 * the start, it had run up to there. */
static __always_inline void times_at(struct loops_thread *t, struct loops_times *to, __u64 start,
				     __u64 ran_from, __u64 now)
{
	__u64 from = start > ran_from ? start : ran_from;

	*to = t->times;
	if (t->pause_at && start <= t->pause_at) {
		*to = t->pause_times;
		from = start;
		now = t->pause_at;
	}
	if (from < now && now - from <= to->cpu)
		to->cpu -= now - from;
}

/*
 * When a callback began that is not the first of its turn, and that the first look at the turn
 * finds. Behind a calm that look is the scheduler's tick, some ms late: what went before was most
 * likely as short as callbacks are, since what is long is most often looked at. Later it may have
 * been anything.
 */
static __always_inline __u64 unseen_start(const struct loops_look *look, __u64 now)
{
	__u64 span = now - look->turn_start, usual = look->callback * USUAL_CALLBACK_NS;

	if (look->turn_start >= now || span > FIRST_TICK_NS)
		return now;
	return look->turn_start + (usual < span / 2 ? usual : span / 2);
}

/*
 * When the callback of the last look ended, which is not the one that runs now. It may have been just
 * then or just now, so the middle is never far off; but one that had just begun when it was looked at
 * was most likely as short as callbacks are.
 */
static __always_inline __u64 unseen_end(const struct loops_thread *t, __u64 now)
{
	__u64 half = (now - t->looked) / 2, rest = USUAL_CALLBACK_NS;

	if (t->looked > t->callback_start && t->looked - t->callback_start > rest)
		rest = t->looked - t->callback_start;
	return t->looked + (rest < half ? rest : half);
}

/* A turn is seen for the first time. */
static __always_inline void begin_turn(struct loops_thread *t, __u64 ran_from, __u64 now)
{
	const struct loops_look *look = &t->event.look;
	bool has_context = t->is_uvloop && t->context_start;

	t->turn_start = t->callback_start = look->turn_start;
	t->callback = look->callback;
	t->n_turns += !t->is_new_turn;
	t->is_new_turn = 0;
	t->n_callbacks++;
	if (!t->began)
		t->began = look->turn_start;
	t->sample_due = 0;
	/* The first one begins with its turn. */
	if (look->callback)
		t->callback_start = has_context ? t->context_start : unseen_start(look, now);
	times_at(t, &t->turn_times, t->turn_start, ran_from, now);
	times_at(t, &t->callback_times, t->callback_start, ran_from, now);
	if (has_context) {
		t->callback_times = t->context_times;
		if (!look->callback)
			t->turn_times = t->context_times;
	}
	t->context_start = 0;
}

/* Compare what the frames show with what was open; ran_from: the thread has run since then. A
 * function of its own for the verifier's sake, as walk(). */
__attribute__((noinline)) int look(struct loops_thread *t, __u64 ran_from, __u64 now)
{
	__u64 turn_start, end = now;
	__u32 callback;

	if (!t)
		return 0;
	turn_start = t->event.look.turn_start;
	callback = t->event.look.callback;
	t->is_loop |= t->event.look.is_loop;
	if (t->turn_start && turn_start != t->turn_start) {
		/* The next turn began when this one was over, if there was none between. */
		if (turn_start > t->looked && turn_start < now)
			end = turn_start;
		else if (turn_start && turn_start <= t->pause_at)
			end = turn_start;
		end_turn(t, end);
		count_turn(t, end);
	}
	/* The loop has been left: at what moment is not known, but not before the last look. */
	if (!t->event.look.is_loop)
		count_turn(t, t->looked > t->began ? t->looked : now);
	if (turn_start && !t->turn_start) {
		begin_turn(t, ran_from, now);
	} else if (turn_start && callback != t->callback) {
		end = unseen_end(t, now);
		/* In which of them it has paused is not known: it is the fault of neither. */
		if (t->pause_at && t->pause_at < end)
			end = t->pause_at;
		end_callback(t, end);
		t->callback = callback;
		t->n_callbacks++;
		t->callback_start = end;
		t->sample_due = 0;
		times_at(t, &t->callback_times, end, ran_from, now);
	}
	t->looked = now;
	t->pause_at = 0;
	return 0;
}
