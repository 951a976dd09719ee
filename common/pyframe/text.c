/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text: str objects
 *
 * A str (PEP 393, Include/cpython/unicodeobject.h) holds its characters in units of 1, 2 or 4
 * bytes, right behind its header: the short one when all are ASCII, the longer one otherwise.
 * Instances of subclasses of str keep them elsewhere, with a pointer behind the longer header.
 * The units are code points, never UTF-16, so a surrogate is always a lone one: os.fsdecode()
 * makes them of file names that are not UTF-8. UTF-8 cannot hold it, so it becomes U+FFFD, and so
 * does NUL, which would hide what follows it.
 *
 * Names of code objects are immutable and live as long as the code. Anything may stand at a wrong
 * address: the length is bounded by the room the caller has before a character is read.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "pyframe/pyframe.h"
#include "pyframe/text.h"

#define TEXT_REPLACEMENT 0xfffd

/* One read for nearly every name and path, and little enough for a small stack. */
#define TEXT_PIECE_BYTES 512

/* The header up to the pointer of a non-compact str is 80 bytes; 96 in free-threaded builds. */
#define TEXT_MAX_HEADER_BYTES 128

struct text_header {
	uint64_t chars_raddr;
	uint64_t n_chars;
	unsigned int char_bytes;
	bool is_ascii;
};

void text_sink_init(char *buf, size_t size_bytes, struct text_sink *ret_sink)
{
	*ret_sink = (struct text_sink){.buf = buf, .size_bytes = size_bytes};
	buf[0] = '\0';
}

static size_t text_encode(uint32_t c, char utf8[static 4])
{
	if (c < 0x80) {
		utf8[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		utf8[0] = (char)(0xc0 | c >> 6);
		utf8[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		utf8[0] = (char)(0xe0 | c >> 12);
		utf8[1] = (char)(0x80 | (c >> 6 & 0x3f));
		utf8[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	utf8[0] = (char)(0xf0 | c >> 18);
	utf8[1] = (char)(0x80 | (c >> 12 & 0x3f));
	utf8[2] = (char)(0x80 | (c >> 6 & 0x3f));
	utf8[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

void text_put(struct text_sink *sink, uint32_t code_point)
{
	char utf8[4];
	size_t n;

	if (code_point == 0 || code_point > 0x10ffff ||
	    (code_point >= 0xd800 && code_point <= 0xdfff))
		code_point = TEXT_REPLACEMENT;
	n = text_encode(code_point, utf8);
	if (sink->is_full || n >= sink->size_bytes - sink->len) {
		sink->is_full = true;
		return;
	}
	memcpy(sink->buf + sink->len, utf8, n);
	sink->len += n;
	sink->buf[sink->len] = '\0';
}

static uint32_t text_char(const uint8_t *at, unsigned int char_bytes)
{
	uint16_t two;
	uint32_t four;

	switch (char_bytes) {
	case 1:
		return *at;
	case 2:
		memcpy(&two, at, sizeof(two));
		return two;
	default:
		memcpy(&four, at, sizeof(four));
		return four;
	}
}

/* char_bytes is 1, 2 or 4; chars need not be aligned. */
void text_put_chars(struct text_sink *sink, const void *chars, size_t n_chars,
		    unsigned int char_bytes)
{
	const uint8_t *at = chars;

	for (size_t i = 0; i < n_chars && !sink->is_full; i++, at += char_bytes)
		text_put(sink, text_char(at, char_bytes));
}

static int text_read_header(const struct pyframe_layout *l, const struct mem *mem,
			    uint64_t str_raddr, struct text_header *ret_header)
{
	uint8_t bytes[TEXT_MAX_HEADER_BYTES];
	size_t head_bytes = MAX(l->unicode_state + 4, l->unicode_length + 8);
	uint32_t state, kind;
	struct text_header header;
	bool is_compact, is_ascii;
	int r;

	if (head_bytes > sizeof(bytes))
		return -EINVAL;
	r = mem_read(mem, str_raddr, bytes, head_bytes);
	if (r < 0)
		return r;
	memcpy(&state, bytes + l->unicode_state, sizeof(state));
	memcpy(&header.n_chars, bytes + l->unicode_length, sizeof(header.n_chars));
	kind = state >> l->unicode_kind_shift & 7;
	is_compact = state >> l->unicode_kind_shift & 8;
	is_ascii = state >> l->unicode_kind_shift & 16;
	if ((kind != 1 && kind != 2 && kind != 4) || header.n_chars > INT64_MAX)
		return -EINVAL;

	header.char_bytes = kind;
	header.is_ascii = is_ascii && kind == 1;
	header.chars_raddr =
		str_raddr + (is_ascii ? l->unicode_ascii_bytes : l->unicode_compact_bytes);
	if (!is_compact) {
		r = mem_read(mem, str_raddr + l->unicode_compact_bytes, &header.chars_raddr, 8);
		if (r < 0)
			return r;
	}
	*ret_header = header;
	return 0;
}

/* Whether these bytes are what they are said to be; anything may stand at a wrong address. */
static bool text_is_plain(const char *chars, size_t n_chars)
{
	unsigned char all = 0;
	size_t n_nul = 0;

	for (size_t i = 0; i < n_chars; i++) {
		all |= (unsigned char)chars[i];
		n_nul += !chars[i];
	}
	return all < 0x80 && !n_nul;
}

/* Nearly every name: its bytes are its UTF-8. Return: the length; -EINVAL when it needs a look at
 * each. */
static int text_copy_ascii(const struct mem *mem, const struct text_header *header, char *buf,
			   size_t size_bytes)
{
	size_t n = MIN(header->n_chars, size_bytes - 1);

	if (mem_read(mem, header->chars_raddr, buf, n) < 0 || !text_is_plain(buf, n)) {
		buf[0] = '\0';
		return -EINVAL;
	}
	buf[n] = '\0';
	return (int)n;
}

/**
 * pyframe_unicode() - Copy a str object out as UTF-8
 *
 * The buffer holds at least a NUL, also when reading fails; what does not fit is cut off.
 *
 * Return: the length without the NUL, or -errno.
 */
int pyframe_unicode(const struct pyframe *p, const struct mem *mem, uint64_t str_raddr, char *buf,
		    size_t size_bytes)
{
	uint8_t piece[TEXT_PIECE_BYTES];
	struct text_header header;
	struct text_sink sink;
	uint64_t n_left;
	int r;

	if (size_bytes == 0 || size_bytes > INT32_MAX)
		return -EINVAL;
	text_sink_init(buf, size_bytes, &sink);
	r = text_read_header(&p->layout, mem, str_raddr, &header);
	if (r < 0)
		return r;
	if (likely(header.is_ascii)) {
		r = text_copy_ascii(mem, &header, buf, size_bytes);
		if (likely(r >= 0))
			return r;
	}
	n_left = MIN(header.n_chars, size_bytes);
	while (n_left && !sink.is_full) {
		size_t n = MIN(n_left, sizeof(piece) / header.char_bytes);

		r = mem_read(mem, header.chars_raddr, piece, n * header.char_bytes);
		if (r < 0)
			return r;
		text_put_chars(&sink, piece, n, header.char_bytes);
		header.chars_raddr += n * header.char_bytes;
		n_left -= n;
	}
	return (int)sink.len;
}
