/* SPDX-License-Identifier: Apache-2.0 */
/* Bootstrap: into the interpreter, once asyncio is there */
#pragma once

#include <stdbool.h>

bool bootstrap_init(void);
void bootstrap_install_shared(void);
