/* SPDX-License-Identifier: Apache-2.0 */
/* Where the locals of asyncio's _run_once() are, for who reads turns from outside */
#pragma once

#include "interpreter.h"
#include "loops-api.bpf.h"

void process_layout(const struct interpreter *interpreter, struct loops_process *process);
void process_locals(const struct interpreter *interpreter, uint64_t run_once_raddr,
		    struct loops_process *process);
