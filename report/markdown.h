/* SPDX-License-Identifier: Apache-2.0 */
/* The report as Markdown: the summary of a CI job */
#pragma once

#include <stdio.h>

#include "model.h"

void markdown_write(FILE *out, const struct report *report);
