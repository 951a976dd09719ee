/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource: connections and loops that are dropped open, or outlive their loop
 *
 * Transports, StreamWriters, loops and the sessions of libraries say so themselves, by a
 * ResourceWarning from their __del__: the C function behind warnings.warn() sees each, whatever the
 * filters say, and passes it on as it is. A socket warns from C: its finaliser is stood behind. A
 * transport that reads is held by its loop and never dropped: when the loop closes its epoll
 * object, those that are registered with it still and are not closing are open for good.
 *
 * One connection is told once, though its writer, its transport and its socket may each be found:
 * all of them lead to one object (resource_key), and the last keys told are kept. It is only ever
 * compared. A socket that dies for want of references cannot be met again, so its key goes with it.
 *
 * The stack is where the last reference went, unless the collector found it: then that is nobody's
 * line (CPython marks what it has found unreachable in its header, Include/internal/pycore_gc.h,
 * _PyGC_PREV_MASK_COLLECTING, 3.8-3.15). The origin is where connect() was called (shim/made.c).
 *
 * While the interpreter ends nothing is told: everything is dropped then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fork.h"
#include "made.h"
#include "py/frame.h"
#include "py/gil.h"
#include "py/method.h"
#include "py/resource.h"
#include "py/running.h"
#include "py/tell.h"
#include "py/trio.h"

#define N_TOLD 64
/* Of a warning's text: up to the address in it. */
#define SAID_MAX_BYTES 200
/* CPython 3.8-3.15 Include/cpython/object.h: PyTypeObject.tp_flags. */
#define TYPE_FLAGS_OFFSET 168
#define TYPE_IS_COLLECTED (UINT64_C(1) << 14)
#define GC_PREV_OFFSET	  (-8)
#define GC_COLLECTING	  2
/* PyGC_Head before an object: next, previous; the low bits of both are flags. */
#define GC_HEAD_BYTES 16
#define GC_LINK_MASK  (~UINT64_C(7))
/* Modules/socketmodule.h: PySocketSockObject.sock_fd. */
#define SOCKET_FD_OFFSET 16
/* PyCFunctionObject.m_ml. */
#define CFUNCTION_DEF_OFFSET 16
/* SelectorKey(fileobj, fd, events, data). */
#define SELECTOR_KEY_DATA 3

static method_fast_fn warn;
static method_o_fn epoll_close;
static void (*socket_finalize)(PyObject *socket);
static PyObject *socket_class; /* _socket.socket; the socket module keeps it */
static const void *told[N_TOLD];
static uint32_t next_told, n_told;

static void unref(PyObject *object)
{
	if (object)
		py.Py_DecRef(object);
}

static bool is_told(const void *key)
{
	for (uint32_t i = 0; i < N_TOLD; i++)
		if (told[i] == key)
			return true;
	return false;
}

static void told_forget(const void *key)
{
	for (uint32_t i = 0; i < N_TOLD && n_told; i++)
		if (told[i] == key) {
			told[i] = NULL;
			n_told--;
		}
}

static void told_add(const void *key)
{
	const void **place = &told[next_told++ % N_TOLD];

	n_told += !*place;
	*place = key;
}

/* Whether the collector has found it: then no line has dropped it. */
_hidden_ bool resource_is_collecting(PyObject *object)
{
	uint64_t flags = *(uint64_t *)((char *)py_type(object) + TYPE_FLAGS_OFFSET);

	return (flags & TYPE_IS_COLLECTED) &&
	       (*(uint64_t *)((char *)object + GC_PREV_OFFSET) & GC_COLLECTING);
}

static bool is_uvloop(PyObject *object)
{
	return !strncmp(py_type_name(object), "uvloop.", strlen("uvloop."));
}

/* Follow an attribute, if there is one: gives up the reference to object for one to that. */
static PyObject *follow(PyObject *object, const char *name)
{
	PyObject *next = py_get(object, name);

	if (!next || next == py._Py_NoneStruct) {
		unref(next);
		return object;
	}
	py.Py_DecRef(object);
	return next;
}

/*
 * What a connection is known by: its socket, or else the innermost of its transports; of a session
 * its connector. A new reference.
 */
static PyObject *resource_key(PyObject *source)
{
	PyObject *key = source, *protocol;

	py.Py_IncRef(key);
	key = follow(key, "_connector");
	key = follow(key, "_transport");
	protocol = py_get(key, "_ssl_protocol");
	if (protocol) {
		py.Py_DecRef(key);
		key = follow(protocol, "_transport");
	}
	return follow(key, "_sock");
}

