/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patch: put a pointer into memory that is not meant to be written
 *
 * Two kinds: a field of a static structure of the interpreter (PyMethodDef), and what another
 * object imports by name (its global offset table). Both may lie in pages the loader has made
 * read-only after relocation; the object's program headers say which, and such a page is made
 * writable for the one store and read-only again. The store itself is one aligned word, so another
 * thread sees the old or the new pointer.
 *
 * Every relocation table is walked: calls through the PLT and calls through the GOT (-fno-plt)
 * name a symbol in different ones.
 */
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/defs.h"
#include "patch.h"

#if defined(__x86_64__)
#define RELOC_GOT R_X86_64_GLOB_DAT
#define RELOC_PLT R_X86_64_JUMP_SLOT
#elif defined(__aarch64__)
#define RELOC_GOT R_AARCH64_GLOB_DAT
#define RELOC_PLT R_AARCH64_JUMP_SLOT
#endif

struct page_search {
	uintptr_t address;
	int protection; /* -1: in no object */
};

static bool segment_holds(const struct dl_phdr_info *object, const ElfW(Phdr) * segment,
			  uintptr_t address)
{
	uintptr_t start = object->dlpi_addr + segment->p_vaddr;

	return address >= start && address - start < segment->p_memsz;
}

static int segment_protection(const ElfW(Phdr) * segment)
{
	return (segment->p_flags & PF_R ? PROT_READ : 0) |
	       (segment->p_flags & PF_W ? PROT_WRITE : 0) |
	       (segment->p_flags & PF_X ? PROT_EXEC : 0);
}

static int find_protection(struct dl_phdr_info *object, size_t unused_bytes, void *argument)
{
	struct page_search *search = argument;

	(void)unused_bytes;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD && segment_holds(object, segment, search->address))
			search->protection = segment_protection(segment);
	}
	if (search->protection < 0)
		return 0;
	for (int i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_GNU_RELRO &&
		    segment_holds(object, &object->dlpi_phdr[i], search->address))
			search->protection &= ~PROT_WRITE;
	return 1;
}

/* Store value at where, an aligned word inside a loaded object or in writable memory. */
_hidden_ bool patch_pointer(void *where, void *value)
{
	struct page_search search = {.address = (uintptr_t)where, .protection = -1};
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *page = (void *)((uintptr_t)where & ~(page_bytes - 1));
	bool is_locked;

	dl_iterate_phdr(find_protection, &search);
	is_locked = search.protection >= 0 && !(search.protection & PROT_WRITE);
	if (is_locked && mprotect(page, page_bytes, search.protection | PROT_WRITE))
		return false;
	__atomic_store_n((void **)where, value, __ATOMIC_RELEASE);
	if (is_locked)
		mprotect(page, page_bytes, search.protection);
	return true;
}

struct import_search {
	uintptr_t inside;
	const char *symbol;
	void *value; /* NULL: only look */
	void *before;
	bool is_done;
};

struct relocations {
	const ElfW(Rela) * first;
	size_t size_bytes;
};

/* As of glibc 2.36 the loader has made these addresses absolute on x86-64 and aarch64. */
static uintptr_t dynamic_address(const struct dl_phdr_info *object, uintptr_t value)
{
	return value < object->dlpi_addr ? object->dlpi_addr + value : value;
}

static void patch_relocations(const struct dl_phdr_info *object, const struct relocations *table,
			      const ElfW(Sym) * symbols, const char *strings,
			      struct import_search *search)
{
	for (size_t i = 0; i < table->size_bytes / sizeof(*table->first); i++) {
		const ElfW(Rela) *reloc = &table->first[i];
		unsigned int type = (unsigned int)ELF64_R_TYPE(reloc->r_info);
		void **where = (void **)(object->dlpi_addr + reloc->r_offset);

		if ((type != RELOC_GOT && type != RELOC_PLT) ||
		    strcmp(strings + symbols[ELF64_R_SYM(reloc->r_info)].st_name, search->symbol))
			continue;
		search->before = *where;
		search->is_done |= !search->value || patch_pointer(where, search->value);
	}
}

