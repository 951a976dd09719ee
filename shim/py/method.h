/* SPDX-License-Identifier: Apache-2.0 */
/* Method: the C functions behind a built-in class's methods and attributes */
#pragma once

#include "py/api.h"

/* An attribute that C code gives: what it calls, and calls it with. */
struct getter {
	PyObject *(*function)(PyObject *self, void *closure);
	void *closure;
};

/* Slots of a class, CPython 3.8-3.15 Include/cpython/object.h. */
enum class_slot {
	CLASS_SETATTRO = 152,
	CLASS_INIT = 296,
	CLASS_NEW = 312,
};

bool class_replace(PyObject *class, enum class_slot slot, void *function, void **ret_before);
bool function_replace(PyObject *function, vectorcall_fn entry, vectorcall_fn *ret_before);
struct method_def *method_of_function(PyObject *function);
struct method_def *method_find(PyObject *class, const char *name);
bool method_replace(PyObject *class, const char *name, int flags, void *function,
		    void **ret_before);
PyObject *method_call(PyObject *object, const char *name);
bool getter_find(PyObject *class, const char *name, struct getter *ret_getter);
bool getter_is_true(const struct getter *getter, PyObject *object);
void *finalizer_get(PyObject *class);
void finalizer_replace_copy(PyObject *class, void *before, void *function);
bool slot_replace(PyObject *class, const char *name, void *function, void **ret_before);
bool slot_replace_next(PyObject *class, void *function, void **ret_before);
