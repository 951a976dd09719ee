/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tape: a run as a recording
 *
 * Records leave the ring as they are judged, so where a recording is asked for (--report X.lhr)
 * each is also put on a tape of its watch: a file without a name, since a process that stalls all
 * the time writes some MiB a minute. Strings, slots and header stay in the region until the watch
 * goes; then all of it is put on the reel, in the words of wire/recording.h, as the process itself
 * would have written it. A report holds the reel and, after it, what still runs.
 *
 * What cannot be written (disk full) is remembered, and said when the report is to be written: a
 * recording that lacks the middle is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/defs.h"
#include "model.h"
#include "named.h"
#include "tape.h"
#include "watch.h"
#include "wire/recording.h"

struct tape {
	FILE *file;
	int error; /* likewise as the reel's */
};

/* A file without a name, on disk if that can be. NULL with errno. */
static FILE *nameless_file(void)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	FILE *file;

	/* Some file systems have none (overlayfs before Linux 6.1, NFS). */
	if (fd < 0)
		fd = memfd_create("loophound-tape", MFD_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "w+");
	if (!file && fd >= 0)
		close(fd);
	return file;
}

/* Return: NULL when there is no room for one. */
struct tape *tape_new(void)
{
	struct tape *tape = calloc(1, sizeof(*tape));

	if (!tape)
		return NULL;
	tape->file = nameless_file();
	if (!tape->file)
		tape->error = -errno;
	return tape;
}

/* Return: NULL */
struct tape *tape_free(struct tape *tape)
{
	if (!tape)
		return NULL;
	if (tape->file)
		fclose(tape->file);
	free(tape);
	return NULL;
}

static void chunk_write(FILE *out, enum chunk_kind kind, uint64_t position, const void *bytes,
			uint32_t size_bytes)
{
	static const char zero[8];
	struct chunk chunk = {.kind = kind, .size_bytes = size_bytes, .position = position};

	fwrite(&chunk, sizeof(chunk), 1, out);
	fwrite(bytes, 1, size_bytes, out);
	fwrite(zero, 1, -size_bytes % 8, out);
}

static int file_error(FILE *file)
{
	return ferror(file) ? -(errno ? errno : EIO) : 0;
}

/* A record as it came, whose size has been checked. */
void tape_add(struct tape *tape, const struct record *record, uint32_t size_bytes)
{
	struct chunk chunk = {.kind = CHUNK_RECORDS, .size_bytes = size_bytes};

	if (tape->error)
		return;
	errno = 0;
	fwrite(&chunk, sizeof(chunk), 1, tape->file);
	/* Its size comes first, and is what was taken out of the ring. */
	fwrite(&size_bytes, sizeof(size_bytes), 1, tape->file);
	fwrite((const char *)record + sizeof(size_bytes), 1, size_bytes - sizeof(size_bytes),
	       tape->file);
	tape->error = file_error(tape->file);
}

/* A stack as it was named; the record it belongs to comes next. */
void tape_add_stack(struct tape *tape, const struct named_stack *head, const struct stack *stack)
{
	char *bytes = NULL;
	size_t n_bytes = 0;
	FILE *memory;

	if (tape->error)
		return;
	memory = open_memstream(&bytes, &n_bytes);
	if (memory)
		named_write(memory, head, stack);
	if (!memory || fclose(memory))
		tape->error = -ENOMEM;
	errno = 0;
	if (!tape->error) {
		chunk_write(tape->file, CHUNK_STACK, 0, bytes, (uint32_t)n_bytes);
		tape->error = file_error(tape->file);
	}
	free(bytes);
}

/* What follows of it up to end; it can be added to afterwards. */
static int file_copy(FILE *from, off_t end, FILE *out)
{
	char buf[1 << 16];
	off_t left = end - ftello(from);
	size_t n;

	errno = 0;
	while (left > 0 && (n = fread(buf, 1, MIN((size_t)left, sizeof(buf)), from))) {
		fwrite(buf, 1, n, out);
		left -= (off_t)n;
	}
	return file_error(from) ? file_error(from) : file_error(out);
}

/* All of it, from its beginning. */
static int file_copy_all(FILE *from, FILE *out)
{
	off_t end;
	int r;

	if (fflush(from) || fseeko(from, 0, SEEK_END))
		return -errno;
	end = ftello(from);
	rewind(from);
	r = file_copy(from, end, out);
	return fseeko(from, 0, SEEK_END) && !r ? -errno : r;
}

