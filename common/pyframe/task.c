/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Task: objects of asyncio's C accelerator
 *
 * Up to 3.13 the fields of _asyncio.Task stand in a table (struct TaskObj of
 * Modules/_asynciomodule.c, each version's). From 3.14 on the module describes itself in a section
 * .AsyncioDebug, for debuggers; its symbol is not exported by the builds seen, and section headers
 * are not loaded, so the 13 words are searched for in the module's writable data: two of them, the
 * sizes of the interpreter state and of the thread state, are known from the interpreter's own
 * description, which makes a chance match out of the question, and all are checked.
 *
 * The accelerator's type is told by its name and the size of its instances; a subclass is followed
 * to it. The task a thread runs is read from the thread from 3.14 on. Before, it is in a dict from
 * loop to task that other threads may rebuild at any moment (dict.c): what is found there must be a
 * task, and one of that loop.
 *
 * A set is read as its table, in pieces; what is no task in there is a hole or was taken out.
 */
#include <errno.h>
#include <string.h>

#include "pyframe/dict.h"
#include "pyframe/object.h"
#include "pyframe/task.h"

/* class A(B), class B(asyncio.Task): nobody goes much further. */
#define TASK_MAX_BASES 8
#define TASK_MAX_BYTES 4096
/* A thread state with what belongs to it is about a kilobyte. */
#define TASK_MAX_THREAD_BYTES 8192
/* Tables are read by entries; of a larger set the first of them are looked at. */
#define TASK_MAX_SET_ENTRIES UINT64_C(1024)
#define TASK_SET_PIECE	     32
#define TASK_PIECE_BYTES     512

#define TASK_TYPE_NAME	     "_asyncio.Task"

/* A callable of C is a struct with the task as its first field, or a built-in method of the task:
 * PyCFunctionObject has m_ml, then m_self. */
#define TASK_STEP_NAME	    "TaskStepMethWrapper"
#define TASK_WAKEUP_NAME    "TaskWakeupMethWrapper"
#define TASK_BUILTIN_NAME   "builtin_function_or_method"
#define TASK_MODULE_PREFIX  "_asyncio."
#define TASK_BUILTIN_M_SELF 8

struct task_table {
	uint8_t minor;
	uint8_t task_bytes;
	uint8_t coro;
	uint8_t name;
};

static const struct task_table task_tables[] = {
	{8, 144, 112, 120},  {9, 184, 152, 160},  {10, 192, 160, 168},
	{11, 176, 136, 144}, {12, 176, 136, 144}, {13, 144, 120, 128},
};

/* struct _Py_AsyncioModuleDebugOffsets, 3.14 and 3.15. */
enum {
	DEBUG_TASK_BYTES,
	DEBUG_TASK_NAME,
	DEBUG_TASK_AWAITED_BY,
	DEBUG_TASK_IS_TASK,
	DEBUG_TASK_AWAITED_BY_IS_SET,
	DEBUG_TASK_CORO,
	DEBUG_TASK_NODE,
	DEBUG_INTERP_BYTES,
	DEBUG_INTERP_TASKS_HEAD,
	DEBUG_THREAD_BYTES,
	DEBUG_THREAD_LOOP,
	DEBUG_THREAD_TASK,
	DEBUG_THREAD_TASKS_HEAD,
	_DEBUG_N_WORDS,
};

static bool task_is_field(uint64_t offset, uint64_t width, uint64_t size)
{
	return offset && offset <= size && width <= size - offset && offset % width == 0;
}

static bool task_is_description(const struct pyframe *p, const uint64_t *words)
{
	uint64_t task_bytes = words[DEBUG_TASK_BYTES], thread_bytes = words[DEBUG_THREAD_BYTES];

	return words[DEBUG_INTERP_BYTES] == p->layout.interp_bytes &&
	       task_bytes <= TASK_MAX_BYTES && thread_bytes <= TASK_MAX_THREAD_BYTES &&
	       task_is_field(words[DEBUG_TASK_NAME], 8, task_bytes) &&
	       task_is_field(words[DEBUG_TASK_AWAITED_BY], 8, task_bytes) &&
	       task_is_field(words[DEBUG_TASK_IS_TASK], 1, task_bytes) &&
	       task_is_field(words[DEBUG_TASK_AWAITED_BY_IS_SET], 1, task_bytes) &&
	       task_is_field(words[DEBUG_TASK_CORO], 8, task_bytes) &&
	       task_is_field(words[DEBUG_INTERP_TASKS_HEAD], 8, words[DEBUG_INTERP_BYTES]) &&
	       task_is_field(words[DEBUG_THREAD_LOOP], 8, thread_bytes) &&
	       task_is_field(words[DEBUG_THREAD_TASK], 8, thread_bytes);
}

static void task_take_description(const uint64_t *words, struct task_layout *ret_layout)
{
	*ret_layout = (struct task_layout){
		.task_bytes = (uint32_t)words[DEBUG_TASK_BYTES],
		.coro = (uint32_t)words[DEBUG_TASK_CORO],
		.name = (uint32_t)words[DEBUG_TASK_NAME],
		.has_awaiters = true,
		.awaited_by = (uint32_t)words[DEBUG_TASK_AWAITED_BY],
		.awaited_by_is_set = (uint32_t)words[DEBUG_TASK_AWAITED_BY_IS_SET],
		.thread_task = (uint32_t)words[DEBUG_THREAD_TASK],
	};
}

/* Pieces overlap by all but one word of a description, so that none is cut in two. */
static int task_search(const struct pyframe *p, const struct mem *mem, uint64_t raddr,
		       uint64_t n_bytes, struct task_layout *ret_layout)
{
	uint64_t words[TASK_PIECE_BYTES / 8];
	size_t n_words;

	if (!p->layout.interp_bytes || raddr % 8)
		return PYFRAME_E_OFFSETS;
	while (n_bytes >= _DEBUG_N_WORDS * sizeof(words[0])) {
		n_words = (size_t)(MIN(n_bytes, (uint64_t)sizeof(words)) / sizeof(words[0]));
		if (mem_read(mem, raddr, words, n_words * sizeof(words[0])) < 0)
			return PYFRAME_E_OFFSETS;
		for (size_t i = 0; i + _DEBUG_N_WORDS <= n_words; i++) {
			if (!task_is_description(p, &words[i]))
				continue;
			task_take_description(&words[i], ret_layout);
			return 0;
		}
		n_words -= _DEBUG_N_WORDS - 1;
		raddr += n_words * sizeof(words[0]);
		n_bytes -= n_words * sizeof(words[0]);
	}
	return PYFRAME_E_OFFSETS;
}

/**
 * task_init() - Find out where tasks keep things
 *
 * Return: 0, PYFRAME_E_OFFSETS when the range does not hold a description, or PYFRAME_E_VERSION.
 */
int task_init(const struct pyframe *p, const struct mem *mem, uint64_t range_raddr,
	      uint64_t n_bytes, struct task_layout *ret_layout)
{
	if (p->layout.minor >= 14)
		return task_search(p, mem, range_raddr, n_bytes, ret_layout);
	/* Its object header is longer there, and nothing says by how much it moves the rest. */
	if (p->layout.is_free_threaded)
		return PYFRAME_E_VERSION;
	for (size_t i = 0; i < ARRAY_LEN(task_tables); i++) {
		if (task_tables[i].minor != p->layout.minor)
			continue;
		*ret_layout = (struct task_layout){
			.task_bytes = task_tables[i].task_bytes,
			.coro = task_tables[i].coro,
			.name = task_tables[i].name,
		};
		return 0;
	}
	return PYFRAME_E_VERSION;
}

/* Return: 0 when it is a task of the accelerator, or of a class made of it. */
static int task_check(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		      uint64_t task_raddr)
{
	struct object_type type;
	uint64_t type_raddr;
	int r;

	r = object_read_type(p, mem, task_raddr, &type_raddr);
	for (int i = 0; r == 0 && type_raddr && i < TASK_MAX_BASES; i++) {
		r = object_describe_type(p, mem, type_raddr, &type);
		if (r < 0)
			return r;
		if (!strcmp(type.name, TASK_TYPE_NAME))
			return type.size_bytes == t->task_bytes ? 0 : -EINVAL;
		type_raddr = type.base_raddr;
	}
	return r < 0 ? r : -EINVAL;
}

int task_coroutine(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		   uint64_t task_raddr, uint64_t *ret_coro_raddr)
{
	uint64_t coro_raddr;
	int r;

	r = task_check(p, t, mem, task_raddr);
	if (r == 0)
		r = mem_read(mem, task_raddr + t->coro, &coro_raddr, 8);
	if (r < 0)
		return r;
	/* The garbage collector has taken it. */
	if (!coro_raddr)
		return -EINVAL;
	*ret_coro_raddr = coro_raddr;
	return 0;
}

/* "Task-" and the number, as the name would read if somebody had asked for it. */
static int task_put_number(uint64_t number, char *buf, size_t size_bytes)
{
	char text[32] = "Task-";
	char digits[24];
	size_t len = strlen(text), n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (n)
		text[len++] = digits[--n];
	len = MIN(len, size_bytes - 1);
	memcpy(buf, text, len);
	buf[len] = '\0';
	return (int)len;
}

/* Another thread may have given it another name meanwhile, and freed the one that was read. */
static bool task_has_name(const struct task_layout *t, const struct mem *mem, uint64_t task_raddr,
			  uint64_t name_raddr)
{
	uint64_t now_raddr;

	return mem_read(mem, task_raddr + t->name, &now_raddr, 8) == 0 && now_raddr == name_raddr;
}

/**
 * task_name() - What a task is called
 *
 * From 3.12 on a name that nobody asked for yet is a number (Modules/_asynciomodule.c,
 * TaskObj_name), and "Task-" is put before it here too.
 *
 * Return: the length, or -errno.
 */
int task_name(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
	      uint64_t task_raddr, char *buf, size_t size_bytes)
{
	uint64_t name_raddr, type_raddr, number;
	struct object_type type;
	int r;

	if (!size_bytes)
		return -EINVAL;
	r = task_check(p, t, mem, task_raddr);
	if (r == 0)
		r = mem_read(mem, task_raddr + t->name, &name_raddr, 8);
	if (r == 0)
		r = object_read_type(p, mem, name_raddr, &type_raddr);
	if (r == 0)
		r = object_describe_type(p, mem, type_raddr, &type);
	if (r < 0)
		return r;
	if (type.flags & OBJECT_IS_STR)
		r = pyframe_unicode(p, mem, name_raddr, buf, size_bytes);
	else if (type.flags & OBJECT_IS_INT)
		r = object_read_int(p, mem, name_raddr, &number);
	else
		r = -EINVAL;
	if (r < 0)
		return r;
	if (!task_has_name(t, mem, task_raddr, name_raddr))
		return -EAGAIN;
	return type.flags & OBJECT_IS_STR ? r : task_put_number(number, buf, size_bytes);
}

int task_of_callable(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		     uint64_t callable_raddr, uint64_t *ret_task_raddr)
{
	uint64_t type_raddr, task_raddr, at_raddr = callable_raddr + p->layout.header_bytes;
	struct object_type type;
	const char *name = type.name;
	int r;

	r = object_read_type(p, mem, callable_raddr, &type_raddr);
	if (r == 0)
		r = object_describe_type(p, mem, type_raddr, &type);
	if (r < 0)
		return r;
	if (!strncmp(name, TASK_MODULE_PREFIX, strlen(TASK_MODULE_PREFIX)))
		name += strlen(TASK_MODULE_PREFIX);
	if (!strcmp(name, TASK_BUILTIN_NAME))
		at_raddr += TASK_BUILTIN_M_SELF;
	else if (strcmp(name, TASK_STEP_NAME) != 0 && strcmp(name, TASK_WAKEUP_NAME) != 0)
		return -EINVAL;
	r = mem_read(mem, at_raddr, &task_raddr, 8);
	if (r == 0)
		r = task_check(p, t, mem, task_raddr);
	if (r == 0)
		*ret_task_raddr = task_raddr;
	return r;
}

int task_of_thread(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		   uint64_t tstate_raddr, uint64_t *ret_task_raddr)
{
	uint64_t task_raddr;
	int r;

	if (!t->thread_task)
		return -ENOSYS;
	r = mem_read(mem, tstate_raddr + t->thread_task, &task_raddr, 8);
	if (r == 0 && task_raddr)
		r = task_check(p, t, mem, task_raddr);
	if (r == 0)
		*ret_task_raddr = task_raddr;
	return r;
}

int task_of_loop(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		 uint64_t tasks_raddr, uint64_t loop_raddr, uint64_t *ret_task_raddr)
{
	uint64_t task_raddr, of_loop_raddr;
	int r;

	r = dict_find(p, mem, tasks_raddr, loop_raddr, &task_raddr);
	if (r < 0 || !task_raddr) {
		if (r == 0)
			*ret_task_raddr = 0;
		return r;
	}
	r = task_check(p, t, mem, task_raddr);
	/* A future begins with its loop: FutureObj_HEAD. */
	if (r == 0)
		r = mem_read(mem, task_raddr + p->layout.header_bytes, &of_loop_raddr, 8);
	if (r < 0)
		return r;
	if (of_loop_raddr != loop_raddr)
		return -EINVAL;
	*ret_task_raddr = task_raddr;
	return 0;
}

/* setentry of Include/cpython/setobject.h; what was taken out has a key still, and this hash. */
struct task_set_entry {
	uint64_t key_raddr;
	uint64_t hash;
};

#define TASK_SET_GONE UINT64_MAX

static int task_read_set(const struct pyframe *p, const struct task_layout *t,
			 const struct mem *mem, uint64_t set_raddr, uint64_t *task_raddrs,
			 uint32_t max)
{
	struct task_set_entry entries[TASK_SET_PIECE];
	uint64_t table_raddr, mask, n_entries, n_piece;
	uint32_t n = 0;
	int r;

	r = mem_read(mem, set_raddr + p->layout.set_mask, &mask, 8);
	if (r == 0)
		r = mem_read(mem, set_raddr + p->layout.set_table, &table_raddr, 8);
	if (r < 0)
		return r;
	n_entries = MIN(mask, TASK_MAX_SET_ENTRIES - 1) + 1;
	for (uint64_t at = 0; at < n_entries && n < max; at += n_piece) {
		n_piece = MIN(n_entries - at, (uint64_t)TASK_SET_PIECE);
		r = mem_read(mem, table_raddr + at * sizeof(entries[0]), entries,
			     n_piece * sizeof(entries[0]));
		if (r < 0)
			return r;
		for (uint64_t i = 0; i < n_piece && n < max; i++)
			if (entries[i].key_raddr && entries[i].hash != TASK_SET_GONE &&
			    task_check(p, t, mem, entries[i].key_raddr) == 0)
				task_raddrs[n++] = entries[i].key_raddr;
	}
	return (int)n;
}

int task_awaiters(const struct pyframe *p, const struct task_layout *t, const struct mem *mem,
		  uint64_t task_raddr, uint64_t *task_raddrs, uint32_t max)
{
	uint64_t by_raddr;
	uint8_t is_set;
	int r;

	if (!t->has_awaiters)
		return -ENOSYS;
	r = task_check(p, t, mem, task_raddr);
	if (r == 0)
		r = mem_read(mem, task_raddr + t->awaited_by, &by_raddr, 8);
	if (r == 0)
		r = mem_read(mem, task_raddr + t->awaited_by_is_set, &is_set, 1);
	if (r < 0)
		return r;
	if (!by_raddr || !max)
		return 0;
	if (is_set)
		return task_read_set(p, t, mem, by_raddr, task_raddrs, max);
	/* It may be a future that stands for another task's wait: then nothing more is known. */
	if (task_check(p, t, mem, by_raddr) < 0)
		return 0;
	task_raddrs[0] = by_raddr;
	return 1;
}
