/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind: the frames that libgcc's unwinder finds, and nothing where there is nothing to be found
 *
 * Each shape of frame is left twice, once with rules that are new and once with remembered ones.
 * What lies about itself must end the stack, not the process.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "own-stack.h"
#include "unwind.h"

#define MAX_FRAMES  128
#define N_DISTORTED 200000

struct taken {
	uint32_t n;
	enum pyframe_end end;
	uint64_t rips[MAX_FRAMES];
};

static struct taken taken;
static int n_expected;
static void *expected[MAX_FRAMES];

static __attribute__((noinline)) void take_from(struct unwind *u, struct taken *ret_taken)
{
	ret_taken->n = 0;
	ret_taken->end = PYFRAME_END_UNREADABLE;
	if (!unwind_begin(u))
		return;
	ret_taken->end = PYFRAME_END_DEPTH;
	while (ret_taken->n < MAX_FRAMES) {
		if (!unwind_step(u, &ret_taken->end))
			break;
		ret_taken->rips[ret_taken->n++] = u->regs[CFI_RIP];
	}
}

static __attribute__((noinline)) void take(void)
{
	struct unwind u = {.mem = {.kind = MEM_REMOTE, .pid = getpid()}};

	unwind_capture(u.regs);
	take_from(&u, &taken);
}

/* What a coroutine was started by says that it has a caller, and has none. */
static enum pyframe_end expected_end = PYFRAME_END_COMPLETE;

/* Ours, new and remembered, and libgcc's; the first of which is where backtrace() was called. */
static __attribute__((noinline)) void compare(void)
{
	n_expected = backtrace(expected, MAX_FRAMES);
	for (int i = 0; i < 2; i++) {
		take();
		assert_int_equal(taken.end, expected_end);
		assert_int_equal(taken.n, n_expected);
		for (uint32_t k = 1; k < taken.n; k++)
			assert_true(taken.rips[k] == (uint64_t)(uintptr_t)expected[k]);
	}
}

/* Whether where this is called is the stack its thread was started with. */
static bool is_own_stack(void)
{
	const struct mem mem = {.kind = MEM_REMOTE, .pid = getpid()};
	uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);

	return own_stack_end(&mem, here) > here;
}

static volatile int sink;

#define AFTER(call)     \
	do {            \
		call;   \
		sink++; \
	} while (0)

static __attribute__((noinline)) void through_alloca(void (*call)(void), size_t n_bytes)
{
	volatile char *room = alloca(n_bytes);

	room[0] = 1;
	AFTER(call());
}

static __attribute__((noinline)) void through_realigned(void (*call)(void))
{
	volatile char room[64] __attribute__((aligned(64)));

	room[0] = 1;
	through_alloca(call, 100 + (size_t)room[0]);
	sink += room[0];
}

static __attribute__((noinline)) void through_large(void (*call)(void))
{
	volatile char room[400000];

	room[0] = 1;
	AFTER(through_realigned(call));
	sink += room[399999];
}

static __attribute__((noinline)) void through_deep(void (*call)(void), int depth)
{
	if (depth)
		AFTER(through_deep(call, depth - 1));
	else
		AFTER(call());
}

static int through_qsort(const void *a, const void *b)
{
	(void)a;
	(void)b;
	AFTER(compare());
	return 0;
}

static void test_shapes(void **state)
{
	int two[2] = {0};

	(void)state;
	compare();
	through_alloca(compare, 1000);
	through_realigned(compare);
	through_large(compare);
	through_deep(compare, 40);
	qsort(two, 2, sizeof(two[0]), through_qsort);
}

static void on_signal(int signal)
{
	(void)signal;
	compare();
}

static __attribute__((noinline)) void signal_raise(void)
{
	AFTER(raise(SIGUSR1));
}

/* Interrupted in the middle of a function, and in its very first instruction. */
static __attribute__((noinline)) void signal_trap(void)
{
	__asm__ volatile("int3");
	sink++;
}

static void test_signal_frames(void **state)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)state;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	signal_raise();
	signal_trap();
	through_realigned(signal_trap);
}

static void *thread_main(void *unused)
{
	(void)unused;
	assert_true(is_own_stack());
	compare();
	through_realigned(compare);
	return NULL;
}

