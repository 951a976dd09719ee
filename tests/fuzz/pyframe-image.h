/* SPDX-License-Identifier: Apache-2.0 */
/* Image: the memory of a made-up process, which is the input of a fuzzer */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "pyframe/pyframe.h"

/* Where the input appears; small, so that few bytes of it make a pointer into it. */
#define IMAGE_RADDR UINT64_C(0x10000)
/* A runtime that describes the chosen version rightly. */
#define IMAGE_RUNTIME_RADDR UINT64_C(0x8000)
#define IMAGE_RUNTIME_BYTES 1024

#define IMAGE_FREE_THREADED 1

/* What an input begins with: which version, and where its objects are said to be. */
struct image_head {
	uint8_t minor; /* of 3, modulo the number of those known */
	uint8_t flags;
	uint16_t size_bytes; /* of a buffer */
	uint32_t lasti;
	uint64_t runtime_raddr;
	uint64_t tstate_raddr;
	uint64_t code_raddr;
	uint64_t str_raddr;
	uint64_t coro_raddr;
	uint64_t task_raddr;
	uint64_t code_type_raddr; /* 0: unknown */
	uint64_t callable_raddr;
};

/* Return: false when the input is too short to be one. */
int image_open(const uint8_t *bytes, size_t n_bytes, struct image_head *ret_head);
uint32_t image_version(const struct image_head *head);

/* pyframe for the version of the image; offsets are those of real builds. */
int image_pyframe(const struct image_head *head, struct pyframe *ret_pyframe);

/* What must hold of everything that is given back; aborts when it does not. */
void image_check(int is_right);
void image_check_text(const char *text, size_t len, size_t size_bytes);
void image_check_stack(const struct pyframe_stack *stack);

extern const struct mem image_mem;
