/* SPDX-License-Identifier: Apache-2.0 */
/* Uvloop: a loop of uvloop, found on the stack of its thread */
#pragma once

#include <stdint.h>

#include "interpreter.h"
#include "loops-api.bpf.h"

int uvloop_find(const struct interpreter *interpreter, uint64_t thread_raddr, uint64_t sp_raddr,
		struct loops_uvloop *ret_uvloop);
