/* SPDX-License-Identifier: Apache-2.0 */
/* Text: code points to UTF-8, cut at a character, and str objects made by hand */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/defs.h"
#include "pyframe/pyframe.h"
#include "pyframe/text.h"

static const struct mem mem_self = {.kind = MEM_SELF};

/* The str of 3.12. */
static const struct pyframe pyframe_3_12 = {
	.layout = {.minor = 12,
		   .unicode_length = 16,
		   .unicode_state = 32,
		   .unicode_kind_shift = 2,
		   .unicode_ascii_bytes = 40,
		   .unicode_compact_bytes = 56},
};

struct str_object {
	uint64_t head[2];
	uint64_t n_chars;
	uint64_t hash;
	uint32_t state;
	uint32_t padding;
	union {
		char ascii[64];
		struct {
			uint64_t utf8[2];
			union {
				uint8_t chars[48];
				uint64_t chars_raddr;
			};
		};
	};
};

#define STATE(kind, is_compact, is_ascii) ((kind) << 2 | (is_compact) << 5 | (is_ascii) << 6)

static void assert_text(uint32_t code_point, const char *wanted)
{
	struct text_sink sink;
	char buf[8];

	text_sink_init(buf, sizeof(buf), &sink);
	text_put(&sink, code_point);
	assert_string_equal(buf, wanted);
	assert_int_equal(sink.len, strlen(wanted));
}

static void test_code_points(void **state)
{
	(void)state;
	assert_text(1, "\x01");
	assert_text(0x7f, "\x7f");
	assert_text(0x80, "\xc2\x80");
	assert_text(0x7ff, "\xdf\xbf");
	assert_text(0x800, "\xe0\xa0\x80");
	assert_text(0xd7ff, "\xed\x9f\xbf");
	assert_text(0xd800, "\xef\xbf\xbd");
	assert_text(0xdfff, "\xef\xbf\xbd");
	assert_text(0xe000, "\xee\x80\x80");
	assert_text(0xffff, "\xef\xbf\xbf");
	assert_text(0x10000, "\xf0\x90\x80\x80");
	assert_text(0x10ffff, "\xf4\x8f\xbf\xbf");
	assert_text(0x110000, "\xef\xbf\xbd");
	assert_text(0, "\xef\xbf\xbd");
}

static void test_cut(void **state)
{
	static const uint16_t chars[] = {'a', 0x20ac, 'b', 0x20ac};
	static const char *const wanted[] = {
		"", "a", "a", "a", "a\u20ac", "a\u20acb", "a\u20acb", "a\u20acb", "a\u20acb\u20ac"};
	struct text_sink sink;
	char buf[16];

	(void)state;
	for (size_t size = 1; size <= ARRAY_LEN(wanted); size++) {
		memset(buf, 'x', sizeof(buf));
		text_sink_init(buf, size, &sink);
		text_put_chars(&sink, chars, ARRAY_LEN(chars), 2);
		assert_string_equal(buf, wanted[size - 1]);
		assert_int_equal(buf[size], 'x');
		assert_int_equal(sink.is_full, size < ARRAY_LEN(wanted));
	}
}

static int str_text(const struct str_object *str, char *buf, size_t size_bytes)
{
	return pyframe_unicode(&pyframe_3_12, &mem_self, (uintptr_t)str, buf, size_bytes);
}

static void test_objects(void **state)
{
	static const uint32_t astral[] = {0x1f40d, 'x'};
	struct str_object str = {.n_chars = 5, .state = STATE(1, 1, 1), .ascii = "hello world"};
	char buf[32];

	(void)state;
	assert_int_equal(str_text(&str, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "hello");
	assert_int_equal(str_text(&str, buf, 4), 3);
	assert_string_equal(buf, "hel");

	str = (struct str_object){.n_chars = 2, .state = STATE(1, 1, 0), .chars = {0xe9, 'a'}};
	assert_int_equal(str_text(&str, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "\u00e9a");

	/* A subclass: the characters are elsewhere. */
	str = (struct str_object){.n_chars = 2, .state = STATE(4, 0, 0)};
	str.chars_raddr = (uintptr_t)astral;
	assert_int_equal(str_text(&str, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "\U0001f40dx");
}

static void test_bad_objects(void **state)
{
	struct str_object str = {.n_chars = 5, .state = STATE(3, 1, 1), .ascii = "hello"};
	struct mem remote = {.kind = MEM_REMOTE, .pid = getpid()};
	char buf[32] = "before";

	(void)state;
	assert_int_equal(str_text(&str, buf, sizeof(buf)), -EINVAL);
	assert_string_equal(buf, "");
	str.state = STATE(1, 1, 1);
	assert_int_equal(str_text(&str, buf, 0), -EINVAL);
	str.n_chars = UINT64_MAX;
	assert_int_equal(str_text(&str, buf, sizeof(buf)), -EINVAL);
	assert_int_equal(pyframe_unicode(&pyframe_3_12, &remote, 8, buf, sizeof(buf)), -EFAULT);
	assert_int_equal(pyframe_unicode(&pyframe_3_12, &mem_self, 0, buf, sizeof(buf)), -EFAULT);

	/* Longer than it says is possible, not longer than the buffer: a read that fails. */
	str = (struct str_object){.n_chars = 20, .state = STATE(1, 0, 0)};
	str.chars_raddr = 64;
	assert_int_equal(pyframe_unicode(&pyframe_3_12, &remote, (uintptr_t)&str, buf, sizeof(buf)),
			 -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_code_points),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_bad_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
