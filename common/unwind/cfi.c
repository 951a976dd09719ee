/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFI: how the frame at an instruction is left
 *
 * Each module brings a table that says for every instruction where the caller's registers are
 * (.eh_frame, DWARF 5 section 6.4 and the Linux Standard Base, Core 5.0, section 10.6), and a
 * sorted index to it (.eh_frame_hdr) that the loader can name without a lock. The index is searched
 * with few reads of many words each; then the entry of the function (FDE) and what it has in common
 * with others (CIE) are carried out up to the instruction.
 *
 * All of it is read through the kernel: a table that lies, or a module that goes away meanwhile, is
 * an error and not a crash. The caller keeps the result, so the 10 us this takes are spent once for
 * a place in the code.
 *
 * Nothing is believed: reads stop at the end of an entry, steps are bounded by its bytes, what is
 * not understood is an error. On the stack: at most 2 KB.
 */
#include <errno.h>
#include <string.h>

#include "unwind/cfi.h"

/* An index of more functions than any program has is garbage. */
#define CFI_MAX_FUNCTIONS (UINT32_C(1) << 26)
/* The largest entries are those of evaluation loops: some KB. */
#define CFI_MAX_ENTRY_BYTES (UINT32_C(1) << 20)
/* Words of the index asked for in one read: a search in 2^20 functions takes four. */
#define CFI_N_PIVOTS 32
/* Compilers nest one deep, assembly by hand two. */
#define CFI_MAX_REMEMBERED   4
#define CFI_MAX_AUGMENTATION 8
/* Those of the signal frame and of PLTs take five steps. */
#define CFI_MAX_EXPRESSION_BYTES 64
#define CFI_MAX_EXPRESSION_DEPTH 8

/* DW_EH_PE_*: how a pointer is written. Low half the size, high half what it is relative to. */
#define ENCODED_ABSOLUTE 0x00
#define ENCODED_U2	 0x02
#define ENCODED_U4	 0x03
#define ENCODED_U8	 0x04
#define ENCODED_S2	 0x0a
#define ENCODED_S4	 0x0b
#define ENCODED_S8	 0x0c
#define ENCODED_PC	 0x10
#define ENCODED_DATA	 0x30
#define ENCODED_OMIT	 0xff

/* The header: version 1, then the three encodings every linker writes. */
static const uint8_t header_begin[4] = {1, ENCODED_PC | ENCODED_S4, ENCODED_U4,
					ENCODED_DATA | ENCODED_S4};

/* Bytes of an entry, one behind the other; reading past the end gives zeros and an error. */
struct cursor {
	const struct mem *mem;
	uint64_t at;
	uint64_t end;
	uint64_t window_raddr;
	uint32_t window_bytes;
	int error;
	uint8_t window[128];
};

static void cursor_init(struct cursor *c, const struct mem *mem, uint64_t begin, uint64_t end)
{
	c->mem = mem;
	c->at = begin;
	c->end = end;
	c->window_raddr = 0;
	c->window_bytes = 0;
	c->error = 0;
}

static uint64_t cursor_fixed(struct cursor *c, uint32_t n_bytes)
{
	uint64_t value = 0;

	if (c->error || n_bytes > c->end - c->at) {
		c->error = c->error ? c->error : -EINVAL;
		return 0;
	}
	if (c->at < c->window_raddr || c->at + n_bytes > c->window_raddr + c->window_bytes) {
		c->window_raddr = c->at;
		c->window_bytes = (uint32_t)MIN(c->end - c->at, sizeof(c->window));
		c->error = mem_read(c->mem, c->at, c->window, c->window_bytes);
		if (c->error)
			return 0;
	}
	memcpy(&value, c->window + (c->at - c->window_raddr), n_bytes);
	c->at += n_bytes;
	return value;
}

static uint8_t cursor_byte(struct cursor *c)
{
	return (uint8_t)cursor_fixed(c, 1);
}

static uint64_t cursor_leb(struct cursor *c, bool is_signed)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = cursor_byte(c);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !c->error);
	if (is_signed && byte & 0x40 && shift < 64)
		value |= ~UINT64_C(0) << shift;
	return value;
}

