/* SPDX-License-Identifier: Apache-2.0 */
/* The report as JSON, schema loophound.report/1, and as one finding a line */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "model.h"

#define JSON_SCHEMA_REPORT "loophound.report/1"
#define JSON_SCHEMA_STATUS "loophound.status/1"

int json_write_report(FILE *out, const struct report *report);
int json_write_fd(int fd, const struct report *report, bool is_status);
json_t *json_status(const struct report *report);
json_t *json_finding(const struct finding *finding);
int json_write(FILE *out, json_t *json);
int json_write_lines(FILE *out, const struct report *report);
