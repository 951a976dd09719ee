/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on a stdio stream: what libc does to the file below is not seen otherwise
 *
 * Most of them only touch a buffer, so strict counts the fopen() and not these; but what is read
 * line by line from a terminal waits for somebody to type (input() of CPython).
 */
#include "call.h"

#define STREAM(symbol, nature, stream, args) \
	CALL_ABOUT(symbol, nature, -1, args, .subject = SUBJECT_STREAM, .what = (stream))

static enum call_nature gets_nature(FILE *stream)
{
	return unlikely(thread_loop) && stream == stdin ? CALL_WAITS : CALL_QUICK;
}

_export_ size_t fread(void *buf, size_t item_bytes, size_t n_items, FILE *stream)
{
	return STREAM(fread, CALL_QUICK, stream, (buf, item_bytes, n_items, stream));
}

_export_ size_t __fread_chk(void *buf, size_t room_bytes, size_t item_bytes, size_t n_items,
			    FILE *stream)
{
	return STREAM(__fread_chk, CALL_QUICK, stream,
		      (buf, room_bytes, item_bytes, n_items, stream));
}

_export_ char *fgets(char *buf, int size_bytes, FILE *stream)
{
	return STREAM(fgets, gets_nature(stream), stream, (buf, size_bytes, stream));
}

_export_ char *__fgets_chk(char *buf, size_t room_bytes, int size_bytes, FILE *stream)
{
	return STREAM(__fgets_chk, gets_nature(stream), stream,
		      (buf, room_bytes, size_bytes, stream));
}

_export_ size_t fwrite(const void *buf, size_t item_bytes, size_t n_items, FILE *stream)
{
	return STREAM(fwrite, CALL_QUICK, stream, (buf, item_bytes, n_items, stream));
}

_export_ int fflush(FILE *stream)
{
	return CALL(fflush, CALL_QUICK, (stream));
}

/* libc closes the descriptor without us. A stream in memory has none, and fileno() says so. */
static void stream_closes(FILE *stream)
{
	int saved_errno = errno;

	fd_state_closed(fileno(stream));
	errno = saved_errno;
}

_export_ int fclose(FILE *stream)
{
	if (likely(stream))
		stream_closes(stream);
	return CALL(fclose, CALL_QUICK, (stream));
}
