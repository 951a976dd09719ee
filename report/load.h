/* SPDX-License-Identifier: Apache-2.0 */
/* Load: a report read back from its JSON */
#pragma once

#include <jansson.h>

#include "model.h"

int load_report_text(const char *bytes, size_t n_bytes, struct pool *pool,
		     struct report *ret_report);
int load_report(json_t *json, struct pool *pool, struct report *ret_report);
