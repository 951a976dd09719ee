/* SPDX-License-Identifier: Apache-2.0 */
/* Functions and lines of a module with debug information, without it, and stripped */
#include "check.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/defs.h"
#include "native-sample.h"
#include "symbol.h"

static const char *paths[5]; /* with debug information, without, stripped; many lines, ranges */

struct seen {
	uint64_t raddr;
	int line;
};
static struct seen seen[8];
static unsigned int n_seen;
static jmp_buf back;

static void note(int line)
{
	seen[n_seen++] = (struct seen){(uintptr_t)__builtin_return_address(0), line};
}

static __attribute__((noreturn)) void note_last(void)
{
	note(0);
	seen[n_seen - 1].raddr = (uintptr_t)__builtin_return_address(0);
	longjmp(back, 1);
}

/* Call all of the module. Return: its load base. */
static uint64_t run_sample(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void (*exported)(sample_fn);
	void (*last)(sample_last_fn);
	Dl_info info;

	assert_non_null(handle);
	*(void **)&exported = dlsym(handle, "sample_exported");
	*(void **)&last = dlsym(handle, "sample_last");
	assert_true(exported && last);
	n_seen = 0;
	exported(note);
	if (!setjmp(back))
		last(note_last);
	assert_int_equal(n_seen, 4);
	assert_true(dladdr(*(void **)&last, &info));
	return (uintptr_t)info.dli_fbase;
}

/* Where the function of a module is. */
static uint64_t offset_of(const char *path, const char *name)
{
	void *module = dlopen(path, RTLD_NOW);
	char *at = module ? dlsym(module, name) : NULL;
	Dl_info info;

	assert_true(at && dladdr(at, &info));
	return (uint64_t)(at - (char *)info.dli_fbase);
}

static struct pool *pool;
static struct symbols *symbols;
/* The file may be newer than the process: then the process has to map it, and does. */
static struct symbol_view view = {.has_our_root = true};

static int setup(void **state)
{
	(void)state;
	view.pid = getpid();
	return pool_new(&pool) || symbols_new(pool, &symbols);
}

static int teardown(void **state)
{
	(void)state;
	symbols = symbols_free(symbols);
	pool = pool_free(pool);
	return 0;
}

static struct symbol find(const char *path, uint64_t offset)
{
	struct symbol symbol;

	symbols_find(symbols, &view, path, offset, &symbol);
	assert_non_null(symbol.function);
	assert_false(symbol.is_interpreter);
	return symbol;
}

static bool ends(const char *text, const char *end)
{
	return text && strlen(text) >= strlen(end) &&
	       !strcmp(text + strlen(text) - strlen(end), end);
}

static void test_debug(void **state)
{
	static const char *const names[] = {"sample_exported", "sample_static", "sample_exported",
					    "sample_last"};
	uint64_t base = run_sample(paths[0]);

	(void)state;
	for (unsigned int round = 0; round < 2; round++)
		for (unsigned int i = 0; i < n_seen; i++) {
			struct symbol symbol = find(paths[0], seen[i].raddr - base);

			assert_string_equal(symbol.function, names[i]);
			assert_string_equal(symbol.module, "libnative-sample-debug.so");
			assert_true(ends(symbol.file, "/tests/unit/native-sample.c"));
			if (seen[i].line)
				assert_int_equal(symbol.line, seen[i].line);
		}
	/* The function that was put into another one stands where it was called. */
	assert_int_equal(find(paths[0], seen[2].raddr - base).line, seen[0].line + 2);
}

static void test_symtab(void **state)
{
	uint64_t base = run_sample(paths[1]);
	struct symbol symbol = find(paths[1], seen[1].raddr - base);

	(void)state;
	assert_string_equal(symbol.function, "sample_static");
	assert_null(symbol.file);
	assert_int_equal(symbol.line, 0);
	assert_string_equal(find(paths[1], seen[3].raddr - base).function, "sample_last");
}

/* No nearest name before it: that would be a guess. */
static void test_stripped(void **state)
{
	uint64_t base = run_sample(paths[2]);
	struct symbol symbol = find(paths[2], seen[1].raddr - base);
	char want[128];

	(void)state;
	snprintf(want, sizeof(want), "libnative-sample-stripped.so+0x%llx",
		 (unsigned long long)(seen[1].raddr - base));
	assert_string_equal(symbol.function, want);
	assert_false(symbol.is_named);
	assert_string_equal(find(paths[2], seen[0].raddr - base).function, "sample_exported");
	assert_string_equal(find(paths[2], seen[3].raddr - base).function, "sample_last");
}

