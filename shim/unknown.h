/* SPDX-License-Identifier: Apache-2.0 */
/* Unknown: the epoll that a loop of a framework waits on which is not watched */
#pragma once

#include <stdatomic.h>

/* -1: there is none, or it is counted. */
extern _Atomic int foreign_epoll_fd;

void foreign_polls(int epoll_fd);
