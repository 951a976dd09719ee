/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probed: events of the kernel's probes become records of a watch
 *
 * The probe tells of waits that were long, of samples, and of the ends of callbacks and turns in
 * which there was either. Here frames get their names, system calls those of the C library,
 * descriptors what they are of, and all of it is written as a shim would have written it.
 *
 * The first stacks of a process also say where asyncio's _run_once() is: by it the probe knows
 * turns from then on. A wait that was told of before that is of a turn when _run_once() is on its
 * stack above the loop's own poll.
 *
 * A call that waits for a disk can do so many times. The probe tells of it each time with the same
 * start, so the last word is kept until something else comes.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fd-target.h"
#include "probed.h"
#include "process-locals.h"
#include "syscall-name.h"
#include "wire/ring.h"

/* Threads whose stacks are looked at when a process is first met. */
#define PROBED_MAX_THREADS 256

/* A wait this long is likely to be told of. */
#define PROBED_NAME_NS (2 * NSEC_PER_MSEC)

static struct slot *slot_of(struct probed *probed, const struct probed_thread *thread)
{
	return region_slot(&probed->scribe.region, (unsigned int)(thread - probed->threads));
}

static void slot_open(struct probed *probed, struct probed_thread *thread, uint32_t our_tid)
{
	struct slot *slot = slot_of(probed, thread);
	char path[64];
	FILE *comm;

	memset(slot, 0, sizeof(*slot));
	slot->framework = FRAMEWORK_ASYNCIO;
	slot->tid = (int32_t)our_tid;
	slot->epoll_fd = -1;
	slot->opened = clock_monotonic();
	snprintf(path, sizeof(path), "/proc/%d/task/%u/comm", probed->pid, our_tid);
	comm = fopen(path, "re");
	if (comm) {
		if (fgets(slot->thread_name, sizeof(slot->thread_name), comm))
			slot->thread_name[strcspn(slot->thread_name, "\n")] = '\0';
		fclose(comm);
	}
	atomic_store(&slot->state, SLOT_USED);
}

static struct probed_thread *thread_of(struct probed *probed, uint32_t tid)
{
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++)
		if (probed->threads[i].tid == tid)
			return &probed->threads[i];
	return NULL;
}

/* Where no thread has been yet; else where one has ended, whose figures make room. */
static struct probed_thread *thread_free(struct probed *probed)
{
	struct probed_thread *ended = NULL;

	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		struct probed_thread *thread = &probed->threads[i];

		if (thread->tid)
			continue;
		if (atomic_load(&slot_of(probed, thread)->state) == SLOT_FREE)
			return thread;
		ended = ended ? ended : thread;
	}
	return ended;
}

/* A thread that runs a loop. Return: NULL when there are more of them than slots. */
static struct probed_thread *thread_open(struct probed *probed, const struct loops_event *event)
{
	struct probed_thread *thread = thread_of(probed, event->tid);

	if (thread)
		return thread;
	thread = thread_free(probed);
	if (!thread) {
		scribe_lost(&probed->scribe, LOSS_SLOTS_FULL);
		return NULL;
	}
	thread->tid = event->tid;
	thread->looked_ns = clock_monotonic();
	probed->has_loops = true;
	slot_open(probed, thread, event->our_tid);
	return thread;
}

static uint32_t index_of(const struct probed *probed, const struct probed_thread *thread)
{
	return (uint32_t)(thread - probed->threads);
}

/*
 * Calls
 */

static void write_call(struct probed *probed, struct probed_thread *thread,
		       struct probed_call *call)
{
	call->record.head.ticks = clock_monotonic();
	scribe_stack_loss(&probed->scribe, &call->stack);
	probed_write_native(probed, &thread->native, &call->record);
	scribe_write(&probed->scribe, &call->record.head, sizeof(call->record), &call->stack);
	if (call->record.callback_seq == thread->callback_seq)
		thread->callback_reported += call->record.span;
	if (call->record.turn_seq == thread->turn_seq)
		thread->turn_reported += call->record.span;
}

