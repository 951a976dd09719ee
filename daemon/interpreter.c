/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interpreter: the CPython in a process, found from outside
 *
 * _PyRuntime stands in the table of dynamic symbols of the program or of libpython, also of
 * stripped and of static builds, which export it for their extension modules. A program without a
 * loader exports nothing: it has the symbol among those that are there for a debugger, or, when it
 * is stripped, from 3.11 on the section that the variable has to itself. Its file is opened
 * through the process's own root, so that a container's python is found. What the file says is only
 * where to look: the layout is checked against what is there (pyframe_init()).
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/defs.h"
#include "interpreter.h"
#include "maps.h"

/* A process with more modules than this is looked at no further. */
#define MAX_MODULES 512
/* Larger files are no interpreters: Debian's static one has 7 MB, with debug information 30. */
#define MAX_FILE_BYTES (512LL << 20)

static void elf_end_p(Elf **elf)
{
	if (*elf)
		elf_end(*elf);
}

/* What is searched for in a file; addresses as in the file. */
struct symbols_found {
	GElf_Sym runtime, code_type, version;
};

static void take_symbol(struct symbols_found *found, const char *name, const GElf_Sym *symbol)
{
	if (symbol->st_shndx == SHN_UNDEF || !name)
		return;
	if (!strcmp(name, "_PyRuntime"))
		found->runtime = *symbol;
	else if (!strcmp(name, "PyCode_Type"))
		found->code_type = *symbol;
	else if (!strcmp(name, "Py_Version"))
		found->version = *symbol;
}

/* Return: how many symbols there are in tables of that type. */
static size_t search_symbols(Elf *elf, uint32_t type, struct symbols_found *found)
{
	size_t n_symbols = 0;
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		Elf_Data *data;

		if (!gelf_getshdr(section, &header) || header.sh_type != type || !header.sh_entsize)
			continue;
		data = elf_getdata(section, NULL);
		n_symbols += data ? data->d_size / header.sh_entsize : 0;
		for (size_t i = 0; data && i < data->d_size / header.sh_entsize; i++) {
			GElf_Sym symbol;

			if (gelf_getsym(data, (int)i, &symbol))
				take_symbol(found, elf_strptr(elf, header.sh_link, symbol.st_name),
					    &symbol);
		}
	}
	return n_symbols;
}

static void search_static(Elf *elf, struct symbols_found *found)
{
	Elf_Scn *section = NULL;
	size_t names = 0;
	GElf_Shdr header;

	search_symbols(elf, SHT_SYMTAB, found);
	if (found->runtime.st_value || elf_getshdrstrndx(elf, &names))
		return;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &header)
					   ? elf_strptr(elf, names, header.sh_name)
					   : NULL;

		if (!name || strcmp(name, ".PyRuntime") != 0)
			continue;
		found->runtime.st_value = header.sh_addr;
		found->runtime.st_size = header.sh_size;
	}
}

/* What is to be added to an address of the file: its first mapping is of its first segment. */
static uint64_t load_bias(Elf *elf, uint64_t begin)
{
	size_t n = 0;

	if (elf_getphdrnum(elf, &n))
		return 0;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr segment;

		if (gelf_getphdr(elf, (int)i, &segment) && segment.p_type == PT_LOAD &&
		    segment.p_offset < 4096)
			return begin - (segment.p_vaddr - segment.p_offset);
	}
	return 0;
}

static Elf *open_elf(int32_t pid, const struct map *map, int *ret_fd)
{
	char path[4096 + 64];
	struct stat st;

	/* The mapping itself opens also a file that was replaced or deleted since. */
	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid,
		 (unsigned long long)map->begin, (unsigned long long)map->end);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*ret_fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/root%s", pid, map->path);
		*ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (*ret_fd < 0 || fstat(*ret_fd, &st) || !S_ISREG(st.st_mode) ||
	    st.st_size > MAX_FILE_BYTES)
		return NULL;
	return elf_begin(*ret_fd, ELF_C_READ_MMAP, NULL);
}

/* Before 3.11 no symbol says the version; then the file is named after it. */
static uint32_t version_of_path(const char *path)
{
	const char *at = path;
	unsigned int minor = 0;

	while ((at = strstr(at, "python3."))) {
		at += strlen("python3.");
		if (sscanf(at, "%2u", &minor) == 1)
			return 0x030000f0 | minor << 16;
	}
	return 0;
}

static uint32_t find_version(const struct maps *maps, const struct map *map)
{
	uint32_t version_hex = version_of_path(map->path);

	/* "bin/python3", or "python": its own modules lie below lib/python3.N. */
	for (uint32_t i = 0; !version_hex && i < maps->n_maps; i++)
		if (strstr(maps->maps[i].path, "/lib-dynload/"))
			version_hex = version_of_path(maps->maps[i].path);
	return version_hex;
}

static int try_module(int32_t pid, const struct maps *maps, const struct map *map,
		      struct interpreter *interpreter)
{
	_cleanup_(elf_end_p) Elf *elf = NULL;
	_cleanup_close_ int fd = -1;
	struct symbols_found found = {0};
	uint64_t bias, code_type_raddr;
	uint32_t version_hex = 0;

	elf = open_elf(pid, map, &fd);
	if (!elf)
		return INTERPRETER_E_NONE;
	/* The first of a table is none. */
	if (search_symbols(elf, SHT_DYNSYM, &found) <= 1)
		search_static(elf, &found);
	if (!found.runtime.st_value)
		return INTERPRETER_E_NONE;
	bias = load_bias(elf, map->begin);
	if (found.version.st_value)
		mem_read(&interpreter->mem, bias + found.version.st_value, &version_hex,
			 sizeof(version_hex));
	if (!version_hex)
		version_hex = find_version(maps, map);
	code_type_raddr = found.code_type.st_value ? bias + found.code_type.st_value : 0;
	if (pyframe_init(&interpreter->mem, bias + found.runtime.st_value, version_hex,
			 code_type_raddr, &interpreter->pyframe))
		return INTERPRETER_E_LAYOUT;
	interpreter->version_hex = version_hex;
	interpreter->runtime_end_raddr = bias + found.runtime.st_value + found.runtime.st_size;
	return 0;
}

/* Whether it has loaded uvloop's module. */
bool interpreter_has_uvloop(int32_t pid)
{
	_cleanup_(maps_deinit) struct maps maps = {0};
	bool has_it = false;

	if (maps_load(pid, &maps))
		return false;
	for (uint32_t i = 0; i < maps.n_maps && !has_it; i++)
		has_it = strstr(maps.maps[i].path, "/uvloop/loop.") != NULL;
	return has_it;
}

/* Return: 0, an enum interpreter_result, or a negative errno when it may not be looked at. */
int interpreter_find(int32_t pid, struct interpreter *ret_interpreter)
{
	struct interpreter interpreter = {.mem = {.kind = MEM_REMOTE, .pid = pid}};
	_cleanup_(maps_deinit) struct maps maps = {0};
	uint32_t n_modules = 0;
	int r, result = INTERPRETER_E_NONE;

	elf_version(EV_CURRENT);
	r = maps_load(pid, &maps);
	if (r)
		return r;
	for (uint32_t i = 0; i < maps.n_maps && n_modules < MAX_MODULES; i++) {
		const struct map *map = &maps.maps[i];

		if (map->offset || *map->path != '/')
			continue;
		n_modules++;
		r = result ? try_module(pid, &maps, map, &interpreter) : INTERPRETER_E_NONE;
		if (r != INTERPRETER_E_NONE)
			result = r;
	}
	if (!result)
		*ret_interpreter = interpreter;
	return result;
}
