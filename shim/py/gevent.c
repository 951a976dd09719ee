/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gevent: its hub, and what runs between two switches of its greenlets
 *
 * A thread that waits gets a hub, a greenlet that runs the loop (libev) and switches to whichever
 * greenlet can go on. gevent stores it in a threading.local of a class of its own (_hub_local.py,
 * as of gevent 1.5 to 25); that is seen in the class's slot for it (tp_setattro), as trio's runner
 * is.
 *
 * All switches go through C functions of greenlet (0.4 to 3.3): those behind the methods
 * switch() and throw(), and those in the table that it hands to other modules (_C_API), which is
 * where gevent calls. So we know which greenlet runs. When control is back in the hub, what it had
 * switched to is over: an edge between two callbacks. What the hub waits on is what it polls
 * itself, outside of any switch and of its callbacks; libev does not tell, as Debian builds it.
 *
 * The main greenlet of a thread is the program as it is outside of asyncio.run(): while it runs, no
 * turn is open. A program that ends, or computes before it waits for the others, holds up nobody
 * that it did not mean to; and one that does hold up others is not told.
 *
 * Greenlets are addresses to compare with; the hub and the main greenlet live as long as the thread
 * has them. A wrapper's frame lies on the stack that greenlet puts aside, and there is nothing in
 * it but addresses of objects. Called with the GIL held.
 */
#include <errno.h>
#include <string.h>

#include "fork.h"
#include "loop.h"
#include "py/callback.h"
#include "py/collection.h"
#include "py/frame.h"
#include "py/gevent.h"
#include "py/method.h"
#include "py/running.h"
#include "py/task.h"
#include "py/tell.h"

/* greenlet.h of greenlet 0.4 to 3.3. */
#define API_GET_CURRENT	 4
#define API_THROW	 5
#define API_SWITCH	 6
#define API_NAME	 "greenlet._C_API"
#define METHOD_OLD	 0x0001 /* METH_VARARGS */
#define METHOD_OLD_NAMES 0x0003 /* METH_VARARGS | METH_KEYWORDS */
/* A chain of parents that is longer leads nowhere. */
#define PARENTS_MAX 64

typedef int (*setattro_fn)(PyObject *self, PyObject *name, PyObject *value);
typedef PyObject *(*current_fn)(void);
typedef PyObject *(*three_fn)(PyObject *greenlet, PyObject *a, PyObject *b);
typedef PyObject *(*four_fn)(PyObject *greenlet, PyObject *a, PyObject *b, PyObject *c);

/* Of a thread; hub is NULL where it has none. */
struct place {
	PyObject *hub, *main, *current;
	struct loop *loop;
};

static __thread struct place place __attribute__((tls_model("initial-exec")));
static setattro_fn local_set;
static PyObject *hub_name; /* interned, as the names of attributes are that code stores */
static current_fn get_current;
static three_fn api_switch, method_switch;
static four_fn api_throw;
static method_o_fn method_throw;

/*
 * The loop of this thread's hub, while it is the one that is watched here. In a fork child what was
 * its place is zeroed, or another framework's.
 */
static struct loop *own_loop(void)
{
	struct loop *loop = thread_loop;

	return loop && loop == place.loop && loop->framework == FRAMEWORK_GEVENT ? loop : NULL;
}

/* Control goes to another greenlet, or to the same. Return: the one that it leaves. */
static PyObject *leaves(PyObject *target)
{
	PyObject *self = place.current;
	struct loop *loop = own_loop();

	place.current = target;
	if (!loop)
		return self;
	loop->takes_epoll = target == place.hub;
	if (target == place.main)
		loop_turn_end(loop);
	else if (!loop->is_open)
		loop_turn_begin(loop);
	return self;
}

/* Control is back in it, whether one has switched to it or its child has ended. */
static void is_back(PyObject *self)
{
	struct loop *loop = own_loop();

	place.current = self;
	if (!loop)
		return;
	loop->takes_epoll = self == place.hub;
	if (self == place.main)
		loop_turn_end(loop);
	else if (self == place.hub && loop->is_open)
		callback_edge(loop);
}

static PyObject *on_api_switch(PyObject *target, PyObject *args, PyObject *names)
{
	PyObject *self, *result;

	if (!place.hub)
		return api_switch(target, args, names);
	self = leaves(target);
	result = api_switch(target, args, names);
	is_back(self);
	return result;
}

static PyObject *on_api_throw(PyObject *target, PyObject *type, PyObject *value, PyObject *trace)
{
	PyObject *self, *result;

	if (!place.hub)
		return api_throw(target, type, value, trace);
	self = leaves(target);
	result = api_throw(target, type, value, trace);
	is_back(self);
	return result;
}

static PyObject *on_switch(PyObject *target, PyObject *args, PyObject *names)
{
	PyObject *self, *result;

	if (!place.hub)
		return method_switch(target, args, names);
	self = leaves(target);
	result = method_switch(target, args, names);
	is_back(self);
	return result;
}

