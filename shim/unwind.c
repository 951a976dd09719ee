/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind: the native frames of the calling thread
 *
 * A frame is left by the rules its module gives for the instruction (cfi.c). Rules that are of the
 * usual kind (the CFA is a register and an offset, what is saved lies at offsets from it) are kept
 * in a table by instruction, so that a known frame costs a look-up and some loads. Nothing is
 * guessed: where a module has no rules for an instruction the stack ends, with the reason.
 *
 * What could hurt the program, and why it does not:
 * - No lock: _dl_find_object() (glibc 2.35) names the module without one. dl_iterate_phdr(), which
 *   other unwinders need, takes the loader's, which a thread may hold in dlopen() while it waits
 * for the GIL that this one has. The table is made of sequence locks that nobody waits for.
 * - No memory, no descriptor, no signal mask is touched.
 * - Stack words are read by plain loads only inside the thread's own stack, from the stack pointer
 *   up to its end, where every page was seen readable once; a stack of another kind (a coroutine's)
 *   is read through the kernel. A frame must lie above the one it called, and what it saved between
 *   the two.
 * - A module may have been unloaded, and another one lie where it lay: rules are used again only if
 *   the bytes they were made of are still the same. They are read by plain loads, of a module that
 *   the loader has found around an instruction this stack returns to: a file cut short under its
 *   mapping is met by the program itself with its next instruction there.
 * - A new return address must have a call before it, or be where a signal frame or a first function
 *   begins.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "own-stack.h"
#include "unwind.h"

/* Of a service some hundreds of places are on stacks that block. 80 KiB, of which only what is used
 * counts. */
#define UNWIND_N_STEPS 1024
/* Tried from where an instruction belongs. */
#define UNWIND_N_PROBES 4
/* What is mapped, is mapped in pages of at least this. */
#define UNWIND_PAGE_BYTES UINT64_C(4096)
#define UNWIND_EXACT	  (UINT64_C(1) << 63)
/* In a step: the register is not saved. */
#define STEP_SAME INT16_MIN

/* Those a caller expects to find as they were, and the instruction pointer. */
static const uint8_t step_regs[UNWIND_N_SAVED] = {CFI_RBX, CFI_RBP, 12, 13, 14, CFI_R15, CFI_RIP};

enum step_kind {
	STEP_CALLED = 1,
	STEP_OUTERMOST,
};

#define STEP_N_WORDS (sizeof(struct unwind_rules) / 8)
_Static_assert(sizeof(struct unwind_rules) % 8 == 0, "copied in words");

/* Odd while it is written. */
struct step_slot {
	_Atomic uint32_t sequence;
	_Atomic uint64_t words[STEP_N_WORDS];
};

static struct step_slot step_slots[UNWIND_N_STEPS];

/* _dl_find_object(); NULL: not looked for, or a glibc before 2.35. Not linked, not even weakly: the
 * loader would refuse the whole library where the version is not known. */
static __typeof__(_dl_find_object) *find_object;

/* Called by the constructor, on the first thread: it takes the loader's lock. */
_hidden_ void unwind_init(void)
{
	own_stack_init();
	find_object = (__typeof__(find_object))dlsym(RTLD_DEFAULT, "_dl_find_object");
}

_hidden_ bool unwind_is_available(void)
{
	return find_object != NULL;
}

_hidden_ void unwind_forget(void)
{
	memset(step_slots, 0, sizeof(step_slots));
}

static uint64_t step_hash_bytes(uint64_t hash, uint64_t raddr, uint32_t n_bytes)
{
	const unsigned char *at = (const unsigned char *)(uintptr_t)raddr;
	uint64_t word;

	for (; n_bytes >= 8; n_bytes -= 8, at += 8) {
		memcpy(&word, at, 8);
		hash = (hash ^ word) * UINT64_C(0xd6e8feb86659fd93);
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, at, n_bytes);
	hash = (hash ^ word) * UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 32;
}

static uint64_t step_hash(const struct unwind_rules *step)
{
	return step_hash_bytes(step_hash_bytes(1, step->fde_raddr, step->fde_bytes),
			       step->cie_raddr, step->cie_bytes);
}

static uint32_t step_place(uint64_t key)
{
	return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40);
}

