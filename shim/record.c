/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record: the process writes down what it saw
 *
 * With LOOPHOUND_DIR and no daemon the watchdog is the ring's consumer and appends to a file
 * (wire/recording.h): the header once, the strings that are new, the records, and now and then the
 * slots. The file is opened for each of these sessions, since the watchdog's descriptors end with
 * it over a fork. A write that fails (disk full) ends the recording and is counted; the file stays
 * good up to there. So does one that would pass the program's RLIMIT_FSIZE, which sends a signal.
 *
 * At the end of the process it is the watchdog, too, that writes the rest (watchdog.c); only where
 * there is none does the thread that exits. Never both at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/kernel.h"
#include "config.h"
#include "record.h"
#include "watch.h"
#include "wire/arena.h"
#include "wire/recording.h"
#include "wire/ring.h"

/* Slots are 13 KB each and matter at the end; a process that is killed loses this much of them. */
#define SLOTS_EVERY_NS (1 * NSEC_PER_SEC)

/* A thread that is in the middle of a string for longer has left it. */
#define UNFINISHED_MAX_NS (1 * NSEC_PER_SEC)

enum record_state {
	RECORD_NONE = 0, /* nothing written yet */
	RECORD_RUNS = 1,
	RECORD_OVER = 2, /* failed, or not asked for */
};

static enum record_state state;
static unsigned int n_files; /* a daemon may come and go, and each time a new file begins */
static int file_fd = -1;     /* during a session */
static uint64_t dev, ino;
static uint64_t room_bytes;    /* what RLIMIT_FSIZE leaves */
static uint32_t arena_written; /* how far it was written */
static uint32_t arena_whole;   /* and how far all of that was finished by then */
static nsec_t unfinished_ns;   /* since when the string there is waited for; 0: it is not */
static nsec_t slots_due_ns;

static bool write_all(const void *bytes, size_t size_bytes)
{
	const char *p = bytes;

	if (size_bytes > room_bytes)
		return false;
	room_bytes -= size_bytes;
	while (size_bytes) {
		long n = kernel_call(SYS_write, file_fd, p, size_bytes);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		size_bytes -= (size_t)n;
	}
	return true;
}

static void record_fail(void)
{
	watch_lost(LOSS_RECORDING_FAILED);
	state = RECORD_OVER;
}

static void chunk_write(enum chunk_kind kind, uint64_t position, const void *bytes,
			uint32_t size_bytes)
{
	static const char zero[8];
	struct chunk chunk = {.kind = kind, .size_bytes = size_bytes, .position = position};

	if (state != RECORD_RUNS)
		return;
	if (!write_all(&chunk, sizeof(chunk)) || !write_all(bytes, size_bytes) ||
	    !write_all(zero, -size_bytes % 8))
		record_fail();
}

/* The file of this recording, made now when it is the first session. */
static int file_open(void)
{
	int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
	char path[sizeof(config.dir) + 64];

	snprintf(path, sizeof(path), "%s/loophound-%d-%llu-%u.lhr", config.dir, (int)watch.pid,
		 (unsigned long long)(watch.region.header->started_realtime_ns / NSEC_PER_USEC),
		 n_files);
	if (state == RECORD_NONE)
		flags |= O_CREAT | O_EXCL;
	return (int)kernel_call(SYS_openat, AT_FDCWD, path, flags, 0600);
}

/* Whether it is the file we began with, and how much may be added to it. */
static bool file_is_ours(void)
{
	struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
	struct stat st;

	if (kernel_call(SYS_newfstatat, file_fd, "", &st, AT_EMPTY_PATH))
		return false;
	if (state == RECORD_NONE) {
		dev = st.st_dev;
		ino = st.st_ino;
	}
	kernel_call(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit);
	room_bytes = limit.rlim_cur > (rlim_t)st.st_size ? limit.rlim_cur - (rlim_t)st.st_size : 0;
	return st.st_dev == dev && st.st_ino == ino;
}

static void session_end(void)
{
	kernel_call(SYS_close, file_fd);
	file_fd = -1;
}

