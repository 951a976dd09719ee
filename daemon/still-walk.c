/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native frames of a still (x86-64)
 *
 * The unwind tables are read where the process has them, which it still does: they are part of its
 * modules. The stack is the copy. Nothing is guessed: where a module has no rules for an
 * instruction the walk ends with the reason, and a frame has to lie above the one it called.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/defs.h"
#include "still.h"
#include "unwind/cfi.h"

/* Program headers lie in the first page; no library has as many. */
#define WALK_MAX_SEGMENTS 64

struct walk {
	const struct still *still;
	struct mem mem;
	uint64_t regs[CFI_N_REGS];
	bool is_exact; /* rip is not a return address */
};

struct walk_module {
	const char *path;
	uint64_t load_raddr;
	uint64_t header_raddr; /* .eh_frame_hdr; 0: it has none */
};

/* The module around an address, from its headers in memory. */
static int module_find(const struct walk *w, uint64_t address, struct walk_module *ret_module)
{
	const struct map *map = maps_find(&w->still->maps, address), *first;
	Elf64_Phdr segments[WALK_MAX_SEGMENTS];
	struct walk_module module = {0};
	bool has_load = false;
	Elf64_Ehdr elf;

	if (!map || (*map->path != '/' && strcmp(map->path, "[vdso]") != 0))
		return -ENOENT;
	first = maps_module(&w->still->maps, map);
	if (!first || mem_read(&w->mem, first->begin, &elf, sizeof(elf)) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_phnum > WALK_MAX_SEGMENTS ||
	    elf.e_phentsize != sizeof(*segments) ||
	    mem_read(&w->mem, first->begin + elf.e_phoff, segments,
		     elf.e_phnum * sizeof(*segments)))
		return -ENOENT;
	module.path = map->path;
	for (unsigned int i = 0; i < elf.e_phnum; i++)
		if (segments[i].p_type == PT_LOAD && !has_load) {
			module.load_raddr = first->begin - (segments[i].p_vaddr & ~UINT64_C(4095));
			has_load = true;
		}
	for (unsigned int i = 0; i < elf.e_phnum; i++)
		if (segments[i].p_type == PT_GNU_EH_FRAME)
			module.header_raddr = module.load_raddr + segments[i].p_vaddr;
	*ret_module = module;
	return has_load ? 0 : -ENOENT;
}

static int stack_word(const struct walk *w, uint64_t raddr, uint64_t *ret_word)
{
	uint64_t offset = raddr - w->still->stack_raddr;

	if (raddr % 8)
		return -EINVAL;
	if (offset >= w->still->stack_bytes || w->still->stack_bytes - offset < sizeof(*ret_word))
		return -EFAULT;
	memcpy(ret_word, w->still->stack + offset, sizeof(*ret_word));
	return 0;
}

static int stack_load(void *at, uint64_t raddr, uint64_t *ret_word)
{
	return stack_word(at, raddr, ret_word);
}

static int rule_apply(struct walk *w, const uint64_t *regs, uint64_t cfa, unsigned int reg,
		      const struct cfi_rule *rule)
{
	uint64_t value = regs[reg];
	int r = 0;

	switch ((enum cfi_how)rule->how) {
	case CFI_SAME:
	case CFI_UNDEFINED:
		break;
	case CFI_AT_OFFSET:
		r = stack_word(w, cfa + rule->value, &value);
		break;
	case CFI_IS_OFFSET:
		value = cfa + rule->value;
		break;
	case CFI_IN_REGISTER:
		if (rule->value >= CFI_N_REGS)
			return -EINVAL;
		value = regs[rule->value];
		break;
	case CFI_AT_EXPRESSION:
	case CFI_IS_EXPRESSION:
		r = cfi_evaluate(&w->mem, rule->value, regs, &cfa, stack_load, w, &value);
		if (r == 0 && rule->how == CFI_AT_EXPRESSION)
			r = stack_word(w, value, &value);
		break;
	case CFI_REGISTER_PLUS:
		return -EINVAL;
	}
	w->regs[reg] = value;
	return r;
}

/* Go to the caller. Return: 0, 1 when there is none, or a negative errno. */
static int walk_step(struct walk *w, const struct walk_module *module)
{
	uint64_t regs[CFI_N_REGS], cfa;
	struct cfi_row row;
	int r;

	if (!module->header_raddr)
		return -ENOENT;
	r = cfi_find(&w->mem, module->header_raddr, w->regs[CFI_RIP] - !w->is_exact, &row);
	if (r < 0)
		return r;
	if (row.rules.regs[CFI_RIP].how == CFI_UNDEFINED)
		return 1;
	memcpy(regs, w->regs, sizeof(regs));
	if (row.rules.cfa.how == CFI_IS_EXPRESSION) {
		r = cfi_evaluate(&w->mem, row.rules.cfa.value, regs, NULL, stack_load, w, &cfa);
		if (r < 0)
			return r;
	} else {
		if (row.rules.cfa.reg >= CFI_N_REGS)
			return -EINVAL;
		cfa = regs[row.rules.cfa.reg] + row.rules.cfa.value;
	}
	if (cfa <= regs[CFI_RSP])
		return -EINVAL;
	w->regs[CFI_RSP] = cfa;
	for (unsigned int reg = 0; r == 0 && reg < CFI_N_REGS; reg++)
		if (reg != CFI_RSP || row.rules.regs[reg].how != CFI_SAME)
			r = rule_apply(w, regs, cfa, reg, &row.rules.regs[reg]);
	w->is_exact = row.is_signal_frame;
	return r == 0 && !w->regs[CFI_RIP] ? 1 : r;
}

/*
 * The frames, innermost first; paths are those of the still.
 *
 * Return: how many there are before the end that ret_end gives.
 */
uint32_t still_walk(const struct still *still, struct still_frame frames[STILL_MAX_FRAMES],
		    enum pyframe_end *ret_end)
{
	struct walk w = {
		.still = still,
		.mem = {.kind = MEM_REMOTE, .pid = still->pid},
		.is_exact = true,
	};
	uint32_t n = 0;
	int r = 0;

	memcpy(w.regs, still->regs, sizeof(w.regs));
	for (; !r && n < STILL_MAX_FRAMES; n++) {
		uint64_t rip = w.regs[CFI_RIP], is_called = !w.is_exact;
		struct walk_module module;

		r = module_find(&w, rip - is_called, &module);
		if (r)
			break;
		/* Offsets are those behind a call. */
		frames[n] = (struct still_frame){module.path, rip + !is_called - module.load_raddr};
		r = walk_step(&w, &module);
	}
	*ret_end = !r		  ? PYFRAME_END_DEPTH
		   : r == 1	  ? PYFRAME_END_COMPLETE
		   : r == -EINVAL ? PYFRAME_END_INVALID
				  : PYFRAME_END_UNREADABLE;
	return n;
}
