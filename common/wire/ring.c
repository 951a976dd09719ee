/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ring: records from the threads of a watched process to the one that drains them
 *
 * Many producers (loop threads, the watchdog, possibly a signal handler on top of either), one
 * consumer: the daemon, or the process's own watchdog while it writes a recording. Producers never
 * wait: with no room the caller counts a loss and goes on.
 *
 * A producer moves head over the bytes it wants (compare and swap), fills them, and commits by
 * storing the record's size. That release store pairs with the acquire load in ring_take(); until
 * then the size is 0, since the consumer clears what it has read before it moves tail, and a fresh
 * memfd is all zero. A thread that dies between the two leaves a gap behind which nothing more is
 * read; there is no cancellation point in between, so only the death of the whole process does it.
 *
 * A record never straddles the end of the ring: the rest is filled with a RECORD_PAD.
 *
 * The consumer trusts nothing it reads here, since the host can scribble over the whole mapping;
 * nor does a producer: with any head and tail it stays inside the ring.
 */
#include <stdbool.h>
#include <string.h>

#include "wire/ring.h"

#define RING_PAD_BYTES 8

static void ring_pad(const struct region *region, uint64_t position, uint32_t size_bytes)
{
	struct record *pad = (struct record *)(region->ring_data + position % RING_DATA_BYTES);

	pad->type = RECORD_PAD;
	__atomic_store_n(&pad->size, size_bytes, __ATOMIC_RELEASE);
}

/*
 * Room for a record of size_bytes (a multiple of 8, at most RECORD_MAX_BYTES). The caller fills
 * everything but size, and then must ring_commit() it.
 *
 * Return: the record; NULL when the ring is full.
 */
struct record *ring_reserve(const struct region *region, uint32_t size_bytes)
{
	struct ring_control *ring = region->ring;
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t pad_bytes;

	do {
		uint64_t to_end = RING_DATA_BYTES - head % RING_DATA_BYTES;
		uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

		pad_bytes = to_end < size_bytes ? to_end : 0;
		if (head % 8 || head + pad_bytes + size_bytes - tail > RING_DATA_BYTES)
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(
		&ring->head, &head, head + pad_bytes + size_bytes, memory_order_relaxed,
		memory_order_relaxed));
	if (pad_bytes)
		ring_pad(region, head, (uint32_t)pad_bytes);
	return (struct record *)(region->ring_data + (head + pad_bytes) % RING_DATA_BYTES);
}

/* Make the record visible. size_bytes is what was reserved. */
void ring_commit(struct record *record, uint32_t size_bytes)
{
	__atomic_store_n(&record->size, size_bytes, __ATOMIC_RELEASE);
}

static bool ring_size_ok(uint32_t size_bytes, uint64_t position, uint64_t head)
{
	return size_bytes >= RING_PAD_BYTES && size_bytes % 8 == 0 &&
	       size_bytes <= RING_DATA_BYTES - position % RING_DATA_BYTES &&
	       size_bytes <= head - position;
}

/*
 * Take the oldest record out of the ring, copied into buf, which should hold RECORD_MAX_BYTES.
 * Only its size is known to be sane; record_check() looks at the rest.
 *
 * Return: 0 and the record's size, or an enum ring_result.
 */
int ring_take(const struct region *region, void *buf, size_t buf_bytes, uint32_t *ret_bytes)
{
	struct ring_control *ring = region->ring;
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	for (;;) {
		uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
		struct record *record =
			(struct record *)(region->ring_data + tail % RING_DATA_BYTES);
		uint32_t size_bytes;
		bool is_pad;

		if (head == tail)
			return RING_E_EMPTY;
		if (tail % 8 || head % 8 || head - tail > RING_DATA_BYTES)
			return RING_E_CORRUPT;
		size_bytes = __atomic_load_n(&record->size, __ATOMIC_ACQUIRE);
		if (!size_bytes)
			return RING_E_PENDING;
		if (!ring_size_ok(size_bytes, tail, head))
			return RING_E_CORRUPT;
		is_pad = record->type == RECORD_PAD;
		if (!is_pad && (size_bytes < sizeof(*record) || size_bytes > buf_bytes))
			return RING_E_CORRUPT;
		if (!is_pad) {
			memcpy(buf, record, size_bytes);
			((struct record *)buf)->size = size_bytes;
		}
		memset(record, 0, size_bytes);
		tail += size_bytes;
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
		if (!is_pad) {
			*ret_bytes = size_bytes;
			return 0;
		}
	}
}