/* The smallest stack Python gives. */
static void test_threads(void **state)
{
	static const size_t sizes[] = {32768, 65536, 8 << 20};
	pthread_attr_t attr;
	pthread_t thread;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, sizes[i]);
		assert_int_equal(pthread_create(&thread, &attr, thread_main, NULL), 0);
		pthread_join(thread, NULL);
		pthread_attr_destroy(&attr);
	}
}

/* Functions that only assembly can make. */
void asm_bare(void (*call)(void));
void asm_lying(void (*call)(void), uint64_t rbx);
void asm_short(void (*call)(void));
void asm_jump(void (*call)(void), uint64_t rip);
__asm__(".text\n"
	".globl asm_bare\nasm_bare:\n"
	"subq $8, %rsp\n call *%rdi\n addq $8, %rsp\n ret\n"
	/* Says that its frame is found by rbx, which is anything. */
	".globl asm_lying\nasm_lying:\n .cfi_startproc\n"
	"pushq %rbx\n movq %rsi, %rbx\n .cfi_def_cfa rbx, 16\n .cfi_offset rip, -8\n"
	"call *%rdi\n popq %rbx\n ret\n .cfi_endproc\n"
	/* Says that its frame is smaller than it is: the return address is a saved register. */
	".globl asm_short\nasm_short:\n .cfi_startproc\n"
	"pushq %rbx\n leaq asm_short(%rip), %rbx\n pushq %rbx\n subq $8, %rsp\n"
	".cfi_def_cfa_offset 24\n call *%rdi\n addq $16, %rsp\n popq %rbx\n ret\n .cfi_endproc\n"
	/* Puts a return address of its own under what it calls. */
	".globl asm_jump\nasm_jump:\n .cfi_startproc\n"
	"pushq %rbx\n .cfi_def_cfa_offset 16\n movq %rsp, %rbx\n .cfi_def_cfa_register rbx\n"
	"pushq $0\n pushq %rsi\n .cfi_def_cfa rsp, 8\n"
	"call *%rdi\n movq %rbx, %rsp\n popq %rbx\n ret\n .cfi_endproc\n");

static void take_only(void)
{
	AFTER(take());
}

static void test_no_rules(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		asm_bare(take_only);
		/* take_only() and asm_bare(), of which nothing more is known. */
		assert_int_equal(taken.n, 2);
		assert_int_equal(taken.end, PYFRAME_END_UNREADABLE);
	}
}

static void *guard_page(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *base = mmap(NULL, (size_t)page * 3, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(base != MAP_FAILED);
	assert_int_equal(mprotect(base, (size_t)page, PROT_READ | PROT_WRITE), 0);
	return base + page;
}

static void test_wrong_rules(void **state)
{
	uint64_t guard = (uint64_t)(uintptr_t)guard_page();
	uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);
	const uint64_t wrong[] = {0,
				  1,
				  8,
				  4096,
				  guard,
				  guard - 8,
				  guard - 16,
				  guard + 4096,
				  here - 100000,
				  here + 4096,
				  here | 7,
				  here + (64 << 20),
				  UINT64_C(0x7ffffffff000),
				  UINT64_C(0x8000000000000000),
				  UINT64_MAX,
				  UINT64_C(0xffff800000000000),
				  UINT64_C(0xffffffffff600000)};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(wrong); i++) {
		asm_lying(take_only, wrong[i % ARRAY_LEN(wrong)]);
		assert_in_range(taken.n, 2, 3);
		assert_true(taken.end == PYFRAME_END_INVALID ||
			    taken.end == PYFRAME_END_UNREADABLE);
	}
	for (int i = 0; i < 2; i++) {
		asm_short(take_only);
		/* No call stands before the start of asm_short(), and it begins there: one frame
		 * more. From there on nothing fits. */
		assert_in_range(taken.n, 2, 3);
		assert_true(taken.end != PYFRAME_END_COMPLETE);
	}
}

/* Return addresses into data, nowhere, code without a call before it, a page that cannot be read.
 */
static void test_return_addresses(void **state)
{
	uint64_t guard = (uint64_t)(uintptr_t)guard_page();
	const uint64_t wrong[] = {(uint64_t)(uintptr_t)&taken,
				  (uint64_t)(uintptr_t)test_threads + 1,
				  guard,
				  4096,
				  1,
				  UINT64_MAX,
				  UINT64_C(1) << 63,
				  (uint64_t)(uintptr_t)unwind_step | UINT64_C(1) << 63};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(wrong); i++) {
		asm_jump(take_only, wrong[i % ARRAY_LEN(wrong)]);
		assert_int_equal(taken.n, 2);
		assert_true(taken.end == PYFRAME_END_INVALID ||
			    taken.end == PYFRAME_END_UNREADABLE);
	}
}

