/* SPDX-License-Identifier: Apache-2.0 */
/* Combine: several reports made into one */
#pragma once

#include "model.h"

uint32_t report_count_known(const struct report *report, const struct report *more);
int report_combine(struct report *report, struct report *more);
