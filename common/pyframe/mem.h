/* SPDX-License-Identifier: Apache-2.0 */
/* Memory source: the same read, of the own process by plain loads or of any process by the kernel
 */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/defs.h"

enum mem_kind {
	MEM_SELF = 1, /* plain loads: only for memory the calling thread keeps alive itself */
	MEM_REMOTE,   /* through the kernel: a bad address is an error, not a crash; pid may be our
			 own */
};

/* A file of ours in memory, for one thread to read its own process through; see mem.c. */
struct mem_window {
	uint8_t *bytes; /* NULL: there is none */
	pid_t pid;	/* whose memory it is; a fork child has no mapping of it */
	int fd;
};

struct mem {
	enum mem_kind kind;
	pid_t pid;		   /* MEM_REMOTE only */
	struct mem_window *window; /* MEM_REMOTE of the own process only; NULL: none */
};

/* More words than a stack has frames are never asked for at once. */
#define MEM_MAX_WORDS 128
/* Ranges are asked for as many, and a thread's own words with them; the kernel takes 1024. */
#define MEM_MAX_RANGES (MEM_MAX_WORDS + 8)

int mem_read_remote(const struct mem *mem, uint64_t raddr, void *buf, size_t size_bytes);
int mem_read_ranges_remote(const struct mem *mem, const struct iovec *ranges, size_t n_ranges,
			   void *buf, size_t *ret_n_read);
int mem_read_words_remote(const struct mem *mem, const uint64_t *raddrs, uint64_t *words,
			  size_t n_words, size_t *ret_n_read);
int mem_window_open(pid_t pid, struct mem_window *ret_window);
void mem_window_close(struct mem_window *window);

/* Below this no user memory is mapped: a plain load of a small garbage address would crash. */
#define MEM_MIN_RADDR UINT64_C(4096)

/*
 * Read size_bytes at raddr; on failure buf may hold some of them. SELF stays inline, where the size
 * is a constant at nearly every caller.
 * Return: 0, or -errno (-EFAULT: not readable); errno itself is left alone.
 */
static inline int mem_read(const struct mem *mem, uint64_t raddr, void *buf, size_t size_bytes)
{
	if (unlikely(mem->kind != MEM_SELF))
		return mem_read_remote(mem, raddr, buf, size_bytes);
	if (unlikely(raddr < MEM_MIN_RADDR))
		return -EFAULT;
	memcpy(buf, (const void *)(uintptr_t)raddr, size_bytes);
	return 0;
}
