/* SPDX-License-Identifier: Apache-2.0 */
/* Combine: several reports made into one */
#pragma once

#include "model.h"

int report_combine(struct report *report, struct report *more);
