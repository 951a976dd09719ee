/* SPDX-License-Identifier: Apache-2.0 */
/* Exception: those that a broad except takes and drops */
#pragma once

void exception_loop_starts(void);
