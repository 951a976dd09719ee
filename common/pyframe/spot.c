/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spot: whether the calling thread stands where it stood before
 *
 * A call in a loop is made again and again from the same frames. To walk them takes five times as
 * long as to see that each of them is where it was, with the same code at the same instruction: the
 * addresses are known then, so no load waits for the one before. What differs in any frame, the
 * outermost too, makes it another spot; what is alike in all of them is the same stack, since a
 * stack is made of nothing else (walk.c).
 *
 * Read by plain loads. Each address was just read from a frame that is alive (or from the thread's
 * state), so what it leads to is alive as well, whatever was kept.
 */
#include <string.h>

#include "pyframe/spot.h"

static uint64_t word_at(uint64_t raddr, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, (const char *)(uintptr_t)raddr + offset, sizeof(word));
	return word;
}

static uint64_t first_frame(const struct pyframe_layout *l, uint64_t tstate_raddr)
{
	uint64_t raddr = word_at(tstate_raddr, l->thread_frame);

	return l->has_cframe && raddr ? word_at(raddr, l->cframe_frame) : raddr;
}

/* Up to 3.10 a number of 4 bytes, before the line that a tracer was told of. */
static uint64_t instr_of(const struct pyframe_layout *l, uint64_t frame_raddr)
{
	uint64_t word = word_at(frame_raddr, l->frame_instr);

	return l->lasti_unit ? (uint32_t)word : word;
}

/* Of the innermost frame alone: where to look for a spot that may be the same. */
uint64_t spot_head(const struct pyframe *p, uint64_t tstate_raddr)
{
	uint64_t raddr = first_frame(&p->layout, tstate_raddr);

	return raddr ? raddr ^ instr_of(&p->layout, raddr) : 0;
}

void spot_take(const struct pyframe *p, uint64_t tstate_raddr, struct spot *ret_spot)
{
	const struct pyframe_layout *l = &p->layout;
	uint64_t raddr = first_frame(l, tstate_raddr);
	uint32_t n = 0;

	for (; raddr && n < SPOT_MAX_LINKS; n++) {
		ret_spot->links[n] = (struct spot_link){
			.frame_raddr = raddr,
			.executable = word_at(raddr, l->frame_executable),
			.instr = instr_of(l, raddr),
		};
		raddr = word_at(raddr, l->frame_previous);
	}
	ret_spot->n_links = raddr ? 0 : n;
}

bool spot_is_same(const struct pyframe *p, uint64_t tstate_raddr, const struct spot *spot)
{
	const struct pyframe_layout *l = &p->layout;
	uint64_t raddr = first_frame(l, tstate_raddr);

	for (uint32_t i = 0; i < spot->n_links; i++) {
		const struct spot_link *link = &spot->links[i];

		if (raddr != link->frame_raddr ||
		    word_at(link->frame_raddr, l->frame_executable) != link->executable ||
		    instr_of(l, link->frame_raddr) != link->instr)
			return false;
		raddr = word_at(link->frame_raddr, l->frame_previous);
	}
	return spot->n_links && !raddr;
}
