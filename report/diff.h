/* SPDX-License-Identifier: Apache-2.0 */
/* Diff: what became worse from one report to another, what is new, what is gone */
#pragma once

#include "baseline.h"
#include "text.h"

enum {
	DIFF_LAG_P99,
	DIFF_TURN_MAX,
	DIFF_UTILISATION,
	DIFF_N_FIGURES,
};

struct diff_figure {
	const char *name;
	double base, now;
	bool is_span; /* in ns; else a share of 1 */
	bool is_worse;
};

struct diff {
	const struct report *base, *now; /* now is marked against base */
	const char *base_path, *now_path;
	struct diff_figure figures[DIFF_N_FIGURES];
};

int diff_make(struct diff *diff, const struct report *base, struct report *now);
bool diff_is_worse(const struct diff *diff);
void diff_text(FILE *out, const struct diff *diff, const struct text_style *style);
int diff_json(FILE *out, const struct diff *diff);
