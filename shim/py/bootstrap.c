/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bootstrap: into the interpreter, once asyncio is there
 *
 * A C audit hook can be added before the interpreter is initialised, needs no Python code and is
 * called with the GIL held. It looks at imports only, until the C module of asyncio has been
 * imported; then the hooks of py/ are put in, and from then on it returns at once. The audit event
 * of an import comes before the module is there, so it is a later import that finds it: asyncio
 * itself imports a dozen modules after _asyncio.
 *
 * A free-threaded build has other object layouts and no GIL that would order what we do: it is left
 * alone, and that is counted.
 */
#include <dlfcn.h>
#include <string.h>

#include "py/api.h"
#include "py/bootstrap.h"
#include "py/callback.h"
#include "py/coroutine.h"
#include "py/running.h"
#include "watch.h"

static bool is_done;

static void install(void)
{
	PyObject *asyncio = py_module("_asyncio");
	PyObject *warnings = py_module("warnings");
	PyObject *type, *value, *traceback;

	if (!asyncio || !warnings)
		return;
	py.PyErr_Fetch(&type, &value, &traceback);
	if (running_install(asyncio)) {
		is_done = true;
		callback_install();
		coroutine_install(warnings);
	}
	py.PyErr_Restore(type, value, traceback);
}

static int on_audit(const char *event, PyObject *args, void *unused)
{
	(void)args;
	(void)unused;
	if (!is_done && event[0] == 'i' && !strcmp(event, "import"))
		install();
	return 0;
}

static bool is_free_threaded(void)
{
	const char *(*get_version)(void) =
		(const char *(*)(void))dlsym(RTLD_DEFAULT, "Py_GetVersion");

	return get_version && strstr(get_version(), "free-threading");
}

/*
 * Called by the constructor, before Python is initialised.
 *
 * Return: false when there is nothing in this program that we can watch.
 */
_hidden_ bool bootstrap_init(void)
{
	if (!py_resolve() || is_free_threaded())
		return false;
	return !py.PySys_AddAuditHook(on_audit, NULL);
}
