/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slices
 *
 * A finding says how often and how long, not when. For a time line each turn, callback and call
 * that was reported, each pitfall and each pause is kept by itself, as far as the room goes: the
 * last SLICES_MAX of all processes. They are taken as they come, before anything is judged, so what
 * was not blamed on anybody is there too. Only who asks for a time line pays for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"
#include "slices.h"
#include "wire/check.h"

void slices_deinit(struct slices *slices)
{
	free(slices->stalls.kept);
	free(slices->pauses.kept);
	*slices = (struct slices){0};
}

/* Return: where the next one goes; NULL without memory. */
static struct slice *ring_next(struct slice_ring *ring)
{
	if (ring->n_added < ring->n_room || ring->n_room == SLICES_MAX)
		return &ring->kept[ring->n_added++ % ring->n_room];
	ring->n_room = ring->n_room ? ring->n_room * 2 : 1024;
	ring->kept = reallocarray(ring->kept, ring->n_room, sizeof(*ring->kept));
	if (!ring->kept) {
		*ring = (struct slice_ring){0};
		return NULL;
	}
	return &ring->kept[ring->n_added++];
}

static uint64_t realtime_of(const struct watch *watch, uint64_t ticks)
{
	struct clock_scale scale = watch_scale(watch);

	return watch_realtime(watch, clock_point_ns(&scale, ticks));
}

static nsec_t span_of(const struct watch *watch, uint64_t ticks)
{
	struct clock_scale scale = watch_scale(watch);

	return clock_span_ns(&scale, ticks);
}

static void place_by_stack(const struct watch *watch, const struct record *record,
			   struct slice *slice)
{
	struct stack *stack = watch_stack(watch, record);
	struct site site;

	site_of_stack(stack, &site);
	slice->place = site.culprit;
	free(stack);
}

static void place_by_callable(const struct watch *watch, uint32_t file_str, uint32_t function_str,
			      int32_t line, struct slice *slice)
{
	struct record_frame raw = {
		.file_str = file_str, .function_str = function_str, .line = line};

	watch_frame(watch, &raw, &slice->place);
}

static void slice_of_call(const struct watch *watch, const struct record_call *call,
			  struct slice *slice)
{
	slice->what = SLICE_CALL;
	slice->name = watch_string(watch, call->call_str);
	slice->at = realtime_of(watch, call->start);
	slice->span_ns = span_of(watch, call->span);
	slice->n = MAX(call->n_calls, 1u);
	place_by_stack(watch, &call->head, slice);
}

static void slice_of_callback(const struct watch *watch, const struct record_callback *callback,
			      struct slice *slice)
{
	slice->what = SLICE_CALLBACK;
	slice->at = realtime_of(watch, callback->start);
	slice->span_ns = span_of(watch, callback->span);
	slice->gil_wait_ns = callback->gil_wait_ns;
	slice->run_queue_ns = callback->run_queue_ns;
	slice->gc_ns = record_gc_ns(&callback->head);
	place_by_callable(watch, callback->file_str, callback->function_str, callback->first_line,
			  slice);
}

static void slice_of_turn(const struct watch *watch, const struct record_turn *turn,
			  struct slice *slice)
{
	slice->what = SLICE_TURN;
	slice->at = realtime_of(watch, turn->start);
	slice->span_ns = span_of(watch, turn->span);
	slice->n = turn->n_callbacks;
	slice->gil_wait_ns = turn->gil_wait_ns;
	slice->run_queue_ns = turn->run_queue_ns;
	slice->gc_ns = record_gc_ns(&turn->head);
}

static void slice_of_pitfall(const struct watch *watch, const struct record_pitfall *pitfall,
			     struct slice *slice)
{
	slice->what = SLICE_PITFALL;
	slice->name = watch_string(watch, pitfall->name_str);
	slice->at = realtime_of(watch, pitfall->head.ticks);
	place_by_stack(watch, &pitfall->head, slice);
}

static void slice_of_pause(const struct watch *watch, const struct record_pause *pause,
			   struct slice *slice)
{
	slice->what = pause->why == RECORD_WHY_GIL ? SLICE_GIL : SLICE_COLLECTION;
	slice->at = realtime_of(watch, pause->start);
	slice->span_ns = span_of(watch, pause->span);
	slice->n = pause->n;
}

