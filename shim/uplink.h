/* SPDX-License-Identifier: Apache-2.0 */
/* Uplink: how what was seen leaves the process, by a daemon or into a recording */
#pragma once

#include <stdbool.h>

#include "base/defs.h"

void uplink_try(void);
bool uplink_is_wanted(void);
void uplink_tend(nsec_t now_ns);
void uplink_exit(void);
void uplink_forget(void);
bool uplink_owns_fd(int fd);
