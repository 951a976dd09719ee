/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scribe: what probes have seen, in the words of a shim
 *
 * A process that is watched from outside shares no region, so one is made for it, in which its
 * records, strings and slots are written by the daemon itself; all that judges, counts and shows is
 * then the same. Its ticks are ns of CLOCK_MONOTONIC, the clock of the kernel's probes.
 *
 * Names are found through the kernel while the process goes on. The code objects of what was on a
 * stack a moment ago are there still, unless that module has just been thrown away; what is read is
 * compared and read twice (code.c, memo.c), so such a frame is missing and never wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "pyframe/walk.h"
#include "scribe.h"
#include "wire/arena.h"
#include "wire/ring.h"

#define SCRIBE_MAX_PROBES 16
#define SCRIBE_BATCH	  16
/* As the shim's: /proc/PID/cmdline is cut there. */
#define SCRIBE_MAX_CMDLINE 4096

void scribe_lost(struct scribe *scribe, enum loss loss)
{
	atomic_fetch_add_explicit(&scribe->region.header->lost[loss], 1, memory_order_relaxed);
}

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void fill_header(struct region_header *header, const struct interpreter *interpreter,
			const struct options *limits)
{
	*header = (struct region_header){
		.version = WIRE_VERSION,
		.header_bytes = sizeof(*header),
		.region_bytes = REGION_BYTES,
		.n_slots = REGION_N_SLOTS,
		.slot_bytes = REGION_SLOT_BYTES,
		.arena_bytes = REGION_ARENA_BYTES,
		.ring_bytes = REGION_RING_BYTES,
		.via = REGION_VIA_BPF,
		.pid = (uint32_t)interpreter->mem.pid,
		.started_realtime_ns = realtime_ns(),
		.started_monotonic_ns = clock_monotonic(),
		.clock_kind = CLOCK_KIND_MONOTONIC,
		.clock_mult = UINT64_C(1) << 32,
		.python_hex = interpreter->version_hex,
		.slow_callback_ns = limits->slow_callback_ns,
		.long_turn_ns = limits->long_turn_ns,
		.blocking_call_ns = limits->blocking_call_ns,
		.stuck_ns = limits->stuck_ns,
		.warmup_ns = limits->warmup_ns,
		.switches = limits->is_native ? REGION_SWITCH_NATIVE : 0,
		.runtime_raddr = interpreter->pyframe.runtime_raddr,
		.code_type_raddr = interpreter->pyframe.code_type_raddr,
	};
	header->detectors = DETECTOR_TURNS | DETECTOR_CALLBACKS | DETECTOR_CALLS | DETECTOR_SAMPLES;
	header->magic = REGION_MAGIC;
}

