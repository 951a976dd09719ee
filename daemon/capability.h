/* SPDX-License-Identifier: Apache-2.0 */
/* Capability: what this process may do that others may not */
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool capability_has(unsigned int capability);
bool capability_may_probe(unsigned int capability);
int capability_keep(uint64_t kept);
int capability_keep_watching(uint64_t more);