/* A file that came into its place since is another one, unless the process maps it. */
static void test_newer(void **state)
{
	char copy[] = "/tmp/native-sample-XXXXXX", command[1024];
	uint64_t base = run_sample(paths[0]);

	(void)state;
	assert_true(mkstemp(copy) >= 0);
	snprintf(command, sizeof(command), "cp %s %s", paths[0], copy);
	assert_int_equal(system(command), 0);
	assert_false(find(copy, seen[0].raddr - base).is_named);
	view.started_at = UINT64_MAX;
	assert_true(find(copy, seen[0].raddr - base).is_named);
	view.started_at = 0;
	unlink(copy);
}

/* Neither waits for anybody nor says anything but the offset. */
static void test_no_module(void **state)
{
	char dir[] = "/tmp/native-sample-XXXXXX", fifo[64], text[64], hole[64];
	const char *const bad[] = {fifo,	 text, hole, dir,    "/dev/zero",
				   "/dev/stdin", "",   "x",  "/none"};
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	snprintf(text, sizeof(text), "%s/text", dir);
	snprintf(hole, sizeof(hole), "%s/hole", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	file = fopen(text, "w");
	assert_non_null(file);
	fputs("\177ELF\2\1\1 and nothing of the kind", file);
	fclose(file);
	file = fopen(hole, "w");
	assert_non_null(file);
	assert_int_equal(ftruncate(fileno(file), (off_t)1 << 40), 0);
	fclose(file);
	view.started_at = UINT64_MAX;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(find(bad[i], 0x1234).is_named);
	view.started_at = 0;
	assert_string_equal(find("/lib/none.so", 0x1234).function, "none.so+0x1234");
	assert_string_equal(find(NULL, 0x1234).function, "?");
	assert_false(find(paths[0], 0).is_named);
	unlink(fifo);
	unlink(text);
	unlink(hole);
	rmdir(dir);
}

/* Of a process that is gone, and was in a file system of its own, nothing is known. */
static void test_gone(void **state)
{
	uint64_t base = run_sample(paths[0]);

	(void)state;
	view = (struct symbol_view){.started_at = UINT64_MAX};
	assert_false(find(paths[0], seen[0].raddr - base).is_named);
	view.has_our_root = true;
	assert_true(find(paths[0], seen[0].raddr - base).is_named);
	/* But what it had while it was there, as far as that has been asked for. */
	view = (struct symbol_view){.has_our_root = true, .started_at = UINT64_MAX, .id = 7};
	assert_true(find(paths[0], seen[0].raddr - base).is_named);
	view = (struct symbol_view){.started_at = UINT64_MAX, .id = 7};
	assert_true(find(paths[0], seen[0].raddr - base).is_named);
	assert_false(find(paths[1], seen[0].raddr - base).is_named);
	view.id = 8;
	assert_false(find(paths[0], seen[0].raddr - base).is_named);
	/* Or when its root has been held. */
	view = (struct symbol_view){.started_at = UINT64_MAX, .root_fd = open("/", O_PATH)};
	assert_true(find(paths[0], seen[0].raddr - base).is_named);
	close(view.root_fd);
	view = (struct symbol_view){.has_our_root = true};
	view.pid = getpid();
}

static long max_rss_kb(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss;
}

/* 8 million lines in a file of 20 KB, which took 800 MB. */
static void test_many_lines(void **state)
{
	uint64_t offset = offset_of(paths[3], "bomb");
	long before = max_rss_kb();
	struct symbol symbol = find(paths[3], offset + 17);

	(void)state;
	assert_string_equal(symbol.function, "bomb");
	assert_null(symbol.file);
	assert_true(max_rss_kb() - before < 64 << 10);
}

/* 20,000 functions that hold 40,000 ranges each took 5 s. */
static void test_many_ranges(void **state)
{
	uint64_t offset = offset_of(paths[4], "bomb");
	clock_t begin = clock();

	(void)state;
	assert_string_equal(find(paths[4], offset + 17).function, "bomb");
	assert_true(clock() - begin < CLOCKS_PER_SEC);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_debug, setup, teardown),
		cmocka_unit_test_setup_teardown(test_symtab, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stripped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_module, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_ranges, setup, teardown),
	};

	if (argc != 6)
		return 2;
	memcpy(paths, argv + 1, sizeof(paths));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
