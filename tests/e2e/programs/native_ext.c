/* SPDX-License-Identifier: Apache-2.0 */
/* An extension that holds the GIL: it waits, computes, and calls back */
#define Py_LIMITED_API 0x03080000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <poll.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))
/* So that no call is the last thing a function does. */
#define STAY __asm__ volatile("")

static NOINLINE void wait_inner(int ms)
{
	poll(NULL, 0, ms); /* WAITS */
	STAY;
}

static NOINLINE void wait_outer(int ms)
{
	wait_inner(ms); /* CALLS */
	STAY;
}

static NOINLINE PyObject *ext_wait(PyObject *self, PyObject *ms)
{
	(void)self;
	wait_outer((int)PyLong_AsLong(ms));
	Py_INCREF(Py_None);
	return Py_None;
}

static NOINLINE void spin_inner(const struct timespec *end)
{
	struct timespec now = {0};

	while (now.tv_sec < end->tv_sec ||
	       (now.tv_sec == end->tv_sec && now.tv_nsec < end->tv_nsec)) {
		for (volatile int i = 0; i < 20000000; i++)
			;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	}
}

static NOINLINE PyObject *ext_spin(PyObject *self, PyObject *ms)
{
	struct timespec end;

	(void)self;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	end.tv_nsec += PyLong_AsLong(ms) * 1000000;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	spin_inner(&end);
	STAY;
	Py_INCREF(Py_None);
	return Py_None;
}

static NOINLINE PyObject *ext_call(PyObject *self, PyObject *function)
{
	PyObject *result = PyObject_CallFunctionObjArgs(function, NULL);

	(void)self;
	STAY;
	return result;
}

static PyMethodDef methods[] = {
	{"wait", ext_wait, METH_O, NULL},
	{"spin", ext_spin, METH_O, NULL},
	{"call", ext_call, METH_O, NULL},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native_ext", NULL, -1, methods};

PyMODINIT_FUNC PyInit_native_ext(void)
{
	return PyModule_Create(&module);
}
