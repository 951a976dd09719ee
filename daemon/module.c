/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules: the ELF files of watched processes
 *
 * Which file it is says the watched process, so nothing about it is believed. The path is followed
 * in the file system of the process and cannot lead out of it. Only a regular file of a sane size
 * is opened, and it is read, never mapped: who cuts a mapped file short kills its reader. Debug
 * information is taken from the file itself, or by its build id from /usr/lib/debug, here or
 * where the process lives; nothing is asked of a network.
 *
 * A file that has changed since the process began may not be the one it has loaded. Then the
 * process's own map has to name the file; of a process that is gone nothing is known.
 *
 * Where nothing is at a path any more, the module counts that was there before (module-place.c).
 *
 * A few bytes can ask for a lot: a compressed section of 20 KB inflates to 20 MB, and each byte of
 * a line program may be a line, for which libdw (0.188) takes 100 bytes. What a module may cost is
 * therefore counted, and a unit whose lines would cost too much has none.
 *
 * Modules are kept by what the file system says they are. At most MODULES_MAX of them and
 * MODULES_MAX_BYTES of what they cost: a tenth of a second to open one again is all that is lost.
 */
#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/defs.h"
#include "module.h"
#include "piece.h"
#include "module-place.h"

#define MODULES_MAX	  48
#define MODULES_MAX_BYTES (UINT64_C(1) << 30)
/* The largest library known, of torch with CUDA, has 1.5 GB: it is left out. */
#define MODULE_MAX_BYTES (UINT64_C(512) << 20)
/* Of sections that are inflated when they are read; those of libpython have 20 MB. */
#define MODULE_MAX_DEBUG_BYTES (UINT64_C(512) << 20)
#define MODULE_MAX_SYMBOLS     (1u << 20)
/* The largest units, made by link-time optimisation, have some 100 KB. */
#define MODULE_MAX_UNIT_LINE_BYTES (UINT32_C(2) << 20)
#define MODULE_BYTES_PER_LINE	   100
#define MODULE_MAX_SECTIONS	   65536
/* Symbols that contain one another are nested this deep at most. */
#define MODULE_MAX_NESTED 16
#define MODULE_MAX_PATH	  4096

#define MODULE_LOOP_NAME  "_PyEval_EvalFrameDefault"

static void free_p(char **text)
{
	free(*text);
}

struct modules {
	struct module *modules[MODULES_MAX];
	uint32_t n_modules;
	uint64_t n_bytes;
	uint64_t n_opened;
	uint64_t clock;
	struct module_places places;
};

int modules_new(struct modules **ret_modules)
{
	struct modules *modules = calloc(1, sizeof(*modules));

	if (!modules)
		return -ENOMEM;
	elf_version(EV_CURRENT);
	*ret_modules = modules;
	return 0;
}

static void file_close(struct module_file *file)
{
	elf_end(file->elf);
	close_p(&file->fd);
	*file = (struct module_file){.fd = -1};
}

static struct module *module_free(struct module *module)
{
	if (!module)
		return NULL;
	if (module->dwarf)
		dwarf_end(module->dwarf);
	if (module->alt_dwarf)
		dwarf_end(module->alt_dwarf);
	file_close(&module->main);
	file_close(&module->debug);
	file_close(&module->alt);
	free(module->symbols);
	free(module);
	return NULL;
}

static void module_freep(struct module **module)
{
	module_free(*module);
}

/* Return: NULL */
struct modules *modules_free(struct modules *modules)
{
	for (uint32_t i = 0; modules && i < modules->n_modules; i++)
		module_free(modules->modules[i]);
	free(modules);
	return NULL;
}

