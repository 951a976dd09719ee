/* SPDX-License-Identifier: Apache-2.0 */
/* Scribe: writes into a region what probes have seen of a process, as its own shim would */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "interpreter.h"
#include "pyframe/memo.h"
#include "wire/options.h"
#include "wire/record.h"
#include "wire/region.h"

#define SCRIBE_N_WORDS 4096
#define SCRIBE_N_MEMOS 2048

struct scribe_word {
	uint64_t hash;
	uint32_t offset;
};

struct scribe {
	struct region region;
	struct interpreter interpreter;
	uint64_t run_once_raddr; /* code object of asyncio's BaseEventLoop._run_once; 0: not met */
	struct memo memo;
	struct memo_entry memo_entries[SCRIBE_N_MEMOS];
	struct scribe_word words[SCRIBE_N_WORDS];
};

/* A frame as it was seen: its code object, and its instruction as the frame has it. */
struct scribe_frame {
	uint64_t code_raddr;
	uint64_t instr;
};

struct scribe_stack {
	struct record_stack stack;
	struct record_frame frames[RECORD_MAX_FRAMES];
};

int scribe_region(const struct interpreter *interpreter, const struct options *limits,
		  int *ret_region_fd);
void scribe_init(struct scribe *scribe, const struct interpreter *interpreter,
		 const struct region *region);
void scribe_describe(struct scribe *scribe);
uint32_t scribe_string(struct scribe *scribe, const char *text, size_t length);
void scribe_addrs(struct scribe *scribe, const struct pyframe_addr *addrs, uint32_t n_addrs,
		  struct scribe_stack *ret_stack);
void scribe_stack(struct scribe *scribe, const struct scribe_frame *frames, uint32_t n_frames,
		  enum pyframe_end end, struct scribe_stack *ret_stack);
void scribe_stack_loss(struct scribe *scribe, const struct scribe_stack *stack);
void scribe_lost(struct scribe *scribe, enum loss loss);
void scribe_write_native(struct scribe *scribe, const struct record_native *record,
			 const struct record_native_frame *frames);
void scribe_write(struct scribe *scribe, const struct record *record, uint32_t fixed_bytes,
		  const struct scribe_stack *stack);