static bool step_load(const struct step_slot *slot, uint64_t key, struct unwind_rules *ret_step)
{
	uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
	uint64_t words[STEP_N_WORDS];

	if (sequence & 1 || atomic_load_explicit(&slot->words[0], memory_order_relaxed) != key)
		return false;
	for (size_t i = 0; i < STEP_N_WORDS; i++)
		words[i] = atomic_load_explicit(&slot->words[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) != sequence)
		return false;
	memcpy(ret_step, words, sizeof(*ret_step));
	return ret_step->key == key;
}

static bool step_recall(uint64_t key, struct unwind_rules *ret_step)
{
	uint32_t place = step_place(key);

	for (uint32_t i = 0; i < UNWIND_N_PROBES; i++)
		if (step_load(&step_slots[(place + i) % UNWIND_N_STEPS], key, ret_step))
			return true;
	return false;
}

/* Where the same instruction is, where nothing is yet, else over one that is in the way. */
static void step_remember(const struct unwind_rules *step)
{
	uint32_t place = step_place(step->key), sequence;
	struct step_slot *slot =
		&step_slots[(place + step->hash % UNWIND_N_PROBES) % UNWIND_N_STEPS];
	uint64_t words[STEP_N_WORDS];

	for (uint32_t i = 0; i < UNWIND_N_PROBES; i++) {
		struct step_slot *near = &step_slots[(place + i) % UNWIND_N_STEPS];
		uint64_t key = atomic_load_explicit(&near->words[0], memory_order_relaxed);

		if (!key || key == step->key) {
			slot = near;
			break;
		}
	}
	sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
	if (sequence & 1 ||
	    !atomic_compare_exchange_strong_explicit(&slot->sequence, &sequence, sequence + 1,
						     memory_order_acquire, memory_order_relaxed))
		return;
	atomic_thread_fence(memory_order_release);
	memcpy(words, step, sizeof(*step));
	for (size_t i = 0; i < STEP_N_WORDS; i++)
		atomic_store_explicit(&slot->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&slot->sequence, sequence + 2, memory_order_release);
}

static bool module_holds(const struct unwind_module *module, uint64_t raddr, uint32_t n_bytes)
{
	return raddr >= module->tables_begin && raddr < module->tables_end &&
	       n_bytes <= module->tables_end - raddr;
}

/* Whether the tables a step was made of are in memory now. Once a stack for each function. */
static bool step_is_true(struct unwind *u, const struct unwind_rules *step)
{
	if (!u->module || !module_holds(u->module, step->fde_raddr, step->fde_bytes) ||
	    !module_holds(u->module, step->cie_raddr, step->cie_bytes))
		return false;
	for (uint32_t i = 0; i < MIN(u->n_checked, UNWIND_MAX_CHECKED); i++)
		if (u->checked[i] == (step->fde_raddr ^ step->hash))
			return true;
	if (step_hash(step) != step->hash)
		return false;
	u->checked[u->n_checked++ % UNWIND_MAX_CHECKED] = step->fde_raddr ^ step->hash;
	return true;
}

static void stack_find(struct unwind *u)
{
	uint64_t rsp = u->regs[CFI_RSP];

	u->stack_end = own_stack_end(&u->mem, rsp);
	u->stack_begin = u->stack_end ? rsp : 0;
}

