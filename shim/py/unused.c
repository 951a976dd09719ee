/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unused: an awaited result that nothing reads, by the byte code that takes it
 *
 * A coroutine that waits stands inside the instructions of its await; the one behind them takes the
 * result. POP_TOP throws it away. STORE_FAST gives it a name, and when no instruction of the whole
 * function loads that name, nobody reads it. Everything else is a use: a name that a closure shares
 * is stored by another instruction.
 *
 * The numbers are those of each version's Include/opcode.h (3.13 on: opcode_ids.h), fixed by its
 * first release. From 3.13 on two names that fit in four bits each may be handled by one
 * instruction, the first in the upper half of its argument.
 */
#include "base/defs.h"
#include "py/unused.h"

/* An await is a handful of instructions; of those 3.15's SEND and RESUME have caches. */
#define AWAIT_MAX_WORDS 16
#define N_LOADS		4

struct opcodes {
	uint8_t extended_arg, pop_top, store;
	uint8_t last; /* of an await */
	uint8_t loads[N_LOADS], pairs[2];
	uint8_t store_load, store_store;
};

/* LOAD_FAST, _CHECK, _AND_CLEAR, _BORROW; then the pairs. An unused place repeats another. */
static const struct opcodes versions[] = {
	{144, 1, 125, 72, {124, 124, 124, 124}, {124, 124}, 0, 0},  /* 3.8: YIELD_FROM */
	{144, 1, 125, 72, {124, 124, 124, 124}, {124, 124}, 0, 0},  /* 3.9 */
	{144, 1, 125, 72, {124, 124, 124, 124}, {124, 124}, 0, 0},  /* 3.10 */
	{144, 1, 125, 134, {124, 124, 124, 124}, {124, 124}, 0, 0}, /* 3.11: the jump to SEND */
	{144, 1, 125, 5, {124, 127, 143, 124}, {124, 124}, 0, 0},   /* 3.12: END_SEND */
	{71, 32, 110, 12, {85, 86, 87, 85}, {88, 88}, 111, 112},    /* 3.13 */
	{69, 31, 112, 10, {84, 85, 86, 88}, {87, 89}, 113, 114},    /* 3.14 */
	{67, 29, 111, 10, {83, 84, 85, 87}, {86, 88}, 112, 113},    /* 3.15 */
};

struct reader {
	const struct opcodes *opcodes;
	const uint8_t *bytes;
	uint64_t n_bytes;
	uint64_t at;
	uint8_t opcode;
	uint32_t argument;
};

/* Return: false at the end. Caches come as instructions 0, which nothing here looks for. */
static bool reader_next(struct reader *reader)
{
	uint32_t argument = 0;

	while (reader->at + 2 <= reader->n_bytes) {
		reader->opcode = reader->bytes[reader->at];
		argument = argument << 8 | reader->bytes[reader->at + 1];
		reader->argument = argument;
		reader->at += 2;
		if (reader->opcode != reader->opcodes->extended_arg)
			return true;
	}
	return false;
}

static bool is_load(const struct reader *reader, uint32_t local)
{
	const struct opcodes *opcodes = reader->opcodes;
	bool is_first = reader->argument >> 4 == local,
	     is_second = (reader->argument & 15) == local;

	for (unsigned int i = 0; i < N_LOADS; i++)
		if (reader->opcode == opcodes->loads[i])
			return reader->argument == local;
	if (reader->opcode == opcodes->pairs[0] || reader->opcode == opcodes->pairs[1])
		return is_first || is_second;
	return opcodes->store_load && reader->opcode == opcodes->store_load && is_second;
}

static bool is_loaded(struct reader reader, uint32_t local)
{
	reader.at = 0;
	while (reader_next(&reader))
		if (is_load(&reader, local))
			return true;
	return false;
}

static bool is_unused(struct reader *reader)
{
	const struct opcodes *opcodes = reader->opcodes;

	for (unsigned int n = 0; n < AWAIT_MAX_WORDS; n++)
		if (!reader_next(reader))
			return false;
		else if (reader->opcode == opcodes->last)
			break;
	if (reader->opcode != opcodes->last || !reader_next(reader))
		return false;
	if (reader->opcode == opcodes->pop_top)
		return true;
	if (reader->opcode == opcodes->store)
		return !is_loaded(*reader, reader->argument);
	if (opcodes->store_load &&
	    (reader->opcode == opcodes->store_load || reader->opcode == opcodes->store_store))
		return !is_loaded(*reader, reader->argument >> 4);
	return false;
}

/*
 * Whether the result that a coroutine waits for at lasti, in bytes, is read by nobody. Needs the
 * GIL, no exception set, and sets none.
 */
_hidden_ bool unused_result(PyObject *code, uint64_t lasti, unsigned int minor)
{
	PyObject *bytes = py_get(code, "co_code");
	struct reader reader = {.at = lasti};
	bool is = false;

	if (bytes && minor >= 8 && minor - 8 < ARRAY_LEN(versions)) {
		reader.opcodes = &versions[minor - 8];
		reader.bytes = (const uint8_t *)py.PyBytes_AsString(bytes);
		reader.n_bytes = reader.bytes ? (uint64_t)py.PyBytes_Size(bytes) : 0;
		is = is_unused(&reader);
	}
	py.PyErr_Clear();
	if (bytes)
		py.Py_DecRef(bytes);
	return is;
}
