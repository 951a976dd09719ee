/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Library: which files are asyncio's own
 *
 * Those beside the file that asyncio's tasks were compiled from: anybody may keep programs in a
 * folder that is called asyncio. Called with the GIL held and no exception set.
 */
#include <string.h>

#include "base/defs.h"
#include "intern.h"
#include "pyframe/pyframe.h"
#include "py/library.h"

/* asyncio's folder with its slash, as frames spell it; empty while it is not known. */
static char folder[PYFRAME_MAX_FILE];
static size_t folder_length;

/* Before anybody can have put functions of his own there: code is of one of asyncio.tasks. */
_hidden_ void library_found(PyObject *code)
{
	PyObject *file = py_get(code, "co_filename");
	const char *text = file ? py.PyUnicode_AsUTF8(file) : NULL;
	const char *slash = text ? strrchr(text, '/') : NULL;

	py.PyErr_Clear();
	if (slash && (size_t)(slash - text) < sizeof(folder)) {
		folder_length = (size_t)(slash + 1 - text);
		memcpy(folder, text, folder_length);
	}
	if (file)
		py.Py_DecRef(file);
}

/* Whether a frame's file is asyncio's. */
_hidden_ bool library_is_asyncio(uint32_t file_str)
{
	size_t length;
	const char *file = intern_text(file_str, &length);

	return folder_length && length > folder_length && !memcmp(file, folder, folder_length);
}
