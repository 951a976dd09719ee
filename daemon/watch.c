/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watch: one process under observation
 *
 * The region is a memfd that the process shares. It is taken only when it is sealed against
 * shrinking and growing, so that no access to it can fault, and has the size of this wire version;
 * offsets come from our own headers and never from the region's. Numbers in it may be anything and
 * may change at any moment: each is read once, and a wrong one makes a wrong figure, never a wrong
 * access.
 *
 * A recording is put together in memory of our own and then read like a region.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc.h"
#include "watch.h"
#include "wire/check.h"

/* Two readings of both clocks, each good to 100 ns or so, give the rate to 1e-5 over this. */
#define WATCH_CALIBRATE_NS (20 * NSEC_PER_MSEC)

#define WATCH_SEALS	   (F_SEAL_SHRINK | F_SEAL_GROW)

static int watch_check_fd(int region_fd, uint64_t *ret_inode)
{
	int seals = fcntl(region_fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & WATCH_SEALS) != WATCH_SEALS)
		return WATCH_E_UNSEALED;
	if (fstat(region_fd, &st))
		return -errno;
	if (st.st_size != REGION_BYTES)
		return WATCH_E_SIZE;
	*ret_inode = st.st_ino;
	return 0;
}

static int watch_new(struct names *names, struct watch **ret_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->names = names;
	watch->id = ++names_frames(names)->last_id;
	watch->pidfd = -1;
	watch->root_fd = -1;
	*ret_watch = watch;
	return 0;
}

static int watch_set_base(struct watch *watch, void *base)
{
	int r = region_check(base);

	watch->base = base;
	if (r)
		return r == -EPROTO ? WATCH_E_VERSION : WATCH_E_MAGIC;
	watch->region = region_at(base);
	watch->started_at = watch->region.header->started_realtime_ns;
	watch->started_ns = watch->region.header->started_monotonic_ns;
	return 0;
}

/*
 * Map the region of a process. The descriptor stays the caller's and is not needed afterwards.
 *
 * Return: 0, an enum watch_result for what is no region of ours, or a negative errno.
 */
int watch_new_map(struct names *names, int region_fd, struct watch **ret_watch)
{
	_cleanup_(watch_freep) struct watch *watch = NULL;
	void *base;
	int r;

	r = watch_new(names, &watch);
	if (r)
		return r;
	r = watch_check_fd(region_fd, &watch->inode);
	if (r)
		return r;
	base = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, region_fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	watch->is_mapped = true;
	r = watch_set_base(watch, base);
	if (r)
		return r;
	*ret_watch = TAKE(watch);
	return 0;
}

/* base holds REGION_BYTES and is freed with the watch, on failure too. Return: likewise. */
int watch_new_take_heap(struct names *names, void *base, struct watch **ret_watch)
{
	_cleanup_(watch_freep) struct watch *watch = NULL;
	int r = watch_new(names, &watch);

	if (r) {
		free(base);
		return r;
	}
	r = watch_set_base(watch, base);
	if (r)
		return r;
	*ret_watch = TAKE(watch);
	return 0;
}

/* Return: NULL */
struct watch *watch_free(struct watch *watch)
{
	if (!watch)
		return NULL;
	stall_deinit(&watch->stalls);
	native_deinit(&watch->natives);
	named_deinit(&watch->named);
	trace_deinit(&watch->trace);
	tape_free(watch->tape);
	if (watch->pidfd >= 0)
		close(watch->pidfd);
	if (watch->root_fd >= 0)
		close(watch->root_fd);
	if (watch->is_mapped)
		munmap(watch->base, REGION_BYTES);
	else
		free(watch->base);
	free(watch);
	return NULL;
}

void watch_freep(struct watch **watch)
{
	watch_free(*watch);
}

static size_t watch_cmdline(const struct watch *watch, char *buf, size_t buf_bytes)
{
	return arena_string(watch->region.arena, REGION_ARENA_BYTES,
			    watch->region.header->cmdline_str, buf, buf_bytes);
}