/* Return: whether there is something to write to now. */
static bool session_begin(void)
{
	struct recording_header header = {.magic = RECORDING_MAGIC, .version = WIRE_VERSION};

	if (!*config.dir)
		state = RECORD_OVER;
	if (state == RECORD_OVER)
		return false;
	file_fd = file_open();
	if (file_fd < 0) {
		record_fail();
		return false;
	}
	if (!file_is_ours() || (state == RECORD_NONE && !write_all(&header, sizeof(header)))) {
		record_fail();
		session_end();
		return false;
	}
	if (state == RECORD_NONE) {
		arena_written = arena_whole = 0;
		unfinished_ns = 0;
	}
	state = RECORD_RUNS;
	return true;
}

static void arena_write(uint32_t from, uint32_t to)
{
	if (to > from)
		chunk_write(CHUNK_ARENA, from, (const char *)watch.region.arena + from, to - from);
}

/* Whether to wait no longer for a string: its thread was torn out of it, as by siglongjmp(). */
static bool is_given_up(bool is_unfinished)
{
	nsec_t now_ns = is_unfinished ? clock_monotonic() : 0;

	if (is_unfinished && unfinished_ns && now_ns - unfinished_ns > UNFINISHED_MAX_NS) {
		unfinished_ns = 0;
		return true;
	}
	if (!is_unfinished || !unfinished_ns)
		unfinished_ns = now_ns;
	return false;
}

/*
 * Strings first: a record is worth nothing without those it names. One that another thread is in
 * the middle of goes in as it is, for the sake of those behind it, and again, with these, when it
 * is finished or given up: so each byte is written twice at most.
 */
static void write_arena(void)
{
	uint32_t used = atomic_load_explicit(&watch.region.arena->used_bytes, memory_order_acquire);
	uint32_t from = MAX(arena_whole, sizeof(*watch.region.arena)), whole;

	used = MIN(used, REGION_ARENA_BYTES) & ~3u;
	/* What was finished after used was read is not written yet. */
	whole = MAX(MIN(arena_finished(&watch.region, from), used), from);
	if (is_given_up(whole == from && from < arena_written))
		whole = arena_written;
	arena_write(from, MIN(whole, arena_written));
	arena_write(arena_written, used);
	arena_written = MAX(arena_written, used);
	arena_whole = whole;
}

static void write_records(void)
{
	static _Alignas(8) unsigned char buf[RECORD_MAX_BYTES];
	uint32_t size_bytes;

	while (state == RECORD_RUNS && !ring_take(&watch.region, buf, sizeof(buf), &size_bytes)) {
		write_arena();
		chunk_write(CHUNK_RECORDS, 0, buf, size_bytes);
	}
}

static void write_slots(void)
{
	watch_refine_clock();
	chunk_write(CHUNK_HEADER, 0, watch.region.header, sizeof(*watch.region.header));
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		const struct slot *slot = region_slot(&watch.region, i);

		if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_FREE)
			chunk_write(CHUNK_SLOT, i, slot, sizeof(*slot));
	}
}

static bool has_news(void)
{
	return atomic_load_explicit(&watch.region.ring->head, memory_order_acquire) !=
	       atomic_load_explicit(&watch.region.ring->tail, memory_order_relaxed);
}

/* Write what is new. Nothing, when no recording was asked for. */
_hidden_ void record_drain(nsec_t now_ns)
{
	bool is_time = now_ns >= slots_due_ns;

	if ((!has_news() && !is_time) || !session_begin())
		return;
	write_arena();
	write_records();
	if (is_time) {
		write_slots();
		slots_due_ns = now_ns + SLOTS_EVERY_NS;
	}
	session_end();
}

/* Write the rest: the process ends. */
_hidden_ void record_end(void)
{
	if (!session_begin())
		return;
	write_arena();
	write_records();
	write_slots();
	chunk_write(CHUNK_END, 0, NULL, 0);
	session_end();
	if (state == RECORD_RUNS)
		state = RECORD_NONE;
	n_files++;
	slots_due_ns = 0;
}

/* A daemon has taken the ring over: what has been begun is ended. */
_hidden_ void record_hand_over(void)
{
	if (state == RECORD_RUNS)
		record_end();
}

/* In a fork child: the file is the parent's. */
_hidden_ void record_forget(void)
{
	state = RECORD_NONE;
	n_files = 0;
	file_fd = -1;
	arena_written = arena_whole = 0;
	unfinished_ns = 0;
	slots_due_ns = 0;
}
