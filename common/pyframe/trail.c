/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trail: the memory the frames of a thread lay in, read again in one call
 *
 * A read through the kernel costs much more than what is read, and a chain of frames is a chain of
 * reads, each waiting for the one before. A thread worth sampling stands still, so its frames lie
 * where they lay a moment ago: the second pass over a stack, and the first pass of the next sample,
 * ask for all of that memory at once and follow the chain in the copy. It is nearer to a picture
 * of one moment too. What has moved is read as it is met and is part of the next call.
 *
 * Guarded loads would be cheaper still, and are not to be had: the guard is a handler for SIGSEGV,
 * and a process has one of these for all its threads. There is no way to put one in place that
 * takes nothing from the program: between the two sigaction() calls of a guard another thread may
 * set its own (faulthandler.enable()), which the second call overwrites, or read ours as the one to
 * chain to; the kernel has no compare-and-swap for it. A child made by a raw clone() meanwhile
 * keeps ours for good, and a stack overflow without an alternate stack loses its address in the
 * core, since our frame finds no room where the default action needs none. At 40 guards a second
 * of 1 us, a thread that kept on setting handlers lost 14 a second.
 *
 * Nothing here is believed: a trail only says where to read. Belongs to one sampling thread.
 */
#include <errno.h>
#include <string.h>

#include "pyframe/trail.h"

/*
 * Spans nearer than this to one another are read as one: a range costs 80 ns of the kernel's time
 * however short it is, as much as 2 KB (6.18; a call with one range 230 ns, with 14 1280 ns).
 */
#define TRAIL_MAX_GAP_BYTES 2048

/* Of those asked for, only the first bytes were there. */
static void trail_cut(struct pyframe_trail *trail, size_t n_bytes)
{
	while (trail->n_spans) {
		const struct pyframe_span *last = &trail->spans[trail->n_spans - 1];

		if (last->at + last->n_bytes <= n_bytes)
			return;
		trail->n_bytes = last->at;
		trail->n_spans--;
		trail->is_changed = true;
	}
}

/* The thread's own word, and that of its cframe where there is one and it is known. */
static uint32_t trail_head_bytes(const struct pyframe_trail *trail)
{
	return trail->cframe_raddr ? 16 : 8;
}

/* The bytes of the spans come behind those, and then the head once more. Spans that find no room
 * are read when they are met. */
static void trail_lay_out(struct pyframe_trail *trail)
{
	uint32_t max_bytes = PYFRAME_TRAIL_MAX_BYTES - trail_head_bytes(trail);

	trail->n_bytes = trail_head_bytes(trail);
	for (uint32_t i = 0; i < trail->n_spans; i++) {
		struct pyframe_span *span = &trail->spans[i];

		if (span->n_bytes > max_bytes - trail->n_bytes) {
			trail->n_spans = i;
			return;
		}
		span->at = trail->n_bytes;
		span->used_begin = span->n_bytes;
		span->used_end = 0;
		trail->n_bytes += span->n_bytes;
	}
}

static size_t trail_add_head(const struct pyframe_trail *trail, const struct pyframe_layout *l,
			     struct iovec *ranges)
{
	ranges[0] = (struct iovec){(void *)(uintptr_t)(trail->tstate_raddr + l->thread_frame), 8};
	if (!trail->cframe_raddr)
		return 1;
	ranges[1] = (struct iovec){(void *)(uintptr_t)(trail->cframe_raddr + l->cframe_frame), 8};
	return 2;
}

