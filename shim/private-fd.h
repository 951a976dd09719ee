/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor table of the watchdog's own, apart from the program's */
#pragma once

#include <stdbool.h>

bool private_fd_table(const int *kept_fds, unsigned int n_kept);
