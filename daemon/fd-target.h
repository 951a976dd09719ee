/* SPDX-License-Identifier: Apache-2.0 */
/* Target of a descriptor of another process, for people */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FD_TARGET_MAX_BYTES 512

size_t fd_target(int32_t pid, int pidfd, int fd, char text[FD_TARGET_MAX_BYTES]);
