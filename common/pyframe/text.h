/* SPDX-License-Identifier: Apache-2.0 */
/* Text: the characters of a str object as UTF-8, into a buffer of the caller */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the UTF-8 goes: always NUL-terminated, never cut inside a character. */
struct text_sink {
	char *buf;
	size_t size_bytes; /* at least 1 */
	size_t len;
	bool is_full; /* a character did not fit, so no later one is taken either */
};

void text_sink_init(char *buf, size_t size_bytes, struct text_sink *ret_sink);
void text_put(struct text_sink *sink, uint32_t code_point);
void text_put_chars(struct text_sink *sink, const void *chars, size_t n_chars,
		    unsigned int char_bytes);
