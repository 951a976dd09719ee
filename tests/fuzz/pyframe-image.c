/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image: the memory of a made-up process, which is the input of a fuzzer
 *
 * This file stands in for pyframe/mem.c: what is read of the other process comes from the input,
 * from the description of a real interpreter, or is an error. There are no system calls, and every
 * read is of memory that the sanitizers watch.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "pyframe-image.h"

#define N_MINORS (LAYOUT_MAX_MINOR - LAYOUT_MIN_MINOR + 1)
/* As the first words of a runtime: cookie, version, free-threaded or not. */
#define N_FIRST_WORDS 3

/* The rest of struct _Py_DebugOffsets as 3.13.0, 3.14.10 and 3.15.2 have it on x86-64. */
static const uint64_t offsets_3_13[] = {
	283320, 608,  632, 194968, 7272, 7264, 7344, 7400, 7656, 7640, 7648, 16,  7752, 0,
	7768,	7760, 304, 0,	   8,	 16,   72,   152,  160,	 232,  32,   80,  8,	0,
	56,	72,   70,  208,	   112,	 120,  128,  136,  68,	 52,   96,   104, 200,	16,
	8,	416,  24,  88,	   168,	 32,   24,   16,   40,	 24,   16,   48,  32,	40,
	24,	16,   32,  16,	   24,	 40,   16,   32,   64,	 32,   16,   40,  240,	200,
};
static const uint64_t offsets_3_14[] = {
	316616, 784,  808,  225864, 7280, 7272, 7344, 7360, 7408, 7688, 7672, 7680, 16,	 7784,
	0,	7800, 7792, 7992,   0,	  832,	0,    8,    16,	  72,	152,  160,  232, 32,
	88,	8,    0,    56,	    80,	  74,	64,   0,    216,  112,	120,  128,  136, 68,
	52,	96,   104,  208,    0,	  16,	8,    416,  24,	  88,	168,  40,   32,	 16,
	40,	24,   16,   200,    24,	  40,	32,   48,   32,	  40,	24,   16,   32,	 16,
	24,	40,   16,   32,	    64,	  32,	16,   40,   264,  192,	160,  24,   72,	 67,
	0,	8,    24,   304,    8076, 0,	4,    512,
};
static const uint64_t offsets_3_15[] = {
	346568, 912,  936,  226240, 7272, 7264, 7336, 7352, 7400, 7592, 7576, 7584, 16,	 7736,
	0,	7752, 7744, 7944,   0,	  888,	0,    8,    16,	  72,	80,   88,   96,	 176,
	184,	256,  32,   36,	    40,	  136,	288,  0,    88,	  8,	0,    56,   80,	 74,
	64,	0,    216,  112,    120,  128,	136,  68,   52,	  96,	104,  208,  0,	 16,
	8,	424,  24,   88,	    168,  32,	288,  944,  888,  40,	32,   16,   40,	 24,
	16,	200,  24,   40,	    32,	  48,	32,   40,   24,	  16,	32,   16,   24,	 40,
	16,	32,   64,   32,	    16,	  40,	56,   176,  112,  120,	1120, 104,  160, 24,
	72,	67,   0,    8,	    24,	  344,	8028, 0,    4,	  512,
};

const struct mem image_mem = {MEM_REMOTE, 1};

static const uint8_t *image_bytes;
static size_t image_n_bytes;
static uint64_t image_runtime[IMAGE_RUNTIME_BYTES / 8];

static uint32_t image_minor(const struct image_head *head)
{
	return LAYOUT_MIN_MINOR + head->minor % N_MINORS;
}

uint32_t image_version(const struct image_head *head)
{
	return 0x030000f0 | image_minor(head) << 16;
}

