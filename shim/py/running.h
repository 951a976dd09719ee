/* SPDX-License-Identifier: Apache-2.0 */
/* Running: a framework says which loop runs on this thread */
#pragma once

#include <stdbool.h>

#include "py/api.h"

int running_epoll_fd(PyObject *loop);
bool running_install(PyObject *asyncio_module);
PyObject *running_uvloop_class(PyObject *loop);
