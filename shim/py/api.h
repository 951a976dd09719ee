/* SPDX-License-Identifier: Apache-2.0 */
/* What we use of the C API: declared here, found by dlsym, never linked */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct py_object PyObject;
typedef struct py_tstate PyThreadState;

typedef int (*audit_fn)(const char *event, PyObject *args, void *user);
typedef PyObject *(*vectorcall_fn)(PyObject *callable, PyObject *const *args, size_t n_args,
				   PyObject *names);
typedef PyObject *(*method_o_fn)(PyObject *self, PyObject *argument);
typedef PyObject *(*method_class_fn)(PyObject *self, PyObject *class, PyObject *const *args,
				     ssize_t n_args, PyObject *names);
typedef PyObject *(*method_fast_fn)(PyObject *self, PyObject *const *args, ssize_t n_args,
				    PyObject *names);
/*
 * A C method whatever its flags: METH_METHOD hands over the most, five words, and where there are
 * fewer the last are passed along unread. On x86-64 and aarch64 they are all in registers.
 */
typedef PyObject *(*method_any_fn)(PyObject *self, void *, void *, void *, void *);

/* PY_VECTORCALL_ARGUMENTS_OFFSET: the flag in the number of arguments. */
#define VECTORCALL_N_ARGS(n) ((n) & ~((size_t)1 << (8 * sizeof(size_t) - 1)))

/* CPython 3.8-3.15 Include/methodobject.h. */
struct method_def {
	const char *name;
	void *function;
	int flags;
	const char *doc;
};

#define METHOD_PLAIN	   0x0004 /* METH_NOARGS */
#define METHOD_O	   0x0008 /* METH_O */
#define METHOD_FAST	   0x0080 /* METH_FASTCALL */
#define METHOD_FAST_NAMES  0x0082 /* METH_FASTCALL | METH_KEYWORDS */
#define METHOD_CLASS_NAMES 0x0282 /* METH_METHOD | METH_FASTCALL | METH_KEYWORDS; 3.9 */

/* Required: in every CPython 3.8-3.15. */
#define PY_FUNCTIONS(F)                                                                 \
	F(int, PySys_AddAuditHook, (audit_fn, void *))                                  \
	F(PyObject *, PyImport_GetModuleDict, (void))                                   \
	F(PyObject *, PySys_GetObject, (const char *name))                              \
	F(PyObject *, PyDict_GetItem, (PyObject *, PyObject *))                         \
	F(PyObject *, PyDict_GetItemString, (PyObject *, const char *))                 \
	F(PyObject *, PyObject_GetAttrString, (PyObject *, const char *))               \
	F(PyObject *, PyObject_GenericGetAttr, (PyObject *, PyObject *))                \
	F(PyObject *, PyUnicode_FromString, (const char *))                             \
	F(PyObject *, PyErr_Occurred, (void))                                           \
	F(void, PyErr_Clear, (void))                                                    \
	F(void, PyErr_Fetch, (PyObject **, PyObject **, PyObject **))                   \
	F(void, PyErr_Restore, (PyObject *, PyObject *, PyObject *))                    \
	F(void, Py_DecRef, (PyObject *))                                                \
	F(long, PyLong_AsLong, (PyObject *))                                            \
	F(ssize_t, PyTuple_Size, (PyObject *))                                          \
	F(PyObject *, PyTuple_GetItem, (PyObject *, ssize_t))                           \
	F(int, PyObject_AsFileDescriptor, (PyObject *))                                 \
	F(PyThreadState *, PyThreadState_Get, (void))                                   \
	F(PyThreadState *, PyGILState_GetThisThreadState, (void))                       \
	F(int, Py_IsInitialized, (void))                                                \
	F(void, Py_IncRef, (PyObject *))                                                \
	F(PyObject *, _PyType_Lookup, (PyObject *, PyObject *))                         \
	F(PyObject *, PyObject_CallFunctionObjArgs, (PyObject *, ...))                  \
	F(void *, PyCFunction_GetFunction, (PyObject *))                                \
	F(PyObject *, PyCFunction_GetSelf, (PyObject *))                                \
	F(PyObject *, PyMethod_Function, (PyObject *))                                  \
	F(PyObject *, PyFunction_GetCode, (PyObject *))                                 \
	F(PyObject *, PyEval_GetLocals, (void))                                         \
	F(ssize_t, PyDict_Size, (PyObject *))                                           \
	F(PyObject *, PyLong_FromLong, (long))                                          \
	F(char *, PyBytes_AsString, (PyObject *))                                       \
	F(ssize_t, PyBytes_Size, (PyObject *))                                          \
	F(PyObject *, PyCFunction_NewEx, (struct method_def *, PyObject *, PyObject *)) \
	F(PyObject *, PyList_New, (ssize_t))                                            \
	F(int, PyList_SetItem, (PyObject *, ssize_t, PyObject *))                       \
	F(void, PyObject_GC_UnTrack, (void *))                                          \
	F(void, PyErr_WriteUnraisable, (PyObject *))                                    \
	F(ssize_t, PyList_Size, (PyObject *))                                           \
	F(PyObject *, PyList_GetItem, (PyObject *, ssize_t))                            \
	F(PyObject *, PyMethod_Self, (PyObject *))                                      \
	F(int, PyDict_Next, (PyObject *, ssize_t *, PyObject **, PyObject **))          \
	F(int, PyType_IsSubtype, (PyObject *, PyObject *))                              \
	F(int, PyUnicode_CompareWithASCIIString, (PyObject *, const char *))            \
	F(PyObject *, PyEval_GetFrame, (void))                                          \
	F(int, PyFrame_GetLineNumber, (PyObject *))                                     \
	F(PyObject *, PyUnicode_InternFromString, (const char *))                       \
	F(ssize_t, PyUnicode_GetLength, (PyObject *))                                   \
	F(const char *, PyUnicode_AsUTF8, (PyObject *))                                 \
	F(uint32_t, PyUnicode_ReadChar, (PyObject *, ssize_t))                          \
	F(PyObject *, PyObject_GetItem, (PyObject *, PyObject *))                       \
	F(PyObject *, PyMapping_GetItemString, (PyObject *, const char *))              \
	F(void *, PyCapsule_GetPointer, (PyObject *, const char *))                     \
	F(int, PyContext_Enter, (PyObject *))                                           \
	F(int, PyContext_Exit, (PyObject *))

