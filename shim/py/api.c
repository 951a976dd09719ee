/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we use of the C API
 *
 * Nothing is linked: the interpreter may be the executable itself or a libpython of any version,
 * and in most programs there is none. Layouts that are relied on beyond the functions are those of
 * PyObject, PyMethodDef, PyCFunctionObject and PyMethodDescrObject, the same in every GIL build of
 * 3.8 to 3.15, and each use is checked against a second source before anything is written.
 *
 * Attributes are asked by PyObject_GenericGetAttr(), which runs no __getattr__ of a class, and only
 * where no property stands before them: a watched program must not see a frame that it did not
 * make.
 */
#include <dlfcn.h>
#include <string.h>

#include "base/defs.h"
#include "patch.h"
#include "py/api.h"

/* Offsets in a GIL build, LP64: Include/object.h, Include/cpython/object.h. */
#define OBJECT_TYPE_OFFSET  8
#define TYPE_NAME_OFFSET    24
#define TYPE_DEALLOC_OFFSET 48
#define TYPE_FLAGS_OFFSET   168
#define TYPE_BASE_OFFSET    256
#define TYPE_GET_OFFSET	    272
#define TYPE_IS_CLASS	    (UINT64_C(1) << 31) /* Py_TPFLAGS_TYPE_SUBCLASS */
/* Include/internal/pycore_gc.h, _PyGC_PREV_MASK_FINALIZED: the word before an object. */
#define GC_PREV_OFFSET (-8)
#define GC_FINALIZED   1

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
#define RESOLVE(name) py.name = dlsym(RTLD_DEFAULT, #name);
	PY_OPTIONAL_DATA(RESOLVE)
#undef RESOLVE
#define RESOLVE(name)                         \
	py.name = dlsym(RTLD_DEFAULT, #name); \
	is_whole &= py.name != NULL;
	PY_DATA(RESOLVE)
#undef RESOLVE
	return is_whole;
}

/*
 * Whether asking for the attribute runs no Python code: it is the instance's, C's, or a value of
 * the class that is no descriptor (tp_descr_get).
 */
static bool is_plain(PyObject *object, PyObject *key)
{
	PyObject *found = py._PyType_Lookup(py_type(object), key), *type;

	if (!found)
		return true;
	type = py_type(found);
	return type == py.PyGetSetDescr_Type || type == py.PyMemberDescr_Type ||
	       type == py.PyMethodDescr_Type || !*(void **)((char *)type + TYPE_GET_OFFSET);
}

/*
 * An attribute by the generic way, unless a property or the like stands before it. The name is
 * interned: the interpreter's cache of attributes goes by a name's address from 3.11 on and holds
 * it, so a string made for each question would fill it, 4096 strings in all.
 *
 * Return: a new reference, or NULL without an exception set.
 */
_hidden_ PyObject *py_get(PyObject *object, const char *name)
{
	PyObject *key = py.PyUnicode_InternFromString(name);
	PyObject *found = NULL;

	if (key && is_plain(object, key))
		found = py.PyObject_GenericGetAttr(object, key);

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

/* Whether an object is a class: what a program has put in the place of one may be anything. */
_hidden_ bool py_is_class(PyObject *object)
{
	return *(uint64_t *)((char *)py_type(object) + TYPE_FLAGS_OFFSET) & TYPE_IS_CLASS;
}

/* A class that is an attribute, mostly of a module: a new reference, or NULL. */
_hidden_ PyObject *py_get_class(PyObject *object, const char *name)
{
	PyObject *found = py_get(object, name);

	if (!found || py_is_class(found))
		return found;
	py.Py_DecRef(found);
	return NULL;
}

/* tp_name: with the module and a dot for a class made in C, without for one made in Python. */
_hidden_ const char *py_class_name(PyObject *class)
{
	return *(const char **)((char *)class + TYPE_NAME_OFFSET);
}

_hidden_ const char *py_type_name(PyObject *object)
{
	return py_class_name(py_type(object));
}

/* Borrowed; NULL for object. */
_hidden_ PyObject *py_type_base(PyObject *class)
{
	return *(PyObject **)((char *)class + TYPE_BASE_OFFSET);
}

_hidden_ const void *py_class_dealloc(PyObject *class)
{
	return *(const void **)((char *)class + TYPE_DEALLOC_OFFSET);
}

/*
 * A module that is already imported; a borrowed reference, or NULL. An interpreter that ends takes
 * sys.modules away before its table of modules, and to ask for that when it is gone is fatal.
 */
_hidden_ PyObject *py_module(const char *name)
{
	PyObject *shown = py.PySys_GetObject("modules");
	PyObject *modules =
		shown && shown != py._Py_NoneStruct ? py.PyImport_GetModuleDict() : NULL;

	return modules ? py.PyDict_GetItemString(modules, name) : NULL;
}

/* Whether an attribute is this very object. */
_hidden_ bool py_is(PyObject *object, const char *name, const void *value)
{
	PyObject *found = py_get(object, name);

	if (found)
		py.Py_DecRef(found);
	return found == value;
}

/* Whether the finaliser of an object that the collector knows has run. */
_hidden_ bool py_is_finalized(PyObject *object)
{
	return *(uint64_t *)((char *)object + GC_PREV_OFFSET) & GC_FINALIZED;
}

/* Let a method of a static table lead to function. *ret_before is set first: it may run at once. */
_hidden_ bool py_patch_method(struct method_def *method, void *function, void **ret_before)
{
	/* Another interpreter of this process has been here: the table is one for all. */
	if (method->function == function)
		return true;
	*ret_before = method->function;
	return patch_pointer(&method->function, function);
}
