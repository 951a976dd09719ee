/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fake watch
 *
 * Writes a region as the shim does, through the same ring and arena, with a clock of nanoseconds
 * that the test sets: every figure in the report is then known exactly.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake-watch.h"
#include "wire/arena.h"
#include "wire/ring.h"

static void fake_header(struct fake_watch *fake)
{
	struct region_header *header = fake->region.header;
	static const char cmdline[] = "python3\0app.py";

	*header = (struct region_header){
		.magic = REGION_MAGIC,
		.version = WIRE_VERSION,
		.header_bytes = sizeof(*header),
		.region_bytes = REGION_BYTES,
		.n_slots = REGION_N_SLOTS,
		.slot_bytes = REGION_SLOT_BYTES,
		.arena_bytes = REGION_ARENA_BYTES,
		.ring_bytes = REGION_RING_BYTES,
		.via = REGION_VIA_PRELOAD,
		.pid = FAKE_PID,
		.ppid = 1,
		.started_realtime_ns = UINT64_C(1700000000) * 1000000000,
		.started_monotonic_ns = FAKE_START_NS,
		.clock_kind = CLOCK_KIND_MONOTONIC,
		.clock_mult = UINT64_C(1) << 32,
		.slow_callback_ns = 100 * FAKE_MS,
		.long_turn_ns = 100 * FAKE_MS,
		.blocking_call_ns = 20 * FAKE_MS,
		.stuck_ns = 1000 * FAKE_MS,
		.detectors = 0x1f,
	};
	atomic_store(&fake->region.arena->used_bytes, sizeof(struct arena));
	header->cmdline_str = arena_append(&fake->region, cmdline, sizeof(cmdline) - 1);
	header->python_str = fake_string(fake, "3.11.7 (main, Dec  4 2023) [GCC 12.2.0]");
}

