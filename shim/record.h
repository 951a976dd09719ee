/* SPDX-License-Identifier: Apache-2.0 */
/* Record: the process writes down what it saw, when no daemon is there to drain it */
#pragma once

#include "base/defs.h"

void record_drain(nsec_t now_ns);
void record_end(void);
void record_hand_over(void);
void record_forget(void);
