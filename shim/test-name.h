/* SPDX-License-Identifier: Apache-2.0 */
/* The test that runs, as pytest tells it in its environment */
#pragma once

#include "base/defs.h"

void test_name_emit(void);
void test_name_forget(void);
