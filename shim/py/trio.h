/* SPDX-License-Identifier: Apache-2.0 */
/* Trio: its run function says which loop runs on this thread */
#pragma once

#include <stdbool.h>

#include "py/api.h"

bool trio_runs(void);
bool trio_install(void);
void trio_epoll_closes(PyObject *epoll);
