/* SPDX-License-Identifier: Apache-2.0 */
/* Made: where a connection was made or a file opened, by its descriptor */
#pragma once

#include <stdbool.h>

struct stack_buf;

void made_here(int fd);
void made_here_once(int fd);
void made_elsewhere(int fd);
bool made_stack(int fd, struct stack_buf *ret_stack);
void made_forget(void);