/* A descriptor that only names the file: opening it has no effect, whatever the file is. */
static int path_open(const struct symbol_view *view, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	_cleanup_close_ int root_fd = -1;
	char root[32];

	if (*path != '/')
		return -1;
	if (view->root_fd > 0)
		return (int)syscall(SYS_openat2, view->root_fd, path, &how, sizeof(how));
	snprintf(root, sizeof(root), "/proc/%d/root", view->pid);
	if (view->pid > 0)
		root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return view->has_our_root ? open(path, O_PATH | O_CLOEXEC) : -1;
	return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

static bool file_is_sane(int path_fd, struct stat *ret_st)
{
	return path_fd >= 0 && !fstat(path_fd, ret_st) && S_ISREG(ret_st->st_mode) &&
	       ret_st->st_size > 0 && (uint64_t)ret_st->st_size <= MODULE_MAX_BYTES;
}

static bool file_load(int path_fd, const struct stat *st, struct module_file *file)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	file->size_bytes = (uint64_t)st->st_size;
	file->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	file->elf = file->fd < 0 ? NULL : elf_begin(file->fd, ELF_C_READ, NULL);
	return file->elf && elf_kind(file->elf) == ELF_K_ELF;
}

/*
 * Whether the process maps a file of that inode, whatever path it came by: "START-END PERMS OFFSET
 * DEV INODE   PATH". The device is left out: the file systems that layer others say another one.
 */
static bool is_mapped(int32_t pid, ino_t ino)
{
	_cleanup_(free_p) char *line = NULL;
	char maps_path[32];
	size_t room = 0;
	bool is_found = false;
	FILE *maps;

	snprintf(maps_path, sizeof(maps_path), "/proc/%d/maps", pid);
	maps = fopen(maps_path, "re");
	while (maps && !is_found && getline(&line, &room, maps) > 0) {
		unsigned long long line_ino;

		is_found = !strstr(line, " (deleted)\n") &&
			   sscanf(line, "%*s %*s %*s %*s %llu", &line_ino) == 1 && line_ino == ino;
	}
	if (maps)
		fclose(maps);
	return is_found;
}

/* Whether it is the file that the process has loaded, not one that came into its place since. */
static bool file_is_theirs(const struct symbol_view *view, const struct stat *st)
{
	uint64_t changed_at =
		(uint64_t)st->st_ctim.tv_sec * NSEC_PER_SEC + (uint64_t)st->st_ctim.tv_nsec;

	if (changed_at <= view->started_at)
		return true;
	return view->pid > 0 && is_mapped(view->pid, st->st_ino);
}

static int symbol_compare(const void *a, const void *b)
{
	const struct module_symbol *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return -strcmp(x->name, y->name);
}

/* The last of several names at one place is shown: global ones, and those meant for people. */
static uint32_t symbol_rank(const GElf_Sym *sym, const char *name)
{
	uint32_t n_underscores = (uint32_t)strspn(name, "_");

	return (GELF_ST_BIND(sym->st_info) == STB_LOCAL ? 64 : 0) + MIN(n_underscores, 8u) * 2 +
	       (GELF_ST_BIND(sym->st_info) == STB_WEAK);
}

static void module_add_symbol(struct module *module, Elf *elf, const GElf_Shdr *shdr,
			      const GElf_Sym *sym)
{
	unsigned int type = GELF_ST_TYPE(sym->st_info);
	const char *name;

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || sym->st_shndx == SHN_UNDEF ||
	    !sym->st_size || sym->st_value + sym->st_size < sym->st_value)
		return;
	name = elf_strptr(elf, shdr->sh_link, sym->st_name);
	if (!name || !*name)
		return;
	module->is_interpreter |= !strcmp(name, MODULE_LOOP_NAME);
	module->symbols[module->n_symbols++] = (struct module_symbol){
		.value = sym->st_value,
		.size_bytes = sym->st_size,
		.name = name,
		.rank = symbol_rank(sym, name),
	};
}

/* Return: whether there is a table of that type with functions in it. */
static bool module_load_symbols(struct module *module, Elf *elf, uint32_t type)
{
	Elf_Scn *scn = NULL;

	for (unsigned int i = 0; elf && i < MODULE_MAX_SECTIONS && (scn = elf_nextscn(elf, scn));
	     i++) {
		Elf_Data *data;
		GElf_Shdr shdr;
		GElf_Sym sym;
		uint64_t n;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != type || !shdr.sh_entsize)
			continue;
		data = elf_getdata(scn, NULL);
		n = data ? MIN(shdr.sh_size / shdr.sh_entsize, (uint64_t)MODULE_MAX_SYMBOLS) : 0;
		/* One more for module_find_rest(). */
		module->symbols = calloc(n + 1, sizeof(*module->symbols));
		for (uint64_t k = 0; module->symbols && k < n; k++)
			if (gelf_getsym(data, (int)k, &sym))
				module_add_symbol(module, elf, &shdr, &sym);
		if (module->n_symbols)
			return true;
		free(module->symbols);
		module->symbols = NULL;
	}
	return false;
}

