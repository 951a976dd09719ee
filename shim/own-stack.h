/* SPDX-License-Identifier: Apache-2.0 */
/* Own stack: how far the stack of the calling thread may be read by plain loads */
#pragma once

#include <stdint.h>

#include "pyframe/mem.h"

/* In the constructor, which the program's first thread runs. */
void own_stack_init(void);

/* The end of the calling thread's own stack, readable from rsp up to there. 0: rsp is not on it, or
 * it cannot be told. mem: MEM_REMOTE on the own process. */
uint64_t own_stack_end(const struct mem *mem, uint64_t rsp);
