/* SPDX-License-Identifier: Apache-2.0 */
/* Fork: what happens to a watch when its process is doubled */
#pragma once

#include <stdbool.h>

void fork_init(void);
void fork_start_watchdog(void);
void fork_thread_ended(void);
bool fork_watch_open(void);
