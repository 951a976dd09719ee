/* SPDX-License-Identifier: Apache-2.0 */
/* Unfinished: what asyncio.run() cancels at its end, since nobody has waited for it */
#pragma once

#include "py/api.h"

void unfinished_look(PyObject *task);
