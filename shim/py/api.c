/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we use of the C API
 *
 * Nothing is linked: the interpreter may be the executable itself or a libpython of any version,
 * and in most programs there is none. Layouts that are relied on beyond the functions are those of
 * PyObject, PyMethodDef, PyCFunctionObject and PyMethodDescrObject, the same in every GIL build of
 * 3.8 to 3.15, and each use is checked against a second source before anything is written.
 *
 * Attributes are asked by PyObject_GenericGetAttr(), which runs no Python code of a class's own
 * __getattr__: a watched program must not see a frame that it did not make.
 */
#include <dlfcn.h>
#include <string.h>

#include "base/defs.h"
#include "patch.h"
#include "py/api.h"

/* Offsets in a GIL build, LP64: Include/object.h, Include/cpython/object.h. */
#define OBJECT_TYPE_OFFSET 8
#define TYPE_NAME_OFFSET   24

_hidden_ struct py py;

/* Return: whether all that is required is there. */
_hidden_ bool py_resolve(void)
{
	bool is_whole = true;

#define RESOLVE(type, name, args) py.name = (type(*) args)dlsym(RTLD_DEFAULT, #name);
	PY_OPTIONAL(RESOLVE)
#undef RESOLVE
#define RESOLVE(type, name, args)                           \
	py.name = (type(*) args)dlsym(RTLD_DEFAULT, #name); \
	is_whole &= py.name != NULL;
	PY_FUNCTIONS(RESOLVE)
#undef RESOLVE
#define RESOLVE(name)                         \
	py.name = dlsym(RTLD_DEFAULT, #name); \
	is_whole &= py.name != NULL;
	PY_DATA(RESOLVE)
#undef RESOLVE
	return is_whole;
}

/* An attribute by the generic way; a new reference, or NULL without an exception set. */
_hidden_ PyObject *py_get(PyObject *object, const char *name)
{
	PyObject *key = py.PyUnicode_FromString(name);
	PyObject *found = key ? py.PyObject_GenericGetAttr(object, key) : NULL;

	if (key)
		py.Py_DecRef(key);
	if (!found)
		py.PyErr_Clear();
	return found;
}

_hidden_ PyObject *py_type(PyObject *object)
{
	return *(PyObject **)((char *)object + OBJECT_TYPE_OFFSET);
}

_hidden_ const char *py_type_name(PyObject *object)
{
	return *(const char **)((char *)py_type(object) + TYPE_NAME_OFFSET);
}

/* A module that is already imported; a borrowed reference, or NULL. */
_hidden_ PyObject *py_module(const char *name)
{
	PyObject *modules = py.PyImport_GetModuleDict();

	return modules ? py.PyDict_GetItemString(modules, name) : NULL;
}

/* Let a method of a static table lead to function. *ret_before is set first: it may run at once. */
_hidden_ bool py_patch_method(struct method_def *method, void *function, void **ret_before)
{
	*ret_before = method->function;
	return patch_pointer(&method->function, function);
}