static uint32_t slot_of(const struct record *record)
{
	switch (record->type) {
	case RECORD_CALL:
		return ((const struct record_call *)record)->slot;
	case RECORD_CALLBACK:
		return ((const struct record_callback *)record)->slot;
	case RECORD_TURN:
		return ((const struct record_turn *)record)->slot;
	case RECORD_PAUSE:
		return ((const struct record_pause *)record)->slot;
	default:
		return ((const struct record_pitfall *)record)->slot;
	}
}

/* Of a checked record; of one that is none of these nothing is kept. slices: NULL, nobody asked. */
void slices_add(struct slices *slices, const struct watch *watch, const struct record *record)
{
	struct slice *slice;
	uint32_t slot;

	if (!slices || (record->type != RECORD_CALL && record->type != RECORD_CALLBACK &&
			record->type != RECORD_TURN && record->type != RECORD_PITFALL &&
			record->type != RECORD_PAUSE))
		return;
	slice = ring_next(record->type == RECORD_PAUSE ? &slices->pauses : &slices->stalls);
	if (!slice)
		return;
	slot = slot_of(record);
	*slice = (struct slice){
		.pid = watch->pid, .started_at = watch->started_at, .test = watch->test};
	slice->tid = slot < REGION_N_SLOTS ? region_slot(&watch->region, slot)->tid : watch->pid;
	if (record->type == RECORD_CALL)
		slice_of_call(watch, (const struct record_call *)record, slice);
	else if (record->type == RECORD_CALLBACK)
		slice_of_callback(watch, (const struct record_callback *)record, slice);
	else if (record->type == RECORD_TURN)
		slice_of_turn(watch, (const struct record_turn *)record, slice);
	else if (record->type == RECORD_PAUSE)
		slice_of_pause(watch, (const struct record_pause *)record, slice);
	else
		slice_of_pitfall(watch, (const struct record_pitfall *)record, slice);
}

static int slice_compare(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->started_at != y->started_at)
		return x->started_at < y->started_at ? -1 : 1;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (x->span_ns < y->span_ns) - (x->span_ns > y->span_ns);
}

/*
 * The rate of a process's clock becomes better known while it runs, so the moments of two records
 * may overlap by microseconds. One that lies mostly in the one around it is cut at its end; one
 * that lies mostly behind it begins there. They are sorted.
 */
static void slices_nest(struct slice *slices, uint32_t n)
{
	uint64_t ends[4]; /* a turn, a callback, a call or a pause */
	uint32_t depth = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct slice *slice = &slices[i];
		bool is_other = i && (slice[-1].pid != slice->pid || slice[-1].tid != slice->tid ||
				      slice[-1].started_at != slice->started_at);
		uint64_t end = slice->at + slice->span_ns;

		if (is_other)
			depth = 0;
		while (depth && ends[depth - 1] < end) {
			uint64_t around = ends[depth - 1];

			if (around > slice->at && around - slice->at > end - around) {
				end = around;
				break;
			}
			slice->at = MAX(slice->at, around);
			depth--;
		}
		slice->span_ns = end - slice->at;
		if (depth < ARRAY_LEN(ends))
			ends[depth++] = end;
	}
}

static uint32_t ring_length(const struct slice_ring *ring)
{
	return (uint32_t)MIN(ring->n_added, (uint64_t)ring->n_room);
}

static void ring_copy(const struct slice_ring *ring, struct report *report)
{
	uint32_t n = ring_length(ring);
	uint64_t first = ring->n_added - n;

	for (uint32_t i = 0; i < n; i++)
		report->slices[report->n_slices++] = ring->kept[(first + i) % ring->n_room];
	report->n_slices_lost += first;
}

/*
 * Into a report that has none yet, by process, thread and start, what holds others first.
 *
 * Return: 0 or -ENOMEM.
 */
int slices_copy(const struct slices *slices, struct report *report)
{
	report->slices = calloc(ring_length(&slices->stalls) + ring_length(&slices->pauses) + 1,
				sizeof(*report->slices));
	if (!report->slices)
		return -ENOMEM;
	report->n_slices = 0;
	report->n_slices_lost = 0;
	ring_copy(&slices->stalls, report);
	ring_copy(&slices->pauses, report);
	qsort(report->slices, report->n_slices, sizeof(*report->slices), slice_compare);
	slices_nest(report->slices, report->n_slices);
	return 0;
}
