/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols: which function and line an offset in a module is
 *
 * The offset is that of a return address, so what is looked up is the byte before it: a call may be
 * the last instruction of its function. The name is that of the symbol whose extent holds the byte;
 * a nearest one before it would be a guess, and a stripped file has few. The line comes from debug
 * information. Where the compiler has put functions into one another, the line is where the
 * outermost of them, the one that has the frame, stands.
 *
 * A watched process may name any file, and debug information is a language of its own: libdw checks
 * what it reads, and what would make it open other files by itself is not used (module.c, and
 * DW_AT_dwo_name here).
 *
 * Answers are remembered. Names of C++ and Rust are left as the linker knows them, but for the
 * plain name that debug information gives.
 */
#include <dwarf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "module.h"
#include "symbol.h"

/* A service's slow calls stand at some hundred places. A power of two. */
#define SYMBOLS_N_ANSWERS 4096
/* Where no table says which unit holds an address, this many are looked at. */
#define SYMBOLS_MAX_UNITS 20000
/* The evaluation loop's unit has some thousand; its blocks are nested ten deep. */
#define SYMBOLS_MAX_SIBLINGS 500000
#define SYMBOLS_MAX_BLOCKS   64
/* What a unit or a function holds may be a list as long as the file, and the same one for each. */
#define SYMBOLS_MAX_RANGES 1000000

struct answer {
	uint64_t module_id; /* 0: none */
	uint64_t offset;
	const char *module; /* of the pool: one file may have several names */
	struct symbol symbol;
};

struct symbols {
	struct pool *pool;
	struct modules *modules;
	struct answer answers[SYMBOLS_N_ANSWERS];
};

int symbols_new(struct pool *pool, struct symbols **ret_symbols)
{
	_cleanup_(symbols_freep) struct symbols *symbols = calloc(1, sizeof(*symbols));
	int r;

	if (!symbols)
		return -ENOMEM;
	symbols->pool = pool;
	r = modules_new(&symbols->modules);
	if (r)
		return r;
	*ret_symbols = TAKE(symbols);
	return 0;
}

/* Return: NULL */
struct symbols *symbols_free(struct symbols *symbols)
{
	if (symbols)
		modules_free(symbols->modules);
	free(symbols);
	return NULL;
}

void symbols_freep(struct symbols **symbols)
{
	symbols_free(*symbols);
}

/* Units that only name another file are of no use: libdw would go and open it. */
static bool unit_is_whole(Dwarf_Die *unit)
{
	return !dwarf_hasattr(unit, DW_AT_dwo_name) && !dwarf_hasattr(unit, DW_AT_GNU_dwo_name);
}

/* dwarf_haspc(), but for its end: n_left counts down what may still be looked at. */
static bool die_holds(Dwarf_Die *die, uint64_t address, uint32_t *n_left)
{
	Dwarf_Addr base, begin, end;
	ptrdiff_t at = 0;

	while (*n_left && (at = dwarf_ranges(die, at, &base, &begin, &end)) > 0) {
		(*n_left)--;
		if (address >= begin && address < end)
			return true;
	}
	return false;
}

static bool unit_find(Dwarf *dwarf, uint64_t address, Dwarf_Die *ret_unit)
{
	uint32_t n_left = SYMBOLS_MAX_RANGES;
	Dwarf_CU *unit = NULL;

	if (dwarf_addrdie(dwarf, address, ret_unit))
		return unit_is_whole(ret_unit);
	for (unsigned int i = 0; i < SYMBOLS_MAX_UNITS; i++) {
		if (dwarf_get_units(dwarf, unit, &unit, NULL, NULL, ret_unit, NULL))
			return false;
		if (unit_is_whole(ret_unit) && die_holds(ret_unit, address, &n_left))
			return true;
	}
	return false;
}

static int32_t line_of(int line)
{
	return line > 0 && line < INT32_MAX ? line : 0;
}

static void take_line(struct symbols *symbols, Dwarf_Die *unit, uint64_t address,
		      struct symbol *symbol)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, address);
	const char *file = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
	int number = 0;

	if (!file || dwarf_lineno(line, &number))
		return;
	symbol->file = pool_keep_text(symbols->pool, file);
	symbol->line = line_of(number);
}

/* Where a function that is part of another one was called. */
static void take_call_site(struct symbols *symbols, Dwarf_Die *unit, Dwarf_Die *inlined,
			   struct symbol *symbol)
{
	Dwarf_Word line = 0, file_index = 0;
	Dwarf_Attribute attr;
	Dwarf_Files *files;
	const char *file;
	size_t n_files;

	if (!dwarf_attr(inlined, DW_AT_call_line, &attr) || dwarf_formudata(&attr, &line) ||
	    !dwarf_attr(inlined, DW_AT_call_file, &attr) || dwarf_formudata(&attr, &file_index) ||
	    dwarf_getsrcfiles(unit, &files, &n_files))
		return;
	file = dwarf_filesrc(files, file_index, NULL, NULL);
	if (!file || line > INT32_MAX)
		return;
	symbol->file = pool_keep_text(symbols->pool, file);
	symbol->line = (int32_t)line;
}

