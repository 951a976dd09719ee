/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door for records and strings
 *
 * Both come from memory that the watched process can write at any moment, or from a file somebody
 * found. record_check() is given a private copy of a record and says whether every count in it
 * fits; arena_string() copies a string out and never reads past the arena.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "wire/check.h"

static uint32_t record_fixed_bytes(unsigned int type)
{
	switch (type) {
	case RECORD_CALL:
		return sizeof(struct record_call);
	case RECORD_CALLBACK:
		return sizeof(struct record_callback);
	case RECORD_TURN:
		return sizeof(struct record_turn);
	case RECORD_SAMPLE:
		return sizeof(struct record_sample);
	case RECORD_PITFALL:
		return sizeof(struct record_pitfall);
	case RECORD_TASK:
		return sizeof(struct record_task);
	case RECORD_NATIVE:
		return sizeof(struct record_native);
	case RECORD_TEST:
		return sizeof(struct record_test);
	case RECORD_PAUSE:
		return sizeof(struct record_pause);
	default:
		return 0;
	}
}

static const struct record_stack *record_stack_of(const struct record *record)
{
	switch (record->type) {
	case RECORD_CALL:
		return &((const struct record_call *)record)->stack;
	case RECORD_SAMPLE:
		return &((const struct record_sample *)record)->stack;
	case RECORD_PITFALL:
		return &((const struct record_pitfall *)record)->stack;
	case RECORD_TASK:
		return &((const struct record_task *)record)->stack;
	case RECORD_NATIVE:
		return &((const struct record_native *)record)->stack;
	default:
		return NULL;
	}
}

/* What stands behind the frames of the stack, of the size of a frame each. */
static uint32_t record_n_more(const struct record *record)
{
	switch (record->type) {
	case RECORD_TASK:
		return ((const struct record_task *)record)->n_awaiters;
	case RECORD_PITFALL:
		return ((const struct record_pitfall *)record)->n_origin;
	default:
		return 0;
	}
}

static bool is_of_version_2(const struct record *record)
{
	return record->size == RECORD_BYTES_2 &&
	       (record->type == RECORD_CALLBACK || record->type == RECORD_TURN);
}

/* Return: 0 when the record is whole, else -EBADMSG. record is a private copy. */
int record_check(const struct record *record, uint32_t size_bytes)
{
	const struct record_stack *stack;
	uint32_t fixed_bytes, n_more;

	if (size_bytes < sizeof(*record) || record->size != size_bytes)
		return -EBADMSG;
	if (is_of_version_2(record))
		return 0;
	fixed_bytes = record_fixed_bytes(record->type);
	if (!fixed_bytes || size_bytes < fixed_bytes)
		return -EBADMSG;
	stack = record_stack_of(record);
	if (!stack)
		return size_bytes == fixed_bytes ? 0 : -EBADMSG;
	n_more = record_n_more(record);
	if (stack->n_frames > RECORD_MAX_FRAMES || n_more > RECORD_MAX_FRAMES ||
	    size_bytes != fixed_bytes + (stack->n_frames + n_more) * sizeof(struct record_frame))
		return -EBADMSG;
	return 0;
}

/*
 * The frames of a checked record, innermost first (of a task: outermost first); NULL and 0 for a
 * record that has none. Not for RECORD_NATIVE, whose frames are of another kind.
 */
const struct record_frame *record_frames(const struct record *record, uint32_t *ret_n_frames)
{
	const struct record_stack *stack = record_stack_of(record);

	*ret_n_frames = 0;
	if (!stack || record->type == RECORD_NATIVE)
		return NULL;
	*ret_n_frames = stack->n_frames;
	return (const struct record_frame *)((const char *)record +
					     record_fixed_bytes(record->type));
}

/* Of a checked callback or turn: the time it collected garbage, or -1. */
int64_t record_gc_ns(const struct record *record)
{
	if (is_of_version_2(record))
		return -1;
	return record->type == RECORD_TURN ? ((const struct record_turn *)record)->gc_ns
					   : ((const struct record_callback *)record)->gc_ns;
}

/* Of a checked pitfall: the frames behind those of record_frames(), where it was made. */
const struct record_frame *record_origin(const struct record_pitfall *pitfall)
{
	return (const struct record_frame *)(pitfall + 1) + pitfall->stack.n_frames;
}

/*
 * Copy the string at offset into buf, always ending it with NUL. It may hold NULs itself (a
 * command line), and bytes that are no UTF-8.
 *
 * Return: its length without the NUL; 0 for no string and for an offset that is none.
 */
size_t arena_string(const struct arena *arena, uint32_t arena_bytes, uint32_t offset, char *buf,
		    size_t buf_bytes)
{
	const unsigned char *base = (const unsigned char *)arena;
	uint16_t length;

	buf[0] = '\0';
	if (offset < sizeof(*arena) || offset % 4 || offset > arena_bytes - sizeof(length))
		return 0;
	memcpy(&length, base + offset, sizeof(length));
	if (length > arena_bytes - offset - sizeof(length))
		return 0;
	if (length >= buf_bytes)
		length = (uint16_t)(buf_bytes - 1);
	memcpy(buf, base + offset + sizeof(length), length);
	buf[length] = '\0';
	return length;
}