static int trail_read(struct pyframe_trail *trail, const struct pyframe_layout *l,
		      const struct mem *mem, uint64_t ret_head[static 2])
{
	/* It leaves device memory alone, where a look can be an act; a window does not. */
	const struct mem careful = {mem->kind, mem->pid, NULL};
	struct iovec ranges[MEM_MAX_RANGES];
	uint32_t n_head_bytes = trail_head_bytes(trail), n_bytes = trail->n_bytes;
	size_t n = trail_add_head(trail, l, ranges), n_read;
	int r;

	_Static_assert(PYFRAME_TRAIL_MAX_SPANS + 4 <= MEM_MAX_RANGES, "one call takes all");
	for (uint32_t i = 0; i < trail->n_spans; i++) {
		const struct pyframe_span *span = &trail->spans[i];

		ranges[n++] = (struct iovec){(void *)(uintptr_t)span->raddr, span->n_bytes};
	}
	n += trail_add_head(trail, l, ranges + n);
	r = mem_read_ranges_remote(trail->is_old ? &careful : mem, ranges, n, trail->bytes,
				   &n_read);
	trail->is_old = false;
	if (r < 0)
		return r;
	if (n_read < 8)
		return -EFAULT;
	memcpy(ret_head, trail->bytes, MIN(n_read, n_head_bytes));
	trail->is_moved = n_read < n_bytes + n_head_bytes ||
			  memcmp(trail->bytes, trail->bytes + n_bytes, n_head_bytes) != 0;
	trail_cut(trail, n_read);
	/* The frame of another cframe is of no use. */
	if (n_read < 16 || ret_head[0] != trail->cframe_raddr)
		trail->cframe_raddr = 0;
	return 0;
}

/**
 * trail_set_aside() - Time goes by before the next sample
 *
 * Memory that held frames may be unmapped meanwhile, and a device be mapped there. The first read
 * after this finds that out.
 */
void trail_set_aside(struct pyframe_trail *trail)
{
	trail->is_old = true;
}

/**
 * trail_begin() - Read what is known to be worth reading, and which frame is the innermost
 *
 * Return: 0, or -errno when the thread cannot be read.
 */
int trail_begin(struct pyframe_trail *trail, const struct pyframe_layout *l, const struct mem *mem,
		uint64_t tstate_raddr, uint64_t *ret_frame_raddr)
{
	uint64_t head[2] = {0, 0};
	int r;

	if (trail->tstate_raddr != tstate_raddr) {
		trail->tstate_raddr = tstate_raddr;
		trail->cframe_raddr = 0;
		trail->n_spans = trail->n_codes = 0;
	}
	trail->is_changed = trail->is_extended = false;
	trail->cursor = 0;
	trail_lay_out(trail);
	r = trail_read(trail, l, mem, head);
	if (r < 0)
		return r;
	if (l->has_cframe && head[0] && !trail->cframe_raddr) {
		r = mem_read(mem, head[0] + l->cframe_frame, &head[1], 8);
		if (r < 0)
			return r;
		trail->cframe_raddr = head[0];
	}
	*ret_frame_raddr = l->has_cframe && head[0] ? head[1] : head[0];
	return 0;
}

/* Return: these bytes as they were when they were read, or NULL when they were not. */
const uint8_t *trail_find(struct pyframe_trail *trail, uint64_t raddr, uint32_t n_bytes)
{
	for (uint32_t k = 0, i = trail->cursor; k < trail->n_spans; k++, i++) {
		struct pyframe_span *span;
		uint64_t offset;

		if (i >= trail->n_spans)
			i = 0;
		span = &trail->spans[i];
		offset = raddr - span->raddr;
		if (offset > span->n_bytes || n_bytes > span->n_bytes - offset)
			continue;
		span->used_begin = MIN(span->used_begin, (uint32_t)offset);
		span->used_end = MAX(span->used_end, (uint32_t)offset + n_bytes);
		trail->cursor = i;
		return trail->bytes + span->at + offset;
	}
	return NULL;
}

/* Read more. Return: where it is, or NULL when it cannot be read or finds no room. */
uint8_t *trail_extend(struct pyframe_trail *trail, const struct mem *mem, uint64_t raddr,
		      uint32_t n_bytes)
{
	uint8_t *at = trail->bytes + trail->n_bytes;

	if (trail->n_spans == PYFRAME_TRAIL_MAX_SPANS ||
	    n_bytes > PYFRAME_TRAIL_MAX_BYTES - trail->n_bytes)
		return NULL;
	if (mem_read(mem, raddr, at, n_bytes) < 0)
		return NULL;
	trail->cursor = trail->n_spans;
	trail->spans[trail->n_spans++] = (struct pyframe_span){
		.raddr = raddr,
		.n_bytes = n_bytes,
		.at = trail->n_bytes,
		.used_begin = n_bytes,
	};
	trail->n_bytes += n_bytes;
	trail->is_changed = trail->is_extended = true;
	return at;
}

