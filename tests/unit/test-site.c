/* SPDX-License-Identifier: Apache-2.0 */
/* Who is to blame: places by path, own code by command line, culprits by stack */
#include "check.h"

#include <stdlib.h>

#include "base/defs.h"
#include "own-code.h"
#include "place.h"
#include "site.h"

static void test_places(void **state)
{
	static const struct {
		const char *file;
		enum place place;
		const char *module; /* NULL: the file system knows */
	} cases[] = {
		{"/srv/app/main.py", PLACE_OWN, NULL},
		{"app.py", PLACE_OWN, NULL},
		{"<string>", PLACE_OWN, NULL},
		{"<stdin>", PLACE_OWN, NULL},
		{"<frozen runpy>", PLACE_STDLIB, "runpy"},
		{"/usr/lib/python3.11/asyncio/events.py", PLACE_STDLIB, "asyncio.events"},
		{"/usr/lib64/python3.8/selectors.py", PLACE_STDLIB, "selectors"},
		{"/opt/py/lib/python3.13t/asyncio/__init__.py", PLACE_STDLIB, "asyncio"},
		{"/usr/lib/python311.zip/runpy.py", PLACE_STDLIB, "runpy"},
		{"/usr/lib/python3/dist-packages/uvicorn/main.py", PLACE_LIBRARY, "uvicorn.main"},
		{"/v/lib/python3.11/site-packages/requests/__init__.py", PLACE_LIBRARY, "requests"},
		{"/v/lib/python3.11/site-packages/six.py", PLACE_LIBRARY, "six"},
		{"/home/u/python3.11/app.py", PLACE_OWN, NULL},
		{"/home/u/lib/pythonic/app.py", PLACE_OWN, NULL},
		{"", PLACE_LIBRARY, NULL},
		{NULL, PLACE_LIBRARY, NULL},
	};
	char module[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *inside = cases[i].file ? place_inside(cases[i].file) : NULL;

		print_message("%s\n", cases[i].file ? cases[i].file : "(null)");
		assert_int_equal(place_of(cases[i].file), cases[i].place);
		if (!cases[i].module)
			continue;
		place_module(inside ? inside : cases[i].file, module, sizeof(module));
		assert_string_equal(module, cases[i].module);
	}
}

#define SITE "/v/lib/python3.11/site-packages/"