/* uvloop's transports show their socket only so; all of it is C code. */
static int uvloop_fd(PyObject *transport)
{
	PyObject *method = py.PyObject_GetAttrString(transport, "get_extra_info");
	PyObject *name = method ? py.PyUnicode_FromString("socket") : NULL;
	PyObject *socket = name ? py.PyObject_CallFunctionObjArgs(method, name, NULL) : NULL;
	int fd = socket && socket != py._Py_NoneStruct ? py.PyObject_AsFileDescriptor(socket) : -1;

	py.PyErr_Clear();
	unref(socket);
	unref(name);
	unref(method);
	return fd;
}

static int resource_fd(PyObject *key)
{
	if (socket_class && py.PyType_IsSubtype(py_type(key), socket_class))
		return *(int *)((char *)key + SOCKET_FD_OFFSET);
	return is_uvloop(key) ? uvloop_fd(key) : running_epoll_fd(key);
}

/*
 * uvloop warns of what is open when its loop closes, too; then nobody has dropped it. Nor has who
 * set the collector off, and what deallocates itself is no longer marked as found by it.
 */
static bool is_dropped(PyObject *source)
{
	if (is_uvloop(source))
		return thread_loop && !thread_loop->collection_start;
	return !resource_is_collecting(source);
}

/* is_whole: the object can still be asked. */
static void resource_tell(PyObject *source, PyObject *key, PyObject *text, bool has_stack,
			  bool is_whole)
{
	struct pitfall_facts facts = {.pitfall = PITFALL_UNCLOSED_RESOURCE};
	uint64_t tstate_raddr = fork_watch_open() ? frame_tstate() : 0;
	struct stack_buf stack, origin;

	if (!tstate_raddr)
		return;
	facts.name_str = tell_class(py_type(source));
	facts.detail_str = text ? tell_text(text) : ARENA_NONE;
	if (has_stack) {
		emit_own_stack(tstate_raddr, &stack);
		facts.stack = &stack;
	}
	if (is_whole && made_stack(resource_fd(key), &origin))
		facts.origin = &origin;
	if (facts.stack || facts.origin)
		emit_pitfall(&facts);
}

/*
 * Whether what is told now may be found once more, by its key. An address that is kept although its
 * object is gone would hide another object.
 */
static bool is_met_again(PyObject *source, PyObject *key, bool is_dead)
{
	PyObject *connections = py_get(key, "_conns");
	bool is_idle = connections && (void *)py_type(connections) == py.PyDict_Type &&
		       !py.PyDict_Size(connections);

	unref(connections);
	/* When uvloop's die is not seen, and only those are met twice that outlive their loop. */
	if (is_idle || (is_uvloop(key) && thread_loop))
		return false;
	return key != source || !is_dead;
}

static void resource_open(PyObject *source, PyObject *text, bool has_stack, bool is_whole)
{
	PyObject *key = resource_key(source);

	if (is_told(key)) {
		if (key == source && has_stack)
			told_forget(key);
	} else {
		if (is_met_again(source, key, has_stack))
			told_add(key);
		resource_tell(source, key, text, has_stack, is_whole);
	}
	py.Py_DecRef(key);
}

/* StreamWriter.__del__() does not say what it is about. */
static PyObject *caller_self(void)
{
	PyObject *locals = py.PyEval_GetLocals(), *self;

	if (!locals || (void *)py_type(locals) != py.PyDict_Type) {
		py.PyErr_Clear();
		return NULL;
	}
	self = py.PyDict_GetItemString(locals, "self");
	py.PyErr_Clear();
	return self && !strcmp(py_type_name(self), "StreamWriter") ? self : NULL;
}

/*
 * Whether it is what it seems: a count of 0 has been deallocated, and what is held more than once
 * is in the collector's list, which its neighbour there says too. The lower half of the count,
 * which is all of it in 3.14.
 */
static bool is_living(uint64_t object_raddr, uint64_t type_raddr)
{
	uint64_t flags, next_raddr, link;
	uint32_t count;

	if (mem_read(&watch.remote, object_raddr, &count, sizeof(count)) || !count)
		return false;
	if (count == 1)
		return true;
	return !mem_read(&watch.remote, type_raddr + TYPE_FLAGS_OFFSET, &flags, sizeof(flags)) &&
	       (flags & TYPE_IS_COLLECTED) &&
	       !mem_read(&watch.remote, object_raddr - GC_HEAD_BYTES, &next_raddr,
			 sizeof(next_raddr)) &&
	       !mem_read(&watch.remote, (next_raddr & GC_LINK_MASK) + 8, &link, sizeof(link)) &&
	       (link & GC_LINK_MASK) == object_raddr - GC_HEAD_BYTES;
}

