/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collection: when garbage is collected on a loop's thread, and for how long
 *
 * The collector tells the callables of a list before and after each collection. The program knows
 * that list as gc.callbacks, so nothing may be put into it; but the collector comes to it through a
 * pointer of its own, in the interpreter's state. There we put a list of ours with one callable,
 * which looks at the clock and does with the program's list what the collector would have done.
 * Without a collection this costs nothing.
 *
 * Nothing of that can be seen. The program's list is held by our callable in the place of the
 * collector, so its count of references is what it was, and what is in it goes with the interpreter
 * as it did. Ours are in no list of the collector, so gc.get_objects() does not come to them. The
 * callable is a built-in function whose vectorcall, a field of each, is exchanged: it is called
 * without a look at the recursion limit, which a collection in the deepest frame allowed would
 * else be past.
 *
 * Module gc takes the list out of the interpreter's state while it is imported, from 3.10 on: for
 * that moment the program's is put back. Up to 3.9 the module makes the list, so before its first
 * import there is none, and it is tried again with the next loop.
 */
#include <errno.h>
#include <string.h>

#include "emit.h"
#include "loop.h"
#include "patch.h"
#include "py/collection.h"
#include "pyframe/mem.h"

/* CPython 3.8-3.15, GIL builds: Include/cpython/methodobject.h, listobject.h, object.h. */
#define CFUNCTION_VECTORCALL_OFFSET 48
#define TYPE_VECTORCALL_OFFSET	    56
#define LIST_ITEMS_OFFSET	    24
/* Include/moduleobject.h: PyModuleDef. */
#define MODULE_NAME_OFFSET  40
#define MODULE_SLOTS_OFFSET 72
#define SLOT_EXEC	    2  /* Py_mod_exec */
#define SLOT_EXEC_3_15	    85 /* likewise, Include/slots.h */
#define MODULE_MAX_SLOTS    16

/* PyModuleDef_Slot, from 3.15 on PySlot, which has flags and nothing else behind the number. */
struct module_slot {
	int slot;
	void *value;
};

typedef int (*exec_fn)(PyObject *module);

static PyObject **place; /* the collector's pointer to its list; NULL: we are not there */
static uint64_t place_interp_raddr;
static exec_fn gc_exec;
static bool is_prepared; /* the import of gc finds the program's list */

/* Up to 3.9 module gc makes the list when it is imported. PyGC_IsEnabled() is new in 3.10. */
static bool is_made_by_import(void)
{
	return !py.PyGC_IsEnabled;
}

static PyObject *word_of(PyObject *object, size_t offset)
{
	return *(PyObject **)((char *)object + offset);
}

static uint64_t thread_interp_raddr(void)
{
	return (uint64_t)(uintptr_t)word_of((PyObject *)py.PyThreadState_Get(),
					    watch.pyframe.layout.thread_interp);
}

static void begins(void)
{
	struct loop *loop = thread_loop;

	if (loop && loop->is_open)
		loop->collection_start = clock_ticks(watch.clock_kind);
}

static uint32_t generation_of(PyObject *info)
{
	PyObject *generation = py.PyDict_GetItemString(info, "generation");

	return generation ? (uint32_t)py.PyLong_AsLong(generation) : 0;
}

static void ends(PyObject *info)
{
	struct loop *loop = thread_loop;
	uint64_t span;

	if (!loop || !loop->collection_start)
		return;
	span = clock_ticks(watch.clock_kind) - loop->collection_start;
	if (loop->is_open) {
		loop->is_noted = true;
		loop->callback_collection += span;
		loop->turn_collection += span;
		if (span >= watch.limits.pause)
			emit_pause(loop, &(struct pause){.why = RECORD_WHY_COLLECTION,
							 .start = loop->collection_start,
							 .span = span,
							 .n = generation_of(info)});
	}
	loop->collection_start = 0;
}

static void tell_failure(PyObject *callback)
{
	if (watch.pyframe.layout.minor >= 14 && py.PyErr_FormatUnraisable)
		py.PyErr_FormatUnraisable("Exception ignored while calling GC callback %R",
					  callback);
	else
		py.PyErr_WriteUnraisable(callback);
}

/* As invoke_gc_callback() does it, CPython 3.8-3.15. */
static void tell_program(PyObject *list, PyObject *phase, PyObject *info)
{
	for (ssize_t i = 0; i < py.PyList_Size(list); i++) {
		PyObject *callback = py.PyList_GetItem(list, i), *result;

		py.Py_IncRef(callback);
		result = py.PyObject_CallFunctionObjArgs(callback, phase, info, NULL);
		if (result)
			py.Py_DecRef(result);
		else
			tell_failure(callback);
		py.Py_DecRef(callback);
	}
}

/* What the program's own callbacks take is no part of the collection. */
static PyObject *on_collection(PyObject *self, PyObject *const *args, size_t n_args,
			       PyObject *names)
{
	bool is_start = py.PyUnicode_ReadChar(args[0], 2) == 'a'; /* "start", or "stop" */
	int saved_errno = errno;

	(void)n_args;
	(void)names;
	if (!is_start)
		ends(args[1]);
	errno = saved_errno;
	tell_program(py.PyCFunction_GetSelf(self), args[0], args[1]);
	saved_errno = errno;
	if (is_start)
		begins();
	errno = saved_errno;
	py.Py_IncRef(py._Py_NoneStruct);
	return py._Py_NoneStruct;
}

/* In a ring of its own it is in no list of the collector, and still may be taken out of one. */
static void hide(PyObject *object)
{
	void **header = (void **)object - 2;

	py.PyObject_GC_UnTrack(object);
	header[0] = header[1] = header;
}

