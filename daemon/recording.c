/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording: a .lhr file read back
 *
 * The chunks are put back into a region of our own, in two passes: first the header, the strings
 * and the slots, of which the last ones count, then the records, in order, through the same door
 * as those of a ring. A file that ends in the middle of a chunk was cut by a crash; all before
 * that is good. One that makes no sense is read up to that place. Several in one file, one behind
 * the other, are as many processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon.h"
#include "recording.h"
#include "wire/recording.h"

/* A process that stalls all the time writes some MiB a minute. */
#define RECORDING_MAX_BYTES (UINT64_C(4) << 30)

/* What the chunks say of the process beside what is put back. */
struct ending {
	bool has_ended; /* it said so itself */
	bool was_seen;	/* else it was there last at seen_ns */
	nsec_t seen_ns;
	char folder[256];
};

struct cursor {
	const unsigned char *bytes;
	size_t n_bytes;
	size_t at;
};

/* Return: 0 and a chunk with its payload, RECORDING_E_TRUNCATED, or -ENODATA at the end. */
static int cursor_next(struct cursor *cursor, struct chunk *ret_chunk,
		       const unsigned char **ret_payload)
{
	size_t left = cursor->n_bytes - cursor->at, padded;

	if (!left)
		return -ENODATA;
	if (left < sizeof(*ret_chunk))
		return RECORDING_E_TRUNCATED;
	memcpy(ret_chunk, cursor->bytes + cursor->at, sizeof(*ret_chunk));
	left -= sizeof(*ret_chunk);
	if (ret_chunk->size_bytes > left)
		return RECORDING_E_TRUNCATED;
	*ret_payload = cursor->bytes + cursor->at + sizeof(*ret_chunk);
	padded = ((size_t)ret_chunk->size_bytes + 7) & ~(size_t)7;
	cursor->at += sizeof(*ret_chunk) + MIN(padded, left);
	return 0;
}

/* Whether another recording begins here. */
static bool begins_recording(const unsigned char *bytes, size_t n_bytes)
{
	uint64_t magic;

	if (n_bytes < sizeof(struct recording_header))
		return false;
	memcpy(&magic, bytes, sizeof(magic));
	return magic == RECORDING_MAGIC;
}

/* How far the recording reaches that begins here; its chunks are only stepped over. */
static size_t recording_length(const unsigned char *bytes, size_t n_bytes)
{
	struct cursor cursor = {bytes, n_bytes, MIN(sizeof(struct recording_header), n_bytes)};
	const unsigned char *payload;
	struct chunk chunk;

	while (!cursor_next(&cursor, &chunk, &payload))
		if (begins_recording(bytes + cursor.at, n_bytes - cursor.at))
			return cursor.at;
	return n_bytes;
}

static bool chunk_fits(const struct chunk *chunk, size_t room)
{
	return chunk->position <= room && chunk->size_bytes <= room - chunk->position;
}

/* Put a chunk of the first pass where it belongs. */
static int recording_place(struct region *region, const struct chunk *chunk,
			   const unsigned char *payload, bool *has_header)
{
	switch (chunk->kind) {
	case CHUNK_HEADER:
		if (chunk->size_bytes != sizeof(*region->header))
			return RECORDING_E_CORRUPT;
		memcpy(region->header, payload, sizeof(*region->header));
		*has_header = true;
		return 0;
	case CHUNK_ARENA:
		if (!chunk_fits(chunk, REGION_ARENA_BYTES))
			return RECORDING_E_CORRUPT;
		memcpy((unsigned char *)region->arena + chunk->position, payload,
		       chunk->size_bytes);
		return 0;
	case CHUNK_SLOT:
		if (chunk->position >= REGION_N_SLOTS || chunk->size_bytes != sizeof(struct slot))
			return RECORDING_E_CORRUPT;
		memcpy(region_slot(region, (unsigned int)chunk->position), payload,
		       sizeof(struct slot));
		return 0;
	case CHUNK_RECORDS:
	case CHUNK_END:
	case CHUNK_LAST:
	case CHUNK_FOLDER:
	case CHUNK_STACK:
		return 0;
	default:
		return RECORDING_E_CORRUPT;
	}
}