/*
 * Whether there is debug information, and what is read of it is of a sane size: a compressed
 * section says itself how large it will be.
 */
static bool file_has_debug(struct module_file *file)
{
	uint64_t n_bytes = 0;
	bool has_debug = false;
	Elf_Scn *scn = NULL;
	size_t names;

	file->inflated_bytes = 0;
	if (!file->elf || elf_getshdrstrndx(file->elf, &names))
		return false;
	for (unsigned int i = 0; i < MODULE_MAX_SECTIONS && (scn = elf_nextscn(file->elf, scn));
	     i++) {
		GElf_Shdr shdr;
		GElf_Chdr chdr;
		const char *name = gelf_getshdr(scn, &shdr)
					   ? elf_strptr(file->elf, names, shdr.sh_name)
					   : NULL;

		if (!name || shdr.sh_type == SHT_NOBITS)
			continue;
		/* An older way to compress, in which no size stands. */
		if (!strncmp(name, ".zdebug", 7))
			return false;
		if (strncmp(name, ".debug_", 7))
			continue;
		has_debug |= !strcmp(name, ".debug_info");
		if (shdr.sh_flags & SHF_COMPRESSED && gelf_getchdr(scn, &chdr)) {
			file->inflated_bytes += MIN(chdr.ch_size, MODULE_MAX_DEBUG_BYTES);
			shdr.sh_size = chdr.ch_size;
		}
		if (shdr.sh_size > MODULE_MAX_DEBUG_BYTES - n_bytes)
			return false;
		n_bytes += shdr.sh_size;
	}
	return has_debug;
}

/* Open /usr/lib/debug/.build-id/NN/NNN.debug, here or where the process lives. */
static bool file_open_by_id(const struct symbol_view *view, const unsigned char *id, ssize_t n_id,
			    struct module_file *file)
{
	const struct symbol_view ours = {.has_our_root = true};
	char path[256];
	int n = snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%02x/", id[0]);

	if (n_id < 3 || n_id > 64)
		return false;
	for (ssize_t i = 1; i < n_id; i++)
		n += snprintf(path + n, sizeof(path) - (size_t)n, "%02x", id[i]);
	snprintf(path + n, sizeof(path) - (size_t)n, ".debug");
	for (unsigned int is_theirs = 0; is_theirs <= 1; is_theirs++) {
		_cleanup_close_ int fd = path_open(is_theirs ? view : &ours, path);
		struct stat st;

		if (file_is_sane(fd, &st) && file_load(fd, &st, file))
			return true;
		file_close(file);
	}
	return false;
}

static void module_find_debug(struct module *module, const struct symbol_view *view)
{
	const void *id = NULL, *debug_id = NULL;
	ssize_t n = dwelf_elf_gnu_build_id(module->main.elf, &id);

	if (n <= 0 || !file_open_by_id(view, id, n, &module->debug))
		return;
	if (dwelf_elf_gnu_build_id(module->debug.elf, &debug_id) == n &&
	    !memcmp(id, debug_id, (size_t)n))
		return;
	file_close(&module->debug);
}

/* Left alone, libdw would open whatever path the debug information names. */
static bool module_set_alt(struct module *module, const struct symbol_view *view)
{
	const void *id = NULL;
	const char *name = NULL;
	ssize_t n = dwelf_dwarf_gnu_debugaltlink(module->dwarf, &name, &id);

	if (!n)
		return true;
	if (n < 0 || !file_open_by_id(view, id, n, &module->alt) || !file_has_debug(&module->alt))
		return false;
	module->alt_dwarf = dwarf_begin_elf(module->alt.elf, DWARF_C_READ, NULL);
	if (!module->alt_dwarf)
		return false;
	dwarf_setalt(module->dwarf, module->alt_dwarf);
	return true;
}