static void keep_short(struct probed_thread *thread, const struct probed_call *call)
{
	thread->short_ns += call->record.span;
	thread->n_short++;
	if (!thread->longest_short.is_there ||
	    thread->longest_short.record.span < call->record.span)
		thread->longest_short = *call;
}

/* The last call is over. */
static void finish_call(struct probed *probed, struct probed_thread *thread)
{
	struct probed_call *call = &thread->last;

	if (!call->is_there)
		return;
	call->is_there = false;
	if (call->record.span >= probed->limits.blocking_call_ns)
		write_call(probed, thread, call);
	else
		keep_short(thread, call);
}

/* The open callback is over: its short calls together may be long. */
static void finish_callback(struct probed *probed, struct probed_thread *thread)
{
	struct probed_call *call = &thread->longest_short;

	finish_call(probed, thread);
	if (call->is_there && thread->short_ns >= probed->limits.slow_callback_ns) {
		call->record.head.flags |= RECORD_FLAG_SUMMED;
		call->record.n_calls = thread->n_short;
		call->record.span = thread->short_ns;
		write_call(probed, thread, call);
	}
	call->is_there = false;
	thread->short_ns = 0;
	thread->n_short = 0;
}

/* Which turn and callback an event belongs to. */
static void enter(struct probed *probed, struct probed_thread *thread,
		  const struct loops_event *event)
{
	struct slot *slot = slot_of(probed, thread);

	if (event->look.is_uvloop)
		slot->framework = FRAMEWORK_UVLOOP;
	if (thread->turn_seq == event->turn_seq && thread->callback_seq == event->callback_seq)
		return;
	finish_callback(probed, thread);
	if (thread->turn_seq != event->turn_seq) {
		thread->turn_reported = 0;
		thread->n_slow = 0;
	}
	thread->callback_reported = 0;
	thread->turn_seq = event->turn_seq;
	thread->callback_seq = event->callback_seq;
	atomic_store(&slot->turn_seq, event->turn_seq);
	atomic_store(&slot->turn_start, event->turn_start);
}

static uint32_t call_name(struct scribe *scribe, int32_t number, struct syscall_name *ret_name)
{
	char text[32];

	*ret_name = syscall_name_of(number);
	if (ret_name->name)
		return scribe_string(scribe, ret_name->name, strlen(ret_name->name));
	return scribe_string(scribe, text,
			     (size_t)snprintf(text, sizeof(text), "syscall_%d", number));
}

static uint32_t call_target(struct probed *probed, const struct syscall_name *name,
			    const struct loops_event *event, int32_t *ret_fd)
{
	char text[FD_TARGET_MAX_BYTES];
	size_t length = 0;

	*ret_fd = -1;
	if (name->has_fd && event->args[0] < INT32_MAX) {
		*ret_fd = (int32_t)event->args[0];
		length = fd_target(probed->pid, probed->pidfd, *ret_fd, text);
	}
	return scribe_string(&probed->scribe, text, length);
}

bool probed_is_poll(const struct syscall_name *name)
{
	return name->name && !strncmp(name->name, "epoll_", strlen("epoll_"));
}

/* Whether a wait of which the probe did not know yet held a loop: by the names on its stack. */
static bool is_in_turn(const struct probed *probed, const struct loops_event *event,
		       const struct syscall_name *name)
{
	if (event->look.is_loop)
		return event->look.turn_start != 0;
	for (uint32_t i = 0; i < event->look.n_frames && probed->scribe.run_once_raddr; i++)
		if (event->frames[i].code_raddr == probed->scribe.run_once_raddr)
			return i >= LOOPS_MAX_POLL_DEPTH || !probed_is_poll(name);
	return false;
}

static void take_stack(struct probed *probed, const struct loops_event *event,
		       struct scribe_stack *ret_stack)
{
	uint64_t known_raddr = probed->scribe.run_once_raddr;

	_Static_assert(sizeof(struct scribe_frame) == sizeof(struct loops_frame), "the same");
	scribe_stack(&probed->scribe, (const struct scribe_frame *)event->frames,
		     event->look.n_frames, (enum pyframe_end)event->look.end, ret_stack);
	if (probed->scribe.run_once_raddr == known_raddr)
		return;
	process_locals(&probed->scribe.interpreter, probed->scribe.run_once_raddr,
		       &probed->process);
	probed->is_changed = true;
}