static void test_own_code(void **state)
{
#define CMD(text) text, sizeof(text)
	static const struct {
		const char *cmdline;
		size_t length;
		const char *own, *foreign;
	} cases[] = {
		{CMD("python3\0-m\0shop"), SITE "shop/a.py", SITE "requests/a.py"},
		{CMD("python3\0-mshop.web"), SITE "shop/a.py", SITE "web/a.py"},
		{CMD("/usr/bin/python3\0-X\0dev\0-W\0error\0-m\0shop"), SITE "shop/a.py",
		 SITE "dev/a.py"},
		{CMD("/v/bin/python\0/v/bin/my-shop\0--port\0"
		     "80"),
		 SITE "my_shop/a.py", SITE "shop/a.py"},
		{CMD("/v/bin/python\0/v/bin/uvicorn\0--loop\0uvloop\0shop.web:app"),
		 SITE "shop/a.py", SITE "uvicorn/main.py"},
		{CMD("/v/bin/python\0/v/bin/gunicorn\0-b\0localhost:8000\0shop.wsgi:make"),
		 SITE "shop/a.py", SITE "localhost/a.py"},
		{CMD("gunicorn\0-b\0unix:/run/x\0shop:app"), SITE "shop.py", SITE "unix.py"},
		{CMD("python3\0-m\0uvicorn\0shop:app"), SITE "shop/a.py", SITE "uvicorn/a.py"},
		{CMD("python3\0-c\0import shop"), NULL, SITE "shop/a.py"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct own_code own = {0};

		own_code_add_cmdline(&own, cases[i].cmdline, cases[i].length);
		print_message("case %zu\n", i);
		assert_false(own_code_has(&own, cases[i].foreign));
		if (cases[i].own)
			assert_true(own_code_has(&own, cases[i].own));
	}
}

/* What multiprocessing gives to -c is its own; what people give is theirs. */
static void test_own_string(void **state)
{
	static const struct {
		const char *cmdline;
		size_t length;
		bool is_own;
	} cases[] = {
		{CMD("/v/bin/python\0-c\0from multiprocessing.spawn import spawn_main; "
		     "spawn_main(tracker_fd=5, pipe_handle=7)\0--multiprocessing-fork"),
		 false},
		{CMD("python3\0-X\0dev\0-B\0-c\0from multiprocessing.forkserver import main; main()"),
		 false},
		{CMD("python3\0-cfrom multiprocessing.resource_tracker import main;main(3)"),
		 false},
		{CMD("python3\0-c\0import multiprocessing.spawn"), true},
		{CMD("python3\0-c\0from multiprocessing import Pool"), true},
		{CMD("python3\0-c"), true},
		{CMD("python3\0app.py\0-c\0from multiprocessing.spawn import x"), true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct own_code own = {0};

		own_code_add_cmdline(&own, cases[i].cmdline, cases[i].length);
		print_message("case %zu\n", i);
		assert_int_equal(own_code_is_own(&own, "<string>"), cases[i].is_own);
		assert_true(own_code_is_own(&own, "/srv/app.py"));
		assert_false(own_code_is_own(&own, SITE "requests/api.py"));
		assert_false(own_code_is_own(&own, NULL));
	}
}

static void test_own_globs(void **state)
{
	struct own_code own = {0};
	char *many = calloc(1, 100000);

	(void)state;
	own_code_add_globs(&own, "shop_*,,/opt/vendor/*");
	assert_true(own_code_has(&own, SITE "shop_web/a.py"));
	assert_true(own_code_has(&own, "/opt/vendor/lib/python3.11/site-packages/x/a.py"));
	assert_false(own_code_has(&own, SITE "shop/a.py"));
	assert_false(own_code_has(&own, NULL));
	memset(many, 'a', 99999);
	own_code_add_globs(&own, many);
	for (size_t i = 1; i < 99999; i += 2)
		many[i] = ',';
	own_code_add_globs(&own, many);
	assert_int_equal(own.n_patterns, OWN_CODE_MAX_PATTERNS);
	free(many);
}

/* Frames are told apart by the pointers of their names, as those of a pool. */
static const char app[] = "/srv/app.py", lib[] = SITE "requests/api.py",
		  std[] = "/usr/lib/python3.11/socket.py";
static const char handler[] = "handler", f[] = "f", g[] = "g", comp[] = "f.<locals>.<listcomp>",
		  get[] = "get", wait_for[] = "wait", module[] = "<module>";

#define OWN(function, line)                                   \
	{                                                     \
		app, function, NULL, line, FRAME_PYTHON, true \
	}
#define LIB(function)                                       \
	{                                                   \
		lib, function, NULL, 5, FRAME_PYTHON, false \
	}
#define STD(function)                                       \
	{                                                   \
		std, function, NULL, 6, FRAME_PYTHON, false \
	}

#define HANDLE                                                                                 \
	{                                                                                      \
		"/usr/lib/python3.11/asyncio/events.py", "Handle._run", NULL, 7, FRAME_PYTHON, \
			false                                                                  \
	}

#define SPAWN                                                    \
	{                                                        \
		"<string>", module, NULL, 1, FRAME_PYTHON, false \
	}

static struct stack *stack_of(const struct frame *frames, uint32_t n_frames)
{
	struct stack *stack = calloc(1, sizeof(*stack) + n_frames * sizeof(*frames));

	stack->count = 1;
	stack->n_frames = n_frames;
	memcpy(stack->frames, frames, n_frames * sizeof(*frames));
	return stack;
}

#define STACK(...)                                    \
	stack_of((const struct frame[]){__VA_ARGS__}, \
		 sizeof((const struct frame[]){__VA_ARGS__}) / sizeof(struct frame))

static void check_site(struct stack *stack, const char *function, int32_t line, uint32_t n_chain)
{
	struct site site;

	site_of_stack(stack, &site);
	assert_string_equal(site.culprit.function, function);
	assert_int_equal(site.culprit.line, line);
	assert_int_equal(site.n_chain, n_chain);
	free(stack);
}

static void test_one_stack(void **state)
{
	struct site site;

	(void)state;
	check_site(STACK(STD(wait_for), LIB(get), OWN(f, 3), OWN(handler, 9), OWN(module, 20)), "f",
		   3, 3);
	/* A callback of the user's below a library's frame is still the innermost of theirs. */
	check_site(STACK(OWN(g, 2), LIB(get), OWN(handler, 9)), "g", 2, 2);
	/* None of the user's: the library, and not the standard library inside it. */
	check_site(STACK(STD(wait_for), LIB(get), STD(handler)), "get", 5, 1);
	check_site(STACK(STD(wait_for), STD(handler)), "wait", 6, 1);
	/* The <string> of multiprocessing is nobody to blame. */
	check_site(STACK(STD(wait_for), LIB(get), STD(handler), SPAWN), "get", 5, 1);
	check_site(STACK(STD(wait_for), STD(handler), SPAWN), "wait", 6, 1);
	/* A comprehension is its function's, recursion is one link of the chain. */
	check_site(STACK(OWN(comp, 4), OWN(f, 3), OWN(handler, 9)), "f", 3, 2);
	check_site(STACK(OWN(f, 5), OWN(f, 3), OWN(f, 3), OWN(handler, 9)), "f", 5, 2);
	/* Who starts a loop has not done what others' callbacks do; of their own it is the caller.
	 */
	check_site(STACK(STD(wait_for), HANDLE, OWN(module, 20)), "wait", 6, 1);
	check_site(STACK(STD(wait_for), LIB(get), HANDLE, OWN(module, 20)), "get", 5, 1);
	check_site(STACK(STD(wait_for), OWN(f, 3), HANDLE, OWN(module, 20)), "f", 3, 2);
	site_of_stack(NULL, &site);
	assert_null(site.culprit.file);
}

static void check_samples(struct stack **stacks, uint32_t n, const char *function, int32_t line)
{
	struct site site;

	site_of_samples(stacks, n, &site);
	assert_string_equal(site.culprit.function, function);
	assert_int_equal(site.culprit.line, line);
	while (n)
		free(stacks[--n]);
}

static void test_samples(void **state)
{
	struct site site;

	(void)state;
	/* Most are in f: f, at the line seen most often. */
	check_samples((struct stack *[]){STACK(OWN(f, 3), OWN(handler, 9)),
					 STACK(OWN(f, 4), OWN(handler, 9)),
					 STACK(OWN(f, 4), OWN(handler, 9)),
					 STACK(OWN(g, 7), OWN(handler, 10))},
		      4, "f", 4);
	/* Spread over two helpers: whoever calls both. */
	check_samples((struct stack *[]){STACK(OWN(f, 3), OWN(handler, 9)),
					 STACK(OWN(g, 7), OWN(handler, 10)),
					 STACK(OWN(f, 3), OWN(handler, 9)),
					 STACK(OWN(g, 7), OWN(handler, 10))},
		      4, "handler", 9);
	/* Callbacks that share nothing: the one that was there most often. */
	check_samples((struct stack *[]){STACK(OWN(f, 3)), STACK(OWN(g, 7)), STACK(OWN(handler, 1)),
					 STACK(OWN(g, 8))},
		      4, "g", 7);
	site_of_samples(NULL, 0, &site);
	assert_null(site.culprit.file);
}

static void test_deep_stack(void **state)
{
	static char names[200][8];
	struct frame frames[200];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++)
		frames[i] = (struct frame){app, names[i], NULL, (int32_t)i + 1, FRAME_PYTHON, true};
	strcpy(names[0], "inner");
	check_site(stack_of(frames, ARRAY_LEN(frames)), "inner", 1, SITE_MAX_CHAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),	   cmocka_unit_test(test_own_code),
		cmocka_unit_test(test_own_string), cmocka_unit_test(test_own_globs),
		cmocka_unit_test(test_one_stack),  cmocka_unit_test(test_samples),
		cmocka_unit_test(test_deep_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
