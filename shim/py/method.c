/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method: the C functions behind a built-in class's methods and attributes
 *
 * A method of a class made in C is a descriptor, which points to an entry of a static table; the
 * function in that entry is exchanged: identity, repr, signature and frames stay as they are. An
 * attribute is a descriptor too, with a C function that gives it: that can be called directly, in
 * some nanoseconds and without a look-up.
 *
 * A finaliser is a slot of the class (tp_finalize), and the __del__ that Python code and derived
 * classes see is a wrapper round the same function: both are exchanged, or neither.
 */
#include <string.h>

#include "base/defs.h"
#include "py/method.h"

/* CPython 3.8-3.15 Include/cpython/descrobject.h: what follows PyDescr_COMMON. */
#define DESCRIPTOR_OWN_OFFSET 40

/* CPython 3.8-3.15 Include/cpython/methodobject.h: PyCFunctionObject.m_ml behind the header. */
#define CFUNCTION_DEF_OFFSET 16
/* CPython 3.8-3.15 Include/cpython/descrobject.h: PyWrapperDescrObject.d_wrapped. */
#define WRAPPER_FUNCTION_OFFSET 48
/* CPython 3.8-3.15 Include/cpython/object.h. */
#define TYPE_FINALIZE_OFFSET 392
#define TYPE_INIT_OFFSET     296
#define TYPE_ASYNC_OFFSET    80
/* PyAsyncMethods.am_anext. */
#define ASYNC_NEXT_OFFSET 16
/* The same; tp_vectorcall_offset and tp_basicsize. */
#define TYPE_VECTORCALL_OFFSET 56
#define TYPE_BASICSIZE_OFFSET  32

/* CPython 3.8-3.15 Include/descrobject.h. */
struct getset_def {
	const char *name;
	PyObject *(*get)(PyObject *self, void *closure);
	int (*set)(PyObject *self, PyObject *value, void *closure);
	const char *doc;
	void *closure;
};

/* The class's own or inherited attribute, if it is a descriptor of that type: borrowed, or NULL. */
static PyObject *descriptor_find(PyObject *class, const char *name, void *type)
{
	PyObject *key = py_is_class(class) ? py.PyUnicode_InternFromString(name) : NULL, *found;

	if (!key) {
		py.PyErr_Clear();
		return NULL;
	}
	found = py._PyType_Lookup(class, key);
	py.Py_DecRef(key);
	return found && (void *)py_type(found) == type ? found : NULL;
}

/* The table's entry behind a function of a module made in C; NULL when it is none. */
_hidden_ struct method_def *method_of_function(PyObject *function)
{
	struct method_def *method;

	if ((void *)py_type(function) != py.PyCFunction_Type)
		return NULL;
	method = *(struct method_def **)((char *)function + CFUNCTION_DEF_OFFSET);
	return method->function == py.PyCFunction_GetFunction(function) ? method : NULL;
}

/* The table's entry behind a method; NULL when there is none. Needs the GIL. */
_hidden_ struct method_def *method_find(PyObject *class, const char *name)
{
	PyObject *found = descriptor_find(class, name, py.PyMethodDescr_Type);
	struct method_def *method;

	if (!found)
		return NULL;
	method = *(struct method_def **)((char *)found + DESCRIPTOR_OWN_OFFSET);
	return method && method->name && !strcmp(method->name, name) ? method : NULL;
}

/*
 * Let a method that is called with these flags lead to function. Needs the GIL, no exception set.
 *
 * Return: false when the method is not as expected, and nothing was changed.
 */
_hidden_ bool method_replace(PyObject *class, const char *name, int flags, void *function,
			     void **ret_before)
{
	struct method_def *method = method_find(class, name);

	return method && method->flags == flags && py_patch_method(method, function, ret_before);
}

/*
 * The result of a method written in C that takes no arguments, unless a class made in Python has
 * put its own before it; a new reference, or NULL without an exception set.
 */
_hidden_ PyObject *method_call(PyObject *object, const char *name)
{
	struct method_def *method = method_find(py_type(object), name);
	PyObject *result = NULL;

	if (method && method->flags == METHOD_PLAIN)
		result = ((method_o_fn)method->function)(object, NULL);
	if (!result)
		py.PyErr_Clear();
	return result;
}

