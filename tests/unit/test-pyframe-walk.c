/* SPDX-License-Identifier: Apache-2.0 */
/* Walk: chains made by hand, in the layout of 3.12, that are whole, broken, endless, or garbage */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/defs.h"
#include "pyframe/trail.h"

#define N_FRAMES     400
#define OWNER_THREAD 0
#define OWNER_CSTACK 3

struct frame_3_12 {
	uint64_t code_raddr;
	uint64_t previous_raddr;
	uint64_t others[5];
	uint64_t instr_raddr;
	uint8_t more[6];
	uint8_t owner;
	uint8_t rest;
};

struct code_3_12 {
	uint64_t head;
	uint64_t type_raddr;
	uint64_t others[22];
	uint16_t bytecode[64];
};

static uint64_t code_type[4];
static uint64_t runtime[64];
static struct code_3_12 code;
static struct frame_3_12 frames[N_FRAMES];
static uint64_t cframe[2];
static uint64_t thread[64];
static struct pyframe pyframe;
static struct pyframe_stack stack;
static struct pyframe_trail trail;
static const struct mem *const sources[] = {
	&(const struct mem){.kind = MEM_SELF}, NULL, /* remote: set up in main() */
};

static uint64_t raddr(const void *at)
{
	return (uintptr_t)at;
}

/* frames[0] is the innermost of n, the last of them the entry from C. */
static void chain_init(size_t n)
{
	code.type_raddr = raddr(code_type);
	for (size_t i = 0; i < n; i++)
		frames[i] = (struct frame_3_12){
			.code_raddr = raddr(&code),
			.previous_raddr = i + 1 < n ? raddr(&frames[i + 1]) : 0,
			.instr_raddr = raddr(&code.bytecode[i % 64]),
			.owner = i + 1 < n ? OWNER_THREAD : OWNER_CSTACK,
		};
	cframe[0] = raddr(&frames[0]);
	thread[7] = raddr(cframe);
}

static void assert_walk(const struct mem *mem, uint32_t n_frames, enum pyframe_end end)
{
	for (int how = 0; how < 4; how++) {
		int r;

		if (how == 0)
			r = pyframe_walk(&pyframe, mem, raddr(thread), &stack);
		else if (how == 1)
			r = pyframe_walk_stable(&pyframe, mem, raddr(thread), &stack);
		else /* with what the last test left in the trail, then with what this one did */
			r = pyframe_sample(&pyframe, mem, raddr(thread), &trail, &stack);

		assert_int_equal(r, 0);
		assert_int_equal(stack.end, end);
		assert_int_equal(stack.n_frames, n_frames);
		for (uint32_t i = 0; i < n_frames; i++)
			assert_true(stack.frames[i].code_raddr == raddr(&code) &&
				    stack.frames[i].lasti == i % 64 * 2);
	}
}

static void test_whole(const struct mem *mem)
{
	chain_init(6);
	assert_walk(mem, 5, PYFRAME_END_COMPLETE);
	chain_init(PYFRAME_MAX_FRAMES + 1);
	assert_walk(mem, PYFRAME_MAX_FRAMES, PYFRAME_END_COMPLETE);
	chain_init(N_FRAMES);
	assert_walk(mem, PYFRAME_MAX_FRAMES, PYFRAME_END_DEPTH);
	cframe[0] = 0;
	assert_walk(mem, 0, PYFRAME_END_COMPLETE);
	thread[7] = 0;
	assert_walk(mem, 0, PYFRAME_END_COMPLETE);
}

/* Which frames were entered from C: those before a frame that stands for it. */
static void assert_entries(const struct mem *mem, uint64_t low, uint64_t high)
{
	for (int how = 0; how < 2; how++) {
		assert_int_equal(how ? pyframe_walk_stable(&pyframe, mem, raddr(thread), &stack)
				     : pyframe_walk(&pyframe, mem, raddr(thread), &stack),
				 0);
		assert_true(stack.entries[0] == low && stack.entries[1] == high);
	}
}

static void test_entries(const struct mem *mem)
{
	chain_init(6);
	assert_entries(mem, 1 << 4, 0);
	/* Two entries in a row, as when the first has no Python frame, are one. */
	frames[1].owner = frames[2].owner = OWNER_CSTACK;
	assert_entries(mem, 1 << 0 | 1 << 2, 0);
	frames[0].owner = OWNER_CSTACK;
	assert_entries(mem, 1 << 1, 0);
	chain_init(80);
	frames[65].owner = OWNER_CSTACK;
	assert_entries(mem, 0, 1 << 0 | 1 << 13);
	/* Where the types do not fit nothing is left of what was behind. */
	chain_init(6);
	frames[1].owner = OWNER_CSTACK;
	frames[2].code_raddr = raddr(code_type);
	assert_entries(mem, 1, 0);
	chain_init(N_FRAMES);
	frames[3].owner = OWNER_CSTACK;
	assert_entries(mem, 1 << 2, 0);
}

