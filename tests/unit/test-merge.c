/* SPDX-License-Identifier: Apache-2.0 */
/* Python and native frames as one stack: every shape that the versions of CPython give */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/defs.h"
#include "merge.h"

#define MAX_FRAMES 16
#define EVAL	   "P:_PyEval_EvalFrameDefault"

/*
 * A native frame is "M:function": P the interpreter (p: without a name), S the shim, C libc, X an
 * extension, A _asyncio. What comes out is Python's function as it is and the others as
 * "M:function", with a space between; NULL: no merged stack.
 */
struct shape {
	const char *label;
	const char *python[MAX_FRAMES];
	uint64_t entries;
	const char *native[MAX_FRAMES];
	const char *call;
	bool is_python_cut, is_native_cut;
	const char *want;
};

static const struct shape shapes[] = {
	{"3.8: a loop for each frame",
	 {"sleepy", "handler", "<module>"},
	 7,
	 {"S:clock_nanosleep", "P:time_sleep", "P:cfunction_vectorcall_O", EVAL,
	  "P:function_code_fastcall", EVAL, "P:_PyFunction_Vectorcall", EVAL, "P:PyEval_EvalCode",
	  "P:Py_BytesMain", "C:__libc_start_main", "P:_start"},
	 "clock_nanosleep",
	 false,
	 false,
	 "C:clock_nanosleep P:time_sleep sleepy handler <module>"},
	{"3.12: one loop runs all",
	 {"sleepy", "handler", "<module>"},
	 4,
	 {"S:clock_nanosleep", "S:call_end", "P:time_sleep", EVAL, "P:Py_RunMain",
	  "C:__libc_start_main"},
	 "clock_nanosleep",
	 false,
	 false,
	 "C:clock_nanosleep P:time_sleep sleepy handler <module>"},
	{"back into Python from C: sorted with a key",
	 {"key", "sorter", "<module>"},
	 5,
	 {"S:poll", "X:wait", EVAL, "P:_PyEval_Vector", "P:list_sort", "P:builtin_sorted", EVAL,
	  "P:main"},
	 "poll",
	 false,
	 false,
	 "C:poll X:wait key P:list_sort P:builtin_sorted sorter <module>"},
	{"3.11: two runs in one thread",
	 {"a", "b", "c", "d"},
	 10,
	 {"X:spin", EVAL, "X:callback", EVAL, "C:start_thread", "C:clone3"},
	 NULL,
	 false,
	 false,
	 "X:spin a b X:callback c d"},
	{"asyncio's own frames and our hooks are left out",
	 {"coro", "run", "main"},
	 5,
	 {"S:recv", "P:sock_recv", EVAL, "P:gen_send_ex", "A:task_step_impl", "S:context_run",
	  "P:context_run", EVAL, "P:main"},
	 "recv",
	 false,
	 false,
	 "C:recv P:sock_recv coro run main"},
	{"the native frames begin behind the shim",
	 {"f"},
	 1,
	 {"X:wait", EVAL, "P:main"},
	 "poll",
	 false,
	 false,
	 "C:poll X:wait f"},
	{"no call: a sample",
	 {"f"},
	 1,
	 {"S:PyContext_Exit", "P:sre_ucs1_match", "P:_sre_SRE_Pattern_match", "P:method_vectorcall",
	  EVAL},
	 NULL,
	 false,
	 false,
	 "P:sre_ucs1_match P:_sre_SRE_Pattern_match f"},
	{"a program that embeds Python",
	 {"f"},
	 1,
	 {"X:wait", EVAL, "P:PyRun_SimpleString", "X:serve", "X:main", "C:__libc_start_main",
	  "X:_start"},
	 NULL,
	 false,
	 false,
	 "X:wait f X:serve X:main"},
	{"a stripped interpreter says nothing but where its loop is",
	 {"f", "g"},
	 3,
	 {"S:read", "p:python3.11+0x1f", "p:python3.11+0x2f", EVAL, "p:python3.11+0x3f", EVAL,
	  "p:python3.11+0x4f"},
	 "read",
	 false,
	 false,
	 "C:read f g"},
	{"code is called and brought in",
	 {"f", "<module>", "_call", "app"},
	 11,
	 {"X:wait", EVAL, "P:builtin_exec", EVAL, "P:builtin___import__", "P:PyImport_ImportModule",
	  EVAL},
	 NULL,
	 false,
	 false,
	 "X:wait f <module> _call app"},
	{"the collector runs a finalizer",
	 {"__del__", "f"},
	 3,
	 {"S:fsync", EVAL, "P:slot_tp_finalize", "P:subtype_dealloc", "P:list_dealloc",
	  "P:gc_collect_main", EVAL},
	 "fsync",
	 false,
	 false,
	 "C:fsync __del__ P:gc_collect_main f"},
	{"3.14: instructions are functions, and the loop is one of them",
	 {"f", "g", "h"},
	 5,
	 {"S:read", "P:os_read", "P:_TAIL_CALL_CALL", "P:PyObject_Vectorcall",
	  "P:_TAIL_CALL_CALL_KW", "P:PyEval_EvalCode"},
	 "read",
	 false,
	 false,
	 "C:read P:os_read f g h"},
	{"or stands behind them",
	 {"f", "g", "h"},
	 5,
	 {"S:read", "P:_TAIL_CALL_CALL", EVAL, "P:PyObject_Vectorcall", "P:_TAIL_CALL_CALL", EVAL,
	  "P:main"},
	 "read",
	 false,
	 false,
	 "C:read f g h"},
	{"more loops than runs", {"f"}, 1, {"X:wait", EVAL, EVAL}, NULL, false, false, NULL},
	{"more runs than loops", {"f", "g"}, 3, {"X:wait", EVAL}, NULL, false, false, NULL},
	{"the last run does not end",
	 {"f", "g"},
	 1,
	 {"X:wait", EVAL, EVAL},
	 NULL,
	 false,
	 false,
	 NULL},
	{"no bits at all", {"f", "g"}, 0, {"X:wait", EVAL}, NULL, false, false, NULL},
	{"no native frames", {"f"}, 1, {NULL}, NULL, false, false, NULL},
	{"no Python frames", {NULL}, 0, {"X:wait", "P:main"}, NULL, false, false, NULL},
	{"a loop without Python frames", {NULL}, 0, {"X:wait", EVAL}, NULL, false, false, NULL},
	{"one of the loops has no name",
	 {"f", "g"},
	 3,
	 {"X:wait", EVAL, "p:python3.11+0x9"},
	 NULL,
	 false,
	 false,
	 NULL},
	{"somebody else's function of that name",
	 {"f"},
	 1,
	 {"X:_PyEval_EvalFrameDefault", EVAL},
	 NULL,
	 false,
	 false,
	 "X:_PyEval_EvalFrameDefault f"},
	{"Python's outer frames are missing",
	 {"f", "f"},
	 3,
	 {"X:wait", EVAL, EVAL, EVAL, EVAL},
	 NULL,
	 true,
	 false,
	 "X:wait f f"},
	{"likewise, in the middle of a run",
	 {"f", "f"},
	 0,
	 {"X:wait", EVAL, "X:main"},
	 NULL,
	 true,
	 false,
	 "X:wait f f"},
	{"the native outer frames are missing",
	 {"f", "g", "h"},
	 7,
	 {"X:wait", EVAL, "X:callback"},
	 NULL,
	 false,
	 true,
	 "X:wait f X:callback g h"},
};