void fake_open(struct fake_watch *fake)
{
	void *base;

	fake->fd = memfd_create("loophound", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert(fake->fd >= 0 && !ftruncate(fake->fd, REGION_BYTES));
	assert(!fcntl(fake->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	base = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fake->fd, 0);
	assert(base != MAP_FAILED);
	fake->region = region_at(base);
	fake_header(fake);
}

void fake_close(struct fake_watch *fake)
{
	munmap(fake->region.header, REGION_BYTES);
	close(fake->fd);
}

uint32_t fake_string(struct fake_watch *fake, const char *text)
{
	return text ? arena_append(&fake->region, text, strlen(text)) : ARENA_NONE;
}

struct slot *fake_slot(struct fake_watch *fake, uint32_t index, uint64_t turn_seq)
{
	struct slot *slot = region_slot(&fake->region, index);

	slot->framework = FRAMEWORK_ASYNCIO;
	slot->tid = FAKE_PID;
	memcpy(slot->thread_name, "MainThread", 11);
	atomic_store(&slot->turn_seq, turn_seq);
	atomic_store(&slot->state, SLOT_USED);
	return slot;
}

/* A record with its frames as bytes, in buf of RECORD_MAX_BYTES. Return: its size. */
size_t fake_record(struct fake_watch *fake, void *record, uint16_t type, uint32_t fixed_bytes,
		   const struct fake_frame *frames, uint32_t n_frames, unsigned char *buf)
{
	struct record *head = record;

	head->type = type;
	head->size = fixed_bytes + n_frames * (uint32_t)sizeof(struct record_frame);
	memcpy(buf, record, fixed_bytes);
	for (uint32_t i = 0; i < n_frames; i++) {
		struct record_frame frame = {
			.file_str = fake_string(fake, frames[i].file),
			.function_str = fake_string(fake, frames[i].function),
			.line = frames[i].line,
		};

		memcpy(buf + fixed_bytes + i * sizeof(frame), &frame, sizeof(frame));
	}
	return head->size;
}

void fake_put(struct fake_watch *fake, void *record, uint16_t type, uint32_t fixed_bytes,
	      const struct fake_frame *frames, uint32_t n_frames)
{
	unsigned char buf[RECORD_MAX_BYTES];
	uint32_t size_bytes =
		(uint32_t)fake_record(fake, record, type, fixed_bytes, frames, n_frames, buf);
	struct record *to = ring_reserve(&fake->region, size_bytes);

	assert(to);
	memcpy((char *)to + sizeof(uint32_t), buf + sizeof(uint32_t),
	       size_bytes - sizeof(uint32_t));
	ring_commit(to, size_bytes);
}

void fake_call(struct fake_watch *fake, uint64_t turn_seq, uint64_t start_ns, uint64_t span_ns,
	       const char *call, const struct fake_frame *frames, uint32_t n_frames)
{
	struct record_call record = {
		.head = {.ticks = FAKE_START_NS + start_ns + span_ns},
		.call_str = fake_string(fake, call),
		.turn_seq = turn_seq,
		.callback_seq = turn_seq,
		.start = FAKE_START_NS + start_ns,
		.span = span_ns,
		.n_calls = 1,
		.fd = -1,
		.stack = {.n_frames = n_frames},
	};

	fake_put(fake, &record, RECORD_CALL, sizeof(record), frames, n_frames);
}

/* Awaited by "waiter" in /srv/wait.py; the coroutine is the first of the chain. */
void fake_task(struct fake_watch *fake, uint64_t turn_seq, uint64_t callback_seq, const char *name,
	       const struct fake_frame *chain, uint32_t n_chain)
{
	struct record_task record = {
		.turn_seq = turn_seq,
		.callback_seq = callback_seq,
		.name_str = fake_string(fake, name),
		.coro_str = fake_string(fake, chain[0].function),
		.n_awaiters = 1,
		.stack = {.n_frames = n_chain},
	};
	struct record_awaiter awaiter = {
		.name_str = fake_string(fake, "waiter"),
		.coro_str = fake_string(fake, "waits"),
		.file_str = fake_string(fake, "/srv/wait.py"),
		.line = 19,
	};
	unsigned char buf[RECORD_MAX_BYTES];
	uint32_t size_bytes = (uint32_t)fake_record(fake, &record, RECORD_TASK, sizeof(record),
						    chain, n_chain, buf);
	struct record *to = ring_reserve(&fake->region, size_bytes + sizeof(awaiter));

	assert(to);
	memcpy((char *)to + sizeof(uint32_t), buf + sizeof(uint32_t),
	       size_bytes - sizeof(uint32_t));
	memcpy((char *)to + size_bytes, &awaiter, sizeof(awaiter));
	ring_commit(to, size_bytes + sizeof(awaiter));
}

void fake_sample(struct fake_watch *fake, uint64_t turn_seq, uint64_t callback_seq, uint32_t what,
		 uint64_t start_ns, uint64_t at_ns, uint16_t flags, const struct fake_frame *frames,
		 uint32_t n_frames)
{
	struct record_sample record = {
		.head = {.ticks = FAKE_START_NS + at_ns, .flags = flags},
		.what = what,
		.turn_seq = turn_seq,
		.callback_seq = callback_seq,
		.start = FAKE_START_NS + start_ns,
		.turn_start = FAKE_START_NS + start_ns,
		.fd = -1,
		.stack = {.n_frames = n_frames},
	};

	fake_put(fake, &record, RECORD_SAMPLE, sizeof(record), frames, n_frames);
}

void fake_callback(struct fake_watch *fake, uint64_t turn_seq, uint64_t callback_seq,
		   uint64_t start_ns, uint64_t span_ns, uint64_t reported_ns)
{
	struct record_callback record = {
		.head = {.ticks = FAKE_START_NS + start_ns + span_ns},
		.turn_seq = turn_seq,
		.callback_seq = callback_seq,
		.start = FAKE_START_NS + start_ns,
		.span = span_ns,
		.reported = reported_ns,
		.cpu_ns = -1,
		.run_queue_ns = -1,
		.frozen_ns = -1,
		.gil_wait_ns = -1,
		.gc_ns = -1,
		.file_str = fake_string(fake, "/srv/app.py"),
		.function_str = fake_string(fake, "handler"),
		.first_line = 7,
	};

	fake_put(fake, &record, RECORD_CALLBACK, sizeof(record), NULL, 0);
}

void fake_turn(struct fake_watch *fake, uint64_t turn_seq, uint64_t start_ns, uint64_t span_ns,
	       uint32_t n_slow)
{
	struct record_turn record = {
		.head = {.ticks = FAKE_START_NS + start_ns + span_ns},
		.turn_seq = turn_seq,
		.start = FAKE_START_NS + start_ns,
		.span = span_ns,
		.cpu_ns = -1,
		.run_queue_ns = -1,
		.frozen_ns = -1,
		.gil_wait_ns = -1,
		.gc_ns = -1,
		.n_slow = n_slow,
		.file_str = fake_string(fake, "/srv/app.py"),
		.function_str = fake_string(fake, "tick"),
		.first_line = 9,
	};

	fake_put(fake, &record, RECORD_TURN, sizeof(record), NULL, 0);
}
