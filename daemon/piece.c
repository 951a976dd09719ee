/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces: where the rest of a function is that has no name
 *
 * Compilers move what is rare out of a function. The piece has a name of its own (".cold") that a
 * stripped file lacks; in Debian's CPython 3.14 and 3.15 it holds nearly all of the evaluation
 * loop, so that a stack cannot be merged without it.
 *
 * A piece is recognised by what no other function does. Each has a description in the unwind tables
 * (FDE). Jumps from one to the other lead into the middle of a frame that is built already, and the
 * rules by which that frame is left are the same on both sides of the jump; a jump to another
 * function comes when the frame has been taken down, and finds the rules of an entry. So it is
 * asked that
 *   - the description of the function ends where its symbol does,
 *   - jumps that keep the frame lead from it to one other description that does not begin with the
 *     rules of a function's entry, and to no third one of that kind,
 *   - the jumps of that one which keep the frame lead back to the function, and to no third.
 * Otherwise nothing is found. There is no disassembler: bytes that only look like a jump lead
 * nowhere, or to other rules. Measured, jumps there and back: 3.11.2 307 and 286, 3.14.10 11 and
 * 205, 3.15.2 13 and 208, and none to a third.
 *
 * The file may be anybody's, and is read, not mapped. Its unwind tables are carried out by the
 * reader that processes are walked with (unwind/cfi.c), over a copy: all in them is relative, so
 * the copy may lie anywhere, and an address that leads out of it is an error or rules that fit
 * nothing. What that may cost is bounded. The reader is taken rather than
 * libdw's since it is the one that is fuzzed with what a hostile file may hold.
 */
#include <elf.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/defs.h"
#include "piece.h"
#include "unwind/cfi.h"

/* Evaluation loops have some 100 KB. */
#define PIECE_MAX_BYTES (UINT64_C(4) << 20)
/* The segment of an interpreter has 10 MB, with its constants. */
#define PIECE_MAX_TABLE_BYTES (UINT64_C(128) << 20)
/* Of descriptions that are carried out; all of it takes a fifth of a second. */
#define PIECE_MAX_WORK_BYTES (UINT64_C(64) << 20)
/* One that is not understood may have cost as much. */
#define PIECE_FAILED_BYTES (UINT64_C(2) << 20)
/* A single jump could be chance. */
#define PIECE_MIN_JUMPS 2

/* .eh_frame_hdr: four bytes that cfi.c checks, where .eh_frame is, how many functions there are,
 * and for each where it begins and where its description is. */
#define INDEX_COUNT_AT	  8
#define INDEX_HEAD_BYTES  12
#define INDEX_ENTRY_BYTES 8
/* A description: its length, its CIE, where it begins, and how many bytes of code it is about. */
#define FDE_BEGIN_AT 8
#define FDE_BYTES_AT 12
#define FDE_BYTES    16

struct search {
	Elf *elf;
	int fd;
	uint64_t table_at; /* address of the segment of the unwind tables */
	uint64_t n_table_bytes;
	uint8_t *table; /* the copy */
	uint64_t index_at;
	uint32_t n_functions;
	uint64_t n_work_bytes;
	struct piece function;
};

/* Jumps that keep the frame and leave a piece. */
struct tally {
	struct piece to;
	unsigned int n;
	bool is_mixed; /* they lead to more than one */
};

static void search_deinit(struct search *search)
{
	free(search->table);
}

static void free_p(uint8_t **memory)
{
	free(*memory);
}

/* The segment whose bytes in the file hold so many at an address. */
static bool segment_find(const struct search *search, uint64_t address, uint64_t n_bytes,
			 GElf_Phdr *ret_phdr)
{
	size_t n_segments;

	if (elf_getphdrnum(search->elf, &n_segments))
		return false;
	for (size_t i = 0; i < MIN(n_segments, (size_t)UINT16_MAX); i++) {
		GElf_Phdr phdr;

		if (gelf_getphdr(search->elf, (int)i, &phdr) && phdr.p_type == PT_LOAD &&
		    address - phdr.p_vaddr < phdr.p_filesz &&
		    phdr.p_filesz - (address - phdr.p_vaddr) >= n_bytes) {
			*ret_phdr = phdr;
			return true;
		}
	}
	return false;
}