static uint64_t cursor_uleb(struct cursor *c)
{
	return cursor_leb(c, false);
}

static uint64_t cursor_sleb(struct cursor *c)
{
	return cursor_leb(c, true);
}

/* A pointer of the kinds that stand in an FDE; of others only the size counts. */
static uint64_t cursor_encoded(struct cursor *c, uint8_t encoding)
{
	uint64_t base = (encoding & 0x70) == ENCODED_PC ? c->at : 0;

	switch (encoding & 0x0f) {
	case ENCODED_ABSOLUTE:
	case ENCODED_U8:
	case ENCODED_S8:
		return base + cursor_fixed(c, 8);
	case ENCODED_U4:
		return base + cursor_fixed(c, 4);
	case ENCODED_S4:
		return base + (uint64_t)(int64_t)(int32_t)cursor_fixed(c, 4);
	case ENCODED_U2:
		return base + cursor_fixed(c, 2);
	case ENCODED_S2:
		return base + (uint64_t)(int64_t)(int16_t)cursor_fixed(c, 2);
	default:
		c->error = -EINVAL;
		return 0;
	}
}

/* What a CIE says. */
struct common {
	uint64_t code_align;
	uint64_t data_align;
	uint8_t pointer_encoding;
	bool has_augmentation;
	bool is_signal_frame;
	uint64_t begin; /* of its instructions */
	uint64_t end;
};

/* How far the instructions have been carried out. */
struct state {
	struct cursor cursor;
	const struct common *common;
	uint64_t location;
	uint64_t rip;
	struct cfi_rules *rules;
	struct cfi_rules initial; /* after those of the CIE */
	unsigned int n_remembered;
	struct cfi_rules remembered[CFI_MAX_REMEMBERED];
};

/* An entry begins with its length: 0 ends the table, all ones announces one of 64 bits. */
static int entry_open(const struct mem *mem, uint64_t raddr, struct cfi_entry *ret_entry,
		      struct cursor *ret_cursor)
{
	uint32_t length;
	int r;

	r = mem_read(mem, raddr, &length, sizeof(length));
	if (r < 0)
		return r;
	if (length < 8 || length > CFI_MAX_ENTRY_BYTES)
		return -EINVAL;
	*ret_entry = (struct cfi_entry){.raddr = raddr, .n_bytes = length + 4};
	cursor_init(ret_cursor, mem, raddr + 4, raddr + 4 + length);
	return 0;
}

static void common_read_augmentation(struct cursor *c, const char *letters, struct common *common)
{
	uint64_t n_bytes = cursor_uleb(c), begin = c->at;

	if (n_bytes > c->end - c->at) {
		c->error = -EINVAL;
		return;
	}
	for (letters++; *letters; letters++) {
		if (*letters == 'R')
			common->pointer_encoding = cursor_byte(c);
		else if (*letters == 'S')
			common->is_signal_frame = true;
		else if (*letters == 'L')
			cursor_byte(c);
		else if (*letters == 'P')
			cursor_encoded(c, cursor_byte(c) & 0x0f);
		else
			c->error = -EINVAL;
	}
	c->at = begin + n_bytes;
}

static int common_read(const struct mem *mem, uint64_t raddr, struct cfi_entry *ret_entry,
		       struct common *ret_common)
{
	char letters[CFI_MAX_AUGMENTATION] = "";
	struct common common = {.pointer_encoding = ENCODED_ABSOLUTE};
	unsigned int n = 0;
	uint64_t version, return_reg;
	struct cursor c;
	int r;

	r = entry_open(mem, raddr, ret_entry, &c);
	if (r < 0)
		return r;
	if (cursor_fixed(&c, 4) != 0)
		return -EINVAL;
	version = cursor_byte(&c);
	while (n < sizeof(letters) - 1 && (letters[n] = (char)cursor_byte(&c)))
		n++;
	if ((version != 1 && version != 3) || letters[n] || (n && letters[0] != 'z'))
		return -EINVAL;
	common.code_align = cursor_uleb(&c);
	common.data_align = cursor_sleb(&c);
	return_reg = version == 1 ? cursor_byte(&c) : cursor_uleb(&c);
	common.has_augmentation = n;
	if (n)
		common_read_augmentation(&c, letters, &common);
	common.begin = c.at;
	common.end = c.end;
	if (c.error || return_reg != CFI_RIP)
		return c.error ? c.error : -EINVAL;
	*ret_common = common;
	return 0;
}

