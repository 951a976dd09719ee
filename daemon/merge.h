/* SPDX-License-Identifier: Apache-2.0 */
/* Merge: one stack made of the Python frames and the native frames of the same moment */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model.h"
#include "symbol.h"

struct merge {
	const struct stack *python;
	/* bit i: a native frame of the evaluation loop runs Python frame i and those inside of it
	 * up to the next bit */
	const uint64_t *entries;
	const struct symbol *natives; /* innermost first, as are the Python frames */
	uint32_t n_natives;
	bool is_python_cut; /* outer Python frames are missing, for want of room */
	bool is_native_cut; /* likewise */
	const char *call;   /* the hooked call that the native frames end in; NULL: in none */
	const char *libc;   /* the module that call is shown in */
};

enum merge_result {
	_MERGE_E_OK = 0,
	MERGE_E_COUNT, /* the two do not tell of the same stack */
};

int merge_stacks(const struct merge *merge, struct stack **ret_stack);
