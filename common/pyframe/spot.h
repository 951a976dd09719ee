/* SPDX-License-Identifier: Apache-2.0 */
/* Spot: the frames of the calling thread at one moment, by which it is known to be there again */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pyframe/pyframe.h"

/* A deeper chain is not kept. */
#define SPOT_MAX_LINKS 64

struct spot_link {
	uint64_t frame_raddr;
	uint64_t executable; /* with its tag */
	uint64_t instr;	     /* pointer or number, as the frame has it */
};

struct spot {
	uint32_t n_links; /* 0: none is kept, and nothing is like it */
	struct spot_link links[SPOT_MAX_LINKS];
};

/* tstate_raddr of all: the calling thread's own state, alive. */
uint64_t spot_head(const struct pyframe *p, uint64_t tstate_raddr);
void spot_take(const struct pyframe *p, uint64_t tstate_raddr, struct spot *ret_spot);
bool spot_is_same(const struct pyframe *p, uint64_t tstate_raddr, const struct spot *spot);