static void rule_set(struct state *s, uint64_t reg, enum cfi_how how, uint64_t value)
{
	if (reg < CFI_N_REGS)
		s->rules->regs[reg] = (struct cfi_rule){.how = (uint8_t)how, .value = value};
}

static void rule_set_expression(struct state *s, uint64_t reg, enum cfi_how how)
{
	uint64_t raddr = s->cursor.at, n_bytes = cursor_uleb(&s->cursor);

	if (n_bytes > s->cursor.end - s->cursor.at) {
		s->cursor.error = -EINVAL;
		return;
	}
	s->cursor.at += n_bytes;
	if (reg == CFI_N_REGS)
		s->rules->cfa = (struct cfi_rule){.how = CFI_IS_EXPRESSION, .value = raddr};
	else
		rule_set(s, reg, how, raddr);
}

static void rule_restore(struct state *s, uint64_t reg)
{
	if (reg < CFI_N_REGS)
		s->rules->regs[reg] = s->initial.regs[reg];
}

static void cfa_set(struct state *s, uint64_t reg, uint64_t offset)
{
	if (reg >= CFI_RIP)
		s->cursor.error = -EINVAL;
	else
		s->rules->cfa = (struct cfi_rule){
			.how = CFI_REGISTER_PLUS, .reg = (uint8_t)reg, .value = offset};
}

/* Change the register or the offset of a CFA that is one and the other. */
static void cfa_change(struct state *s, uint64_t reg, uint64_t offset)
{
	if (s->rules->cfa.how != CFI_REGISTER_PLUS)
		s->cursor.error = -EINVAL;
	else
		cfa_set(s, reg, offset);
}

static void rules_remember(struct state *s)
{
	if (s->n_remembered == CFI_MAX_REMEMBERED)
		s->cursor.error = -EINVAL;
	else
		s->remembered[s->n_remembered++] = *s->rules;
}

static void rules_recall(struct state *s)
{
	if (!s->n_remembered)
		s->cursor.error = -EINVAL;
	else
		*s->rules = s->remembered[--s->n_remembered];
}

/* DW_CFA_*: those about the CFA and the state. Return: false when it is none of them. */
static bool instruction_of_frame(struct state *s, uint8_t op)
{
	struct cursor *c = &s->cursor;
	uint64_t scale = s->common->data_align, reg;

	switch (op) {
	case 0x00: /* nop */
		return true;
	case 0x0a:
		rules_remember(s);
		return true;
	case 0x0b:
		rules_recall(s);
		return true;
	case 0x0c: /* def_cfa */
		reg = cursor_uleb(c);
		cfa_set(s, reg, cursor_uleb(c));
		return true;
	case 0x0d: /* def_cfa_register */
		cfa_change(s, cursor_uleb(c), s->rules->cfa.value);
		return true;
	case 0x0e: /* def_cfa_offset */
		cfa_change(s, s->rules->cfa.reg, cursor_uleb(c));
		return true;
	case 0x0f: /* def_cfa_expression */
		rule_set_expression(s, CFI_N_REGS, CFI_IS_EXPRESSION);
		return true;
	case 0x12: /* def_cfa_sf */
		reg = cursor_uleb(c);
		cfa_set(s, reg, cursor_sleb(c) * scale);
		return true;
	case 0x13: /* def_cfa_offset_sf */
		cfa_change(s, s->rules->cfa.reg, cursor_sleb(c) * scale);
		return true;
	case 0x2e: /* GNU_args_size */
		cursor_uleb(c);
		return true;
	default:
		return false;
	}
}