static void test_broken(const struct mem *mem)
{
	chain_init(6);
	frames[2].owner = 7;
	assert_walk(mem, 2, PYFRAME_END_INVALID);
	chain_init(6);
	frames[3].previous_raddr = raddr(&frames[1]);
	assert_int_equal(pyframe_walk(&pyframe, mem, raddr(thread), &stack), 0);
	assert_int_equal(stack.end, PYFRAME_END_INVALID);
	chain_init(6);
	frames[3].instr_raddr = raddr(&code) - 4096;
	assert_walk(mem, 3, PYFRAME_END_INVALID);
	chain_init(6);
	frames[1].code_raddr = raddr(code_type);
	assert_walk(mem, 1, PYFRAME_END_INVALID);
	chain_init(6);
	frames[2].code_raddr = 0;
	assert_walk(mem, 2, PYFRAME_END_INVALID);
	chain_init(6);
	frames[4].previous_raddr = 24;
	assert_walk(mem, 5, PYFRAME_END_UNREADABLE);
	chain_init(6);
	frames[4].previous_raddr = raddr(&frames[5]) + 1;
	assert_walk(mem, 5, PYFRAME_END_UNREADABLE);
	/* Nothing but entries from C, one after the other, for ever. */
	chain_init(6);
	frames[5].previous_raddr = raddr(&frames[5]);
	assert_walk(mem, 5, PYFRAME_END_INVALID);
	assert_int_equal(pyframe_walk(&pyframe, mem, 0, &stack), -EFAULT);
}

static void test_not_begun(const struct mem *mem)
{
	chain_init(3);
	frames[0].instr_raddr = raddr(code.bytecode) - 2;
	assert_int_equal(pyframe_walk(&pyframe, mem, raddr(thread), &stack), 0);
	assert_int_equal(stack.n_frames, 2);
	assert_true(stack.frames[0].lasti == PYFRAME_LASTI_NONE);
}

/* A page such as a device has: read through a window, and not by process_vm_readv(). 0: none. */
static uint64_t find_device_page(const struct mem *window, const struct mem *remote)
{
	uint64_t begin, end, found = 0, word;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	assert_non_null(maps);
	while (!found && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "[vvar") || sscanf(line, "%lx-%lx", &begin, &end) != 2)
			continue;
		for (; !found && begin < end; begin += 4096)
			if (!mem_read(window, begin, &word, 8) && mem_read(remote, begin, &word, 8))
				found = begin;
	}
	fclose(maps);
	return found;
}

/* Where frames lay a while ago a device may be now. */
static void test_trail_set_aside(void **state)
{
	struct mem_window window;
	struct mem remote = {MEM_REMOTE, getpid(), NULL}, through = {MEM_REMOTE, getpid(), &window};
	uint64_t device_raddr, frame_raddr;

	(void)state;
	assert_int_equal(mem_window_open(getpid(), &window), 0);
	device_raddr = find_device_page(&through, &remote);
	if (!device_raddr)
		skip();
	chain_init(6);
	for (int is_old = 0; is_old < 2; is_old++) {
		memset(&trail, 0, sizeof(trail));
		trail.tstate_raddr = raddr(thread);
		trail.spans[0] = (struct pyframe_span){.raddr = device_raddr, .n_bytes = 64};
		trail.n_spans = 1;
		if (is_old)
			trail_set_aside(&trail);
		assert_int_equal(
			trail_begin(&trail, &pyframe.layout, &through, raddr(thread), &frame_raddr),
			0);
		assert_int_equal(trail.n_spans, !is_old);
		assert_true(frame_raddr == raddr(&frames[0]));
		/* Once is enough. */
		assert_false(trail.is_old);
	}
	mem_window_close(&window);
}

