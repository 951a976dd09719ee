/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watched process as a whole
 *
 * A watch is opened by the constructor when a daemon is known to be there, else by the first loop:
 * a Python program that runs no loop and has no daemon costs a few look-ups at start and nothing
 * after. It is opened once, by one thread (others see is_open, or try again with the next loop),
 * and lives until the process ends. A fork child forgets its parent's watch, whose memory it
 * shares, before it does anything else, and opens its own with its first loop.
 *
 * Called from: the constructor, loop_start() with the GIL held, the atfork child handler, exit.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "intern.h"
#include "patch.h"
#include "strict.h"
#include "native.h"
#include "sample.h"
#include "watch.h"
#include "wire/arena.h"

/*
 * Calls shorter than this are not summed up: 2000 of them are a slow callback, and the look at
 * each costs a system call (is it a descriptor that does not wait?).
 */
#define SHORT_CALL_NS (50 * NSEC_PER_USEC)
/* epoll_wait() that finds something ready takes 1-2 us; one that sleeps, the time of two switches.
 */
#define SLEEPLESS_NS (10 * NSEC_PER_USEC)
/* What people see on a time line; a busy neighbour of five milliseconds is 200 a second. */
#define PAUSE_NS	  (1 * NSEC_PER_MSEC)
#define CMDLINE_MAX_BYTES 4096

_hidden_ struct watch watch = {
	.region_mark = FD_MARK_NONE,
	.options = OPTIONS_DEFAULT,
};

static _Atomic bool watch_is_opening;

/*
 * What happens before the watch is open is kept for when it opens: hooks are put in at the import
 * of asyncio, and the first loop comes later.
 */
static _Atomic uint64_t lost_early[LOSS_N];
static _Atomic uint32_t detectors_early;

static const char no_native_complaint[] =
	"native: native frames need x86-64 and glibc 2.35; there will be none";

/* The hooks that are in the interpreter stay there in a fork child; the rest comes with a loop. */
#define DETECTORS_OF_HOOKS (~(uint32_t)(DETECTOR_TURNS | DETECTOR_CALLS | DETECTOR_SAMPLES))

_hidden_ void watch_lost(enum loss loss)
{
	_Atomic uint64_t *lost = watch_is_open() ? watch.region.header->lost : lost_early;

	atomic_fetch_add_explicit(&lost[loss], 1, memory_order_relaxed);
}

_hidden_ void watch_detects(uint32_t detectors)
{
	atomic_fetch_or_explicit(&detectors_early, detectors & DETECTORS_OF_HOOKS,
				 memory_order_relaxed);
	if (watch_is_open())
		atomic_fetch_or_explicit(&watch.region.header->detectors, detectors,
					 memory_order_relaxed);
}

/* When the warm-up is over, as a tick; 0 where there is none. */
static uint64_t warm_from(const struct clock_scale *scale)
{
	nsec_t from_ns;

	if (!watch.options.warmup_ns || !watch_is_open())
		return 0;
	from_ns = watch.region.header->started_monotonic_ns + watch.options.warmup_ns;
	if (from_ns <= scale->ns0)
		return 0;
	return scale->ticks0 + clock_span_ticks(scale, from_ns - scale->ns0);
}

static void watch_set_limits(void)
{
	const struct options *options = &watch.options;
	const struct clock_scale *scale = &watch.scale;
	uint64_t short_call =
		clock_span_ticks(scale, MIN(SHORT_CALL_NS, options->blocking_call_ns));

	watch.limits = (struct limits){
		.slow_callback = clock_span_ticks(scale, options->slow_callback_ns),
		.long_turn = clock_span_ticks(scale, options->long_turn_ns),
		.blocking_call = clock_span_ticks(scale, options->blocking_call_ns),
		.cancel_grace = clock_span_ticks(scale, options->cancel_grace_ns),
		.short_call = short_call,
		/* In strict mode the shortest has to be looked at. */
		.call_floor = options->is_strict ? 0 : short_call,
		.pause = clock_span_ticks(scale, PAUSE_NS),
		.sleepless = clock_span_ticks(scale, SLEEPLESS_NS),
		.warm = warm_from(scale),
		.notable = clock_span_ticks(
			scale, MIN(options->slow_callback_ns, options->blocking_call_ns)),
		.is_tick_enough =
			MIN(options->slow_callback_ns, options->long_turn_ns) >= 2 * SAMPLE_TICK_NS,
	};
}

/*
 * Measure the clock's rate over the whole life of the watch so far: at each start of a loop (the
 * first has a base of the interpreter's start-up, 10 ms: 1e-5), and later once for good. A base of
 * microseconds, as when the watch opens in the constructor, would be wrong by percents.
 */
