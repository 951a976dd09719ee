/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sample: where is a loop that has not come back?
 *
 * The watchdog looks at every slot each tick. From half a limit on, at the moment the next limit is
 * reached, and then every SAMPLE_STEP_NS, it takes the Python stack of the loop's thread, without
 * the GIL and through the kernel, so that a pointer that goes stale meanwhile is an error and not a
 * crash. The early ones are there so that a callback which ends just past its limit has been seen
 * at work; the daemon drops those of callbacks that never get there.
 *
 * Only the watchdog runs this.
 */
#include <string.h>

#include "emit.h"
#include "pyframe/trail.h"
#include "sample.h"
#include "scheduling.h"
#include "test-name.h"
#include "task.h"
#include "wire/ring.h"

#define SAMPLE_STEP_NS (20 * NSEC_PER_MSEC)
/* From here on samples come at twice the distance each, up to the largest step. */
#define SAMPLE_SLOWER_AFTER_NS (1 * NSEC_PER_SEC)
#define SAMPLE_MAX_STEP_NS     (10 * NSEC_PER_SEC)
#define SAMPLE_MAX_TRIES       4

/* What has been sampled of one loop, and what is next. */
struct attention {
	uint64_t turn_seq;
	uint64_t next_sample; /* ticks */
	nsec_t step_ns;
	uint64_t call_sampled; /* start of the call last sampled */
};

/* What a slot showed at one moment. */
struct look {
	uint64_t turn_seq;
	uint64_t callback_seq; /* of the running one */
	uint64_t turn_start;
	uint64_t callback_start;
	uint64_t call_start;
	uint32_t call_str;
	int32_t call_fd;
};

static struct attention attentions[REGION_N_SLOTS];

/* What the frames are read from: as watch.remote, through a window from the first sample on. */
static struct mem memory;
static struct mem_window window;
static bool may_open_window;

static uint64_t ticks_of(nsec_t span_ns)
{
	return clock_span_ticks(&watch.scale, span_ns);
}

/* Return: whether a turn is open and the look is of one moment. */
static bool look_take(struct slot *slot, struct look *ret_look)
{
	struct look *look = ret_look;
	uint64_t turn_start = atomic_load_explicit(&slot->turn_start, memory_order_acquire);

	look->turn_start = turn_start;
	look->turn_seq = atomic_load_explicit(&slot->turn_seq, memory_order_acquire);
	look->callback_seq = atomic_load_explicit(&slot->callback_seq, memory_order_acquire) + 1;
	look->callback_start = atomic_load_explicit(&slot->callback_start, memory_order_acquire);
	look->call_start = atomic_load_explicit(&slot->call_start, memory_order_acquire);
	look->call_str = atomic_load_explicit(&slot->call_str, memory_order_relaxed);
	look->call_fd = atomic_load_explicit(&slot->call_fd, memory_order_relaxed);
	return turn_start &&
	       turn_start == atomic_load_explicit(&slot->turn_start, memory_order_acquire);
}

static bool look_still_holds(struct slot *slot, const struct look *look)
{
	struct look again;

	return look_take(slot, &again) && again.turn_seq == look->turn_seq &&
	       again.callback_seq == look->callback_seq && again.call_start == look->call_start;
}

static bool call_is_over(const struct look *look, uint64_t now)
{
	return look->call_start && now >= look->call_start + watch.limits.blocking_call;
}

/* Nothing has reached its limit yet. */
static bool look_is_early(const struct look *look, uint64_t now)
{
	return !call_is_over(look, now) &&
	       now < look->callback_start + watch.limits.slow_callback &&
	       now < look->turn_start + watch.limits.long_turn;
}

