/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record: the process writes down what it saw
 *
 * With LOOPHOUND_DIR and no daemon the watchdog is the ring's consumer and appends to a file of its
 * own (wire/recording.h): the header once, the strings that are new, the records, and now and then
 * the slots. A write that fails (disk full) ends the recording and is counted; the file stays good
 * up to there. The thread that exits writes the rest, unless the watchdog is at it and does not get
 * done in time: exit is not delayed for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "record.h"
#include "watch.h"
#include "wire/recording.h"
#include "wire/ring.h"

/* Slots are 13 KB each and matter at the end; a process that is killed loses this much of them. */
#define SLOTS_EVERY_NS (1 * NSEC_PER_SEC)
#define EXIT_WAIT_NS   (10 * NSEC_PER_MSEC)

enum record_state {
	RECORD_NONE = 0, /* nothing written yet */
	RECORD_RUNS = 1,
	RECORD_OVER = 2, /* ended, refused, or not asked for */
};

static struct fd_mark file_mark = FD_MARK_NONE;
static enum record_state state;
static uint32_t arena_written;
static nsec_t slots_due_ns;
static _Atomic bool is_busy; /* the watchdog and the thread that exits, one at a time */

static void record_close(void)
{
	if (fd_mark_holds(&file_mark))
		REAL(close)(file_mark.fd);
	file_mark = (struct fd_mark)FD_MARK_NONE;
	state = RECORD_OVER;
}

static void record_fail(void)
{
	watch_lost(LOSS_RECORDING_FAILED);
	record_close();
}

static bool write_all(const void *bytes, size_t size_bytes)
{
	const char *p = bytes;

	while (size_bytes) {
		ssize_t n = write(file_mark.fd, p, size_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		size_bytes -= (size_t)n;
	}
	return true;
}

static void chunk_write(enum chunk_kind kind, uint64_t position, const void *bytes,
			uint32_t size_bytes)
{
	static const char zero[8];
	struct chunk chunk = {.kind = kind, .size_bytes = size_bytes, .position = position};

	if (state != RECORD_RUNS)
		return;
	if (!fd_mark_holds(&file_mark) || !write_all(&chunk, sizeof(chunk)) ||
	    !write_all(bytes, size_bytes) || !write_all(zero, -size_bytes % 8))
		record_fail();
}

static void record_open(void)
{
	struct recording_header header = {.magic = RECORDING_MAGIC, .version = WIRE_VERSION};
	const char *dir = getenv("LOOPHOUND_DIR");
	char path[512];
	int fd, n;

	state = RECORD_OVER;
	if (!dir || !*dir)
		return;
	n = snprintf(
		path, sizeof(path), "%s/loophound-%d-%llu.lhr", dir, (int)watch.pid,
		(unsigned long long)(watch.region.header->started_realtime_ns / NSEC_PER_USEC));
	if (n < 0 || (size_t)n >= sizeof(path)) {
		watch_lost(LOSS_RECORDING_FAILED);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		watch_lost(LOSS_RECORDING_FAILED);
		return;
	}
	fd_mark_take(&file_mark, fd_move_high(fd));
	state = RECORD_RUNS;
	arena_written = 0;
	if (!write_all(&header, sizeof(header)))
		record_fail();
}

/* Strings first: a record is worth nothing without those it names. */
static void write_arena(void)
{
	uint32_t used = atomic_load_explicit(&watch.region.arena->used_bytes, memory_order_acquire);

	used = MIN(used, REGION_ARENA_BYTES);
	if (used > arena_written)
		chunk_write(CHUNK_ARENA, arena_written,
			    (const char *)watch.region.arena + arena_written, used - arena_written);
	arena_written = used;
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
	chunk_write(CHUNK_HEADER, 0, watch.region.header, sizeof(*watch.region.header));
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		const struct slot *slot = region_slot(&watch.region, i);

		if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_FREE)
			chunk_write(CHUNK_SLOT, i, slot, sizeof(*slot));
	}
}

static bool record_enter(nsec_t wait_ns)
{
	nsec_t until_ns = clock_monotonic() + wait_ns;

	while (atomic_exchange_explicit(&is_busy, true, memory_order_acquire))
		if (clock_monotonic() >= until_ns)
			return false;
	return true;
}

static void record_leave(void)
{
	atomic_store_explicit(&is_busy, false, memory_order_release);
}

/* Write what is new. Nothing, when no recording was asked for. */
_hidden_ void record_drain(nsec_t now_ns)
{
	if (state == RECORD_OVER || !record_enter(0))
		return;
	if (state == RECORD_NONE)
		record_open();
	if (state == RECORD_RUNS) {
		write_arena();
		write_records();
		if (now_ns >= slots_due_ns) {
			write_slots();
			slots_due_ns = now_ns + SLOTS_EVERY_NS;
		}
	}
	record_leave();
}

/* Write the rest and close: the process ends, or a daemon takes the ring over. */
_hidden_ void record_end(void)
{
	if (state == RECORD_OVER || !record_enter(EXIT_WAIT_NS))
		return;
	if (state == RECORD_NONE)
		record_open();
	if (state == RECORD_RUNS) {
		write_arena();
		write_records();
		write_slots();
		chunk_write(CHUNK_END, 0, NULL, 0);
		record_close();
	}
	record_leave();
}

/* In a fork child: the file is the parent's. */
_hidden_ void record_forget(void)
{
	if (fd_mark_holds(&file_mark))
		REAL(close)(file_mark.fd);
	file_mark = (struct fd_mark)FD_MARK_NONE;
	state = RECORD_NONE;
	arena_written = 0;
	slots_due_ns = 0;
	atomic_store_explicit(&is_busy, false, memory_order_relaxed);
}

_hidden_ bool record_owns_fd(int fd)
{
	return fd == file_mark.fd && fd_mark_holds(&file_mark);
}
