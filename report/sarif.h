/* SPDX-License-Identifier: Apache-2.0 */
/* The report as SARIF 2.1.0, as code scanning reads it */
#pragma once

#include <stdio.h>

#include "model.h"

int sarif_write(FILE *out, const struct report *report);
