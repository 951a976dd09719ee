/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handler: what an except clause does with an exception, by its byte code
 *
 * A clause that takes everything and does nothing is
 *
 *	PUSH_EXC_INFO  POP_TOP  POP_EXCEPT
 *	PUSH_EXC_INFO  LOAD_GLOBAL Exception  CHECK_EXC_MATCH  POP_JUMP_IF_FALSE  POP_TOP POP_EXCEPT
 *
 * with STORE_FAST for POP_TOP where it has a name for the exception; clauses before it, which take
 * others, are passed as the interpreter does. `continue`, `break` and `return None` come behind
 * POP_EXCEPT and are as silent as `pass`. Anything else in between is somebody's care.
 *
 * The numbers are those of Include/opcode_ids.h (3.13 on) or Include/opcode.h of each version; they
 * are fixed by its first release. co_code shows instructions without specialisation, and their
 * caches as zeros.
 */
#include <string.h>

#include "base/defs.h"
#include "py/handler.h"

/* Clauses of one try, and the words a clause is read through; more are not looked at. */
#define HANDLER_MAX_CLAUSES 16
#define HANDLER_MAX_WORDS   64

struct opcodes {
	uint8_t extended_arg, nop, not_taken; /* not_taken: 3.14, else that of nop */
	uint8_t push_exc_info, pop_top, pop_except, check_exc_match, pop_jump_if_false;
	uint8_t load_global, load_name, store_fast;
};

static const struct opcodes versions[] = {
	{144, 9, 9, 35, 1, 89, 36, 114, 116, 101, 125}, /* 3.12 */
	{71, 30, 30, 33, 32, 31, 7, 97, 91, 92, 110},	/* 3.13 */
	{69, 27, 28, 32, 31, 29, 6, 100, 92, 93, 112},	/* 3.14 */
	{67, 25, 26, 30, 29, 27, 6, 99, 91, 92, 111},	/* 3.15 */
};

static const struct opcodes *opcodes;

struct reader {
	const uint8_t *bytes;
	long n_bytes;
	long at; /* the next instruction */
	uint8_t opcode;
	uint32_t argument;
};

/* The next instruction that does something; opcode 0 at the end. */
static void reader_next(struct reader *reader)
{
	uint32_t argument = 0;

	reader->opcode = 0;
	for (unsigned int n = 0; n < HANDLER_MAX_WORDS && reader->at + 2 <= reader->n_bytes; n++) {
		uint8_t opcode = reader->bytes[reader->at];

		argument = argument << 8 | reader->bytes[reader->at + 1];
		reader->at += 2;
		if (opcode == opcodes->extended_arg)
			continue;
		if (opcode && opcode != opcodes->nop && opcode != opcodes->not_taken) {
			reader->opcode = opcode;
			reader->argument = argument;
			return;
		}
		argument = 0;
	}
}

static void reader_skip_caches(struct reader *reader)
{
	while (reader->at + 2 <= reader->n_bytes && !reader->bytes[reader->at])
		reader->at += 2;
}

static PyObject *reader_name(const struct reader *reader, PyObject *names)
{
	uint32_t index = reader->argument >> (reader->opcode == opcodes->load_global);

	return index < (uint32_t)py.PyTuple_Size(names) ? py.PyTuple_GetItem(names, index) : NULL;
}

static bool is_broad(PyObject *name)
{
	return !py.PyUnicode_CompareWithASCIIString(name, "Exception") ||
	       !py.PyUnicode_CompareWithASCIIString(name, "BaseException");
}

/* Whether a clause for a class of that name takes it, as far as names tell. */
static bool is_taken_by(PyObject *exception, PyObject *name)
{
	for (PyObject *class = py_type(exception); class; class = py_type_base(class))
		if (!py.PyUnicode_CompareWithASCIIString(name, py_class_name(class)))
			return true;
	return false;
}

static bool is_empty(struct reader *reader)
{
	if (reader->opcode != opcodes->pop_top && reader->opcode != opcodes->store_fast)
		return false;
	reader_next(reader);
	return reader->opcode == opcodes->pop_except;
}

/* One clause. Return: whether it takes the exception, or nothing can be said; else go on at next.
 */
static bool clause_takes(struct reader *reader, PyObject *names, PyObject *exception,
			 bool *ret_drops, long *ret_next)
{
	PyObject *name;

	*ret_drops = false;
	if (reader->opcode == opcodes->pop_top) {
		*ret_drops = is_empty(reader);
		return true;
	}
	if (reader->opcode != opcodes->load_global && reader->opcode != opcodes->load_name)
		return true;
	name = reader_name(reader, names);
	reader_next(reader);
	if (!name || reader->opcode != opcodes->check_exc_match)
		return true;
	reader_next(reader);
	if (reader->opcode != opcodes->pop_jump_if_false)
		return true;
	reader_skip_caches(reader);
	*ret_next = reader->at + 2 * (long)reader->argument;
	if (!is_taken_by(exception, name))
		return false;
	reader_next(reader);
	*ret_drops = is_broad(name) && is_empty(reader);
	return true;
}

static bool read_clauses(struct reader *reader, PyObject *names, PyObject *exception,
			 long *ret_clause_offset)
{
	bool drops;
	long next = 0;

	reader_next(reader);
	if (reader->opcode != opcodes->push_exc_info)
		return false;
	for (unsigned int n = 0; n < HANDLER_MAX_CLAUSES; n++) {
		*ret_clause_offset = reader->at;
		reader_next(reader);
		if (clause_takes(reader, names, exception, &drops, &next))
			return drops;
		reader->at = next;
	}
	return false;
}

/*
 * Whether the handler at offset, in bytes, takes whatever comes and drops it: then where its clause
 * begins. Needs the GIL, no exception set, and sets none.
 */
_hidden_ bool handler_drops(PyObject *code, long offset, PyObject *exception,
			    long *ret_clause_offset)
{
	PyObject *bytes = py_get(code, "co_code"), *names = py_get(code, "co_names");
	struct reader reader = {.at = offset};
	bool drops = false;

	if (bytes && names && (void *)py_type(names) == py.PyTuple_Type && offset >= 0) {
		reader.bytes = (const uint8_t *)py.PyBytes_AsString(bytes);
		reader.n_bytes = reader.bytes ? py.PyBytes_Size(bytes) : 0;
		drops = read_clauses(&reader, names, exception, ret_clause_offset);
	}
	py.PyErr_Clear();
	if (bytes)
		py.Py_DecRef(bytes);
	if (names)
		py.Py_DecRef(names);
	return drops;
}

/* Whether this version's byte code can be read; from then on it is. */
_hidden_ bool handler_is_known(unsigned int minor)
{
	if (minor < 12 || minor - 12 >= ARRAY_LEN(versions))
		return false;
	opcodes = &versions[minor - 12];
	return true;
}
