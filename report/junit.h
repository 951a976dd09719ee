/* SPDX-License-Identifier: Apache-2.0 */
/* The report as JUnit XML: a case for each gate, each test with findings, and each kind */
#pragma once

#include <stdio.h>

#include "model.h"

int junit_write(FILE *out, const struct report *report);
