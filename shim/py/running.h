/* SPDX-License-Identifier: Apache-2.0 */
/* Running: a framework says which loop runs on this thread */
#pragma once

#include <stdbool.h>

#include "py/api.h"

int running_epoll_fd(PyObject *loop);
int running_epoll_of(PyObject *loop, const char *outer, const char *inner);
/* The loop that runs on this thread by the word of asyncio's Python function; NULL: none. */
extern __thread PyObject *running_twin_loop __attribute__((tls_model("initial-exec")));

bool running_install(PyObject *asyncio_module);
bool running_install_twin(void);
void running_loop_starts(void);
void running_stopped(void);
PyObject *running_uvloop_class(PyObject *loop);
