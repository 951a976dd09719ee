/* SPDX-License-Identifier: Apache-2.0 */
/* Verdict: what became of a gate, in words */
#pragma once

#include <stdio.h>

#include "model.h"
#include "text.h"

#define VERDICT_BYTES 256

const char *verdict_words(const struct gate *gate, const struct report *report, char *buf,
			  size_t buf_bytes);
void verdict_print(FILE *out, const struct gate *gate, const struct report *report);
void verdict_print_line(FILE *out, const struct gate *gate, const struct report *report,
			const struct text_style *style);