static __attribute__((noinline)) int stack_word_remote(struct unwind *u, uint64_t raddr,
						       uint64_t *ret_word)
{
	uint64_t offset = raddr - u->window_raddr;
	int r;

	if (offset >= u->window_bytes) {
		/* Not past the page: what follows it may not be there. */
		u->window_bytes = (uint32_t)MIN(UNWIND_PAGE_BYTES - raddr % UNWIND_PAGE_BYTES,
						sizeof(u->window));
		u->window_raddr = raddr;
		r = mem_read(&u->mem, raddr, u->window, u->window_bytes);
		if (r < 0) {
			u->window_bytes = 0;
			return r;
		}
		offset = 0;
	}
	*ret_word = u->window[offset / 8];
	return 0;
}

static inline int stack_word(struct unwind *u, uint64_t raddr, uint64_t *ret_word)
{
	if (unlikely(raddr % 8))
		return -EINVAL;
	if (unlikely(raddr < u->stack_begin || raddr >= u->stack_end))
		return stack_word_remote(u, raddr, ret_word);
	*ret_word = *(const uint64_t *)(uintptr_t)raddr;
	return 0;
}

static int stack_load(void *u_at, uint64_t raddr, uint64_t *ret_word)
{
	return stack_word(u_at, raddr, ret_word);
}

/*
 * The segment that holds the tables, from the program headers, which lie in the first page. Between
 * segments a module's range has holes that cannot be read.
 */
static void module_find_tables(struct unwind_module *module)
{
	const ElfW(Ehdr) *elf = (const ElfW(Ehdr) *)(uintptr_t)module->begin;
	const ElfW(Phdr) * segment;

	if (module->end - module->begin < UNWIND_PAGE_BYTES ||
	    memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 ||
	    elf->e_phoff + (uint64_t)elf->e_phnum * sizeof(*segment) > UNWIND_PAGE_BYTES)
		return;
	segment = (const ElfW(Phdr) *)(uintptr_t)(module->begin + elf->e_phoff);
	for (unsigned int i = 0; i < elf->e_phnum; i++, segment++) {
		uint64_t begin = module->load_raddr + segment->p_vaddr;

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_R) ||
		    module->header_raddr - begin >= segment->p_filesz)
			continue;
		module->tables_begin = begin;
		module->tables_end = begin + segment->p_filesz;
		return;
	}
}

/* The module around rip; NULL when there is none. */
static struct unwind_module *module_find(struct unwind *u, uint64_t rip)
{
	struct dl_find_object found;
	struct unwind_module *module;

	for (uint32_t i = 0; i < u->n_modules; i++)
		if (rip >= u->modules[i].begin && rip < u->modules[i].end)
			return &u->modules[i];
	if (find_object((void *)(uintptr_t)rip, &found))
		return NULL;
	u->n_modules = MIN(u->n_modules + 1, UNWIND_MAX_MODULES);
	module = &u->modules[u->n_modules - 1];
	*module = (struct unwind_module){
		.begin = (uint64_t)(uintptr_t)found.dlfo_map_start,
		.end = (uint64_t)(uintptr_t)found.dlfo_map_end,
		.load_raddr = found.dlfo_link_map->l_addr,
		.header_raddr = (uint64_t)(uintptr_t)found.dlfo_eh_frame,
		.name = found.dlfo_link_map->l_name,
	};
	module_find_tables(module);
	return module;
}

/* Whether the bytes before a return address are a call: E8 rel32, or FF /2 in one of its lengths.
 */
static bool is_after_call(const uint8_t before[static 7])
{
	static const uint8_t lengths[] = {2, 3, 4, 6, 7};

	if (before[7 - 5] == 0xe8)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		const uint8_t *at = before + 7 - lengths[i];

		if (at[0] == 0xff && (at[1] & 0x38) == 0x10)
			return true;
	}
	return false;
}

/* The rules for where it stands, from the tables. */
static int row_find(const struct unwind *u, struct cfi_row *ret_row)
{
	if (!u->module || !u->module->header_raddr)
		return -ENOENT;
	/* The instruction that called may be the last of its function. */
	return cfi_find(&u->mem, u->module->header_raddr, u->regs[CFI_RIP] - u->is_after_call,
			ret_row);
}

