/* SPDX-License-Identifier: Apache-2.0 */
/* Module: an ELF file of a watched process, opened with care and kept for a while */
#pragma once

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "symbol.h"

struct module_symbol {
	uint64_t value;
	uint64_t size_bytes;
	const char *name; /* of the Elf it comes from */
	uint32_t rank;	  /* of several at one place, the least is shown */
};

/* A file that is open, and what libelf makes of it. */
struct module_file {
	int fd;
	Elf *elf;
	uint64_t size_bytes;
	uint64_t inflated_bytes; /* of its compressed sections */
};

/* Units whose lines have been asked for. Of a large library a service sees some ten. */
#define MODULE_MAX_LINE_UNITS 512

struct module {
	uint64_t id; /* never given again, unlike its memory */
	uint64_t used;
	uint64_t size_bytes;
	uint64_t cost_bytes; /* of memory, at most */
	dev_t dev;
	ino_t ino;
	struct timespec changed;
	struct module_file main;
	struct module_file debug; /* of the same build id */
	struct module_file alt;	  /* what several debug files share */
	Dwarf *dwarf;
	Dwarf *alt_dwarf;
	struct module_symbol *symbols; /* in the order of their values */
	uint32_t n_symbols;
	bool is_interpreter;
	const Elf_Data *lines; /* .debug_line */
	uint32_t n_line_units;
	uint64_t line_units[MODULE_MAX_LINE_UNITS]; /* where in it */
};

struct modules;

int modules_new(struct modules **ret_modules);
struct modules *modules_free(struct modules *modules);
/* Whether there is room for the lines of a unit, which libdw keeps from then on. */
bool modules_have_room_for_lines(struct modules *modules, struct module *module, Dwarf_Die *unit);
struct module *modules_get(struct modules *modules, const struct symbol_view *view,
			   const char *path);
const struct module_symbol *module_find(const struct module *module, uint64_t address);
