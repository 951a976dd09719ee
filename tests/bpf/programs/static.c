/* SPDX-License-Identifier: Apache-2.0 */
/* A python without a loader: what asyncio needs and Debian's libpython3.11.a lacks is in here */
#include <Python.h>

static PyObject *copy_context(PyObject *self, PyObject *nothing)
{
	(void)self;
	(void)nothing;
	return PyContext_CopyCurrent();
}

static PyMethodDef methods[] = {{"copy_context", copy_context, METH_NOARGS, NULL}, {0}};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_contextvars", .m_methods = methods};

static PyObject *init(void)
{
	PyObject *made = PyModule_Create(&module);

	if (!made || PyModule_AddType(made, &PyContext_Type) ||
	    PyModule_AddType(made, &PyContextVar_Type) ||
	    PyModule_AddType(made, &PyContextToken_Type))
		return NULL;
	return made;
}

int main(int argc, char **argv)
{
	if (PyImport_AppendInittab("_contextvars", init))
		return 1;
	return Py_BytesMain(argc, argv);
}
