/* SPDX-License-Identifier: Apache-2.0 */
/* Unwind: the native frames of the calling thread, from the inside out (x86-64) */
#pragma once

#include "unwind/cfi.h"
#include "pyframe/pyframe.h"

/* A module that holds instructions of this stack. */
struct unwind_module {
	uint64_t begin;
	uint64_t end;
	uint64_t load_raddr;
	uint64_t header_raddr; /* .eh_frame_hdr; 0: it has none */
	uint64_t tables_begin; /* the piece of it that is there and holds the tables */
	uint64_t tables_end;
	const char *name;  /* the loader's: "" for the program itself */
	uint32_t name_str; /* for the caller's use; 0 at first */
};

/* Nearly every stack has fewer; what comes after shares the last place. */
#define UNWIND_MAX_MODULES 8
/* Functions whose tables were compared already, and entries they have in common. */
#define UNWIND_MAX_CHECKED 8

/* Registers a caller expects to find as they were, and the instruction pointer. */
#define UNWIND_N_SAVED 7

/* The usual rules of one instruction, and what they were made of. */
struct unwind_rules {
	uint64_t key; /* the instruction, and whether it is a return address */
	uint64_t fde_raddr;
	uint64_t cie_raddr;
	uint64_t hash; /* of the bytes of both */
	uint32_t fde_bytes;
	uint32_t cie_bytes;
	int32_t cfa_offset;
	uint8_t cfa_reg;
	uint8_t kind;
	int16_t saved[UNWIND_N_SAVED]; /* words from the CFA */
	int16_t reserved[2];
};

struct unwind {
	struct mem mem;
	uint64_t regs[CFI_N_REGS]; /* rip and rsp are those of the frame it stands at */
	bool is_exact;		   /* rip is not a return address */
	bool is_known;		   /* step holds the rules for rip */
	bool is_after_call;	   /* rip, which is new */
	uint64_t stack_begin;	   /* may be read by plain loads; empty: ask the kernel */
	uint64_t stack_end;
	uint64_t window_raddr;
	uint32_t window_bytes;
	uint32_t n_modules;
	uint32_t n_checked;
	struct unwind_module *module; /* of the frame it stands at; NULL: none */
	struct unwind_module modules[UNWIND_MAX_MODULES];
	uint64_t checked[UNWIND_MAX_CHECKED];
	struct unwind_rules step;
	uint64_t window[16];
};

/* Registers as they are where this stands. */
#define unwind_capture(regs)                                                                    \
	__asm__ volatile("movq %%rbx, 24(%0)\n\tmovq %%rbp, 48(%0)\n\tmovq %%rsp, 56(%0)\n\t"   \
			 "movq %%r12, 96(%0)\n\tmovq %%r13, 104(%0)\n\tmovq %%r14, 112(%0)\n\t" \
			 "movq %%r15, 120(%0)\n\tleaq 0(%%rip), %%rax\n\tmovq %%rax, 128(%0)"   \
			 :                                                                      \
			 : "r"(regs)                                                            \
			 : "rax", "memory")

void unwind_init(void);
bool unwind_is_available(void);

/* regs[] is filled by the caller with unwind_capture(), in a function that does not return
 * meanwhile. Return: false when it stands in no module. */
bool unwind_begin(struct unwind *u);

/* Go to the caller. Return: true, or false and why there is none that is known. */
bool unwind_step(struct unwind *u, enum pyframe_end *ret_end);

/* In a fork child, and in tests. */
void unwind_forget(void);
