/* SPDX-License-Identifier: Apache-2.0 */
/* What libFuzzer calls, and the replay of a corpus where there is no libFuzzer */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
