/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the user's: advice of his own, and the allow lists he names */
#pragma once

#include "allow.h"

void user_advice_load(void);
void user_allow_load(struct allow *allow, const char *path);
