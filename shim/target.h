/* SPDX-License-Identifier: Apache-2.0 */
/* Target: what a call was made on, for people */
#pragma once

#include "call.h"

uint32_t target_of(const struct call_about *about);