/*
 * uvloop's handles say only "unclosed resource <TCPTransport closed=False 0x7f...>", with their
 * id() (0.17 and 0.23, handles/handle.pyx). Anybody may say so, and long after, so it is read
 * through the kernel.
 */
static PyObject *uvloop_self(const char *said)
{
	const char *hex = strstr(said, " 0x");
	uint64_t object_raddr = hex ? strtoull(hex + 1, NULL, 16) : 0, type_raddr, name_raddr;
	char name[8];

	if (!hex || strncmp(said, "unclosed resource <", 19) || object_raddr % 8 ||
	    mem_read(&watch.remote, object_raddr + 8, &type_raddr, sizeof(type_raddr)) ||
	    mem_read(&watch.remote, type_raddr + 24, &name_raddr, sizeof(name_raddr)) ||
	    mem_read(&watch.remote, name_raddr, name, sizeof(name)) ||
	    strncmp(name, "uvloop.", strlen("uvloop.")) || !is_living(object_raddr, type_raddr))
		return NULL;
	return (PyObject *)(uintptr_t)object_raddr;
}

/*
 * Whether it speaks from its deallocator: Cython holds it by one reference then, and its fields
 * below the class that speaks are cleared, and its handle is closed.
 */
static bool is_dying(PyObject *object)
{
	return *(const uint32_t *)object == 1;
}

static bool says_unclosed(const char *said)
{
	static const char *const words[] = {"unclosed", "Unclosed", "loop is closed"};

	for (unsigned int i = 0; i < ARRAY_LEN(words); i++)
		if (!strncmp(said, words[i], strlen(words[i])))
			return true;
	return false;
}

static _cold_ void warned(PyObject *text, PyObject *source)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;
	char said[SAID_MAX_BYTES];
	bool is_whole = true;

	if (gil_is_ending() || !watch_is_open() || !watch.is_frames_ok ||
	    (void *)py_type(text) != py.PyUnicode_Type ||
	    pyframe_unicode(&watch.pyframe, &watch.self, (uint64_t)(uintptr_t)text, said,
			    sizeof(said)) < 0)
		return;
	py.PyErr_Fetch(&type, &value, &traceback);
	if (says_unclosed(said)) {
		if (!source || source == py._Py_NoneStruct) {
			source = uvloop_self(said);
			is_whole = !source || !is_dying(source);
		}
		if (!source)
			source = caller_self();
		if (source)
			resource_open(source, text, is_dropped(source), is_whole);
	}
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

/* An argument of a vectorcall, by place or by name; NULL when it is not given. */
static PyObject *argument(PyObject *const *args, ssize_t n_args, PyObject *names, ssize_t place,
			  const char *name)
{
	ssize_t n_names = names ? py.PyTuple_Size(names) : 0;

	if (place < n_args)
		return args[place];
	for (ssize_t i = 0; i < n_names; i++)
		if (!py.PyUnicode_CompareWithASCIIString(py.PyTuple_GetItem(names, i), name))
			return args[n_args + i];
	return NULL;
}

static PyObject *on_warn(PyObject *module, PyObject *const *args, ssize_t n_args, PyObject *names)
{
	PyObject *category = argument(args, n_args, names, 1, "category");

	if (category == *(PyObject **)py.PyExc_ResourceWarning && n_args > 0)
		warned(args[0], argument(args, n_args, names, 3, "source"));
	return warn(module, args, n_args, names);
}

static _cold_ void socket_dies(PyObject *socket)
{
	PyObject *type, *value, *traceback;
	int saved_errno = errno;
	bool is_dead = !resource_is_collecting(socket);

	py.PyErr_Fetch(&type, &value, &traceback);
	if (!is_told(socket))
		resource_tell(socket, socket, NULL, is_dead, true);
	if (is_dead)
		told_forget(socket);
	else
		told_add(socket);
	py.PyErr_Restore(type, value, traceback);
	errno = saved_errno;
}

static void on_socket_finalize(PyObject *socket)
{
	if (unlikely(*(int *)((char *)socket + SOCKET_FD_OFFSET) >= 0) && watch_is_open() &&
	    !gil_is_ending())
		socket_dies(socket);
	else if (unlikely(n_told) && !resource_is_collecting(socket))
		told_forget(socket);
	socket_finalize(socket);
}

