/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz: the unwind tables of a module, in a made-up memory
 *
 * The first word says for which instruction, the rest is the memory, with the index at its start.
 * What is found is carried out as the shim does. unwind-seeds.py wrote what it begins with.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "unwind/cfi.h"

#define MEMORY_RADDR UINT64_C(0x100000)

static const uint8_t *memory;
static size_t memory_bytes;

/* In the place of pyframe's mem.c. */
int mem_read_remote(const struct mem *mem, uint64_t raddr, void *buf, size_t size_bytes)
{
	uint64_t at = raddr - MEMORY_RADDR;

	(void)mem;
	if (at > memory_bytes || size_bytes > memory_bytes - at)
		return -EFAULT;
	memcpy(buf, memory + at, size_bytes);
	return 0;
}

int mem_read_ranges_remote(const struct mem *mem, const struct iovec *ranges, size_t n_ranges,
			   void *buf, size_t *ret_n_read)
{
	*ret_n_read = 0;
	for (size_t i = 0; i < n_ranges; i++) {
		if (mem_read_remote(mem, (uintptr_t)ranges[i].iov_base, (char *)buf + *ret_n_read,
				    ranges[i].iov_len))
			return 0;
		*ret_n_read += ranges[i].iov_len;
	}
	return 0;
}

static int load(void *unused, uint64_t raddr, uint64_t *ret_word)
{
	(void)unused;
	return mem_read_remote(NULL, raddr, ret_word, sizeof(*ret_word));
}

static void evaluate(const struct mem *mem, const struct cfi_rule *rule)
{
	uint64_t regs[CFI_N_REGS], cfa = MEMORY_RADDR, value;

	for (uint64_t i = 0; i < CFI_N_REGS; i++)
		regs[i] = MEMORY_RADDR + 8 * i;
	if (rule->how == CFI_IS_EXPRESSION || rule->how == CFI_AT_EXPRESSION)
		cfi_evaluate(mem, rule->value, regs, rule->how == CFI_AT_EXPRESSION ? &cfa : NULL,
			     load, NULL, &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const struct mem mem = {.kind = MEM_REMOTE};
	struct cfi_row row;
	int32_t offset;

	if (n < sizeof(offset))
		return 0;
	memcpy(&offset, bytes, sizeof(offset));
	memory = bytes + sizeof(offset);
	memory_bytes = n - sizeof(offset);
	if (cfi_find(&mem, MEMORY_RADDR, MEMORY_RADDR + (uint64_t)(int64_t)offset, &row))
		return 0;
	/* Whoever uses a row goes by these. */
	if (row.rules.cfa.reg >= CFI_N_REGS || row.rules.cfa.how == CFI_UNDEFINED)
		abort();
	evaluate(&mem, &row.rules.cfa);
	for (unsigned int i = 0; i < CFI_N_REGS; i++)
		evaluate(&mem, &row.rules.regs[i]);
	return 0;
}