static void take_call(struct probed *probed, const struct loops_event *event)
{
	struct probed_thread *thread;
	struct syscall_name name;
	struct probed_call call = {.is_there = true};

	thread = thread_of(probed, event->tid);
	if (thread && thread->named_call == event->start)
		call.stack = thread->named_stack;
	else
		take_stack(probed, event, &call.stack);
	call.record.call_str = call_name(&probed->scribe, event->syscall, &name);
	if (!is_in_turn(probed, event, &name) && !probed_search_uvloop(probed, event, event->start))
		return;
	thread = thread ? thread : thread_open(probed, event);
	if (!thread)
		return;
	enter(probed, thread, event);
	if (thread->last.is_there && thread->last.record.start != event->start)
		finish_call(probed, thread);
	call.record.head.type = RECORD_CALL;
	call.record.slot = index_of(probed, thread);
	call.record.turn_seq = event->turn_seq;
	call.record.callback_seq = event->callback_seq;
	call.record.start = event->start;
	call.record.span = event->at - event->start;
	call.record.n_calls = 1;
	call.record.target_str = call_target(probed, &name, event, &call.record.fd);
	call.record.stack = call.stack.stack;
	thread->last = call;
	/* Only a wait for a disk may go on. */
	if (!event->is_deep)
		finish_call(probed, thread);
}

/*
 * Work
 */

static void take_sample(struct probed *probed, const struct loops_event *event)
{
	struct record_sample record = {.head.type = RECORD_SAMPLE, .fd = -1};
	const struct options *limits = &probed->limits;
	struct probed_thread *thread;
	struct scribe_stack stack;
	uint64_t limit_ns, reported;

	take_stack(probed, event, &stack);
	if (!event->look.turn_start) {
		probed_search_uvloop(probed, event, 0);
		return;
	}
	thread = thread_open(probed, event);
	if (!thread)
		return;
	enter(probed, thread, event);
	finish_call(probed, thread);
	record.slot = index_of(probed, thread);
	record.turn_seq = event->turn_seq;
	record.callback_seq = event->callback_seq;
	record.turn_start = event->turn_start;
	record.what = event->at - event->callback_start >= limits->slow_callback_ns / 2
			      ? RECORD_WHAT_CALLBACK
			      : RECORD_WHAT_TURN;
	record.start =
		record.what == RECORD_WHAT_CALLBACK ? event->callback_start : event->turn_start;
	limit_ns = record.what == RECORD_WHAT_CALLBACK ? limits->slow_callback_ns
						       : limits->long_turn_ns;
	/* What waited in calls that are told of is not held by what runs now. */
	reported = record.what == RECORD_WHAT_CALLBACK ? thread->callback_reported
						       : thread->turn_reported;
	record.head.flags = event->at - record.start < limit_ns + reported ? RECORD_FLAG_EARLY : 0;
	record.head.ticks = event->at;
	record.stack = stack.stack;
	if (!record.head.flags)
		scribe_stack_loss(&probed->scribe, &stack);
	scribe_write(&probed->scribe, &record.head, sizeof(record), &stack);
}

/* What the judge will call slow: what it waited for a CPU is nobody's fault. */
static bool is_slow(const struct probed *probed, const struct record_callback *callback)
{
	uint64_t others = callback->reported + (uint64_t)callback->run_queue_ns +
			  (uint64_t)callback->frozen_ns + (uint64_t)callback->gil_wait_ns;

	return callback->span >= others + probed->limits.slow_callback_ns;
}

