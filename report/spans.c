/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans
 *
 * Up to a limit, SPANS_MAX_KEPT or less, lengths are kept as they are. Beyond that each further one
 * replaces a random one with the probability that keeps the sample fair (Vitter's algorithm R). The
 * generator starts the same in every run, so equal input gives an equal report.
 */
#include <errno.h>
#include <stdlib.h>

#include "spans.h"

void spans_deinit(struct spans *spans)
{
	free(spans->kept);
	*spans = (struct spans)SPANS_INIT;
}

/* Knuth's MMIX generator; the high bits are the good ones. */
static uint64_t spans_random(struct spans *spans, uint64_t below)
{
	spans->state = spans->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint64_t)(((unsigned __int128)spans->state * below) >> 64);
}

static int spans_grow(struct spans *spans)
{
	uint32_t n_room = spans->n_room ? spans->n_room * 2 : 8;
	nsec_t *kept = reallocarray(spans->kept, n_room, sizeof(*kept));

	if (!kept)
		return -ENOMEM;
	spans->kept = kept;
	spans->n_room = n_room;
	return 0;
}

/*
 * n_max is how many may be kept by now; what is kept already stays.
 *
 * Return: 0 or -ENOMEM, and then the span is not counted.
 */
int spans_add(struct spans *spans, nsec_t span_ns, uint32_t n_max)
{
	uint64_t place;

	/* Once one has been left out, the sample is fair only if it grows no more. */
	if (spans->n == spans->n_kept && spans->n_kept < MAX(n_max, spans->n_room)) {
		if (spans->n_kept == spans->n_room && spans_grow(spans))
			return -ENOMEM;
		spans->kept[spans->n_kept++] = span_ns;
		spans->n++;
		return 0;
	}
	place = spans_random(spans, ++spans->n);
	if (place < spans->n_kept)
		spans->kept[place] = span_ns;
	return 0;
}

/* Of n lengths only the sum is known. n comes from strangers: no more are added than are kept. */
int spans_add_many(struct spans *spans, nsec_t sum_ns, uint32_t n, uint32_t n_max)
{
	nsec_t span_ns = sum_ns / MAX(n, 1u);
	int r = spans_add(spans, span_ns, n_max);

	for (uint32_t i = 1; !r && i < MIN(n, (uint32_t)SPANS_MAX_KEPT); i++)
		r = spans_add(spans, span_ns, n_max);
	return r;
}

static int spans_compare(const void *a, const void *b)
{
	nsec_t x = *(const nsec_t *)a, y = *(const nsec_t *)b;

	return (x > y) - (x < y);
}

/* The smallest kept span that per_cent of them do not exceed; 0 when there is none. */
nsec_t spans_percentile(struct spans *spans, uint32_t per_cent)
{
	uint32_t rank;

	if (!spans->n_kept)
		return 0;
	qsort(spans->kept, spans->n_kept, sizeof(*spans->kept), spans_compare);
	rank = (spans->n_kept * per_cent + 99) / 100;
	return spans->kept[rank ? rank - 1 : 0];
}
