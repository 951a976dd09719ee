/* SPDX-License-Identifier: Apache-2.0 */
/* Library: which files are asyncio's own */
#pragma once

#include "py/api.h"

void library_found(PyObject *code);
bool library_is_asyncio(uint32_t file_str);