static void take_callback(struct probed *probed, const struct loops_event *event)
{
	struct record_callback record = {.head = {.type = RECORD_CALLBACK, .ticks = event->at}};
	struct probed_thread *thread = thread_open(probed, event);
	uint64_t span = event->at - event->start;

	if (!thread)
		return;
	enter(probed, thread, event);
	finish_callback(probed, thread);
	if (span < probed->limits.slow_callback_ns)
		return;
	record.slot = index_of(probed, thread);
	record.turn_seq = event->turn_seq;
	record.callback_seq = event->callback_seq;
	record.start = event->start;
	record.span = span;
	record.reported = MIN(thread->callback_reported, span);
	record.cpu_ns = (int64_t)event->times.cpu;
	record.run_queue_ns = (int64_t)event->times.run_queue;
	record.frozen_ns = (int64_t)event->times.frozen;
	record.gil_wait_ns = (int64_t)event->times.gil_wait;
	record.gc_ns = -1;
	thread->n_slow += is_slow(probed, &record);
	scribe_write(&probed->scribe, &record.head, sizeof(record), NULL);
}

static void take_turn(struct probed *probed, const struct loops_event *event)
{
	struct record_turn record = {.head = {.type = RECORD_TURN, .ticks = event->at}};
	struct probed_thread *thread = thread_open(probed, event);
	uint64_t span = event->at - event->start;

	if (!thread)
		return;
	enter(probed, thread, event);
	atomic_store(&slot_of(probed, thread)->turn_start, 0);
	record.slot = index_of(probed, thread);
	record.turn_seq = event->turn_seq;
	record.start = event->start;
	record.span = span;
	record.reported = MIN(thread->turn_reported, span);
	record.cpu_ns = (int64_t)event->times.cpu;
	record.run_queue_ns = (int64_t)event->times.run_queue;
	record.frozen_ns = (int64_t)event->times.frozen;
	record.gil_wait_ns = (int64_t)event->times.gil_wait;
	record.gc_ns = -1;
	record.n_slow = thread->n_slow;
	if (span >= probed->limits.long_turn_ns)
		scribe_write(&probed->scribe, &record.head, sizeof(record), NULL);
}

/* A loop that runs already has _run_once() on its stack. */
void probed_search_threads(struct probed *probed)
{
	const struct interpreter *in = &probed->scribe.interpreter;
	const struct pyframe_layout *l = &in->pyframe.layout;
	uint64_t interp_raddr, tstate_raddr = 0;
	struct pyframe_stack found;
	struct scribe_stack named;

	if (mem_read(&in->mem, in->pyframe.runtime_raddr + l->runtime_interpreters_head,
		     &interp_raddr, 8) ||
	    mem_read(&in->mem, interp_raddr + l->interp_threads_head, &tstate_raddr, 8))
		return;
	for (unsigned int i = 0; i < PROBED_MAX_THREADS && tstate_raddr; i++) {
		if (!pyframe_walk(&in->pyframe, &in->mem, tstate_raddr, &found))
			scribe_addrs(&probed->scribe, found.frames, found.n_frames, &named);
		if (mem_read(&in->mem, tstate_raddr + l->thread_next, &tstate_raddr, 8))
			break;
	}
	if (probed->scribe.run_once_raddr)
		process_locals(in, probed->scribe.run_once_raddr, &probed->process);
}

void probed_take_event(struct probed *probed, const struct loops_event *event)
{
	switch (event->kind) {
	case LOOPS_CALL:
		take_call(probed, event);
		break;
	case LOOPS_SAMPLE:
		take_sample(probed, event);
		break;
	case LOOPS_CALLBACK:
		take_callback(probed, event);
		break;
	case LOOPS_TURN:
		take_turn(probed, event);
		break;
	case LOOPS_EXEC:
		probed->has_execed = true;
		break;
	default:
		break;
	}
}

/*
 * What stands still
 */

/* A wait that has become a finding and goes on: where, so that it is told while it lasts. */
static void sample_wait(struct probed *probed, struct probed_thread *thread,
			const struct loops_thread *seen, uint64_t now_ns)
{
	struct record_sample record = {.head = {.type = RECORD_SAMPLE, .ticks = now_ns}};
	struct syscall_name name;

	thread->sampled_call = seen->call_start;
	enter(probed, thread, &seen->event);
	record.slot = index_of(probed, thread);
	record.what = RECORD_WHAT_CALL;
	record.turn_seq = seen->n_turns;
	record.callback_seq = seen->n_callbacks;
	record.start = seen->call_start;
	record.turn_start = seen->turn_start;
	record.call_str = call_name(&probed->scribe, seen->event.syscall, &name);
	record.fd =
		name.has_fd && seen->event.args[0] < INT32_MAX ? (int32_t)seen->event.args[0] : -1;
	record.stack = thread->named_stack.stack;
	scribe_write(&probed->scribe, &record.head, sizeof(record), &thread->named_stack);
}