/* By address: frames that lie near one another need not follow one another in the chain. */
static void trail_sort(struct pyframe_trail *trail)
{
	struct pyframe_span *spans = trail->spans;

	for (uint32_t i = 1; i < trail->n_spans; i++) {
		struct pyframe_span span = spans[i];
		uint32_t k = i;

		for (; k && spans[k - 1].raddr > span.raddr; k--)
			spans[k] = spans[k - 1];
		spans[k] = span;
	}
}

/* Whether next, which is not before span, lies so near that both can be one. */
static bool trail_is_near(const struct pyframe_span *span, const struct pyframe_span *next,
			  uint64_t max_gap_bytes)
{
	return next->raddr <= span->raddr + span->n_bytes + max_gap_bytes;
}

static uint64_t trail_merged_bytes(const struct pyframe_trail *trail, uint64_t max_gap_bytes)
{
	uint64_t n_bytes = 0, end = 0;

	for (uint32_t i = 0; i < trail->n_spans; i++) {
		const struct pyframe_span *span = &trail->spans[i];
		uint64_t span_end = span->raddr + span->n_bytes;

		if (!i || !trail_is_near(span - 1, span, max_gap_bytes))
			n_bytes += span->n_bytes;
		else if (span_end > end)
			n_bytes += span_end - end;
		end = MAX(end, span_end);
	}
	return n_bytes;
}

static void trail_merge(struct pyframe_trail *trail, uint64_t max_gap_bytes)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < trail->n_spans; i++) {
		struct pyframe_span *last = &trail->spans[n ? n - 1 : 0], span = trail->spans[i];

		if (n && trail_is_near(last, &span, max_gap_bytes))
			last->n_bytes = (uint32_t)(MAX(last->raddr + last->n_bytes,
						       span.raddr + span.n_bytes) -
						   last->raddr);
		else
			trail->spans[n++] = span;
	}
	trail->n_spans = n;
}

/* The pass is over: keep of what was read what held frames. */
void trail_end(struct pyframe_trail *trail)
{
	uint64_t max_bytes = PYFRAME_TRAIL_MAX_BYTES - trail_head_bytes(trail), n_bytes = 0;
	uint32_t n = 0, i;

	for (i = 0; i < trail->n_spans && !trail->is_changed; i++)
		trail->is_changed = !trail->spans[i].used_end;
	if (!trail->is_changed)
		return;
	for (i = 0; i < trail->n_spans; i++) {
		struct pyframe_span span = trail->spans[i];

		if (!span.used_end)
			continue;
		span.raddr += span.used_begin;
		span.n_bytes = span.used_end - span.used_begin;
		trail->spans[n++] = span;
		n_bytes += span.n_bytes;
	}
	trail->n_spans = n;
	/* Where not all of them find room, the inner ones should, as they come. */
	if (n_bytes > max_bytes)
		return;
	trail_sort(trail);
	trail_merge(trail, trail_merged_bytes(trail, TRAIL_MAX_GAP_BYTES) <= max_bytes
				   ? TRAIL_MAX_GAP_BYTES
				   : 0);
}

/* Whether the last stack had this code object, this far from its outermost frame. */
bool trail_knows_code(const struct pyframe_trail *trail, uint32_t from_outermost,
		      uint64_t code_raddr)
{
	return from_outermost < trail->n_codes &&
	       trail->codes[trail->n_codes - 1 - from_outermost] == code_raddr;
}

void trail_keep_codes(struct pyframe_trail *trail, const struct pyframe_stack *stack)
{
	for (uint32_t i = 0; i < stack->n_frames; i++)
		trail->codes[i] = stack->frames[i].code_raddr;
	trail->n_codes = stack->n_frames;
}
