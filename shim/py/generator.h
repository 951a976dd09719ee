/* SPDX-License-Identifier: Apache-2.0 */
/* Generator: async generators that are left in the middle and closed by nobody */
#pragma once

void generator_loop_starts(void);
void generator_forget(void);
