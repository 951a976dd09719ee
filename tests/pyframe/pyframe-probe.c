/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probe: pyframe inside a Python process, called through ctypes by run.py
 *
 * Loaded into the interpreter under test. It finds the interpreter's symbols by dlsym(), as the
 * shim does, so it is linked with no Python and serves every version.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/defs.h"
#include "pyframe/memo.h"
#include "pyframe/pyframe.h"
#include "pyframe/task.h"
#include "pyframe/trail.h"

enum {
	PROBE_WALK = 0,
	PROBE_STABLE,
	PROBE_SAMPLE, /* with a trail, kept over the repeats */
};

/* What a walk is to do; the same struct stands in run.py. */
struct probe_request {
	int32_t pid; /* 0: the own process */
	uint32_t version_hex;
	uint64_t thread;   /* pthread_t; 0: the calling thread, by plain loads */
	int32_t how;	   /* PROBE_* */
	int32_t n_repeats; /* timed; the last one is given back */
};

/* All that can be said of a task; the same struct stands in run.py. Numbers below 0 are errors. */
struct probe_task {
	uint64_t task_raddr; /* of the callable, when asked for one */
	uint64_t coro_raddr;
	uint64_t thread_task_raddr;
	int32_t thread_task;
	int32_t name_len;
	int32_t n_awaiters;
	int32_t padding;
	uint64_t awaiters[TASK_MAX_AWAITERS];
	char name[TASK_MAX_NAME];
	struct task_chain chain;
};

_export_ int probe_task(const struct probe_request *request, uint64_t raddr, int is_callable,
			struct probe_task *ret_task);
_export_ int probe_follow(const struct probe_request *request, uint64_t coro_raddr,
			  struct task_chain *ret_chain);
_export_ int probe_check(const struct probe_request *request, uint64_t code_raddr, int32_t line);
#define ADVERSARY_MAX_CODES 64
#define ADVERSARY_MAX_PAIRS 4096
#define N_ENDS		    (PYFRAME_END_TORN + 1)

/* Many samples of a thread that never stands still; the same struct stands in run.py. */
struct probe_adversary {
	/* What can be on its stack, outermost first: n_outer that always are, then a chain of
	 * functions of which each is called by the one before only. */
	uint64_t codes[ADVERSARY_MAX_CODES];
	uint32_t n_codes;
	uint32_t n_outer;
	uint32_t n_samples;
	uint32_t n_pairs;
	uint64_t n_ends[N_ENDS];
	uint64_t n_errors;
	uint64_t n_wrong;
	uint64_t n_frames;
	struct pyframe_stack wrong;			/* the first of them */
	struct pyframe_addr pairs[ADVERSARY_MAX_PAIRS]; /* calling frames, each once */
	uint64_t n_seen[ADVERSARY_MAX_PAIRS];		/* and how often */
};

struct probe_freed {
	uint32_t n_samples;
	uint32_t padding;
	uint64_t n_frames;
	uint64_t n_gone;
	uint64_t n_named;
	uint64_t n_wrong;
	struct pyframe_text wrong;
};

_export_ int probe_adversary(const struct probe_request *request,
			     struct probe_adversary *adversary);
_export_ int probe_freed(const struct probe_request *request, struct probe_freed *freed);
_export_ int probe_watch(const struct probe_request *request, struct pyframe_stack *ret_stack,
			 uint64_t *ret_ns);
_export_ int probe_ask(int question_fd, int answer_fd, const struct probe_request *request,
		       void *ret_answer, size_t size_bytes);
_export_ int probe_walk(const struct probe_request *request, struct pyframe_stack *ret_stack,
			uint64_t *ret_ns);
_export_ int probe_stand_in(const struct probe_request *request, uint64_t frame_raddr,
			    struct pyframe_stack *ret_stack);
_export_ int probe_describe(const struct probe_request *request, const struct pyframe_addr *frame,
			    struct pyframe_text *ret_text);
_export_ int probe_describe_code(const struct probe_request *request, uint64_t code_raddr,
				 struct pyframe_text *ret_text);
_export_ int probe_unicode(const struct probe_request *request, uint64_t str_raddr, char *buf,
			   size_t size_bytes);
_export_ int probe_coroutine(const struct probe_request *request, uint64_t coro_raddr,
			     uint64_t *ret_code_raddr, char *buf, size_t size_bytes);