static void image_set_runtime(const struct image_head *head)
{
	const struct {
		const uint64_t *words;
		size_t n_bytes;
	} described[] = {
		{offsets_3_13, sizeof(offsets_3_13)},
		{offsets_3_14, sizeof(offsets_3_14)},
		{offsets_3_15, sizeof(offsets_3_15)},
	};
	uint32_t minor = image_minor(head);

	memset(image_runtime, 0, sizeof(image_runtime));
	if (minor < 13)
		return;
	memcpy(image_runtime, "xdebugpy", 8);
	image_runtime[1] = image_version(head);
	image_runtime[2] = head->flags & IMAGE_FREE_THREADED;
	memcpy(image_runtime + N_FIRST_WORDS, described[minor - 13].words,
	       described[minor - 13].n_bytes);
}

int image_open(const uint8_t *bytes, size_t n_bytes, struct image_head *ret_head)
{
	if (n_bytes < sizeof(*ret_head))
		return 0;
	image_bytes = bytes;
	image_n_bytes = n_bytes;
	memcpy(ret_head, bytes, sizeof(*ret_head));
	image_set_runtime(ret_head);
	return 1;
}

int image_pyframe(const struct image_head *head, struct pyframe *ret_pyframe)
{
	return pyframe_init(&image_mem, IMAGE_RUNTIME_RADDR, image_version(head),
			    head->code_type_raddr, ret_pyframe);
}

void image_check(int is_right)
{
	if (!is_right)
		abort();
}

/* As long as it says, ended, and UTF-8 without NUL. */
void image_check_text(const char *text, size_t len, size_t size_bytes)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t n_more = 0;

	image_check(len < size_bytes && text[len] == 0);
	for (size_t i = 0; i < len; i++) {
		image_check(at[i] != 0);
		if (n_more) {
			image_check((at[i] & 0xc0) == 0x80);
			n_more--;
		} else if (at[i] >= 0x80) {
			image_check(at[i] >= 0xc2 && at[i] <= 0xf4);
			n_more = at[i] >= 0xf0 ? 3 : at[i] >= 0xe0 ? 2 : 1;
		}
	}
	image_check(n_more == 0);
}

void image_check_stack(const struct pyframe_stack *stack)
{
	image_check(stack->n_frames <= PYFRAME_MAX_FRAMES);
	image_check(stack->end <= PYFRAME_END_TORN);
	for (uint32_t i = 0; i < stack->n_frames; i++)
		image_check(stack->frames[i].code_raddr >= MEM_MIN_RADDR);
}

/* ---- in the place of mem.c ---- */

static bool image_copy(const void *from, uint64_t begin_raddr, size_t n_from, uint64_t raddr,
		       void *buf, size_t size_bytes)
{
	uint64_t offset = raddr - begin_raddr;

	if (raddr < begin_raddr || offset > n_from || size_bytes > n_from - offset)
		return false;
	memcpy(buf, (const uint8_t *)from + offset, size_bytes);
	return true;
}

int mem_read_remote(const struct mem *mem, uint64_t raddr, void *buf, size_t size_bytes)
{
	(void)mem;
	if (image_copy(image_bytes, IMAGE_RADDR, image_n_bytes, raddr, buf, size_bytes) ||
	    image_copy(image_runtime, IMAGE_RUNTIME_RADDR, sizeof(image_runtime), raddr, buf,
		       size_bytes))
		return 0;
	return -EFAULT;
}

int mem_read_ranges_remote(const struct mem *mem, const struct iovec *ranges, size_t n_ranges,
			   void *buf, size_t *ret_n_read)
{
	uint8_t *at = buf;

	if (n_ranges > MEM_MAX_RANGES)
		return -EINVAL;
	for (size_t i = 0; i < n_ranges; i++) {
		if (mem_read_remote(mem, (uintptr_t)ranges[i].iov_base, at, ranges[i].iov_len) < 0)
			break;
		at += ranges[i].iov_len;
	}
	*ret_n_read = (size_t)(at - (uint8_t *)buf);
	return 0;
}

int mem_read_words_remote(const struct mem *mem, const uint64_t *raddrs, uint64_t *words,
			  size_t n_words, size_t *ret_n_read)
{
	size_t n = 0;

	if (n_words > MEM_MAX_WORDS)
		return -EINVAL;
	while (n < n_words && mem_read_remote(mem, raddrs[n], &words[n], sizeof(*words)) == 0)
		n++;
	*ret_n_read = n;
	return 0;
}
