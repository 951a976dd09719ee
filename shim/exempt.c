/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exempt
 *
 * Decided here and not by the daemon, since a call that is not told of belongs to the callback it
 * was made in, and that has to be known when the callback ends.
 *
 * An import reads files, and whatever else the imported module does is a part of it: none of it is
 * a call, in no mode; when it takes long, the callback is slow, named as an import.
 *
 * In strict mode a call counts because it could have waited. Those that asyncio's own code makes on
 * behalf of its callers are the right form already (a child process is made by a fork, a thread
 * pool has a lock), and so is what concurrent.futures does to hand work to a thread. The sources
 * that a traceback shows are the interpreter's own files. Each of them counts all the same when it
 * did wait for the limit.
 *
 * Frames are looked at from the innermost outwards, down to the loop that runs the callback: what
 * lies outside it was there before.
 */
#include <string.h>

#include "exempt.h"

/* A string that this process itself put into the arena; the other side may have spoilt it. */
static bool arena_text(uint32_t offset, const char **ret_text, uint32_t *ret_length)
{
	const unsigned char *base = (const unsigned char *)watch.region.arena;
	uint16_t length;

	if (offset < sizeof(struct arena) || offset > REGION_ARENA_BYTES - sizeof(length))
		return false;
	memcpy(&length, base + offset, sizeof(length));
	if (length > REGION_ARENA_BYTES - sizeof(length) - offset)
		return false;
	*ret_text = (const char *)base + offset + sizeof(length);
	*ret_length = length;
	return true;
}

struct where {
	const char *file;
	uint32_t file_length;
	const char *function;
	uint32_t function_length;
};

static struct where where_of(const struct record_frame *frame)
{
	struct where where = {.file = "", .function = ""};

	if (!arena_text(frame->file_str, &where.file, &where.file_length))
		where.file_length = 0;
	if (!arena_text(frame->function_str, &where.function, &where.function_length))
		where.function_length = 0;
	return where;
}

static bool ends_with(const char *text, uint32_t length, const char *end)
{
	size_t end_length = strlen(end);

	return length >= end_length && !memcmp(text + length - end_length, end, end_length);
}

static bool file_is(const struct where *where, const char *end)
{
	return ends_with(where->file, where->file_length, end);
}

/* By its last part: before 3.11 that is all that is known of a function. */
static bool function_is(const struct where *where, const char *name)
{
	return ends_with(where->function, where->function_length, name);
}

/* CPython 3.8 to 3.15: the machinery is frozen, and its files are named so. */
static bool is_import(const struct where *where)
{
	return file_is(where, "<frozen importlib._bootstrap>") ||
	       file_is(where, "<frozen importlib._bootstrap_external>") ||
	       file_is(where, "<frozen zipimport>") || file_is(where, "/importlib/_bootstrap.py") ||
	       file_is(where, "/importlib/_bootstrap_external.py");
}

/* Where the part of the path behind ".../python3.11/" begins; NULL for what lies elsewhere. */
static const char *library_part(const struct where *where, uint32_t *ret_length)
{
	static const char mark[] = "/python3.";
	const char *at = memmem(where->file, where->file_length, mark, sizeof(mark) - 1);
	const char *end = where->file + where->file_length;

	if (!at)
		return NULL;
	for (at += sizeof(mark) - 1; at < end && *at >= '0' && *at <= '9'; at++)
		;
	/* A free-threaded build has a t there. */
	at += at < end && *at == 't';
	if (at >= end || *at != '/')
		return NULL;
	*ret_length = (uint32_t)(end - at - 1);
	return at + 1;
}

static bool starts_with(const char *text, uint32_t length, const char *start)
{
	size_t start_length = strlen(start);

	return length >= start_length && !memcmp(text, start, start_length);
}

static bool is_standard_library(const struct where *where)
{
	uint32_t length;
	const char *part = library_part(where, &length);

	/* The interpreter's own frame around an __init__, 3.12 on, has that for its file. */
	if (!part)
		return starts_with(where->file, where->file_length, "<frozen ") ||
		       (where->file_length == strlen("__init__") && file_is(where, "__init__"));
	return !starts_with(part, length, "site-packages/") &&
	       !starts_with(part, length, "dist-packages/");
}

/* Not a package of somebody else that is called asyncio too. */
static bool is_asyncio(const struct where *where)
{
	uint32_t length;
	const char *part = library_part(where, &length);

	return part && starts_with(part, length, "asyncio/");
}

/* Where a loop runs callbacks: what they call is theirs. A runner's close() only cleans up. */
static bool is_loop(const struct where *where)
{
	if (!is_asyncio(where))
		return false;
	return (file_is(where, "/events.py") && function_is(where, "_run")) ||
	       (file_is(where, "/runners.py") && !function_is(where, "close")) ||
	       (file_is(where, "/base_events.py") &&
		(function_is(where, "_run_once") || function_is(where, "run_forever") ||
		 function_is(where, "run_until_complete")));
}

_hidden_ bool exempt_is_import(const struct stack_buf *stack)
{
	for (uint32_t i = 0; i < stack->stack.n_frames; i++) {
		struct where where = where_of(&stack->frames[i]);

		if (is_import(&where))
			return true;
		if (is_loop(&where))
			return false;
	}
	return false;
}

/* To hand work to a pool, which may have to make its threads or processes first; its end. */
static bool is_executor(const struct where *where)
{
	if (file_is(where, "/concurrent/futures/thread.py"))
		return function_is(where, "submit") || function_is(where, "weakref_cb");
	return file_is(where, "/concurrent/futures/process.py") &&
	       (function_is(where, "submit") || function_is(where, "weakref_cb") ||
		function_is(where, "wakeup") || function_is(where, "__init__"));
}

static bool is_right_form(const struct where *where)
{
	return is_asyncio(where) || file_is(where, "/linecache.py") ||
	       file_is(where, "/traceback.py") || is_executor(where) ||
	       (file_is(where, "/threading.py") && function_is(where, "start"));
}

/* Whether it is nobody's mistake as long as it did not wait. Imports are asked for apart. */
_hidden_ bool exempt_is_strict(const struct stack_buf *stack)
{
	for (uint32_t i = 0; i < stack->stack.n_frames; i++) {
		struct where where = where_of(&stack->frames[i]);

		if (is_loop(&where) || !is_standard_library(&where))
			return false;
		if (is_right_form(&where))
			return true;
	}
	return false;
}