_hidden_ bool getter_find(PyObject *class, const char *name, struct getter *ret_getter)
{
	PyObject *found = descriptor_find(class, name, py.PyGetSetDescr_Type);
	struct getset_def *def;

	if (!found)
		return false;
	def = *(struct getset_def **)((char *)found + DESCRIPTOR_OWN_OFFSET);
	if (!def || !def->get || !def->name || strcmp(def->name, name))
		return false;
	*ret_getter = (struct getter){.function = def->get, .closure = def->closure};
	return true;
}

/* Whether the attribute is True. Needs the GIL, no exception set, and sets none. */
_hidden_ bool getter_is_true(const struct getter *getter, PyObject *object)
{
	PyObject *value = getter->function(object, getter->closure);
	bool is_true = value == py._Py_TrueStruct;

	if (value)
		py.Py_DecRef(value);
	else
		py.PyErr_Clear();
	return is_true;
}

_hidden_ void *finalizer_get(PyObject *class)
{
	return *(void **)((char *)class + TYPE_FINALIZE_OFFSET);
}

/* Where the wrapper that Python code sees as a special method keeps its C function; or NULL. */
static void **wrapped_find(PyObject *class, const char *name)
{
	PyObject *wrapper = descriptor_find(class, name, py.PyWrapperDescr_Type);

	return wrapper ? (void **)((char *)wrapper + WRAPPER_FUNCTION_OFFSET) : NULL;
}

static bool slot_replace_at(PyObject *class, const char *name, void **slot, void *function,
			    void **ret_before)
{
	void **wrapped = wrapped_find(class, name);

	if (!wrapped || !*slot || *slot != *wrapped || *slot == function)
		return false;
	*ret_before = *slot;
	*slot = *wrapped = function;
	return true;
}

/*
 * Let a slot of a class made in C, __del__ or __init__, lead to function, also for classes derived
 * from it later. Needs the GIL, no exception set.
 */
_hidden_ bool slot_replace(PyObject *class, const char *name, void *function, void **ret_before)
{
	size_t offset = strcmp(name, "__init__") ? TYPE_FINALIZE_OFFSET : TYPE_INIT_OFFSET;

	return slot_replace_at(class, name, (void **)((char *)class + offset), function,
			       ret_before);
}

/* The same for __anext__, whose slot lies in a table of the class's own. */
_hidden_ bool slot_replace_next(PyObject *class, void *function, void **ret_before)
{
	char *table = *(char **)((char *)class + TYPE_ASYNC_OFFSET);

	return table && slot_replace_at(class, "__anext__", (void **)(table + ASYNC_NEXT_OFFSET),
					function, ret_before);
}

/*
 * The same for a class made in Python: one that was derived before, with a copy of the slot, or one
 * that has no finaliser at all (before is NULL). One that was given another since is left alone.
 */
_hidden_ void finalizer_replace_copy(PyObject *class, void *before, void *function)
{
	void **slot = (void **)((char *)class + TYPE_FINALIZE_OFFSET);

	if (*slot == before)
		*slot = function;
}

/*
 * Let a slot of a class made in Python lead to function, also for classes derived from it later:
 * attributes of the class stay as they are. Needs the GIL.
 */
_hidden_ bool class_replace(PyObject *class, enum class_slot slot, void *function,
			    void **ret_before)
{
	void **place = (void **)((char *)class + slot);

	if (!*place || *place == function)
		return false;
	*ret_before = *place;
	*place = function;
	return true;
}

/*
 * Let the entry by which C code calls a Python function (vectorcall) lead elsewhere; from Python
 * code 3.11 does not come this way. Needs the GIL.
 */
_hidden_ bool function_replace(PyObject *function, vectorcall_fn entry, vectorcall_fn *ret_before)
{
	ssize_t offset = *(ssize_t *)((char *)py.PyFunction_Type + TYPE_VECTORCALL_OFFSET);
	ssize_t size_bytes = *(ssize_t *)((char *)py.PyFunction_Type + TYPE_BASICSIZE_OFFSET);
	vectorcall_fn *field;

	if (offset <= 0 || offset > size_bytes - (ssize_t)sizeof(*field) || offset % 8)
		return false;
	field = (vectorcall_fn *)((char *)function + offset);
	if (!*field || *field == entry)
		return false;
	*ret_before = *field;
	if (py.PyFunction_SetVectorcall)
		py.PyFunction_SetVectorcall(function, entry);
	else
		*field = entry;
	return *field == entry;
}