/* As libdw has it, which has inflated it. NULL: there is none. */
static const Elf_Data *section_data(Elf *elf, const char *wanted)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	for (unsigned int i = 0; i < MODULE_MAX_SECTIONS && (scn = elf_nextscn(elf, scn)); i++) {
		GElf_Shdr shdr;
		const char *name =
			gelf_getshdr(scn, &shdr) ? elf_strptr(elf, names, shdr.sh_name) : NULL;

		if (name && !strcmp(name, wanted))
			return elf_rawdata(scn, NULL);
	}
	return NULL;
}

static void module_load_dwarf(struct module *module, const struct symbol_view *view)
{
	struct module_file *file = &module->main;

	if (!file_has_debug(file))
		file = &module->debug;
	if (!file_has_debug(file))
		return;
	module->dwarf = dwarf_begin_elf(file->elf, DWARF_C_READ, NULL);
	if (!module->dwarf)
		return;
	if (module_set_alt(module, view)) {
		module->lines = section_data(file->elf, ".debug_line");
		return;
	}
	dwarf_end(module->dwarf);
	module->dwarf = NULL;
}

static void module_sort(struct module *module)
{
	if (module->n_symbols)
		qsort(module->symbols, module->n_symbols, sizeof(*module->symbols), symbol_compare);
}

/*
 * Give the piece of the evaluation loop that has no name the loop's own. Return: whether there is
 * one; a piece with a name has that, and what holds other functions is none.
 */
static bool module_find_rest(struct module *module)
{
	const struct module_symbol *loop = NULL;
	struct piece rest;

	for (uint32_t i = 0; !loop && i < module->n_symbols; i++)
		if (!strcmp(module->symbols[i].name, MODULE_LOOP_NAME))
			loop = &module->symbols[i];
	if (!loop ||
	    !piece_find(module->main.elf, module->main.fd,
			(struct piece){loop->value, loop->value + loop->size_bytes}, &rest))
		return false;
	for (uint32_t i = 0; i < module->n_symbols; i++)
		if (module->symbols[i].value < rest.end &&
		    module->symbols[i].value + module->symbols[i].size_bytes > rest.begin)
			return false;
	module->symbols[module->n_symbols++] = (struct module_symbol){
		.value = rest.begin,
		.size_bytes = rest.end - rest.begin,
		.name = MODULE_LOOP_NAME,
	};
	return true;
}

static uint64_t file_cost(const struct module_file *file)
{
	return file->fd < 0 ? 0 : file->size_bytes + file->inflated_bytes;
}

static struct module *module_open(const struct symbol_view *view, int path_fd,
				  const struct stat *st)
{
	_cleanup_(module_freep) struct module *module = calloc(1, sizeof(*module));

	if (!module)
		return NULL;
	module->main.fd = module->debug.fd = module->alt.fd = -1;
	module->dev = st->st_dev;
	module->ino = st->st_ino;
	module->changed = st->st_ctim;
	module->size_bytes = (uint64_t)st->st_size;
	if (!file_load(path_fd, st, &module->main))
		return NULL;
	module_find_debug(module, view);
	if (!module_load_symbols(module, module->main.elf, SHT_SYMTAB) &&
	    !module_load_symbols(module, module->debug.elf, SHT_SYMTAB))
		module_load_symbols(module, module->main.elf, SHT_DYNSYM);
	module_sort(module);
	if (module->is_interpreter && module_find_rest(module))
		module_sort(module);
	module_load_dwarf(module, view);
	module->cost_bytes =
		file_cost(&module->main) + file_cost(&module->debug) + file_cost(&module->alt);
	return TAKE(module);
}

static struct module *modules_find(struct modules *modules, const struct stat *st)
{
	for (uint32_t i = 0; i < modules->n_modules; i++) {
		struct module *module = modules->modules[i];

		if (module->dev == st->st_dev && module->ino == st->st_ino &&
		    module->size_bytes == (uint64_t)st->st_size &&
		    module->changed.tv_sec == st->st_ctim.tv_sec &&
		    module->changed.tv_nsec == st->st_ctim.tv_nsec)
			return module;
	}
	return NULL;
}

