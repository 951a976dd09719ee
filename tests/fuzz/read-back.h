/* SPDX-License-Identifier: Apache-2.0 */
/* Read back: a report must come out of its own JSON again */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "load.h"

static inline void json_read_back(const struct report *report)
{
	struct report again = REPORT_INIT;
	struct pool *pool;
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (!out || pool_new(&pool) || json_write_report(out, report))
		abort();
	fclose(out);
	if (load_report_text(text, n, pool, &again) || again.n_findings != report->n_findings)
		abort();
	report_deinit(&again);
	pool_free(pool);
	free(text);
}