_hidden_ void watch_refine_clock(void)
{
	watch.scale.mult = clock_scale_rate(watch.clock_kind, &watch.scale);
	watch_set_limits();
	if (watch_is_open())
		atomic_store_explicit(&watch.region.header->clock_mult, watch.scale.mult,
				      memory_order_relaxed);
}

static uint32_t append_cmdline(const struct region *region)
{
	char text[CMDLINE_MAX_BYTES];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return ARENA_NONE;
	n = read(fd, text, sizeof(text));
	close(fd);
	return n > 0 ? arena_append(region, text, (size_t)n) : ARENA_NONE;
}

static uint32_t python_hex(const char *version)
{
	uint32_t numbers[3] = {0}, release = 0xf0;
	unsigned int i = 0;

	for (; *version && *version != ' ' && i < 3; version++) {
		if (*version >= '0' && *version <= '9')
			numbers[i] = numbers[i] * 10 + (uint32_t)(*version - '0');
		else if (*version == '.')
			i++;
		else if (*version == 'a' || *version == 'b' || *version == 'r') {
			release = *version == 'a' ? 0xa0 : *version == 'b' ? 0xb0 : 0xc0;
			break;
		} else
			break;
	}
	return numbers[0] << 24 | numbers[1] << 16 | (numbers[2] & 0xff) << 8 | release;
}

static void describe_python(const struct region *region, struct region_header *header)
{
	header->python_hex = python_hex(watch.python_version);
	header->python_str =
		arena_append(region, watch.python_version, strlen(watch.python_version));
}

static void describe_options(const struct region *region, struct region_header *header)
{
	char complaint[256];
	size_t length = options_parse(config.options, &watch.options, complaint, sizeof(complaint));

	watch.is_native = watch.options.is_native && native_open();
	if (length)
		header->complaint_str = arena_append(region, complaint, length);
	if (!strict_open()) {
		watch.options.is_strict = false;
		header->lost[LOSS_HOOK_REFUSED]++;
	} else if (watch.options.is_native && !watch.is_native)
		header->complaint_str =
			arena_append(region, no_native_complaint, strlen(no_native_complaint));
	header->slow_callback_ns = watch.options.slow_callback_ns;
	header->long_turn_ns = watch.options.long_turn_ns;
	header->blocking_call_ns = watch.options.blocking_call_ns;
	header->stuck_ns = watch.options.stuck_ns;
	header->warmup_ns = watch.options.warmup_ns;
	header->switches = (watch.options.is_strict ? REGION_SWITCH_STRICT : 0) |
			   (watch.options.is_native ? REGION_SWITCH_NATIVE : 0);
}

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void describe_watch(const struct region *region)
{
	struct region_header *header = region->header;

	*header = (struct region_header){
		.version = WIRE_VERSION,
		.header_bytes = sizeof(*header),
		.region_bytes = REGION_BYTES,
		.n_slots = REGION_N_SLOTS,
		.slot_bytes = REGION_SLOT_BYTES,
		.arena_bytes = REGION_ARENA_BYTES,
		.ring_bytes = REGION_RING_BYTES,
		.via = REGION_VIA_PRELOAD,
		.pid = (uint32_t)watch.pid,
		.ppid = (uint32_t)getppid(),
		.started_realtime_ns = realtime_ns(),
		.started_monotonic_ns = clock_monotonic(),
		.clock_kind = watch.clock_kind,
		.clock_ticks0 = watch.scale.ticks0,
		.clock_ns0 = watch.scale.ns0,
		.clock_mult = watch.scale.mult,
		.runtime_raddr = watch.runtime_raddr,
		.code_type_raddr = watch.code_type_raddr,
	};
	atomic_store_explicit(&region->arena->used_bytes, sizeof(struct arena),
			      memory_order_relaxed);
	header->detectors = detectors_early;
	for (unsigned int loss = 0; loss < LOSS_N; loss++)
		header->lost[loss] = lost_early[loss];
	header->cmdline_str = append_cmdline(region);
	describe_python(region, header);
	describe_options(region, header);
	for (unsigned int hook = 0; hook < HOOK_N_NAMES; hook++)
		watch.call_str[hook] =
			arena_append(region, hook_names[hook], strlen(hook_names[hook]));
	header->magic = REGION_MAGIC;
}

/* ftruncate() past RLIMIT_FSIZE sends the program a signal, which would be the end of it. */
static bool file_size_is_allowed(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur >= REGION_BYTES;
}