/* Without a call before it only a signal frame or the first function of a stack is returned to. */
static __attribute__((noinline)) bool arrive_uncalled(const struct unwind *u)
{
	struct cfi_row row;

	return row_find(u, &row) == 0 && (row.is_signal_frame || row.begin == u->regs[CFI_RIP]);
}

/* At an instruction that is new. Return: whether it can be one. */
static __attribute__((noinline)) bool arrive_anew(struct unwind *u)
{
	uint64_t rip = u->regs[CFI_RIP];
	uint8_t before[7];

	u->is_after_call = false;
	if (u->is_exact)
		return true;
	if (!mem_read(&u->mem, rip - sizeof(before), before, sizeof(before)))
		u->is_after_call = is_after_call(before);
	return u->is_after_call || arrive_uncalled(u);
}

/* The frame it has come to. Return: whether that is one. */
static inline bool arrive(struct unwind *u)
{
	uint64_t rip = u->regs[CFI_RIP], key = rip | (u->is_exact ? UNWIND_EXACT : 0);

	u->module = module_find(u, rip - !u->is_exact);
	u->is_known = step_recall(key, &u->step) && step_is_true(u, &u->step);
	return likely(u->is_known) || arrive_anew(u);
}

/* Return: whether the row is of the usual kind, and then u->step. */
static bool step_make(struct unwind *u, const struct cfi_row *row, uint64_t key)
{
	const struct cfi_rules *rules = &row->rules;
	struct unwind_rules step = {
		.key = key,
		.fde_raddr = row->fde.raddr,
		.cie_raddr = row->cie.raddr,
		.fde_bytes = row->fde.n_bytes,
		.cie_bytes = row->cie.n_bytes,
		.cfa_offset = (int32_t)rules->cfa.value,
		.cfa_reg = rules->cfa.reg,
		.kind = rules->regs[CFI_RIP].how == CFI_UNDEFINED ? STEP_OUTERMOST : STEP_CALLED,
	};

	if (rules->cfa.how != CFI_REGISTER_PLUS || row->is_signal_frame ||
	    (int64_t)rules->cfa.value != step.cfa_offset || rules->regs[CFI_RSP].how != CFI_SAME ||
	    !module_holds(u->module, step.fde_raddr, step.fde_bytes) ||
	    !module_holds(u->module, step.cie_raddr, step.cie_bytes))
		return false;
	for (size_t i = 0; i < UNWIND_N_SAVED; i++) {
		const struct cfi_rule *rule = &rules->regs[step_regs[i]];
		int64_t words = (int64_t)rule->value / 8;

		step.saved[i] = STEP_SAME;
		if (rule->how == CFI_SAME || rule->how == CFI_UNDEFINED)
			continue;
		if (rule->how != CFI_AT_OFFSET || rule->value % 8 || words >= 0 ||
		    words <= STEP_SAME)
			return false;
		step.saved[i] = (int16_t)words;
	}
	if (step.kind == STEP_CALLED && step.saved[UNWIND_N_SAVED - 1] == STEP_SAME)
		return false;
	step.hash = step_hash(&step);
	u->step = step;
	return true;
}

/* A frame lies above the one it called, and what it saved between the two. 1: it has no caller. */
static int step_apply(struct unwind *u, const struct unwind_rules *step)
{
	uint64_t rsp = u->regs[CFI_RSP];
	uint64_t cfa = u->regs[step->cfa_reg] + (uint64_t)(int64_t)step->cfa_offset;
	int r;

	if (unlikely(step->kind == STEP_OUTERMOST))
		return 1;
	if (unlikely(cfa <= rsp || cfa % 8))
		return -EINVAL;
	for (size_t i = 0; i < UNWIND_N_SAVED; i++) {
		uint64_t raddr = cfa + 8 * (uint64_t)(int64_t)step->saved[i];

		if (step->saved[i] == STEP_SAME)
			continue;
		if (unlikely(raddr < rsp || raddr >= cfa))
			return -EINVAL;
		r = stack_word(u, raddr, &u->regs[step_regs[i]]);
		if (unlikely(r < 0))
			return r;
	}
	u->regs[CFI_RSP] = cfa;
	return 0;
}