/* DW_CFA_*: those about one register. */
static void instruction_of_register(struct state *s, uint8_t op)
{
	struct cursor *c = &s->cursor;
	uint64_t scale = s->common->data_align, reg = cursor_uleb(c);

	switch (op) {
	case 0x05: /* offset_extended */
		rule_set(s, reg, CFI_AT_OFFSET, cursor_uleb(c) * scale);
		break;
	case 0x06: /* restore_extended */
		rule_restore(s, reg);
		break;
	case 0x07:
		rule_set(s, reg, CFI_UNDEFINED, 0);
		break;
	case 0x08:
		rule_set(s, reg, CFI_SAME, 0);
		break;
	case 0x09:
		rule_set(s, reg, CFI_IN_REGISTER, cursor_uleb(c));
		break;
	case 0x10:
		rule_set_expression(s, reg, CFI_AT_EXPRESSION);
		break;
	case 0x11: /* offset_extended_sf */
		rule_set(s, reg, CFI_AT_OFFSET, cursor_sleb(c) * scale);
		break;
	case 0x14: /* val_offset */
		rule_set(s, reg, CFI_IS_OFFSET, cursor_uleb(c) * scale);
		break;
	case 0x15: /* val_offset_sf */
		rule_set(s, reg, CFI_IS_OFFSET, cursor_sleb(c) * scale);
		break;
	case 0x16:
		rule_set_expression(s, reg, CFI_IS_EXPRESSION);
		break;
	default:
		c->error = -EINVAL;
	}
}

/* Return: whether op moves the location, and by how much. */
static bool instruction_is_advance(struct state *s, uint8_t op, uint64_t *ret_n_bytes)
{
	struct cursor *c = &s->cursor;
	uint64_t n = 0;

	if (op >> 6 == 1)
		n = op & 0x3f;
	else if (op == 0x02)
		n = cursor_fixed(c, 1);
	else if (op == 0x03)
		n = cursor_fixed(c, 2);
	else if (op == 0x04)
		n = cursor_fixed(c, 4);
	else if (op == 0x01) {
		*ret_n_bytes = cursor_encoded(c, s->common->pointer_encoding) - s->location;
		return true;
	} else
		return false;
	*ret_n_bytes = n * s->common->code_align;
	return true;
}

/* Carry out instructions up to the one that holds for rip. Return: 0 or -errno. */
static int state_run(struct state *s, uint64_t begin, uint64_t end)
{
	const struct mem *mem = s->cursor.mem;
	uint64_t n_bytes;

	cursor_init(&s->cursor, mem, begin, end);
	while (s->cursor.at < s->cursor.end && !s->cursor.error) {
		uint8_t op = cursor_byte(&s->cursor);

		if (instruction_is_advance(s, op, &n_bytes)) {
			if (n_bytes > s->rip - s->location)
				break;
			s->location += n_bytes;
		} else if (op >> 6 == 2) {
			rule_set(s, op & 0x3f, CFI_AT_OFFSET,
				 cursor_uleb(&s->cursor) * s->common->data_align);
		} else if (op >> 6 == 3) {
			rule_restore(s, op & 0x3f);
		} else if (!instruction_of_frame(s, op)) {
			instruction_of_register(s, op);
		}
	}
	return s->cursor.error;
}

/* The FDE's instructions on top of those of its CIE. */
static __attribute__((noinline)) int rules_find(const struct mem *mem, const struct common *common,
						uint64_t begin, uint64_t end, uint64_t location,
						uint64_t rip, struct cfi_rules *ret_rules)
{
	struct state s;
	int r;

	*ret_rules = (struct cfi_rules){.cfa.how = CFI_UNDEFINED};
	s.cursor.mem = mem;
	s.common = common;
	s.location = location;
	s.rip = rip;
	s.rules = ret_rules;
	s.initial = *ret_rules;
	s.n_remembered = 0;
	r = state_run(&s, common->begin, common->end);
	if (r < 0)
		return r;
	s.initial = *ret_rules;
	s.location = location;
	r = state_run(&s, begin, end);
	if (r == 0 && ret_rules->cfa.how == CFI_UNDEFINED)
		r = -EINVAL;
	return r;
}

/* Entry i of the index: where a function begins and its FDE, both relative to the header. */
struct index_entry {
	int32_t function;
	int32_t fde;
};

static int index_read(const struct mem *mem, uint64_t table_raddr, const uint32_t *at, uint32_t n,
		      struct index_entry *ret_entries)
{
	struct iovec ranges[CFI_N_PIVOTS];
	size_t n_read;
	int r;

