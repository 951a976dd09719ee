/* SPDX-License-Identifier: Apache-2.0 */
/* Fork: what happens to a watch when its process is doubled */
#pragma once

#include <stdbool.h>

void fork_init(void);
void fork_start_watchdog(void);
bool fork_hold_watchdog(void);
void fork_release_watchdog(void);
bool fork_watch_open(void);
