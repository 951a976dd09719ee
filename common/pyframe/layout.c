/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout: offsets from tables (3.8 to 3.12) or from the interpreter itself (3.13 on)
 *
 * Up to 3.12 CPython does not describe itself, and the offsets below are those of its release
 * builds on 64-bit machines, computed with offsetof() from the headers of 3.8.18, 3.9.18,
 * 3.10.13, 3.11.7 and 3.12.1. They are the same on x86-64 and aarch64 (sizeof(pthread_mutex_t)
 * differs, but only fields after it move, and none of them is used), and the same in a debug build
 * (--with-pydebug, tried with Debian's of 3.11). A build with reference tracing (Py_TRACE_REFS) has
 * longer object headers: it is caught by the type check of every code object, so that a wrong
 * layout gives no stack instead of a wrong one. What the runtime and the threads say of each other
 * is checked in layout_check_links().
 *
 * From 3.13 on _PyRuntime begins with struct _Py_DebugOffsets (Include/internal/pycore_runtime.h,
 * since 3.14 pycore_debug_offsets.h). Its own layout changes with each minor version and is fixed
 * within one from the first release candidate on. It is untrusted: the process may be anything.
 * Each field is therefore checked here once: inside its struct, aligned, and inside what the
 * readers have room for. Nobody checks again.
 *
 * Called once per interpreter, never from a signal handler. Changes nothing but its result.
 */
#include <stddef.h>
#include <string.h>

#include "pyframe/layout.h"
#include "pyframe/mem.h"
#include "pyframe/pyframe.h"

/* The largest of the three, that of 3.15. */
#define LAYOUT_MAX_OFFSETS_BYTES 888
#define LAYOUT_COOKIE		 "xdebugpy"

/* PyInterpreterState is 300 KB in 3.15 and _PyRuntime holds one; no struct is near 16 MB. */
#define LAYOUT_MAX_STRUCT_BYTES (UINT64_C(16) << 20)
/* str and bytes headers are below 100 bytes, a generator below 200. */
#define LAYOUT_MAX_OBJECT_BYTES 512

#define VERSION_MAJOR(hex)	((hex) >> 24)
#define VERSION_MINOR(hex)	((hex) >> 16 & 0xff)
#define VERSION_LEVEL(hex)	((hex) >> 4 & 0xf)
#define VERSION_LEVEL_CANDIDATE 0xc
#define VERSION_LEVEL_FINAL	0xf

/* Include/opcode.h of each: these do not change within a minor version. */
#define OPCODE_YIELD_FROM		72
#define OPCODE_RESUME			151
#define OPCODE_RESUME_QUICK_3_11	150
#define OPCODE_INSTRUMENTED_RESUME_3_12 240

/* What the five tables have in common. */
#define LAYOUT_OBJECTS                                                                       \
	.object_type = 8, .bytes_size = 16, .bytes_value = 32, .unicode_length = 16,         \
	.unicode_state = 32, .unicode_kind_shift = 2, .thread_next = 8, .thread_interp = 16, \
	.header_bytes = 16, .type_name = 24

/* 3.8 to 3.10: frames are PyFrameObjects. */
#define LAYOUT_FRAME_OBJECTS                                                                \
	.runtime_interpreters_head = 32, .interp_next = 0, .interp_threads_head = 8,        \
	.thread_frame = 24, .thread_id = 176, .frame_previous = 24, .frame_executable = 32, \
	.code_flags = 36, .code_firstlineno = 40, .code_filename = 104, .code_name = 112,   \
	.code_linetable = 120, .unicode_ascii_bytes = 48, .unicode_compact_bytes = 72,      \
	.code_string = 48, .await_opcodes = {OPCODE_YIELD_FROM, OPCODE_YIELD_FROM}

/* 3.11, 3.12: enum _framestate of Include/internal/pycore_frame.h. */
#define LAYOUT_AWAIT_3_11                                                                          \
	.await_kind = AWAIT_STACKTOP, .gen_executing = 0, .gen_suspended = -1, .gen_awaiting = -1, \
	.gen_created = -2, .frame_stack = 64, .frame_localsplus = 72

/* f_executing is 1 (3.8, 3.9). f_state is FRAME_EXECUTING, or FRAME_UNWINDING where a trace
 * function sees an exception; Include/internal/pycore_frame.h, 3.10. */
#define STATE_EXECUTING_3_8  (1 << 1)
#define STATE_EXECUTING_3_10 (1 << 0 | 1 << 2)

static const struct pyframe_layout layout_tables[] = {
	{
		.minor = 8,
		.gc_callbacks = 560,
		LAYOUT_OBJECTS,
		LAYOUT_FRAME_OBJECTS,
		.await_kind = AWAIT_STACKTOP_POINTER,
		.frame_stack = 72,
		.frame_instr = 104,
		.frame_state = 116,
		.calling_states = STATE_EXECUTING_3_8,
		.lasti_unit = 1,
		.linetable_kind = LINETABLE_LNOTAB,
		.gen_name = 48,
		.gen_code = 32,
	},
	{
		.minor = 9,
		.gc_callbacks = 832,
		LAYOUT_OBJECTS,
		LAYOUT_FRAME_OBJECTS,
		.await_kind = AWAIT_STACKTOP_POINTER,
		.frame_stack = 72,
		.frame_instr = 104,
		.frame_state = 116,
		.calling_states = STATE_EXECUTING_3_8,
		.lasti_unit = 1,
		.linetable_kind = LINETABLE_LNOTAB,
		.gen_name = 48,
		.gen_code = 32,
	},
	{
		.minor = 10,
		.gc_callbacks = 832,
		LAYOUT_OBJECTS,
		LAYOUT_FRAME_OBJECTS,
		.await_kind = AWAIT_STACK_DEPTH,
		.frame_stack = 64,
		.frame_stackdepth = 80,
		.frame_instr = 96,
		.frame_state = 108,
		.calling_states = STATE_EXECUTING_3_10,
		.lasti_unit = 2,
		.linetable_kind = LINETABLE_RANGES,
		.gen_name = 40,
		.gen_code = 24,
	},
	{
		.minor = 11,
		.gc_callbacks = 864,
		LAYOUT_OBJECTS,
		LAYOUT_AWAIT_3_11,
		.await_opcodes = {OPCODE_RESUME, OPCODE_RESUME_QUICK_3_11},
		.gen_state = 75,
		.frame_is_entry = 68,
		.runtime_interpreters_head = 40,
		.interp_next = 0,
		.interp_threads_head = 16,
		.thread_frame = 56,
		.thread_id = 152,
		.has_cframe = true,
		.cframe_frame = 8,
		.frame_previous = 48,
		.frame_executable = 32,
		.frame_instr = 56,
		.frame_owner = 69,
		.owner_first_shim = 3,
		.owner_last = 2,
		.code_flags = 48,
		.code_firstlineno = 72,
		.code_filename = 112,
		.code_name = 120,
		.code_qualname = 128,
		.code_linetable = 136,
		.code_bytecode = 184,
		.linetable_kind = LINETABLE_LOCATIONS,
		.unicode_ascii_bytes = 48,
		.unicode_compact_bytes = 72,
		.gen_name = 32,
		.gen_code = 16,
		.gen_iframe = 80,
	},
	{
		.minor = 12,
		.gc_callbacks = 328,
		LAYOUT_OBJECTS,
		LAYOUT_AWAIT_3_11,
		.await_opcodes = {OPCODE_RESUME, OPCODE_INSTRUMENTED_RESUME_3_12},
		.gen_state = 67,
		.runtime_interpreters_head = 40,
		.interp_next = 0,
		.interp_threads_head = 72,
		.thread_frame = 56,
		.thread_id = 136,
		.has_cframe = true,
		.cframe_frame = 0,
		.frame_previous = 8,
		.frame_executable = 0,
		.frame_instr = 56,
		.frame_owner = 70,
		.owner_first_shim = 3,
		.owner_last = 3,
		.code_flags = 48,
		.code_firstlineno = 68,
		.code_filename = 112,
		.code_name = 120,
		.code_qualname = 128,
		.code_linetable = 136,
		.code_bytecode = 192,
		.linetable_kind = LINETABLE_LOCATIONS,
		.unicode_ascii_bytes = 40,
		.unicode_compact_bytes = 56,
		.gen_name = 24,
		.gen_iframe = 72,
	},
};

/* Minor versions that describe themselves: the columns of the rules. */
enum { RULE_3_13, RULE_3_14, RULE_3_15, _RULE_N_VERSIONS };

static const uint16_t layout_offsets_bytes[_RULE_N_VERSIONS] = {584, 760, 888};

enum {
	RULE_FREE_THREADED = 1, /* there in free-threaded builds only */
};

/*
 * One field of struct _Py_DebugOffsets: where it stands there in each version (0: not there),
 * where the size of the struct it belongs to stands, and how wide the field it speaks of is.
 */
struct layout_rule {
	uint16_t field; /* in struct pyframe_layout */
	uint16_t at[_RULE_N_VERSIONS];
	uint16_t size_at[_RULE_N_VERSIONS];
	uint8_t width;
	uint8_t flags;
};

#define RULE_RUNTIME       \
	{                  \
		24, 24, 24 \
	}
#define RULE_INTERP        \
	{                  \
		48, 48, 48 \
	}
#define RULE_THREAD           \
	{                     \
		152, 176, 176 \
	}
#define RULE_FRAME            \
	{                     \
		224, 248, 312 \
	}
#define RULE_CODE             \
	{                     \
		272, 312, 376 \
	}
#define RULE_OBJECT           \
	{                     \
		352, 400, 464 \
	}
#define RULE_BYTES            \
	{                     \
		512, 592, 688 \
	}
#define RULE_UNICODE          \
	{                     \
		536, 616, 712 \
	}
#define RULE_GEN            \
	{                   \
		0, 664, 792 \
	}
#define RULE_TYPE             \
	{                     \
		368, 416, 480 \
	}
#define RULE_SET            \
	{                   \
		0, 496, 592 \
	}
#define FIELD(name) .field = offsetof(struct pyframe_layout, name)

static const struct layout_rule layout_rules[] = {
	{FIELD(runtime_interpreters_head), {40, 40, 40}, RULE_RUNTIME, 8},
	{FIELD(interp_next), {64, 64, 64}, RULE_INTERP, 8},
	{FIELD(interp_threads_head), {72, 72, 72}, RULE_INTERP, 8},
	{FIELD(thread_next), {168, 192, 192}, RULE_THREAD, 8},
	{FIELD(thread_interp), {176, 200, 200}, RULE_THREAD, 8},
	{FIELD(thread_frame), {184, 208, 208}, RULE_THREAD, 8},
	{FIELD(thread_id), {192, 216, 240}, RULE_THREAD, 8},
	{FIELD(frame_previous), {232, 256, 320}, RULE_FRAME, 8},
	{FIELD(frame_executable), {240, 264, 328}, RULE_FRAME, 8},
	{FIELD(frame_instr), {248, 272, 336}, RULE_FRAME, 8},
	{FIELD(frame_owner), {264, 288, 352}, RULE_FRAME, 1},
	{FIELD(frame_tlbc_index), {0, 304, 368}, RULE_FRAME, 4, RULE_FREE_THREADED},
	{FIELD(code_filename), {280, 320, 384}, RULE_CODE, 8},
	{FIELD(code_name), {288, 328, 392}, RULE_CODE, 8},
	{FIELD(code_qualname), {296, 336, 400}, RULE_CODE, 8},
	{FIELD(code_linetable), {304, 344, 408}, RULE_CODE, 8},
	{FIELD(code_firstlineno), {312, 352, 416}, RULE_CODE, 4},
	{FIELD(code_bytecode), {344, 384, 448}, RULE_CODE, 2},
	{FIELD(code_tlbc), {0, 392, 456}, RULE_CODE, 8, RULE_FREE_THREADED},
	{FIELD(object_type), {360, 408, 472}, RULE_OBJECT, 8},
	{FIELD(bytes_size), {520, 600, 696}, RULE_BYTES, 8},
	{FIELD(bytes_value), {528, 608, 704}, RULE_BYTES, 1},
	{FIELD(unicode_state), {544, 624, 720}, RULE_UNICODE, 4},
	{FIELD(unicode_length), {552, 632, 728}, RULE_UNICODE, 8},
	{FIELD(gen_name), {0, 672, 800}, RULE_GEN, 8},
	{FIELD(gen_iframe), {0, 680, 808}, RULE_GEN, 8},
	{FIELD(gen_state), {0, 688, 816}, RULE_GEN, 1},
	{FIELD(frame_localsplus), {256, 280, 344}, RULE_FRAME, 8},
	{FIELD(frame_stack), {0, 296, 360}, RULE_FRAME, 8},
	{FIELD(type_name), {376, 424, 488}, RULE_TYPE, 8},
	{FIELD(set_mask), {0, 520, 616}, RULE_SET, 8},
	{FIELD(set_table), {0, 512, 608}, RULE_SET, 8},
};

/* Values that follow no rule. */
#define LAYOUT_AT_FREE_THREADED 16
#define LAYOUT_AT_INTERP_BYTES	48
static const uint16_t layout_at_ascii_bytes[_RULE_N_VERSIONS] = {560, 640, 736};

/*
 * interpreter_state.gc, and of struct _gc_runtime_state the last field that is told of before
 * garbage and callbacks: collecting, from 3.15 on frame.
 */
static const uint16_t layout_at_interp_gc[_RULE_N_VERSIONS] = {80, 88, 88};
static const uint16_t layout_at_gc_field[_RULE_N_VERSIONS] = {576, 656, 768};
#define LAYOUT_GC_FIELD_TO_CALLBACKS 16

struct layout_offsets {
	int version; /* RULE_3_* */
	uint64_t words[LAYOUT_MAX_OFFSETS_BYTES / 8];
};

static uint64_t layout_word(const struct layout_offsets *offsets, uint32_t at)
{
	return offsets->words[at / 8];
}

static int layout_apply_rule(const struct layout_rule *rule, const struct layout_offsets *offsets,
			     struct pyframe_layout *layout)
{
	uint32_t at = rule->at[offsets->version], value;
	uint64_t size, offset;

	if (!at || (rule->flags & RULE_FREE_THREADED && !layout->is_free_threaded))
		return 0;
	size = layout_word(offsets, rule->size_at[offsets->version]);
	offset = layout_word(offsets, at);
	if (size > LAYOUT_MAX_STRUCT_BYTES || offset > size || rule->width > size - offset)
		return PYFRAME_E_OFFSETS;
	if (offset % rule->width)
		return PYFRAME_E_OFFSETS;
	value = (uint32_t)offset;
	memcpy((char *)layout + rule->field, &value, sizeof(value));
	return 0;
}

/* enum _framestate (Include/internal/pycore_frame.h; 3.15 numbers it anew), and what lies where. */
static void layout_apply_await(struct pyframe_layout *layout)
{
	bool is_3_15 = layout->minor == 15;

	layout->gen_created = is_3_15 ? 0 : -3;
	layout->gen_suspended = is_3_15 ? 1 : -2;
	layout->gen_awaiting = is_3_15 ? 2 : -1;
	layout->gen_executing = is_3_15 ? 4 : 0;
	layout->await_kind = layout->minor == 13   ? AWAIT_STACKTOP
			     : layout->minor == 14 ? AWAIT_STACK_POINTER
						   : AWAIT_STACK_POINTER_2;
}

/* No stack needs it: where it makes no sense it is not known. */
static void layout_apply_gc(const struct layout_offsets *offsets, struct pyframe_layout *layout)
{
	uint64_t gc = layout_word(offsets, layout_at_interp_gc[offsets->version]);
	uint64_t field = layout_word(offsets, layout_at_gc_field[offsets->version]);
	uint64_t bytes = MIN(layout->interp_bytes, LAYOUT_MAX_STRUCT_BYTES);

	if (gc < bytes && field < bytes - gc && gc % 8 == 0 && field % 8 == 0 &&
	    gc + field + LAYOUT_GC_FIELD_TO_CALLBACKS + 8 <= bytes)
		layout->gc_callbacks = (uint32_t)(gc + field) + LAYOUT_GC_FIELD_TO_CALLBACKS;
}

/* Fields that 3.13 leaves unsaid, and facts that are no offsets. */
static int layout_apply_rest(const struct layout_offsets *offsets, struct pyframe_layout *layout)
{
	uint64_t ascii_bytes = layout_word(offsets, layout_at_ascii_bytes[offsets->version]);

	if (ascii_bytes > LAYOUT_MAX_OBJECT_BYTES)
		return PYFRAME_E_OFFSETS;
	layout->unicode_ascii_bytes = (uint32_t)ascii_bytes;
	/* utf8_length and utf8 follow; Include/cpython/unicodeobject.h, 3.12 to 3.15. */
	layout->unicode_compact_bytes = (uint32_t)ascii_bytes + 16;
	/* Free-threaded 3.14 on: interned is a byte of its own instead of two bits. */
	layout->unicode_kind_shift = layout->is_free_threaded && layout->minor >= 14 ? 8 : 2;
	layout->linetable_kind = LINETABLE_LOCATIONS;
	/* _PyStackRef since 3.14: the lowest bits say who counts the reference. */
	layout->executable_mask = layout->minor >= 14 ? 3 : 0;
	layout->owner_first_shim = 3;
	layout->owner_last = layout->minor == 14 ? 4 : 3;
	layout->header_bytes = layout->is_free_threaded ? 32 : 16;
	layout->interp_bytes = layout_word(offsets, LAYOUT_AT_INTERP_BYTES);
	/* Behind the count of instructions and three objects; Include/cpython/code.h. */
	layout->code_flags = layout->header_bytes + 32;
	if (layout->minor == 13) {
		/* PyGenObject and _PyInterpreterFrame of 3.13. */
		layout->gen_name = layout->header_bytes + 8;
		layout->gen_iframe = layout->header_bytes + 56;
		layout->gen_state = layout->header_bytes + 51;
		layout->frame_stack = 64;
	}
	layout_apply_await(layout);
	layout_apply_gc(offsets, layout);
	return 0;
}

static int layout_read_offsets(const struct mem *mem, uint64_t runtime_raddr, uint32_t version_hex,
			       struct layout_offsets *ret_offsets)
{
	int r, version = (int)VERSION_MINOR(version_hex) - 13;

	r = mem_read(mem, runtime_raddr, ret_offsets->words, layout_offsets_bytes[version]);
	if (r < 0)
		return r;
	if (memcmp(ret_offsets->words, LAYOUT_COOKIE, 8) != 0 ||
	    ret_offsets->words[1] != version_hex)
		return PYFRAME_E_OFFSETS;
	if (layout_word(ret_offsets, LAYOUT_AT_FREE_THREADED) > 1)
		return PYFRAME_E_OFFSETS;
	ret_offsets->version = version;
	return 0;
}

static int layout_from_offsets(const struct mem *mem, uint64_t runtime_raddr, uint32_t version_hex,
			       struct pyframe_layout *layout)
{
	struct layout_offsets offsets;
	int r;

	r = layout_read_offsets(mem, runtime_raddr, version_hex, &offsets);
	if (r)
		return r;
	layout->minor = (uint8_t)VERSION_MINOR(version_hex);
	layout->is_free_threaded = layout_word(&offsets, LAYOUT_AT_FREE_THREADED) == 1;
	for (size_t i = 0; i < ARRAY_LEN(layout_rules); i++) {
		r = layout_apply_rule(&layout_rules[i], &offsets, layout);
		if (r)
			return r;
	}
	return layout_apply_rest(&offsets, layout);
}

/* The end of the last of these fields. */
static uint32_t layout_span(const uint32_t *ends, size_t n_ends)
{
	uint32_t span = 0;

	for (size_t i = 0; i < n_ends; i++)
		span = MAX(span, ends[i]);
	return span;
}

/* How much of each object has to be read, and whether the readers have room for that. */
static int layout_set_spans(struct pyframe_layout *l)
{
	const uint32_t frame[] = {l->frame_previous + 8, l->frame_executable + 8,
				  l->frame_instr + 8,	 l->frame_owner + 1,
				  l->frame_state + 1,	 l->frame_tlbc_index + 4,
				  l->frame_stack + 8,	 l->frame_stackdepth + 4};
	const uint32_t thread[] = {l->thread_next + 8, l->thread_interp + 8, l->thread_id + 8,
				   l->thread_frame + 8};
	const uint32_t code[] = {l->code_filename + 8,	  l->code_name + 8,
				 l->code_qualname + 8,	  l->code_linetable + 8,
				 l->code_firstlineno + 4, l->object_type + 8};
	const uint32_t objects[] = {l->bytes_size + 8,
				    l->bytes_value,
				    l->unicode_length + 8,
				    l->unicode_state + 4,
				    l->gen_name + 16,
				    l->gen_code + 8,
				    l->unicode_compact_bytes + 8,
				    l->gen_iframe + 8,
				    l->gen_state + 1,
				    l->frame_localsplus,
				    l->set_mask + 8,
				    l->set_table + 8,
				    l->type_name + 8};

	l->frame_span_bytes = layout_span(frame, ARRAY_LEN(frame));
	l->thread_span_bytes = layout_span(thread, ARRAY_LEN(thread));
	l->code_span_bytes = layout_span(code, ARRAY_LEN(code));
	if (l->frame_span_bytes > LAYOUT_MAX_FRAME_BYTES ||
	    l->thread_span_bytes > LAYOUT_MAX_THREAD_BYTES ||
	    l->code_span_bytes > LAYOUT_MAX_CODE_BYTES ||
	    layout_span(objects, ARRAY_LEN(objects)) > LAYOUT_MAX_OBJECT_BYTES)
		return PYFRAME_E_OFFSETS;
	return 0;
}

/* The first thread of the first interpreter must point back at it; before Py_Initialize() there
 * is none, and nothing to check. */
static int layout_check_links(const struct mem *mem, uint64_t runtime_raddr,
			      const struct pyframe_layout *l)
{
	uint64_t interp_raddr, thread_raddr, back_raddr;
	int r;

	r = mem_read(mem, runtime_raddr + l->runtime_interpreters_head, &interp_raddr, 8);
	if (r < 0)
		return r;
	if (!interp_raddr)
		return 0;
	r = mem_read(mem, interp_raddr + l->interp_threads_head, &thread_raddr, 8);
	if (r == 0 && !thread_raddr)
		return 0;
	if (r == 0)
		r = mem_read(mem, thread_raddr + l->thread_interp, &back_raddr, 8);
	return r < 0 || back_raddr != interp_raddr ? PYFRAME_E_OFFSETS : 0;
}

static bool layout_is_known(uint32_t version_hex)
{
	uint32_t minor = VERSION_MINOR(version_hex), level = VERSION_LEVEL(version_hex);

	if (VERSION_MAJOR(version_hex) != 3 || minor < LAYOUT_MIN_MINOR || minor > LAYOUT_MAX_MINOR)
		return false;
	return level == VERSION_LEVEL_FINAL || (minor >= 13 && level == VERSION_LEVEL_CANDIDATE);
}

/**
 * layout_load() - Find out where the fields of one interpreter are
 *
 * Return: 0, -errno when the runtime cannot be read, PYFRAME_E_VERSION or PYFRAME_E_OFFSETS.
 */
int layout_load(const struct mem *mem, uint64_t runtime_raddr, uint32_t version_hex,
		struct pyframe_layout *ret_layout)
{
	uint32_t minor = VERSION_MINOR(version_hex);
	struct pyframe_layout layout = {0};
	int r = 0;

	if (!layout_is_known(version_hex))
		return PYFRAME_E_VERSION;
	if (minor >= 13)
		r = layout_from_offsets(mem, runtime_raddr, version_hex, &layout);
	else
		layout = layout_tables[minor - LAYOUT_MIN_MINOR];
	if (r == 0)
		r = layout_set_spans(&layout);
	if (r == 0)
		r = layout_check_links(mem, runtime_raddr, &layout);
	if (r)
		return r;
	*ret_layout = layout;
	return 0;
}
