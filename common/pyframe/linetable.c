/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line table: three encodings, one byte at a time
 *
 * A table is searched from its start, since every entry is a difference to the one before. It
 * arrives in pieces, because the code of a large module has a table of many kilobytes and the
 * reader has a small stack; so the search keeps its state between two bytes and no entry can
 * straddle anything.
 *
 *  - LINETABLE_LNOTAB (Objects/lnotab_notes.txt, 3.8): pairs of an unsigned bytecode delta and a
 *    signed line delta. An entry counts while its address is not past the instruction; the end
 *    of the table leaves the last line standing.
 *  - LINETABLE_RANGES (same file, 3.10): pairs of a range's length and a signed line delta;
 *    -128 says that the range has no line.
 *  - LINETABLE_LOCATIONS (Objects/locations.md, 3.11; later InternalDocs/code_objects.md): an
 *    entry begins with a byte whose top bit is set: 4 bits of code, 3 bits of length in code
 *    units. Codes 13 and 14 go on with the line delta as a signed varint, 10 to 12 carry it in
 *    the code, 15 has no line, the rest stay on the line. What follows are columns: bytes without
 *    the top bit, passed over until the next entry.
 *
 * The bytes are another process's and may be anything: each byte is looked at once, all sums fit
 * their 64 bits for LINETABLE_MAX_BYTES of input, and whatever makes no sense ends in "no line".
 */
#include "pyframe/linetable.h"

#define LNOTAB_NO_LINE		(-128)

#define LOCATION_ENTRY		0x80
#define LOCATION_ONE_LINE_FIRST 10
#define LOCATION_ONE_LINE_LAST	12
#define LOCATION_NO_COLUMNS	13
#define LOCATION_LONG		14
#define LOCATION_NONE		15
#define LOCATION_UNIT_BYTES	2

/* CPython writes line deltas as 32 bits: six groups of six. */
#define VARINT_MAX_SHIFT 30

static bool linetable_finish(struct linetable *table, bool has_line)
{
	table->is_done = true;
	table->has_line = has_line;
	return true;
}

static bool linetable_feed_lnotab(struct linetable *table, uint8_t byte)
{
	if (!table->pending) {
		table->end += byte;
		table->pending = 1;
		return table->end > table->lasti && linetable_finish(table, true);
	}
	table->line += (int8_t)byte;
	table->pending = 0;
	return false;
}

static bool linetable_feed_ranges(struct linetable *table, uint8_t byte)
{
	bool has_line;

	if (!table->pending) {
		table->end += byte;
		table->pending = 1;
		return false;
	}
	table->pending = 0;
	has_line = (int8_t)byte != LNOTAB_NO_LINE;
	if (has_line)
		table->line += (int8_t)byte;
	return table->end > table->lasti && linetable_finish(table, has_line);
}

static bool linetable_end_location(struct linetable *table, int64_t line_delta)
{
	table->pending = 0;
	table->line += line_delta;
	table->end += table->entry_span;
	return table->end > table->lasti &&
	       linetable_finish(table, table->entry_code != LOCATION_NONE);
}

static bool linetable_begin_location(struct linetable *table, uint8_t byte)
{
	if (table->pending)
		return linetable_finish(table, false);
	table->entry_code = (byte >> 3) & 15;
	table->entry_span = (uint8_t)(((byte & 7) + 1) * LOCATION_UNIT_BYTES);
	table->varint = 0;
	table->shift = 0;
	if (table->entry_code == LOCATION_NO_COLUMNS || table->entry_code == LOCATION_LONG) {
		table->pending = 1;
		return false;
	}
	if (table->entry_code >= LOCATION_ONE_LINE_FIRST &&
	    table->entry_code <= LOCATION_ONE_LINE_LAST)
		return linetable_end_location(table, table->entry_code - LOCATION_ONE_LINE_FIRST);
	return linetable_end_location(table, 0);
}

static bool linetable_feed_locations(struct linetable *table, uint8_t byte)
{
	int64_t magnitude;

	if (byte & LOCATION_ENTRY)
		return linetable_begin_location(table, byte);
	if (!table->pending)
		return false;
	if (table->shift > VARINT_MAX_SHIFT)
		return linetable_finish(table, false);
	table->varint |= (uint64_t)(byte & 0x3f) << table->shift;
	table->shift = (uint8_t)(table->shift + 6);
	if (byte & 0x40)
		return false;
	magnitude = (int64_t)(table->varint >> 1);
	return linetable_end_location(table, table->varint & 1 ? -magnitude : magnitude);
}

static bool linetable_feed_byte(struct linetable *table, uint8_t byte)
{
	switch (table->kind) {
	case LINETABLE_LNOTAB:
		return linetable_feed_lnotab(table, byte);
	case LINETABLE_RANGES:
		return linetable_feed_ranges(table, byte);
	case LINETABLE_LOCATIONS:
		return linetable_feed_locations(table, byte);
	}
	return linetable_finish(table, false);
}

void linetable_init(enum linetable_kind kind, int32_t first_line, uint64_t lasti,
		    struct linetable *ret_table)
{
	*ret_table = (struct linetable){
		.kind = kind,
		.lasti = lasti,
		.line = first_line,
		/* The last line of an lnotab has no end: it stands when the bytes run out. */
		.has_line = kind == LINETABLE_LNOTAB,
	};
}

/* Return: true when the search is over and no more bytes are needed. */
bool linetable_feed(struct linetable *table, const uint8_t *bytes, size_t n_bytes)
{
	for (size_t i = 0; i < n_bytes && !table->is_done; i++)
		linetable_feed_byte(table, bytes[i]);
	return table->is_done;
}

/* Return: the line, or 0 when the instruction has none or the table does not reach it. */
int32_t linetable_line(const struct linetable *table)
{
	if (!table->has_line || table->line < 1 || table->line > INT32_MAX)
		return 0;
	return (int32_t)table->line;
}

/* The whole table at once. */
int32_t linetable_find(enum linetable_kind kind, const uint8_t *bytes, size_t n_bytes,
		       int32_t first_line, uint64_t lasti)
{
	struct linetable table;

	linetable_init(kind, first_line, lasti, &table);
	linetable_feed(&table, bytes, n_bytes);
	return linetable_line(&table);
}
