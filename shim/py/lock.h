/* SPDX-License-Identifier: Apache-2.0 */
/* Lock: which thread has a lock of Python's */
#pragma once

#include "py/api.h"

void lock_install(void);
int lock_holder(const PyObject *lock);

/* The lock that this thread, which runs a loop, is about to take; it may have to wait for it. */
extern __thread PyObject *thread_lock __attribute__((tls_model("initial-exec")));