/* A thread as it stands now. */
void probed_take_thread(struct probed *probed, const struct loops_thread *seen, uint64_t now_ns)
{
	struct probed_thread *thread;
	struct slot *slot;
	uint64_t waited_ns;

	if (seen->wait == LOOPS_WAITING)
		probed_search_uvloop(probed, &seen->event, seen->call_start);
	if (!seen->is_loop)
		return;
	thread = thread_open(probed, &seen->event);
	if (!thread)
		return;
	slot = slot_of(probed, thread);
	thread->loop = seen->loop;
	thread->looked_ns = now_ns;
	if (seen->event.look.is_uvloop)
		slot->framework = FRAMEWORK_UVLOOP;
	atomic_store(&slot->idle_since, seen->since);
	atomic_store(&slot->turn_seq, seen->n_turns);
	atomic_store(&slot->turn_start, seen->turn_start);
	atomic_store(&slot->tstate_raddr, seen->tstate_raddr);
	/* Its names are found while it waits: soon after its end the process may be gone. */
	if (seen->wait == LOOPS_IDLE)
		probed_prepare_native(probed, seen);
	if (seen->wait != LOOPS_WAITING)
		return;
	waited_ns = now_ns - MIN(seen->call_start, now_ns);
	/* A wait that is told of has to have its names by then. */
	if (thread->named_call != seen->call_start &&
	    waited_ns >= MIN(PROBED_NAME_NS, probed->limits.blocking_call_ns)) {
		thread->named_call = seen->call_start;
		take_stack(probed, &seen->event, &thread->named_stack);
		probed_take_native(probed, seen, &thread->native);
	}
	if (seen->turn_start && waited_ns >= probed->limits.blocking_call_ns &&
	    thread->sampled_call != seen->call_start)
		sample_wait(probed, thread, seen, now_ns);
}

/* The figures of a loop, by its number: also of one whose thread has ended. */
void probed_take_figures(struct probed *probed, uint32_t loop, const struct loops_figures *figures)
{
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		struct slot *slot = region_slot(&probed->scribe.region, i);

		if (!probed->threads[i].tid || probed->threads[i].loop != loop)
			continue;
		slot->turn = figures->turn;
		atomic_store(&slot->idle, figures->idle_ns);
		atomic_store(&slot->turn_seq, MAX(atomic_load(&slot->turn_seq), figures->n_turns));
		return;
	}
}

static bool thread_has_ended(struct probed *probed, const struct probed_thread *thread)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d", probed->pid, slot_of(probed, thread)->tid);
	return access(path, F_OK) != 0;
}

/*
 * Let go of a thread that the probe does not know since before_ns, as it has ended. All that it was
 * told to have done must have been taken.
 *
 * Return: whether there was one; its loop can be another's then.
 */
bool probed_close_ended(struct probed *probed, uint64_t before_ns, uint32_t *ret_loop)
{
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		struct probed_thread *thread = &probed->threads[i];

		if (!thread->tid || thread->looked_ns >= before_ns ||
		    !thread_has_ended(probed, thread))
			continue;
		finish_callback(probed, thread);
		atomic_store(&slot_of(probed, thread)->turn_start, 0);
		atomic_store(&slot_of(probed, thread)->state, SLOT_LEFT);
		*ret_loop = thread->loop;
		memset(thread, 0, sizeof(*thread));
		return true;
	}
	return false;
}

/* Nothing more will come, or not soon: what is kept is written down. */
void probed_flush(struct probed *probed)
{
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++)
		if (probed->threads[i].tid)
			finish_callback(probed, &probed->threads[i]);
	/* A loop that did not sleep while it was watched, or is kept in a way we do not know. */
	if (probed->has_uvloop && !probed->has_found_uvloop && !probed->has_loops)
		scribe_lost(&probed->scribe, LOSS_LOOP_UNKNOWN);
}
