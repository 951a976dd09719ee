/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols, where elfutils was not there to build with: every place is its module and offset */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "symbol.h"

struct symbols {
	struct pool *pool;
};

int symbols_new(struct pool *pool, struct symbols **ret_symbols)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return -ENOMEM;
	symbols->pool = pool;
	*ret_symbols = symbols;
	return 0;
}

/* Return: NULL */
struct symbols *symbols_free(struct symbols *symbols)
{
	free(symbols);
	return NULL;
}

void symbols_freep(struct symbols **symbols)
{
	symbols_free(*symbols);
}

void symbols_find(struct symbols *symbols, const struct symbol_view *view, const char *path,
		  uint64_t offset, struct symbol *ret_symbol)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	char name[300] = "?";

	(void)view;
	memset(ret_symbol, 0, sizeof(*ret_symbol));
	if (path) {
		ret_symbol->module = pool_keep_text(symbols->pool, slash ? slash + 1 : path);
		snprintf(name, sizeof(name), "%.256s+0x%llx", slash ? slash + 1 : path,
			 (unsigned long long)offset);
		utf8_cut(name);
	}
	ret_symbol->function = pool_keep_text(symbols->pool, name);
	if (!ret_symbol->function)
		ret_symbol->function = "?";
}

void *symbols_elf(struct symbols *symbols, const struct symbol_view *view, const char *path)
{
	(void)symbols;
	(void)view;
	(void)path;
	return NULL;
}