static void sample_emit(const struct loop *loop, const struct look *look, uint64_t now,
			const struct stack_buf *stack)
{
	uint32_t frames_bytes = stack->stack.n_frames * (uint32_t)sizeof(stack->frames[0]);
	uint32_t size_bytes = (uint32_t)sizeof(struct record_sample) + frames_bytes;
	bool is_call = call_is_over(look, now), is_early = look_is_early(look, now);
	struct record_sample *record;

	test_name_emit();
	record = (struct record_sample *)ring_reserve(&watch.region, size_bytes);
	if (!record) {
		watch_lost(LOSS_RING_FULL);
		return;
	}
	record->head.type = RECORD_SAMPLE;
	record->head.flags = is_early ? RECORD_FLAG_EARLY : 0;
	record->head.ticks = now;
	record->slot = loop->slot_index;
	record->what = is_call ? RECORD_WHAT_CALL : RECORD_WHAT_CALLBACK;
	record->turn_seq = look->turn_seq;
	record->callback_seq = look->callback_seq;
	record->start = is_call ? look->call_start : look->callback_start;
	record->turn_start = look->turn_start;
	record->call_str = is_call ? look->call_str : ARENA_NONE;
	record->fd = is_call ? look->call_fd : -1;
	record->stack = stack->stack;
	memcpy(record + 1, stack->frames, frames_bytes);
	ring_commit(&record->head, size_bytes);
}

/* The watchdog begins. may_open_files: its descriptor table is its own. */
_hidden_ void sample_begin(bool may_open_files)
{
	/* That of a parent, if this is a child that was made behind our back, is not mapped here.
	 */
	window = (struct mem_window){NULL, 0, -1};
	memory = watch.remote;
	may_open_window = may_open_files;
}

_hidden_ void sample_end(void)
{
	mem_window_close(&window);
}

static void window_open_once(void)
{
	if (likely(!may_open_window))
		return;
	may_open_window = false;
	if (!mem_window_open(watch.pid, &window))
		memory.window = &window;
}

/*
 * The stack of a thread that may run: addresses first, names after, and then once more the
 * addresses. Names of frames that have returned meanwhile may be those of something else: they go.
 */
static void sample_once(const struct loop *loop, uint64_t tstate_raddr, struct pyframe_trail *trail,
			struct stack_buf *ret_stack, struct task_note *ret_note)
{
	struct pyframe_stack found;
	uint32_t n_gone = 0;

	if (pyframe_sample(&watch.pyframe, &memory, tstate_raddr, trail, &found))
		return;
	emit_stack_names(&memory, &found, ret_stack);
	task_note_take(loop, &memory, &found, ret_note);
	if (pyframe_confirm(&watch.pyframe, &memory, tstate_raddr, trail, &found, &n_gone))
		n_gone = ret_stack->stack.n_frames;
	if (!n_gone)
		return;
	n_gone = MIN(n_gone, ret_stack->stack.n_frames);
	task_note_cut(ret_note, n_gone);
	ret_stack->stack.n_frames -= n_gone;
	ret_stack->stack.end = PYFRAME_END_TORN;
	memmove(ret_stack->frames, ret_stack->frames + n_gone,
		ret_stack->stack.n_frames * sizeof(ret_stack->frames[0]));
}

/*
 * A stack that moved while it was read is read again. The first reading looks names up, which takes
 * longest; what it found is remembered, so that the next ones are over in a few microseconds.
 */
static void sample_stack(const struct loop *loop, uint64_t tstate_raddr,
			 struct stack_buf *ret_stack, struct task_note *ret_note)
{
	static struct pyframe_trail trail;

	for (int tries = 0; tries < SAMPLE_MAX_TRIES; tries++) {
		ret_stack->stack = (struct record_stack){.end = PYFRAME_END_UNREADABLE};
		*ret_note = (struct task_note){.is_known = false};
		sample_once(loop, tstate_raddr, &trail, ret_stack, ret_note);
		if (ret_stack->stack.end != PYFRAME_END_TORN &&
		    ret_stack->stack.end != PYFRAME_END_UNREADABLE)
			break;
	}
	trail_set_aside(&trail);
}

/* The stack is void if the thread went on meanwhile: another one follows soon. */
static void sample_take(struct loop *loop, const struct look *look, uint64_t now)
{
	uint64_t tstate_raddr = atomic_load_explicit(&loop->tstate_raddr, memory_order_acquire);
	struct stack_buf stack;
	struct task_note note;

	if (!tstate_raddr)
		return;
	window_open_once();
	sample_stack(loop, tstate_raddr, &stack, &note);
	if (!look_still_holds(loop->slot, look))
		return;
	/* Most early samples are of callbacks that never get slow: what they lack, nobody misses.
	 */
	if (!look_is_early(look, now))
		emit_stack_loss(&stack.stack);
	task_note_emit(loop, look->turn_seq, look->callback_seq, &note, &stack);
	sample_emit(loop, look, now, &stack);
}