/* The child that holds an address. Functions stand side by side in a unit, blocks in a function. */
static bool die_enter(Dwarf_Die *die, uint64_t address, uint32_t *n_left)
{
	Dwarf_Die child;
	int r = dwarf_child(die, &child);

	for (unsigned int i = 0; !r && *n_left && i < SYMBOLS_MAX_SIBLINGS; i++) {
		int tag = dwarf_tag(&child);

		if ((tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block ||
		     tag == DW_TAG_inlined_subroutine) &&
		    die_holds(&child, address, n_left)) {
			*die = child;
			return true;
		}
		r = dwarf_siblingof(&child, &child);
	}
	return false;
}

/*
 * The function that holds an address, and the outermost of those put into it that do. libdw's own
 * dwarf_getscopes() fails on units of link-time optimisation (elfutils 0.188).
 */
static void take_function(struct symbols *symbols, Dwarf_Die *unit, uint64_t address,
			  bool has_lines, struct symbol *symbol)
{
	uint32_t n_left = SYMBOLS_MAX_RANGES;
	Dwarf_Die die = *unit;
	const char *name;

	if (!die_enter(&die, address, &n_left) || dwarf_tag(&die) != DW_TAG_subprogram)
		return;
	name = dwarf_diename(&die);
	if (name && (!symbol->is_named || !strncmp(symbol->function, "_Z", 2) ||
		     !strncmp(symbol->function, "_R", 2))) {
		symbol->function = pool_keep_text(symbols->pool, name);
		symbol->is_named = symbol->function != NULL;
	}
	for (unsigned int i = 0;
	     has_lines && i < SYMBOLS_MAX_BLOCKS && die_enter(&die, address, &n_left); i++)
		if (dwarf_tag(&die) == DW_TAG_inlined_subroutine) {
			take_call_site(symbols, unit, &die, symbol);
			return;
		}
}

/* Without what the compiler adds to the parts it makes of a function, and without a version. */
static const char *plain_name(struct pool *pool, const char *name)
{
	static const char *const parts[] = {".cold",	   ".part.",	 ".isra.",
					    ".constprop.", ".lto_priv.", "@"};
	size_t length = strlen(name);

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *at = strstr(name, parts[i]);

		if (at && at > name)
			length = MIN(length, (size_t)(at - name));
	}
	return pool_keep(pool, name, MIN(length, (size_t)256));
}

static void symbol_unnamed(struct pool *pool, uint64_t offset, struct symbol *symbol)
{
	char name[300];

	if (symbol->module)
		snprintf(name, sizeof(name), "%.256s+0x%llx", symbol->module,
			 (unsigned long long)offset);
	else
		snprintf(name, sizeof(name), "?");
	utf8_cut(name);
	symbol->function = pool_keep_text(pool, name);
	if (!symbol->function)
		symbol->function = "?";
}

static void symbol_look_up(struct symbols *symbols, struct module *module, uint64_t address,
			   struct symbol *symbol)
{
	const struct module_symbol *found = module_find(module, address);
	bool has_lines;
	Dwarf_Die unit;

	symbol->is_interpreter = module->is_interpreter;
	if (found) {
		symbol->function = plain_name(symbols->pool, found->name);
		symbol->is_named = symbol->function != NULL;
	}
	if (!module->dwarf || !unit_find(module->dwarf, address, &unit))
		return;
	has_lines = modules_have_room_for_lines(symbols->modules, module, &unit);
	if (has_lines)
		take_line(symbols, &unit, address, symbol);
	take_function(symbols, &unit, address, has_lines, symbol);
}

/* The file name of a path, in the pool. */
static const char *base_name(struct pool *pool, const char *path)
{
	const char *slash = strrchr(path, '/');

	return pool_keep_text(pool, slash && slash[1] ? slash + 1 : path);
}

static struct answer *answer_at(struct symbols *symbols, uint64_t module_id, uint64_t offset)
{
	uint64_t hash =
		(module_id * UINT64_C(0x9e3779b97f4a7c15) ^ offset) * UINT64_C(0xff51afd7ed558ccd);

	return &symbols->answers[(hash >> 40) % SYMBOLS_N_ANSWERS];
}

/*
 * What is at an offset from the load base of a module; path NULL: in none.
 */
void symbols_find(struct symbols *symbols, const struct symbol_view *view, const char *path,
		  uint64_t offset, struct symbol *ret_symbol)
{
	struct symbol symbol = {.module = path ? base_name(symbols->pool, path) : NULL};
	struct module *module = path ? modules_get(symbols->modules, view, path) : NULL;
	struct answer *answer = module ? answer_at(symbols, module->id, offset) : NULL;

	if (answer && answer->module_id == module->id && answer->offset == offset &&
	    answer->module == symbol.module) {
		*ret_symbol = answer->symbol;
		return;
	}
	if (module && offset)
		symbol_look_up(symbols, module, offset - 1, &symbol);
	if (!symbol.is_named)
		symbol_unnamed(symbols->pool, offset, &symbol);
	if (answer)
		*answer = (struct answer){module->id, offset, symbol.module, symbol};
	*ret_symbol = symbol;
}

void *symbols_elf(struct symbols *symbols, const struct symbol_view *view, const char *path)
{
	const struct module *module = modules_get(symbols->modules, view, path);

	return module ? module->main.elf : NULL;
}
