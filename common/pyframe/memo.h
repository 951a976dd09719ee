/* SPDX-License-Identifier: Apache-2.0 */
/* Memo: what an instruction of a code object was called when it was last described */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pyframe/pyframe.h"

/* An instruction, what tells its code object from a later one at the same address, and the names
 * that the caller gave to it. */
struct memo_name {
	struct pyframe_addr addr;
	uint64_t filename_raddr;
	uint64_t function_raddr;
	uint64_t linetable_raddr;
	uint32_t linetable_bytes;
	int32_t first_line;
	bool is_code;  /* it is a code object, and the above is what it says of itself */
	bool is_known; /* and the rest is what was remembered of it */
	int32_t line;
	uint32_t file_id; /* the caller's, as function_id */
	uint32_t function_id;
};

/* One cache line. */
#define MEMO_ENTRY_WORDS 8
struct memo_entry {
	_Atomic uint64_t words[MEMO_ENTRY_WORDS];
};

/* The memory is the caller's, and zeroed by it at first; zeroing it again forgets everything. */
struct memo {
	struct memo_entry *entries;
	uint32_t n_entries; /* a power of two, at least 2 */
};

/* Fills all n_names; frames that are not known must be described, and may be remembered then. */
void memo_recall(const struct memo *memo, const struct pyframe *p, const struct mem *mem,
		 const struct pyframe_addr *frames, uint32_t n_frames, struct memo_name *ret_names);

/* Where the code object can be looked at no longer. */
bool memo_recall_last(const struct memo *memo, struct memo_name *name);

/* Return: false when it was not kept: the code object has changed, or another thread writes. */
bool memo_remember(const struct memo *memo, const struct pyframe *p, const struct mem *mem,
		   const struct memo_name *name);