/* Sealed against shrinking, so that neither side can be killed by the other cutting it short. */
static int make_region(struct region *ret_region, struct fd_mark *ret_mark)
{
	int fd = file_size_is_allowed() ? memfd_create("loophound", MFD_CLOEXEC | MFD_ALLOW_SEALING)
					: -1;
	void *base;

	if (fd < 0)
		return -EIO;
	fd = fd_move_high(fd);
	if (ftruncate(fd, REGION_BYTES) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail;
	base = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	*ret_region = region_at(base);
	fd_mark_take(ret_mark, fd);
	return 0;
fail:
	close(fd);
	return -EIO;
}

static uint64_t symbol_bytes(uint64_t raddr)
{
	const ElfW(Sym) *symbol = NULL;
	Dl_info object;

	if (!raddr || !dladdr1((void *)(uintptr_t)raddr, &object, (void **)&symbol, RTLD_DL_SYMENT))
		return 0;
	return symbol ? symbol->st_size : 0;
}

/* What the loader knows of the interpreter. Called by the constructor, the only thread then. */
_hidden_ void watch_init(void)
{
	const char *(*get_version)(void) =
		(const char *(*)(void))dlsym(RTLD_DEFAULT, "Py_GetVersion");

	watch.runtime_raddr = (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "_PyRuntime");
	watch.runtime_bytes = symbol_bytes(watch.runtime_raddr);
	patch_find_object((const void *)(uintptr_t)watch.runtime_raddr, &watch.interpreter_start,
			  &watch.interpreter_bytes);
	watch.code_type_raddr = (uint64_t)(uintptr_t)dlsym(RTLD_DEFAULT, "PyCode_Type");
	watch.python_version = get_version ? get_version() : "";
	/* The word may be part of another: what was looked up for nothing is not used. */
	if (strstr(config.options, "native"))
		native_init();
	watch.clock_kind = clock_best_kind();
	clock_scale_start(watch.clock_kind, &watch.scale);
}

/* Return: whether the watch is open now. Keeps errno. */
_hidden_ bool watch_open(void)
{
	int saved_errno = errno;

	if (watch_is_open())
		return true;
	if (atomic_exchange_explicit(&watch_is_opening, true, memory_order_acquire))
		return false;
	watch.pid = getpid();
	watch.self = (struct mem){.kind = MEM_SELF, .pid = watch.pid};
	watch.remote = (struct mem){.kind = MEM_REMOTE, .pid = watch.pid};
	if (!make_region(&watch.region, &watch.region_mark)) {
		describe_watch(&watch.region);
		atomic_store_explicit(&watch.is_open, true, memory_order_release);
		watch_refine_clock();
	}
	atomic_store_explicit(&watch_is_opening, false, memory_order_release);
	errno = saved_errno;
	return watch_is_open();
}

/* In a fork child: let go of the parent's watch without leaving a trace in it. */
_hidden_ void watch_forget(void)
{
	atomic_store_explicit(&watch.is_open, false, memory_order_relaxed);
	atomic_store_explicit(&watch_is_opening, false, memory_order_relaxed);
	if (watch.region.header)
		munmap(watch.region.header, REGION_BYTES);
	if (fd_mark_holds(&watch.region_mark))
		REAL(close)(watch.region_mark.fd);
	watch.region = (struct region){0};
	watch.region_mark = (struct fd_mark)FD_MARK_NONE;
	intern_forget();
	strict_forget();
	clock_scale_start(watch.clock_kind, &watch.scale);
}

/*
 * Whether Python frames can be read, tried once, by a thread that runs Python code now.
 * tstate_raddr is its thread state; code_raddr and line are what the interpreter itself says of the
 * frame it runs. Through the kernel: a layout that is wrong gives an error here, not a crash later.
 * Needs the GIL.
 */
_hidden_ bool watch_frames_ready(uint64_t tstate_raddr, uint64_t code_raddr, int32_t line)
{
	if (watch.is_frames_tried)
		return watch.is_frames_ok;
	watch.is_frames_tried = true;
	watch.is_frames_ok =
		!pyframe_init(&watch.remote, watch.runtime_raddr, python_hex(watch.python_version),
			      watch.code_type_raddr, &watch.pyframe) &&
		!pyframe_check(&watch.pyframe, &watch.remote, tstate_raddr, code_raddr, line);
	if (!watch.is_frames_ok)
		watch_lost(LOSS_PYTHON_UNKNOWN);
	return watch.is_frames_ok;
}

/* The process ends with this exit status. Not called for one that a signal kills. */
_hidden_ void watch_exited(int status)
{
	struct region_header *header = watch.region.header;

	atomic_store_explicit(&header->exit_status, status & 0xff, memory_order_relaxed);
	atomic_store_explicit(&header->exit_state, REGION_EXIT_STATUS, memory_order_release);
}
