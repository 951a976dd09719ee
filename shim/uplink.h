/* SPDX-License-Identifier: Apache-2.0 */
/* Uplink: how what was seen leaves the process, by a daemon or into a recording */
#pragma once

#include <stdbool.h>

#include "base/defs.h"

/* Whoever opens the watch. */
bool uplink_is_wanted(void);
void uplink_open(void);

/* The watchdog, in its own descriptor table. */
bool uplink_enter(void);
void uplink_tend(nsec_t now_ns);
void uplink_leave(void);

/* Whoever ends the process, while there is no watchdog, or the watchdog for him. */
void uplink_finish(void);

void uplink_forget(void);
bool uplink_owns_fd(int fd);
