/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task: the asyncio task a callback is a step of
 *
 * Looked for when something was slow, by the thread that did it or by the watchdog, without the GIL
 * and without Python: up to 3.13 in the dict where asyncio keeps the running task of each loop,
 * from 3.14 on in the thread's state. Both serve asyncio and uvloop alike, and cost a callback
 * nothing. Objects are read through the kernel even by their own thread: that they are what they
 * should be is known only when they have been read.
 *
 * A task counts when its coroutine is on the stack. One written in Python (asyncio.tasks._PyTask),
 * one put in asyncio's books by hand, and a callback that is no step of a task give none: no name
 * is better than a wrong one.
 */
#include <string.h>

#include "intern.h"
#include "task.h"
#include "wire/ring.h"

/* The task that runs on the loop now; 0: none, or none that can be read. */
static uint64_t task_running(const struct loop *loop)
{
	uint64_t tstate_raddr = atomic_load_explicit(&loop->tstate_raddr, memory_order_acquire);
	uint64_t loop_raddr = atomic_load_explicit(&loop->loop_raddr, memory_order_relaxed);
	uint64_t tasks_raddr = atomic_load_explicit(&loop->tasks_raddr, memory_order_relaxed);
	uint64_t task_raddr = 0;

	if (!tstate_raddr)
		return 0;
	if (watch.tasks.thread_task)
		task_of_thread(&watch.pyframe, &watch.tasks, &watch.remote, tstate_raddr,
			       &task_raddr);
	else if (tasks_raddr)
		task_of_loop(&watch.pyframe, &watch.tasks, &watch.remote, tasks_raddr, loop_raddr,
			     &task_raddr);
	return task_raddr;
}

static uint32_t task_intern_name(uint64_t task_raddr)
{
	char name[TASK_MAX_NAME];
	int length = task_name(&watch.pyframe, &watch.tasks, &watch.remote, task_raddr, name,
			       sizeof(name));

	return length > 0 ? intern(name, (size_t)length) : ARENA_NONE;
}

static uint32_t task_intern_coroutine(uint64_t coro_raddr)
{
	char name[PYFRAME_MAX_NAME];
	int length = pyframe_coroutine_name(&watch.pyframe, &watch.remote, coro_raddr, name,
					    sizeof(name));

	return length > 0 ? intern(name, (size_t)length) : ARENA_NONE;
}

/* Who waits, and the line at which its own coroutine does. */
static bool task_describe_awaiter(uint64_t task_raddr, struct record_awaiter *ret_awaiter)
{
	struct task_chain chain;
	struct pyframe_text text;
	uint64_t coro_raddr;

	if (task_coroutine(&watch.pyframe, &watch.tasks, &watch.remote, task_raddr, &coro_raddr))
		return false;
	task_follow(&watch.pyframe, &watch.remote, coro_raddr, &chain);
	if (!chain.n_links ||
	    pyframe_describe(&watch.pyframe, &watch.remote, &chain.links[0].addr, &text))
		return false;
	*ret_awaiter = (struct record_awaiter){
		.name_str = task_intern_name(task_raddr),
		.coro_str = task_intern_coroutine(coro_raddr),
		.file_str = intern(text.file, text.file_len),
		.line = text.line,
	};
	return true;
}

/* Those that wait for it, then those that wait for these, each once. Return: how many. */
static uint32_t task_find_awaiters(uint64_t task_raddr, uint64_t raddrs[TASK_MAX_AWAITERS])
{
	uint64_t found[TASK_MAX_AWAITERS], of_raddr = task_raddr;
	uint32_t n = 0, n_asked = 0;

	while (of_raddr) {
		int n_found = task_awaiters(&watch.pyframe, &watch.tasks, &watch.remote, of_raddr,
					    found, TASK_MAX_AWAITERS);

		for (int i = 0; i < n_found && n < TASK_MAX_AWAITERS; i++) {
			bool is_new = found[i] != task_raddr;

			for (uint32_t k = 0; k < n; k++)
				is_new &= raddrs[k] != found[i];
			if (is_new)
				raddrs[n++] = found[i];
		}
		of_raddr = n_asked < n ? raddrs[n_asked++] : 0;
	}
	return n;
}

