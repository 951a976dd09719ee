/* SPDX-License-Identifier: Apache-2.0 */
/* Still: a thread of a watched process as it stood at one moment */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "maps.h"
#include "pyframe/pyframe.h"

#define STILL_MAX_FRAMES 128
#define STILL_N_REGS	 17

enum still_result {
	_STILL_E_OK = 0,
	STILL_E_REFUSED, /* it may not be traced, or another tracer is there */
	STILL_E_GONE,	 /* the thread or the process is no more */
	STILL_E_WAITS,	 /* it is not computing */
	STILL_E_SLOW,	 /* it could not be copied in the time that is allowed */
};

/* Which thread, and how its Python frames are read. Ids are as we see them. */
struct still_target {
	int32_t pid, tid;
	uint32_t clock_kind; /* enum clock_kind */
	uint64_t tstate_raddr;
	struct pyframe pyframe;
};

struct still_frame {
	const char *module; /* path; NULL: in none. Lives as long as the still. */
	uint64_t offset;    /* from the load base, of the instruction behind the call */
};

struct still {
	int32_t pid;
	uint64_t ticks;	   /* of the process's clock, while it stood */
	nsec_t stopped_ns; /* how long it stood, at most */
	struct maps maps;
	uint64_t regs[STILL_N_REGS]; /* by DWARF number */
	uint64_t stack_raddr;
	uint32_t stack_bytes;
	unsigned char *stack;
	struct pyframe_stack python;
	struct pyframe_text names[PYFRAME_MAX_FRAMES];
	/* by still_walk(), of who has no use for it at once */
	struct still_frame frames[STILL_MAX_FRAMES];
	uint32_t n_frames;
	enum pyframe_end frames_end;
};

int still_take(const struct still_target *target, struct still **ret_still);
int still_take_waiting(const struct still_target *target, const uint64_t regs[STILL_N_REGS],
		       struct still **ret_still);
int still_take_anyhow(const struct still_target *target, struct still **ret_still);
struct still *still_free(struct still *still);
void still_freep(struct still **still);
uint32_t still_walk(const struct still *still, struct still_frame frames[STILL_MAX_FRAMES],
		    enum pyframe_end *ret_end);
