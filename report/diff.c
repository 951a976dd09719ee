/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diff
 *
 * The first report is made into a baseline, and the second is held against it, so that new, worse,
 * known and gone mean here what they mean there. A figure of the loops is worse when it is more
 * than twice what it was and past the limit that is asked of a turn (a share of time busy: past
 * 80 %): what was good and is good still is no news.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "diff.h"
#include "json.h"
#include "stamp.h"

#define DIFF_SCHEMA	      "loophound.diff/1"
#define DIFF_MAX_SHOWN	      50
#define DIFF_BUSY_UTILISATION 0.8

/* The worst loop's. */
static double figure_of(const struct report *report, unsigned int figure)
{
	double worst = 0;

	for (uint32_t i = 0; i < report->n_loops; i++) {
		const struct loop *loop = &report->loops[i];
		double value = figure == DIFF_LAG_P99	 ? (double)loop->lag.p99_ns
			       : figure == DIFF_TURN_MAX ? (double)loop->turn.max_ns
							 : loop_utilisation(loop);

		worst = MAX(worst, value);
	}
	return worst;
}

static void make_figures(struct diff *diff)
{
	static const char *const names[DIFF_N_FIGURES] = {"lag-p99", "turn-max", "utilisation"};

	for (unsigned int i = 0; i < DIFF_N_FIGURES; i++) {
		struct diff_figure *figure = &diff->figures[i];
		double limit = (double)diff->now->options.long_turn_ns;

		figure->name = names[i];
		figure->is_span = i != DIFF_UTILISATION;
		figure->base = figure_of(diff->base, i);
		figure->now = figure_of(diff->now, i);
		figure->is_worse = figure->now > figure->base * 2 &&
				   figure->now > (figure->is_span ? limit : DIFF_BUSY_UTILISATION);
	}
}

/* now is marked; both have to outlive the diff. Return: 0 or -ENOMEM. */
int diff_make(struct diff *diff, const struct report *base, struct report *now)
{
	struct baseline baseline = BASELINE_INIT;
	struct baseline_changes changes;
	int r = baseline_update(&baseline, base, true, &changes);

	diff->base = base;
	diff->now = now;
	if (!r)
		r = baseline_mark(&baseline, diff->base_path, now);
	baseline_deinit(&baseline);
	make_figures(diff);
	return r;
}

bool diff_is_worse(const struct diff *diff)
{
	for (uint32_t i = 0; i < diff->now->n_findings; i++)
		if (finding_counts(diff->now->findings[i]))
			return true;
	for (unsigned int i = 0; i < DIFF_N_FIGURES; i++)
		if (diff->figures[i].is_worse)
			return true;
	return false;
}

static uint32_t count_state(const struct diff *diff, enum baseline_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < diff->now->n_findings; i++)
		n += diff->now->findings[i]->baseline == state;
	return n;
}

static void text_figure(FILE *out, const struct diff_figure *figure)
{
	char base[STAMP_BYTES], now[STAMP_BYTES];

	if (figure->is_span)
		fprintf(out, "  %-12s %10s -> %s", figure->name,
			stamp_span((nsec_t)figure->base, base),
			stamp_span((nsec_t)figure->now, now));
	else
		fprintf(out, "  %-12s %8.0f %% -> %.0f %%", figure->name, figure->base * 100,
			figure->now * 100);
	fputs(figure->is_worse ? "  worse\n" : "\n", out);
}

void diff_text(FILE *out, const struct diff *diff, const struct text_style *style)
{
	uint32_t n_shown = 0, n_counting = 0;

	fputs("loophound: ", out);
	text_print(out, diff->base_path, 30);
	fputs(" -> ", out);
	text_print(out, diff->now_path, 30);
	fprintf(out, ": %" PRIu32 " new, %" PRIu32 " worse, %" PRIu32 " known, %" PRIu32 " gone\n",
		count_state(diff, BASELINE_NEW), count_state(diff, BASELINE_WORSE),
		count_state(diff, BASELINE_KNOWN), diff->now->baseline.n_gone);
	for (unsigned int i = 0; i < DIFF_N_FIGURES; i++)
		text_figure(out, &diff->figures[i]);
	for (uint32_t i = 0; i < diff->now->n_findings; i++) {
		if (!finding_counts(diff->now->findings[i]))
			continue;
		if (n_counting++ < DIFF_MAX_SHOWN) {
			text_print_finding(out, diff->now->findings[i], style);
			n_shown++;
		}
	}
	if (n_counting > n_shown)
		fprintf(out, "\n  and %" PRIu32 " more\n", n_counting - n_shown);
	if (diff->now->baseline.n_gone)
		fputc('\n', out);
	for (uint32_t i = 0; i < diff->now->baseline.n_gone && i < DIFF_MAX_SHOWN; i++) {
		fputs("  gone: ", out);
		text_print(out, diff->now->baseline.gone[i].site, 70);
		fputc('\n', out);
	}
}

static json_t *json_side(const struct report *report, const char *path)
{
	char started[STAMP_BYTES], ended[STAMP_BYTES];

	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i}", "file", path, "host",
			 report->host ? report->host : "", "started",
			 stamp_utc(report->started_at, started), "ended",
			 stamp_utc(report->ended_at, ended), "loops", (int)report->n_loops,
			 "findings", (int)report->n_findings);
}

static json_t *json_figures(const struct diff *diff)
{
	json_t *figures = json_array();

	for (unsigned int i = 0; i < DIFF_N_FIGURES; i++) {
		const struct diff_figure *figure = &diff->figures[i];

		json_array_append_new(figures, json_pack("{s:s, s:f, s:f, s:b}", "name",
							 figure->name, "base", figure->base, "new",
							 figure->now, "worse", figure->is_worse));
	}
	return figures;
}

/* Those that are known are counted alone. Return: 0 or a negative errno. */
int diff_json(FILE *out, const struct diff *diff)
{
	const struct report_baseline *baseline = &diff->now->baseline;
	json_t *findings = json_array(), *gone = json_array();

	for (uint32_t i = 0; i < diff->now->n_findings; i++)
		if (diff->now->findings[i]->baseline != BASELINE_KNOWN)
			json_array_append_new(findings, json_finding(diff->now->findings[i]));
	for (uint32_t i = 0; i < baseline->n_gone; i++)
		json_array_append_new(gone, json_pack("{s:s, s:s}", "fingerprint",
						      baseline->gone[i].fingerprint, "site",
						      baseline->gone[i].site));
	return json_write(
		out,
		json_pack("{s:s, s:{s:s, s:s}, s:o, s:o, s:b, s:{s:i, s:i, s:i, s:i}, "
			  "s:o, s:o, s:o}",
			  "schema", DIFF_SCHEMA, "tool", "name", "loophound", "version",
			  LOOPHOUND_VERSION, "base", json_side(diff->base, diff->base_path), "new",
			  json_side(diff->now, diff->now_path), "worse", diff_is_worse(diff),
			  "counts", "new", (int)count_state(diff, BASELINE_NEW), "worse",
			  (int)count_state(diff, BASELINE_WORSE), "known",
			  (int)count_state(diff, BASELINE_KNOWN), "gone", (int)baseline->n_gone,
			  "figures", json_figures(diff), "findings", findings, "gone", gone));
}