static PyObject *on_throw(PyObject *target, PyObject *args)
{
	PyObject *self, *result;

	if (!place.hub)
		return method_throw(target, args);
	self = leaves(target);
	result = method_throw(target, args);
	is_back(self);
	return result;
}

/* The greenlet that runs now and the one that all of this thread's go back to; borrowed. */
static bool find_greenlets(PyObject **ret_current, PyObject **ret_main)
{
	PyObject *at = get_current(), *parent;

	*ret_current = at;
	tell_unref(at);
	for (unsigned int i = 0; at && i < PARENTS_MAX; i++) {
		parent = py_get(at, "parent");
		tell_unref(parent);
		if (parent == py._Py_NoneStruct) {
			*ret_main = at;
			return true;
		}
		at = parent;
	}
	return false;
}

/* Whether it is libev's, in the C of gevent's own, and sleeps on an epoll. */
static bool is_epoll(PyObject *hub)
{
	PyObject *loop = py_get(hub, "loop"), *backend = NULL;
	bool is;

	if (loop && !strcmp(py_type_name(loop), "gevent.libev.corecext.loop"))
		backend = py_get(loop, "backend");
	is = backend && (void *)py_type(backend) == py.PyUnicode_Type &&
	     !py.PyUnicode_CompareWithASCIIString(backend, "epoll");
	tell_unref(backend);
	tell_unref(loop);
	return is;
}

static void starts(PyObject *hub)
{
	uint64_t tstate_raddr = frame_tstate();

	place = (struct place){0};
	if (thread_loop)
		return;
	if (!api_switch || !tstate_raddr || !is_epoll(hub) ||
	    !find_greenlets(&place.current, &place.main)) {
		watch_lost(LOSS_LOOP_UNKNOWN);
		return;
	}
	place.loop = loop_start(FRAMEWORK_GEVENT, -1, tstate_raddr);
	if (!place.loop)
		return;
	place.hub = hub;
	task_watch_loop(place.loop, NULL, NULL, NULL);
	watch_detects(DETECTOR_TURNS | DETECTOR_CALLS | DETECTOR_CALLBACKS);
	collection_install();
	if (place.current == place.main)
		loop_turn_end(place.loop);
}

static void stops(void)
{
	if (own_loop())
		running_stopped();
	place = (struct place){0};
}

static int on_local_set(PyObject *self, PyObject *name, PyObject *value)
{
	int r = local_set(self, name, value);
	int saved_errno = errno;

	if (unlikely(name == hub_name) && !r && value) {
		if (value == py._Py_NoneStruct)
			stops();
		else if (fork_watch_open())
			starts(value);
		py.PyErr_Clear();
	}
	errno = saved_errno;
	return r;
}

static bool hub_install(PyObject *class)
{
	hub_name = py.PyUnicode_InternFromString("hub");
	return hub_name && py_type_base(class) &&
	       !strcmp(py_class_name(py_type_base(class)), "_thread._local") &&
	       class_replace(class, CLASS_SETATTRO, (void *)on_local_set, (void **)&local_set);
}

static bool methods_install(PyObject *module)
{
	PyObject *class = py_get_class(module, "greenlet");
	bool is_in = class &&
		     method_replace(class, "switch", METHOD_OLD_NAMES, (void *)on_switch,
				    (void **)&method_switch) &&
		     method_replace(class, "throw", METHOD_OLD, (void *)on_throw,
				    (void **)&method_throw);

	tell_unref(class);
	return is_in;
}

/* The table is in memory that greenlet writes itself. */
static bool table_install(PyObject *module)
{
	PyObject *capsule = py_get(module, "_C_API");
	void **table = capsule ? py.PyCapsule_GetPointer(capsule, API_NAME) : NULL;

	py.PyErr_Clear();
	tell_unref(capsule);
	if (!table)
		return false;
	get_current = (current_fn)table[API_GET_CURRENT];
	api_throw = (four_fn)table[API_THROW];
	table[API_THROW] = (void *)on_api_throw;
	api_switch = (three_fn)table[API_SWITCH];
	table[API_SWITCH] = (void *)on_api_switch;
	return true;
}

/*
 * With each import, while these modules come; each is done once. No exception is set. hubs: NULL
 * until gevent has it.
 */
_hidden_ void gevent_install(PyObject *greenlets, PyObject *hubs)
{
	static bool is_greenlet_in, is_hub_in;
	PyObject *class = hubs && !is_hub_in ? py_get_class(hubs, "_Threadlocal") : NULL;

	if (class && !is_greenlet_in) {
		is_greenlet_in = true;
		collection_prepare();
		if (!methods_install(greenlets) || !table_install(greenlets))
			watch_lost(LOSS_HOOK_REFUSED);
	}
	if (class) {
		is_hub_in = true;
		if (!hub_install(class))
			watch_lost(LOSS_HOOK_REFUSED);
	}
	tell_unref(class);
}
