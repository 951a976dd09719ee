/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols: which function and line an offset in a module is */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

/* Of whose file system a module's path is, and since when the process has run. */
struct symbol_view {
	int32_t pid;
	bool has_our_root;   /* its file system is ours: also good when it has ended */
	int root_fd;	     /* of another root, likewise; 0 or less: not held */
	uint64_t id;	     /* of no other process; 0: what it had is not remembered */
	uint64_t started_at; /* ns of CLOCK_REALTIME; a file changed since may be another one */
};

/* Strings of the pool. */
struct symbol {
	const char *function; /* never NULL: "libx.so.1+0x1f2e" where no name is known */
	const char *file;     /* NULL: not known */
	const char *module;   /* the file name of the module; NULL: in none */
	int32_t line;	      /* 0: not known */
	bool is_named;
	bool is_interpreter; /* the module holds CPython's evaluation loop */
};

struct symbols;

int symbols_new(struct pool *pool, struct symbols **ret_symbols);
struct symbols *symbols_free(struct symbols *symbols);
void symbols_freep(struct symbols **symbols);
void symbols_find(struct symbols *symbols, const struct symbol_view *view, const char *path,
		  uint64_t offset, struct symbol *ret_symbol);

/* For who unwinds by the module's tables (Elf *, the cache's own); NULL where it is not to be had.
 */
void *symbols_elf(struct symbols *symbols, const struct symbol_view *view, const char *path);