/* What a chunk says of the process as a whole. */
static void ending_learn(struct ending *ending, const struct chunk *chunk,
			 const unsigned char *payload)
{
	switch (chunk->kind) {
	case CHUNK_END:
		ending->has_ended = true;
		break;
	case CHUNK_LAST:
		ending->was_seen = true;
		ending->seen_ns = chunk->position;
		break;
	case CHUNK_FOLDER:
		snprintf(ending->folder, sizeof(ending->folder), "%.*s",
			 (int)MIN(chunk->size_bytes, sizeof(ending->folder) - 1),
			 (const char *)payload);
		break;
	default:
		break;
	}
}

/* First pass. good_bytes is how far the second one may go. */
static int recording_place_all(struct cursor cursor, struct region *region, size_t *ret_good_bytes,
			       struct ending *ret_ending)
{
	bool has_header = false;
	int r = 0;

	*ret_ending = (struct ending){0};
	while (!r && !ret_ending->has_ended && !ret_ending->was_seen) {
		const unsigned char *payload;
		struct chunk chunk;

		*ret_good_bytes = cursor.at;
		r = cursor_next(&cursor, &chunk, &payload);
		if (!r)
			r = recording_place(region, &chunk, payload, &has_header);
		if (!r)
			ending_learn(ret_ending, &chunk, payload);
	}
	if (!has_header)
		return r == RECORDING_E_TRUNCATED || r == -ENODATA ? RECORDING_E_TRUNCATED
								   : RECORDING_E_CORRUPT;
	/* No end chunk: the process was killed, or still writes. That alone is no damage. */
	return r == -ENODATA ? 0 : r;
}

static int recording_take_records(struct drain *drain, struct watch *watch,
				  const unsigned char *payload, size_t n_bytes,
				  uint64_t *last_ticks)
{
	_Alignas(8) unsigned char buf[RECORD_MAX_BYTES];
	struct record *record = (struct record *)buf;

	for (size_t at = 0; at < n_bytes; at += record->size) {
		uint32_t size_bytes;

		if (n_bytes - at < sizeof(*record))
			return RECORDING_E_CORRUPT;
		memcpy(&size_bytes, payload + at, sizeof(size_bytes));
		if (size_bytes < sizeof(*record) || size_bytes % 8 || size_bytes > sizeof(buf) ||
		    size_bytes > n_bytes - at)
			return RECORDING_E_CORRUPT;
		memcpy(buf, payload + at, size_bytes);
		*last_ticks = MAX(*last_ticks, record->ticks);
		drain_record(drain, watch, record, size_bytes);
		record->size = size_bytes;
	}
	return 0;
}

/* Second pass. */
static int recording_take_all(struct daemon *daemon, struct cursor cursor, struct watch *watch,
			      nsec_t *ret_ended_ns)
{
	struct drain drain = daemon_drain_state(daemon);
	struct clock_scale scale = watch_scale(watch);
	uint64_t last_ticks = 0;
	int r = 0, bad = 0;

	for (;;) {
		const unsigned char *payload;
		struct chunk chunk;

		r = cursor_next(&cursor, &chunk, &payload);
		if (r || chunk.kind == CHUNK_END || chunk.kind == CHUNK_LAST)
			break;
		if (chunk.kind == CHUNK_RECORDS)
			r = recording_take_records(&drain, watch, payload, chunk.size_bytes,
						   &last_ticks);
		else if (chunk.kind == CHUNK_STACK && named_read(watch, payload, chunk.size_bytes))
			r = RECORDING_E_CORRUPT;
		if (r)
			bad = r;
	}
	*ret_ended_ns = clock_point_ns(&scale, last_ticks);
	return bad;
}

static int recording_check_header(const unsigned char *bytes, size_t n_bytes)
{
	struct recording_header header;

	if (n_bytes < sizeof(header))
		return RECORDING_E_MAGIC;
	memcpy(&header, bytes, sizeof(header));
	if (header.magic != RECORDING_MAGIC)
		return RECORDING_E_MAGIC;
	return header.version >= WIRE_OLDEST && header.version <= WIRE_VERSION
		       ? 0
		       : RECORDING_E_VERSION;
}

