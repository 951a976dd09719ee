/* SPDX-License-Identifier: Apache-2.0 */
/* CFI: how the frame at an instruction is left, from the unwind tables of its module (x86-64) */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pyframe/mem.h"

/* DWARF register numbers of x86-64 (System V ABI, figure 3.36). */
enum {
	CFI_RBX = 3,
	CFI_RBP = 6,
	CFI_RSP = 7,
	CFI_R12 = 12,
	CFI_R15 = 15,
	CFI_RIP = 16,
	CFI_N_REGS = 17,
};

enum cfi_how {
	CFI_SAME = 0,	   /* holds what it held in the caller */
	CFI_UNDEFINED,	   /* lost; of the instruction pointer: there is no caller */
	CFI_AT_OFFSET,	   /* saved at CFA + value */
	CFI_IS_OFFSET,	   /* is CFA + value */
	CFI_IN_REGISTER,   /* register `value` holds it */
	CFI_AT_EXPRESSION, /* saved where the expression at address `value` says */
	CFI_IS_EXPRESSION, /* is what the expression says */
	CFI_REGISTER_PLUS, /* of the CFA: register + value */
};

struct cfi_rule {
	uint8_t how;
	uint8_t reg;
	uint64_t value; /* an offset sign-extended, a register, or an address */
};

struct cfi_rules {
	struct cfi_rule cfa; /* CFI_REGISTER_PLUS or CFI_IS_EXPRESSION */
	struct cfi_rule regs[CFI_N_REGS];
};

/* Where in memory a description lies: a length word and what it counts. */
struct cfi_entry {
	uint64_t raddr;
	uint32_t n_bytes; /* with the length */
};

struct cfi_row {
	struct cfi_entry fde, cie;
	uint64_t begin; /* of the function */
	bool is_signal_frame;
	struct cfi_rules rules;
};

/*
 * header_raddr: the module's .eh_frame_hdr, with its search table. 0, -ENOENT: no description of
 * this instruction; -EINVAL: one that is not understood; -EFAULT: it cannot be read.
 */
int cfi_find(const struct mem *mem, uint64_t header_raddr, uint64_t rip, struct cfi_row *ret_row);

/* What an expression says; words are read through load(), which knows what may be read. */
int cfi_evaluate(const struct mem *mem, uint64_t expression_raddr, const uint64_t *regs,
		 const uint64_t *initial, int (*load)(void *at, uint64_t raddr, uint64_t *ret_word),
		 void *load_at, uint64_t *ret_value);
