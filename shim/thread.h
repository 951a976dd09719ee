/* SPDX-License-Identifier: Apache-2.0 */
/* Thread: a thread of ours that libc does not count */
#pragma once

#include <stdbool.h>

#include "base/defs.h"

typedef void (*thread_fn)(void);

void thread_init(void);
int thread_start(thread_fn run);
bool thread_is_there(void);
bool thread_join(nsec_t until_ns);
void thread_await_unlisted(nsec_t until_ns);
void thread_forget(void);
