/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stalls of one process
 *
 * The watchdog's samples arrive before the record that ends the stall and have to wait for it:
 * only then is it known whether there was one at all. They are kept as they came, and their names
 * are looked up when they are used. A sample is forgotten when its turn is over; beyond
 * STALL_MAX_SAMPLES the oldest goes and is counted. Of the tasks the last of each slot is kept: a
 * thread runs one at a time. One whose stack changed while it was read does not take the place of
 * a whole one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pyframe/pyframe.h"
#include "stall.h"

void stall_deinit(struct stall_table *table)
{
	for (uint32_t i = 0; i < table->n_samples; i++)
		free(table->samples[i]);
	for (uint32_t i = 0; i < REGION_N_SLOTS; i++)
		free(table->tasks[i]);
	memset(table, 0, sizeof(*table));
}

static void stall_remove(struct stall_table *table, uint32_t i)
{
	free(table->samples[i]);
	table->n_samples--;
	memmove(&table->samples[i], &table->samples[i + 1],
		(table->n_samples - i) * sizeof(table->samples[0]));
}

/* Keep a copy of a checked sample. Return: 0 or -ENOMEM. */
int stall_add(struct stall_table *table, const struct record_sample *sample)
{
	struct record_sample *copy = malloc(sample->head.size);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, sample, sample->head.size);
	if (table->n_samples == STALL_MAX_SAMPLES) {
		stall_remove(table, 0);
		table->n_dropped++;
	}
	table->samples[table->n_samples++] = copy;
	return 0;
}

static bool stall_matches(const struct record_sample *sample, const struct stall_query *query)
{
	return sample->slot == query->slot && sample->turn_seq == query->turn_seq &&
	       (!query->is_one_callback || sample->callback_seq == query->callback_seq) &&
	       sample->head.ticks >= query->from && sample->head.ticks <= query->to;
}

/*
 * The samples that were taken of something. Those taken before its limit are given only when there
 * are no others: with a stall that just reached the limit they are all there is.
 *
 * Return: how many; they stay the table's.
 */
uint32_t stall_find(const struct stall_table *table, const struct stall_query *query,
		    const struct record_sample *ret_samples[STALL_MAX_SAMPLES])
{
	for (unsigned int is_early = 0; is_early <= 1; is_early++) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < table->n_samples; i++) {
			const struct record_sample *sample = table->samples[i];

			if (!(sample->head.flags & RECORD_FLAG_EARLY) == !is_early &&
			    stall_matches(sample, query))
				ret_samples[n++] = sample;
		}
		if (n)
			return n;
	}
	return 0;
}

/* The latest sample past the limit of a slot's turn; NULL for none. */
const struct record_sample *stall_last(const struct stall_table *table, uint32_t slot,
				       uint64_t turn_seq)
{
	for (uint32_t i = table->n_samples; i-- > 0;) {
		const struct record_sample *sample = table->samples[i];

		if (sample->slot == slot && sample->turn_seq == turn_seq &&
		    !(sample->head.flags & RECORD_FLAG_EARLY))
			return sample;
	}
	return NULL;
}

/* Whether a record tells less than the last one of the same callback: its chain is cut. */
static bool task_is_less(const struct record_task *task, const struct record_task *last)
{
	return last && task->turn_seq == last->turn_seq &&
	       task->callback_seq == last->callback_seq && task->name_str == last->name_str &&
	       task->stack.end != PYFRAME_END_COMPLETE && last->stack.end == PYFRAME_END_COMPLETE;
}

/* Keep a copy of a checked record in the place of the last one. Return: 0 or -ENOMEM. */
int stall_add_task(struct stall_table *table, const struct record_task *task)
{
	struct record_task *copy;

	if (task_is_less(task, table->tasks[task->slot]))
		return 0;
	copy = malloc(task->head.size);
	free(table->tasks[task->slot]);
	table->tasks[task->slot] = copy;
	if (!copy)
		return -ENOMEM;
	memcpy(copy, task, task->head.size);
	return 0;
}

/* The task that a callback is a step of; NULL when none was told. */
const struct record_task *stall_task(const struct stall_table *table, uint32_t slot,
				     uint64_t turn_seq, uint64_t callback_seq)
{
	const struct record_task *task = table->tasks[slot];

	return task && task->turn_seq == turn_seq && task->callback_seq == callback_seq ? task
											: NULL;
}

/* A call has been reported with its own stack: samples of it, or of a sleep that it is made of,
 * must not count for its callback. */
void stall_forget_call(struct stall_table *table, const struct record_call *call)
{
	for (uint32_t i = table->n_samples; i-- > 0;) {
		const struct record_sample *sample = table->samples[i];

		if (sample->what == RECORD_WHAT_CALL && sample->slot == call->slot &&
		    sample->turn_seq == call->turn_seq &&
		    sample->callback_seq == call->callback_seq &&
		    (sample->start - call->start <= call->span ||
		     (call->head.flags & RECORD_FLAG_SUMMED)))
			stall_remove(table, i);
	}
}

/* Turns before turn_seq are over on this slot. */
void stall_forget_before(struct stall_table *table, uint32_t slot, uint64_t turn_seq)
{
	for (uint32_t i = table->n_samples; i-- > 0;)
		if (table->samples[i]->slot == slot && table->samples[i]->turn_seq < turn_seq)
			stall_remove(table, i);
}
