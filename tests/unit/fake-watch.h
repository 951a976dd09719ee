/* SPDX-License-Identifier: Apache-2.0 */
/* Fake watch: a process made of a region alone, for tests of everything behind the ring */
#pragma once

#include <stdint.h>

#include "wire/record.h"
#include "wire/recording.h"
#include "wire/region.h"

#define FAKE_PID      4711
#define FAKE_START_NS (UINT64_C(1) * 1000000000)
#define FAKE_MS	      UINT64_C(1000000)

struct fake_watch {
	int fd; /* the sealed memfd */
	struct region region;
};

/* Innermost first. */
struct fake_frame {
	const char *file;
	const char *function;
	int32_t line;
};

void fake_open(struct fake_watch *fake);
void fake_close(struct fake_watch *fake);
uint32_t fake_string(struct fake_watch *fake, const char *text);
struct slot *fake_slot(struct fake_watch *fake, uint32_t index, uint64_t turn_seq);
void fake_put(struct fake_watch *fake, void *record, uint16_t type, uint32_t fixed_bytes,
	      const struct fake_frame *frames, uint32_t n_frames);
size_t fake_record(struct fake_watch *fake, void *record, uint16_t type, uint32_t fixed_bytes,
		   const struct fake_frame *frames, uint32_t n_frames, unsigned char *buf);
void fake_call(struct fake_watch *fake, uint64_t turn_seq, uint64_t start_ns, uint64_t span_ns,
	       const char *call, const struct fake_frame *frames, uint32_t n_frames);
void fake_task(struct fake_watch *fake, uint64_t turn_seq, uint64_t callback_seq, const char *name,
	       const struct fake_frame *chain, uint32_t n_chain);
void fake_sample(struct fake_watch *fake, uint64_t turn_seq, uint64_t callback_seq, uint32_t what,
		 uint64_t start_ns, uint64_t at_ns, uint16_t flags, const struct fake_frame *frames,
		 uint32_t n_frames);
void fake_callback(struct fake_watch *fake, uint64_t turn_seq, uint64_t callback_seq,
		   uint64_t start_ns, uint64_t span_ns, uint64_t reported_ns);
void fake_turn(struct fake_watch *fake, uint64_t turn_seq, uint64_t start_ns, uint64_t span_ns,
	       uint32_t n_slow);