/* A region like those that processes share. Return: 0 and its memfd, or a negative errno. */
int scribe_region(const struct interpreter *interpreter, const struct options *limits,
		  int *ret_region_fd)
{
	_cleanup_close_ int fd = memfd_create("loophound", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct region region;
	void *base;

	if (fd < 0 || ftruncate(fd, REGION_BYTES) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		return -errno;
	base = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	region = region_at(base);
	atomic_store(&region.arena->used_bytes, sizeof(struct arena));
	fill_header(region.header, interpreter, limits);
	munmap(base, REGION_BYTES);
	*ret_region_fd = TAKE_FD(fd);
	return 0;
}

/* region is the daemon's mapping of it, and outlives the scribe. */
void scribe_init(struct scribe *scribe, const struct interpreter *interpreter,
		 const struct region *region)
{
	memset(scribe, 0, sizeof(*scribe));
	scribe->region = *region;
	scribe->interpreter = *interpreter;
	scribe->memo = (struct memo){scribe->memo_entries, SCRIBE_N_MEMOS};
}

static uint32_t read_parent(int32_t pid)
{
	char path[64], text[512], *at;
	_cleanup_close_ int fd = -1;
	unsigned int ppid = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* "PID (NAME) STATE PPID ...", where the name may hold anything. */
	at = strrchr(text, ')');
	return at && sscanf(at, ") %*c %u", &ppid) == 1 ? ppid : 0;
}

/* What /proc says of the process, and the version of its interpreter. */
void scribe_describe(struct scribe *scribe)
{
	struct region_header *header = scribe->region.header;
	uint32_t hex = header->python_hex;
	char text[SCRIBE_MAX_CMDLINE], path[64];
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int length;

	header->ppid = read_parent((int32_t)header->pid);
	snprintf(path, sizeof(path), "/proc/%u/cmdline", header->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n > 0)
		header->cmdline_str = arena_append(&scribe->region, text, (size_t)n);
	/* Before 3.11 only 3.N is known. */
	if (hex >> 16 < 0x030b)
		length = snprintf(text, sizeof(text), "%u.%u", hex >> 24, hex >> 16 & 0xff);
	else
		length = snprintf(text, sizeof(text), "%u.%u.%u", hex >> 24, hex >> 16 & 0xff,
				  hex >> 8 & 0xff);
	header->python_str = arena_append(&scribe->region, text, (size_t)length);
}

/* FNV-1a, 64 bits. */
static uint64_t word_hash(const char *text, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

/* Return: the string's offset in the arena; ARENA_NONE for an empty one and when it is full. */
uint32_t scribe_string(struct scribe *scribe, const char *text, size_t length)
{
	uint64_t hash = word_hash(text, length);
	struct scribe_word *word = NULL;
	uint32_t offset;

	if (!length)
		return ARENA_NONE;
	for (unsigned int i = 0; i < SCRIBE_MAX_PROBES; i++) {
		word = &scribe->words[(hash + i) % SCRIBE_N_WORDS];
		if (word->hash == hash)
			return word->offset;
		if (!word->hash)
			break;
	}
	offset = arena_append(&scribe->region, text, length);
	if (offset == ARENA_NONE)
		scribe_lost(scribe, LOSS_ARENA_FULL);
	else
		*word = (struct scribe_word){hash, offset};
	return offset;
}

static bool is_run_once(const struct pyframe_text *text)
{
	static const char file[] = "/asyncio/base_events.py";
	const char *function = strrchr(text->function, '.');

	function = function ? function + 1 : text->function;
	return !strcmp(function, "_run_once") && text->file_len >= sizeof(file) &&
	       !strcmp(text->file + text->file_len - (sizeof(file) - 1), file);
}

static bool name_find(struct scribe *scribe, struct memo_name *name)
{
	const struct interpreter *in = &scribe->interpreter;
	struct pyframe_text text;

	if (pyframe_describe(&in->pyframe, &in->mem, &name->addr, &text))
		return false;
	name->file_id = scribe_string(scribe, text.file, text.file_len);
	name->function_id = scribe_string(scribe, text.function, text.function_len);
	name->line = text.line;
	name->first_line = text.first_line;
	if (!scribe->run_once_raddr && is_run_once(&text))
		scribe->run_once_raddr = name->addr.code_raddr;
	memo_remember(&scribe->memo, &in->pyframe, &in->mem, name);
	return true;
}

/* Whether nothing can be read there any more: it has ended, or is another program. */
static bool is_gone(const struct interpreter *in)
{
	uint64_t word;

	return mem_read(&in->mem, in->pyframe.runtime_raddr, &word, sizeof(word)) < 0;
}

/* The last words of a process are read after its end: by then the names it had are all there is. */
static bool name_of_gone(const struct scribe *scribe, struct memo_name *name)
{
	return is_gone(&scribe->interpreter) && memo_recall_last(&scribe->memo, name);
}

/* Return: how many of the frames could be named, from the first on. */
static uint32_t names_batch(struct scribe *scribe, const struct pyframe_addr *found, uint32_t n,
			    struct record_frame *ret_frames)
{
	const struct interpreter *in = &scribe->interpreter;
	struct memo_name names[SCRIBE_BATCH];

	memo_recall(&scribe->memo, &in->pyframe, &in->mem, found, n, names);
	for (uint32_t i = 0; i < n; i++) {
		if (!names[i].is_known && !name_find(scribe, &names[i]) &&
		    !name_of_gone(scribe, &names[i]))
			return i;
		ret_frames[i] = (struct record_frame){
			.file_str = names[i].file_id,
			.function_str = names[i].function_id,
			.line = names[i].line,
			.first_line = names[i].first_line,
		};
	}
	return n;
}

/* Frames as pyframe has them. Return: how many are good. */
static uint32_t to_addrs(const struct scribe *scribe, const struct scribe_frame *frames, uint32_t n,
			 struct pyframe_addr *ret_addrs)
{
	const struct interpreter *in = &scribe->interpreter;

	for (uint32_t i = 0; i < n; i++) {
		struct walk_frame frame = {.executable_raddr = frames[i].code_raddr,
					   .instr = frames[i].instr};

		ret_addrs[i].code_raddr = frames[i].code_raddr;
		if (walk_find_lasti(&in->pyframe, &in->mem, &frame, &ret_addrs[i].lasti) < 0)
			return i;
	}
	return n;
}

/* Names for addresses. A frame that cannot be named ends the stack: better short than wrong. */
void scribe_addrs(struct scribe *scribe, const struct pyframe_addr *addrs, uint32_t n_addrs,
		  struct scribe_stack *ret_stack)
{
	uint32_t n = 0, batch, named;

	do {
		batch = MIN(n_addrs - n, SCRIBE_BATCH);
		named = names_batch(scribe, addrs + n, batch, ret_stack->frames + n);
		n += named;
	} while (batch && named == batch);
	ret_stack->stack.n_frames = n;
}

/* The names of a stack, as far as they can be found. */
void scribe_stack(struct scribe *scribe, const struct scribe_frame *frames, uint32_t n_frames,
		  enum pyframe_end end, struct scribe_stack *ret_stack)
{
	struct pyframe_addr addrs[RECORD_MAX_FRAMES];
	uint32_t n_good = to_addrs(scribe, frames, MIN(n_frames, RECORD_MAX_FRAMES), addrs), n;

	scribe_addrs(scribe, addrs, n_good, ret_stack);
	n = ret_stack->stack.n_frames;
	ret_stack->stack.end = n < n_frames ? PYFRAME_END_UNREADABLE : end;
}

/* Count a stack that is wanted and is not whole. */
void scribe_stack_loss(struct scribe *scribe, const struct scribe_stack *stack)
{
	if (stack->stack.end == PYFRAME_END_UNREADABLE || stack->stack.end == PYFRAME_END_INVALID)
		scribe_lost(scribe, LOSS_STACK_UNREADABLE);
}

static void write_with(struct scribe *scribe, const struct record *record, uint32_t fixed_bytes,
		       const void *more, uint32_t n_bytes)
{
	struct record *room = ring_reserve(&scribe->region, fixed_bytes + n_bytes);

	if (!room) {
		scribe_lost(scribe, LOSS_RING_FULL);
		return;
	}
	memcpy(&room->type, &record->type, fixed_bytes - offsetof(struct record, type));
	if (n_bytes)
		memcpy((char *)room + fixed_bytes, more, n_bytes);
	ring_commit(room, fixed_bytes + n_bytes);
}

/* record is filled but for its size. */
void scribe_write_native(struct scribe *scribe, const struct record_native *record,
			 const struct record_native_frame *frames)
{
	write_with(scribe, &record->head, sizeof(*record), frames,
		   record->stack.n_frames * (uint32_t)sizeof(*frames));
}

/* record is filled but for its size; its frames are those of stack, which may be NULL. */
void scribe_write(struct scribe *scribe, const struct record *record, uint32_t fixed_bytes,
		  const struct scribe_stack *stack)
{
	uint32_t n_bytes = stack ? stack->stack.n_frames * (uint32_t)sizeof(stack->frames[0]) : 0;

	write_with(scribe, record, fixed_bytes, stack ? stack->frames : NULL, n_bytes);
}
