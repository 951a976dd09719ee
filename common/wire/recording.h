/* SPDX-License-Identifier: Apache-2.0 */
/* The recording file (.lhr): what a region held, written piece by piece by its own process */
#pragma once

#include <assert.h>
#include <stdint.h>

/*
 * A file header, then chunks. Each chunk is its header and size_bytes of payload, padded to 8.
 * A chunk cut short by a crash ends the file; all before it is good. Where a chunk is due another
 * file header may stand: the recording of another process begins. So recordings can be joined by
 * putting one behind the other.
 */
#define RECORDING_MAGIC UINT64_C(0x434552504f4f4c00)

struct recording_header {
	uint64_t magic;
	uint32_t version; /* WIRE_VERSION */
	uint32_t reserved;
};

enum chunk_kind {
	CHUNK_HEADER = 1,  /* struct region_header as it was; the last one counts */
	CHUNK_ARENA = 2,   /* arena bytes; position = offset in the arena, header included */
	CHUNK_RECORDS = 3, /* whole records, one after the other, no pads */
	CHUNK_SLOT = 4,	   /* struct slot; position = its index; the last one of an index counts */
	CHUNK_END = 5,	   /* the process ended, or joined a daemon; nothing of it follows */
	CHUNK_LAST = 6,	   /* it was seen last at position, in ns of CLOCK_MONOTONIC; likewise */
	CHUNK_FOLDER = 7,  /* the folder it ran in, which relative file names begin at */
	CHUNK_STACK = 8,   /* struct named_stack and its frames, before the record it is of */
};

/* A stack with native frames, as the daemon named it that was there. */
struct named_stack {
	uint32_t slot;
	uint32_t is_call; /* else of a callback that computes */
	uint64_t ticks;	  /* start of the call, else when it was seen */
	uint32_t n_frames;
	uint32_t reserved;
};

#define NAMED_PYTHON 1
#define NAMED_NATIVE 2

/* Its strings follow at once: file, function, module. No padding. */
struct named_frame {
	uint32_t kind; /* NAMED_* */
	int32_t line;  /* 0: unknown */
	uint16_t file_bytes, function_bytes, module_bytes;
	uint16_t reserved;
};

struct chunk {
	uint32_t kind; /* enum chunk_kind */
	uint32_t size_bytes;
	uint64_t position;
};

static_assert(sizeof(struct recording_header) == 16, "recording_header");
static_assert(sizeof(struct chunk) == 16, "chunk");
static_assert(sizeof(struct named_stack) == 24, "named_stack");
static_assert(sizeof(struct named_frame) == 16, "named_frame");
