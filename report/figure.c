/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures
 *
 * The histogram is in ticks and is written while it is read, so its counts are copied first and
 * everything is derived from the copy: the count is the sum of the buckets, not a number of its
 * own. A percentile is the upper end of the bucket in which it falls, and never above the maximum.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "figure.h"

static uint32_t figure_count_buckets(const struct hist *hist)
{
	uint32_t n = 0;

	for (unsigned int i = 0; i < HIST_N_BUCKETS; i++)
		n += hist->n[i] != 0;
	return n;
}

/*
 * The bucket's upper end in ns. The last bucket also holds all that is longer than an hour, so
 * its end is the maximum.
 */
static nsec_t figure_upper(unsigned int bucket, nsec_t max_ns, const struct clock_scale *scale)
{
	nsec_t upper_ns = clock_span_ns(scale, hist_upper(bucket));

	return bucket == HIST_N_BUCKETS - 1 ? MAX(upper_ns, max_ns) : upper_ns;
}

/* hist may be shared memory that somebody writes; figure is empty before. Return: 0 or -ENOMEM. */
int figure_init(struct figure *figure, const struct hist *hist, const struct clock_scale *scale)
{
	struct hist copy;
	uint32_t n_buckets;

	memcpy(&copy, hist, sizeof(copy));
	memset(figure, 0, sizeof(*figure));
	n_buckets = figure_count_buckets(&copy);
	figure->buckets = calloc(MAX(n_buckets, 1u), sizeof(*figure->buckets));
	if (!figure->buckets)
		return -ENOMEM;
	figure->max_ns = clock_span_ns(scale, copy.max);
	for (unsigned int i = 0; i < HIST_N_BUCKETS; i++) {
		if (!copy.n[i])
			continue;
		figure->buckets[figure->n_buckets++] = (struct figure_bucket){
			.upper_ns = figure_upper(i, figure->max_ns, scale), .n = copy.n[i]};
		figure->count += copy.n[i];
	}
	figure->p50_ns = figure_percentile(figure, 500);
	figure->p90_ns = figure_percentile(figure, 900);
	figure->p99_ns = figure_percentile(figure, 990);
	figure->p999_ns = figure_percentile(figure, 999);
	return 0;
}

void figure_deinit(struct figure *figure)
{
	free(figure->buckets);
	memset(figure, 0, sizeof(*figure));
}

/* ret_figure is empty before. Return: 0 or -ENOMEM. */
int figure_copy(struct figure *ret_figure, const struct figure *figure)
{
	struct figure_bucket *buckets = calloc(MAX(figure->n_buckets, 1u), sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	if (figure->n_buckets)
		memcpy(buckets, figure->buckets, figure->n_buckets * sizeof(*buckets));
	*ret_figure = *figure;
	ret_figure->buckets = buckets;
	return 0;
}

/* The span that per_mille of all are at most as long as; 0 when there is none. */
nsec_t figure_percentile(const struct figure *figure, uint32_t per_mille)
{
	unsigned __int128 wanted = (unsigned __int128)figure->count * per_mille;
	unsigned __int128 seen = 0;

	for (uint32_t i = 0; i < figure->n_buckets; i++) {
		seen += (unsigned __int128)figure->buckets[i].n * 1000;
		if (seen >= wanted)
			return MIN(figure->buckets[i].upper_ns, figure->max_ns);
	}
	return figure->max_ns;
}