static uint8_t *file_read(const struct search *search, uint64_t offset, uint64_t n_bytes)
{
	_cleanup_(free_p) uint8_t *bytes = malloc(n_bytes);

	if (!bytes || offset > INT64_MAX ||
	    pread(search->fd, bytes, n_bytes, (off_t)offset) != (ssize_t)n_bytes)
		return NULL;
	return TAKE(bytes);
}

/* Bytes of the copy; NULL: it has none there. */
static const uint8_t *table_bytes(const struct search *search, uint64_t address, uint64_t n_bytes)
{
	uint64_t offset = address - search->table_at;

	return offset < search->n_table_bytes && search->n_table_bytes - offset >= n_bytes
		       ? search->table + offset
		       : NULL;
}

static int32_t word_at(const uint8_t *bytes)
{
	int32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static uint64_t relative(uint64_t address, int32_t distance)
{
	return address + (uint64_t)(int64_t)distance;
}

static bool index_find(struct search *search)
{
	size_t n_segments;
	GElf_Phdr phdr;

	if (elf_getphdrnum(search->elf, &n_segments))
		return false;
	for (size_t i = 0; i < MIN(n_segments, (size_t)UINT16_MAX); i++)
		if (gelf_getphdr(search->elf, (int)i, &phdr) && phdr.p_type == PT_GNU_EH_FRAME) {
			search->index_at = phdr.p_vaddr;
			return true;
		}
	return false;
}

static bool table_load(struct search *search)
{
	const uint8_t *index;
	GElf_Phdr phdr;

	if (!index_find(search) ||
	    !segment_find(search, search->index_at, INDEX_HEAD_BYTES, &phdr) ||
	    phdr.p_filesz > PIECE_MAX_TABLE_BYTES)
		return false;
	search->table = file_read(search, phdr.p_offset, phdr.p_filesz);
	if (!search->table)
		return false;
	search->table_at = phdr.p_vaddr;
	search->n_table_bytes = phdr.p_filesz;
	index = table_bytes(search, search->index_at, INDEX_HEAD_BYTES);
	search->n_functions = index ? (uint32_t)word_at(index + INDEX_COUNT_AT) : 0;
	return table_bytes(search, search->index_at + INDEX_HEAD_BYTES,
			   (uint64_t)search->n_functions * INDEX_ENTRY_BYTES) != NULL;
}

static const uint8_t *index_entry(const struct search *search, uint32_t i)
{
	return search->table + (search->index_at - search->table_at) + INDEX_HEAD_BYTES +
	       (size_t)i * INDEX_ENTRY_BYTES;
}

/* What has a description that holds an address. */
static bool piece_around(const struct search *search, uint64_t address, struct piece *ret_piece)
{
	uint32_t low = 0, high = search->n_functions;
	uint64_t begin, fde_at;
	const uint8_t *fde;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (relative(search->index_at, word_at(index_entry(search, middle))) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	begin = relative(search->index_at, word_at(index_entry(search, low - 1)));
	fde_at = relative(search->index_at, word_at(index_entry(search, low - 1) + 4));
	fde = table_bytes(search, fde_at, FDE_BYTES);
	if (!fde || relative(fde_at + FDE_BEGIN_AT, word_at(fde + FDE_BEGIN_AT)) != begin ||
	    address - begin >= (uint32_t)word_at(fde + FDE_BYTES_AT))
		return false;
	*ret_piece = (struct piece){begin, begin + (uint32_t)word_at(fde + FDE_BYTES_AT)};
	return true;
}

static bool is_spent(const struct search *search)
{
	return search->n_work_bytes > PIECE_MAX_WORK_BYTES;
}

static bool rules_at(struct search *search, uint64_t address, struct cfi_rules *ret_rules)
{
	const struct mem mem = {.kind = MEM_REMOTE, .pid = getpid()};
	uint64_t moved_by = (uint64_t)(uintptr_t)search->table - search->table_at;
	struct cfi_row row;

	if (is_spent(search))
		return false;
	if (cfi_find(&mem, search->index_at + moved_by, address + moved_by, &row)) {
		search->n_work_bytes += PIECE_FAILED_BYTES;
		return false;
	}
	search->n_work_bytes += row.fde.n_bytes + row.cie.n_bytes;
	*ret_rules = row.rules;
	return true;
}

static bool is_same_rule(const struct cfi_rule *a, const struct cfi_rule *b)
{
	return a->how == b->how && a->reg == b->reg && a->value == b->value;
}

/* Of the frame's place, and of all that a function keeps for its caller. */
static bool is_same_frame(const struct cfi_rules *a, const struct cfi_rules *b)
{
	bool is_same = is_same_rule(&a->cfa, &b->cfa);

	for (unsigned int i = 0; i < CFI_N_REGS; i++)
		is_same &= is_same_rule(&a->regs[i], &b->regs[i]);
	return is_same;
}

/* The frame begins right above the return address. */
static bool is_entry(const struct cfi_rules *rules)
{
	return rules->cfa.how == CFI_REGISTER_PLUS && rules->cfa.reg == CFI_RSP &&
	       rules->cfa.value == 8;
}

/* Whether something begins with a frame that is built already, as no function does. */
static bool is_piece(struct search *search, uint64_t begin)
{
	struct cfi_rules first;

	return rules_at(search, begin, &first) && !is_entry(&first);
}

static bool keeps_frame(struct search *search, uint64_t from, uint64_t to)
{
	struct cfi_rules before, after;

	return rules_at(search, from, &before) && !is_entry(&before) &&
	       rules_at(search, to, &after) && is_same_frame(&before, &after);
}

/* Bytes of the operation of a near jump (Intel SDM, volume 2, JMP and Jcc); 0: it is none. */
#define JUMP_MIN_BYTES 5
static unsigned int jump_bytes(const uint8_t *code)
{
	return code[0] == 0xe9 ? 1 : code[0] == 0x0f && code[1] >> 4 == 8 ? 2 : 0;
}

static void tally_jump(struct search *search, const struct piece *piece, uint64_t from, uint64_t to,
		       struct tally *tally)
{
	struct piece target;

	if (to - piece->begin < piece->end - piece->begin || !piece_around(search, to, &target) ||
	    !keeps_frame(search, from, to) ||
	    (target.begin != search->function.begin && !is_piece(search, target.begin)))
		return;
	tally->is_mixed |= tally->n && tally->to.begin != target.begin;
	tally->to = target;
	tally->n++;
}

static bool tally_jumps(struct search *search, const struct piece *piece, struct tally *tally)
{
	uint64_t n_bytes = piece->end - piece->begin;
	_cleanup_(free_p) uint8_t *code = NULL;
	GElf_Phdr phdr;

	if (n_bytes > PIECE_MAX_BYTES || !segment_find(search, piece->begin, n_bytes, &phdr))
		return false;
	code = file_read(search, phdr.p_offset + (piece->begin - phdr.p_vaddr), n_bytes);
	for (uint64_t i = 0; code && i + JUMP_MIN_BYTES <= n_bytes; i++) {
		unsigned int n = jump_bytes(code + i);
		uint64_t from = piece->begin + i;

		if (n && n_bytes - i >= n + 4)
			tally_jump(search, piece, from,
				   relative(from + n + 4, word_at(code + i + n)), tally);
	}
	return tally->n >= PIECE_MIN_JUMPS && !tally->is_mixed && !is_spent(search);
}

/* Find the other piece of a function. */
bool piece_find(Elf *elf, int fd, struct piece function, struct piece *ret_rest)
{
	_cleanup_(search_deinit) struct search search = {
		.elf = elf, .fd = fd, .function = function};
	struct tally there = {0}, back = {0};
	struct piece whole;
	GElf_Ehdr ehdr;

	if (!gelf_getehdr(elf, &ehdr) || ehdr.e_machine != EM_X86_64 || !table_load(&search) ||
	    !piece_around(&search, function.begin, &whole) || whole.begin != function.begin ||
	    whole.end != function.end)
		return false;
	if (!tally_jumps(&search, &function, &there) || !tally_jumps(&search, &there.to, &back) ||
	    back.to.begin != function.begin)
		return false;
	*ret_rest = there.to;
	return true;
}