/*
 * Say which process it is, 0 for that of a recording, and which installed code is the user's:
 * what was given, what its command line shows, and what is its parent's.
 */
void watch_identify(struct watch *watch, int32_t pid, const struct own_code *own)
{
	char cmdline[POOL_MAX_STRING + 1];
	size_t length = watch_cmdline(watch, cmdline, sizeof(cmdline));

	watch->pid = pid ? pid : (int32_t)watch->region.header->pid;
	if (pid) {
		watch->pidfd = proc_pidfd(pid);
		proc_cwd(pid, watch->cwd, sizeof(watch->cwd));
		watch->has_our_root = proc_has_our_root(pid);
		if (!watch->has_our_root && watch->region.header->switches & REGION_SWITCH_NATIVE)
			watch->root_fd = proc_root_fd(pid);
	}
	own_code_add_all(&watch->own, own);
	own_code_add_cmdline(&watch->own, cmdline, length);
}

static struct clock_scale header_scale(const struct region_header *header)
{
	struct clock_scale scale = {
		.ticks0 = header->clock_ticks0,
		.ns0 = header->clock_ns0,
		.mult = atomic_load_explicit(&header->clock_mult, memory_order_relaxed),
	};

	if (!scale.mult)
		scale.mult = UINT64_C(1) << 32;
	return scale;
}

/*
 * The process measures the rate of its clock over its first millisecond, which can be off by a
 * per cent, and refines it later. The counter is the machine's, so it can be measured from here
 * over the whole life of the process. Where the two are far apart the process has another clock
 * (a time namespace), and its own word counts.
 */
void watch_calibrate(struct watch *watch)
{
	const struct region_header *header = watch->region.header;
	struct clock_scale scale = header_scale(header);
	enum clock_kind kind = (enum clock_kind)header->clock_kind;
	nsec_t now_ns = clock_monotonic();
	uint64_t mult;

	watch->mult = 0;
	if (!watch->is_mapped || kind == CLOCK_KIND_MONOTONIC || now_ns < scale.ns0 ||
	    now_ns - scale.ns0 < WATCH_CALIBRATE_NS)
		return;
	mult = clock_scale_rate(kind, &scale);
	if (mult / 16 * 15 <= scale.mult && scale.mult <= mult / 16 * 17)
		watch->mult = mult;
}

/* The clock as it is best known now. */
struct clock_scale watch_scale(const struct watch *watch)
{
	struct clock_scale scale = header_scale(watch->region.header);

	if (watch->mult)
		scale.mult = watch->mult;
	return scale;
}

/* The limits in force in the process. */
struct limits watch_limits(const struct watch *watch, uint32_t kinds)
{
	const struct region_header *header = watch->region.header;

	return (struct limits){
		.slow_callback_ns = header->slow_callback_ns,
		.long_turn_ns = header->long_turn_ns,
		.blocking_call_ns = header->blocking_call_ns,
		.stuck_ns = header->stuck_ns,
		.judged_from_ns = header->warmup_ns ? watch->started_ns + header->warmup_ns : 0,
		.kinds = kinds,
	};
}

uint64_t watch_realtime(const struct watch *watch, nsec_t monotonic_ns)
{
	return watch->started_at + (monotonic_ns - watch->started_ns);
}

static const char *watch_look_up(const struct watch *watch, uint32_t offset)
{
	char text[POOL_MAX_STRING + 1];
	size_t length =
		arena_string(watch->region.arena, REGION_ARENA_BYTES, offset, text, sizeof(text));

	return length ? pool_keep(names_pool(watch->names), text, length) : NULL;
}

/* A string of the process, kept in the pool; NULL where there is none. */
const char *watch_string(const struct watch *watch, uint32_t offset)
{
	bool is_known;
	struct frame_names *names;

	if (!offset)
		return NULL;
	names = frame_cache_at(names_frames(watch->names), watch->id, offset, FRAME_CACHE_STRING,
			       &is_known);
	if (!is_known)
		names->file = watch_look_up(watch, offset);
	return names->file;
}