/* Frames far apart, more of them than the trail has room for, and some that go away. */
static void test_trail(void **state)
{
	struct mem remote = {MEM_REMOTE, getpid()};
	static struct {
		struct frame_3_12 frame;
		char far_away[3000];
	} apart[100];
	uint32_t n = 0;
	char *page;

	(void)state;
	code.type_raddr = raddr(code_type);
	for (size_t i = 0; i < ARRAY_LEN(apart); i++)
		apart[i].frame = (struct frame_3_12){
			.code_raddr = raddr(&code),
			.previous_raddr = i ? raddr(&apart[i - 1]) : 0,
			.instr_raddr = raddr(code.bytecode),
			.owner = i ? OWNER_THREAD : OWNER_CSTACK,
		};
	thread[7] = raddr(cframe);
	for (int round = 0; round < 200; round++) {
		n = (n + 37) % ARRAY_LEN(apart);
		cframe[0] = raddr(&apart[n]);
		assert_int_equal(pyframe_sample(&pyframe, &remote, raddr(thread), &trail, &stack),
				 0);
		assert_int_equal(stack.end, PYFRAME_END_COMPLETE);
		assert_int_equal(stack.n_frames, n);
	}
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(page != MAP_FAILED);
	memcpy(page, &apart[40].frame, sizeof(apart[40].frame));
	cframe[0] = raddr(page);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pyframe_sample(&pyframe, &remote, raddr(thread), &trail, &stack),
				 0);
		assert_int_equal(stack.n_frames, i ? 0 : 40);
		assert_int_equal(stack.end, i ? PYFRAME_END_UNREADABLE : PYFRAME_END_COMPLETE);
		munmap(page, 4096);
	}
	assert_int_equal(pyframe_sample(&pyframe, &remote, 8, &trail, &stack), -EFAULT);
	assert_int_equal(pyframe_sample(&pyframe, &remote, 4096, &trail, &stack), -EFAULT);
}

static void test_on_both(void **state)
{
	void (*const *test)(const struct mem *) = (void (*const *)(const struct mem *)) * state;

	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		struct mem remote = {MEM_REMOTE, getpid()};

		(*test)(sources[i] ? sources[i] : &remote);
	}
}

/* Random words for frames: any end, but an end, and nothing kept that is no code object. */
static void test_garbage(void **state)
{
	struct mem remote = {MEM_REMOTE, getpid()};
	unsigned int seed = 3;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		chain_init(40);
		for (int i = 0; i < 4; i++) {
			uint64_t *words = (uint64_t *)&frames[rand_r(&seed) % 40];

			words[rand_r(&seed) % 9] =
				rand_r(&seed) & 1 ? raddr(&frames[rand_r(&seed) % 40])
						  : (uint64_t)rand_r(&seed) << (rand_r(&seed) % 40);
		}
		assert_int_equal(pyframe_walk(&pyframe, &remote, raddr(thread), &stack), 0);
		assert_true(stack.n_frames <= PYFRAME_MAX_FRAMES);
		for (uint32_t i = 0; i < stack.n_frames; i++)
			assert_true(stack.frames[i].code_raddr == raddr(&code));
	}
}

static void test_find_thread(void **state)
{
	struct mem remote = {MEM_REMOTE, getpid()};
	static uint64_t interps[2][16], threads[3][32];
	uint64_t found_raddr = 0;

	(void)state;
	runtime[5] = raddr(interps[0]);
	interps[0][0] = raddr(interps[1]);
	interps[0][9] = raddr(threads[0]);
	interps[1][9] = raddr(threads[2]);
	threads[0][1] = raddr(threads[1]);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		threads[i][17] = 1000 + i;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		assert_int_equal(pyframe_find_thread(&pyframe, &remote, 1000 + i, &found_raddr), 0);
		assert_true(found_raddr == raddr(threads[i]));
	}
	assert_int_equal(pyframe_find_thread(&pyframe, &remote, 1003, &found_raddr),
			 PYFRAME_E_THREAD);
	threads[1][1] = raddr(threads[0]);
	assert_int_equal(pyframe_find_thread(&pyframe, &remote, 1003, &found_raddr),
			 PYFRAME_E_THREAD);
	threads[1][1] = 8;
	assert_int_equal(pyframe_find_thread(&pyframe, &remote, 1003, &found_raddr), -EFAULT);
}

int main(void)
{
	static void (*whole)(const struct mem *) = test_whole;
	static void (*broken)(const struct mem *) = test_broken;
	static void (*entries)(const struct mem *) = test_entries;
	static void (*not_begun)(const struct mem *) = test_not_begun;
	struct mem remote = {MEM_REMOTE, getpid()};
	const struct CMUnitTest tests[] = {
		{"test_whole", test_on_both, NULL, NULL, &whole},
		{"test_broken", test_on_both, NULL, NULL, &broken},
		{"test_entries", test_on_both, NULL, NULL, &entries},
		{"test_not_begun", test_on_both, NULL, NULL, &not_begun},
		cmocka_unit_test(test_trail),
		cmocka_unit_test(test_trail_set_aside),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_find_thread),
	};

	if (pyframe_init(&remote, raddr(runtime), 0x030c01f0, raddr(code_type), &pyframe))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
