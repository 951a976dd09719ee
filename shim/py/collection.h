/* SPDX-License-Identifier: Apache-2.0 */
/* Collection: when garbage is collected on a loop's thread, and for how long */
#pragma once

#include "py/api.h"

void collection_prepare(void);
void collection_install(void);
bool collection_is_seen(void);
