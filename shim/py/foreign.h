/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign: loops of frameworks that are not watched, so that nobody takes them for none */
#pragma once

#include "py/api.h"

void foreign_epoll_made(PyObject *epoll);
