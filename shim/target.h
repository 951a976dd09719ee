/* SPDX-License-Identifier: Apache-2.0 */
/* Target: what a descriptor leads to, for people */
#pragma once

#include <stdint.h>

uint32_t target_of_fd(int fd);