/* Whose method the loop would call: a transport that is open, as a new reference, or NULL. */
static PyObject *handle_transport(PyObject *handle)
{
	PyObject *callback = py_get(handle, "_callback"), *transport = NULL;
	PyObject *module = py_module("asyncio.transports");
	PyObject *class = module ? py_get_class(module, "BaseTransport") : NULL;

	if (callback && class && py_type(callback) == py.PyMethod_Type)
		transport = py.PyMethod_Self(callback);
	if (transport && (!py.PyType_IsSubtype(py_type(transport), class) ||
			  !(py_is(transport, "_closing", py._Py_FalseStruct))))
		transport = NULL;
	if (transport)
		py.Py_IncRef(transport);
	unref(class);
	unref(callback);
	return transport;
}

static void selector_look(PyObject *selector)
{
	PyObject *keys = py_get(selector, "_fd_to_key"), *fd, *key, *data, *handle, *transport;
	ssize_t position = 0;

	while (keys && (void *)py_type(keys) == py.PyDict_Type &&
	       py.PyDict_Next(keys, &position, &fd, &key)) {
		data = py.PyTuple_GetItem(key, SELECTOR_KEY_DATA);
		handle = data && (void *)py_type(data) == py.PyTuple_Type
				 ? py.PyTuple_GetItem(data, 0)
				 : NULL;
		transport = handle && handle != py._Py_NoneStruct ? handle_transport(handle) : NULL;
		if (transport)
			resource_open(transport, NULL, false, true);
		unref(transport);
		py.PyErr_Clear();
	}
	unref(keys);
}

/* The selector whose close() calls it, as asyncio's loops have it. No exception is set. */
static _cold_ void epoll_closes(PyObject *epoll)
{
	PyObject *locals = py.PyEval_GetLocals(), *selector = NULL;

	if (locals && (void *)py_type(locals) == py.PyDict_Type)
		selector = py.PyDict_GetItemString(locals, "self");
	py.PyErr_Clear();
	if (selector && !strcmp(py_type_name(selector), "EpollSelector") &&
	    py_is(selector, "_selector", epoll))
		selector_look(selector);
}

static PyObject *on_epoll_close(PyObject *epoll, PyObject *unused)
{
	int saved_errno = errno;

	if (watch_is_open() && !gil_is_ending() && !py.PyErr_Occurred()) {
		epoll_closes(epoll);
		trio_epoll_closes(epoll);
	}
	errno = saved_errno;
	return epoll_close(epoll, unused);
}

/* A class made before has its own copy of the slot; asyncio has imported socket, perhaps ssl. */
static bool socket_install(void)
{
	static const char *const classes[][2] = {{"socket", "socket"}, {"ssl", "SSLSocket"}};
	PyObject *module = py_module("_socket"), *other, *class;

	socket_class = module ? py_get_class(module, "socket") : NULL;
	unref(socket_class);
	if (!socket_class)
		return false;
	if (!slot_replace(socket_class, "__del__", (void *)on_socket_finalize,
			  (void **)&socket_finalize))
		return false;
	for (unsigned int i = 0; i < ARRAY_LEN(classes); i++) {
		other = py_module(classes[i][0]);
		class = other ? py_get_class(other, classes[i][1]) : NULL;
		if (class && py.PyType_IsSubtype(class, socket_class))
			finalizer_replace_copy(class, (void *)socket_finalize,
					       (void *)on_socket_finalize);
		unref(class);
	}
	return true;
}

static bool warn_install(PyObject *warnings_module)
{
	PyObject *function = py_get(warnings_module, "warn");
	struct method_def *method = NULL;

	if (function && py_type(function) == py.PyCFunction_Type)
		method = *(struct method_def **)((char *)function + CFUNCTION_DEF_OFFSET);
	unref(function);
	return method && method->flags == METHOD_FAST_NAMES && !strcmp(method->name, "warn") &&
	       py_patch_method(method, (void *)on_warn, (void **)&warn);
}

static bool epoll_install(void)
{
	PyObject *module = py_module("select");
	PyObject *class = module ? py_get_class(module, "epoll") : NULL;
	bool is_in = class && method_replace(class, "close", METHOD_PLAIN, (void *)on_epoll_close,
					     (void **)&epoll_close);

	unref(class);
	return is_in;
}

/* Needs the GIL, no exception set. */
_hidden_ void resource_install(PyObject *warnings_module)
{
	if (warn_install(warnings_module) && socket_install() && epoll_install())
		watch_detects(DETECTOR_RESOURCES);
	else
		watch_lost(LOSS_HOOK_REFUSED);
}
