/* SPDX-License-Identifier: Apache-2.0 */
/* Control: the answer to a command that asks */
#pragma once

#include <stdint.h>

struct daemon;

int control_answer(struct daemon *daemon, int sock_fd, uint32_t verb);
