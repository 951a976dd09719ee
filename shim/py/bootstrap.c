/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bootstrap: into the interpreter, once asyncio is there
 *
 * A C audit hook can be added before the interpreter is initialised, needs no Python code and is
 * called with the GIL held. It looks at imports only, until the C module of asyncio has been
 * imported; then the hooks of py/ are put in. The audit event of an import comes before the module
 * is there, so it is a later import that finds it: asyncio itself imports a dozen modules after
 * _asyncio.
 *
 * Then the audit hook takes itself out of the interpreter's list, which no function of the API
 * does: a program with an audit hook pays for every event (id() is one). At the latest it leaves
 * when the interpreter clears the list, since until 3.11 that frees our entry, made before Python
 * chose its allocator, by another allocator: `python -X dev` aborted there. The entry itself is
 * never freed: the caller still reads its link.
 *
 * A free-threaded build has other object layouts and no GIL that would order what we do: it is left
 * alone, and that is counted.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "py/api.h"
#include "py/bootstrap.h"
#include "py/callback.h"
#include "py/cancel.h"
#include "py/collection.h"
#include "py/coroutine.h"
#include "py/dropped.h"
#include "py/flood.h"
#include "py/gevent.h"
#include "py/lock.h"
#include "py/refusal.h"
#include "py/resource.h"
#include "py/result.h"
#include "py/running.h"
#include "py/trio.h"
#include "py/twin.h"
#include "py/unhandled.h"
#include "watch.h"

/*
 * The list lies in the part of _PyRuntime before the main interpreter, which begins at 57 KB (3.11)
 * to 88 KB (3.13); the whole is over 400 KB.
 */
#define RUNTIME_MAX_BYTES (256u << 10)

/* CPython 3.8-3.15: _Py_AuditHookEntry, Include/internal/pycore_interp.h or pycore_runtime.h. */
struct audit_entry {
	struct audit_entry *next;
	audit_fn hook;
	void *user;
};

/* Where the interpreter keeps the first entry of its list; NULL when that was not found. */
static struct audit_entry **audit_head;
static struct audit_entry *audit_own;
static bool is_asyncio_in, is_epoll_in, is_done;

/* From 3.12 on the module imports others before it makes its classes; Task is the last. */
static bool is_whole(PyObject *asyncio_module)
{
	PyObject *task = py_get_class(asyncio_module, "Task");

	if (task)
		py.Py_DecRef(task);
	return task;
}

/*
 * A program without asyncio comes here with each import, some hundred times while it starts. So the
 * names are made once, and their hash with them; they are kept, since the last event that we are
 * called for comes too late to free an object.
 */
static PyObject *module_find(PyObject **name, const char *text)
{
	PyObject *modules = py.PyImport_GetModuleDict();

	if (!*name)
		*name = py.PyUnicode_FromString(text);
	return modules && *name ? py.PyDict_GetItem(modules, *name) : NULL;
}

/* What no class of asyncio's is needed for. Once; no exception is set. */
_hidden_ void bootstrap_install_shared(void)
{
	static bool is_in;
	PyObject *warnings = py_module("warnings");

	if (is_in || !warnings)
		return;
	is_in = true;
	callback_install();
	coroutine_install(warnings);
	dropped_install_coroutines();
	collection_prepare();
	refusal_install();
	resource_install(warnings);
	unhandled_install();
	lock_install();
}

/* The C classes. */
static void install_asyncio(PyObject *asyncio)
{
	if (is_asyncio_in || !is_whole(asyncio) || !running_install(asyncio))
		return;
	is_asyncio_in = true;
	bootstrap_install_shared();
	result_install(asyncio);
	dropped_install(asyncio);
	flood_install(asyncio);
	cancel_install(asyncio);
}

/*
 * The classes in Python come last: asyncio has asked for _asyncio long before its own tasks are
 * there, so it is known by then whether it has got it.
 */
static void install(void)
{
	static PyObject *asyncio_name, *tasks_name, *greenlet_name, *hub_name;
	PyObject *asyncio = module_find(&asyncio_name, "_asyncio");
	PyObject *tasks = module_find(&tasks_name, "asyncio.tasks");
	PyObject *greenlets = module_find(&greenlet_name, "greenlet._greenlet");
	PyObject *type, *value, *traceback;

	if (is_epoll_in && !asyncio && !tasks && !greenlets)
		return;
	py.PyErr_Fetch(&type, &value, &traceback);
	is_epoll_in = is_epoll_in || trio_install();
	if (greenlets)
		gevent_install(greenlets, module_find(&hub_name, "gevent._gevent_c_hub_local"));
	if (asyncio)
		install_asyncio(asyncio);
	if (tasks && twin_install(tasks, !is_asyncio_in)) {
		is_done = is_epoll_in;
		bootstrap_install_shared();
	}
	py.PyErr_Restore(type, value, traceback);
}

/* Ours was the first to be added, so it is the head of the list until it leaves. */
static void audit_leave(void)
{
	if (audit_head && *audit_head == audit_own)
		*audit_head = (*audit_head)->next;
	audit_head = NULL;
}

static int on_audit(const char *event, PyObject *args, void *unused)
{
	(void)args;
	(void)unused;
	if (event[0] == 'i' && !is_done && !strcmp(event, "import"))
		install();
	if (is_done || !strcmp(event, "cpython._PySys_ClearAuditHooks"))
		audit_leave();
	return 0;
}

/* Read by the kernel: what has changed may be no address at all. */
static bool is_our_entry(uint64_t word)
{
	struct mem mem = {.kind = MEM_REMOTE, .pid = getpid()};
	struct audit_entry entry;

	return word && word % sizeof(void *) == 0 && !mem_read(&mem, word, &entry, sizeof(entry)) &&
	       entry.hook == on_audit;
}

/*
 * Add the hook, and find the head of the list: of the words of the interpreter's state that the
 * call has changed, the one that leads to our entry. No other thread runs yet.
 */
static bool audit_enter(void)
{
	uint64_t *words = (uint64_t *)(uintptr_t)watch.runtime_raddr, *before;
	size_t size_bytes = MIN(watch.runtime_bytes, RUNTIME_MAX_BYTES) & ~(sizeof(*words) - 1);

	before = mmap(NULL, RUNTIME_MAX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (before == MAP_FAILED)
		return false;
	memcpy(before, words, size_bytes);
	if (py.PySys_AddAuditHook(on_audit, NULL)) {
		munmap(before, RUNTIME_MAX_BYTES);
		return false;
	}
	for (size_t i = 0; i < size_bytes / sizeof(*words) && !audit_head; i++)
		if (words[i] != before[i] && is_our_entry(words[i]))
			audit_head = (struct audit_entry **)&words[i];
	audit_own = audit_head ? *audit_head : NULL;
	munmap(before, RUNTIME_MAX_BYTES);
	return true;
}

/*
 * Called by the constructor, before Python is initialised.
 *
 * Return: false when there is nothing in this program that we can watch.
 */
_hidden_ bool bootstrap_init(void)
{
	if (!py_resolve() || strstr(watch.python_version, "free-threading"))
		return false;
	return audit_enter();
}