static int recording_watch(struct daemon *daemon, void *base, struct watch **ret_watch)
{
	int r = watch_new_take_heap(daemon->names, base, ret_watch);

	if (r == WATCH_E_VERSION)
		return RECORDING_E_VERSION;
	if (r > 0)
		return RECORDING_E_CORRUPT;
	return r;
}

/* The report is of the time in which the processes ran, not of that in which they are read. */
static void recording_set_times(struct daemon *daemon, const struct watch *watch, nsec_t ended_ns)
{
	uint64_t ended_at = MAX(watch_realtime(watch, ended_ns), watch->started_at);

	if (!daemon->ended_at || watch->started_at < daemon->started_at)
		daemon->started_at = watch->started_at;
	daemon->ended_at = MAX(daemon->ended_at, ended_at);
}

static bool recording_is_known(const struct daemon *daemon, const struct watch *watch)
{
	const struct region_header *header = watch->region.header;

	for (uint32_t i = 0; i < daemon->n_ended; i++)
		if (process_is(&daemon->ended[i], (int32_t)header->pid, watch->started_at))
			return true;
	return false;
}

static int recording_replay(struct daemon *daemon, struct cursor cursor)
{
	struct watch *watch = NULL;
	struct region region;
	size_t good_bytes = 0;
	struct ending ending;
	nsec_t ended_ns;
	int r, records_r;
	void *base = calloc(1, REGION_BYTES);

	if (!base)
		return -ENOMEM;
	region = region_at(base);
	r = recording_place_all(cursor, &region, &good_bytes, &ending);
	records_r = recording_watch(daemon, base, &watch);
	if (records_r)
		return r ? r : records_r;
	if (recording_is_known(daemon, watch)) {
		watch_free(watch);
		return r ? r : RECORDING_E_TWICE;
	}
	memcpy(watch->cwd, ending.folder, sizeof(watch->cwd));
	watch_identify(watch, 0, &daemon->config.own);
	daemon_link_watch(daemon, watch);
	cursor.n_bytes = good_bytes;
	records_r = recording_take_all(daemon, cursor, watch, &ended_ns);
	if (ending.was_seen)
		ended_ns = MAX(ended_ns, ending.seen_ns);
	recording_set_times(daemon, watch, ended_ns);
	daemon_end_watch_at(daemon, watch, !ending.has_ended, ended_ns);
	return r ? r : records_r;
}

/* One process. */
static int recording_read_one(struct daemon *daemon, const unsigned char *bytes, size_t n_bytes)
{
	struct cursor cursor = {
		.bytes = bytes,
		.n_bytes = n_bytes,
		.at = sizeof(struct recording_header),
	};
	int r = recording_check_header(bytes, n_bytes);

	if (!r)
		r = recording_replay(daemon, cursor);
	if (r == RECORDING_E_TRUNCATED)
		daemon->lost.n[LOST_RECORDING_TRUNCATED]++;
	else if (r == RECORDING_E_VERSION)
		daemon->lost.n[LOST_VERSIONS]++;
	else if (r > 0 && r != RECORDING_E_TWICE)
		daemon->lost.n[LOST_RECORDING_CORRUPT]++;
	return r;
}

/*
 * Read a recording into the daemon, as processes that have ended. Whatever was wrong with it is
 * counted among what was lost, and what could be read is there.
 *
 * Return: 0, the first enum recording_result that is not, or a negative errno.
 */
int recording_read(struct daemon *daemon, const unsigned char *bytes, size_t n_bytes)
{
	int first = 0;

	do {
		size_t length = recording_length(bytes, n_bytes);
		int r = recording_read_one(daemon, bytes, length);

		if (r < 0)
			return r;
		first = first ? first : r;
		bytes += length;
		n_bytes -= length;
	} while (n_bytes);
	return first;
}

/* Likewise, of a file. It is read whole: a file that is mapped can shrink under its reader. */
int recording_read_file(struct daemon *daemon, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char *bytes;
	size_t n_bytes = 0;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > RECORDING_MAX_BYTES)
		return -EFBIG;
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return -ENOMEM;
	while (n_bytes < (size_t)st.st_size) {
		ssize_t n = read(fd, bytes + n_bytes, (size_t)st.st_size - n_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		n_bytes += (size_t)n;
	}
	r = recording_read(daemon, bytes, n_bytes);
	free(bytes);
	return r;
}
