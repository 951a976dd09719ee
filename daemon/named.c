/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named: stacks with native frames as a recording keeps them
 *
 * A record has native frames as offsets into modules, and what was seen from outside of a thread
 * that computes is in no record at all. A recording may be read where other files lie at these
 * paths, or none, so the daemon that names a stack while the process is there puts it on the tape
 * as it is then. It comes before the record that it belongs to: of a call it is kept by slot and
 * start, else it goes where a stack would that has just been seen (trace.c).
 *
 * A stack without frames says that the two halves did not fit each other.
 *
 * named_read() is the door: a recording may be anything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "named.h"
#include "watch.h"

/* Python frames and native ones. */
#define NAMED_MAX_FRAMES (4 * RECORD_MAX_FRAMES)

void named_deinit(struct named_table *table)
{
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++)
		free(table->calls[i].stack);
	memset(table, 0, sizeof(*table));
}

static uint16_t text_bytes(const char *text)
{
	return (uint16_t)MIN(text ? strlen(text) : 0, (size_t)UINT16_MAX);
}

static void frame_write(FILE *out, const struct frame *frame)
{
	struct named_frame head = {
		.kind = frame->kind == FRAME_PYTHON ? NAMED_PYTHON : NAMED_NATIVE,
		.line = frame->line,
		.file_bytes = text_bytes(frame->file),
		.function_bytes = text_bytes(frame->function),
		.module_bytes = text_bytes(frame->module),
	};

	fwrite(&head, sizeof(head), 1, out);
	fwrite(frame->file ? frame->file : "", 1, head.file_bytes, out);
	fwrite(frame->function ? frame->function : "", 1, head.function_bytes, out);
	fwrite(frame->module ? frame->module : "", 1, head.module_bytes, out);
}

/* The payload of a CHUNK_STACK; its n_frames is that of the stack. Return: 0 or -EIO. */
int named_write(FILE *out, const struct named_stack *head, const struct stack *stack)
{
	struct named_stack whole = *head;

	whole.n_frames = MIN(stack->n_frames, (uint32_t)NAMED_MAX_FRAMES);
	fwrite(&whole, sizeof(whole), 1, out);
	for (uint32_t i = 0; i < whole.n_frames; i++)
		frame_write(out, &stack->frames[i]);
	return ferror(out) ? -EIO : 0;
}

struct bytes {
	const unsigned char *at;
	size_t left;
};

static int bytes_take(struct bytes *bytes, void *ret_value, size_t n)
{
	if (n > bytes->left)
		return -EBADMSG;
	memcpy(ret_value, bytes->at, n);
	bytes->at += n;
	bytes->left -= n;
	return 0;
}

/* A text of the pool; NULL for an empty one. */
static int text_take(struct bytes *bytes, const struct watch *watch, uint16_t n, const char **ret)
{
	if (n > bytes->left)
		return -EBADMSG;
	*ret = n ? pool_keep(names_pool(watch->names), (const char *)bytes->at, n) : NULL;
	bytes->at += n;
	bytes->left -= n;
	return 0;
}

/* Whose module a Python frame is of, and whether it is the user's own, is found out here. */
static int frame_take(struct bytes *bytes, const struct watch *watch, struct frame *ret_frame)
{
	struct frame frame = {.kind = FRAME_NATIVE};
	struct named_frame head;

	if (bytes_take(bytes, &head, sizeof(head)) ||
	    text_take(bytes, watch, head.file_bytes, &frame.file) ||
	    text_take(bytes, watch, head.function_bytes, &frame.function) ||
	    text_take(bytes, watch, head.module_bytes, &frame.module))
		return -EBADMSG;
	frame.line = head.line;
	*ret_frame = frame;
	if (head.kind == NAMED_PYTHON)
		watch_frame_named(watch, frame.file ? frame.file : "",
				  frame.function ? frame.function : "", head.line, ret_frame);
	return 0;
}

static int stack_take(struct bytes *bytes, const struct watch *watch, uint32_t n_frames,
		      struct stack **ret_stack)
{
	struct stack *stack = calloc(1, sizeof(*stack) + n_frames * sizeof(stack->frames[0]));
	int r = stack ? 0 : -ENOMEM;

	for (uint32_t i = 0; !r && i < n_frames; i++)
		r = frame_take(bytes, watch, &stack->frames[i]);
	if (r) {
		free(stack);
		return r;
	}
	stack->count = 1;
	stack->n_frames = n_frames;
	*ret_stack = stack;
	return 0;
}

/* A chunk of a recording. Return: 0, -EBADMSG for one that makes no sense, or -ENOMEM. */
int named_read(struct watch *watch, const unsigned char *bytes, size_t n_bytes)
{
	struct bytes rest = {bytes, n_bytes};
	struct named_stack head;
	struct stack *stack;
	int r = bytes_take(&rest, &head, sizeof(head));

	if (r || head.slot >= REGION_N_SLOTS || head.n_frames > NAMED_MAX_FRAMES)
		return -EBADMSG;
	r = stack_take(&rest, watch, head.n_frames, &stack);
	if (r)
		return r;
	watch->lost.n[LOST_STACK_UNMERGED] += !stack->n_frames;
	if (watch->tape)
		tape_add_stack(watch->tape, &head, stack);
	if (head.is_call) {
		struct named_call *call = &watch->named.calls[head.slot];

		free(call->stack);
		*call = (struct named_call){head.ticks, stack};
	} else if (!stack->n_frames) {
		free(stack);
	} else {
		trace_keep(&watch->trace, head.slot, head.ticks, stack);
	}
	return 0;
}

/* That of the call which began at start; the caller's to free. NULL: there is none. */
struct stack *named_take(struct named_table *table, uint32_t slot, uint64_t start)
{
	struct named_call *call = &table->calls[slot];

	return call->stack && call->start == start ? TAKE(call->stack) : NULL;
}
