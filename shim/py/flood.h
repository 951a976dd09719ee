/* SPDX-License-Identifier: Apache-2.0 */
/* Flood: thousands of tasks made at one line, within one turn of a loop or living at once */
#pragma once

#include "py/api.h"

extern bool flood_is_open;

void flood_made(PyObject *task);
void flood_look(void);
void flood_loop_starts(uint64_t tstate_raddr);
void flood_loop_stops(void);
void flood_forget(void);
void flood_install(PyObject *asyncio_module);