	for (uint32_t i = 0; i < n; i++)
		ranges[i] = (struct iovec){(void *)(uintptr_t)(table_raddr + 8 * (uint64_t)at[i]),
					   sizeof(*ret_entries)};
	r = mem_read_ranges_remote(mem, ranges, n, ret_entries, &n_read);
	if (r < 0)
		return r;
	return n_read == n * sizeof(*ret_entries) ? 0 : -EFAULT;
}

/* Find the last function that begins at or before rip, by reads of CFI_N_PIVOTS words each. */
static __attribute__((noinline)) int index_search(const struct mem *mem, uint64_t header_raddr,
						  uint32_t n_entries, uint64_t rip,
						  uint64_t *ret_fde_raddr)
{
	struct index_entry found[CFI_N_PIVOTS];
	uint32_t at[CFI_N_PIVOTS], first = 0, n = n_entries, i, step;
	int64_t wanted = (int64_t)(rip - header_raddr);
	int r;

	for (;;) {
		uint32_t n_pivots = MIN(n, CFI_N_PIVOTS);

		step = (n + CFI_N_PIVOTS - 1) / CFI_N_PIVOTS;
		for (i = 0; i < n_pivots && i * step < n; i++)
			at[i] = first + i * step;
		n_pivots = i;
		r = index_read(mem, header_raddr + 12, at, n_pivots, found);
		if (r < 0)
			return r;
		for (i = n_pivots; i && found[i - 1].function > wanted; i--)
			;
		if (!i)
			return -ENOENT;
		if (step == 1)
			break;
		n = MIN(step, first + n - at[i - 1]);
		first = at[i - 1];
	}
	*ret_fde_raddr = header_raddr + (uint64_t)(int64_t)found[i - 1].fde;
	return 0;
}

static int fde_find(const struct mem *mem, uint64_t header_raddr, uint64_t rip,
		    uint64_t *ret_fde_raddr)
{
	uint8_t header[12];
	uint32_t n_entries;
	int r;

	r = mem_read(mem, header_raddr, header, sizeof(header));
	if (r < 0)
		return r;
	memcpy(&n_entries, header + 8, sizeof(n_entries));
	if (memcmp(header, header_begin, sizeof(header_begin)) != 0 ||
	    n_entries > CFI_MAX_FUNCTIONS)
		return -EINVAL;
	if (!n_entries)
		return -ENOENT;
	return index_search(mem, header_raddr, n_entries, rip, ret_fde_raddr);
}

/**
 * cfi_find() - The rules for the frame at an instruction
 *
 * mem is MEM_REMOTE. Return: see the header; on an error ret_row holds nothing of use.
 */
int cfi_find(const struct mem *mem, uint64_t header_raddr, uint64_t rip, struct cfi_row *ret_row)
{
	uint64_t fde_raddr, back, n_bytes, skipped;
	struct common common;
	struct cursor c;
	int r;

	r = fde_find(mem, header_raddr, rip, &fde_raddr);
	if (r == 0)
		r = entry_open(mem, fde_raddr, &ret_row->fde, &c);
	if (r < 0)
		return r;
	/* How far before this very word the CIE lies. */
	back = cursor_fixed(&c, 4);
	if (c.error || !back)
		return c.error ? c.error : -EINVAL;
	r = common_read(mem, fde_raddr + 4 - back, &ret_row->cie, &common);
	if (r < 0)
		return r;
	ret_row->begin = cursor_encoded(&c, common.pointer_encoding);
	n_bytes = cursor_encoded(&c, common.pointer_encoding & 0x0f);
	skipped = common.has_augmentation ? cursor_uleb(&c) : 0;
	if (c.error || skipped > c.end - c.at || common.pointer_encoding & 0xe0)
		return c.error ? c.error : -EINVAL;
	if (rip - ret_row->begin >= n_bytes)
		return -ENOENT;
	ret_row->is_signal_frame = common.is_signal_frame;
	return rules_find(mem, &common, c.at + skipped, c.end, ret_row->begin, rip,
			  &ret_row->rules);
}