/* What was at a path that leads nowhere now. */
static struct module *modules_recall(struct modules *modules, const struct symbol_view *view,
				     const char *path)
{
	uint64_t id = module_place_get(&modules->places, view->id, path);

	for (uint32_t i = 0; id && i < modules->n_modules; i++)
		if (modules->modules[i]->id == id)
			return modules->modules[i];
	return NULL;
}

static void modules_evict(struct modules *modules)
{
	uint32_t oldest = 0;

	for (uint32_t i = 1; i < modules->n_modules; i++)
		if (modules->modules[i]->used < modules->modules[oldest]->used)
			oldest = i;
	modules->n_bytes -= modules->modules[oldest]->cost_bytes;
	module_free(modules->modules[oldest]);
	modules->modules[oldest] = modules->modules[--modules->n_modules];
}

/* A module has become larger, and is the one that was used last. */
static void modules_make_room(struct modules *modules)
{
	while (modules->n_modules > 1 && modules->n_bytes > MODULES_MAX_BYTES)
		modules_evict(modules);
}

static bool unit_line_bytes(const struct module *module, uint64_t at, uint32_t *ret_n_bytes)
{
	const Elf_Data *lines = module->lines;

	if (!lines || !lines->d_buf || at > lines->d_size ||
	    lines->d_size - at < sizeof(*ret_n_bytes))
		return false;
	memcpy(ret_n_bytes, (const char *)lines->d_buf + at, sizeof(*ret_n_bytes));
	return *ret_n_bytes <= MODULE_MAX_UNIT_LINE_BYTES;
}

bool modules_have_room_for_lines(struct modules *modules, struct module *module, Dwarf_Die *unit)
{
	uint64_t cost_bytes;
	Dwarf_Attribute attr;
	uint32_t n_bytes;
	Dwarf_Word at;

	if (!dwarf_attr(unit, DW_AT_stmt_list, &attr) || dwarf_formudata(&attr, &at))
		return false;
	for (uint32_t i = 0; i < module->n_line_units; i++)
		if (module->line_units[i] == at)
			return true;
	if (module->n_line_units == MODULE_MAX_LINE_UNITS || !unit_line_bytes(module, at, &n_bytes))
		return false;
	cost_bytes = (uint64_t)n_bytes * MODULE_BYTES_PER_LINE;
	if (module->cost_bytes + cost_bytes > MODULES_MAX_BYTES)
		return false;
	module->line_units[module->n_line_units++] = at;
	module->used = ++modules->clock;
	module->cost_bytes += cost_bytes;
	modules->n_bytes += cost_bytes;
	modules_make_room(modules);
	return true;
}

/* The module at a path; it stays the cache's, until the next call. NULL: it is not to be had. */
struct module *modules_get(struct modules *modules, const struct symbol_view *view,
			   const char *path)
{
	_cleanup_close_ int fd = path_open(view, path);
	struct module *module;
	struct stat st;

	if (fd < 0)
		return modules_recall(modules, view, path);
	if (!file_is_sane(fd, &st) || !file_is_theirs(view, &st))
		return NULL;
	module = modules_find(modules, &st);
	if (!module) {
		if (modules->n_modules == MODULES_MAX)
			modules_evict(modules);
		module = module_open(view, fd, &st);
		if (!module)
			return NULL;
		module->id = ++modules->n_opened;
		modules->n_bytes += module->cost_bytes;
		modules->modules[modules->n_modules++] = module;
	}
	module->used = ++modules->clock;
	module_place_put(&modules->places, view->id, path, module->id);
	modules_make_room(modules);
	return module;
}

/* The function that holds an address; NULL where none says that it does. */
const struct module_symbol *module_find(const struct module *module, uint64_t address)
{
	uint32_t low = 0, high = module->n_symbols;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (module->symbols[middle].value <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (uint32_t i = 0; i < MODULE_MAX_NESTED && low-- > 0; i++)
		if (address - module->symbols[low].value < module->symbols[low].size_bytes)
			return &module->symbols[low];
	return NULL;
}
