/* SPDX-License-Identifier: Apache-2.0 */
/* Interpreter: the CPython in a process, found from outside */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pyframe/mem.h"
#include "pyframe/pyframe.h"

struct interpreter {
	struct mem mem;
	struct pyframe pyframe;
	uint64_t runtime_end_raddr;
	uint32_t version_hex; /* PY_VERSION_HEX; before 3.11 of major and minor only */
};

enum interpreter_result {
	_INTERPRETER_E_OK = 0,
	INTERPRETER_E_NONE,   /* nothing in it is a CPython */
	INTERPRETER_E_LAYOUT, /* one whose frames we cannot read */
};

bool interpreter_has_uvloop(int32_t pid);
int interpreter_find(int32_t pid, struct interpreter *ret_interpreter);
