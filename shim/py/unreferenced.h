/* SPDX-License-Identifier: Apache-2.0 */
/* Unreferenced: suspended tasks that nothing holds but what they wait for; in strict mode */
#pragma once

#include "py/api.h"

/* How many tasks are being looked at. */
extern uint32_t unreferenced_n;

struct loop;

void unreferenced_made(PyObject *task);
void unreferenced_ends(PyObject *task);
void unreferenced_forget(void);
void unreferenced_edge(const struct loop *loop);
