/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes between shim and daemon, as docs/PROTOCOL.md says
 *
 * Sizes and offsets are written down here as numbers, so that a change of a struct that forgets to
 * change WIRE_VERSION fails. Golden bytes, put together by hand, still decode.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/defs.h"
#include "wire/arena.h"
#include "wire/check.h"
#include "wire/hello.h"
#include "wire/record.h"
#include "wire/recording.h"
#include "wire/region.h"
#include "wire/ring.h"

#define SIZE(type, bytes) static_assert(sizeof(struct type) == (bytes), #type)
#define FIELD(type, name, offset) \
	static_assert(offsetof(struct type, name) == (offset), #type "." #name)

static_assert(WIRE_VERSION == 3, "the numbers below are those of version 3");
static_assert(WIRE_OLDEST == 2, "what was recorded by version 2 is read");
static_assert(REGION_SLOTS_OFFSET == 4096, "slots");
static_assert(REGION_ARENA_OFFSET == 1052672, "arena");
static_assert(REGION_RING_OFFSET == 1576960, "ring");
static_assert(REGION_BYTES == 2625536, "region");
static_assert(RING_DATA_BYTES == 1044480, "ring data");
static_assert(HIST_N_BUCKETS == 529, "hist");
static_assert(LOSS_N == 12, "losses");

SIZE(region_header, 288);
FIELD(region_header, magic, 0);
FIELD(region_header, version, 8);
FIELD(region_header, header_bytes, 12);
FIELD(region_header, region_bytes, 16);
FIELD(region_header, n_slots, 20);
FIELD(region_header, slot_bytes, 24);
FIELD(region_header, arena_bytes, 28);
FIELD(region_header, ring_bytes, 32);
FIELD(region_header, via, 36);
FIELD(region_header, pid, 40);
FIELD(region_header, ppid, 44);
FIELD(region_header, started_realtime_ns, 48);
FIELD(region_header, started_monotonic_ns, 56);
FIELD(region_header, clock_kind, 64);
FIELD(region_header, python_hex, 68);
FIELD(region_header, clock_ticks0, 72);
FIELD(region_header, clock_ns0, 80);
FIELD(region_header, clock_mult, 88);
FIELD(region_header, slow_callback_ns, 96);
FIELD(region_header, long_turn_ns, 104);
FIELD(region_header, blocking_call_ns, 112);
FIELD(region_header, stuck_ns, 120);
FIELD(region_header, warmup_ns, 128);
FIELD(region_header, python_str, 136);
FIELD(region_header, cmdline_str, 140);
FIELD(region_header, complaint_str, 144);
FIELD(region_header, detectors, 148);
FIELD(region_header, exit_state, 152);
FIELD(region_header, exit_status, 156);
FIELD(region_header, other_polls, 160);
FIELD(region_header, park, 168);
FIELD(region_header, switches, 172);
FIELD(region_header, runtime_raddr, 176);
FIELD(region_header, code_type_raddr, 184);
FIELD(region_header, lost, 192);

SIZE(slot, 12872);
FIELD(slot, turn_start, 0);
FIELD(slot, callback_start, 8);
FIELD(slot, call_start, 16);
FIELD(slot, turn_seq, 24);
FIELD(slot, callback_seq, 32);
FIELD(slot, idle, 40);
FIELD(slot, call_str, 48);
FIELD(slot, call_fd, 52);
FIELD(slot, idle_since, 56);
FIELD(slot, state, 64);
FIELD(slot, framework, 68);
FIELD(slot, tid, 72);
FIELD(slot, epoll_fd, 76);
FIELD(slot, generation, 80);
FIELD(slot, is_warming, 84);
FIELD(slot, opened, 88);
FIELD(slot, thread_name, 96);
FIELD(slot, tstate_raddr, 112);
FIELD(slot, turn, 128);
FIELD(slot, callback, 4376);
FIELD(slot, lag, 8624);

SIZE(hist, 4248);
FIELD(hist, sum, 0);
FIELD(hist, max, 8);
FIELD(hist, n, 16);

SIZE(arena, 8);
FIELD(arena, used_bytes, 0);
FIELD(arena, bytes, 8);

SIZE(ring_control, 128);
FIELD(ring_control, head, 0);
FIELD(ring_control, tail, 64);

SIZE(record, 16);
FIELD(record, size, 0);
FIELD(record, type, 4);
FIELD(record, flags, 6);
FIELD(record, ticks, 8);

SIZE(record_stack, 8);
FIELD(record_stack, n_frames, 0);
FIELD(record_stack, end, 4);

SIZE(record_frame, 16);
FIELD(record_frame, file_str, 0);
FIELD(record_frame, function_str, 4);
FIELD(record_frame, line, 8);
FIELD(record_frame, first_line, 12);

SIZE(record_call, 80);
FIELD(record_call, head, 0);
FIELD(record_call, slot, 16);
FIELD(record_call, call_str, 20);
FIELD(record_call, turn_seq, 24);
FIELD(record_call, callback_seq, 32);
FIELD(record_call, start, 40);
FIELD(record_call, span, 48);
FIELD(record_call, n_calls, 56);
FIELD(record_call, fd, 60);
FIELD(record_call, target_str, 64);
FIELD(record_call, error, 68);
FIELD(record_call, stack, 72);

SIZE(record_callback, 120);
FIELD(record_callback, head, 0);
FIELD(record_callback, slot, 16);
FIELD(record_callback, n_calls, 20);
FIELD(record_callback, turn_seq, 24);
FIELD(record_callback, callback_seq, 32);
FIELD(record_callback, start, 40);
FIELD(record_callback, span, 48);
FIELD(record_callback, reported, 56);
FIELD(record_callback, cpu_ns, 64);
FIELD(record_callback, run_queue_ns, 72);
FIELD(record_callback, frozen_ns, 80);
FIELD(record_callback, file_str, 88);
FIELD(record_callback, function_str, 92);
FIELD(record_callback, first_line, 96);
FIELD(record_callback, gil_wait_ns, 104);
FIELD(record_callback, gc_ns, 112);

SIZE(record_turn, 120);
FIELD(record_turn, head, 0);
FIELD(record_turn, slot, 16);
FIELD(record_turn, n_callbacks, 20);
FIELD(record_turn, turn_seq, 24);
FIELD(record_turn, start, 32);
FIELD(record_turn, span, 40);
FIELD(record_turn, reported, 48);
FIELD(record_turn, cpu_ns, 56);
FIELD(record_turn, run_queue_ns, 64);
FIELD(record_turn, frozen_ns, 72);
FIELD(record_turn, n_slow, 80);
FIELD(record_turn, file_str, 84);
FIELD(record_turn, function_str, 88);
FIELD(record_turn, first_line, 92);
FIELD(record_turn, max_callback, 96);
FIELD(record_turn, gil_wait_ns, 104);
FIELD(record_turn, gc_ns, 112);

SIZE(record_sample, 72);
FIELD(record_sample, head, 0);
FIELD(record_sample, slot, 16);
FIELD(record_sample, what, 20);
FIELD(record_sample, turn_seq, 24);
FIELD(record_sample, callback_seq, 32);
FIELD(record_sample, start, 40);
FIELD(record_sample, turn_start, 48);
FIELD(record_sample, call_str, 56);
FIELD(record_sample, fd, 60);
FIELD(record_sample, stack, 64);

SIZE(record_pitfall, 80);
FIELD(record_pitfall, head, 0);
FIELD(record_pitfall, slot, 16);
FIELD(record_pitfall, pitfall, 20);
FIELD(record_pitfall, start, 24);
FIELD(record_pitfall, span, 32);
FIELD(record_pitfall, n, 40);
FIELD(record_pitfall, name_str, 44);
FIELD(record_pitfall, detail_str, 48);
FIELD(record_pitfall, task_str, 52);
FIELD(record_pitfall, coro_str, 56);
FIELD(record_pitfall, file_str, 60);
FIELD(record_pitfall, first_line, 64);
FIELD(record_pitfall, n_origin, 68);
FIELD(record_pitfall, stack, 72);
static_assert(PITFALL_UNCLOSED_RESOURCE == 17 && _PITFALL_N == 18, "enum pitfall");

SIZE(record_task, 56);
FIELD(record_task, head, 0);
FIELD(record_task, slot, 16);
FIELD(record_task, name_str, 20);
FIELD(record_task, turn_seq, 24);
FIELD(record_task, callback_seq, 32);
FIELD(record_task, coro_str, 40);
FIELD(record_task, n_awaiters, 44);
FIELD(record_task, stack, 48);

SIZE(record_awaiter, 16);
FIELD(record_awaiter, name_str, 0);
FIELD(record_awaiter, coro_str, 4);
FIELD(record_awaiter, file_str, 8);
FIELD(record_awaiter, line, 12);

SIZE(record_pause, 48);
FIELD(record_pause, head, 0);
FIELD(record_pause, slot, 16);
FIELD(record_pause, why, 20);
FIELD(record_pause, start, 24);
FIELD(record_pause, span, 32);
FIELD(record_pause, n, 40);

SIZE(record_test, 512);
FIELD(record_test, head, 0);
FIELD(record_test, text, 16);

SIZE(record_native, 56);
FIELD(record_native, head, 0);
FIELD(record_native, slot, 16);
FIELD(record_native, start, 24);
FIELD(record_native, entries, 32);
FIELD(record_native, stack, 48);

SIZE(record_native_frame, 16);
FIELD(record_native_frame, module_str, 0);
FIELD(record_native_frame, offset, 8);

SIZE(hello, 24);
FIELD(hello, magic, 0);
FIELD(hello, version, 8);
FIELD(hello, pid, 12);
FIELD(hello, region_bytes, 16);

SIZE(request, 24);
FIELD(request, magic, 0);
FIELD(request, version, 8);
FIELD(request, verb, 12);

SIZE(answer, 256);
FIELD(answer, magic, 0);
FIELD(answer, version, 8);
FIELD(answer, status, 12);
FIELD(answer, text, 16);

SIZE(recording_header, 16);
FIELD(recording_header, magic, 0);
FIELD(recording_header, version, 8);

SIZE(chunk, 16);
FIELD(chunk, kind, 0);
FIELD(chunk, size_bytes, 4);
FIELD(chunk, position, 8);

SIZE(named_stack, 24);
FIELD(named_stack, slot, 0);
FIELD(named_stack, is_call, 4);
FIELD(named_stack, ticks, 8);
FIELD(named_stack, n_frames, 16);

SIZE(named_frame, 16);
FIELD(named_frame, kind, 0);
FIELD(named_frame, line, 4);
FIELD(named_frame, file_bytes, 8);
FIELD(named_frame, function_bytes, 10);
FIELD(named_frame, module_bytes, 12);

static struct region fresh_region(void)
{
	void *base = calloc(1, REGION_BYTES);

	assert_non_null(base);
	return region_at(base);
}

/* A call of 151,000,000 ticks in slot 0 with one frame; little-endian. */
static const unsigned char golden_call[] = {
	0x60, 0,    0,	  0,	2,    0,    2,	  0, /* 96 bytes, CALL, GIL known */
	0x00, 0xe1, 0xf5, 0x05, 0,    0,    0,	  0, /* ticks 100,000,000 */
	0,    0,    0,	  0,	8,    0,    0,	  0, /* slot 0, call_str 8 */
	7,    0,    0,	  0,	0,    0,    0,	  0,
	9,    0,    0,	  0,	0,    0,    0,	  0, /* turn 7, callback 9 */
	1,    0,    0,	  0,	0,    0,    0,	  0, /* start */
	0xc0, 0x13, 0x00, 0x09, 0,    0,    0,	  0, /* span */
	1,    0,    0,	  0,	0xff, 0xff, 0xff, 0xff,
	0,    0,    0,	  0,	0,    0,    0,	  0, /* one call, no fd */
	1,    0,    0,	  0,	0,    0,    0,	  0, /* one frame, whole */
	12,   0,    0,	  0,	16,   0,    0,	  0,
	31,   0,    0,	  0,	30,   0,    0,	  0, /* its file, function, lines */
};

static void test_golden_record(void **state)
{
	_Alignas(8) unsigned char buf[RECORD_MAX_BYTES];
	struct region region = fresh_region();
	const struct record_call *call = (const struct record_call *)buf;
	const struct record_frame *frames;
	uint32_t size_bytes, n_frames;

	(void)state;
	memcpy(region.ring_data, golden_call, sizeof(golden_call));
	region.ring->head = sizeof(golden_call);
	assert_int_equal(ring_take(&region, buf, sizeof(buf), &size_bytes), 0);
	assert_int_equal(size_bytes, 96);
	assert_int_equal(record_check(&call->head, size_bytes), 0);
	assert_int_equal(call->head.flags, RECORD_FLAG_GIL_KNOWN);
	assert_int_equal(call->turn_seq, 7);
	assert_int_equal(call->span, 151000000);
	assert_int_equal(call->fd, -1);
	frames = record_frames(&call->head, &n_frames);
	assert_int_equal(n_frames, 1);
	assert_int_equal(frames[0].line, 31);
	/* What was read is cleared: the next one to write there starts from zero. */
	for (size_t i = 0; i < sizeof(golden_call); i++)
		assert_int_equal(region.ring_data[i], 0);
	assert_int_equal(ring_take(&region, buf, sizeof(buf), &size_bytes), RING_E_EMPTY);
	free(region.header);
}

/* A callback of 300,000,000 ticks as version 2 wrote it: without gc_ns. */
static const unsigned char golden_callback_2[RECORD_BYTES_2] = {
	[0] = 0x70, [4] = 3, [40] = 1, [48] = 0x00, [49] = 0xa3, [50] = 0xe1, [51] = 0x11,
};

static void test_version_2(void **state)
{
	_Alignas(8) unsigned char buf[RECORD_MAX_BYTES];
	struct record_callback *callback = (struct record_callback *)buf;

	(void)state;
	/* What lies behind it is of another record. */
	memset(buf, 0x55, sizeof(buf));
	memcpy(buf, golden_callback_2, sizeof(golden_callback_2));
	assert_int_equal(record_check(&callback->head, RECORD_BYTES_2), 0);
	assert_int_equal(callback->span, 300000000);
	assert_int_equal(record_gc_ns(&callback->head), -1);
	callback->head.size = sizeof(*callback);
	callback->gc_ns = 7;
	assert_int_equal(record_check(&callback->head, sizeof(*callback)), 0);
	assert_int_equal(record_gc_ns(&callback->head), 7);
	/* No other type is as long. */
	callback->head.size = RECORD_BYTES_2;
	callback->head.type = RECORD_PAUSE;
	assert_int_not_equal(record_check(&callback->head, RECORD_BYTES_2), 0);
}

static void test_golden_string(void **state)
{
	static const unsigned char bytes[] = {5, 0, 's', 'l', 'e', 'e', 'p', 0, 2, 0, 'a', 0};
	struct region region = fresh_region();
	char buf[8];

	(void)state;
	memcpy(region.arena->bytes, bytes, sizeof(bytes));
	assert_int_equal(arena_string(region.arena, REGION_ARENA_BYTES, 8, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "sleep");
	assert_int_equal(arena_string(region.arena, REGION_ARENA_BYTES, 16, buf, sizeof(buf)), 2);
	assert_int_equal(arena_string(region.arena, REGION_ARENA_BYTES, 9, buf, sizeof(buf)), 0);
	assert_int_equal(arena_string(region.arena, REGION_ARENA_BYTES, 0, buf, sizeof(buf)), 0);
	assert_int_equal(
		arena_string(region.arena, REGION_ARENA_BYTES, UINT32_MAX - 3, buf, sizeof(buf)),
		0);
	assert_int_equal(arena_string(region.arena, REGION_ARENA_BYTES, 8, buf, 4), 3);
	free(region.header);
}

/* Two strings are appended while another is in the middle; its length is what is missing last. */
static void test_string_in_the_middle(void **state)
{
	struct region region = fresh_region();
	uint32_t first, middle, last;

	(void)state;
	atomic_store(&region.arena->used_bytes, sizeof(struct arena));
	assert_int_equal(arena_append(&region, "", 0), ARENA_NONE);
	assert_int_equal(arena_finished(&region, sizeof(struct arena)), sizeof(struct arena));
	first = arena_append(&region, "sleep", 5);
	middle = atomic_fetch_add(&region.arena->used_bytes, 8);
	memcpy((unsigned char *)region.arena + middle + 2, "po", 2);
	last = arena_append(&region, "poll_wait", 9);
	assert_int_equal(arena_finished(&region, first), middle);
	assert_int_equal(arena_finished(&region, middle), middle);
	assert_int_equal(arena_finished(&region, last), last + 12);
	memcpy((unsigned char *)region.arena + middle, "\4\0poll", 6);
	assert_int_equal(arena_finished(&region, first), last + 12);
	/* What the other side wrote leads nowhere. */
	memcpy((unsigned char *)region.arena + middle, "\377\377", 2);
	assert_int_equal(arena_finished(&region, first), last + 12);
	atomic_store(&region.arena->used_bytes, last + 7);
	assert_int_equal(arena_finished(&region, first), last + 4);
	atomic_store(&region.arena->used_bytes, UINT32_MAX);
	assert_true(arena_finished(&region, last) <= REGION_ARENA_BYTES);
	free(region.header);
}

static void test_region_check(void **state)
{
	struct region region = fresh_region();

	(void)state;
	assert_int_not_equal(region_check(region.header), 0);
	*region.header = (struct region_header){
		.magic = REGION_MAGIC,
		.version = 2,
		.header_bytes = sizeof(struct region_header),
		.region_bytes = 2625536,
		.n_slots = 64,
		.slot_bytes = 16384,
		.arena_bytes = 524288,
		.ring_bytes = 1048576,
	};
	assert_int_equal(region_check(region.header), 0);
	region.header->version = 4;
	assert_int_not_equal(region_check(region.header), 0);
	region.header->version = 1;
	assert_int_not_equal(region_check(region.header), 0);
	region.header->version = 3;
	region.header->n_slots = 65;
	assert_int_not_equal(region_check(region.header), 0);
	free(region.header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_record), cmocka_unit_test(test_version_2),
		cmocka_unit_test(test_golden_string), cmocka_unit_test(test_string_in_the_middle),
		cmocka_unit_test(test_region_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
