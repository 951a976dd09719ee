/* SPDX-License-Identifier: Apache-2.0 */
/* The nameless part of a function, and all that could be taken for one */
#include "check.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/defs.h"
#include "piece.h"
#include "symbol.h"

static const char *sample_path;

static const struct {
	const char *function;
	const char *rest; /* its symbol, with one of its end; NULL: none is to be found */
} shapes[] = {
	{"two", "two_rest"},	   {"_PyEval_EvalFrameDefault", "eval_rest"},
	{"chance", "chance_rest"}, {"one_jump", NULL},
	{"one_back", NULL},	   {"other_frame", NULL},
	{"into_function", NULL},   {"third", NULL},
	{"shared", NULL},	   {"tail_call", NULL},
	{"no_table", NULL},
};

/* A symbol of the sample, from the table that is there in a stripped file. */
static struct piece symbol(Elf *elf, const char *name)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn))) {
		Elf_Data *data;
		GElf_Shdr shdr;
		GElf_Sym sym;

		assert_non_null(gelf_getshdr(scn, &shdr));
		if (shdr.sh_type != SHT_DYNSYM)
			continue;
		data = elf_getdata(scn, NULL);
		for (int i = 0; gelf_getsym(data, i, &sym); i++)
			if (!strcmp(elf_strptr(elf, shdr.sh_link, sym.st_name), name))
				return (struct piece){sym.st_value, sym.st_value + sym.st_size};
	}
	fail_msg("no symbol %s", name);
	return (struct piece){0};
}

static int open_sample(Elf **ret_elf)
{
	int fd = open(sample_path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	elf_version(EV_CURRENT);
	*ret_elf = elf_begin(fd, ELF_C_READ, NULL);
	assert_non_null(*ret_elf);
	return fd;
}

static void test_shapes(void **state)
{
	Elf *elf;
	int fd = open_sample(&elf);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct piece rest = {7, 7}, want = {7, 7};
		char end[64];

		if (shapes[i].rest) {
			snprintf(end, sizeof(end), "%s_end", shapes[i].rest);
			want.begin = symbol(elf, shapes[i].rest).begin;
			want.end = symbol(elf, end).begin;
		}
		if (piece_find(elf, fd, symbol(elf, shapes[i].function), &rest) !=
			    (shapes[i].rest != NULL) ||
		    rest.begin != want.begin || rest.end != want.end)
			fail_msg("%s: %#lx to %#lx", shapes[i].function, (unsigned long)rest.begin,
				 (unsigned long)rest.end);
	}
	elf_end(elf);
	close(fd);
}

/* The description and the symbol have to say the same. */
static void test_extent(void **state)
{
	struct piece rest, function;
	Elf *elf;
	int fd = open_sample(&elf);

	(void)state;
	function = symbol(elf, "two");
	assert_true(piece_find(elf, fd, function, &rest));
	for (int by = -1; by <= 1; by += 2) {
		assert_false(piece_find(elf, fd,
					(struct piece){function.begin, function.end + (uint64_t)by},
					&rest));
		assert_false(piece_find(elf, fd,
					(struct piece){function.begin + (uint64_t)by, function.end},
					&rest));
	}
	assert_false(piece_find(elf, fd, (struct piece){0, 0}, &rest));
	assert_false(piece_find(elf, fd, (struct piece){UINT64_MAX - 4, 4}, &rest));
	assert_false(piece_find(elf, fd, (struct piece){4, 0}, &rest));
	elf_end(elf);
	close(fd);
}

/* Any name in the module of an interpreter; a piece has that of its function. */
static void test_symbol(void **state)
{
	struct symbol_view view = {.has_our_root = true, .started_at = UINT64_MAX};
	struct symbols *symbols;
	struct symbol found;
	struct pool *pool;
	struct piece rest;
	Elf *elf;
	int fd = open_sample(&elf);

	(void)state;
	rest = (struct piece){symbol(elf, "eval_rest").begin, symbol(elf, "eval_rest_end").begin};
	assert_int_equal(pool_new(&pool), 0);
	assert_int_equal(symbols_new(pool, &symbols), 0);
	for (uint64_t at = rest.begin; at < rest.end; at++) {
		symbols_find(symbols, &view, sample_path, at + 1, &found);
		assert_true(found.is_named && found.is_interpreter);
		assert_string_equal(found.function, "_PyEval_EvalFrameDefault");
	}
	symbols_find(symbols, &view, sample_path, rest.end + 1, &found);
	assert_string_not_equal(found.function, "_PyEval_EvalFrameDefault");
	symbols_free(symbols);
	pool_free(pool);
	elf_end(elf);
	close(fd);
}

/* Whatever a file says, it is read within its bounds and comes to an end. */
static void try_bytes(const unsigned char *bytes, size_t n_bytes, struct piece function)
{
	int fd = memfd_create("piece", MFD_CLOEXEC);
	struct piece rest;
	Elf *elf;

	assert_true(fd >= 0 && write(fd, bytes, n_bytes) == (ssize_t)n_bytes);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && piece_find(elf, fd, function, &rest))
		assert_true(rest.begin < rest.end);
	elf_end(elf);
	close(fd);
}

static void test_mangled(void **state)
{
	static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
	struct piece function;
	unsigned char *bytes;
	size_t n_segments;
	GElf_Phdr phdr;
	struct stat st;
	Elf *elf;
	int fd = open_sample(&elf);

	(void)state;
	function = symbol(elf, "two");
	assert_int_equal(fstat(fd, &st), 0);
	bytes = malloc((size_t)st.st_size);
	assert_true(bytes && pread(fd, bytes, (size_t)st.st_size, 0) == st.st_size);
	assert_int_equal(elf_getphdrnum(elf, &n_segments), 0);
	for (size_t i = 0; i < n_segments; i++)
		if (gelf_getphdr(elf, (int)i, &phdr) && phdr.p_type == PT_GNU_EH_FRAME)
			break;
	assert_int_equal(phdr.p_type, PT_GNU_EH_FRAME);
	for (size_t n = 0; n < (size_t)st.st_size; n += 97)
		try_bytes(bytes, n, function);
	/* The headers, the index and what lies behind it. */
	for (size_t i = 0; i < (size_t)st.st_size; i++) {
		unsigned char was = bytes[i];

		if (i >= 1024 && (i < phdr.p_offset || i >= phdr.p_offset + 2048))
			continue;
		for (size_t k = 0; k < ARRAY_LEN(values); k++) {
			bytes[i] = values[k];
			try_bytes(bytes, (size_t)st.st_size, function);
		}
		bytes[i] = was;
	}
	free(bytes);
	elf_end(elf);
	close(fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_extent),
		cmocka_unit_test(test_symbol),
		cmocka_unit_test(test_mangled),
	};

	if (argc != 2)
		return 2;
	sample_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