/* A stack of words, as DWARF calls it. */
struct evaluation {
	struct cursor cursor;
	const uint64_t *regs;
	int (*load)(void *at, uint64_t raddr, uint64_t *ret_word);
	void *load_at;
	unsigned int n;
	uint64_t words[CFI_MAX_EXPRESSION_DEPTH];
};

static void word_push(struct evaluation *e, uint64_t word)
{
	if (e->n == CFI_MAX_EXPRESSION_DEPTH)
		e->cursor.error = -EINVAL;
	else
		e->words[e->n++] = word;
}

static uint64_t word_pop(struct evaluation *e)
{
	if (!e->n) {
		e->cursor.error = -EINVAL;
		return 0;
	}
	return e->words[--e->n];
}

/* DW_OP_*: those that take two words. Return: false when op is none of them. */
static bool operation_of_two(struct evaluation *e, uint8_t op)
{
	uint64_t b, a;

	if (op != 0x1a && op != 0x1c && op != 0x21 && op != 0x22 && op != 0x24 && op != 0x2a)
		return false;
	b = word_pop(e);
	a = word_pop(e);
	switch (op) {
	case 0x1a:
		word_push(e, a & b);
		break;
	case 0x1c:
		word_push(e, a - b);
		break;
	case 0x21:
		word_push(e, a | b);
		break;
	case 0x22:
		word_push(e, a + b);
		break;
	case 0x24: /* shl */
		word_push(e, b < 64 ? a << b : 0);
		break;
	default: /* ge */
		word_push(e, (int64_t)a >= (int64_t)b);
	}
	return true;
}

/* DW_OP_*: what signal frames, PLTs and realigned stacks use. */
static void operation(struct evaluation *e, uint8_t op)
{
	struct cursor *c = &e->cursor;
	uint64_t word;

	if (op >= 0x30 && op <= 0x4f) {
		word_push(e, op - 0x30u); /* lit0 to lit31 */
	} else if (op >= 0x70 && op <= 0x70 + CFI_RIP) {
		word_push(e, e->regs[op - 0x70] + cursor_sleb(c)); /* breg */
	} else if (op == 0x06) {				   /* deref */
		word = word_pop(e);
		if (!c->error)
			c->error = e->load(e->load_at, word, &word);
		word_push(e, word);
	} else if (op == 0x08) { /* const1u */
		word_push(e, cursor_fixed(c, 1));
	} else if (op == 0x0a) { /* const2u */
		word_push(e, cursor_fixed(c, 2));
	} else if (op == 0x10) { /* constu */
		word_push(e, cursor_uleb(c));
	} else if (op == 0x11) { /* consts */
		word_push(e, cursor_sleb(c));
	} else if (op == 0x23) { /* plus_uconst */
		word = word_pop(e);
		word_push(e, word + cursor_uleb(c));
	} else if (op != 0x96 && !operation_of_two(e, op)) { /* nop */
		c->error = -EINVAL;
	}
}

/**
 * cfi_evaluate() - What an expression of a rule says
 *
 * initial: the word it starts with, or NULL. Return: 0 or -errno.
 */
int cfi_evaluate(const struct mem *mem, uint64_t expression_raddr, const uint64_t *regs,
		 const uint64_t *initial, int (*load)(void *at, uint64_t raddr, uint64_t *ret_word),
		 void *load_at, uint64_t *ret_value)
{
	struct evaluation e = {.regs = regs, .load = load, .load_at = load_at};
	uint64_t n_bytes, value;

	/* Room for the length itself; the entry's end was looked at when the rule was found. */
	cursor_init(&e.cursor, mem, expression_raddr, expression_raddr + 10);
	n_bytes = cursor_uleb(&e.cursor);
	if (e.cursor.error || n_bytes > CFI_MAX_EXPRESSION_BYTES)
		return e.cursor.error ? e.cursor.error : -EINVAL;
	cursor_init(&e.cursor, mem, e.cursor.at, e.cursor.at + n_bytes);
	if (initial)
		word_push(&e, *initial);
	while (e.cursor.at < e.cursor.end && !e.cursor.error)
		operation(&e, cursor_byte(&e.cursor));
	value = word_pop(&e);
	if (e.cursor.error)
		return e.cursor.error;
	*ret_value = value;
	return 0;
}