_export_ int probe_describe_own(const struct probe_request *request, uint64_t *ret_ns);
_export_ int probe_recall(const struct probe_request *request, struct memo_name *ret_names,
			  uint32_t *ret_n_names, uint64_t *ret_ns);
_export_ int probe_count_loops(void);
_export_ size_t probe_sizes(size_t *ret_text_bytes, size_t *ret_name_bytes);

static __thread struct pyframe_trail trail;
static struct memo_entry memo_entries[1024];
static const struct memo memo = {memo_entries, ARRAY_LEN(memo_entries)};

/* Of the own process the kernel is asked in the way that the watchdog asks it. */
static __thread struct mem_window window = {NULL, 0, -1};

static struct mem probe_mem(const struct probe_request *request, enum mem_kind own_kind)
{
	if (request->pid)
		return (struct mem){MEM_REMOTE, request->pid, NULL};
	if (own_kind == MEM_REMOTE && (!window.bytes || window.pid != getpid()))
		mem_window_open(getpid(), &window);
	return (struct mem){own_kind, getpid(), own_kind == MEM_REMOTE ? &window : NULL};
}

/* Always through the kernel: a wrong layout is then an error and not a crash. */
static int probe_open(const struct probe_request *request, struct pyframe *ret_pyframe)
{
	struct mem mem = probe_mem(request, MEM_REMOTE);
	uint64_t runtime_raddr = (uintptr_t)dlsym(RTLD_DEFAULT, "_PyRuntime");
	uint64_t code_type_raddr = (uintptr_t)dlsym(RTLD_DEFAULT, "PyCode_Type");

	if (!runtime_raddr || !code_type_raddr)
		return -ENOENT;
	return pyframe_init(&mem, runtime_raddr, request->version_hex, code_type_raddr,
			    ret_pyframe);
}

static int probe_find(const struct probe_request *request, const struct pyframe *p,
		      uint64_t *ret_tstate_raddr)
{
	struct mem mem = probe_mem(request, MEM_REMOTE);
	void *(*get_state)(void);

	if (request->thread)
		return pyframe_find_thread(p, &mem, request->thread, ret_tstate_raddr);
	get_state = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyGILState_GetThisThreadState");
	if (!get_state)
		return -ENOENT;
	*ret_tstate_raddr = (uintptr_t)get_state();
	return 0;
}

static uint32_t probe_hash(const char *text)
{
	uint32_t hash = 5381;

	while (*text)
		hash = hash * 33 + (unsigned char)*text++;
	return hash;
}

static int probe_walk_once(const struct pyframe *p, const struct mem *mem, int how,
			   uint64_t tstate_raddr, struct pyframe_stack *ret_stack)
{
	if (how == PROBE_SAMPLE)
		return pyframe_sample(p, mem, tstate_raddr, &trail, ret_stack);
	if (how == PROBE_STABLE)
		return pyframe_walk_stable(p, mem, tstate_raddr, ret_stack);
	return pyframe_walk(p, mem, tstate_raddr, ret_stack);
}

int probe_walk(const struct probe_request *request, struct pyframe_stack *ret_stack,
	       uint64_t *ret_ns)
{
	struct mem mem = probe_mem(request, request->thread ? MEM_REMOTE : MEM_SELF);
	uint64_t tstate_raddr, begin_ns;
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	if (r)
		return r;
	r = probe_find(request, &p, &tstate_raddr);
	if (r)
		return r;
	begin_ns = clock_monotonic();
	errno = E2BIG;
	for (int i = 0; r == 0 && i < request->n_repeats; i++)
		r = probe_walk_once(&p, &mem, request->how, tstate_raddr, ret_stack);
	if (errno != E2BIG)
		return -ENOTRECOVERABLE;
	*ret_ns = (clock_monotonic() - begin_ns) / (uint64_t)MAX(request->n_repeats, 1);
	return r;
}

/*
 * A sample of a thread whose innermost frame is another one meanwhile. The GIL is held, and the
 * thread waits for it or sleeps: it does not look.
 */
int probe_stand_in(const struct probe_request *request, uint64_t frame_raddr,
		   struct pyframe_stack *ret_stack)
{
	struct mem mem = probe_mem(request, MEM_REMOTE);
	uint64_t tstate_raddr, *innermost, kept_raddr;
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	if (r == 0)
		r = probe_find(request, &p, &tstate_raddr);
	if (r)
		return r;
	innermost = (uint64_t *)(uintptr_t)(tstate_raddr + p.layout.thread_frame);
	if (p.layout.has_cframe)
		innermost = (uint64_t *)(uintptr_t)(*innermost + p.layout.cframe_frame);
	kept_raddr = *innermost;
	*innermost = frame_raddr;
	r = probe_walk_once(&p, &mem, request->how, tstate_raddr, ret_stack);
	*innermost = kept_raddr;
	return r;
}