static int rule_apply(struct unwind *u, const uint64_t *regs, uint64_t cfa, unsigned int reg,
		      const struct cfi_rule *rule)
{
	uint64_t value = regs[reg];
	int r = 0;

	switch ((enum cfi_how)rule->how) {
	case CFI_SAME:
	case CFI_UNDEFINED:
		break;
	case CFI_AT_OFFSET:
		r = stack_word(u, cfa + rule->value, &value);
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
		r = cfi_evaluate(&u->mem, rule->value, regs, &cfa, stack_load, u, &value);
		if (r == 0 && rule->how == CFI_AT_EXPRESSION)
			r = stack_word(u, value, &value);
		break;
	case CFI_REGISTER_PLUS:
		return -EINVAL;
	}
	u->regs[reg] = value;
	return r;
}

/* The unusual: signal frames, realigned stacks, what assembly does. */
static __attribute__((noinline)) int row_apply(struct unwind *u, const struct cfi_row *row)
{
	const struct cfi_rules *rules = &row->rules;
	uint64_t regs[CFI_N_REGS], cfa = u->regs[rules->cfa.reg] + rules->cfa.value;
	int r = 0;

	memcpy(regs, u->regs, sizeof(regs));
	if (rules->cfa.how == CFI_IS_EXPRESSION)
		r = cfi_evaluate(&u->mem, rules->cfa.value, regs, NULL, stack_load, u, &cfa);
	if (r < 0)
		return r;
	u->regs[CFI_RSP] = cfa;
	for (unsigned int reg = 0; r == 0 && reg < CFI_N_REGS; reg++)
		r = rule_apply(u, regs, cfa, reg, &rules->regs[reg]);
	if (r == 0 && u->regs[CFI_RSP] <= regs[CFI_RSP])
		r = -EINVAL;
	return r;
}

/* An instruction that is new, or whose rules are of the unusual kind. */
static __attribute__((noinline)) int step_anew(struct unwind *u)
{
	uint64_t key = u->regs[CFI_RIP] | (u->is_exact ? UNWIND_EXACT : 0);
	struct cfi_row row;
	int r;

	r = row_find(u, &row);
	if (r < 0)
		return r;
	u->is_exact = row.is_signal_frame;
	if (!step_make(u, &row, key))
		return row.rules.regs[CFI_RIP].how == CFI_UNDEFINED ? 1 : row_apply(u, &row);
	step_remember(&u->step);
	return step_apply(u, &u->step);
}

/* -ENOENT: no rules, or nothing a caller could be. */
static enum pyframe_end end_of(int r)
{
	if (r == 1)
		return PYFRAME_END_COMPLETE;
	return r == -EINVAL ? PYFRAME_END_INVALID : PYFRAME_END_UNREADABLE;
}

_hidden_ bool unwind_step(struct unwind *u, enum pyframe_end *ret_end)
{
	int r;

	if (likely(u->is_known)) {
		u->is_exact = false;
		r = step_apply(u, &u->step);
	} else {
		r = step_anew(u);
	}
	if (likely(r == 0) && unlikely(!arrive(u)))
		r = -EINVAL;
	if (likely(r == 0))
		return true;
	*ret_end = end_of(r);
	return false;
}

_hidden_ bool unwind_begin(struct unwind *u)
{
	u->is_exact = true;
	u->window_bytes = 0;
	u->n_modules = u->n_checked = 0;
	stack_find(u);
	return arrive(u) && u->module;
}
