/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code objects: their file, function and lines, and those of coroutines
 *
 * Only the addresses of a stack are read while it lasts; this comes later, from the same thread
 * or from the daemon, and costs some microseconds a frame. The file name, names and line table of
 * a code object never change and live as long as it does. That it does still live is for the
 * caller to know: a frame of the own thread holds it; for another thread's, its type and its count
 * of references are looked at, all of it is read twice, and pyframe_confirm() comes after.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "pyframe/code.h"
#include "pyframe/linetable.h"

/* A table of a megabyte is a module of some 200,000 lines; beyond, it is garbage. */
#define LINETABLE_MAX_BYTES (UINT64_C(1) << 20)
/* One read for nearly every function, and little enough for a small stack. */
#define LINETABLE_PIECE_BYTES 512

static uint64_t code_word(const uint8_t *bytes, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

/*
 * Whether the first word of an object is the count of its references. One that was freed has a link
 * of the allocator's there, or nothing, with all the rest as it was. A count has 32 bits, as no
 * program has that many references, and from 3.14 on flags above 48. Free-threaded builds keep
 * something else there, and are believed.
 */
static bool code_is_alive(const struct pyframe_layout *l, uint64_t first_word)
{
	return l->is_free_threaded || ((uint32_t)first_word && !(first_word >> 32 & 0xffff));
}

/* bytes: code_span_bytes from the start of what may be a code object. */
int code_parse(const struct pyframe *p, const uint8_t *bytes, struct code_fields *ret_fields)
{
	const struct pyframe_layout *l = &p->layout;
	int32_t first_line;

	if (p->code_type_raddr && code_word(bytes, l->object_type) != p->code_type_raddr)
		return -EINVAL;
	if (!code_is_alive(l, code_word(bytes, 0)))
		return -EINVAL;
	memcpy(&first_line, bytes + l->code_firstlineno, sizeof(first_line));
	*ret_fields = (struct code_fields){
		.filename_raddr = code_word(bytes, l->code_filename),
		.function_raddr =
			code_word(bytes, l->code_qualname ? l->code_qualname : l->code_name),
		.linetable_raddr = code_word(bytes, l->code_linetable),
		.first_line = MAX(first_line, 0),
	};
	return 0;
}

int code_read(const struct pyframe *p, const struct mem *mem, uint64_t code_raddr,
	      struct code_fields *ret_fields)
{
	uint8_t bytes[LAYOUT_MAX_CODE_BYTES];
	int r;

	r = mem_read(mem, code_raddr, bytes, p->layout.code_span_bytes);
	if (r < 0)
		return r;
	return code_parse(p, bytes, ret_fields);
}

/* Return: the line, 0 when there is none or it cannot be read. */
static int32_t code_line(const struct pyframe *p, const struct mem *mem,
			 const struct code_fields *code, uint64_t lasti)
{
	const struct pyframe_layout *l = &p->layout;
	uint64_t at_raddr = code->linetable_raddr + l->bytes_value, n_left;
	uint8_t piece[LINETABLE_PIECE_BYTES];
	struct linetable table;
	size_t n;

	if (lasti == PYFRAME_LASTI_NONE)
		return code->first_line;
	if (mem_read(mem, code->linetable_raddr + l->bytes_size, &n_left, sizeof(n_left)) < 0 ||
	    n_left > LINETABLE_MAX_BYTES)
		return 0;
	linetable_init(l->linetable_kind, code->first_line, lasti, &table);
	for (; n_left; n_left -= n, at_raddr += n) {
		n = MIN(n_left, sizeof(piece));
		if (mem_read(mem, at_raddr, piece, n) < 0)
			return 0;
		if (linetable_feed(&table, piece, n))
			break;
	}
	return linetable_line(&table);
}

static int code_describe(const struct pyframe *p, const struct mem *mem,
			 const struct pyframe_addr *frame, struct pyframe_text *text)
{
	struct code_fields code;
	int r;

	r = code_read(p, mem, frame->code_raddr, &code);
	if (r < 0)
		return r;
	r = pyframe_unicode(p, mem, code.filename_raddr, text->file, sizeof(text->file));
	if (r < 0)
		return r;
	text->file_len = (uint16_t)r;
	r = pyframe_unicode(p, mem, code.function_raddr, text->function, sizeof(text->function));
	if (r < 0)
		return r;
	text->function_len = (uint16_t)r;
	text->first_line = code.first_line;
	text->line = code_line(p, mem, &code, frame->lasti);
	return 0;
}

static bool code_is_same_text(const struct pyframe_text *a, const struct pyframe_text *b)
{
	return a->line == b->line && a->first_line == b->first_line && a->file_len == b->file_len &&
	       a->function_len == b->function_len && !memcmp(a->file, b->file, a->file_len) &&
	       !memcmp(a->function, b->function, a->function_len);
}

/* Once more, and whether it is the same. A code object that was freed meanwhile may have left its
 * place, and that of its strings, to another one: then the first strings are of the one and the
 * last of the other. */
static int code_confirm(const struct pyframe *p, const struct mem *mem,
			const struct pyframe_addr *frame, const struct pyframe_text *text)
{
	struct pyframe_text again;
	int r;

	r = code_describe(p, mem, frame, &again);
	if (r < 0)
		return r;
	return code_is_same_text(text, &again) ? 0 : -EINVAL;
}

/**
 * pyframe_describe() - Names and line of one frame
 *
 * A line that cannot be read is 0; a name that cannot be read is an error. The own thread holds its
 * code objects; what is of another thread is read twice.
 *
 * Return: 0, or -errno: -EINVAL when it is not a code object (any more).
 */
int pyframe_describe(const struct pyframe *p, const struct mem *mem,
		     const struct pyframe_addr *frame, struct pyframe_text *ret_text)
{
	struct pyframe_text text;
	int r;

	r = code_describe(p, mem, frame, &text);
	if (r == 0 && mem->kind != MEM_SELF)
		r = code_confirm(p, mem, frame, &text);
	if (r < 0)
		return r;
	memcpy(ret_text, &text, offsetof(struct pyframe_text, file[text.file_len + 1]));
	memcpy(ret_text->function, text.function, text.function_len + 1u);
	return 0;
}

int pyframe_describe_code(const struct pyframe *p, const struct mem *mem, uint64_t code_raddr,
			  struct pyframe_text *ret_text)
{
	const struct pyframe_addr frame = {.code_raddr = code_raddr, .lasti = PYFRAME_LASTI_NONE};

	return pyframe_describe(p, mem, &frame, ret_text);
}

static int code_check(const struct pyframe *p, const struct mem *mem, uint64_t code_raddr)
{
	uint64_t type_raddr;
	int r;

	r = mem_read(mem, code_raddr + p->layout.object_type, &type_raddr, sizeof(type_raddr));
	if (r < 0)
		return r;
	return p->code_type_raddr && type_raddr != p->code_type_raddr ? -EINVAL : 0;
}

/**
 * pyframe_coroutine_code() - The code a coroutine, generator or async generator runs
 *
 * 3.8 to 3.11 keep it in the object; later it is that of the frame inside, which keeps it also
 * when it has ended. coro_raddr must be one of these three: only the code's type is checked.
 */
int pyframe_coroutine_code(const struct pyframe *p, const struct mem *mem, uint64_t coro_raddr,
			   uint64_t *ret_code_raddr)
{
	const struct pyframe_layout *l = &p->layout;
	uint32_t offset = l->gen_code ? l->gen_code : l->gen_iframe + l->frame_executable;
	uint64_t code_raddr;
	int r;

	r = mem_read(mem, coro_raddr + offset, &code_raddr, sizeof(code_raddr));
	if (r < 0)
		return r;
	code_raddr &= ~(uint64_t)l->executable_mask;
	r = code_check(p, mem, code_raddr);
	if (r < 0)
		return r;
	*ret_code_raddr = code_raddr;
	return 0;
}

/**
 * pyframe_coroutine_name() - The qualified name of a coroutine, generator or async generator
 *
 * It has one on every version, while a code object has one since 3.11 only.
 *
 * Return: its length, or -errno.
 */
int pyframe_coroutine_name(const struct pyframe *p, const struct mem *mem, uint64_t coro_raddr,
			   char *buf, size_t size_bytes)
{
	uint64_t name_raddr;
	int r;

	r = mem_read(mem, coro_raddr + p->layout.gen_name + 8, &name_raddr, sizeof(name_raddr));
	if (r < 0)
		return r;
	return pyframe_unicode(p, mem, name_raddr, buf, size_bytes);
}