static struct symbol symbol_of(const char *text)
{
	static const char *const modules[] = {
		['P'] = "libpython3.12.so.1.0", ['p'] = "python3.11",
		['S'] = "libloophound.so",	['C'] = "libc.so.6",
		['X'] = "extension.so",		['A'] = "_asyncio.so"};

	return (struct symbol){
		.function = text + 2,
		.module = modules[(unsigned char)*text],
		.is_named = *text != 'p',
		.is_interpreter = *text == 'P' || *text == 'p',
	};
}

static char module_letter(const struct frame *frame)
{
	return !strcmp(frame->module, "libc.so.6")	? 'C'
	       : !strcmp(frame->module, "extension.so") ? 'X'
							: 'P';
}

static const char *stack_text(const struct stack *stack, char *buf, size_t room)
{
	size_t n = 0;

	*buf = '\0';
	for (uint32_t i = 0; i < stack->n_frames && n < room; i++) {
		const struct frame *frame = &stack->frames[i];

		if (frame->kind == FRAME_NATIVE)
			n += (size_t)snprintf(buf + n, room - n, "%s%c:%s", i ? " " : "",
					      module_letter(frame), frame->function);
		else
			n += (size_t)snprintf(buf + n, room - n, "%s%s", i ? " " : "",
					      frame->function);
	}
	return buf;
}

static void check_shape(const struct shape *shape)
{
	struct stack *python = calloc(1, sizeof(*python) + MAX_FRAMES * sizeof(struct frame));
	uint64_t entries[2] = {shape->entries, 0};
	struct symbol natives[MAX_FRAMES];
	struct merge merge = {
		.python = python,
		.entries = entries,
		.natives = natives,
		.is_python_cut = shape->is_python_cut,
		.is_native_cut = shape->is_native_cut,
		.call = shape->call,
		.libc = "libc.so.6",
	};
	struct stack *stack = NULL;
	char text[512];

	assert_non_null(python);
	python->count = 7;
	for (; shape->python[python->n_frames]; python->n_frames++)
		python->frames[python->n_frames].function = shape->python[python->n_frames];
	for (; merge.n_natives < MAX_FRAMES && shape->native[merge.n_natives]; merge.n_natives++)
		natives[merge.n_natives] = symbol_of(shape->native[merge.n_natives]);
	if (!shape->want) {
		assert_int_equal(merge_stacks(&merge, &stack), MERGE_E_COUNT);
		assert_null(stack);
	} else {
		assert_int_equal(merge_stacks(&merge, &stack), 0);
		assert_string_equal(stack_text(stack, text, sizeof(text)), shape->want);
		assert_int_equal(stack->count, 7);
	}
	free(stack);
	free(python);
}

static void test_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		print_message("%s\n", shapes[i].label);
		check_shape(&shapes[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