int probe_describe(const struct probe_request *request, const struct pyframe_addr *frame,
		   struct pyframe_text *ret_text)
{
	struct mem mem = probe_mem(request, MEM_SELF);
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	return r ? r : pyframe_describe(&p, &mem, frame, ret_text);
}

int probe_describe_code(const struct probe_request *request, uint64_t code_raddr,
			struct pyframe_text *ret_text)
{
	struct mem mem = probe_mem(request, MEM_REMOTE);
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	return r ? r : pyframe_describe_code(&p, &mem, code_raddr, ret_text);
}

int probe_unicode(const struct probe_request *request, uint64_t str_raddr, char *buf,
		  size_t size_bytes)
{
	struct mem mem = probe_mem(request, MEM_REMOTE);
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	return r ? -EIO : pyframe_unicode(&p, &mem, str_raddr, buf, size_bytes);
}

int probe_coroutine(const struct probe_request *request, uint64_t coro_raddr,
		    uint64_t *ret_code_raddr, char *buf, size_t size_bytes)
{
	struct mem mem = probe_mem(request, MEM_REMOTE);
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	if (r == 0)
		r = pyframe_coroutine_code(&p, &mem, coro_raddr, ret_code_raddr);
	return r ? -EIO : pyframe_coroutine_name(&p, &mem, coro_raddr, buf, size_bytes);
}

/* All frames of the calling thread, names and lines too. */
int probe_describe_own(const struct probe_request *request, uint64_t *ret_ns)
{
	struct mem mem = probe_mem(request, MEM_SELF);
	uint64_t tstate_raddr, begin_ns;
	struct pyframe_stack stack;
	struct pyframe_text text;
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	if (r == 0)
		r = probe_find(request, &p, &tstate_raddr);
	begin_ns = clock_monotonic();
	for (int i = 0; r == 0 && i < request->n_repeats; i++) {
		r = pyframe_walk(&p, &mem, tstate_raddr, &stack);
		for (uint32_t k = 0; r == 0 && k < stack.n_frames; k++)
			r = pyframe_describe(&p, &mem, &stack.frames[k], &text);
	}
	*ret_ns = (clock_monotonic() - begin_ns) / (uint64_t)MAX(request->n_repeats, 1);
	return r;
}

/*
 * All frames of a thread by the memo: in ret_names those that were known. What was not is described
 * and remembered, with the hash of its names for ids.
 */
int probe_recall(const struct probe_request *request, struct memo_name *ret_names,
		 uint32_t *ret_n_names, uint64_t *ret_ns)
{
	struct mem mem = probe_mem(request, request->thread ? MEM_REMOTE : MEM_SELF);
	uint64_t tstate_raddr, begin_ns;
	struct pyframe_stack stack;
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	if (r == 0)
		r = probe_find(request, &p, &tstate_raddr);
	if (r)
		return r;
	begin_ns = clock_monotonic();
	for (int i = 0; r == 0 && i < request->n_repeats; i++) {
		r = probe_walk_once(&p, &mem, request->how, tstate_raddr, &stack);
		if (r == 0)
			memo_recall(&memo, &p, &mem, stack.frames, stack.n_frames, ret_names);
	}
	*ret_ns = (clock_monotonic() - begin_ns) / (uint64_t)MAX(request->n_repeats, 1);
	*ret_n_names = stack.n_frames;
	for (uint32_t i = 0; r == 0 && i < stack.n_frames; i++) {
		struct memo_name name = ret_names[i];
		struct pyframe_text text;

		if (name.is_known)
			continue;
		r = pyframe_describe(&p, &mem, &stack.frames[i], &text);
		name.file_id = probe_hash(text.file);
		name.function_id = probe_hash(text.function);
		name.line = text.line;
		memo_remember(&memo, &p, &mem, &name);
	}
	return r;
}

struct probe_search {
	const struct pyframe *p;
	const struct mem *mem;
	struct task_layout *layout;
};