static uint64_t sample_first(const struct look *look)
{
	return look->turn_start + MIN(watch.limits.slow_callback, watch.limits.long_turn) / 2;
}

/* The step on, but not past the moment at which a limit is reached. */
static uint64_t sample_next(struct attention *attention, const struct look *look, uint64_t now)
{
	uint64_t limits[] = {look->callback_start + watch.limits.slow_callback,
			     look->turn_start + watch.limits.long_turn};
	uint64_t next;

	/* A call that waits stands where it stood; only that it still does is news. */
	if (look->call_start || now - look->turn_start > ticks_of(SAMPLE_SLOWER_AFTER_NS))
		attention->step_ns = MIN(attention->step_ns * 2, SAMPLE_MAX_STEP_NS);
	next = now + ticks_of(attention->step_ns);
	if (look->call_start)
		return next;
	for (unsigned int i = 0; i < ARRAY_LEN(limits); i++)
		if (limits[i] > now && limits[i] < next)
			next = limits[i];
	return next;
}

static void attention_turn(struct attention *attention, const struct look *look)
{
	if (attention->turn_seq != look->turn_seq) {
		attention->next_sample = sample_first(look);
		attention->step_ns = SAMPLE_STEP_NS;
		attention->call_sampled = 0;
	}
	attention->turn_seq = look->turn_seq;
}

/* A call past its limit, or the end of one: what follows is sampled from anew. */
static void attention_call(struct attention *attention, const struct look *look, uint64_t now)
{
	bool is_new = call_is_over(look, now) && attention->call_sampled != look->call_start;
	bool is_past = !look->call_start && attention->call_sampled;

	if (!is_new && !is_past)
		return;
	attention->call_sampled = look->call_start;
	attention->next_sample = now;
	attention->step_ns = SAMPLE_STEP_NS;
}

/* One loop. Return: when to look again at the latest, in ticks. */
static uint64_t loop_examine(struct loop *loop, const struct look *look, uint64_t now)
{
	struct attention *attention = &attentions[loop->slot_index];
	uint64_t next;

	scheduling_see(loop, look->turn_seq, look->callback_seq);
	attention_turn(attention, look);
	attention_call(attention, look, now);
	if (now >= attention->next_sample) {
		sample_take(loop, look, now);
		attention->next_sample = sample_next(attention, look, now);
	}
	next = attention->next_sample;
	if (look->call_start && attention->call_sampled != look->call_start)
		next = MIN(next, look->call_start + watch.limits.blocking_call);
	return next;
}

/*
 * Look at all loops. ret_next is when to look again at the latest, in ticks.
 *
 * Return: whether a turn was open or has passed since the last look.
 */
_hidden_ bool sample_loops(uint64_t now, uint64_t *ret_next)
{
	bool is_busy = false;

	*ret_next = now + ticks_of(SAMPLE_TICK_NS);
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		struct loop *loop = loop_at(i);
		struct slot *slot = region_slot(&watch.region, i);
		struct look look;

		if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_USED)
			continue;
		if (look_take(slot, &look)) {
			*ret_next = MIN(*ret_next, loop_examine(loop, &look, now));
			is_busy = true;
		} else if (look.turn_seq != attentions[i].turn_seq) {
			attentions[i].turn_seq = look.turn_seq;
			is_busy = true;
		}
	}
	return is_busy;
}

/* Whether a turn is open in any loop. */
_hidden_ bool sample_any_open(void)
{
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++)
		if (atomic_load_explicit(&region_slot(&watch.region, i)->turn_start,
					 memory_order_acquire))
			return true;
	return false;
}

/* In a fork child: everything noted was of the parent's loops. */
_hidden_ void sample_forget(void)
{
	memset(attentions, 0, sizeof(attentions));
}