/* Takes the reference to the program's list that the collector has. NULL: it still has it. */
static PyObject *own_list(PyObject *program_list)
{
	static struct method_def method = {.name = "collection", .flags = METHOD_FAST};
	PyObject *list, *callable;

	method.function = (void *)on_collection;
	callable = py.PyCFunction_NewEx(&method, program_list, NULL);
	list = callable ? py.PyList_New(1) : NULL;
	if (!list) {
		py.PyErr_Clear();
		if (callable)
			py.Py_DecRef(callable);
		return NULL;
	}
	*(vectorcall_fn *)((char *)callable + CFUNCTION_VECTORCALL_OFFSET) = on_collection;
	py.PyList_SetItem(list, 0, callable);
	hide(callable);
	hide(list);
	py.Py_DecRef(program_list);
	return list;
}

/* Our callable, while the collector's list is ours; else NULL. */
static PyObject *callable_there(void)
{
	PyObject *list = *place, *callable;

	if (!list || py.PyList_Size(list) != 1)
		return NULL;
	callable = **(PyObject ***)((char *)list + LIST_ITEMS_OFFSET);
	return py_type(callable) == py.PyCFunction_Type &&
			       word_of(callable, CFUNCTION_VECTORCALL_OFFSET) ==
				       (PyObject *)(uintptr_t)on_collection
		       ? callable
		       : NULL;
}

static int on_gc_exec(PyObject *module)
{
	bool is_here = place && thread_interp_raddr() == place_interp_raddr;
	PyObject *callable = is_here ? callable_there() : NULL, *ours = callable ? *place : NULL;
	int r;

	if (ours)
		*place = py.PyCFunction_GetSelf(callable);
	r = gc_exec(module);
	if (ours)
		*place = ours;
	return r;
}

/* Where module gc says what is to be done when it is imported; NULL: not as expected. */
static struct module_slot *exec_slot(PyObject *def)
{
	struct module_slot *slots;

	if (strcmp(py_type_name(def), "moduledef") ||
	    strcmp((const char *)word_of(def, MODULE_NAME_OFFSET), "gc"))
		return NULL;
	slots = (struct module_slot *)word_of(def, MODULE_SLOTS_OFFSET);
	for (int i = 0; slots && i < MODULE_MAX_SLOTS && slots[i].slot; i++)
		if (slots[i].slot == SLOT_EXEC || slots[i].slot == SLOT_EXEC_3_15)
			return &slots[i];
	return NULL;
}

/*
 * asyncio has been imported: stand behind the import of gc. A loop's start is too late for it,
 * since a store into the module's table may ask the loader, and another thread may wait for the GIL
 * with the loader's lock held. Up to 3.9 the module, once made, is copied where it is imported anew
 * (PyModuleDef.m_size is -1), so there is nothing to do. Needs the GIL.
 */
_hidden_ void collection_prepare(void)
{
	PyObject *def = is_made_by_import() || !py.PyInit_gc ? NULL : py.PyInit_gc();
	struct module_slot *exec = def ? exec_slot(def) : NULL;

	is_prepared = is_made_by_import();
	if (!exec)
		return;
	is_prepared = exec->value == (void *)on_gc_exec;
	if (is_prepared)
		return;
	gc_exec = (exec_fn)exec->value;
	is_prepared = patch_pointer(&exec->value, (void *)on_gc_exec);
}

/* Read by the kernel: where the layout is another, this is no address. */
static bool is_list(PyObject *object)
{
	uint64_t type = 0;

	return object &&
	       !mem_read(&watch.remote, (uint64_t)(uintptr_t)object + 8, &type, sizeof(type)) &&
	       (void *)(uintptr_t)type == py.PyList_Type;
}

/* gc.garbage and gc.callbacks are neighbours; where the module is there, it knows the second. */
static bool is_place(PyObject **where)
{
	PyObject *gc = py_module("gc"), *words[2];

	if (mem_read(&watch.remote, (uint64_t)(uintptr_t)(where - 1), words, sizeof(words)) ||
	    !is_list(words[0]) || !is_list(words[1]))
		return false;
	return !gc || py_is(gc, "callbacks", words[1]);
}

static PyObject **find_place(void)
{
	const struct pyframe_layout *layout = &watch.pyframe.layout;
	uint64_t base = layout->minor == 8 ? watch.runtime_raddr : thread_interp_raddr();
	PyObject **where = (PyObject **)(uintptr_t)(base + layout->gc_callbacks);

	return layout->gc_callbacks && is_place(where) ? where : NULL;
}

static bool has_vectorcall(void)
{
	return *(ssize_t *)((char *)py.PyCFunction_Type + TYPE_VECTORCALL_OFFSET) ==
	       CFUNCTION_VECTORCALL_OFFSET;
}

/* A loop starts: needs the GIL, no exception set, and that frames can be read. */
_hidden_ void collection_install(void)
{
	static bool is_refused;
	PyObject **found, *list;

	if (place || is_refused || !watch.is_frames_ok || (is_made_by_import() && !py_module("gc")))
		return;
	found = find_place();
	list = found && has_vectorcall() && is_prepared ? own_list(*found) : NULL;
	if (!list) {
		is_refused = true;
		watch_lost(LOSS_HOOK_REFUSED);
		return;
	}
	place_interp_raddr = thread_interp_raddr();
	place = found;
	*found = list;
	watch_detects(DETECTOR_COLLECTIONS);
}

/* Whether garbage that this process collects is seen. */
_hidden_ bool collection_is_seen(void)
{
	return place;
}