/* The writable data of the accelerator, or of what it may be built into. */
static int probe_search_object(struct dl_phdr_info *info, size_t size, void *search_at)
{
	struct probe_search *search = search_at;
	const char *name = strrchr(info->dlpi_name, '/');

	(void)size;
	name = name ? name + 1 : info->dlpi_name;
	if (*name && strncmp(name, "_asyncio", 8) != 0 && strncmp(name, "libpython", 9) != 0)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD && segment->p_flags & PF_W &&
		    task_init(search->p, search->mem,
			      (info->dlpi_addr + segment->p_vaddr + 7) & ~7UL, segment->p_memsz,
			      search->layout) == 0)
			return 1;
	}
	return 0;
}

static int probe_open_tasks(const struct probe_request *request, struct pyframe *ret_pyframe,
			    struct task_layout *ret_layout)
{
	struct mem mem = probe_mem(request, MEM_REMOTE);
	struct probe_search search = {ret_pyframe, &mem, ret_layout};
	int r;

	r = probe_open(request, ret_pyframe);
	if (r)
		return r;
	r = task_init(ret_pyframe, &mem, 0, 0, ret_layout);
	if (r == PYFRAME_E_OFFSETS)
		r = dl_iterate_phdr(probe_search_object, &search) ? 0 : r;
	return r;
}

/* of a task, or of the task whose step a callable is; with MEM_SELF when asked for this thread. */
int probe_task(const struct probe_request *request, uint64_t raddr, int is_callable,
	       struct probe_task *ret_task)
{
	struct mem mem = probe_mem(request, request->thread ? MEM_REMOTE : MEM_SELF);
	struct probe_task task = {.task_raddr = raddr};
	uint64_t tstate_raddr;
	struct task_layout t;
	struct pyframe p;
	int r;

	r = probe_open_tasks(request, &p, &t);
	if (r == 0)
		r = probe_find(request, &p, &tstate_raddr);
	if (r == 0 && is_callable)
		r = task_of_callable(&p, &t, &mem, raddr, &task.task_raddr);
	if (r)
		return r;
	task.thread_task = task_of_thread(&p, &t, &mem, tstate_raddr, &task.thread_task_raddr);
	task.name_len = task_name(&p, &t, &mem, task.task_raddr, task.name, sizeof(task.name));
	task.n_awaiters = task_awaiters(&p, &t, &mem, task.task_raddr, task.awaiters,
					ARRAY_LEN(task.awaiters));
	r = task_coroutine(&p, &t, &mem, task.task_raddr, &task.coro_raddr);
	if (r == 0)
		task_follow(&p, &mem, task.coro_raddr, &task.chain);
	*ret_task = task;
	return r;
}

int probe_follow(const struct probe_request *request, uint64_t coro_raddr,
		 struct task_chain *ret_chain)
{
	struct mem mem = probe_mem(request, request->thread ? MEM_REMOTE : MEM_SELF);
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	if (r == 0)
		task_follow(&p, &mem, coro_raddr, ret_chain);
	return r;
}

int probe_check(const struct probe_request *request, uint64_t code_raddr, int32_t line)
{
	struct mem mem = probe_mem(request, MEM_REMOTE);
	uint64_t tstate_raddr;
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	if (r == 0)
		r = probe_find(request, &p, &tstate_raddr);
	return r ? r : pyframe_check(&p, &mem, tstate_raddr, code_raddr, line);
}

/* Return: the place of a code object in the only order there is, or -1. */
static int adversary_place(const struct probe_adversary *a, uint64_t code_raddr)
{
	for (uint32_t i = 0; i < a->n_codes; i++)
		if (a->codes[i] == code_raddr)
			return (int)i;
	return -1;
}

static bool adversary_is_right(const struct probe_adversary *a, const struct pyframe_stack *stack)
{
	bool is_from_outside = stack->end == PYFRAME_END_COMPLETE || stack->end == PYFRAME_END_TORN;
	int expected = -1;

	if (stack->end == PYFRAME_END_COMPLETE && stack->n_frames < a->n_outer)
		return false;
	for (uint32_t i = 0; i < stack->n_frames; i++) {
		int place = adversary_place(a, stack->frames[i].code_raddr);

		if (place < 0 || (expected >= 0 && place != expected))
			return false;
		expected = place - 1;
		/* Nothing outside the outermost. */
		if (place == 0 && i + 1 < stack->n_frames)
			return false;
	}
	return !is_from_outside || !stack->n_frames || expected == -1;
}

