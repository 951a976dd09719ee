/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where asyncio keeps the task that a loop runs
 *
 * Up to 3.13 the module _asyncio has a dict from loop to task, which it shows as _current_tasks; a
 * sub-interpreter has its own from 3.12 on, so it is asked of the module that says which loop runs.
 * The addresses of the dict and of the loop are all that is kept: the tasks are read later, without
 * Python (shim/task.c). From 3.14 on the module describes itself in its writable data, which is
 * searched once; it is mapped and stays so, therefore by plain loads.
 *
 * Called with the GIL held, when a loop starts.
 */
#include <link.h>
#include <stdatomic.h>

#include "py/task.h"

struct task_search {
	uintptr_t inside;
	bool is_done;
};

static bool segment_holds(const struct dl_phdr_info *object, const ElfW(Phdr) * segment,
			  uintptr_t address)
{
	uintptr_t start = object->dlpi_addr + segment->p_vaddr;

	return segment->p_type == PT_LOAD && address >= start && address - start < segment->p_memsz;
}

/* Only what comes from the file: the description is initialised data. */
static void search_segment(const struct dl_phdr_info *object, const ElfW(Phdr) * segment,
			   struct task_search *search)
{
	uint64_t begin = (object->dlpi_addr + segment->p_vaddr + 7) & ~UINT64_C(7);
	uint64_t end = object->dlpi_addr + segment->p_vaddr + segment->p_filesz;

	if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W) || end <= begin ||
	    search->is_done)
		return;
	search->is_done = !task_init(&watch.pyframe, &watch.self, begin, end - begin, &watch.tasks);
}

static int search_object(struct dl_phdr_info *object, size_t unused_bytes, void *argument)
{
	struct task_search *search = argument;
	bool is_it = false;

	(void)unused_bytes;
	for (int i = 0; i < object->dlpi_phnum; i++)
		is_it |= segment_holds(object, &object->dlpi_phdr[i], search->inside);
	for (int i = 0; is_it && i < object->dlpi_phnum; i++)
		search_segment(object, &object->dlpi_phdr[i], search);
	return is_it;
}

/* Once, by the first loop whose frames can be read. */
static void task_watch_init(const void *inside)
{
	static _Atomic bool is_tried;
	struct task_search search = {.inside = (uintptr_t)inside};

	if (!watch.is_frames_ok || atomic_exchange(&is_tried, true))
		return;
	if (watch.pyframe.layout.minor >= 14)
		dl_iterate_phdr(search_object, &search);
	else
		search.is_done = !task_init(&watch.pyframe, &watch.self, 0, 0, &watch.tasks);
	if (search.is_done)
		atomic_store_explicit(&watch.is_tasks_ok, true, memory_order_release);
	else
		watch_lost(LOSS_HOOK_REFUSED);
}

/* The dict as the module shows it; it holds the dict itself, too. 0: there is none. */
static uint64_t current_tasks(PyObject *module)
{
	PyObject *tasks = watch.tasks.thread_task ? NULL : py_get(module, "_current_tasks");
	bool is_dict = tasks && py_type(tasks) == py.PyDict_Type;

	if (tasks)
		py.Py_DecRef(tasks);
	return is_dict ? (uint64_t)(uintptr_t)tasks : 0;
}

/*
 * A loop starts, told by a function of module whose code is where inside points. Tasks in Python
 * have no layout that could be read: without a module there are none.
 */
_hidden_ void task_watch_loop(struct loop *loop, PyObject *module, PyObject *object,
			      const void *inside)
{
	if (module)
		task_watch_init(inside);
	atomic_store_explicit(&loop->tasks_raddr, module ? current_tasks(module) : 0,
			      memory_order_relaxed);
	atomic_store_explicit(&loop->loop_raddr, (uint64_t)(uintptr_t)object, memory_order_relaxed);
}