/* pytest names the phase behind the node: "test_a.py::test_x (call)". */
void watch_set_test(struct watch *watch, const struct record_test *record)
{
	static const char *const phases[] = {" (setup)", " (call)", " (teardown)"};
	size_t length = strnlen(record->text, sizeof(record->text));

	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		size_t n = strlen(phases[i]);

		if (length > n && !memcmp(record->text + length - n, phases[i], n)) {
			length -= n;
			break;
		}
	}
	watch->test = length ? pool_keep(names_pool(watch->names), record->text, length) : NULL;
}

/* A file as the process names it; one that is relative is below the directory it started in. */
static const char *watch_file(const struct watch *watch, const char *file)
{
	char path[sizeof(watch->cwd) + POOL_MAX_STRING + 2];

	if (!file || *file == '/' || *file == '<' || !*watch->cwd)
		return file;
	snprintf(path, sizeof(path), "%s/%s", watch->cwd, strncmp(file, "./", 2) ? file : file + 2);
	return pool_keep_text(names_pool(watch->names), path);
}

/*
 * CPython 3.12 to 3.15 put a frame of their own between a class that is called often and its
 * __init__ (Objects/codeobject.c, _Py_InitCleanup): of no file, and nobody's code.
 */
static bool is_trampoline(const char *file, const char *function)
{
	return file && function && !strcmp(file, "__init__") && !strcmp(function, "__init__");
}

/* file and function are strings of the pool. */
static void frame_fill(const struct watch *watch, const char *file, const char *function,
		       int32_t line, struct frame *ret_frame)
{
	bool is_nobody_s = is_trampoline(file, function);

	ret_frame->file = is_nobody_s ? file : watch_file(watch, file);
	ret_frame->function = function;
	ret_frame->module =
		names_module(watch->names, watch->is_mapped ? watch->pid : 0, ret_frame->file);
	ret_frame->line = MAX(line, 0);
	ret_frame->kind = FRAME_PYTHON;
	ret_frame->is_own = !is_nobody_s && own_code_is_own(&watch->own, ret_frame->file);
}

static const char *keep_or_null(const struct watch *watch, const char *text)
{
	return *text ? pool_keep_text(names_pool(watch->names), text) : NULL;
}

/* A Python frame whose names came from elsewhere than the arena; "" for one that is not known. */
void watch_frame_named(const struct watch *watch, const char *file, const char *function,
		       int32_t line, struct frame *ret_frame)
{
	frame_fill(watch, keep_or_null(watch, file), keep_or_null(watch, function), line,
		   ret_frame);
}

/* One frame with its names, and whether it is the user's own. */
void watch_frame(const struct watch *watch, const struct record_frame *raw, struct frame *ret_frame)
{
	uint32_t function_str = raw->function_str == FRAME_CACHE_STRING ? 0 : raw->function_str;
	bool is_known;
	struct frame_names *names = frame_cache_at(names_frames(watch->names), watch->id,
						   raw->file_str, function_str, &is_known);

	if (!is_known) {
		frame_fill(watch, watch_look_up(watch, raw->file_str),
			   watch_look_up(watch, function_str), raw->line, ret_frame);
		names->file = ret_frame->file;
		names->function = ret_frame->function;
		names->module = ret_frame->module;
		names->is_own = ret_frame->is_own;
		return;
	}
	*ret_frame = (struct frame){
		.file = names->file,
		.function = names->function,
		.module = names->module,
		.line = MAX(raw->line, 0),
		.kind = FRAME_PYTHON,
		.is_own = names->is_own,
	};
}

/* The stack of a checked record with its names. Return: for free(); NULL without memory. */
struct stack *watch_stack(const struct watch *watch, const struct record *record)
{
	uint32_t n_frames;
	const struct record_frame *frames = record_frames(record, &n_frames);
	struct stack *stack = calloc(1, sizeof(*stack) + n_frames * sizeof(stack->frames[0]));

	if (!stack)
		return NULL;
	stack->count = 1;
	stack->n_frames = n_frames;
	for (uint32_t i = 0; i < n_frames; i++)
		watch_frame(watch, &frames[i], &stack->frames[i]);
	return stack;
}