static void adversary_keep_pair(struct probe_adversary *a, const struct pyframe_addr *addr)
{
	uint32_t i = 0;

	while (i < a->n_pairs &&
	       (a->pairs[i].code_raddr != addr->code_raddr || a->pairs[i].lasti != addr->lasti))
		i++;
	if (i == ADVERSARY_MAX_PAIRS)
		return;
	if (i == a->n_pairs)
		a->pairs[a->n_pairs++] = *addr;
	a->n_seen[i]++;
}

static void adversary_take(struct probe_adversary *a, const struct pyframe_stack *stack)
{
	a->n_ends[stack->end]++;
	a->n_frames += stack->n_frames;
	if (!adversary_is_right(a, stack)) {
		if (!a->n_wrong)
			a->wrong = *stack;
		a->n_wrong++;
	}
	for (uint32_t i = 1; i < stack->n_frames; i++)
		adversary_keep_pair(a, &stack->frames[i]);
}

int probe_adversary(const struct probe_request *request, struct probe_adversary *adversary)
{
	struct mem mem = probe_mem(request, MEM_REMOTE);
	struct pyframe_stack stack;
	uint64_t tstate_raddr;
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	if (r == 0)
		r = probe_find(request, &p, &tstate_raddr);
	for (uint32_t i = 0; r == 0 && i < adversary->n_samples; i++) {
		/* With a trail from before, and as if for the first time. */
		int how = i % 4 ? PROBE_SAMPLE : PROBE_STABLE;

		if (probe_walk_once(&p, &mem, how, tstate_raddr, &stack) == 0)
			adversary_take(adversary, &stack);
		else
			adversary->n_errors++;
	}
	return r;
}

/* What of a sample still stands after it was named: "/made/NAME" must hold the function NAME. */
static bool freed_is_right(const struct pyframe_text *text, uint64_t *n_named)
{
	static const char made[] = "/made/";

	/* Freed when it was looked at, and another one stands there now that looks the same. */
	if (!text->file_len)
		return true;
	if (strncmp(text->file, made, strlen(made)) != 0 || text->function[0] == '<')
		return true;
	++*n_named;
	return !strcmp(text->file + strlen(made), text->function);
}

/* Samples of a thread that makes code and drops it. */
int probe_freed(const struct probe_request *request, struct probe_freed *freed)
{
	static struct pyframe_text texts[PYFRAME_MAX_FRAMES];
	struct mem mem = probe_mem(request, MEM_REMOTE);
	struct pyframe_stack stack;
	uint64_t tstate_raddr;
	uint32_t n_gone = 0;
	struct pyframe p;
	int r;

	r = probe_open(request, &p);
	if (r == 0)
		r = probe_find(request, &p, &tstate_raddr);
	for (uint32_t k = 0; r == 0 && k < freed->n_samples; k++) {
		r = pyframe_sample(&p, &mem, tstate_raddr, &trail, &stack);
		for (uint32_t i = 0; i < stack.n_frames; i++)
			if (pyframe_describe(&p, &mem, &stack.frames[i], &texts[i]) < 0)
				texts[i].file_len = 0;
		if (r == 0)
			r = pyframe_confirm(&p, &mem, tstate_raddr, &trail, &stack, &n_gone);
		freed->n_gone += n_gone;
		freed->n_frames += stack.n_frames;
		for (uint32_t i = n_gone; r == 0 && i < stack.n_frames; i++) {
			if (freed_is_right(&texts[i], &freed->n_named))
				continue;
			if (!freed->n_wrong)
				freed->wrong = texts[i];
			freed->n_wrong++;
		}
	}
	return r;
}

struct probe_watch {
	const struct probe_request *request;
	struct pyframe_stack *stack;
	uint64_t ns;
	int r;
};

static void *probe_watch_main(void *watch_at)
{
	struct probe_watch *watch = watch_at;

	watch->r = probe_walk(watch->request, watch->stack, &watch->ns);
	mem_window_close(&window);
	return NULL;
}

/* As probe_walk(), from a thread that Python does not know. */
int probe_watch(const struct probe_request *request, struct pyframe_stack *ret_stack,
		uint64_t *ret_ns)
{
	struct probe_watch watch = {.request = request, .stack = ret_stack};
	pthread_t thread;
	int r;

	r = pthread_create(&thread, NULL, probe_watch_main, &watch);
	if (r)
		return -r;
	pthread_join(thread, NULL);
	*ret_ns = watch.ns;
	return watch.r;
}

