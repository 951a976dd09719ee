/* SPDX-License-Identifier: Apache-2.0 */
/* Gevent: its hub, and what runs between two switches of its greenlets */
#pragma once

#include "py/api.h"

void gevent_install(PyObject *greenlets, PyObject *hubs);