/* Optional: not in every version. */
#define PY_OPTIONAL(F)                                                                  \
	F(void, PyFunction_SetVectorcall, (PyObject *, vectorcall_fn)) /* 3.12 */       \
	F(PyObject *, PyFrame_GetCode, (PyObject *))		       /* 3.9 */        \
	F(PyThreadState *, _PyThreadState_UncheckedGet, (void))	       /* until 3.12 */ \
	F(PyThreadState *, PyThreadState_GetUnchecked, (void))	       /* from 3.13 */  \
	F(int, _Py_IsFinalizing, (void))			       /* until 3.12 */ \
	F(int, Py_IsFinalizing, (void))				       /* from 3.13 */  \
	F(void, PyErr_FormatUnraisable, (const char *, ...))	       /* 3.13 */       \
	F(int, PyGC_IsEnabled, (void))				       /* 3.10 */       \
	F(PyObject *, PyInit_gc, (void))

#define PY_DATA(F)               \
	F(_Py_NoneStruct)        \
	F(_Py_TrueStruct)        \
	F(_Py_FalseStruct)       \
	F(PyUnicode_Type)        \
	F(PyTuple_Type)          \
	F(PyTraceBack_Type)      \
	F(PyExc_ResourceWarning) \
	F(PyContext_Type)        \
	F(PyCFunction_Type)      \
	F(PyWrapperDescr_Type)   \
	F(PyList_Type)           \
	F(PyDict_Type)           \
	F(PyMethodDescr_Type)    \
	F(PyGetSetDescr_Type)    \
	F(PyMemberDescr_Type)    \
	F(PyCoro_Type)           \
	F(PyGen_Type)            \
	F(PyAsyncGen_Type)       \
	F(PyExc_TimeoutError)    \
	F(PyExc_RuntimeError)    \
	F(PyExc_TypeError)       \
	F(PyExc_BaseException)   \
	F(PyMethod_Type)         \
	F(PyFunction_Type)

#define PY_OPTIONAL_DATA(F) F(PyExc_BaseExceptionGroup) /* 3.11 */

struct py {
#define PY_MEMBER(type, name, args) type(*name) args;
	PY_FUNCTIONS(PY_MEMBER)
	PY_OPTIONAL(PY_MEMBER)
#undef PY_MEMBER
#define PY_MEMBER(name) void *name;
	PY_DATA(PY_MEMBER)
	PY_OPTIONAL_DATA(PY_MEMBER)
#undef PY_MEMBER
};

extern struct py py;

bool py_resolve(void);
PyObject *py_get(PyObject *object, const char *name);
PyObject *py_type(PyObject *object);
const char *py_type_name(PyObject *object);
const char *py_class_name(PyObject *class);
PyObject *py_type_base(PyObject *class);
const void *py_class_dealloc(PyObject *class);
PyObject *py_module(const char *name);
PyObject *py_get_class(PyObject *object, const char *name);
bool py_is_class(PyObject *object);
bool py_is_finalized(PyObject *object);
bool py_is(PyObject *object, const char *name, const void *value);
bool py_patch_method(struct method_def *method, void *function, void **ret_before);
