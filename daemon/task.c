/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task: the asyncio task of a callback, with its names
 *
 * The process tells of a task before what it saw in it, and the last word holds (stall.c). Only
 * when something is judged to be a finding are the names looked up.
 */
#include "task.h"
#include "wire/check.h"

static void awaiter_of(const struct watch *watch, const struct record_awaiter *raw,
		       struct awaiter *ret_awaiter)
{
	struct record_frame at = {
		.file_str = raw->file_str,
		.function_str = raw->coro_str,
		.line = raw->line,
	};
	struct frame frame;

	watch_frame(watch, &at, &frame);
	*ret_awaiter = (struct awaiter){
		.name = watch_string(watch, raw->name_str),
		.coro = frame.function,
		.file = frame.file,
		.line = frame.line,
	};
}

/* Return: for free(); NULL when none is known. */
struct task *task_of_callback(const struct watch *watch, uint32_t slot, uint64_t turn_seq,
			      uint64_t callback_seq)
{
	const struct record_task *record = stall_task(&watch->stalls, slot, turn_seq, callback_seq);
	const struct record_frame *frames;
	struct task *task;
	uint32_t n_frames;

	if (!record)
		return NULL;
	frames = record_frames(&record->head, &n_frames);
	task = task_new(n_frames);
	if (!task)
		return NULL;
	task->name = watch_string(watch, record->name_str);
	task->coro = watch_string(watch, record->coro_str);
	for (uint32_t i = 0; i < n_frames; i++)
		watch_frame(watch, &frames[i], &task->chain[i]);
	task->n_awaiters = MIN(record->n_awaiters, (uint32_t)MODEL_MAX_AWAITERS);
	for (uint32_t i = 0; i < task->n_awaiters; i++)
		awaiter_of(watch, (const struct record_awaiter *)(frames + n_frames) + i,
			   &task->awaiters[i]);
	return task;
}