static ucontext_t context_main, context_other;
static void (*coroutine_call)(void);

static void coroutine(void)
{
	AFTER(through_realigned(coroutine_call));
}

/* On a stack of its own, between two pages that cannot be read. */
static void coroutine_run(void (*call)(void), bool is_on_heap)
{
	size_t n_bytes = 65536;
	char *base = mmap(NULL, n_bytes + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *stack = is_on_heap ? malloc(n_bytes) : base + 4096;

	assert_true(base != MAP_FAILED);
	if (!is_on_heap)
		assert_int_equal(mprotect(stack, n_bytes, PROT_READ | PROT_WRITE), 0);
	getcontext(&context_other);
	context_other.uc_stack.ss_sp = stack;
	context_other.uc_stack.ss_size = n_bytes;
	context_other.uc_link = &context_main;
	coroutine_call = call;
	makecontext(&context_other, coroutine, 0);
	swapcontext(&context_main, &context_other);
	if (is_on_heap)
		free(stack);
	munmap(base, n_bytes + 8192);
}

static void lie_in_coroutine(void)
{
	for (uint64_t offset = 8; offset < 200000; offset += 1000)
		asm_lying(take_only, (uint64_t)(uintptr_t)__builtin_frame_address(0) + offset);
	asm_bare(take_only);
	assert_int_equal(taken.n, 2);
	assert_false(is_own_stack());
}

static void test_coroutines(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		expected_end = PYFRAME_END_INVALID;
		coroutine_run(compare, i & 1);
		expected_end = PYFRAME_END_COMPLETE;
		coroutine_run(lie_in_coroutine, i & 1);
		assert_true(is_own_stack());
		compare();
	}
}

typedef void plugin_enter(void (*call)(void));

static uint64_t plugin_try(const char *path)
{
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	plugin_enter *enter;

	assert_non_null(plugin);
	enter = (plugin_enter *)dlsym(plugin, "plugin_enter");
	assert_non_null(enter);
	enter(compare);
	assert_int_equal(dlclose(plugin), 0);
	return (uint64_t)(uintptr_t)enter;
}

/* The same function at the same address, with a frame of another size. */
static void test_another_module(void **state)
{
	int n_same = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		n_same += plugin_try(PLUGIN_SMALL) == plugin_try(PLUGIN_LARGE);
	assert_true(n_same > 0);
}

static void test_fork(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	compare();
	for (int i = 0; i < 3; i++) {
		pid = fork();
		if (!pid) {
			unwind_forget();
			compare();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static uint64_t random_state = 88172645463325252;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* From registers that are a little wrong, at instructions anywhere in the modules of the stack. */
static void test_distorted(void **state)
{
	struct unwind u = {.mem = {.kind = MEM_REMOTE, .pid = getpid()}}, distorted;
	static const uint8_t regs[] = {CFI_RBX, CFI_RBP, CFI_RSP, 12, 13, 14, 15};
	uint32_t n_ends[PYFRAME_END_TORN + 1] = {0};

	(void)state;
	unwind_capture(u.regs);
	for (int i = 0; i < N_DISTORTED; i++) {
		uint64_t choice = random_next();

		distorted = u;
		if (choice & 1)
			distorted.regs[CFI_RIP] += random_next() % 65536 - 32768;
		else if (choice & 2)
			distorted.regs[CFI_RIP] =
				(uint64_t)(uintptr_t)qsort + random_next() % 400000 - 200000;
		distorted.regs[regs[random_next() % ARRAY_LEN(regs)]] +=
			8 * (random_next() % 1024) - 4096 + (choice & 4 ? random_next() : 0);
		take_from(&distorted, &taken);
		n_ends[taken.end]++;
	}
	assert_true(n_ends[PYFRAME_END_INVALID] && n_ends[PYFRAME_END_UNREADABLE]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),	    cmocka_unit_test(test_signal_frames),
		cmocka_unit_test(test_threads),	    cmocka_unit_test(test_no_rules),
		cmocka_unit_test(test_wrong_rules), cmocka_unit_test(test_return_addresses),
		cmocka_unit_test(test_coroutines),  cmocka_unit_test(test_another_module),
		cmocka_unit_test(test_fork),	    cmocka_unit_test(test_distorted),
	};

	unwind_init();
	if (!unwind_is_available())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
