/* SPDX-License-Identifier: Apache-2.0 */
/* Callback: where one callback of a loop ends and the next begins */
#pragma once

#include "py/api.h"

void callback_install(void);
void callback_install_uvloop(PyObject *uvloop_class);
