/* SPDX-License-Identifier: Apache-2.0 */
/* Room: whether there is stack left for what runs when something was slow */
#pragma once

#include <stdbool.h>

/* In the constructor, which the program's first thread runs. */
void room_init(void);

/* Takes half a microsecond. */
bool room_is_enough(void);

/* Whether a handler runs on a signal stack, which has no room whatever lies below it. */
bool room_is_signal_stack(void);