/* What is described may be freed meanwhile, when the loop's thread goes on: they count when the
 * same ones wait afterwards. */
static void task_note_awaiters(uint64_t task_raddr, struct task_note *note)
{
	uint64_t raddrs[TASK_MAX_AWAITERS], again[TASK_MAX_AWAITERS];
	uint32_t n;

	if (!watch.tasks.has_awaiters)
		return;
	n = task_find_awaiters(task_raddr, raddrs);
	for (uint32_t i = 0; i < n; i++)
		note->n_awaiters +=
			task_describe_awaiter(raddrs[i], &note->awaiters[note->n_awaiters]);
	if (n && (task_find_awaiters(task_raddr, again) != n ||
		  memcmp(raddrs, again, n * sizeof(raddrs[0])) != 0))
		note->n_awaiters = 0;
}

/**
 * task_note_take() - Find the task that runs on a loop, and describe it
 *
 * found is the stack of the loop's thread, taken just before; mem is what it was read with.
 */
_hidden_ void task_note_take(const struct loop *loop, const struct mem *mem,
			     const struct pyframe_stack *found, struct task_note *ret_note)
{
	uint64_t tstate_raddr = atomic_load_explicit(&loop->tstate_raddr, memory_order_acquire);
	uint64_t task_raddr, coro_raddr;

	ret_note->is_known = false;
	ret_note->n_awaiters = 0;
	if (!atomic_load_explicit(&watch.is_tasks_ok, memory_order_acquire) || !found->n_frames)
		return;
	task_raddr = task_running(loop);
	if (!task_raddr ||
	    task_coroutine(&watch.pyframe, &watch.tasks, &watch.remote, task_raddr, &coro_raddr) ||
	    task_find_place(&watch.pyframe, mem, tstate_raddr, coro_raddr, found, &ret_note->place))
		return;
	ret_note->name_str = task_intern_name(task_raddr);
	ret_note->coro_str = task_intern_coroutine(coro_raddr);
	task_note_awaiters(task_raddr, ret_note);
	ret_note->has_chain = true;
	ret_note->is_known = task_running(loop) == task_raddr;
}

/* The inner n_gone frames of the stack are not there any more. */
_hidden_ void task_note_cut(struct task_note *note, uint32_t n_gone)
{
	struct task_place *place = &note->place;

	note->has_chain &= place->outer >= n_gone;
	place->outer -= MIN(place->outer, n_gone);
	place->inner -= MIN(place->inner, n_gone);
}

/**
 * task_note_emit() - Write a note down, before the record it belongs to
 *
 * stack is the one it was taken with, with its names; frames at its outer end may be missing.
 */
_hidden_ void task_note_emit(const struct loop *loop, uint64_t turn_seq, uint64_t callback_seq,
			     const struct task_note *note, const struct stack_buf *stack)
{
	bool has_chain = note->has_chain && note->place.outer < stack->stack.n_frames;
	uint32_t n_frames = has_chain ? note->place.outer - note->place.inner + 1 : 0;
	uint32_t size_bytes = (uint32_t)(sizeof(struct record_task) +
					 (n_frames + note->n_awaiters) * sizeof(*stack->frames));
	struct record_task *record;
	struct record_frame *frames;

	if (!note->is_known)
		return;
	record = emit_record(size_bytes, RECORD_TASK, 0);
	if (!record)
		return;
	record->slot = loop->slot_index;
	record->name_str = note->name_str;
	record->turn_seq = turn_seq;
	record->callback_seq = callback_seq;
	record->coro_str = note->coro_str;
	record->n_awaiters = note->n_awaiters;
	record->stack.n_frames = n_frames;
	record->stack.end = !has_chain		     ? PYFRAME_END_UNREADABLE
			    : note->place.inner == 0 ? stack->stack.end
						     : PYFRAME_END_COMPLETE;
	frames = (struct record_frame *)(record + 1);
	for (uint32_t i = 0; i < n_frames; i++)
		frames[i] = stack->frames[note->place.outer - i];
	memcpy(frames + n_frames, note->awaiters, note->n_awaiters * sizeof(note->awaiters[0]));
	ring_commit(&record->head, size_bytes);
}