static void patch_object(const struct dl_phdr_info *object, const ElfW(Dyn) * entry,
			 struct import_search *search)
{
	struct relocations plain = {0}, plt = {0};
	const ElfW(Sym) *symbols = NULL;
	const char *strings = NULL;

	for (; entry->d_tag != DT_NULL; entry++) {
		uintptr_t address = dynamic_address(object, entry->d_un.d_ptr);

		if (entry->d_tag == DT_SYMTAB)
			symbols = (const ElfW(Sym) *)address;
		else if (entry->d_tag == DT_STRTAB)
			strings = (const char *)address;
		else if (entry->d_tag == DT_RELA)
			plain.first = (const ElfW(Rela) *)address;
		else if (entry->d_tag == DT_RELASZ)
			plain.size_bytes = entry->d_un.d_val;
		else if (entry->d_tag == DT_JMPREL)
			plt.first = (const ElfW(Rela) *)address;
		else if (entry->d_tag == DT_PLTRELSZ)
			plt.size_bytes = entry->d_un.d_val;
	}
	if (!symbols || !strings)
		return;
	if (plain.first)
		patch_relocations(object, &plain, symbols, strings, search);
	if (plt.first)
		patch_relocations(object, &plt, symbols, strings, search);
}

static int find_object(struct dl_phdr_info *object, size_t unused_bytes, void *argument)
{
	struct import_search *search = argument;
	const ElfW(Dyn) *dynamic = NULL;
	bool is_it = false;

	(void)unused_bytes;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];

		if (segment->p_type == PT_DYNAMIC)
			dynamic = (const ElfW(Dyn) *)(object->dlpi_addr + segment->p_vaddr);
		if (segment->p_type == PT_LOAD && segment_holds(object, segment, search->inside))
			is_it = true;
	}
	if (!is_it)
		return 0;
	if (dynamic)
		patch_object(object, dynamic, search);
	return 1;
}

struct span_search {
	uintptr_t inside;
	uintptr_t start;
	uintptr_t end;
	bool is_found;
};

static int find_span(struct dl_phdr_info *object, size_t unused_bytes, void *argument)
{
	struct span_search *search = argument;

	(void)unused_bytes;
	search->start = UINTPTR_MAX;
	search->end = 0;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + segment->p_vaddr;

		if (segment->p_type != PT_LOAD)
			continue;
		search->start = MIN(search->start, start);
		search->end = MAX(search->end, start + segment->p_memsz);
		search->is_found |= segment_holds(object, segment, search->inside);
	}
	return search->is_found;
}

/* Where the loaded object that inside points into begins, and its size. Return: if there is one. */
_hidden_ bool patch_find_object(const void *inside, uintptr_t *ret_start, size_t *ret_size_bytes)
{
	struct span_search search = {.inside = (uintptr_t)inside};

	dl_iterate_phdr(find_span, &search);
	if (!search.is_found)
		return false;
	*ret_start = search.start;
	*ret_size_bytes = search.end - search.start;
	return true;
}

/*
 * In the loaded object that inside points into, let the import of symbol lead to value.
 *
 * Return: whether the object imports it; *ret_before is where it led.
 */
_hidden_ bool patch_import(const void *inside, const char *symbol, void *value, void **ret_before)
{
	struct import_search search = {
		.inside = (uintptr_t)inside, .symbol = symbol, .value = value};

	dl_iterate_phdr(find_object, &search);
	if (search.is_done)
		*ret_before = search.before;
	return search.is_done;
}

/*
 * In the loaded object that inside points into, where the import of symbol leads: NULL when there
 * is none. One that has not been called yet may still lead to the loader.
 */
_hidden_ const void *patch_find_import(const void *inside, const char *symbol)
{
	struct import_search search = {.inside = (uintptr_t)inside, .symbol = symbol};

	dl_iterate_phdr(find_object, &search);
	return search.before;
}