/* Put a request to another process, which answers with a length and so many bytes; the calling
 * thread stays in here meanwhile, so its stack is what it is. Return: the length, or -errno. */
int probe_ask(int question_fd, int answer_fd, const struct probe_request *request, void *ret_answer,
	      size_t size_bytes)
{
	uint32_t n_bytes, n_read = 0;

	if (write(question_fd, request, sizeof(*request)) != sizeof(*request) ||
	    read(answer_fd, &n_bytes, sizeof(n_bytes)) != sizeof(n_bytes) || n_bytes > size_bytes)
		return -EIO;
	while (n_read < n_bytes) {
		ssize_t n = read(answer_fd, (char *)ret_answer + n_read, n_bytes - n_read);

		if (n <= 0)
			return -EIO;
		n_read += (uint32_t)n;
	}
	return (int)n_bytes;
}

#ifdef PROBE_UNWIND
#include "unwind.h"

/* On the first thread, which loads this. */
__attribute__((constructor)) static void probe_init(void)
{
	unwind_init();
}

/* Where the function around an instruction begins; 0: not known. */
static uint64_t probe_function(const struct unwind *u, uint64_t header_raddr, uint64_t rip)
{
	struct cfi_row row;

	return cfi_find(&u->mem, header_raddr, rip, &row) ? 0 : row.begin;
}

/*
 * Compilers move what is rare out of a function, into a piece that has no name where the symbols
 * were stripped; in 3.14 of Debian nearly all of the evaluation loop is there. It is what most
 * jumps out of the named piece lead to.
 */
static uint64_t probe_find_rest(const struct unwind *u, uint64_t header_raddr, uint64_t begin,
				uint64_t n_bytes)
{
	uint64_t best = 0;
	int n_best = 0;

	for (uint64_t at = begin; at + 6 <= begin + n_bytes; at++) {
		const uint8_t *code = (const uint8_t *)(uintptr_t)at;
		int n_opcode = code[0] == 0xe9 ? 1 : code[0] == 0x0f && code[1] >> 4 == 8 ? 2 : 0;
		uint64_t target, function;
		int32_t distance;

		if (!n_opcode)
			continue;
		memcpy(&distance, code + n_opcode, sizeof(distance));
		target = at + (uint64_t)n_opcode + 4 + (uint64_t)(int64_t)distance;
		if (target - begin < n_bytes)
			continue;
		function = probe_function(u, header_raddr, target);
		/* By majority, as far as one pass can tell. */
		if (function && function != begin && target != function) {
			n_best += function == best ? 1 : -1;
			if (n_best < 0) {
				best = function;
				n_best = 1;
			}
		}
	}
	return best;
}

/*
 * How many native frames of the interpreter's evaluation loop the calling thread has: one for each
 * Python frame that was entered from C. -1: not known.
 */
int probe_count_loops(void)
{
	static uint64_t loop, rest;
	struct unwind u = {.mem = {.kind = MEM_REMOTE, .pid = getpid()}};
	enum pyframe_end end = PYFRAME_END_DEPTH;
	const ElfW(Sym) *symbol = NULL;
	int n = 0;
	Dl_info info;

	loop = (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "_PyEval_EvalFrameDefault");
	if (!loop || !unwind_is_available() ||
	    !dladdr1((void *)loop, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol)
		return -1;
	u.regs[CFI_RIP] = loop;
	if (!rest && unwind_begin(&u))
		rest = probe_find_rest(&u, u.module->header_raddr, loop, symbol->st_size);
	unwind_capture(u.regs);
	if (!unwind_begin(&u))
		return -1;
	while (unwind_step(&u, &end)) {
		uint64_t function =
			u.module ? probe_function(&u, u.module->header_raddr, u.regs[CFI_RIP] - 1)
				 : 0;

		n += function && (function == loop || function == rest);
	}
	return end == PYFRAME_END_COMPLETE ? n : -1;
}
#else
int probe_count_loops(void)
{
	return -1;
}
#endif

/* So that run.py notices when its structs are no longer these. */
size_t probe_sizes(size_t *ret_text_bytes, size_t *ret_name_bytes)
{
	*ret_name_bytes = sizeof(struct memo_name);
	*ret_text_bytes = sizeof(struct pyframe_text);
	return sizeof(struct pyframe_stack);
}
