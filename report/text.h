/* SPDX-License-Identifier: Apache-2.0 */
/* The report for people: worst first, in less than 80 columns */
#pragma once

#include <stdio.h>

#include "model.h"

struct text_style {
	bool is_colored;
	const char *base_dir; /* paths below it are shown relative; NULL: none */
};

void text_report(FILE *out, const struct report *report, const struct text_style *style);
void text_status(FILE *out, const struct report *report, const struct text_style *style);
void text_print_finding(FILE *out, const struct finding *finding, const struct text_style *style);
void text_print_site(FILE *out, const struct frame *frame, const char *what,
		     const struct text_style *style);
void text_print(FILE *out, const char *text, size_t max_columns);
const char *text_path(const char *file, const char *base_dir, size_t max_columns, char *buf,
		      size_t buf_bytes);