/* The region's own fields may change while we read: one copy is what is written. */
static void write_region(const struct watch *watch, FILE *out)
{
	const struct region *region = &watch->region;
	struct region_header header = *region->header;
	uint32_t used = atomic_load_explicit(&region->arena->used_bytes, memory_order_acquire);

	/* As it is best known now, not as the process measured it in its first millisecond. */
	atomic_store(&header.clock_mult, watch_scale(watch).mult);
	chunk_write(out, CHUNK_FOLDER, 0, watch->cwd, (uint32_t)strlen(watch->cwd));
	chunk_write(out, CHUNK_HEADER, 0, &header, sizeof(header));
	chunk_write(out, CHUNK_ARENA, 0, region->arena, MIN(used, REGION_ARENA_BYTES));
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++) {
		const struct slot *slot = region_slot(region, i);

		if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_FREE)
			chunk_write(out, CHUNK_SLOT, i, slot, sizeof(*slot));
	}
}

static int recording_write(const struct watch *watch, FILE *out)
{
	struct recording_header header = {.magic = RECORDING_MAGIC, .version = WIRE_VERSION};
	int r = watch->tape->error;

	if (r)
		return r;
	errno = 0;
	fwrite(&header, sizeof(header), 1, out);
	write_region(watch, out);
	r = file_copy_all(watch->tape->file, out);
	return r ? r : file_error(out);
}

static void end_write(bool is_killed, nsec_t ended_ns, FILE *out)
{
	chunk_write(out, is_killed ? CHUNK_LAST : CHUNK_END, ended_ns, "", 0);
}

static struct reel_part *reel_grow(struct reel *reel)
{
	struct reel_part *parts =
		reallocarray(reel->parts, reel->n_parts + 1, sizeof(*reel->parts));

	if (!parts)
		return NULL;
	reel->parts = parts;
	return &parts[reel->n_parts++];
}

/* The watch is at its end: what it recorded goes to the others'. */
void reel_add(struct reel *reel, const struct watch *watch, bool is_killed, nsec_t ended_ns)
{
	struct reel_part *part;

	if (reel->error || !watch->tape)
		return;
	if (!reel->file)
		reel->file = nameless_file();
	reel->error = reel->file ? recording_write(watch, reel->file) : -errno;
	part = reel->error ? NULL : reel_grow(reel);
	if (!reel->error && !part)
		reel->error = -ENOMEM;
	if (!part)
		return;
	*part = (struct reel_part){
		.end = ftello(reel->file),
		.ended_ns = ended_ns,
		.is_killed = is_killed,
		.pid = watch->pid,
		.started_at = watch->started_at,
		.header = *watch->region.header,
	};
	atomic_store(&part->header.clock_mult, watch_scale(watch).mult);
}

static const struct process *process_of(const struct report *report, const struct reel_part *part)
{
	for (uint32_t i = 0; i < report->n_processes; i++)
		if (report->processes[i].pid == part->pid &&
		    report->processes[i].started_at == part->started_at)
			return &report->processes[i];
	return NULL;
}

/* How it ended is known only now: a last header says it. */
static void exit_write(const struct report *report, const struct reel_part *part, FILE *out)
{
	const struct process *process = process_of(report, part);
	struct region_header header = part->header;

	if (!process || (process->exit_how != EXIT_STATUS && process->exit_how != EXIT_SIGNAL))
		return;
	atomic_store(&header.exit_state,
		     process->exit_how == EXIT_SIGNAL ? REGION_EXIT_SIGNAL : REGION_EXIT_STATUS);
	atomic_store(&header.exit_status, (uint32_t)process->exit_value);
	chunk_write(out, CHUNK_HEADER, 0, &header, sizeof(header));
}

static int reel_write_ended(const struct reel *reel, const struct report *report, FILE *out)
{
	int r = 0;

	if (fflush(reel->file))
		return -errno;
	rewind(reel->file);
	for (uint32_t i = 0; !r && i < reel->n_parts; i++) {
		const struct reel_part *part = &reel->parts[i];

		r = file_copy(reel->file, part->end, out);
		exit_write(report, part, out);
		end_write(part->is_killed, part->ended_ns, out);
	}
	if (fseeko(reel->file, 0, SEEK_END) && !r)
		r = -errno;
	return r ? r : file_error(out);
}

/* The reel, and the list of watches that go on. Return: 0 or a negative errno. */
int reel_write(const struct reel *reel, const struct watch *running, const struct report *report,
	       FILE *out)
{
	int r = reel->error;

	if (!r && reel->file)
		r = reel_write_ended(reel, report, out);
	for (; !r && running; running = running->next) {
		r = running->tape ? recording_write(running, out) : -ENOMEM;
		end_write(true, clock_monotonic(), out);
	}
	return r;
}

void reel_deinit(struct reel *reel)
{
	if (reel->file)
		fclose(reel->file);
	free(reel->parts);
	*reel = (struct reel){0};
}
